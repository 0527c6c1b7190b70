//! Event → what is stored of it, and the jobs it asks for. Pure.

use serde_json::{Value, json};

use super::hook::look_up_jobs;
use super::kind::{
    Extent, OrderPayload, PreviewPayload, box_job, branch_scan_job, order_job, plan_job, preview_job, reopen_job,
    scan_job, sync_job, watch_job,
};
use crate::command::commands;
use crate::github::AccountKind;
use crate::github::webhook::{
    CommentPlace, Event, EventRepo, IssueCommentEvent, IssuesEvent, PullRequestEvent, PushEvent, PushTarget, parse,
};
use crate::notification::{Sender, Told};
use crate::repo::{BranchName, InstallationId, Moment};
use crate::report::{DASHBOARD_MARKER, ticked};
use crate::store::{Delivery, NewJob};
use crate::web::Malformed;

/// The two events that tell of a package of GitHub's own registry; they are optional, as the permission for them is.
const PACKAGE_EVENTS: [&str; 2] = ["registry_package", "package"];

/// Reads a verified webhook. Of its payload only the few fields that later work needs are kept.
///
/// # Errors
/// The body is not what GitHub sends for this event.
pub fn intake(event: &str, id: &str, body: &[u8], now: Moment) -> Result<(Delivery, Vec<NewJob>), Malformed> {
    let parsed = parse(event, body).map_err(|error| Malformed::new(error.to_string()))?;
    let (action, repo, summary) = kept(&parsed);
    let delivery = Delivery {
        id: id.to_owned(),
        event: event.to_owned(),
        action,
        installation: parsed.installation(),
        repo,
        summary,
    };
    let mut jobs = jobs(&parsed, now);
    if PACKAGE_EVENTS.contains(&event) {
        jobs.extend(package_jobs(body, now)?);
    }
    Ok((delivery, jobs))
}

/// A package of GitHub's own registry, which may be an image.
fn package_jobs(body: &[u8], now: Moment) -> Result<Vec<NewJob>, Malformed> {
    match Sender::GITHUB.read(body).map_err(|error| Malformed::new(error.to_string()))? {
        Told::Pushed(notification) => Ok(look_up_jobs(&notification, now)),
        Told::Subscription(_) => Ok(Vec::new()),
    }
}

/// The action, the repository and the fields that are kept.
fn kept(event: &Event) -> (Option<String>, Option<crate::repo::RepoId>, Value) {
    match event {
        Event::Ping | Event::Other { .. } => (None, None, Value::Null),
        Event::Installation(event) => (Some(event.action.clone()), None, Value::Null),
        Event::InstallationRepositories(event) => (Some(event.action.clone()), None, Value::Null),
        Event::Repository(event) => (Some(event.action.clone()), Some(event.repo.id), Value::Null),
        Event::Push(event) => (None, Some(event.repo.id), json!({ "branch": event.branch, "after": event.after })),
        Event::PullRequest(event) => (
            Some(event.action.clone()),
            Some(event.repo.id),
            json!({
                "number": event.number, "merged": event.merged, "head": event.head_sha,
                "sender": event.sender.as_ref().map(|sender| &sender.login),
            }),
        ),
        Event::PullRequestReview(event) => {
            (Some(event.action.clone()), Some(event.repo.id), json!({ "number": event.number }))
        }
        Event::CheckSuite(event) => (
            Some(event.action.clone()),
            Some(event.repo.id),
            json!({ "head": event.head_sha, "conclusion": event.conclusion }),
        ),
        Event::Status(event) => {
            (None, Some(event.repo.id), json!({ "sha": event.sha, "state": event.state, "context": event.context }))
        }
        Event::Issues(event) => (Some(event.action.clone()), Some(event.repo.id), json!({ "number": event.number })),
        Event::IssueComment(event) => (
            Some(event.action.clone()),
            Some(event.repo.id),
            json!({ "number": event.number, "comment": event.comment }),
        ),
    }
}

fn jobs(event: &Event, now: Moment) -> Vec<NewJob> {
    match event {
        Event::Installation(event) => vec![sync_job(event.installation, Extent::Changed, now)],
        Event::InstallationRepositories(event) => vec![sync_job(event.installation, Extent::Changed, now)],
        Event::Repository(event) => {
            event.installation.map(|id| sync_job(id, Extent::Changed, now)).into_iter().collect()
        }
        Event::Push(event) => push_jobs(event, now),
        Event::PullRequest(event) => pull_jobs(event, now),
        Event::PullRequestReview(event) => watch_jobs(event.installation, &event.repo, now),
        Event::CheckSuite(event) if event.action == "completed" && ours(event.head_branch.as_ref()) => {
            watch_jobs(event.installation, &event.repo, now)
        }
        Event::Status(event) if event.state != "pending" => watch_jobs(event.installation, &event.repo, now),
        Event::IssueComment(event) => comment_jobs(event, now),
        Event::Issues(event) => dashboard_jobs(event, now),
        Event::Ping | Event::CheckSuite(_) | Event::Status(_) | Event::Other { .. } => Vec::new(),
    }
}

fn push_jobs(event: &PushEvent, now: Moment) -> Vec<NewJob> {
    let Some(installation) = event.installation else { return Vec::new() };
    match (event.target, &event.branch) {
        (PushTarget::DefaultBranch, _) if event.deleted => Vec::new(),
        (PushTarget::DefaultBranch, _) => vec![scan_job(installation, event.repo.id, &event.repo.name, now)],
        // Whether anybody cares is known by the job; one that is gone is news too.
        (PushTarget::Elsewhere, Some(branch)) if !ours(Some(branch)) => {
            vec![branch_scan_job(installation, (event.repo.id, &event.repo.name), branch, now)]
        }
        (PushTarget::Elsewhere, Some(_) | None) => Vec::new(),
    }
}

/// Whether a branch is Restow's.
fn ours(branch: Option<&BranchName>) -> bool {
    branch.is_some_and(|branch| branch.as_str().starts_with("restow/"))
}

fn watch_jobs(installation: Option<InstallationId>, repo: &EventRepo, now: Moment) -> Vec<NewJob> {
    installation.map(|installation| watch_job(installation, repo.id, &repo.name, now)).into_iter().collect()
}

/// A person ticked a box of the dashboard: GitHub lets only people who may write edit it.
fn dashboard_jobs(event: &IssuesEvent, now: Moment) -> Vec<NewJob> {
    let person = event.sender.as_ref().is_some_and(|sender| sender.kind != AccountKind::Bot);
    let ours = event.body.contains(DASHBOARD_MARKER) && !ticked(&event.body).is_empty();
    match event.installation {
        Some(installation) if person && ours && event.action == "edited" => {
            vec![box_job(installation, event.repo.id, &event.repo.name, now)]
        }
        Some(_) | None => Vec::new(),
    }
}

/// What a person asks for in a new comment under a pull request; an edited one does nothing.
fn comment_jobs(event: &IssueCommentEvent, now: Moment) -> Vec<NewJob> {
    let author = event.author.as_ref().filter(|author| author.kind != AccountKind::Bot);
    let (Some(author), "created", CommentPlace::PullRequest) = (author, event.action.as_str(), event.place) else {
        return Vec::new();
    };
    let orders = commands(&event.body);
    if orders.is_empty() {
        return Vec::new();
    }
    let (repo, pull, comment) = (event.repo.id, event.number, event.comment);
    vec![order_job(&OrderPayload { repo, pull, comment, author: author.login.clone(), orders }, now)]
}

/// A person closed, reopened or changed a pull request of Restow's; another one may change the configuration. One from
/// a fork is not looked at: what it names would be read with the organisation's eyes.
fn pull_jobs(event: &PullRequestEvent, now: Moment) -> Vec<NewJob> {
    let ours = ours(event.head_branch.as_ref());
    let person = event.sender.as_ref().is_none_or(|sender| sender.kind != AccountKind::Bot);
    let matters = matches!(event.action.as_str(), "closed" | "edited" | "synchronize");
    if !ours && event.head_repo == Some(event.repo.id) && matches!(event.action.as_str(), "opened" | "synchronize") {
        let (repo, pull, base) = (event.repo.id, event.number, event.base_branch.clone());
        return vec![preview_job(&PreviewPayload { repo, pull, head: event.head_sha.clone(), base }, now)];
    }
    match event.installation {
        Some(_) if ours && person && event.action == "reopened" => vec![reopen_job(event.repo.id, event.number, now)],
        // The merge queue, which is a bot, gave it back.
        Some(_) if ours && event.action == "dequeued" => watch_jobs(event.installation, &event.repo, now),
        Some(installation) if ours && person && matters => {
            vec![plan_job(installation, event.repo.id, &event.repo.name, now)]
        }
        Some(_) | None => Vec::new(),
    }
}
