//! Check suites, check runs and statuses.

use serde_json::{Value, json};

use super::super::model::{APP_SLUG, Repo, Run, State, Status, Suite};
use super::super::people::OwnRun;
use super::{app, node, repository, simple_commit};

fn pulls(state: &State, repo: &Repo, suite: &Suite) -> Value {
    let open = repo.pulls.values().filter(|pull| pull.is_open() && pull.head == suite.branch);
    let url = format!("{}/repos/{}", state.base, repo.full_name());
    let end = |branch: &str, sha: &str| json!({ "ref": branch, "sha": sha, "repo": { "id": repo.id, "url": url, "name": repo.name } });
    open.map(|pull| {
        json!({
            "id": pull.id, "number": pull.number, "url": format!("{url}/pulls/{}", pull.number),
            "head": end(&pull.head, &repo.head_of(pull)), "base": end(&pull.base, &repo.base_of(pull)),
        })
    })
    .collect()
}

fn progress(suite: &Suite) -> &'static str {
    if suite.conclusion.is_some() { "completed" } else { "queued" }
}

/// A check suite.
pub(crate) fn suite(state: &State, repo: &Repo, it: &Suite) -> Value {
    let url = format!("{}/repos/{}/check-suites/{}", state.base, repo.full_name(), it.id);
    json!({
        "id": it.id, "node_id": node("CheckSuite", it.id), "head_branch": it.branch, "head_sha": it.sha,
        "status": progress(it), "conclusion": it.conclusion, "url": url, "before": it.before, "after": it.sha,
        "pull_requests": pulls(state, repo, it), "app": app(state, &it.app),
        "created_at": it.created_at, "updated_at": it.updated_at, "head_commit": simple_commit(repo, &it.sha),
        "repository": repository(state, repo), "latest_check_runs_count": it.runs.len(),
        "check_runs_url": format!("{url}/check-runs"), "rerequestable": true, "runs_rerequestable": true,
    })
}

/// A check run.
pub(crate) fn run(state: &State, repo: &Repo, suite: &Suite, it: &Run) -> Value {
    let name = repo.full_name();
    let url = format!("{}/repos/{name}/check-runs/{}", state.base, it.id);
    let html = format!("https://github.com/{name}/actions/runs/{}/job/{}", suite.id, it.id);
    let ended = it.conclusion.as_ref().map(|_| &suite.updated_at);
    json!({
        "id": it.id, "node_id": node("CheckRun", it.id), "name": it.name, "head_sha": suite.sha, "url": url,
        "html_url": html, "details_url": html, "external_id": it.id.to_string(),
        "status": if it.conclusion.is_some() { "completed" } else { "queued" },
        "conclusion": it.conclusion, "started_at": suite.created_at, "completed_at": ended,
        "check_suite": { "id": suite.id }, "app": app(state, &suite.app),
        "pull_requests": pulls(state, repo, suite),
        "output": { "title": null, "summary": null, "text": null, "annotations_count": 0,
            "annotations_url": format!("{url}/annotations") },
    })
}

/// A check of the App's own, which has ended.
pub(crate) fn own_run(state: &State, repo: &Repo, it: &OwnRun) -> Value {
    let url = format!("{}/repos/{}/check-runs/{}", state.base, repo.full_name(), it.id);
    let now = state.clock.rfc3339();
    json!({
        "id": it.id, "node_id": node("CheckRun", it.id), "name": it.name, "head_sha": it.sha, "url": url,
        "html_url": url, "details_url": url, "external_id": "", "status": "completed", "conclusion": it.conclusion,
        "started_at": now, "completed_at": now, "check_suite": null, "app": app(state, APP_SLUG), "pull_requests": [],
        "output": { "title": it.title, "summary": it.summary, "text": null,
            "annotations_count": it.annotations.len(), "annotations_url": format!("{url}/annotations") },
    })
}

/// A status of a commit.
pub(crate) fn status(state: &State, repo: &Repo, it: &Status) -> Value {
    json!({
        "id": it.id, "node_id": node("StatusContext", it.id), "context": it.context, "state": it.state,
        "description": null, "target_url": format!("https://ci.example.com/{}", it.id),
        "url": format!("{}/repos/{}/statuses/{}", state.base, repo.full_name(), it.sha),
        "avatar_url": null, "created_at": it.at, "updated_at": it.at,
    })
}

/// One word for all statuses of a commit.
pub(crate) fn rollup(latest: &[&Status]) -> &'static str {
    let any = |words: &[&str]| latest.iter().any(|status| words.contains(&status.state.as_str()));
    if any(&["failure", "error"]) {
        "failure"
    } else if latest.is_empty() || any(&["pending"]) {
        "pending"
    } else {
        "success"
    }
}
