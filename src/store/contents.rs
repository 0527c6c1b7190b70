//! Manifests and configurations, which their digest proves: read once, kept until the space is needed.

use super::database::{Sql, values};
use super::{Store, StoreError};
use crate::image::Digest;
use crate::repo::Moment;

/// Uses within this time are not written down again.
const USE_STEP_MS: i64 = 24 * 3600 * 1000;

/// A manifest or a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRow {
    /// Who may read it; empty where everybody may.
    pub audience: String,
    /// What it is named by.
    pub digest: Digest,
    /// The image it was read from.
    pub image: String,
    /// The registry's media type.
    pub media_type: String,
    /// The text.
    pub body: String,
    /// When it was read.
    pub fetched_at: Moment,
}

const SAVE: Sql = Sql::new(
    "save a manifest",
    "INSERT INTO contents (audience, digest, image, media_type, body, bytes, fetched_at, used_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (audience, digest) DO NOTHING",
);

const READ: Sql = Sql::new(
    "read a manifest",
    "SELECT audience, digest, image, media_type, body, fetched_at, used_at FROM contents
     WHERE audience = $1 AND digest = $2",
);

const USED: Sql =
    Sql::new("note a manifest's use", "UPDATE contents SET used_at = $3 WHERE audience = $1 AND digest = $2");

/// Those that are beyond the bound, counted from the one used last.
const TRIM: Sql = Sql::new(
    "forget the manifests used least",
    "DELETE FROM contents WHERE used_at <= (
        SELECT used_at FROM (
            SELECT used_at, SUM(bytes) OVER (ORDER BY used_at DESC, audience, digest) AS total FROM contents
        ) AS summed WHERE total > $1 ORDER BY used_at DESC LIMIT 1)",
);

impl Store {
    /// Keeps a manifest or a configuration; what is there already stays, for it is the same. What holds a NUL is no
    /// JSON, and no text that PostgreSQL takes: it is not kept.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_content(&self, row: &ContentRow) -> Result<(), StoreError> {
        if row.body.contains('\0') {
            return Ok(());
        }
        let (digest, bytes) = (row.digest.to_string(), i64::try_from(row.body.len()).unwrap_or(i64::MAX));
        let saved = values![&row.audience, &digest, &row.image, &row.media_type, &row.body, bytes, row.fetched_at.0];
        self.database.write(SAVE, saved).await.map(|_| ())
    }

    /// What a digest names, for an audience.
    ///
    /// # Errors
    /// The database fails, or the row is unreadable.
    pub async fn content(
        &self,
        audience: &str,
        digest: &Digest,
        now: Moment,
    ) -> Result<Option<ContentRow>, StoreError> {
        let Some(row) = self.database.read_one(READ, values![audience, digest.as_str()]).await? else {
            return Ok(None);
        };
        if now.0.saturating_sub(row.int("used_at")?) > USE_STEP_MS {
            self.database.write(USED, values![audience, digest.as_str(), now.0]).await?;
        }
        Ok(Some(ContentRow {
            audience: row.text("audience")?,
            digest: digest.clone(),
            image: row.text("image")?,
            media_type: row.text("media_type")?,
            body: row.text("body")?,
            fetched_at: Moment(row.int("fetched_at")?),
        }))
    }

    /// Forgets the manifests that were not used for the longest time, until the others have `bytes` at most.
    ///
    /// # Errors
    /// The database fails.
    pub async fn trim_contents(&self, bytes: i64) -> Result<u64, StoreError> {
        self.database.write(TRIM, values![bytes]).await
    }
}
