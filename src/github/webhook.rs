//! Webhook payloads: the few fields that Restow acts on, from the raw body.
//!
//! Real payloads are wider and older than any full model, so every model here is small, unknown actions stay text and
//! unknown events are [`Event::Other`]. The signature is checked before, by the room `web`.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::app::{Account, known_account};
use crate::repo::{BranchName, CommitSha, InstallationId, PullNumber, RepoId, RepoName};

/// How much of a comment is read, in bytes; GitHub's own limit is 65,536 characters.
const LONGEST_COMMENT: usize = 64 * 1024;

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
pub fn parse(event: &str, body: &[u8]) -> Result<Event, MalformedPayload> {
    match event {
        "ping" => read::<Anything>(event, body).map(|_| Event::Ping),
        "installation" => read(event, body).map(installation),
        "installation_repositories" => read(event, body).map(installation_repositories),
        "repository" => read(event, body).map(repository),
        "push" => read(event, body).map(push),
        "pull_request" => read(event, body).map(pull_request),
        "pull_request_review" => read(event, body).map(pull_request_review),
        "check_suite" => read(event, body).map(check_suite),
        "status" => read(event, body).map(status),
        "issues" => read(event, body).map(issues),
        "issue_comment" => read(event, body).map(issue_comment),
        _ => read::<Anything>(event, body).map(|_| Event::Other { event: event.chars().take(100).collect() }),
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

/// Any JSON object.
#[derive(Deserialize)]
struct Anything {}

#[derive(Deserialize)]
struct IdBody<T> {
    id: T,
}

type Through = Option<IdBody<InstallationId>>;

fn through(installation: Through) -> Option<InstallationId> {
    installation.map(|installation| installation.id)
}

fn branch(name: Option<String>) -> Option<BranchName> {
    BranchName::parse(&name?).ok()
}

#[derive(Deserialize)]
struct InstallationInner {
    id: InstallationId,
    #[serde(default, deserialize_with = "known_account")]
    account: Option<Account>,
}

#[derive(Deserialize)]
struct InstallationBody {
    action: String,
    installation: InstallationInner,
    repositories: Option<Vec<EventRepo>>,
}

fn installation(body: InstallationBody) -> Event {
    Event::Installation(InstallationEvent {
        action: body.action,
        installation: body.installation.id,
        account: body.installation.account,
        repositories: body.repositories.unwrap_or_default(),
    })
}

#[derive(Deserialize)]
struct InstallationRepositoriesBody {
    action: String,
    installation: InstallationInner,
    #[serde(default)]
    repositories_added: Vec<EventRepo>,
    #[serde(default)]
    repositories_removed: Vec<EventRepo>,
}

fn installation_repositories(body: InstallationRepositoriesBody) -> Event {
    Event::InstallationRepositories(InstallationRepositoriesEvent {
        action: body.action,
        installation: body.installation.id,
        account: body.installation.account,
        added: body.repositories_added,
        removed: body.repositories_removed,
    })
}

#[derive(Deserialize)]
struct RepoInner {
    #[serde(flatten)]
    repo: EventRepo,
    default_branch: Option<String>,
    #[serde(default)]
    archived: bool,
}

#[derive(Deserialize)]
struct RepositoryBody {
    action: String,
    installation: Through,
    repository: RepoInner,
}

fn repository(body: RepositoryBody) -> Event {
    Event::Repository(RepositoryEvent {
        action: body.action,
        installation: through(body.installation),
        repo: body.repository.repo,
        default_branch: branch(body.repository.default_branch),
        archived: body.repository.archived,
    })
}

#[derive(Deserialize)]
struct PushBody {
    #[serde(rename = "ref")]
    name: String,
    before: CommitSha,
    after: CommitSha,
    #[serde(default)]
    deleted: bool,
    installation: Through,
    repository: RepoInner,
    sender: Option<Account>,
}

fn push(body: PushBody) -> Event {
    let name = body.name.strip_prefix("refs/heads/");
    let is_default = name.is_some() && name == body.repository.default_branch.as_deref();
    Event::Push(PushEvent {
        installation: through(body.installation),
        branch: branch(name.map(str::to_owned)),
        target: if is_default { PushTarget::DefaultBranch } else { PushTarget::Elsewhere },
        repo: body.repository.repo,
        before: body.before,
        after: body.after,
        deleted: body.deleted,
        sender: body.sender,
    })
}

#[derive(Deserialize)]
struct PullRequestBody {
    action: String,
    number: PullNumber,
    installation: Through,
    repository: EventRepo,
    pull_request: PullInner,
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct PullInner {
    #[serde(default)]
    merged: Option<bool>,
    user: Option<Account>,
    head: EndInner,
    base: EndInner,
}

#[derive(Deserialize)]
struct ReviewBody {
    action: String,
    installation: Through,
    repository: EventRepo,
    pull_request: NumberBody,
}

#[derive(Deserialize)]
struct IssuesBody {
    action: String,
    installation: Through,
    repository: EventRepo,
    issue: IssueBodyText,
    #[serde(default, deserialize_with = "known_account")]
    sender: Option<Account>,
}

#[derive(Deserialize)]
struct IssueBodyText {
    number: PullNumber,
    body: Option<String>,
}

fn issues(body: IssuesBody) -> Event {
    let mut text = body.issue.body.unwrap_or_default();
    if let Some((end, _)) = text.char_indices().find(|(at, _)| *at >= LONGEST_COMMENT) {
        text.truncate(end);
    }
    Event::Issues(IssuesEvent {
        action: body.action,
        installation: through(body.installation),
        repo: body.repository,
        number: body.issue.number,
        body: text,
        sender: body.sender,
    })
}

#[derive(Deserialize)]
struct NumberBody {
    number: PullNumber,
}

fn pull_request_review(body: ReviewBody) -> Event {
    Event::PullRequestReview(PullRequestReviewEvent {
        action: body.action,
        installation: through(body.installation),
        repo: body.repository,
        number: body.pull_request.number,
    })
}

#[derive(Deserialize)]
struct EndInner {
    #[serde(rename = "ref")]
    branch: String,
    sha: CommitSha,
    repo: Option<IdBody<RepoId>>,
}

fn pull_request(body: PullRequestBody) -> Event {
    let pull = body.pull_request;
    Event::PullRequest(PullRequestEvent {
        action: body.action,
        installation: through(body.installation),
        repo: body.repository,
        number: body.number,
        merged: pull.merged.unwrap_or(false),
        head_branch: branch(Some(pull.head.branch)),
        head_sha: pull.head.sha,
        head_repo: pull.head.repo.map(|repo| repo.id),
        base_branch: branch(Some(pull.base.branch)),
        author: pull.user,
        sender: body.sender,
    })
}

#[derive(Deserialize)]
struct CheckSuiteBody {
    action: String,
    installation: Through,
    repository: EventRepo,
    check_suite: SuiteInner,
}

#[derive(Deserialize)]
struct SuiteInner {
    head_sha: CommitSha,
    head_branch: Option<String>,
    conclusion: Option<String>,
}

fn check_suite(body: CheckSuiteBody) -> Event {
    Event::CheckSuite(CheckSuiteEvent {
        action: body.action,
        installation: through(body.installation),
        repo: body.repository,
        head_sha: body.check_suite.head_sha,
        head_branch: branch(body.check_suite.head_branch),
        conclusion: body.check_suite.conclusion,
    })
}

#[derive(Deserialize)]
struct StatusBody {
    installation: Through,
    repository: EventRepo,
    sha: CommitSha,
    state: String,
    #[serde(default)]
    context: String,
}

fn status(body: StatusBody) -> Event {
    Event::Status(StatusEvent {
        installation: through(body.installation),
        repo: body.repository,
        sha: body.sha,
        state: body.state,
        context: body.context,
    })
}

#[derive(Deserialize)]
struct IssueCommentBody {
    action: String,
    installation: Through,
    repository: EventRepo,
    issue: IssueInner,
    comment: CommentInner,
}

#[derive(Deserialize)]
struct IssueInner {
    number: PullNumber,
    pull_request: Option<Anything>,
}

#[derive(Deserialize)]
struct CommentInner {
    id: u64,
    user: Option<Account>,
    body: Option<String>,
}

fn issue_comment(body: IssueCommentBody) -> Event {
    let place = if body.issue.pull_request.is_some() { CommentPlace::PullRequest } else { CommentPlace::Issue };
    let mut text = body.comment.body.unwrap_or_default();
    text.truncate(text.floor_char_boundary(LONGEST_COMMENT));
    Event::IssueComment(IssueCommentEvent {
        action: body.action,
        installation: through(body.installation),
        repo: body.repository,
        number: body.issue.number,
        place,
        comment: body.comment.id,
        author: body.comment.user,
        body: text,
    })
}

#[cfg(test)]
mod tests {
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
