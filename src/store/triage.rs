//! What Debian's security team decided about vulnerabilities, as its tracker told last.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::database::{Sql, over_rows, retry_conflicts, values};
use super::{Store, StoreError};
use crate::vulnerability::{Triage, Triaged, Triages};

/// Rows that go into the database at once.
const AT_ONCE: usize = 20_000;

const DROP: Sql = Sql::new("save what Debian decided", "DELETE FROM triage");

const ADD: Sql = over_rows!(
    "save what Debian decided",
    "INSERT INTO triage (release, package, vulnerability, word)
     SELECT given.value ->> 'release', given.value ->> 'package', given.value ->> 'vulnerability', given.value ->> 'word'
     FROM",
    "WHERE true ON CONFLICT (release, package, vulnerability) DO NOTHING"
);

const ABOUT: Sql = over_rows!(
    "read what Debian decided",
    "SELECT release, package, vulnerability, word FROM",
    "CROSS JOIN triage WHERE release = given.value ->> 'release' AND package = given.value ->> 'package'"
);

impl Store {
    /// Keeps what was decided in the place of what was known.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_triage(&self, decided: &[Triaged]) -> Result<(), StoreError> {
        let row = |one: &Triaged| {
            json!({ "release": one.release, "package": one.package,
            "vulnerability": one.vulnerability, "word": one.triage.to_string() })
        };
        let chunks: Vec<String> = decided
            .chunks(AT_ONCE)
            .map(|some| Json::from(some.iter().map(row).collect::<Vec<_>>()).to_string())
            .collect();
        retry_conflicts(|| async {
            let mut open = self.database.begin(ADD.doing).await?;
            open.execute(DROP, values![]).await?;
            for some in &chunks {
                open.execute(ADD, values![some]).await?;
            }
            open.commit(ADD.doing).await
        })
        .await
    }

    /// What was decided about source packages, given as (release, package).
    ///
    /// # Errors
    /// The database fails.
    pub async fn triage_of(&self, packages: &BTreeSet<(&str, &str)>) -> Result<Triages, StoreError> {
        let wanted: Vec<Json> =
            packages.iter().map(|(release, package)| json!({ "release": release, "package": package })).collect();
        let rows = self.database.read(ABOUT, values![&Json::from(wanted).to_string()]).await?;
        let mut found = Triages::new();
        for row in rows {
            let Some(triage) = Triage::of_word(&row.text("word")?) else { continue };
            let of = found.entry((row.text("release")?, row.text("package")?)).or_default();
            of.insert(row.text("vulnerability")?, triage);
        }
        Ok(found)
    }
}
