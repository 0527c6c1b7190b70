//! Refs and branches.

use serde_json::json;

use super::super::json;
use super::super::model::{Actor, State};
use super::super::reply::{Outcome, Reply, listed};
use super::InRepo;

const READ: &[(&str, &str)] = &[("contents", "read")];
const WRITE: &[(&str, &str)] = &[("contents", "write")];

pub(super) fn route(state: &mut State, call: &InRepo<'_>) -> Option<Outcome> {
    match (call.ask.method.as_str(), &call.rest[..]) {
        ("GET", ["git", "ref", name @ ..]) => Some(one(state, call, name)),
        ("GET", ["git", "matching-refs", name @ ..]) => Some(matching(state, call, name)),
        ("POST", ["git", "refs"]) => Some(create(state, call)),
        ("PATCH", ["git", "refs", name @ ..]) => Some(update(state, call, name)),
        ("DELETE", ["git", "refs", name @ ..]) => Some(delete(state, call, name)),
        ("GET", ["branches"]) => Some(branches(state, call)),
        ("GET", ["branches", name @ ..]) => Some(branch(state, call, name)),
        ("GET", ["rules", "branches", name @ ..]) => Some(rules(state, call, name)),
        _ => None,
    }
}

fn full(name: &[&str]) -> String {
    format!("refs/{}", name.join("/"))
}

fn one(state: &State, call: &InRepo<'_>, name: &[&str]) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let full = full(name);
    let sha = repo.git.reference(&full).ok_or_else(Reply::not_found)?;
    Reply::ok(json::git_ref(state, repo, &full, &sha))
}

fn matching(state: &State, call: &InRepo<'_>, name: &[&str]) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let start = full(name);
    let all = repo.git.branches().into_iter().map(|(name, sha)| (format!("refs/heads/{name}"), sha));
    let found = all.filter(|(name, _)| name.starts_with(&start));
    Reply::ok(found.map(|(name, sha)| json::git_ref(state, repo, &name, &sha)).collect())
}

fn create(state: &mut State, call: &InRepo<'_>) -> Outcome {
    let id = call.with(state, WRITE)?;
    let (Some(full), Some(sha)) = (call.ask.text("ref"), call.ask.text("sha")) else {
        return Err(Reply::message(422, "Invalid request.\n\n\"ref\" and \"sha\" weren't supplied."));
    };
    let git = &state.repo(id).git;
    if !full.starts_with("refs/") || !git.valid_ref(full) {
        return Err(Reply::message(422, "Reference name is not valid"));
    }
    if git.kind(sha).as_deref() != Some("commit") {
        return Err(Reply::message(422, "Object does not exist"));
    }
    if git.reference(full).is_some() {
        return Err(Reply::message(422, "Reference already exists"));
    }
    if collides(git, full) {
        return Err(Reply::message(422, "Reference update failed"));
    }
    state.move_ref(id, full, Some(sha), &Actor::App);
    Ok(Reply::json(201, json::git_ref(state, state.repo(id), full, sha)))
}

/// Git keeps no branch `a` beside a branch `a/b`.
fn collides(git: &super::super::git::Git, full: &str) -> bool {
    let mut held = git.branches().into_iter().map(|(name, _)| format!("refs/heads/{name}"));
    held.any(|name| name.starts_with(&format!("{full}/")) || full.starts_with(&format!("{name}/")))
}

fn update(state: &mut State, call: &InRepo<'_>, name: &[&str]) -> Outcome {
    let id = call.with(state, WRITE)?;
    let full = full(name);
    let sha = call.ask.text("sha").ok_or_else(|| Reply::message(422, "sha is missing"))?;
    let git = &state.repo(id).git;
    let Some(before) = git.reference(&full) else {
        return Err(Reply::message(422, "Reference does not exist"));
    };
    if git.kind(sha).as_deref() != Some("commit") {
        return Err(Reply::message(422, "Object does not exist"));
    }
    if call.ask.body["force"] != json!(true) && !git.is_ancestor(&before, sha) {
        return Err(Reply::message(422, "Update is not a fast forward"));
    }
    state.move_ref(id, &full, Some(sha), &Actor::App);
    Reply::ok(json::git_ref(state, state.repo(id), &full, sha))
}

fn delete(state: &mut State, call: &InRepo<'_>, name: &[&str]) -> Outcome {
    let id = call.with(state, WRITE)?;
    let full = full(name);
    if state.repo(id).git.reference(&full).is_none() {
        return Err(Reply::message(422, "Reference does not exist"));
    }
    state.move_ref(id, &full, None, &Actor::App);
    Ok(Reply::empty(204))
}

fn branches(state: &State, call: &InRepo<'_>) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let url = format!("{}/repos/{}", state.base, repo.full_name());
    let all = repo.git.branches().into_iter().map(|(name, sha)| {
        json!({ "name": name, "commit": { "sha": sha, "url": format!("{url}/commits/{sha}") }, "protected": false })
    });
    listed(state, call.ask, all.collect())
}

fn branch(state: &State, call: &InRepo<'_>, name: &[&str]) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let name = name.join("/");
    let sha = repo.git.branch(&name).ok_or_else(|| Reply::message(404, "Branch not found"))?;
    Reply::ok(json::branch(state, repo, &name, &sha))
}

fn rules(state: &State, call: &InRepo<'_>, name: &[&str]) -> Outcome {
    let repo = state.repo(call.with(state, &[("metadata", "read")])?);
    if name.join("/") != repo.default_branch {
        return Reply::ok(json!([]));
    }
    let rule = |kind: &str, parameters: serde_json::Value| {
        json!({
            "type": kind, "ruleset_source_type": "Repository", "ruleset_source": repo.full_name(), "ruleset_id": 1,
            "parameters": parameters,
        })
    };
    let mut rules = Vec::new();
    if !repo.required_checks.is_empty() {
        let checks: Vec<_> = repo.required_checks.iter().map(|name| json!({ "context": name })).collect();
        let parameters =
            json!({ "required_status_checks": checks, "strict_required_status_checks_policy": repo.people.strict });
        rules.push(rule("required_status_checks", parameters));
    }
    if repo.people.required_reviews > 0 {
        let parameters = json!({
            "required_approving_review_count": repo.people.required_reviews, "dismiss_stale_reviews_on_push": false,
            "require_code_owner_review": false, "require_last_push_approval": false,
            "required_review_thread_resolution": false,
        });
        rules.push(rule("pull_request", parameters));
    }
    if repo.people.merge_queue {
        let parameters = json!({
            "check_response_timeout_minutes": 60, "grouping_strategy": "ALLGREEN", "max_entries_to_build": 5,
            "max_entries_to_merge": 5, "merge_method": "MERGE", "min_entries_to_merge": 1,
            "min_entries_to_merge_wait_minutes": 5,
        });
        rules.push(rule("merge_queue", parameters));
    }
    Reply::ok(serde_json::Value::Array(rules))
}
