//! The writes to GitHub, kept in the database.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::github::{WriteLedger, Written};
use crate::repo::{InstallationId, Moment, RepoId};
use crate::store::Store;

/// Keeps the writes of all processes that share a database.
#[derive(Debug)]
pub struct StoredWrites(Store);

impl StoredWrites {
    /// Keeps them there.
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

impl WriteLedger for StoredWrites {
    fn since(&self, installation: InstallationId, after: Moment) -> BoxFuture<'_, Result<Vec<Written>, String>> {
        async move {
            let all = self.0.writes(installation, after).await.map_err(|error| error.to_string())?;
            Ok(all.into_iter().map(|(repo, at)| Written { repo, at }).collect())
        }
        .boxed()
    }

    fn note(
        &self,
        installation: InstallationId,
        repo: Option<RepoId>,
        at: Moment,
        forgotten: Moment,
    ) -> BoxFuture<'_, Result<(), String>> {
        async move {
            let noted = self.0.note_write(installation, repo, at, forgotten).await;
            noted.map_err(|error| error.to_string())
        }
        .boxed()
    }
}
