//! Pull requests, issues, comments, labels.

use serde_json::{Value, json};

use super::super::merge::{Mergeable, mergeable};
use super::super::model::{APP_LOGIN, APP_SLUG, Comment, Pull, Repo, State};
use super::{app, node, repository, user};

/// A label.
pub(crate) fn label(state: &State, repo: &Repo, name: &str) -> Value {
    let id = repo.labels.get(name).copied().unwrap_or(0);
    json!({
        "id": id, "node_id": node("Label", id), "name": name, "color": "ededed", "default": false,
        "description": "", "url": format!("{}/repos/{}/labels/{name}", state.base, repo.full_name()),
    })
}

fn end(state: &State, repo: &Repo, branch: &str, sha: &str) -> Value {
    json!({
        "label": format!("{}:{branch}", repo.owner), "ref": branch, "sha": sha,
        "user": user(state, &repo.owner), "repo": repository(state, repo),
    })
}

fn association(author: &str) -> &'static str {
    if author.ends_with("[bot]") { "NONE" } else { "MEMBER" }
}

/// A pull request with the fields of the list, the single answer and the events.
pub(crate) fn pull(state: &State, repo: &Repo, it: &Pull) -> Value {
    let (head, base) = (repo.head_of(it), repo.base_of(it));
    let mut out = outline(state, repo, it, &head);
    out["head"] = end(state, repo, &it.head, &head);
    out["base"] = end(state, repo, &it.base, &base);
    figures(state, repo, it, (&base, &head), &mut out);
    out
}

fn outline(state: &State, repo: &Repo, it: &Pull, head: &str) -> Value {
    let (number, name) = (it.number, repo.full_name());
    let api = format!("{}/repos/{name}", state.base);
    let (url, issue) = (format!("{api}/pulls/{number}"), format!("{api}/issues/{number}"));
    let html = format!("https://github.com/{name}/pull/{number}");
    let (statuses, review) = (format!("{api}/statuses/{head}"), format!("{api}/pulls/comments{{/number}}"));
    let link = |target: &str| json!({ "href": target });
    json!({
        "id": it.id, "node_id": node("PullRequest", it.id), "number": number, "url": url, "html_url": html,
        "issue_url": issue, "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
        "commits_url": format!("{url}/commits"), "comments_url": format!("{issue}/comments"),
        "review_comments_url": format!("{url}/comments"), "review_comment_url": review, "statuses_url": statuses,
        "_links": {
            "self": link(&url), "html": link(&html), "issue": link(&issue),
            "comments": link(&format!("{issue}/comments")), "review_comments": link(&format!("{url}/comments")),
            "review_comment": link(&review), "commits": link(&format!("{url}/commits")), "statuses": link(&statuses),
        },
        "state": if it.is_open() { "open" } else { "closed" }, "locked": false, "active_lock_reason": null,
        "title": it.title, "body": it.body, "draft": it.draft, "user": user(state, &it.author),
        "labels": it.labels.iter().map(|name| label(state, repo, name)).collect::<Vec<_>>(),
        "created_at": it.created_at, "updated_at": it.updated_at, "closed_at": it.closed_at,
        "merged_at": it.merged.as_ref().map(|merged| &merged.at),
        "merge_commit_sha": it.merged.as_ref().map(|merged| &merged.sha),
        "assignee": null, "assignees": [], "milestone": null, "requested_reviewers": [], "requested_teams": [],
        "author_association": association(&it.author), "auto_merge": auto_merge(state, repo, it),
    })
}

fn auto_merge(state: &State, repo: &Repo, it: &Pull) -> Value {
    if !repo.people.auto_merge.contains_key(&it.number) || !it.is_open() {
        return Value::Null;
    }
    json!({ "enabled_by": user(state, APP_LOGIN), "merge_method": "merge", "commit_title": "", "commit_message": "" })
}

fn figures(state: &State, repo: &Repo, it: &Pull, (base, head): (&str, &str), out: &mut Value) {
    let start = repo.git.merge_base(&it.base_sha, head).unwrap_or_else(|| base.to_owned());
    let changed = repo.git.changed(&start, head);
    let (can, word) = match mergeable(repo, it) {
        Mergeable::Clean => (json!(true), "clean"),
        Mergeable::Unstable => (json!(true), "unstable"),
        Mergeable::Blocked => (json!(true), "blocked"),
        Mergeable::Behind => (json!(true), "behind"),
        Mergeable::Dirty => (json!(false), "dirty"),
        Mergeable::Unknown => (Value::Null, "unknown"),
    };
    out["merged"] = json!(it.merged.is_some());
    out["mergeable"] = can;
    out["rebaseable"] = out["mergeable"].clone();
    out["mergeable_state"] = json!(word);
    out["merged_by"] = it.merged.as_ref().map_or(Value::Null, |merged| user(state, &merged.by));
    out["comments"] = json!(repo.comments.iter().filter(|comment| comment.number == it.number).count());
    out["review_comments"] = json!(0);
    out["maintainer_can_modify"] = json!(false);
    out["commits"] = json!(repo.git.log(&format!("{start}..{head}")).len());
    out["additions"] = json!(changed.iter().map(|file| file.additions).sum::<u64>());
    out["deletions"] = json!(changed.iter().map(|file| file.deletions).sum::<u64>());
    out["changed_files"] = json!(changed.len());
}

/// A comment of a pull request's conversation.
pub(crate) fn comment(state: &State, repo: &Repo, it: &Comment) -> Value {
    let name = repo.full_name();
    let api = format!("{}/repos/{name}/issues", state.base);
    let via = if it.author == APP_LOGIN { app(state, APP_SLUG) } else { Value::Null };
    json!({
        "id": it.id, "node_id": node("IssueComment", it.id), "url": format!("{api}/comments/{}", it.id),
        "html_url": format!("https://github.com/{name}/pull/{}#issuecomment-{}", it.number, it.id),
        "issue_url": format!("{api}/{}", it.number), "user": user(state, &it.author), "body": it.body,
        "created_at": it.created_at, "updated_at": it.updated_at,
        "author_association": association(&it.author), "performed_via_github_app": via,
        "reactions": {
            "url": format!("{api}/comments/{}/reactions", it.id), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0,
            "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0,
        },
    })
}

/// The issue behind a pull request, as the event `issue_comment` carries it.
pub(crate) fn issue(state: &State, repo: &Repo, it: &Pull) -> Value {
    let name = repo.full_name();
    let url = format!("{}/repos/{name}/issues/{}", state.base, it.number);
    let html = format!("https://github.com/{name}/pull/{}", it.number);
    let pull = format!("{}/repos/{name}/pulls/{}", state.base, it.number);
    json!({
        "id": it.id, "node_id": node("PullRequest", it.id), "number": it.number, "title": it.title, "body": it.body,
        "url": url, "html_url": html, "repository_url": format!("{}/repos/{name}", state.base),
        "labels_url": format!("{url}/labels{{/name}}"), "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"), "timeline_url": format!("{url}/timeline"),
        "state": if it.is_open() { "open" } else { "closed" }, "state_reason": null, "locked": false,
        "active_lock_reason": null, "user": user(state, &it.author), "draft": it.draft,
        "closed_by": it.closed_by.as_ref().filter(|_| !it.is_open()).map(|login| user(state, login)),
        "labels": it.labels.iter().map(|name| label(state, repo, name)).collect::<Vec<_>>(),
        "assignee": null, "assignees": [], "milestone": null,
        "comments": repo.comments.iter().filter(|comment| comment.number == it.number).count(),
        "created_at": it.created_at, "updated_at": it.updated_at, "closed_at": it.closed_at,
        "author_association": association(&it.author), "performed_via_github_app": null,
        "pull_request": { "url": pull, "html_url": html, "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"), "merged_at": it.merged.as_ref().map(|merged| &merged.at) },
        "reactions": { "url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0,
            "hooray": 0, "confused": 0, "heart": 0, "rocket": 0, "eyes": 0 },
    })
}
