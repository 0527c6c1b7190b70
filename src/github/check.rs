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
    /// How many runs it has; GitHub opens one without any for every App that may write checks.
    #[serde(default)]
    pub latest_check_runs_count: u64,
    /// The App whose checks they are.
    #[serde(default)]
    pub app: Option<CheckApp>,
}

/// What of a list was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// What was read.
    pub all: Vec<T>,
    /// Whether GitHub says that there is no more.
    pub whole: bool,
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
    /// How many contexts there are.
    #[serde(default)]
    pub total_count: u64,
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
    #[serde(default)]
    total_count: u64,
    check_suites: Vec<CheckSuite>,
}

#[derive(Deserialize)]
struct RunsPage {
    #[serde(default)]
    total_count: u64,
    check_runs: Vec<CheckRun>,
}

/// Pages of a list and what GitHub counts on each.
fn listed<T>(pages: impl IntoIterator<Item = (u64, Vec<T>)>) -> Listed<T> {
    let (mut all, mut total) = (Vec::new(), 0);
    for (count, page) in pages {
        total = count.max(total);
        all.extend(page);
    }
    let whole = usize::try_from(total).is_ok_and(|total| all.len() >= total);
    Listed { all, whole }
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
    pub async fn check_suites(&self, commit: &CommitSha) -> Result<Listed<CheckSuite>, GitHubError> {
        let call = Call::get(self.of_commit(commit, "check-suites")).at_most(32 * 1024 * 1024);
        let pages = self.github().pages(&self.identity(), call, |page: SuitesPage| vec![page]).await?;
        Ok(listed(pages.into_iter().map(|page| (page.total_count, page.check_suites))))
    }

    /// The newest check runs of a commit.
    pub async fn check_runs(&self, commit: &CommitSha) -> Result<Listed<CheckRun>, GitHubError> {
        // Each run carries its own report, up to 64 KiB twice.
        let call = Call::get(self.of_commit(commit, "check-runs")).at_most(32 * 1024 * 1024);
        let pages = self.github().pages(&self.identity(), call, |page: RunsPage| vec![page]).await?;
        Ok(listed(pages.into_iter().map(|page| (page.total_count, page.check_runs))))
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

    /// Starts a job of GitHub Actions again; its id is that of its check run. Runs of other Apps only they themselves
    /// can start again.
    ///
    /// # Errors
    /// [`GitHubError::Unprocessable`] where the installation does not grant `actions: write`; `Forbidden` or `NotFound`
    /// where the job cannot be started again.
    pub async fn rerun_job(&self, job: u64) -> Result<(), GitHubError> {
        let call = Call::post(self.path(&["actions", "jobs", &job.to_string(), "rerun"]), json!({}));
        self.github().call(&self.identity_for(Reach::Actions(self.id())), &call).await?;
        Ok(())
    }

    /// The newest status of each context of a commit.
    pub async fn statuses(&self, commit: &CommitSha) -> Result<Listed<CommitStatus>, GitHubError> {
        let call = Call::get(self.of_commit(commit, "status"));
        let pages = self.github().pages(&self.identity(), call, |page: CombinedStatus| vec![page]).await?;
        Ok(listed(pages.into_iter().map(|page| (page.total_count, page.statuses))))
    }

    fn of_commit(&self, commit: &CommitSha, what: &str) -> String {
        format!("{}?per_page=100", self.path(&["commits", commit.as_str(), what]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_github_counts_longer_is_not_whole() {
        assert_eq!(listed([(3, vec![1, 2]), (3, vec![3])]), Listed { all: vec![1, 2, 3], whole: true });
        assert_eq!(listed([(4, vec![1, 2]), (4, vec![3])]), Listed { all: vec![1, 2, 3], whole: false });
        assert_eq!(listed::<u8>([]), Listed { all: Vec::new(), whole: true });
    }
}
