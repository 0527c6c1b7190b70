//! Files by their path, and the archive of a commit.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::auth::allows;
use super::super::delivery::random_hex;
use super::super::git::Change;
use super::super::json;
use super::super::model::{APP_LOGIN, Actor, State};
use super::super::reply::{Body, Outcome, Reply};
use super::InRepo;

const READ: &[(&str, &str)] = &[("contents", "read")];
const WRITE: &[(&str, &str)] = &[("contents", "write")];

pub(super) fn route(state: &mut State, call: &InRepo<'_>) -> Option<Outcome> {
    match (call.ask.method.as_str(), &call.rest[..]) {
        ("GET", ["tarball", name @ ..]) => Some(tarball(state, call, &name.join("/"))),
        ("GET", ["contents", path @ ..]) => Some(read(state, call, &path.join("/"))),
        ("PUT", ["contents", path @ ..]) => Some(write(state, call, &path.join("/"))),
        _ => None,
    }
}

fn tarball(state: &mut State, call: &InRepo<'_>, name: &str) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let name = if name.is_empty() { repo.default_branch.as_str() } else { name };
    let sha = repo.git.resolve(name).ok_or_else(Reply::not_found)?;
    let prefix = format!("{}-{}-{}", repo.owner, repo.name, &sha[..7]);
    let bytes = repo.git.archive(&sha, &prefix);
    let path = format!("/{}/legacy.tar.gz/{sha}?token={}", repo.full_name(), random_hex(20));
    let location = format!("{}{path}", state.files);
    state.archives.insert(path, bytes);
    Ok(Reply::empty(302).with("location", location))
}

fn read(state: &State, call: &InRepo<'_>, path: &str) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let name = call.ask.query.get("ref").unwrap_or(&repo.default_branch);
    let root = repo.git.tree_of(name).ok_or_else(Reply::not_found)?;
    if path.is_empty() {
        return Reply::ok(repo.git.list(&root, &[]).iter().map(|it| json::content(state, repo, it, None)).collect());
    }
    let found = repo.git.list(&root, &["-r", "-t"]).into_iter().find(|entry| entry.path == path);
    let entry = found.ok_or_else(Reply::not_found)?;
    if entry.kind == "tree" {
        let below = repo.git.list(&root, &["-r", "-t"]);
        let direct = below.iter().filter(|it| it.path.rsplit_once('/').is_some_and(|(folder, _)| folder == path));
        return Reply::ok(direct.map(|it| json::content(state, repo, it, None)).collect());
    }
    let bytes = repo.git.blob(&entry.sha).ok_or_else(Reply::not_found)?;
    if call.ask.wants_raw() {
        let body = Body::Bytes(bytes, "application/vnd.github.raw+json; charset=utf-8");
        return Ok(Reply { status: 200, headers: Vec::new(), body });
    }
    Reply::ok(json::content(state, repo, &entry, Some(&bytes)))
}

fn write(state: &mut State, call: &InRepo<'_>, path: &str) -> Outcome {
    let id = call.with(state, WRITE)?;
    let workflows = state.token(call.caller)?.permissions.get("workflows").map(String::as_str);
    if path.starts_with(".github/workflows/") && !allows(workflows, "write") {
        return Err(Reply::forbidden());
    }
    let ask = call.ask;
    let (Some(message), Some(content)) = (ask.text("message"), ask.text("content")) else {
        return Err(Reply::message(422, "Invalid request.\n\n\"message\" and \"content\" weren't supplied."));
    };
    let bytes = STANDARD.decode(content).map_err(|_| Reply::message(422, "content is not valid Base64"))?;
    let repo = state.repo(id);
    let branch = ask.text("branch").unwrap_or(&repo.default_branch).to_owned();
    let parent = repo.git.branch(&branch).ok_or_else(|| Reply::message(404, &format!("Branch {branch} not found")))?;
    let old = repo.git.list(&parent, &["-r"]).into_iter().find(|entry| entry.path == path);
    if old.as_ref().map(|entry| entry.sha.as_str()) != ask.text("sha") {
        return Err(match ask.text("sha") {
            Some(sha) => Reply::message(409, &format!("{path} does not match {sha}")),
            None => Reply::message(422, "Invalid request.\n\n\"sha\" wasn't supplied."),
        });
    }
    let sha = Some(repo.git.store_blob(&bytes));
    let mode = old.as_ref().map_or("100644", |entry| entry.mode.as_str()).to_owned();
    let tree = repo.git.tree(Some(&parent), &[Change { path: path.to_owned(), mode, sha }]);
    let tree = tree.map_err(|why| Reply::message(422, &why))?;
    let made = state.commit_by_github(id, APP_LOGIN, tree, vec![parent], message.to_owned());
    state.move_ref(id, &format!("refs/heads/{branch}"), Some(&made), &Actor::App);
    let repo = state.repo(id);
    let entry = repo.git.list(&made, &["-r"]).into_iter().find(|entry| entry.path == path);
    let content = entry.map_or(Value::Null, |entry| json::content(state, repo, &entry, None));
    let status = if old.is_some() { 200 } else { 201 };
    Ok(Reply::json(status, json!({ "content": content, "commit": json::git_commit(state, repo, &made) })))
}
