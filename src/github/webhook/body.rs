//! The payloads' bodies, as far as they are read, and the events that they become.

use serde::Deserialize;

use super::super::app::{Account, known_account};
use super::{
    CheckSuiteEvent, CommentPlace, Event, EventRepo, InstallationEvent, InstallationRepositoriesEvent,
    IssueCommentEvent, IssuesEvent, PullRequestEvent, PullRequestReviewEvent, PushEvent, PushTarget, RepositoryEvent,
    StatusEvent,
};
use crate::repo::{BranchName, CommitSha, InstallationId, PullNumber, RepoId};

/// How much of a comment is read, in bytes; GitHub's own limit is 65,536 characters.
pub(super) const LONGEST_COMMENT: usize = 64 * 1024;

/// Any JSON object.
#[derive(Deserialize)]
pub(super) struct Anything {}

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
pub(super) struct InstallationBody {
    action: String,
    installation: InstallationInner,
    repositories: Option<Vec<EventRepo>>,
}

pub(super) fn installation(body: InstallationBody) -> Event {
    Event::Installation(InstallationEvent {
        action: body.action,
        installation: body.installation.id,
        account: body.installation.account,
        repositories: body.repositories.unwrap_or_default(),
    })
}

#[derive(Deserialize)]
pub(super) struct InstallationRepositoriesBody {
    action: String,
    installation: InstallationInner,
    #[serde(default)]
    repositories_added: Vec<EventRepo>,
    #[serde(default)]
    repositories_removed: Vec<EventRepo>,
}

pub(super) fn installation_repositories(body: InstallationRepositoriesBody) -> Event {
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
pub(super) struct RepositoryBody {
    action: String,
    installation: Through,
    repository: RepoInner,
}

pub(super) fn repository(body: RepositoryBody) -> Event {
    Event::Repository(RepositoryEvent {
        action: body.action,
        installation: through(body.installation),
        repo: body.repository.repo,
        default_branch: branch(body.repository.default_branch),
        archived: body.repository.archived,
    })
}

#[derive(Deserialize)]
pub(super) struct PushBody {
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

pub(super) fn push(body: PushBody) -> Event {
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
pub(super) struct PullRequestBody {
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
pub(super) struct ReviewBody {
    action: String,
    installation: Through,
    repository: EventRepo,
    pull_request: NumberBody,
}

#[derive(Deserialize)]
pub(super) struct IssuesBody {
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

pub(super) fn issues(body: IssuesBody) -> Event {
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

pub(super) fn pull_request_review(body: ReviewBody) -> Event {
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

pub(super) fn pull_request(body: PullRequestBody) -> Event {
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
pub(super) struct CheckSuiteBody {
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

pub(super) fn check_suite(body: CheckSuiteBody) -> Event {
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
pub(super) struct StatusBody {
    installation: Through,
    repository: EventRepo,
    sha: CommitSha,
    state: String,
    #[serde(default)]
    context: String,
}

pub(super) fn status(body: StatusBody) -> Event {
    Event::Status(StatusEvent {
        installation: through(body.installation),
        repo: body.repository,
        sha: body.sha,
        state: body.state,
        context: body.context,
    })
}

#[derive(Deserialize)]
pub(super) struct IssueCommentBody {
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

pub(super) fn issue_comment(body: IssueCommentBody) -> Event {
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
