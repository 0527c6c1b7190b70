//! What is left of registries' limits, as one replica last heard it, for all of them.

use std::time::Duration;

use super::database::{Sql, values};
use super::{Store, StoreError};
use crate::repo::Moment;

/// What a registry said of its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaRow {
    /// The registry as images name it.
    pub host: String,
    /// For whom; empty where for everybody.
    pub audience: String,
    /// Pulls in a window.
    pub limit: i64,
    /// The window's length.
    pub window: Duration,
    /// Pulls that are left.
    pub remaining: i64,
    /// When the registry said so.
    pub read_at: Moment,
}

const SAVE: Sql = Sql::new(
    "save a registry's limit",
    "INSERT INTO quotas (host, audience, pulls_limit, window_ms, remaining, read_at) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (host, audience) DO UPDATE SET pulls_limit = excluded.pulls_limit, window_ms = excluded.window_ms,
        remaining = excluded.remaining, read_at = excluded.read_at
     WHERE excluded.read_at >= quotas.read_at",
);

const FORGET: Sql = Sql::new("forget a registry's limit", "DELETE FROM quotas WHERE host = $1 AND audience = $2");

const READ: Sql = Sql::new(
    "read a registry's limit",
    "SELECT pulls_limit, window_ms, remaining, read_at FROM quotas WHERE host = $1 AND audience = $2",
);

impl Store {
    /// Keeps what a registry said; what was said later stays.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_quota(&self, row: &QuotaRow) -> Result<(), StoreError> {
        let window = i64::try_from(row.window.as_millis()).unwrap_or(i64::MAX);
        let saved = values![&row.host, &row.audience, row.limit, window, row.remaining, row.read_at.0];
        self.database.write(SAVE, saved).await.map(|_| ())
    }

    /// Forgets a limit that a registry no longer names.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_quota(&self, host: &str, audience: &str) -> Result<(), StoreError> {
        self.database.write(FORGET, values![host, audience]).await.map(|_| ())
    }

    /// What a registry last said of its limit.
    ///
    /// # Errors
    /// The database fails, or the row is unreadable.
    pub async fn quota(&self, host: &str, audience: &str) -> Result<Option<QuotaRow>, StoreError> {
        let Some(row) = self.database.read_one(READ, values![host, audience]).await? else { return Ok(None) };
        Ok(Some(QuotaRow {
            host: host.to_owned(),
            audience: audience.to_owned(),
            limit: row.int("pulls_limit")?,
            window: Duration::from_millis(u64::try_from(row.int("window_ms")?).unwrap_or(0)),
            remaining: row.int("remaining")?,
            read_at: Moment(row.int("read_at")?),
        }))
    }
}
