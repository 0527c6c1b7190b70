//! Pull requests.

use serde_json::{Value, json};

use super::super::change::Opening;
use super::super::json;
use super::super::merge::{Mergeable, Method, mergeable};
use super::super::model::{Actor, Pull, State};
use super::super::reply::{Outcome, Reply, linked, listed, page};
use super::{InRepo, commits};

const READ: &[(&str, &str)] = &[("pull_requests", "read")];
const WRITE: &[(&str, &str)] = &[("pull_requests", "write")];

pub(super) fn route(state: &mut State, call: &InRepo<'_>) -> Option<Outcome> {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    match (call.ask.method.as_str(), &call.rest[..]) {
        ("GET", ["pulls"]) => Some(list(state, call)),
        ("POST", ["pulls"]) => Some(create(state, call)),
        ("GET", ["pulls", n]) => Some(one(state, call, number(n))),
        ("PATCH", ["pulls", n]) => Some(update(state, call, number(n))),
        ("GET", ["pulls", n, "commits"]) => Some(commits_of(state, call, number(n))),
        ("GET", ["pulls", n, "files"]) => Some(files(state, call, number(n))),
        ("GET", ["pulls", n, "merge"]) => Some(is_merged(state, call, number(n))),
        ("PUT", ["pulls", n, "merge"]) => Some(merge(state, call, number(n))),
        _ => None,
    }
}

fn found(state: &State, id: u64, number: u64) -> Result<&Pull, Reply> {
    state.repo(id).pulls.get(&number).ok_or_else(Reply::not_found)
}

fn answer(state: &State, status: u16, id: u64, number: u64) -> Outcome {
    let repo = state.repo(id);
    Ok(Reply::json(status, json::pull(state, repo, found(state, id, number)?)))
}

fn list(state: &State, call: &InRepo<'_>) -> Outcome {
    let repo = state.repo(call.with(state, READ)?);
    let query = |name: &str| call.ask.query.get(name).map(String::as_str);
    let wanted = query("state").unwrap_or("open");
    let head = query("head").map(|head| head.split_once(':').unwrap_or(("", head)));
    let fits = |pull: &&Pull| {
        (wanted == "all" || (wanted == "open") == pull.is_open())
            && head.is_none_or(|(owner, branch)| owner.eq_ignore_ascii_case(&repo.owner) && branch == pull.head)
            && query("base").is_none_or(|base| base == pull.base)
    };
    let mut all: Vec<&Pull> = repo.pulls.values().filter(fits).collect();
    // Newest first unless the list is sorted by something and no direction is given.
    let usual = if query("sort").is_none_or(|sort| sort == "created") { "desc" } else { "asc" };
    if query("direction").unwrap_or(usual) == "desc" {
        all.reverse();
    }
    let (here, link) = page(state, call.ask, all);
    let here: Vec<Value> = here.into_iter().map(|pull| json::pull(state, repo, pull)).collect();
    Ok(linked(Reply::json(200, Value::Array(here)), link))
}

fn create(state: &mut State, call: &InRepo<'_>) -> Outcome {
    let id = call.with(state, WRITE)?;
    let ask = call.ask;
    let repo = state.repo(id);
    let (Some(title), Some(head), Some(base)) = (ask.text("title"), ask.text("head"), ask.text("base")) else {
        return Err(Reply::message(422, "Invalid request.\n\n\"title\", \"head\" and \"base\" weren't supplied."));
    };
    let head = head.strip_prefix(&format!("{}:", repo.owner)).unwrap_or(head);
    let Some(tip) = repo.git.branch(head) else {
        return Err(Reply::invalid("PullRequest", "head", "invalid", None));
    };
    let Some(onto) = repo.git.branch(base) else {
        return Err(Reply::invalid("PullRequest", "base", "invalid", None));
    };
    if repo.pulls.values().any(|pull| pull.is_open() && pull.head == head && pull.base == base) {
        let text = format!("A pull request already exists for {}:{head}.", repo.owner);
        return Err(Reply::invalid("PullRequest", "head", "custom", Some(&text)));
    }
    if repo.git.is_ancestor(&tip, &onto) {
        let text = format!("No commits between {base} and {head}");
        return Err(Reply::invalid("PullRequest", "base", "custom", Some(&text)));
    }
    let opening = Opening {
        title: title.to_owned(),
        body: ask.text("body").map(str::to_owned),
        head: head.to_owned(),
        base: base.to_owned(),
        draft: ask.body["draft"] == json!(true),
    };
    let number = state.open_pull(id, opening, &Actor::App);
    answer(state, 201, id, number)
}

fn one(state: &State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, READ)?;
    answer(state, 200, id, number)
}

fn update(state: &mut State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, WRITE)?;
    let ask = call.ask;
    let pull = found(state, id, number)?.clone();
    let text = |field: &str| ask.text(field).map(str::to_owned);
    if let Some(base) = ask.text("base")
        && state.repo(id).git.branch(base).is_none()
    {
        return Err(Reply::invalid("PullRequest", "base", "invalid", None));
    }
    if ask.text("state") == Some("open") && !pull.is_open() {
        reopenable(state, id, &pull)?;
    }
    let now = state.clock.rfc3339();
    if let Some(held) = state.repo_mut(id).pulls.get_mut(&number) {
        held.title = text("title").unwrap_or(pull.title.clone());
        held.body = text("body").or(pull.body.clone());
        held.base = text("base").unwrap_or(pull.base.clone());
        held.updated_at = now;
    }
    let after = found(state, id, number)?.clone();
    let mut changes = json!({});
    if after.title != pull.title {
        changes["title"] = json!({ "from": pull.title });
    }
    if after.body != pull.body {
        changes["body"] = json!({ "from": pull.body });
    }
    if changes != json!({}) {
        state.emit_pull(id, number, "edited", json!({ "changes": changes }), &Actor::App);
    }
    match (ask.text("state"), pull.is_open()) {
        (Some("closed"), true) => state.close(id, number, &Actor::App),
        (Some("open"), false) => state.reopen(id, number, &Actor::App),
        _ => {}
    }
    answer(state, 200, id, number)
}

/// A merged pull request, or one whose branch is gone, stays closed.
fn reopenable(state: &State, id: u64, pull: &Pull) -> Result<(), Reply> {
    let refuse = |why: &str| Err(Reply::invalid("PullRequest", "state", "invalid", Some(why)));
    if pull.merged.is_some() {
        return refuse("state cannot be changed. The pull request has been merged.");
    }
    if state.repo(id).git.branch(&pull.head).is_none() {
        return refuse("state cannot be changed. The branch has been deleted.");
    }
    Ok(())
}

fn ends(state: &State, id: u64, number: u64) -> Result<(String, String), Reply> {
    let (repo, pull) = (state.repo(id), found(state, id, number)?);
    let head = repo.head_of(pull);
    let base = repo.git.merge_base(&pull.base_sha, &head).unwrap_or_else(|| repo.base_of(pull));
    Ok((base, head))
}

fn commits_of(state: &State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, READ)?;
    let (base, head) = ends(state, id, number)?;
    commits::range(state, call, id, &base, &head)
}

fn files(state: &State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, READ)?;
    let (base, head) = ends(state, id, number)?;
    let repo = state.repo(id);
    let all = repo.git.changed(&base, &head);
    listed(state, call.ask, all.iter().map(|it| json::file(state, repo, &head, it)).collect())
}

fn is_merged(state: &State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, READ)?;
    if found(state, id, number)?.merged.is_some() { Ok(Reply::empty(204)) } else { Err(Reply::not_found()) }
}

fn merge(state: &mut State, call: &InRepo<'_>, number: u64) -> Outcome {
    let id = call.with(state, &[("contents", "write")])?;
    let ask = call.ask;
    let pull = found(state, id, number)?.clone();
    let repo = state.repo(id);
    let head = repo.head_of(&pull);
    if ask.text("sha").is_some_and(|sha| sha != head) {
        return Err(Reply::message(409, "Head branch was modified. Review and try the merge again."));
    }
    let blocked = |text: &str| Err(Reply::message(405, text));
    match mergeable(repo, &pull) {
        Mergeable::Clean | Mergeable::Unstable if !pull.draft => {}
        Mergeable::Blocked => return blocked("Required status check is expected."),
        Mergeable::Behind => return blocked("Head branch is out of date"),
        Mergeable::Clean | Mergeable::Unstable => return blocked("Pull Request is still a draft"),
        Mergeable::Dirty | Mergeable::Unknown => return blocked("Pull Request is not mergeable"),
    }
    let method = match ask.text("merge_method") {
        Some("squash") => Method::Squash,
        Some("rebase") => Method::Rebase,
        _ => Method::Merge,
    };
    let usual = match method {
        Method::Squash => (format!("{} (#{number})", pull.title), String::new()),
        Method::Merge | Method::Rebase => {
            (format!("Merge pull request #{number} from {}/{}", repo.owner, pull.head), pull.title)
        }
    };
    let title = ask.text("commit_title").unwrap_or(&usual.0);
    let text = ask.text("commit_message").unwrap_or(&usual.1);
    let message = format!("{title}\n\n{text}").trim_end().to_owned();
    match state.merge(id, number, (method, message), &Actor::App) {
        Some(sha) => Reply::ok(json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" })),
        None => blocked("Pull Request is not mergeable"),
    }
}
