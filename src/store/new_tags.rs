//! Tags that came while Restow watched: what was in the first list of an image was there before.

use serde_json::json;

use super::database::{Sql, over_rows, values};
use super::{ImageKey, Store, StoreError};
use crate::image::Tag;
use crate::repo::Moment;

/// Tags in one statement.
const BATCH: usize = 500;

/// The first moment never changes.
const CAME: Sql = over_rows!(
    "note new tags",
    "INSERT INTO new_tags (image, tag, came_at) SELECT $2, given.value ->> 'tag', $3 FROM",
    "WHERE true ON CONFLICT (image, tag) DO NOTHING"
);

const READ: Sql = Sql::new("read when a tag came", "SELECT came_at FROM new_tags WHERE image = $1 AND tag = $2");

impl Store {
    /// Notes that these tags are in a list of an image, and were not in the whole list before.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_new_tags(&self, image: &ImageKey, tags: &[&str], now: Moment) -> Result<(), StoreError> {
        for batch in tags.chunks(BATCH) {
            let rows = serde_json::Value::from(batch.iter().map(|tag| json!({ "tag": tag })).collect::<Vec<_>>());
            self.database.write(CAME, values![&rows.to_string(), image.as_str(), now.0]).await?;
        }
        Ok(())
    }

    /// When a tag came into the list, where it was not in the first one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tag_came(&self, image: &ImageKey, tag: &Tag) -> Result<Option<Moment>, StoreError> {
        let row = self.database.read_one(READ, values![image.as_str(), tag.as_str()]).await?;
        row.map(|row| row.int("came_at").map(Moment)).transpose()
    }
}
