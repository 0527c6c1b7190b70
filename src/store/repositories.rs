//! The repositories on which the App is installed, and what the last scan found in each.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde_json::Value as Json;

use super::database::{Row, Sql, Value, over_rows, retry_conflicts, values};
use super::repository_images::{forget_removed_in, save_images_in};
use super::{Store, StoreError};
use crate::image::ImageName;
use crate::repo::{BranchName, CommitSha, InstallationId, RepoId, RepoName};

/// One repository.
#[derive(Debug, Clone, PartialEq)]
pub struct RepositoryRow {
    /// GitHub's id of it, which survives renames and transfers.
    pub id: RepoId,
    /// The installation through which Restow reaches it.
    pub installation: InstallationId,
    /// Its present name.
    pub name: RepoName,
    /// The branch that Restow keeps up to date.
    pub default_branch: BranchName,
    /// Whether Restow works on it.
    pub state: RepositoryState,
    /// The commit of the last complete scan.
    pub scanned_commit: Option<CommitSha>,
    /// What that scan found; `None` in lists, where it would weigh too much: see [`Store::inventory`].
    pub inventory: Option<Json>,
    /// The sha of the configuration file's blob at the last scan.
    pub rules_blob: Option<String>,
}

/// Whether Restow works on a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepositoryState {
    /// It does.
    Active,
    /// Archived on GitHub: read-only.
    Archived,
    /// No longer reached by the installation.
    Removed,
}

impl RepositoryState {
    /// The state's one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Archived => "archived",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for RepositoryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RepositoryState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Active, Self::Archived, Self::Removed]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of active, archived, removed"))
    }
}

const SAVE: Sql = Sql::new(
    "save a repository",
    "INSERT INTO repositories (id, installation_id, name, default_branch, state) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (id) DO UPDATE SET installation_id = excluded.installation_id, name = excluded.name,
        default_branch = excluded.default_branch, state = excluded.state",
);

const READ: Sql = Sql::new(
    "read a repository",
    "SELECT id, installation_id, name, default_branch, state, scanned_commit, inventory, rules_blob
     FROM repositories WHERE id = $1",
);

const LIST: Sql = Sql::new(
    "list the repositories",
    "SELECT id, installation_id, name, default_branch, state, scanned_commit, NULL AS inventory, rules_blob
     FROM repositories WHERE installation_id = $1 AND state <> 'removed' ORDER BY id",
);

const REMOVE: Sql = over_rows!(
    "remove repositories",
    "UPDATE repositories SET state = 'removed', scanned_commit = NULL, inventory = NULL, rules_blob = NULL
     WHERE id IN (SELECT CAST(given.value ->> 'id' AS BIGINT) FROM",
    ")"
);

const SAVE_INVENTORY: Sql = Sql::new(
    "save an inventory",
    "UPDATE repositories SET scanned_commit = $2, inventory = $3 WHERE id = $1 AND state <> 'removed'",
);

const SAVE_RULES_BLOB: Sql =
    Sql::new("save which rules were read", "UPDATE repositories SET rules_blob = $2 WHERE id = $1");

const INVENTORY: Sql = Sql::new(
    "read an inventory",
    "SELECT scanned_commit, inventory FROM repositories WHERE id = $1 AND inventory IS NOT NULL",
);

const COMMIT_OF: Sql = Sql::new(
    "read how far a repository was scanned",
    "SELECT scanned_commit FROM repositories
     WHERE installation_id = $1 AND LOWER(name) = LOWER($2) AND state = 'active'",
);

impl Store {
    /// The commit of the last scan of a repository, by its name; `None` where there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn scanned_commit(
        &self,
        installation: InstallationId,
        name: &RepoName,
    ) -> Result<Option<String>, StoreError> {
        let row = self.database.read_one(COMMIT_OF, values![installation.0.cast_signed(), name.as_str()]).await?;
        row.map(|row| row.maybe_text("scanned_commit")).transpose().map(Option::flatten)
    }

    /// Saves who a repository is, new or known; what was found in it stays (see [`Store::save_inventory`]).
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_repository(&self, row: &RepositoryRow) -> Result<(), StoreError> {
        let saved = values![
            row.id.0.cast_signed(),
            row.installation.0.cast_signed(),
            row.name.as_str(),
            row.default_branch.as_str(),
            row.state.as_str(),
        ];
        self.database.write(SAVE, saved).await.map(|_| ())
    }

    /// The repository with this id, removed ones too.
    ///
    /// # Errors
    /// The database fails.
    pub async fn repository(&self, id: RepoId) -> Result<Option<RepositoryRow>, StoreError> {
        let row = self.database.read_one(READ, values![id.0.cast_signed()]).await?;
        row.as_ref().map(repository_row).transpose()
    }

    /// The repositories of an installation that are not removed, by their ids, without their inventories.
    ///
    /// # Errors
    /// The database fails.
    pub async fn repositories_of(&self, installation: InstallationId) -> Result<Vec<RepositoryRow>, StoreError> {
        let rows = self.database.read(LIST, values![installation.0.cast_signed()]).await?;
        rows.iter().map(repository_row).collect()
    }

    /// Marks repositories as removed and forgets what was found in them. What people refused there stays.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_repositories(&self, ids: &[RepoId]) -> Result<(), StoreError> {
        let rows: Vec<Json> = ids.iter().map(|id| serde_json::json!({ "id": id.0.cast_signed() })).collect();
        let rows = Json::from(rows).to_string();
        retry_conflicts(|| self.try_remove(&rows)).await
    }

    /// Saves what a complete scan of `commit` found, as JSON text, and the images in it, both or neither. Nothing
    /// happens where the repository was removed meanwhile.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_inventory(
        &self,
        repo: RepoId,
        commit: &CommitSha,
        inventory: &str,
        images: &BTreeSet<ImageName>,
    ) -> Result<(), StoreError> {
        let saved = values![repo.0.cast_signed(), commit.as_str(), inventory];
        retry_conflicts(|| self.try_save_inventory(repo, saved, images)).await
    }

    async fn try_save_inventory(
        &self,
        repo: RepoId,
        saved: &[Value<'_>],
        images: &BTreeSet<ImageName>,
    ) -> Result<(), StoreError> {
        let mut open = self.database.begin(SAVE_INVENTORY.doing).await?;
        open.execute(SAVE_INVENTORY, saved).await?;
        save_images_in(&mut open, repo, images).await?;
        open.commit(SAVE_INVENTORY.doing).await
    }

    async fn try_remove(&self, rows: &str) -> Result<(), StoreError> {
        let mut open = self.database.begin(REMOVE.doing).await?;
        open.execute(REMOVE, values![rows]).await?;
        forget_removed_in(&mut open).await?;
        open.commit(REMOVE.doing).await
    }

    /// Saves the sha of the configuration file's blob that the last scan read; `None` where there is no such file.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_rules_blob(&self, repo: RepoId, blob: Option<&str>) -> Result<(), StoreError> {
        self.database.write(SAVE_RULES_BLOB, values![repo.0.cast_signed(), blob]).await.map(|_| ())
    }

    /// The commit of the last complete scan and what it found, as JSON text.
    ///
    /// # Errors
    /// The database fails.
    pub async fn inventory(&self, repo: RepoId) -> Result<Option<(CommitSha, String)>, StoreError> {
        let row = self.database.read_one(INVENTORY, values![repo.0.cast_signed()]).await?;
        row.map(|row| Ok((row.parsed("scanned_commit")?, row.text("inventory")?))).transpose()
    }
}

pub(super) fn repository_row(row: &Row) -> Result<RepositoryRow, StoreError> {
    Ok(RepositoryRow {
        id: RepoId(row.int("id")?.cast_unsigned()),
        installation: InstallationId(row.int("installation_id")?.cast_unsigned()),
        name: row.parsed("name")?,
        default_branch: row.parsed("default_branch")?,
        state: row.parsed("state")?,
        scanned_commit: row.maybe_parsed("scanned_commit")?,
        inventory: row.maybe_parsed("inventory")?,
        rules_blob: row.maybe_text("rules_blob")?,
    })
}
