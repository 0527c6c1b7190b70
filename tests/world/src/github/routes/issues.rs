//! Comments and labels of pull requests.

use serde_json::{Value, json};

use super::super::json;
use super::super::model::{APP_LOGIN, Actor, State};
use super::super::reply::{Outcome, Reply, listed};
use super::InRepo;

const READ: &[(&str, &str)] = &[("issues", "read"), ("pull_requests", "read")];
const WRITE: &[(&str, &str)] = &[("issues", "write"), ("pull_requests", "write")];

pub(super) fn route(state: &mut State, call: &InRepo<'_>) -> Option<Outcome> {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    match (call.ask.method.as_str(), &call.rest[..]) {
        ("GET", ["issues", "comments", id]) => Some(one(state, call, number(id))),
        ("PATCH", ["issues", "comments", id]) => Some(update(state, call, number(id))),
        ("GET", ["issues", n, "comments"]) => Some(comments(state, call, number(n))),
        ("POST", ["issues", n, "comments"]) => Some(create(state, call, number(n))),
        ("GET", ["issues", n, "labels"]) => Some(labels(state, call, number(n))),
        ("POST", ["issues", n, "labels"]) => Some(add_labels(state, call, number(n))),
        _ => None,
    }
}

fn known(state: &State, id: u64, number: u64) -> Result<(), Reply> {
    if state.repo(id).pulls.contains_key(&number) { Ok(()) } else { Err(Reply::not_found()) }
}

fn comments(state: &State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, READ)?;
    known(state, id, number)?;
    let repo = state.repo(id);
    let all = repo.comments.iter().filter(|comment| comment.number == number);
    listed(state, call.ask, all.map(|it| json::comment(state, repo, it)).collect())
}

fn create(state: &mut State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, WRITE)?;
    known(state, id, number)?;
    let Some(body) = call.ask.text("body").filter(|body| !body.trim().is_empty()) else {
        return Err(Reply::invalid("IssueComment", "data", "unprocessable", Some("Body cannot be blank")));
    };
    let made = state.comment(id, number, &Actor::App, body);
    Ok(Reply::json(201, json::comment(state, state.repo(id), &made)))
}

fn one(state: &State, call: &InRepo<'_>, comment: u64) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let found = repo.comments.iter().find(|it| it.id == comment).ok_or_else(Reply::not_found)?;
    Reply::ok(json::comment(state, repo, found))
}

fn update(state: &mut State, call: &InRepo<'_>, comment: u64) -> Outcome {
    let id = call.with(state, WRITE)?;
    let body = call.ask.text("body").ok_or_else(|| Reply::message(422, "body is missing"))?.to_owned();
    let now = state.clock.rfc3339();
    let held = state.repo_mut(id).comments.iter_mut().find(|it| it.id == comment).ok_or_else(Reply::not_found)?;
    if held.author != APP_LOGIN {
        return Err(Reply::forbidden());
    }
    held.body = body;
    held.updated_at = now;
    held.read = false;
    let after = held.clone();
    state.emit_comment(id, &after, "edited", &Actor::App);
    Reply::ok(json::comment(state, state.repo(id), &after))
}

fn labels_of(state: &State, id: u64, number: u64) -> Vec<Value> {
    let repo = state.repo(id);
    let names = repo.pulls.get(&number).map(|pull| pull.labels.clone()).unwrap_or_default();
    names.iter().map(|name| json::label(state, repo, name)).collect()
}

fn labels(state: &State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, READ)?;
    known(state, id, number)?;
    listed(state, call.ask, labels_of(state, id, number))
}

fn add_labels(state: &mut State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, WRITE)?;
    known(state, id, number)?;
    let list = if call.ask.body.is_array() { &call.ask.body } else { &call.ask.body["labels"] };
    let names = list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    for name in names.collect::<Vec<_>>() {
        let label = state.id();
        let repo = state.repo_mut(id);
        repo.labels.entry(name.clone()).or_insert(label);
        let Some(pull) = repo.pulls.get_mut(&number).filter(|pull| !pull.labels.contains(&name)) else { continue };
        pull.labels.push(name.clone());
        let shown = json::label(state, state.repo(id), &name);
        state.emit_pull(id, number, "labeled", json!({ "label": shown }), &Actor::App);
    }
    Reply::ok(Value::Array(labels_of(state, id, number)))
}
