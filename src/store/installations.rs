//! The installations of the App.

use std::fmt;
use std::str::FromStr;

use super::database::{Row, Sql, values};
use super::repository_images::forget_removed_in;
use super::{Store, StoreError};
use crate::repo::{InstallationId, Moment};

/// One installation of the App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationRow {
    /// GitHub's id of it.
    pub id: InstallationId,
    /// The user or organisation that installed it.
    pub account: String,
    /// Whether Restow may work there.
    pub state: InstallationState,
}

/// Whether Restow may work in an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstallationState {
    /// It may.
    Active,
    /// Somebody suspended it: GitHub refuses its tokens for now.
    Suspended,
    /// Uninstalled.
    Deleted,
}

impl InstallationState {
    /// The state's one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
        }
    }
}

impl fmt::Display for InstallationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for InstallationState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Active, Self::Suspended, Self::Deleted]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of active, suspended, deleted"))
    }
}

const SAVE: Sql = Sql::new(
    "save an installation",
    "INSERT INTO installations (id, account, state) VALUES ($1, $2, $3)
     ON CONFLICT (id) DO UPDATE SET account = excluded.account, state = excluded.state, deleted_at = NULL",
);

const READ: Sql = Sql::new("read an installation", "SELECT id, account, state FROM installations WHERE id = $1");

const LIST: Sql = Sql::new(
    "list the installations",
    "SELECT id, account, state FROM installations WHERE state <> 'deleted' ORDER BY id",
);

const DELETE: Sql = Sql::new(
    "delete an installation",
    "UPDATE installations SET state = 'deleted', deleted_at = COALESCE(deleted_at, $2) WHERE id = $1",
);

const REMOVE_REPOSITORIES: Sql = Sql::new(
    "delete an installation",
    "UPDATE repositories SET state = 'removed', scanned_commit = NULL, inventory = NULL, rules_blob = NULL
     WHERE installation_id = $1",
);

/// The repositories of installations that were deleted before `$1`, within every statement that erases.
macro_rules! erase {
    ($table:literal) => {
        Sql::new(
            "erase a deleted installation",
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE repo_id IN (SELECT repositories.id FROM repositories JOIN installations
                    ON installations.id = repositories.installation_id
                    WHERE installations.state = 'deleted' AND installations.deleted_at < $1)"
            ),
        )
    };
}

const ERASE: [Sql; 6] = [
    erase!("pulls"),
    erase!("ignores"),
    erase!("audit"),
    erase!("holds"),
    erase!("repository_images"),
    erase!("weighed_contents"),
];
const ERASE_REPOSITORIES: Sql = Sql::new(
    "erase a deleted installation",
    "DELETE FROM repositories WHERE installation_id IN
        (SELECT id FROM installations WHERE state = 'deleted' AND deleted_at < $1)",
);
const ERASE_WRITES: Sql = Sql::new(
    "erase a deleted installation",
    "DELETE FROM writes WHERE installation_id IN
        (SELECT id FROM installations WHERE state = 'deleted' AND deleted_at < $1)",
);
const ERASE_INSTALLATIONS: Sql =
    Sql::new("erase a deleted installation", "DELETE FROM installations WHERE state = 'deleted' AND deleted_at < $1");

impl Store {
    /// Erases all that is known of installations that were deleted before a moment; how many they were.
    ///
    /// # Errors
    /// The database fails.
    pub async fn erase_deleted(&self, before: Moment) -> Result<u64, StoreError> {
        let mut open = self.database.begin(ERASE_INSTALLATIONS.doing).await?;
        for sql in ERASE {
            open.execute(sql, values![before.0]).await?;
        }
        open.execute(ERASE_REPOSITORIES, values![before.0]).await?;
        open.execute(ERASE_WRITES, values![before.0]).await?;
        let erased = open.execute(ERASE_INSTALLATIONS, values![before.0]).await?;
        open.commit(ERASE_INSTALLATIONS.doing).await?;
        Ok(erased)
    }

    /// Saves an installation, new or known.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_installation(&self, row: &InstallationRow) -> Result<(), StoreError> {
        let saved = values![row.id.0.cast_signed(), &row.account, row.state.as_str()];
        self.database.write(SAVE, saved).await.map(|_| ())
    }

    /// The installation with this id, deleted ones too.
    ///
    /// # Errors
    /// The database fails.
    pub async fn installation(&self, id: InstallationId) -> Result<Option<InstallationRow>, StoreError> {
        let row = self.database.read_one(READ, values![id.0.cast_signed()]).await?;
        row.as_ref().map(installation_row).transpose()
    }

    /// The installations that are not deleted, by their ids.
    ///
    /// # Errors
    /// The database fails.
    pub async fn installations(&self) -> Result<Vec<InstallationRow>, StoreError> {
        self.database.read(LIST, &[]).await?.iter().map(installation_row).collect()
    }

    /// Marks an installation as deleted and its repositories as removed, and forgets what was found in them.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_installation(&self, id: InstallationId) -> Result<(), StoreError> {
        let mut open = self.database.begin(DELETE.doing).await?;
        open.execute(REMOVE_REPOSITORIES, values![id.0.cast_signed()]).await?;
        forget_removed_in(&mut open).await?;
        open.execute(DELETE, values![id.0.cast_signed(), self.now().0]).await?;
        open.commit(DELETE.doing).await
    }
}

fn installation_row(row: &Row) -> Result<InstallationRow, StoreError> {
    Ok(InstallationRow {
        id: InstallationId(row.int("id")?.cast_unsigned()),
        account: row.text("account")?,
        state: row.parsed("state")?,
    })
}
