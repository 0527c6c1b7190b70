//! What images hold, and the advisories that were read: package lists by digest for ever, advisories by id until they
//! change.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::database::{Sql, over_rows, values};
use super::{ImageKey, Store, StoreError};
use crate::image::Digest;
use crate::repo::Moment;

/// An advisory, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryRow {
    /// Its name.
    pub id: String,
    /// When it last changed, as its source says.
    pub modified: String,
    /// The record, as JSON.
    pub body: String,
}

const LIST: Sql = Sql::new(
    "read what an image holds",
    "SELECT body, determined_at FROM package_lists
     WHERE audience = $1 AND digest = $2 AND platform = $3 AND reader = $4",
);

const SAVE_LIST: Sql = Sql::new(
    "save what an image holds",
    "INSERT INTO package_lists (audience, digest, platform, body, reader, determined_at) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (audience, digest, platform) DO UPDATE SET
        body = excluded.body, reader = excluded.reader, determined_at = excluded.determined_at",
);

const ADVISORIES: Sql = over_rows!(
    "read advisories",
    "SELECT id, modified, body FROM advisories WHERE id IN (SELECT given.value ->> 'id' FROM",
    ")"
);

const SAVE_ADVISORIES: Sql = over_rows!(
    "save advisories",
    "INSERT INTO advisories (id, modified, body, fetched_at)
     SELECT given.value ->> 'id', given.value ->> 'modified', given.value ->> 'body', $2 FROM",
    "WHERE true ON CONFLICT (id) DO UPDATE SET
        modified = excluded.modified, body = excluded.body, fetched_at = excluded.fetched_at"
);

impl Store {
    /// What an image holds on a platform (empty: the one that stands for all), by its name too, since what is attached
    /// elsewhere to the same content says nothing of it: as JSON, and since when that is known, where this version of
    /// the reader determined it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn package_list(
        &self,
        image: &ImageKey,
        (digest, platform): (&Digest, &str),
        reader: i64,
    ) -> Result<Option<(String, Moment)>, StoreError> {
        let row = self.database.read_one(LIST, values![image.as_str(), digest.as_str(), platform, reader]).await?;
        row.map(|row| Ok((row.text("body")?, Moment(row.int("determined_at")?)))).transpose()
    }

    /// Keeps what an image holds on a platform.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_package_list(
        &self,
        image: &ImageKey,
        (digest, platform): (&Digest, &str),
        reader: i64,
        body: &str,
    ) -> Result<(), StoreError> {
        let row = values![image.as_str(), digest.as_str(), platform, body, reader, self.now().0];
        self.database.write(SAVE_LIST, row).await.map(|_| ())
    }

    /// The advisories of these names that were read before, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn advisories(&self, ids: &[&str]) -> Result<BTreeMap<String, AdvisoryRow>, StoreError> {
        let wanted = Json::from(ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>()).to_string();
        let rows = self.database.read(ADVISORIES, values![&wanted]).await?;
        let read = rows.iter().map(|row| {
            let id = row.text("id")?;
            Ok((id.clone(), AdvisoryRow { id, modified: row.text("modified")?, body: row.text("body")? }))
        });
        read.collect()
    }

    /// Keeps advisories; each takes the place of what was known of it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_advisories(&self, rows: &[AdvisoryRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let as_json = |row: &AdvisoryRow| json!({ "id": row.id, "modified": row.modified, "body": row.body });
        let rows = Json::from(rows.iter().map(as_json).collect::<Vec<_>>()).to_string();
        self.database.write(SAVE_ADVISORIES, values![&rows, self.now().0]).await.map(|_| ())
    }
}
