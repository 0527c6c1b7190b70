//! Webhook payloads: the few fields that Restow acts on, from the raw body.
//!
//! Real payloads are wider and older than any full model, so every model here is small, unknown actions stay text and
//! unknown events are [`Event::Other`]. The signature is checked before, by the room `web`.

mod body;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::app::Account;
use crate::repo::{BranchName, CommitSha, InstallationId, PullNumber, RepoId, RepoName};

/// A payload that is not what its event's name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload of the event {event:?} is malformed: {reason}")]
pub struct MalformedPayload {
    event: String,
    reason: String,
}

/// What happened on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// GitHub tries the address.
    Ping,
    /// The App was installed, removed, suspended, or its permissions changed.
    Installation(InstallationEvent),
    /// An installation gained or lost repositories.
    InstallationRepositories(InstallationRepositoriesEvent),
    /// A repository was renamed, archived, transferred, deleted …
    Repository(RepositoryEvent),
    /// A branch or tag moved.
    Push(PushEvent),
    /// A pull request was opened, closed, changed …
    PullRequest(PullRequestEvent),
    /// Somebody reviewed a pull request, or took it back.
    PullRequestReview(PullRequestReviewEvent),
    /// The checks of one App on one commit began or ended.
    CheckSuite(CheckSuiteEvent),
    /// A commit got a status.
    Status(StatusEvent),
    /// Somebody commented an issue or pull request.
    IssueComment(IssueCommentEvent),
    /// Somebody changed an issue.
    Issues(IssuesEvent),
    /// An event that Restow does not act on.
    Other {
        /// Its name.
        event: String,
    },
}

/// The repository that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventRepo {
    /// Its id.
    pub id: RepoId,
    /// Its name at the time of the event.
    #[serde(rename = "full_name")]
    pub name: RepoName,
}

/// `installation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationEvent {
    /// `created`, `deleted`, `suspend`, `unsuspend`, `new_permissions_accepted` …
    pub action: String,
    /// Which installation.
    pub installation: InstallationId,
    /// Where it is installed; `None` for an enterprise.
    pub account: Option<Account>,
    /// Its repositories, as far as the event names them.
    pub repositories: Vec<EventRepo>,
}

/// `installation_repositories`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationRepositoriesEvent {
    /// `added` or `removed`.
    pub action: String,
    /// Which installation.
    pub installation: InstallationId,
    /// Where it is installed; `None` for an enterprise.
    pub account: Option<Account>,
    /// What it gained.
    pub added: Vec<EventRepo>,
    /// What it lost.
    pub removed: Vec<EventRepo>,
}

/// `repository`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryEvent {
    /// `renamed`, `archived`, `unarchived`, `transferred`, `deleted`, `edited` …
    pub action: String,
    /// Which installation, where the event comes through one.
    pub installation: Option<InstallationId>,
    /// The repository, under its new name.
    pub repo: EventRepo,
    /// Its default branch.
    pub default_branch: Option<BranchName>,
    /// Whether it is read-only now.
    pub archived: bool,
}

/// `push`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushEvent {
    /// Which installation, where the event comes through one.
    pub installation: Option<InstallationId>,
    /// The repository.
    pub repo: EventRepo,
    /// The branch; `None` for a tag.
    pub branch: Option<BranchName>,
    /// Whether it is the default branch.
    pub target: PushTarget,
    /// What the branch was; zeros where it is new.
    pub before: CommitSha,
    /// What the branch is; zeros where it is gone.
    pub after: CommitSha,
    /// Whether the branch is gone.
    pub deleted: bool,
    /// Who pushed.
    pub sender: Option<Account>,
}

/// What a push went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushTarget {
    /// The default branch.
    DefaultBranch,
    /// Another branch, or a tag.
    Elsewhere,
}

/// `pull_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestEvent {
    /// `opened`, `closed`, `reopened`, `synchronize`, `edited` …
    pub action: String,
    /// Which installation, where the event comes through one.
    pub installation: Option<InstallationId>,
    /// The repository.
    pub repo: EventRepo,
    /// Which pull request.
    pub number: PullNumber,
    /// Whether it is merged.
    pub merged: bool,
    /// The branch it brings; `None` where its name is none that git takes.
    pub head_branch: Option<BranchName>,
    /// The commit it brings.
    pub head_sha: CommitSha,
    /// Where its branch lies; `None` where that repository is gone.
    pub head_repo: Option<RepoId>,
    /// The branch it goes to.
    pub base_branch: Option<BranchName>,
    /// Who opened it.
    pub author: Option<Account>,
    /// Who did this.
    pub sender: Option<Account>,
}

/// `issues`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuesEvent {
    /// `opened`, `edited`, `closed` …
    pub action: String,
    /// Which installation, where the event comes through one.
    pub installation: Option<InstallationId>,
    /// The repository.
    pub repo: EventRepo,
    /// Which issue.
    pub number: PullNumber,
    /// Its text, cut at 64 KiB.
    pub body: String,
    /// Who did this.
    pub sender: Option<Account>,
}

/// `pull_request_review`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestReviewEvent {
    /// `submitted`, `edited`, `dismissed`.
    pub action: String,
    /// Which installation, where the event comes through one.
    pub installation: Option<InstallationId>,
    /// The repository.
    pub repo: EventRepo,
    /// Which pull request.
    pub number: PullNumber,
}

/// `check_suite`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSuiteEvent {
    /// `completed`, `requested`, `rerequested`.
    pub action: String,
    /// Which installation, where the event comes through one.
    pub installation: Option<InstallationId>,
    /// The repository.
    pub repo: EventRepo,
    /// The commit.
    pub head_sha: CommitSha,
    /// The branch; `None` for a fork's.
    pub head_branch: Option<BranchName>,
    /// `success`, `failure` …, once it is completed.
    pub conclusion: Option<String>,
}

/// `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusEvent {
    /// Which installation, where the event comes through one.
    pub installation: Option<InstallationId>,
    /// The repository.
    pub repo: EventRepo,
    /// The commit.
    pub sha: CommitSha,
    /// `success`, `pending`, `failure` or `error`.
    pub state: String,
    /// What it is about.
    pub context: String,
}

/// `issue_comment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueCommentEvent {
    /// `created`, `edited`, `deleted`.
    pub action: String,
    /// Which installation, where the event comes through one.
    pub installation: Option<InstallationId>,
    /// The repository.
    pub repo: EventRepo,
    /// The issue or pull request.
    pub number: PullNumber,
    /// Which of the two.
    pub place: CommentPlace,
    /// The comment's id.
    pub comment: u64,
    /// Who wrote it.
    pub author: Option<Account>,
    /// Its text, cut at 64 KiB.
    pub body: String,
}

/// What a comment stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentPlace {
    /// A pull request.
    PullRequest,
    /// An issue.
    Issue,
}

impl Event {
    /// The installation that the event came through.
    pub fn installation(&self) -> Option<InstallationId> {
        match self {
            Self::Installation(event) => Some(event.installation),
            Self::InstallationRepositories(event) => Some(event.installation),
            Self::Repository(event) => event.installation,
            Self::Push(event) => event.installation,
            Self::PullRequest(event) => event.installation,
            Self::PullRequestReview(event) => event.installation,
            Self::CheckSuite(event) => event.installation,
            Self::Status(event) => event.installation,
            Self::IssueComment(event) => event.installation,
            Self::Issues(event) => event.installation,
            Self::Ping | Self::Other { .. } => None,
        }
    }
}

/// Reads the payload of `event` (the header `X-GitHub-Event`) from the raw body.
///
/// # Errors
/// Where the body is no JSON object, or misses what its event must have.
pub fn parse(event: &str, bytes: &[u8]) -> Result<Event, MalformedPayload> {
    match event {
        "ping" => read::<body::Anything>(event, bytes).map(|_| Event::Ping),
        "installation" => read(event, bytes).map(body::installation),
        "installation_repositories" => read(event, bytes).map(body::installation_repositories),
        "repository" => read(event, bytes).map(body::repository),
        "push" => read(event, bytes).map(body::push),
        "pull_request" => read(event, bytes).map(body::pull_request),
        "pull_request_review" => read(event, bytes).map(body::pull_request_review),
        "check_suite" => read(event, bytes).map(body::check_suite),
        "status" => read(event, bytes).map(body::status),
        "issues" => read(event, bytes).map(body::issues),
        "issue_comment" => read(event, bytes).map(body::issue_comment),
        _ => read::<body::Anything>(event, bytes).map(|_| Event::Other { event: event.chars().take(100).collect() }),
    }
}

fn read<T: DeserializeOwned>(event: &str, body: &[u8]) -> Result<T, MalformedPayload> {
    let event = event.chars().take(100).collect();
    // Of serde's words only the place and the missing field: a value out of the payload stays out of the log.
    serde_json::from_slice(body).map_err(|error| MalformedPayload { event, reason: without_values(&error) })
}

fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = if text.starts_with("missing field") {
        text.split(" at line").next().unwrap_or_default().to_owned()
    } else {
        match error.classify() {
            serde_json::error::Category::Data => "a field has an unexpected form".to_owned(),
            _ => "not JSON".to_owned(),
        }
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::body::LONGEST_COMMENT;
    use super::*;

    const REPO: &str = r#""repository":{"id":42,"full_name":"acme/shop","default_branch":"main"}"#;

    fn push_of(name: &str) -> PushEvent {
        let (before, after) = ("a".repeat(40), "b".repeat(40));
        let body = format!(
            r#"{{"ref":"{name}","before":"{before}","after":"{after}","deleted":false,{REPO},
                "installation":{{"id":7}},"sender":{{"id":1,"login":"mona","type":"User"}},"surprise":[]}}"#
        );
        match parse("push", body.as_bytes()).expect("a push") {
            Event::Push(push) => push,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_push_names_branch_and_target() {
        let push = push_of("refs/heads/main");
        assert_eq!(push.target, PushTarget::DefaultBranch);
        assert_eq!(push.branch.as_ref().map(BranchName::as_str), Some("main"));
        assert_eq!(push.installation, Some(InstallationId(7)));
        assert_eq!(push_of("refs/heads/feature/main").target, PushTarget::Elsewhere);
        let tag = push_of("refs/tags/main");
        assert_eq!((tag.branch, tag.target), (None, PushTarget::Elsewhere));
    }

    #[test]
    fn unknown_actions_and_events_pass() {
        let event = parse("repository", format!(r#"{{"action":"frobnicated",{REPO}}}"#).as_bytes());
        assert!(matches!(event, Ok(Event::Repository(event)) if event.action == "frobnicated"));
        assert_eq!(parse("workflow_run", b"{}"), Ok(Event::Other { event: "workflow_run".to_owned() }));
    }

    #[test]
    fn an_enterprise_is_no_account_and_no_mistake() {
        let body = br#"{"action":"created","installation":{"id":7,"account":{"id":1,"slug":"acme","name":"Acme"}}}"#;
        let Ok(Event::Installation(event)) = parse("installation", body) else { panic!("no installation") };
        assert_eq!((event.installation, event.account), (InstallationId(7), None));
    }

    #[test]
    fn a_comment_is_cut_between_characters() {
        let long = "ü".repeat(LONGEST_COMMENT);
        let body = format!(
            r#"{{"action":"created",{REPO},"issue":{{"number":3,"pull_request":{{"url":"x"}}}},
                "comment":{{"id":9,"user":null,"body":"x{long}"}}}}"#
        );
        let Ok(Event::IssueComment(comment)) = parse("issue_comment", body.as_bytes()) else { panic!("no comment") };
        assert_eq!(comment.place, CommentPlace::PullRequest);
        assert_eq!(comment.body.len(), LONGEST_COMMENT - 1);
    }

    #[test]
    fn what_is_malformed_is_said_without_repeating_it() {
        let error = parse("push", br#"{"ref":"refs/heads/main"}"#).expect_err("malformed").to_string();
        assert_eq!(
            error,
            "the payload of the event \"push\" is malformed: missing field `before`, at line 1 column 25"
        );
        let secret = format!(r#"{{"ref":"x","before":"hunter2","after":"b",{REPO}}}"#);
        let error = parse("push", secret.as_bytes()).expect_err("malformed");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(parse("ping", b"[1").is_err());
        assert!(parse("unheard_of", b"\xff").is_err());
    }
}
