//! Which images the last scan found in which repository, so that a pushed image leads to those that use it.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::database::{Sql, Transaction, over_rows, retry_conflicts, values};
use super::repositories::repository_row;
use super::{RepositoryRow, Store, StoreError};
use crate::image::ImageName;
use crate::repo::RepoId;

const DROP_OTHERS: Sql = over_rows!(
    "save a repository's images",
    "DELETE FROM repository_images WHERE repo_id = $2 AND image NOT IN (SELECT given.value ->> 'image' FROM",
    ")"
);

const ADD: Sql = over_rows!(
    "save a repository's images",
    "INSERT INTO repository_images (repo_id, image) SELECT repositories.id, given.value ->> 'image' FROM repositories,",
    "WHERE repositories.id = $2 AND repositories.state <> 'removed' ON CONFLICT (repo_id, image) DO NOTHING"
);

const FORGET_REMOVED: Sql = Sql::new(
    "forget the images of removed repositories",
    "DELETE FROM repository_images WHERE repo_id IN (SELECT id FROM repositories WHERE state = 'removed')",
);

const USING: Sql = Sql::new(
    "list the repositories that use an image",
    "SELECT id, installation_id, name, default_branch, state, scanned_commit, NULL AS inventory, rules_blob
     FROM repositories
     WHERE id IN (SELECT repo_id FROM repository_images WHERE image = $1) AND state = 'active'
        AND NOT EXISTS (SELECT 1 FROM installations
            WHERE installations.id = repositories.installation_id AND installations.state <> 'active')
     ORDER BY id",
);

impl Store {
    /// Saves which images a repository uses, and nothing else of it. Nothing happens where it was removed meanwhile.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_repository_images(&self, repo: RepoId, images: &BTreeSet<ImageName>) -> Result<(), StoreError> {
        retry_conflicts(|| self.try_save_images(repo, images)).await
    }

    async fn try_save_images(&self, repo: RepoId, images: &BTreeSet<ImageName>) -> Result<(), StoreError> {
        let mut open = self.database.begin(ADD.doing).await?;
        save_images_in(&mut open, repo, images).await?;
        open.commit(ADD.doing).await
    }

    /// The repositories, of those that Restow works on, in which the last scan found the image; by their ids, without
    /// their inventories.
    ///
    /// # Errors
    /// The database fails.
    pub async fn repositories_using(&self, image: &ImageName) -> Result<Vec<RepositoryRow>, StoreError> {
        let rows = self.database.read(USING, values![&image.to_string()]).await?;
        rows.iter().map(repository_row).collect()
    }
}

/// Makes `images` the repository's, in a transaction of the caller.
pub(super) async fn save_images_in(
    open: &mut Transaction<'_>,
    repo: RepoId,
    images: &BTreeSet<ImageName>,
) -> Result<(), StoreError> {
    let rows: Vec<Json> = images.iter().map(|image| json!({ "image": image })).collect();
    let rows = Json::from(rows).to_string();
    open.execute(DROP_OTHERS, values![&rows, repo.0.cast_signed()]).await?;
    open.execute(ADD, values![&rows, repo.0.cast_signed()]).await.map(|_| ())
}

/// Forgets the images of all repositories that are marked as removed, in a transaction of the caller.
pub(super) async fn forget_removed_in(open: &mut Transaction<'_>) -> Result<(), StoreError> {
    open.execute(FORGET_REMOVED, &[]).await.map(|_| ())
}
