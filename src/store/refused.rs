//! What people refused by closing a pull request: it is not proposed there again.

use super::database::{Sql, values};
use super::{Store, StoreError};
use crate::repo::{Moment, RepoId};

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The image.
    pub image: String,
    /// The line on which it would have moved.
    pub line: String,
    /// What was proposed, `tag@digest`.
    pub target: String,
    /// When it was first refused.
    pub at: Moment,
}

const REFUSE: Sql = Sql::new(
    "save a refusal",
    "INSERT INTO refused (repo_id, image, line, target, refused_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (repo_id, image, line, target) DO NOTHING",
);

const LIST: Sql = Sql::new(
    "list the refusals",
    "SELECT image, line, target, refused_at FROM refused WHERE repo_id = $1 ORDER BY image, line, refused_at, target",
);

impl Store {
    /// Remembers that `target` was refused now; a refusal known already keeps its moment.
    ///
    /// # Errors
    /// The database fails.
    pub async fn refuse(&self, repo: RepoId, image: &str, line: &str, target: &str) -> Result<(), StoreError> {
        let saved = values![repo.0.cast_signed(), image, line, target, self.now().0];
        self.database.write(REFUSE, saved).await.map(|_| ())
    }

    /// Everything refused in a repository, by image, line and moment.
    ///
    /// # Errors
    /// The database fails.
    pub async fn refused(&self, repo: RepoId) -> Result<Vec<Refused>, StoreError> {
        let rows = self.database.read(LIST, values![repo.0.cast_signed()]).await?;
        rows.iter()
            .map(|row| {
                Ok(Refused {
                    image: row.text("image")?,
                    line: row.text("line")?,
                    target: row.text("target")?,
                    at: Moment(row.int("refused_at")?),
                })
            })
            .collect()
    }
}
