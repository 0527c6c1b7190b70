//! Advisories that are mirrored whole, by ecosystem, and what is known of their exploitation: matched without asking
//! anybody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::database::{Sql, Transaction, over_rows, retry_conflicts, values};
use super::{Store, StoreError};
use crate::repo::Moment;
use crate::vulnerability::Exploitation;

/// A record of an export, taken apart for matching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirroredRecord {
    /// Its name.
    pub id: String,
    /// When it last changed, as the export's list says.
    pub modified: String,
    /// What it says of each package of each release; nothing where it was withdrawn.
    pub affected: Vec<MirroredAffected>,
}

/// What a record says of one package of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirroredAffected {
    /// `Debian:12`; for languages the ecosystem itself.
    pub release: String,
    /// The package's name there.
    pub package: String,
    /// The record with this package alone, as JSON.
    pub body: String,
}

/// A source that is mirrored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    /// `Debian`; `KEV`, `EPSS`.
    pub name: String,
    /// How many records it has.
    pub records: i64,
    /// How many of them cannot be read.
    pub unreadable: i64,
    /// When it was last brought, whole.
    pub synced_at: Moment,
    /// Of when its data is, where it says so.
    pub data_of: Option<Moment>,
}

/// What stands before the address of a VEX repository in a source's name.
const VEX: &str = "VEX ";
/// Sources that are no ecosystem.
const FEEDS: [&str; 4] = ["KEV", "EPSS", "endoflife.date", TRIAGE];

/// The name of Debian's decisions as a source.
pub const TRIAGE: &str = "Debian tracker";

impl SourceRow {
    /// The name of a VEX repository as a source.
    pub fn of_vex(address: &str) -> String {
        format!("{VEX}{address}")
    }

    /// The address of the VEX repository that it is.
    pub fn vex_repository(&self) -> Option<&str> {
        self.name.strip_prefix(VEX)
    }

    /// Of when its data is; where it does not say so, when it was brought.
    pub fn as_of(&self) -> Moment {
        self.data_of.unwrap_or(self.synced_at)
    }

    /// Whether it is an ecosystem of OSV.
    pub fn is_ecosystem(&self) -> bool {
        self.vex_repository().is_none() && !FEEDS.contains(&self.name.as_str())
    }
}

const RECORDS: Sql =
    Sql::new("read the mirrored records", "SELECT id, modified FROM mirrored_records WHERE ecosystem = $1");

const DROP_AFFECTED: Sql = over_rows!(
    "save mirrored records",
    "DELETE FROM mirrored_affected WHERE ecosystem = $2 AND id IN (SELECT given.value ->> 'id' FROM",
    ")"
);

const DROP_RECORDS: Sql = over_rows!(
    "save mirrored records",
    "DELETE FROM mirrored_records WHERE ecosystem = $2 AND id IN (SELECT given.value ->> 'id' FROM",
    ")"
);

const ADD_RECORDS: Sql = over_rows!(
    "save mirrored records",
    "INSERT INTO mirrored_records (ecosystem, id, modified)
     SELECT $2, given.value ->> 'id', given.value ->> 'modified' FROM",
    "WHERE true ON CONFLICT (ecosystem, id) DO UPDATE SET modified = excluded.modified"
);

const ADD_AFFECTED: Sql = over_rows!(
    "save mirrored records",
    "INSERT INTO mirrored_affected (release, package, id, ecosystem, body)
     SELECT given.value ->> 'release', given.value ->> 'package', given.value ->> 'id', $2, given.value ->> 'body' FROM",
    "WHERE true ON CONFLICT (release, package, id) DO UPDATE SET
        ecosystem = excluded.ecosystem, body = excluded.body"
);

const MATCHING: Sql = over_rows!(
    "read mirrored advisories",
    "SELECT release, package, body FROM",
    "CROSS JOIN mirrored_affected
     WHERE release = given.value ->> 'release' AND package = given.value ->> 'package'"
);

const RELEASE: Sql =
    Sql::new("read mirrored advisories", "SELECT 1 AS one FROM mirrored_affected WHERE release = $1 LIMIT 1");

const SOURCES: Sql = Sql::new(
    "read the mirrored sources",
    "SELECT name, records, unreadable, synced_at, data_of FROM advisory_sources ORDER BY name",
);

const SAVE_SOURCE: Sql = Sql::new(
    "save a mirrored source",
    "INSERT INTO advisory_sources (name, records, unreadable, synced_at, data_of) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (name) DO UPDATE SET
        records = excluded.records, unreadable = excluded.unreadable, synced_at = excluded.synced_at,
        data_of = excluded.data_of",
);

const FORGET_SOURCE: Sql = Sql::new("forget a mirrored source", "DELETE FROM advisory_sources WHERE name = $1");

const FORGET_KEV: Sql =
    Sql::new("save what is exploited", "UPDATE exploitation SET kev = NULL, ransomware = 0 WHERE kev IS NOT NULL");

const FORGET_EPSS: Sql =
    Sql::new("save what is exploited", "UPDATE exploitation SET epss = NULL WHERE epss IS NOT NULL");

const ADD_KEV: Sql = over_rows!(
    "save what is exploited",
    "INSERT INTO exploitation (cve, kev, ransomware)
     SELECT given.value ->> 'cve', given.value ->> 'kev', CAST(given.value ->> 'ransomware' AS BIGINT) FROM",
    "WHERE true ON CONFLICT (cve) DO UPDATE SET kev = excluded.kev, ransomware = excluded.ransomware"
);

const ADD_EPSS: Sql = over_rows!(
    "save what is exploited",
    "INSERT INTO exploitation (cve, ransomware, epss)
     SELECT given.value ->> 'cve', 0, CAST(given.value ->> 'epss' AS BIGINT) FROM",
    "WHERE true ON CONFLICT (cve) DO UPDATE SET epss = excluded.epss"
);

const EXPLOITATION: Sql = over_rows!(
    "read what is exploited",
    "SELECT cve, kev, ransomware, epss FROM exploitation WHERE cve IN (SELECT given.value ->> 'cve' FROM",
    ")"
);

impl Store {
    /// When each record of an ecosystem that is mirrored last changed, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn mirrored_records(&self, ecosystem: &str) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = self.database.read(RECORDS, values![ecosystem]).await?;
        rows.iter().map(|row| Ok((row.text("id")?, row.text("modified")?))).collect()
    }

    /// Keeps records of an ecosystem; each takes the place of what was known of it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_mirrored(&self, ecosystem: &str, records: &[MirroredRecord]) -> Result<(), StoreError> {
        let ids = as_rows(records, |record| json!({ "id": record.id, "modified": record.modified }));
        let affected = |record: &MirroredRecord| {
            let id = record.id.clone();
            let row = move |one: &MirroredAffected| json!({ "id": id, "release": one.release, "package": one.package, "body": one.body });
            record.affected.iter().map(row).collect::<Vec<_>>()
        };
        let affected = Json::from(records.iter().flat_map(affected).collect::<Vec<_>>()).to_string();
        retry_conflicts(|| async {
            let mut open = self.database.begin(ADD_RECORDS.doing).await?;
            open.execute(DROP_AFFECTED, values![&ids, ecosystem]).await?;
            open.execute(ADD_RECORDS, values![&ids, ecosystem]).await?;
            open.execute(ADD_AFFECTED, values![&affected, ecosystem]).await?;
            open.commit(ADD_RECORDS.doing).await
        })
        .await
    }

    /// Forgets records of an ecosystem that its export has no more.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_mirrored(&self, ecosystem: &str, ids: &[&str]) -> Result<(), StoreError> {
        let ids = as_rows(ids, |id| json!({ "id": id }));
        retry_conflicts(|| async {
            let mut open = self.database.begin(DROP_RECORDS.doing).await?;
            open.execute(DROP_AFFECTED, values![&ids, ecosystem]).await?;
            open.execute(DROP_RECORDS, values![&ids, ecosystem]).await?;
            open.commit(DROP_RECORDS.doing).await
        })
        .await
    }

    /// What mirrored records say of packages, given as (release, package): `(release, package, body)`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn mirrored_matching(
        &self,
        packages: &BTreeSet<(&str, &str)>,
    ) -> Result<Vec<MirroredAffected>, StoreError> {
        let wanted: Vec<Json> =
            packages.iter().map(|(release, package)| json!({ "release": release, "package": package })).collect();
        let rows = self.database.read(MATCHING, values![&Json::from(wanted).to_string()]).await?;
        let read = rows.iter().map(|row| {
            Ok(MirroredAffected {
                release: row.text("release")?,
                package: row.text("package")?,
                body: row.text("body")?,
            })
        });
        read.collect()
    }

    /// Whether any mirrored record is about a release.
    ///
    /// # Errors
    /// The database fails.
    pub async fn is_mirrored_release(&self, release: &str) -> Result<bool, StoreError> {
        Ok(self.database.read_one(RELEASE, values![release]).await?.is_some())
    }

    /// What is mirrored whole.
    ///
    /// # Errors
    /// The database fails.
    pub async fn advisory_sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        let rows = self.database.read(SOURCES, &[]).await?;
        let read = rows.iter().map(|row| {
            let (name, synced_at) = (row.text("name")?, Moment(row.int("synced_at")?));
            let (records, unreadable) = (row.int("records")?, row.int("unreadable")?);
            let data_of = row.maybe_int("data_of")?.map(Moment);
            Ok(SourceRow { name, records, unreadable, synced_at, data_of })
        });
        read.collect()
    }

    /// A source is here, whole, as of now; `unreadable` of its records cannot be read. `data_of` is of when its data is,
    /// where it says so.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_advisory_source(
        &self,
        name: &str,
        (records, unreadable): (usize, usize),
        data_of: Option<Moment>,
    ) -> Result<(), StoreError> {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let row = values![name, count(records), count(unreadable), self.now().0, data_of.map(|at| at.0)];
        self.database.write(SAVE_SOURCE, row).await.map(|_| ())
    }

    /// A source is here no more: what was kept of it counts for nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_advisory_source(&self, name: &str) -> Result<(), StoreError> {
        self.database.write(FORGET_SOURCE, values![name]).await.map(|_| ())
    }

    /// Keeps CISA's catalogue in the place of the one that was known.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_kev(&self, catalogue: &BTreeMap<String, Exploitation>) -> Result<(), StoreError> {
        let entries: Vec<_> = catalogue.iter().collect();
        let row = |(cve, one): &(&String, &Exploitation)| json!({ "cve": cve, "kev": one.kev, "ransomware": i64::from(one.ransomware) });
        retry_conflicts(|| async {
            let mut open = self.database.begin(ADD_KEV.doing).await?;
            open.execute(FORGET_KEV, &[]).await?;
            add_in(&mut open, ADD_KEV, &entries, row).await?;
            open.commit(ADD_KEV.doing).await
        })
        .await
    }

    /// Keeps FIRST's scores in the place of those that were known.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_epss(&self, scores: &BTreeMap<String, u32>) -> Result<(), StoreError> {
        let entries: Vec<_> = scores.iter().collect();
        let row = |(cve, epss): &(&String, &u32)| json!({ "cve": cve, "epss": epss });
        retry_conflicts(|| async {
            let mut open = self.database.begin(ADD_EPSS.doing).await?;
            open.execute(FORGET_EPSS, &[]).await?;
            add_in(&mut open, ADD_EPSS, &entries, row).await?;
            open.commit(ADD_EPSS.doing).await
        })
        .await
    }

    /// What is known of the exploitation of vulnerabilities, by CVE number.
    ///
    /// # Errors
    /// The database fails.
    pub async fn exploitation(&self, cves: &[&str]) -> Result<BTreeMap<String, Exploitation>, StoreError> {
        let rows = self.database.read(EXPLOITATION, values![&as_rows(cves, |cve| json!({ "cve": cve }))]).await?;
        let read = rows.iter().map(|row| {
            let epss = row.maybe_int("epss")?.and_then(|epss| u32::try_from(epss).ok());
            let known = Exploitation { kev: row.maybe_text("kev")?, ransomware: row.int("ransomware")? != 0, epss };
            Ok((row.text("cve")?, known))
        });
        read.collect()
    }
}

/// Rows that go into the database at once.
const AT_ONCE: usize = 20_000;

async fn add_in<T>(
    open: &mut Transaction<'_>,
    sql: Sql,
    entries: &[T],
    row: impl Fn(&T) -> Json,
) -> Result<(), StoreError> {
    for some in entries.chunks(AT_ONCE) {
        open.execute(sql, values![&as_rows(some, &row)]).await?;
    }
    Ok(())
}

fn as_rows<T>(entries: &[T], row: impl Fn(&T) -> Json) -> String {
    Json::from(entries.iter().map(row).collect::<Vec<_>>()).to_string()
}
