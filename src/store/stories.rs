//! What registries tell of a tag's content on interfaces of their own: claims, kept with who made them.

use super::database::{Sql, values};
use super::{ImageKey, Store, StoreError};
use crate::image::{Digest, Platform, Tag};
use crate::repo::Moment;

/// What a registry tells of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryRow {
    /// The content it is told of.
    pub digest: Digest,
    /// When it was pushed, as told.
    pub pushed: Option<Moment>,
    /// For which platforms; empty where it is not told.
    pub platforms: Vec<Platform>,
    /// Who tells.
    pub source: String,
}

const SAVE: Sql = Sql::new(
    "save what a registry tells",
    "INSERT INTO stories (image, tag, digest, pushed, platforms, source, told_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (image, tag, digest) DO UPDATE SET pushed = excluded.pushed, platforms = excluded.platforms,
        source = excluded.source, told_at = excluded.told_at",
);

const READ: Sql = Sql::new(
    "read what a registry told",
    "SELECT pushed, platforms, source FROM stories WHERE image = $1 AND tag = $2 AND digest = $3",
);

impl Store {
    /// Keeps what a registry tells of a tag.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_story(
        &self,
        image: &ImageKey,
        tag: &Tag,
        story: &StoryRow,
        now: Moment,
    ) -> Result<(), StoreError> {
        let platforms =
            serde_json::to_string(&story.platforms).map_err(|source| StoreError::Json { what: "platforms", source })?;
        let (digest, pushed) = (story.digest.to_string(), story.pushed.map(|at| at.0));
        let saved = values![image.as_str(), tag.as_str(), &digest, pushed, &platforms, &story.source, now.0];
        self.database.write(SAVE, saved).await.map(|_| ())
    }

    /// What a registry told of this content under this tag.
    ///
    /// # Errors
    /// The database fails, or the row is unreadable.
    pub async fn story(&self, image: &ImageKey, tag: &Tag, digest: &Digest) -> Result<Option<StoryRow>, StoreError> {
        let asked = values![image.as_str(), tag.as_str(), digest.as_str()];
        let Some(row) = self.database.read_one(READ, asked).await? else { return Ok(None) };
        let platforms = serde_json::from_str(&row.text("platforms")?)
            .map_err(|error| StoreError::Row { column: "platforms", problem: error.to_string() })?;
        let pushed = row.maybe_int("pushed")?.map(Moment);
        Ok(Some(StoryRow { digest: digest.clone(), pushed, platforms, source: row.text("source")? }))
    }
}
