//! What the repository's own CI says of a commit: check suites, check runs, statuses.

use serde::Deserialize;
use serde_json::{Value, json};

use super::app::Repo;
use super::error::GitHubError;
use super::token::Reach;
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
    /// The App that runs it.
    #[serde(default)]
    pub app: Option<CheckApp>,
}

/// The App that runs a check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckApp {
    /// Its short name.
    #[serde(default)]
    pub slug: Option<String>,
}

/// A check of Restow's own, which has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCheckRun {
    /// Its name.
    pub name: String,
    /// The commit.
    pub head: CommitSha,
    /// `success`, `failure` or `neutral`.
    pub conclusion: &'static str,
    /// Its title.
    pub title: String,
    /// Its text, in Markdown.
    pub summary: String,
    /// What is said at lines of files.
    pub annotations: Vec<Annotation>,
}

/// What is said at a line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, where it is known.
    pub column: Option<u32>,
    /// What is said.
    pub message: String,
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

/// GitHub takes as many in one request.
const MOST_ANNOTATIONS: usize = 50;

fn annotation(one: &Annotation) -> Value {
    let mut annotation = json!({
        "path": one.path, "start_line": one.line, "end_line": one.line, "annotation_level": "failure",
        "message": one.message,
    });
    if let Some(column) = one.column {
        annotation["start_column"] = json!(column);
        annotation["end_column"] = json!(column);
    }
    annotation
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

    /// Writes a check of Restow's own.
    ///
    /// # Errors
    /// [`GitHubError::Unprocessable`] where the installation does not grant `checks: write`.
    pub async fn create_check_run(&self, new: &NewCheckRun) -> Result<(), GitHubError> {
        let annotations: Vec<_> = new.annotations.iter().take(MOST_ANNOTATIONS).map(annotation).collect();
        let output = json!({ "title": new.title, "summary": new.summary, "annotations": annotations });
        let body = json!({
            "name": new.name, "head_sha": new.head, "status": "completed", "conclusion": new.conclusion,
            "output": output,
        });
        let call = Call::post(self.path(&["check-runs"]), body);
        self.github().call(&self.identity_for(Reach::Checks(self.id())), &call).await?;
        Ok(())
    }

    /// Starts a check run again; only the App that made it can do so, GitHub passes the wish on.
    ///
    /// # Errors
    /// [`GitHubError::Unprocessable`] where the installation does not grant `checks: write`.
    pub async fn rerun_check(&self, run: u64) -> Result<(), GitHubError> {
        let call = Call::post(self.path(&["check-runs", &run.to_string(), "rerequest"]), json!({}));
        self.github().call(&self.identity_for(Reach::Checks(self.id())), &call).await?;
        Ok(())
    }

    /// The statuses of a commit: the first hundred contexts.
    pub async fn status(&self, commit: &CommitSha) -> Result<CombinedStatus, GitHubError> {
        self.json(&Call::get(self.of_commit(commit, "status"))).await
    }

    fn of_commit(&self, commit: &CommitSha, what: &str) -> String {
        format!("{}?per_page=100", self.path(&["commits", commit.as_str(), what]))
    }
}
