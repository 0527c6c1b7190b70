//! When installations wrote to GitHub lately, for every process that shares the database.

use super::database::{Sql, values};
use super::{Store, StoreError};
use crate::repo::{InstallationId, Moment, RepoId};

const ADD: Sql =
    Sql::new("note a write to GitHub", "INSERT INTO writes (installation_id, repo_id, at) VALUES ($1, $2, $3)");

const FORGET: Sql = Sql::new("note a write to GitHub", "DELETE FROM writes WHERE installation_id = $1 AND at <= $2");

const LIST: Sql = Sql::new(
    "read the writes to GitHub",
    "SELECT repo_id, at FROM writes WHERE installation_id = $1 AND at > $2 ORDER BY at",
);

impl Store {
    /// Notes a write, and forgets those until `forgotten`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn note_write(
        &self,
        installation: InstallationId,
        repo: Option<RepoId>,
        at: Moment,
        forgotten: Moment,
    ) -> Result<(), StoreError> {
        let id = installation.0.cast_signed();
        let mut open = self.database.begin(ADD.doing).await?;
        open.execute(FORGET, values![id, forgotten.0]).await?;
        open.execute(ADD, values![id, repo.map(|repo| repo.0.cast_signed()), at.0]).await?;
        open.commit(ADD.doing).await
    }

    /// The writes of an installation after a moment, the oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn writes(
        &self,
        installation: InstallationId,
        after: Moment,
    ) -> Result<Vec<(Option<RepoId>, Moment)>, StoreError> {
        let rows = self.database.read(LIST, values![installation.0.cast_signed(), after.0]).await?;
        let write = |row: &super::database::Row| {
            Ok((row.maybe_int("repo_id")?.map(|id| RepoId(id.cast_unsigned())), Moment(row.int("at")?)))
        };
        rows.iter().map(write).collect()
    }
}
