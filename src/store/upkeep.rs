//! What nobody asks for any more leaves. The ledger stays: it cannot be read again anywhere.

use super::database::{Sql, values};
use super::{Store, StoreError};
use crate::repo::Moment;

const LISTS: Sql = Sql::new("forget tag lists", "DELETE FROM tag_lists WHERE fetched_at < $1");
const STORIES: Sql = Sql::new("forget what registries told", "DELETE FROM stories WHERE told_at < $1");
const MISSING: Sql = Sql::new(
    "forget missing tags",
    "DELETE FROM missing_tags WHERE image NOT IN (SELECT image FROM tag_lists) AND missed_at < $1",
);
const NEW: Sql = Sql::new(
    "forget when tags came",
    "DELETE FROM new_tags WHERE image NOT IN (SELECT image FROM tag_lists) AND came_at < $1",
);

impl Store {
    /// Forgets the lists that were not asked for since `before`, what belongs to them, and what registries told before:
    /// what is still in use is asked for anew.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_unused(&self, before: Moment) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for sql in [LISTS, STORIES, MISSING, NEW] {
            forgotten += self.database.write(sql, values![before.0]).await?;
        }
        Ok(forgotten)
    }
}
