//! What was read from each blob: a blob is parsed once for each class of path and each version of the extractor.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

use super::database::{Sql, over_rows, retry_conflicts, values};
use super::{Store, StoreError};
use crate::repo::BlobSha;

/// What is known, as JSON text, by blob and path key.
pub type Extractions = HashMap<(BlobSha, String), String>;

/// Keys or results in one statement.
const BATCH: usize = 500;

const READ: Sql = over_rows!(
    "read what blobs hold",
    "SELECT extractions.blob, extractions.path_key, extractions.result FROM",
    "JOIN extractions ON extractions.blob = given.value ->> 'blob'
        AND extractions.path_key = given.value ->> 'path_key' AND extractions.version = $2"
);

const SAVE: Sql = over_rows!(
    "save what blobs hold",
    "INSERT INTO extractions (blob, path_key, version, result)
     SELECT given.value ->> 'blob', given.value ->> 'path_key', $2, given.value ->> 'result' FROM",
    "WHERE true ON CONFLICT (blob, path_key, version) DO NOTHING"
);

const FORGET: Sql = Sql::new("forget what older extractors read", "DELETE FROM extractions WHERE version <> $1");

impl Store {
    /// Those of the keys that are known to this version of the extractor, with what was read.
    ///
    /// # Errors
    /// The database fails.
    pub async fn extractions(&self, keys: &[(BlobSha, String)], version: u32) -> Result<Extractions, StoreError> {
        let mut known = HashMap::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            let wanted = batch.iter().map(|(blob, path_key)| json!({ "blob": blob.as_str(), "path_key": path_key }));
            let wanted = Json::from(wanted.collect::<Vec<_>>()).to_string();
            for row in self.database.read(READ, values![&wanted, i64::from(version)]).await? {
                known.insert((row.parsed("blob")?, row.text("path_key")?), row.text("result")?);
            }
        }
        Ok(known)
    }

    /// Saves what was read: blob, path key and result as JSON text. What is known already stays, for it is the same.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_extractions(
        &self,
        version: u32,
        mut read: Vec<(BlobSha, String, String)>,
    ) -> Result<(), StoreError> {
        // In one order everywhere, so that two workers with the same blobs do not lock each other out.
        read.sort_unstable();
        read.dedup_by(|a, b| (&a.0, &a.1) == (&b.0, &b.1));
        for batch in read.chunks(BATCH) {
            let rows = batch.iter().map(
                |(blob, path_key, result)| json!({ "blob": blob.as_str(), "path_key": path_key, "result": result }),
            );
            let rows = Json::from(rows.collect::<Vec<_>>()).to_string();
            let saved = values![&rows, i64::from(version)];
            retry_conflicts(|| self.database.write(SAVE, saved)).await?;
        }
        Ok(())
    }

    /// Forgets what every other version of the extractor read, and returns how many results that were.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_other_extractions(&self, version: u32) -> Result<u64, StoreError> {
        self.database.write(FORGET, values![i64::from(version)]).await
    }
}
