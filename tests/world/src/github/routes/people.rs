//! Reviews, permissions, reactions, issues, the App's own checks.

use serde_json::{Value, json};

use super::super::json;
use super::super::model::{APP_LOGIN, Actor, State, Suite};
use super::super::people::{Issue, OwnRun};
use super::super::reply::{Outcome, Reply, listed};
use super::InRepo;

const PULLS: &[(&str, &str)] = &[("pull_requests", "write")];
const ISSUES: &[(&str, &str)] = &[("issues", "write")];
const EITHER: &[(&str, &str)] = &[("issues", "write"), ("pull_requests", "write")];

pub(super) fn route(state: &mut State, call: &InRepo<'_>) -> Option<Outcome> {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    match (call.ask.method.as_str(), &call.rest[..]) {
        ("GET", ["pulls", n, "reviews"]) => Some(reviews(state, call, number(n))),
        ("POST", ["pulls", n, "requested_reviewers"]) => Some(request(state, call, number(n))),
        ("GET", ["collaborators", login, "permission"]) => Some(permission(state, call, login)),
        ("POST", ["issues", "comments", id, "reactions"]) => Some(react(state, call, number(id))),
        ("GET", ["releases"]) => Some(releases(state, call)),
        ("GET", ["issues"]) => Some(issues(state, call)),
        ("POST", ["issues"]) => Some(create_issue(state, call)),
        ("GET", ["issues", n]) => Some(issue(state, call, number(n))),
        ("PATCH", ["issues", n]) => Some(change_issue(state, call, number(n))),
        ("POST", ["check-runs"]) => Some(create_run(state, call)),
        ("POST", ["check-runs", id, "rerequest"]) => Some(rerequest(state, call, number(id))),
        ("POST", ["actions", "jobs", id, "rerun"]) => Some(rerun_job(state, call, number(id))),
        _ => None,
    }
}

fn reviews(state: &State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, &[("pull_requests", "read")])?;
    let all = state.repo(id).people.reviews.iter().filter(|review| review.number == number);
    listed(state, call.ask, all.map(|it| state.review_json(id, it)).collect())
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn request(state: &mut State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, PULLS)?;
    let mut names = strings(&call.ask.body["reviewers"]);
    names.extend(strings(&call.ask.body["team_reviewers"]).into_iter().map(|team| format!("team:{team}")));
    if names.iter().any(|name| state.repo(id).people.unknown_reviewers.contains(name)) {
        let text = "Reviews may only be requested from collaborators.";
        return Err(Reply::message(422, text));
    }
    state.repo_mut(id).people.requested.entry(number).or_default().extend(names);
    let repo = state.repo(id);
    let pull = repo.pulls.get(&number).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(201, json::pull(state, repo, pull)))
}

fn permission(state: &State, call: &InRepo<'_>, login: &str) -> Outcome {
    let id = call.with(state, &[("metadata", "read")])?;
    if !state.users.contains_key(login) {
        return Err(Reply::not_found());
    }
    let level = state.repo(id).people.collaborators.get(login).map_or("read", String::as_str);
    let mut user = json::user(state, login);
    user["role_name"] = json!(level);
    user["permissions"] =
        json!({ "pull": true, "triage": false, "push": level != "read", "maintain": false, "admin": level == "admin" });
    Reply::ok(json!({ "permission": level, "role_name": level, "user": user }))
}

fn react(state: &mut State, call: &InRepo<'_>, comment: u64) -> Outcome {
    let id = call.with(state, EITHER)?;
    if !state.repo(id).comments.iter().any(|it| it.id == comment) {
        return Err(Reply::not_found());
    }
    let content = call.ask.text("content").unwrap_or_default().to_owned();
    let made = state.id();
    let shown = json!({
        "id": made, "node_id": json::node("Reaction", made), "user": json::user(state, APP_LOGIN),
        "content": content, "created_at": state.clock.rfc3339(),
    });
    let reactions = &mut state.repo_mut(id).people.reactions;
    let known = reactions.contains(&(comment, content.clone()));
    if !known {
        reactions.push((comment, content));
    }
    Ok(Reply::json(if known { 200 } else { 201 }, shown))
}

/// Of a public repository anybody may read them.
fn releases(state: &State, call: &InRepo<'_>) -> Outcome {
    let name = format!("{}/{}", call.name.0, call.name.1);
    let repo = state.find_repo(&name).filter(|repo| !repo.private).ok_or_else(Reply::not_found)?;
    let url = format!("{}/repos/{name}/releases", state.base);
    let all = repo.people.releases.iter().enumerate().map(|(index, (tag, body))| {
        json!({
            "id": index + 1, "node_id": json::node("Release", index as u64), "url": format!("{url}/{index}"),
            "html_url": format!("https://github.com/{name}/releases/tag/{tag}"), "assets_url": format!("{url}/{index}/assets"),
            "upload_url": format!("{url}/{index}/assets"), "tarball_url": null, "zipball_url": null, "tag_name": tag,
            "target_commitish": "main", "name": tag, "body": body, "draft": false, "prerelease": tag.contains("rc"),
            "created_at": "2026-01-01T00:00:00Z", "published_at": "2026-01-02T00:00:00Z",
            "author": json::user(state, "octocat"), "assets": [],
        })
    });
    listed(state, call.ask, all.collect())
}

fn issues(state: &State, call: &InRepo<'_>) -> Outcome {
    let id = call.with(state, &[("issues", "read")])?;
    let wanted = call.ask.query.get("creator");
    let all = state.repo(id).people.issues.values();
    let here = all.filter(|issue| issue.open && wanted.is_none_or(|login| *login == issue.author));
    listed(state, call.ask, here.map(|it| state.issue_json(id, it)).collect())
}

fn create_issue(state: &mut State, call: &InRepo<'_>) -> Outcome {
    let id = call.with(state, ISSUES)?;
    let Some(title) = call.ask.text("title").map(str::to_owned) else {
        return Err(Reply::invalid("Issue", "title", "missing_field", None));
    };
    let (made, now) = (state.id(), state.clock.rfc3339());
    let repo = state.repo_mut(id);
    let number = repo.next_number;
    repo.next_number += 1;
    let body = call.ask.text("body").unwrap_or_default().to_owned();
    let issue = Issue {
        id: made,
        number,
        title,
        body,
        open: true,
        author: APP_LOGIN.to_owned(),
        created_at: now.clone(),
        updated_at: now,
        edits: 0,
    };
    repo.people.issues.insert(number, issue.clone());
    Ok(Reply::json(201, state.issue_json(id, &issue)))
}

fn issue(state: &State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, &[("issues", "read"), ("pull_requests", "read")])?;
    if let Some(pull) = state.repo(id).pulls.get(&number) {
        return Reply::ok(json::issue(state, state.repo(id), pull));
    }
    let issue = state.repo(id).people.issues.get(&number).ok_or_else(Reply::not_found)?;
    Reply::ok(state.issue_json(id, issue))
}

/// An issue, or labels and assignees of a pull request.
fn change_issue(state: &mut State, call: &InRepo<'_>, number: u64) -> Outcome {
    let is_pull = state
        .find_repo(&format!("{}/{}", call.name.0, call.name.1))
        .is_some_and(|repo| repo.pulls.contains_key(&number));
    let id = call.with(state, if is_pull { EITHER } else { ISSUES })?;
    if is_pull {
        let (labels, people) = (strings(&call.ask.body["labels"]), strings(&call.ask.body["assignees"]));
        for name in &labels {
            let label = state.id();
            state.repo_mut(id).labels.entry(name.clone()).or_insert(label);
        }
        let repo = state.repo_mut(id);
        if let Some(pull) = repo.pulls.get_mut(&number).filter(|_| !labels.is_empty()) {
            pull.labels = labels;
        }
        repo.people.assigned.insert(number, people);
        let repo = state.repo(id);
        let pull = repo.pulls.get(&number).ok_or_else(Reply::not_found)?;
        return Reply::ok(json::issue(state, repo, pull));
    }
    if !state.repo(id).people.issues.contains_key(&number) {
        return Err(Reply::not_found());
    }
    if let Some(body) = call.ask.text("body") {
        state.edit_issue(id, number, body, &Actor::App);
    }
    if call.ask.text("state") == Some("closed")
        && let Some(issue) = state.repo_mut(id).people.issues.get_mut(&number)
    {
        issue.open = false;
    }
    Reply::ok(state.issue_json(id, &state.repo(id).people.issues[&number]))
}

fn create_run(state: &mut State, call: &InRepo<'_>) -> Outcome {
    let id = call.with(state, &[("checks", "write")])?;
    let ask = call.ask;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let made = state.id();
    let columns = ask.body["output"]["annotations"].as_array().into_iter().flatten();
    let columns = columns.filter_map(|one| one["start_column"].as_u64()).collect();
    let annotations = ask.body["output"]["annotations"].as_array().into_iter().flatten();
    let run = OwnRun {
        id: made,
        sha: text(&ask.body["head_sha"]),
        name: text(&ask.body["name"]),
        conclusion: text(&ask.body["conclusion"]),
        title: text(&ask.body["output"]["title"]),
        summary: text(&ask.body["output"]["summary"]),
        annotations: annotations
            .map(|one| (text(&one["path"]), one["start_line"].as_u64().unwrap_or(0), text(&one["message"])))
            .collect(),
        columns,
    };
    let shown = json::own_run(state, state.repo(id), &run);
    state.repo_mut(id).people.own_runs.push(run);
    Ok(Reply::json(201, shown))
}

/// Only the App that made a run may ask for it again.
fn rerequest(state: &mut State, call: &InRepo<'_>, run: u64) -> Outcome {
    let id = call.with(state, &[("checks", "write")])?;
    let repo = state.repo_mut(id);
    if !repo.people.own_runs.iter().any(|one| one.id == run) {
        return Err(Reply::forbidden());
    }
    repo.people.rerun.push(run);
    Ok(Reply::json(201, json!({})))
}

fn rerun_job(state: &mut State, call: &InRepo<'_>, run: u64) -> Outcome {
    let id = call.with(state, &[("actions", "write")])?;
    let repo = state.repo_mut(id);
    let actions = |suite: &&mut Suite| suite.app == "github-actions" && suite.runs.iter().any(|one| one.id == run);
    let suite = repo.suites.iter_mut().find(actions).ok_or_else(Reply::not_found)?;
    suite.conclusion = None;
    for one in suite.runs.iter_mut().filter(|one| one.id == run) {
        one.conclusion = None;
    }
    repo.people.rerun_jobs.push(run);
    Ok(Reply::json(201, json!({})))
}
