//! The pull requests that Restow opened, one row a branch.

use serde_json::Value as Json;

use super::database::{Row, Sql, values};
use super::{Store, StoreError};
use crate::repo::{BranchName, CommitSha, Moment, PullNumber, RepoId};

/// One branch of Restow's and its pull request.
#[derive(Debug, Clone, PartialEq)]
pub struct PullRow {
    /// The repository.
    pub repo: RepoId,
    /// The branch that Restow pushed.
    pub branch: BranchName,
    /// The pull request's number, once it is open.
    pub number: Option<PullNumber>,
    /// The image that it moves.
    pub image: String,
    /// The line on which the image moves.
    pub line: String,
    /// Where the pull request stands, in the words of `pull`.
    pub state: String,
    /// A fingerprint of what was written: equal fingerprints need no new push.
    pub fingerprint: String,
    /// What it proposes, `tag@digest`.
    pub target: String,
    /// The commit that Restow pushed last.
    pub head: Option<CommitSha>,
    /// The commit on which that one stands.
    pub base: Option<CommitSha>,
    /// What else `pull` wants to know again.
    pub notes: Json,
    /// When the row was last changed.
    pub updated_at: Moment,
    /// When the pull request was opened.
    pub opened_at: Option<Moment>,
}

const SAVE: Sql = Sql::new(
    "save a pull request",
    "INSERT INTO pulls (repo_id, branch, number, image, line, state, fingerprint, target, head, base, notes, updated_at,
        opened_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
     ON CONFLICT (repo_id, branch) DO UPDATE SET number = excluded.number, image = excluded.image,
        line = excluded.line, state = excluded.state, fingerprint = excluded.fingerprint, target = excluded.target,
        head = excluded.head, base = excluded.base, notes = excluded.notes, updated_at = excluded.updated_at,
        opened_at = excluded.opened_at",
);

const LIST: Sql = Sql::new(
    "list the pull requests",
    "SELECT repo_id, branch, number, image, line, state, fingerprint, target, head, base, notes, updated_at, opened_at
     FROM pulls WHERE repo_id = $1 AND ($2 IS NULL OR branch = $2) ORDER BY branch",
);

impl Store {
    /// Saves the row of a branch, new or known.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_pull(&self, row: &PullRow) -> Result<(), StoreError> {
        let notes = row.notes.to_string();
        let saved = values![
            row.repo.0.cast_signed(),
            row.branch.as_str(),
            row.number.map(|number| number.0.cast_signed()),
            &row.image,
            &row.line,
            &row.state,
            &row.fingerprint,
            &row.target,
            row.head.as_ref().map(CommitSha::as_str),
            row.base.as_ref().map(CommitSha::as_str),
            &notes,
            row.updated_at.0,
            row.opened_at.map(|at| at.0),
        ];
        self.database.write(SAVE, saved).await.map(|_| ())
    }

    /// All branches of Restow's in a repository, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pulls(&self, repo: RepoId) -> Result<Vec<PullRow>, StoreError> {
        let every_branch: Option<&str> = None;
        let rows = self.database.read(LIST, values![repo.0.cast_signed(), every_branch]).await?;
        rows.iter().map(pull_row).collect()
    }

    /// The row of one branch.
    ///
    /// # Errors
    /// The database fails.
    pub async fn pull(&self, repo: RepoId, branch: &BranchName) -> Result<Option<PullRow>, StoreError> {
        let row = self.database.read_one(LIST, values![repo.0.cast_signed(), branch.as_str()]).await?;
        row.as_ref().map(pull_row).transpose()
    }
}

fn pull_row(row: &Row) -> Result<PullRow, StoreError> {
    Ok(PullRow {
        repo: RepoId(row.int("repo_id")?.cast_unsigned()),
        branch: row.parsed("branch")?,
        number: row.maybe_int("number")?.map(|number| PullNumber(number.cast_unsigned())),
        image: row.text("image")?,
        line: row.text("line")?,
        state: row.text("state")?,
        fingerprint: row.text("fingerprint")?,
        target: row.text("target")?,
        head: row.maybe_parsed("head")?,
        base: row.maybe_parsed("base")?,
        notes: row.parsed("notes")?,
        updated_at: Moment(row.int("updated_at")?),
        opened_at: row.maybe_int("opened_at")?.map(Moment),
    })
}
