//! Tags that a registry listed once and does not list any more: how often they were missed in a row.

use serde_json::json;

use super::database::{Sql, over_rows, values};
use super::{ImageKey, Store, StoreError};
use crate::image::Tag;
use crate::repo::Moment;

/// Tags in one statement; more vanish only where a registry was emptied.
const BATCH: usize = 500;

const MISS: Sql = over_rows!(
    "note missing tags",
    "INSERT INTO missing_tags (image, tag, misses, since, missed_at)
     SELECT $2, given.value ->> 'tag', 1, $3, $3 FROM",
    "WHERE true ON CONFLICT (image, tag) DO UPDATE SET misses = missing_tags.misses + 1, missed_at = excluded.missed_at
     WHERE missing_tags.missed_at <= $4"
);

const FOUND: Sql = over_rows!(
    "note tags that are back",
    "DELETE FROM missing_tags WHERE image = $2 AND tag IN (SELECT given.value ->> 'tag' FROM",
    ")"
);

const READ: Sql =
    Sql::new("read missing tags", "SELECT tag FROM missing_tags WHERE image = $1 AND misses < $2 ORDER BY tag");

impl Store {
    /// Notes that a whole list of an image was read at `now`, without `missing`, and that `back` are in it. What was
    /// missed after `before` already is not counted again.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_missing(
        &self,
        image: &ImageKey,
        missing: &[&str],
        back: &[&str],
        (now, before): (Moment, Moment),
    ) -> Result<(), StoreError> {
        for batch in back.chunks(BATCH) {
            self.database.write(FOUND, values![&rows(batch), image.as_str()]).await?;
        }
        for batch in missing.chunks(BATCH) {
            self.database.write(MISS, values![&rows(batch), image.as_str(), now.0, before.0]).await?;
        }
        Ok(())
    }

    /// The tags of an image that were missed fewer than `misses` times in a row: they may come back.
    ///
    /// # Errors
    /// The database fails, or a row is unreadable.
    pub async fn recently_missing(&self, image: &ImageKey, misses: i64) -> Result<Vec<Tag>, StoreError> {
        let rows = self.database.read(READ, values![image.as_str(), misses]).await?;
        rows.iter().map(|row| row.parsed("tag")).collect()
    }
}

fn rows(tags: &[&str]) -> String {
    serde_json::Value::from(tags.iter().map(|tag| json!({ "tag": tag })).collect::<Vec<_>>()).to_string()
}
