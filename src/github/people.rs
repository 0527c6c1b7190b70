//! People around a pull request: who may write, what they think of it, and how they are answered.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::app::{Account, Repo, known_account};
use super::error::{GitHubError, optional};
use super::transport::Call;
use crate::repo::PullNumber;

/// What somebody may do in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing.
    None,
    /// Read.
    Read,
    /// Push.
    Write,
    /// Everything.
    Admin,
}

impl Access {
    /// Whether Restow obeys them.
    pub fn may_write(self) -> bool {
        self >= Self::Write
    }
}

/// An answer to a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Done.
    ThumbsUp,
    /// Not done.
    ThumbsDown,
    /// Not understood.
    Confused,
}

impl Reaction {
    fn as_str(self) -> &'static str {
        match self {
            Self::ThumbsUp => "+1",
            Self::ThumbsDown => "-1",
            Self::Confused => "confused",
        }
    }
}

/// What somebody thinks of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Review {
    /// Who; `None` where the account is gone.
    #[serde(default, rename = "user", deserialize_with = "known_account")]
    pub author: Option<Account>,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `DISMISSED`.
    #[serde(default)]
    pub state: String,
}

#[derive(Deserialize)]
struct PermissionBody {
    permission: String,
}

impl Repo {
    /// What somebody may do here.
    pub async fn access_of(&self, login: &str) -> Result<Access, GitHubError> {
        let path = self.path(&["collaborators", login, "permission"]);
        let body: Option<PermissionBody> = optional(self.json(&Call::get(path)).await)?;
        Ok(match body.map(|body| body.permission).as_deref() {
            Some("admin") => Access::Admin,
            Some("write") => Access::Write,
            Some("read") => Access::Read,
            Some(_) | None => Access::None,
        })
    }

    /// Answers a comment of a pull request or issue; the same answer twice is one.
    pub async fn react(&self, comment: u64, with: Reaction) -> Result<(), GitHubError> {
        let path = self.path(&["issues", "comments", &comment.to_string(), "reactions"]);
        self.github().call(&self.identity(), &Call::post(path, json!({ "content": with.as_str() }))).await?;
        Ok(())
    }

    /// All reviews of a pull request, the oldest first.
    pub async fn reviews(&self, number: PullNumber) -> Result<Vec<Review>, GitHubError> {
        let path = self.path(&["pulls", &number.0.to_string(), "reviews"]);
        let call = Call::get(format!("{path}?per_page=100")).at_most(64 * 1024 * 1024);
        self.github().pages(&self.identity(), call, |page| page).await
    }

    /// Asks people and teams (by their short names) for a review.
    pub async fn request_reviewers(
        &self,
        number: PullNumber,
        people: &[String],
        teams: &[String],
    ) -> Result<(), GitHubError> {
        let path = self.path(&["pulls", &number.0.to_string(), "requested_reviewers"]);
        let body = json!({ "reviewers": people, "team_reviewers": teams });
        self.github().call(&self.identity(), &Call::post(path, body)).await?;
        Ok(())
    }

    /// Sets labels and assignees of a pull request in one request; an empty list leaves what is there.
    pub async fn label_and_assign(
        &self,
        number: PullNumber,
        labels: &[String],
        people: &[String],
    ) -> Result<(), GitHubError> {
        let fields = [("labels", labels), ("assignees", people)];
        let given = fields.into_iter().filter(|(_, list)| !list.is_empty());
        let body: Map<String, Value> = given.map(|(name, list)| (name.to_owned(), json!(list))).collect();
        let call = Call::patch(self.path(&["issues", &number.0.to_string()]), Value::Object(body));
        self.github().call(&self.identity(), &call).await?;
        Ok(())
    }
}
