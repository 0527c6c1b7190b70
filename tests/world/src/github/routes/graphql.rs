//! The GraphQL documents that Restow sends, told apart by the field that they name.

use serde_json::{Value, json};

use super::super::auth::Caller;
use super::super::git::ZERO;
use super::super::json;
use super::super::merge::{Mergeable, Method, mergeable};
use super::super::model::{Actor, Pull, State};
use super::super::reply::{Ask, Outcome, Reply};

const WRITE: &[(&str, &str)] = &[("contents", "write")];

pub(super) fn route(state: &mut State, caller: &Caller, ask: &Ask) -> Outcome {
    let document = ask.text("query").unwrap_or_default().to_owned();
    let variables = ask.body["variables"].clone();
    let found = super::super::graphql::problems(&document, &variables);
    state.findings.extend(found);
    let node = variables["id"].as_str().unwrap_or_default().to_owned();
    if document.contains("updateRefs") {
        return update_refs(state, caller, &node, &variables);
    }
    let pulls = state.repos.values().flat_map(|repo| repo.pulls.values().map(move |pull| (repo.id, pull)));
    let place =
        pulls.map(|(repo, pull)| (repo, pull.clone())).find(|(_, pull)| json::node("PullRequest", pull.id) == node);
    let Some((repo, pull)) = place else { return error("NOT_FOUND", "Could not resolve to a node") };
    let held = state.repo(repo);
    state.reach(caller, (&held.owner, &held.name), WRITE)?;
    let people = &mut state.repo_mut(repo).people;
    if document.contains("isInMergeQueue") {
        return Reply::ok(json!({ "data": { "node": { "isInMergeQueue": people.queued.contains(&pull.number) } } }));
    }
    if document.contains("dequeuePullRequest") {
        if !people.queued.contains(&pull.number) {
            return error("UNPROCESSABLE", "Pull request is not in the merge queue");
        }
        people.queued.retain(|number| *number != pull.number);
        return Reply::ok(json!({ "data": { "dequeuePullRequest": { "mergeQueueEntry": null } } }));
    }
    if document.contains("disablePullRequestAutoMerge") {
        if people.auto_merge.remove(&pull.number).is_none() {
            return error("UNPROCESSABLE", "Auto merge is not enabled for this pull request");
        }
        return done("disablePullRequestAutoMerge", pull.number);
    }
    let held = state.repo(repo);
    if variables["head"].as_str() != Some(&held.head_of(&pull)) {
        return error("UNPROCESSABLE", "Expected head sha did not match current head sha.");
    }
    match document.contains("enqueuePullRequest") {
        true => enqueue(state, repo, &pull),
        false => auto_merge(state, repo, &pull, &variables),
    }
}

fn error(kind: &str, text: &str) -> Outcome {
    Reply::ok(json!({ "data": null, "errors": [{ "type": kind, "message": text }] }))
}

fn done(what: &str, number: u64) -> Outcome {
    Reply::ok(json!({ "data": { what: { "pullRequest": { "number": number } } } }))
}

fn enqueue(state: &mut State, repo: u64, pull: &Pull) -> Outcome {
    let held = state.repo(repo);
    if !held.people.merge_queue {
        return error("UNPROCESSABLE", "Merge queue is not enabled");
    }
    if held.people.queued.contains(&pull.number) {
        return error("UNPROCESSABLE", "Pull request is already in the queue");
    }
    match mergeable(held, pull) {
        Mergeable::Clean | Mergeable::Unstable | Mergeable::Behind if !pull.draft => {}
        _ => return error("UNPROCESSABLE", "Pull request is not in a state in which it can be added to the queue"),
    }
    state.repo_mut(repo).people.queued.push(pull.number);
    Reply::ok(json!({ "data": { "enqueuePullRequest": { "mergeQueueEntry": { "position": 1 } } } }))
}

fn auto_merge(state: &mut State, repo: u64, pull: &Pull, variables: &Value) -> Outcome {
    let held = state.repo(repo);
    if !held.people.offers_auto_merge {
        return error("UNPROCESSABLE", "Auto merge is not allowed for this repository");
    }
    if matches!(mergeable(held, pull), Mergeable::Clean) {
        return error("UNPROCESSABLE", "Pull request is in clean status");
    }
    let method = match variables["method"].as_str() {
        Some("SQUASH") => Method::Squash,
        Some("REBASE") => Method::Rebase,
        _ => Method::Merge,
    };
    state.repo_mut(repo).people.auto_merge.insert(pull.number, method);
    done("enablePullRequestAutoMerge", pull.number)
}

/// Moves or (to zeros) deletes one ref, if it still is where the caller believes.
fn update_refs(state: &mut State, caller: &Caller, node: &str, variables: &Value) -> Outcome {
    let found = state.repos.values().find(|repo| json::node("Repository", repo.id) == node);
    let Some(held) = found else { return error("NOT_FOUND", "Could not resolve to a node") };
    let (id, owner, name) = (held.id, held.owner.clone(), held.name.clone());
    state.reach(caller, (&owner, &name), WRITE)?;
    let text = |field: &str| variables[field].as_str().unwrap_or_default().to_owned();
    let (full, before, after) = (text("name"), text("before"), text("after"));
    let git = &state.repo(id).git;
    if git.reference(&full).as_deref() != Some(&before) {
        return error("UNPROCESSABLE", "Reference cannot be updated: it is not at the expected object");
    }
    let to = (after != ZERO).then_some(after);
    if to.as_ref().is_some_and(|sha| git.kind(sha).as_deref() != Some("commit")) {
        return error("UNPROCESSABLE", "Object does not exist");
    }
    state.move_ref(id, &full, to.as_deref(), &Actor::App);
    Reply::ok(json!({ "data": { "updateRefs": { "clientMutationId": null } } }))
}
