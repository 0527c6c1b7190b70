//! What is held in a repository now: the audit tells once when a hold began.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::database::{Sql, over_rows, values};
use super::{Store, StoreError};
use crate::repo::RepoId;

/// A hold, as far as it is told from others: the image, the kind of reason, what it would have moved to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldRow {
    /// The image.
    pub image: String,
    /// The kind of reason.
    pub code: String,
    /// What it would have moved to, or what stands there.
    pub target: String,
}

const LIST: Sql = Sql::new("list the holds", "SELECT image, code, target FROM holds WHERE repo_id = $1");

const ADD: Sql = over_rows!(
    "save holds",
    "INSERT INTO holds (repo_id, image, code, target, since)
     SELECT $2, given.value ->> 'image', given.value ->> 'code', given.value ->> 'target', $3 FROM",
    "WHERE true ON CONFLICT (repo_id, image, code, target) DO NOTHING"
);

const REMOVE: Sql =
    Sql::new("forget a hold", "DELETE FROM holds WHERE repo_id = $1 AND image = $2 AND code = $3 AND target = $4");

impl Store {
    /// Saves what is held now; those that were not held before.
    ///
    /// # Errors
    /// The database fails.
    pub async fn replace_holds(&self, repo: RepoId, now: &BTreeSet<HeldRow>) -> Result<BTreeSet<HeldRow>, StoreError> {
        let id = repo.0.cast_signed();
        let rows = self.database.read(LIST, values![id]).await?;
        let known: BTreeSet<HeldRow> = rows
            .iter()
            .map(|row| Ok(HeldRow { image: row.text("image")?, code: row.text("code")?, target: row.text("target")? }))
            .collect::<Result<_, StoreError>>()?;
        let new: BTreeSet<HeldRow> = now.difference(&known).cloned().collect();
        let mut open = self.database.begin(ADD.doing).await?;
        for gone in known.difference(now) {
            open.execute(REMOVE, values![id, &gone.image, &gone.code, &gone.target]).await?;
        }
        if !new.is_empty() {
            let rows = Json::from(new.iter().map(as_json).collect::<Vec<_>>()).to_string();
            open.execute(ADD, values![&rows, id, self.now().0]).await?;
        }
        open.commit(ADD.doing).await?;
        Ok(new)
    }
}

fn as_json(row: &HeldRow) -> Json {
    json!({ "image": row.image, "code": row.code, "target": row.target })
}
