//! Commits, comparisons, the repository itself.

use serde_json::Value;

use super::super::json;
use super::super::model::State;
use super::super::reply::{Outcome, Reply, linked, listed, page};
use super::InRepo;

const READ: &[(&str, &str)] = &[("contents", "read")];

pub(super) fn route(state: &mut State, call: &InRepo<'_>) -> Option<Outcome> {
    match (call.ask.method.as_str(), &call.rest[..]) {
        ("GET", []) => Some(repository(state, call)),
        ("GET", ["commits"]) => Some(list(state, call)),
        ("GET", ["commits", name]) => Some(one(state, call, name)),
        ("GET", ["compare", pair @ ..]) => Some(compare(state, call, &pair.join("/"))),
        _ => None,
    }
}

fn repository(state: &State, call: &InRepo<'_>) -> Outcome {
    let repo = state.repo(call.with(state, &[("metadata", "read")])?);
    Reply::ok(json::repository(state, repo))
}

fn list(state: &State, call: &InRepo<'_>) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let from = call.ask.query.get("sha").unwrap_or(&repo.default_branch);
    let head = repo.git.resolve(from).ok_or_else(Reply::not_found)?;
    let all = match call.ask.query.get("path") {
        Some(path) => repo.git.log_of(&head, path),
        None => repo.git.log(&head),
    };
    let (here, link) = page(state, call.ask, all);
    let all: Vec<Value> = here.iter().map(|sha| json::commit(state, repo, sha)).collect();
    Ok(linked(Reply::json(200, Value::Array(all)), link))
}

fn one(state: &State, call: &InRepo<'_>, name: &str) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let none = || Reply::message(422, &format!("No commit found for SHA: {name}"));
    let sha = repo.git.resolve(name).ok_or_else(none)?;
    Reply::ok(json::commit_with_files(state, repo, &sha))
}

fn compare(state: &State, call: &InRepo<'_>, pair: &str) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let (base, head) = pair.split_once("...").ok_or_else(Reply::not_found)?;
    let resolve = |name: &str| repo.git.resolve(name.rsplit(':').next().unwrap_or(name)).ok_or_else(Reply::not_found);
    let (base, head) = (resolve(base)?, resolve(head)?);
    let mut ahead = repo.git.log(&format!("{base}..{head}"));
    ahead.reverse();
    let (here, link) = page(state, call.ask, ahead);
    let body = json::comparison(state, repo, &base, &head, &here);
    let none = || Reply::message(404, "No common ancestor between the two commits.");
    Ok(linked(Reply::json(200, body.ok_or_else(none)?), link))
}

/// The commits and files of a range, for pull requests.
pub(super) fn range(state: &State, call: &InRepo<'_>, id: u64, base: &str, head: &str) -> Outcome {
    let repo = state.repo(id);
    let mut all = repo.git.log(&format!("{base}..{head}"));
    all.reverse();
    listed(state, call.ask, all.iter().map(|sha| json::commit(state, repo, sha)).collect())
}
