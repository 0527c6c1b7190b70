//! Issues: the dashboard. Needs the optional permission to write issues.

use serde::Deserialize;
use serde_json::json;

use super::app::{Account, Repo, known_account};
use super::error::GitHubError;
use super::token::Reach;
use super::transport::{Call, percent_encode};
use crate::repo::PullNumber;

/// An issue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Issue {
    /// Its number, in one row with those of pull requests.
    pub number: PullNumber,
    /// `open` or `closed`.
    pub state: String,
    /// Its title.
    pub title: String,
    /// Its text.
    #[serde(default)]
    pub body: Option<String>,
    /// Who opened it; `None` where the account is gone.
    #[serde(default, rename = "user", deserialize_with = "known_account")]
    pub author: Option<Account>,
    /// Who closed it; told of a single issue only.
    #[serde(default, deserialize_with = "known_account")]
    pub closed_by: Option<Account>,
    /// There where it is a pull request.
    #[serde(default)]
    pull_request: Option<serde_json::Value>,
}

impl Repo {
    /// The open issues that somebody opened.
    pub async fn issues_of(&self, login: &str) -> Result<Vec<Issue>, GitHubError> {
        let query = format!("state=open&creator={}&per_page=100", percent_encode(login));
        let call = Call::get(format!("{}?{query}", self.path(&["issues"]))).at_most(64 * 1024 * 1024);
        let issues = |page: Vec<Issue>| page.into_iter().filter(|one| one.pull_request.is_none()).collect();
        self.github().pages(&self.identity_for(Reach::Issues(self.id())), call, issues).await
    }

    /// One issue.
    pub async fn issue(&self, number: PullNumber) -> Result<Issue, GitHubError> {
        let call = Call::get(self.path(&["issues", &number.0.to_string()]));
        self.github().json(&self.identity_for(Reach::Issues(self.id())), &call).await
    }

    /// Who closed a pull request; `None` where GitHub does not tell.
    pub async fn closed_by(&self, pull: PullNumber) -> Result<Option<Account>, GitHubError> {
        let issue: Issue = self.json(&Call::get(self.path(&["issues", &pull.0.to_string()]))).await?;
        Ok(issue.closed_by)
    }

    /// Opens an issue.
    pub async fn create_issue(&self, title: &str, body: &str) -> Result<Issue, GitHubError> {
        let call = Call::post(self.path(&["issues"]), json!({ "title": title, "body": body }));
        self.github().json(&self.identity_for(Reach::Issues(self.id())), &call).await
    }

    /// Rewrites an issue's text.
    pub async fn rewrite_issue(&self, number: PullNumber, body: &str) -> Result<Issue, GitHubError> {
        let call = Call::patch(self.path(&["issues", &number.0.to_string()]), json!({ "body": body }));
        self.github().json(&self.identity_for(Reach::Issues(self.id())), &call).await
    }

    /// Closes an issue.
    pub async fn close_issue(&self, number: PullNumber) -> Result<Issue, GitHubError> {
        let call = Call::patch(self.path(&["issues", &number.0.to_string()]), json!({ "state": "closed" }));
        self.github().json(&self.identity_for(Reach::Issues(self.id())), &call).await
    }
}
