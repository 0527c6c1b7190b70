//! Git's own objects: blobs, trees, commits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::auth::allows;
use super::super::git::{Change, Commit, Entry, Git, Person};
use super::super::json;
use super::super::model::{APP_LOGIN, Repo, State};
use super::super::reply::{Body, Outcome, Reply};
use super::InRepo;

const READ: &[(&str, &str)] = &[("contents", "read")];
const WRITE: &[(&str, &str)] = &[("contents", "write")];

pub(super) fn route(state: &mut State, call: &InRepo<'_>) -> Option<Outcome> {
    match (call.ask.method.as_str(), &call.rest[..]) {
        ("GET", ["git", "blobs", sha]) => Some(blob(state, call, sha)),
        ("POST", ["git", "blobs"]) => Some(create_blob(state, call)),
        ("GET", ["git", "trees", name]) => Some(tree(state, call, name)),
        ("POST", ["git", "trees"]) => Some(create_tree(state, call)),
        ("GET", ["git", "commits", sha]) => Some(commit(state, call, sha)),
        ("POST", ["git", "commits"]) => Some(create_commit(state, call)),
        _ => None,
    }
}

fn api(state: &State, repo: &Repo) -> String {
    format!("{}/repos/{}", state.base, repo.full_name())
}

fn blob(state: &State, call: &InRepo<'_>, sha: &str) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    if repo.git.kind(sha).as_deref() != Some("blob") {
        return Err(Reply::not_found());
    }
    let bytes = repo.git.blob(sha).ok_or_else(Reply::not_found)?;
    if call.ask.wants_raw() {
        let body = Body::Bytes(bytes, "application/vnd.github.raw+json; charset=utf-8");
        return Ok(Reply { status: 200, headers: Vec::new(), body });
    }
    Reply::ok(json!({
        "sha": sha, "node_id": json::object_node(sha), "size": bytes.len(), "encoding": "base64",
        "content": STANDARD.encode(&bytes), "url": format!("{}/git/blobs/{sha}", api(state, repo)),
    }))
}

fn create_blob(state: &State, call: &InRepo<'_>) -> Outcome {
    let repo = state.repo(call.with(state, WRITE)?);
    let content = call.ask.text("content").ok_or_else(|| Reply::message(422, "Invalid request"))?;
    let bytes = match call.ask.text("encoding") {
        Some("base64") => {
            let plain: String = content.split_whitespace().collect();
            STANDARD.decode(plain).map_err(|_| Reply::message(422, "content is not valid Base64"))?
        }
        _ => content.as_bytes().to_vec(),
    };
    let sha = repo.git.store_blob(&bytes);
    let url = format!("{}/git/blobs/{sha}", api(state, repo));
    Ok(Reply::json(201, json!({ "sha": sha, "url": url })))
}

fn entry(url: &str, it: &Entry) -> Value {
    let mut out = json!({ "path": it.path, "mode": it.mode, "type": it.kind, "sha": it.sha });
    if let Some(size) = it.size {
        out["size"] = json!(size);
    }
    if it.kind != "commit" {
        out["url"] = json!(format!("{url}/git/{}s/{}", it.kind, it.sha));
    }
    out
}

fn listing(state: &State, repo: &Repo, sha: &str, flags: &[&str]) -> Value {
    let url = api(state, repo);
    let mut entries: Vec<Value> = repo.git.list(sha, flags).iter().map(|it| entry(&url, it)).collect();
    let truncated = repo.truncated_trees && !flags.is_empty();
    if truncated {
        entries.truncate(1);
    }
    json!({ "sha": sha, "url": format!("{url}/git/trees/{sha}"), "tree": entries, "truncated": truncated })
}

fn tree(state: &State, call: &InRepo<'_>, name: &str) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let sha = repo.git.tree_of(name).ok_or_else(Reply::not_found)?;
    let flags: &[&str] = if call.ask.query.contains_key("recursive") { &["-r", "-t"] } else { &[] };
    // GitHub answers with the sha that was asked for, be it a commit's.
    let mut body = listing(state, repo, &sha, flags);
    let asked = if repo.git.kind(name).is_some() { name.to_owned() } else { sha };
    body["url"] = json!(format!("{}/git/trees/{asked}", api(state, repo)));
    body["sha"] = json!(asked);
    Reply::ok(body)
}

fn create_tree(state: &State, call: &InRepo<'_>) -> Outcome {
    let id = call.with(state, WRITE)?;
    let repo = state.repo(id);
    let Value::Array(entries) = &call.ask.body["tree"] else {
        return Err(Reply::message(422, "Invalid tree info"));
    };
    let base = match call.ask.text("base_tree") {
        Some(sha) => Some(repo.git.tree_of(sha).ok_or_else(|| Reply::message(422, "base_tree is not a valid tree"))?),
        None => None,
    };
    let changes = entries.iter().map(|it| change(&repo.git, it)).collect::<Result<Vec<_>, Reply>>()?;
    let token = state.token(call.caller)?;
    let touches_workflows = changes.iter().any(|change| change.path.starts_with(".github/workflows/"));
    if touches_workflows && !allows(token.permissions.get("workflows").map(String::as_str), "write") {
        return Err(Reply::forbidden());
    }
    let made = repo.git.tree(base.as_deref(), &changes);
    let sha = made.map_err(|why| Reply::message(422, &format!("GitRPC::BadObjectState: {why}")))?;
    let body = listing(state, repo, &sha, &[]);
    Ok(Reply::json(201, body))
}

fn change(git: &Git, it: &Value) -> Result<Change, Reply> {
    let wrong = |what: &str| Reply::message(422, what);
    let path = it["path"].as_str().filter(|path| !path.is_empty() && !path.starts_with('/'));
    let path = path.ok_or_else(|| wrong("tree.path is missing"))?;
    let mode = it["mode"].as_str().ok_or_else(|| wrong("tree.mode is missing"))?;
    if !["100644", "100755", "040000", "160000", "120000"].contains(&mode) {
        return Err(wrong("tree.mode is not valid"));
    }
    let sha = match (&it["content"], &it["sha"]) {
        (Value::String(content), _) => Some(git.store_blob(content.as_bytes())),
        (_, Value::String(sha)) if mode == "160000" || git.kind(sha).is_some() => Some(sha.clone()),
        (_, Value::String(sha)) => return Err(wrong(&format!("tree.sha {sha} is not a valid blob"))),
        (_, Value::Null) if it.get("sha").is_some() => None,
        _ => return Err(wrong("Must supply either tree.sha or tree.content")),
    };
    Ok(Change { path: path.to_owned(), mode: mode.to_owned(), sha })
}

fn commit(state: &State, call: &InRepo<'_>, sha: &str) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    match json::git_commit(state, repo, sha) {
        Value::Null => Err(Reply::not_found()),
        found => Reply::ok(found),
    }
}

fn create_commit(state: &mut State, call: &InRepo<'_>) -> Outcome {
    let id = call.with(state, WRITE)?;
    let body = &call.ask.body;
    let wrong = |what: &str| Reply::message(422, what);
    let message = body["message"].as_str().ok_or_else(|| wrong("message is missing"))?.to_owned();
    let git = &state.repo(id).git;
    let tree = body["tree"].as_str().filter(|sha| git.kind(sha).as_deref() == Some("tree"));
    let tree = tree.ok_or_else(|| wrong("Tree SHA does not exist"))?.to_owned();
    let parents = match &body["parents"] {
        Value::Array(parents) => parents.iter().map(|sha| sha.as_str().unwrap_or_default().to_owned()).collect(),
        _ => Vec::new(),
    };
    if parents.iter().any(|sha| git.kind(sha).as_deref() != Some("commit")) {
        return Err(wrong("Parent SHA does not exist or is not a commit object"));
    }
    let named = |field: &str| body.get(field).filter(|it| it.is_object());
    let sha = if named("author").is_none() && named("committer").is_none() && named("signature").is_none() {
        state.commit_by_github(id, APP_LOGIN, tree, parents, message)
    } else {
        let at = state.clock.now_seconds();
        let own = state.person(APP_LOGIN);
        let author = named("author").map_or(own, |it| person(it, at));
        let committer = named("committer").map_or_else(|| author.clone(), |it| person(it, at));
        state.repo(id).git.store_commit(&Commit { tree, parents, author, committer, message })
    };
    Ok(Reply::json(201, json::git_commit(state, state.repo(id), &sha)))
}

fn person(it: &Value, now: i64) -> Person {
    let text = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
    let at = text("date").parse::<jiff::Timestamp>().map_or(now, jiff::Timestamp::as_second);
    Person { name: text("name"), email: text("email"), at }
}
