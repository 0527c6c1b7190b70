//! The tags of each image, as last read from its registry: one look-up serves the whole organisation.

use super::database::{Sql, values};
use super::{ImageKey, Store, StoreError};
use crate::repo::Moment;

/// The tags of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagListRow {
    /// The image, as its audience reads it.
    pub image: ImageKey,
    /// When the registry was last asked.
    pub fetched_at: Moment,
    /// The registry's `ETag` of the list.
    pub etag: Option<String>,
    /// The tags, in the registry's order.
    pub tags: Vec<String>,
    /// Whether these are all: a list can be cut off at a bound.
    pub complete: bool,
    /// What the list said of the uploads under its tags, as JSON; `None` where it said nothing.
    pub uploads: Option<String>,
}

const SAVE: Sql = Sql::new(
    "save a tag list",
    "INSERT INTO tag_lists (image, fetched_at, etag, tags, complete, uploads)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (image) DO UPDATE SET fetched_at = excluded.fetched_at, etag = excluded.etag, tags = excluded.tags,
        complete = excluded.complete, uploads = excluded.uploads
     WHERE excluded.fetched_at >= tag_lists.fetched_at",
);

const READ: Sql =
    Sql::new("read a tag list", "SELECT fetched_at, etag, tags, complete, uploads FROM tag_lists WHERE image = $1");

impl Store {
    /// Saves a tag list; an older one than is known changes nothing.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_tag_list(&self, row: &TagListRow) -> Result<(), StoreError> {
        let tags =
            serde_json::to_string(&row.tags).map_err(|source| StoreError::Json { what: "a tag list", source })?;
        let (image, uploads) = (row.image.as_str(), row.uploads.as_deref());
        let saved = values![image, row.fetched_at.0, row.etag.as_deref(), &tags, i64::from(row.complete), uploads];
        self.database.write(SAVE, saved).await.map(|_| ())
    }

    /// The tag list of an image, if it was ever read.
    ///
    /// # Errors
    /// The database fails, or the row is unreadable.
    pub async fn tag_list(&self, image: &ImageKey) -> Result<Option<TagListRow>, StoreError> {
        let Some(row) = self.database.read_one(READ, values![image.as_str()]).await? else { return Ok(None) };
        let tags = serde_json::from_str(&row.text("tags")?)
            .map_err(|error| StoreError::Row { column: "tags", problem: error.to_string() })?;
        Ok(Some(TagListRow {
            image: image.clone(),
            fetched_at: Moment(row.int("fetched_at")?),
            etag: row.maybe_text("etag")?,
            tags,
            complete: row.int("complete")? == 1,
            uploads: row.maybe_text("uploads")?,
        }))
    }
}
