//! Pull requests, their labels and comments.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::app::{Account, Repo, known_account};
use super::error::GitHubError;
use super::transport::{Call, percent_encode};
use crate::repo::{BranchName, CommitSha, Moment, PullNumber, RepoId};

/// Whether a pull request is open, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PullState {
    /// It waits.
    Open,
    /// Closed without a merge.
    Closed,
    /// Merged.
    Merged,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: PullNumber,
    /// Open, closed or merged.
    pub state: PullState,
    /// Whether it is a draft.
    pub draft: bool,
    /// Its title.
    pub title: String,
    /// Its text; empty where it has none.
    pub body: String,
    /// Who opened it; `None` where the account is gone.
    pub author: Option<Account>,
    /// The branch it brings; `None` where its name is none that git takes.
    pub head_branch: Option<BranchName>,
    /// The commit it brings.
    pub head_sha: CommitSha,
    /// Where its branch lies; `None` where that repository is gone.
    pub head_repo: Option<RepoId>,
    /// The branch it goes to.
    pub base_branch: Option<BranchName>,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// The logins of who is assigned.
    pub assignees: Vec<String>,
    /// Its page.
    pub html_url: String,
    /// When it was opened.
    pub created_at: Option<Moment>,
    /// When it was closed or merged.
    pub closed_at: Option<Moment>,
    /// Its id in GraphQL.
    pub node: String,
    /// How GitHub judges its merge; told of a single pull request only.
    pub merge_state: MergeState,
    /// Whether GitHub merges it as soon as it can.
    pub auto_merge: bool,
    /// Who merged it; told of a single pull request only.
    pub merged_by: Option<Account>,
}

/// How GitHub judges the merge of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeState {
    /// Nothing is in the way.
    Clean,
    /// Nothing that is required is in the way.
    Unstable,
    /// Something that is required is missing.
    Blocked,
    /// It must be brought up to date first.
    Behind,
    /// It conflicts with its base.
    Dirty,
    /// GitHub has not found out yet, or says something new.
    Unknown,
}

/// A pull request to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPull {
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// The branch it brings, of the same repository.
    pub head: BranchName,
    /// The branch it goes to.
    pub base: BranchName,
    /// Whether it is a draft.
    pub draft: bool,
}

/// What became of opening a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullCreation {
    /// It is new.
    Created(Box<Pull>),
    /// One for this head and base is open.
    AlreadyThere,
}

/// What shall change in a pull request; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullChange {
    /// The title.
    pub title: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// Open or closed.
    pub state: Option<OpenOrClosed>,
    /// The branch it goes to.
    pub base: Option<BranchName>,
}

/// The states that a pull request can be put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenOrClosed {
    /// Open it again.
    Open,
    /// Close it.
    Closed,
}

/// A comment on a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// Who wrote it; `None` where the account is gone.
    #[serde(default, rename = "user")]
    pub author: Option<Account>,
    /// Its text.
    #[serde(default)]
    pub body: String,
    /// Its page.
    #[serde(default)]
    pub html_url: String,
}

#[derive(Deserialize)]
struct PullBody {
    number: PullNumber,
    state: String,
    #[serde(default)]
    draft: bool,
    title: String,
    body: Option<String>,
    user: Option<Account>,
    head: EndBody,
    base: EndBody,
    #[serde(default)]
    labels: Vec<LabelBody>,
    #[serde(default)]
    assignees: Option<Vec<Account>>,
    html_url: String,
    created_at: Option<String>,
    closed_at: Option<String>,
    merged_at: Option<String>,
    #[serde(default)]
    node_id: String,
    #[serde(default)]
    mergeable_state: Option<String>,
    #[serde(default)]
    auto_merge: Option<Value>,
    #[serde(default, deserialize_with = "known_account")]
    merged_by: Option<Account>,
}

#[derive(Deserialize)]
struct EndBody {
    #[serde(rename = "ref")]
    branch: String,
    sha: CommitSha,
    repo: Option<RepoIdBody>,
}

#[derive(Deserialize)]
struct RepoIdBody {
    id: RepoId,
}

#[derive(Deserialize)]
struct LabelBody {
    #[serde(default)]
    name: String,
}

impl From<PullBody> for Pull {
    fn from(body: PullBody) -> Self {
        let state = match (body.state.as_str(), body.merged_at) {
            ("open", _) => PullState::Open,
            (_, Some(_)) => PullState::Merged,
            (_, None) => PullState::Closed,
        };
        let moment = |text: Option<String>| text.and_then(|text| Moment::parse_rfc3339(&text));
        Self {
            number: body.number,
            state,
            draft: body.draft,
            title: body.title,
            body: body.body.unwrap_or_default(),
            author: body.user,
            head_branch: BranchName::parse(&body.head.branch).ok(),
            head_sha: body.head.sha,
            head_repo: body.head.repo.map(|repo| repo.id),
            base_branch: BranchName::parse(&body.base.branch).ok(),
            labels: body.labels.into_iter().map(|label| label.name).collect(),
            assignees: body.assignees.into_iter().flatten().map(|account| account.login).collect(),
            html_url: body.html_url,
            created_at: moment(body.created_at),
            closed_at: moment(body.closed_at),
            node: body.node_id,
            merge_state: match body.mergeable_state.as_deref() {
                Some("clean" | "has_hooks") => MergeState::Clean,
                Some("unstable") => MergeState::Unstable,
                Some("blocked") => MergeState::Blocked,
                Some("behind") => MergeState::Behind,
                Some("dirty") => MergeState::Dirty,
                Some(_) | None => MergeState::Unknown,
            },
            auto_merge: body.auto_merge.is_some_and(|it| !it.is_null()),
            merged_by: body.merged_by,
        }
    }
}

impl PullChange {
    fn body(&self) -> Value {
        let state = self.state.map(|state| match state {
            OpenOrClosed::Open => "open",
            OpenOrClosed::Closed => "closed",
        });
        let fields = [
            ("title", self.title.as_deref()),
            ("body", self.body.as_deref()),
            ("state", state),
            ("base", self.base.as_ref().map(BranchName::as_str)),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
        Value::Object(given.collect::<Map<String, Value>>())
    }
}

impl Repo {
    /// All pull requests from a branch of this repository, open or not, the newest first.
    pub async fn pulls_from(&self, branch: &BranchName) -> Result<Vec<Pull>, GitHubError> {
        let head = percent_encode(&format!("{}:{branch}", self.name().owner()));
        let query = format!("state=all&head={head}&sort=created&direction=desc&per_page=100");
        self.list_pulls(&query).await
    }

    /// All open pull requests.
    pub async fn open_pulls(&self) -> Result<Vec<Pull>, GitHubError> {
        self.list_pulls("state=open&per_page=100").await
    }

    async fn list_pulls(&self, query: &str) -> Result<Vec<Pull>, GitHubError> {
        let call = Call::get(format!("{}?{query}", self.path(&["pulls"]))).at_most(64 * 1024 * 1024);
        let entries = |page: Vec<PullBody>| page.into_iter().map(Pull::from).collect();
        self.github().pages(&self.identity(), call, entries).await
    }

    /// One pull request.
    pub async fn pull(&self, number: PullNumber) -> Result<Pull, GitHubError> {
        let body: PullBody = self.json(&Call::get(self.path(&["pulls", &number.0.to_string()]))).await?;
        Ok(body.into())
    }

    /// Opens a pull request.
    pub async fn create_pull(&self, new: &NewPull) -> Result<PullCreation, GitHubError> {
        let body =
            json!({ "title": new.title, "body": new.body, "head": new.head, "base": new.base, "draft": new.draft });
        match self.json::<PullBody>(&Call::post(self.path(&["pulls"]), body)).await {
            Ok(body) => Ok(PullCreation::Created(Box::new(body.into()))),
            Err(error) if error.says("A pull request already exists") => Ok(PullCreation::AlreadyThere),
            Err(error) => Err(error),
        }
    }

    /// Changes a pull request.
    pub async fn update_pull(&self, number: PullNumber, change: &PullChange) -> Result<Pull, GitHubError> {
        let call = Call::patch(self.path(&["pulls", &number.0.to_string()]), change.body());
        let body: PullBody = self.json(&call).await?;
        Ok(body.into())
    }

    /// Adds labels; those it has stay.
    pub async fn add_labels(&self, number: PullNumber, labels: &[String]) -> Result<(), GitHubError> {
        let path = self.path(&["issues", &number.0.to_string(), "labels"]);
        self.github().call(&self.identity(), &Call::post(path, json!({ "labels": labels }))).await?;
        Ok(())
    }

    /// All comments, the oldest first.
    pub async fn comments(&self, number: PullNumber) -> Result<Vec<Comment>, GitHubError> {
        let path = self.path(&["issues", &number.0.to_string(), "comments"]);
        let call = Call::get(format!("{path}?per_page=100")).at_most(64 * 1024 * 1024);
        self.github().pages(&self.identity(), call, |page| page).await
    }

    /// Writes a comment.
    pub async fn create_comment(&self, number: PullNumber, body: &str) -> Result<Comment, GitHubError> {
        let path = self.path(&["issues", &number.0.to_string(), "comments"]);
        self.json(&Call::post(path, json!({ "body": body }))).await
    }

    /// Rewrites a comment.
    pub async fn update_comment(&self, id: u64, body: &str) -> Result<Comment, GitHubError> {
        let path = self.path(&["issues", "comments", &id.to_string()]);
        self.json(&Call::patch(path, json!({ "body": body }))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(state: &str, merged_at: &str) -> Pull {
        let sha = "a".repeat(40);
        let end = |branch: &str| format!(r#"{{"ref":"{branch}","sha":"{sha}","repo":null}}"#);
        let text = format!(
            r#"{{"number":7,"state":"{state}","title":"t","body":null,"user":null,"head":{},"base":{},
                "html_url":"https://github.com/acme/shop/pull/7","merged_at":{merged_at},
                "closed_at":null,"created_at":"2026-11-23T17:40:00Z"}}"#,
            end("restow/nginx"),
            end("main"),
        );
        serde_json::from_str::<PullBody>(&text).expect("a pull request").into()
    }

    #[test]
    fn closed_and_merged_are_told_apart() {
        assert_eq!(pull("open", "null").state, PullState::Open);
        assert_eq!(pull("closed", "null").state, PullState::Closed);
        assert_eq!(pull("closed", r#""2026-11-23T17:40:00Z""#).state, PullState::Merged);
        assert_eq!(pull("open", "null").author, None);
    }

    #[test]
    fn only_what_changes_is_sent() {
        let change = PullChange { state: Some(OpenOrClosed::Closed), ..PullChange::default() };
        assert_eq!(change.body(), json!({ "state": "closed" }));
    }
}
