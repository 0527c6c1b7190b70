//! What the repository's own CI says of a commit: check suites, check runs, statuses.

use serde::Deserialize;

use super::app::Repo;
use super::error::GitHubError;
use super::transport::Call;
use crate::repo::CommitSha;

/// All checks of one App on one commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckSuite {
    /// Its id.
    pub id: u64,
    /// `queued`, `in_progress`, `completed` …
    #[serde(default)]
    pub status: Option<String>,
    /// `success`, `failure`, `neutral` …, once it is completed.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// How many runs it has; a suite without runs says nothing.
    #[serde(default)]
    pub latest_check_runs_count: u64,
}

/// One check on one commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckRun {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// `queued`, `in_progress`, `completed` …
    pub status: String,
    /// `success`, `failure`, `neutral` …, once it is completed.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// Its page.
    #[serde(default)]
    pub html_url: Option<String>,
}

/// All statuses of one commit, and their sum.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CombinedStatus {
    /// `success`, `pending` or `failure`; `pending` where there are none.
    pub state: String,
    /// The newest status of each context.
    pub statuses: Vec<CommitStatus>,
}

/// One status of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CommitStatus {
    /// What it is about.
    pub context: String,
    /// `success`, `pending`, `failure` or `error`.
    pub state: String,
    /// Its page.
    #[serde(default)]
    pub target_url: Option<String>,
}

#[derive(Deserialize)]
struct SuitesPage {
    check_suites: Vec<CheckSuite>,
}

#[derive(Deserialize)]
struct RunsPage {
    check_runs: Vec<CheckRun>,
}

impl Repo {
    /// The check suites of a commit.
    pub async fn check_suites(&self, commit: &CommitSha) -> Result<Vec<CheckSuite>, GitHubError> {
        let call = Call::get(self.of_commit(commit, "check-suites"));
        self.github().pages(&self.identity(), call, |page: SuitesPage| page.check_suites).await
    }

    /// The newest check runs of a commit.
    pub async fn check_runs(&self, commit: &CommitSha) -> Result<Vec<CheckRun>, GitHubError> {
        // Each run carries its own report, up to 64 KiB twice.
        let call = Call::get(self.of_commit(commit, "check-runs")).at_most(32 * 1024 * 1024);
        self.github().pages(&self.identity(), call, |page: RunsPage| page.check_runs).await
    }

    /// The statuses of a commit: the first hundred contexts.
    pub async fn status(&self, commit: &CommitSha) -> Result<CombinedStatus, GitHubError> {
        self.json(&Call::get(self.of_commit(commit, "status"))).await
    }

    fn of_commit(&self, commit: &CommitSha, what: &str) -> String {
        format!("{}?per_page=100", self.path(&["commits", commit.as_str(), what]))
    }
}
