//! Which contents a repository's last plan weighed, and what was known of their vulnerabilities then.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::database::{Sql, over_rows, retry_conflicts, values};
use super::{Store, StoreError};
use crate::image::{Digest, ImageName, Platform};
use crate::repo::RepoId;

/// What was known of a content when it was weighed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Weighed {
    /// The platforms for which it was looked at; none for the one that stands for all.
    pub platforms: Vec<Platform>,
    /// In a text that changes when it does.
    pub fingerprint: String,
}

/// A content that a repository's plan weighed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeighedRow {
    /// The repository.
    pub repo: RepoId,
    /// The image.
    pub image: ImageName,
    /// The content.
    pub digest: Digest,
    /// What was known of it.
    pub known: Weighed,
}

const DROP: Sql = Sql::new("save what was weighed", "DELETE FROM weighed_contents WHERE repo_id = $1");

const ADD: Sql = over_rows!(
    "save what was weighed",
    "INSERT INTO weighed_contents (repo_id, image, digest, platforms, fingerprint)
     SELECT repositories.id, given.value ->> 'image', given.value ->> 'digest', given.value ->> 'platforms',
        given.value ->> 'fingerprint'
     FROM repositories,",
    "WHERE repositories.id = $2 AND repositories.state <> 'removed' ON CONFLICT (repo_id, image, digest) DO NOTHING"
);

const ALL: Sql = Sql::new(
    "read what was weighed",
    "SELECT repo_id, image, digest, platforms, fingerprint FROM weighed_contents ORDER BY repo_id, image, digest",
);

impl Store {
    /// What a repository's plan weighed, and what was known of it, in the place of what the last one did.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_weighed(
        &self,
        repo: RepoId,
        weighed: &BTreeMap<(ImageName, Digest), Weighed>,
    ) -> Result<(), StoreError> {
        let row = |((image, digest), known): (&(ImageName, Digest), &Weighed)| {
            let platforms: Vec<String> = known.platforms.iter().map(ToString::to_string).collect();
            json!({ "image": image, "digest": digest.as_str(), "platforms": platforms.join(" "),
                "fingerprint": known.fingerprint })
        };
        let rows = Json::from(weighed.iter().map(row).collect::<Vec<_>>()).to_string();
        retry_conflicts(|| async {
            let mut open = self.database.begin(ADD.doing).await?;
            open.execute(DROP, values![repo.0.cast_signed()]).await?;
            open.execute(ADD, values![&rows, repo.0.cast_signed()]).await?;
            open.commit(ADD.doing).await
        })
        .await
    }

    /// What all plans weighed, by repository.
    ///
    /// # Errors
    /// The database fails.
    pub async fn weighed(&self) -> Result<Vec<WeighedRow>, StoreError> {
        let rows = self.database.read(ALL, &[]).await?;
        let read = rows.iter().map(|row| {
            Ok(WeighedRow {
                repo: RepoId(row.number("repo_id")?),
                image: row.parsed("image")?,
                digest: row.parsed("digest")?,
                known: Weighed { platforms: platforms(&row.text("platforms")?), fingerprint: row.text("fingerprint")? },
            })
        });
        read.collect()
    }
}

fn platforms(joined: &str) -> Vec<Platform> {
    joined.split(' ').filter_map(|one| Platform::parse(one).ok()).collect()
}
