//! Commits in GitHub's three forms, comparisons, changed files.

use serde_json::{Value, json};

use super::super::git::{Changed, Person};
use super::super::model::{Repo, State};
use super::{object_node, user};
use crate::clock::rfc3339;

fn person(person: &Person) -> Value {
    json!({ "name": person.name, "email": person.email, "date": rfc3339(person.at) })
}

fn account(state: &State, person: &Person) -> Value {
    state.login_of(&person.email).map_or(Value::Null, |login| user(state, login))
}

fn verification(repo: &Repo, sha: &str, at: &Person) -> Value {
    if !repo.verified.contains(sha) {
        return json!({
            "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null,
        });
    }
    json!({
        "verified": true, "reason": "valid", "verified_at": rfc3339(at.at),
        "signature": "-----BEGIN PGP SIGNATURE-----\n\nsimulated\n-----END PGP SIGNATURE-----\n",
        "payload": format!("tree of {sha}"),
    })
}

fn parents(url: &str, html: &str, parents: &[String]) -> Value {
    parents
        .iter()
        .map(|sha| json!({ "sha": sha, "url": format!("{url}/commits/{sha}"), "html_url": format!("{html}/commit/{sha}") }))
        .collect()
}

fn addresses(state: &State, repo: &Repo) -> (String, String) {
    let name = repo.full_name();
    (format!("{}/repos/{name}", state.base), format!("https://github.com/{name}"))
}

/// A commit of the git data endpoints.
pub(crate) fn git_commit(state: &State, repo: &Repo, sha: &str) -> Value {
    let Some(it) = repo.git.commit(sha) else { return Value::Null };
    let (url, html) = addresses(state, repo);
    json!({
        "sha": sha, "node_id": object_node(sha), "url": format!("{url}/git/commits/{sha}"),
        "html_url": format!("{html}/commit/{sha}"), "author": person(&it.author), "committer": person(&it.committer),
        "message": it.message, "tree": { "sha": it.tree, "url": format!("{url}/git/trees/{}", it.tree) },
        "parents": parents(&format!("{url}/git"), &html, &it.parents),
        "verification": verification(repo, sha, &it.committer),
    })
}

/// A commit of the commits endpoints.
pub(crate) fn commit(state: &State, repo: &Repo, sha: &str) -> Value {
    let Some(it) = repo.git.commit(sha) else { return Value::Null };
    let (url, html) = addresses(state, repo);
    json!({
        "sha": sha, "node_id": object_node(sha), "url": format!("{url}/commits/{sha}"),
        "html_url": format!("{html}/commit/{sha}"), "comments_url": format!("{url}/commits/{sha}/comments"),
        "author": account(state, &it.author), "committer": account(state, &it.committer),
        "parents": parents(&url, &html, &it.parents),
        "commit": {
            "author": person(&it.author), "committer": person(&it.committer), "message": it.message,
            "tree": { "sha": it.tree, "url": format!("{url}/git/trees/{}", it.tree) },
            "url": format!("{url}/git/commits/{sha}"), "comment_count": 0,
            "verification": verification(repo, sha, &it.committer),
        },
    })
}

/// A commit with what it changed against its first parent.
pub(crate) fn commit_with_files(state: &State, repo: &Repo, sha: &str) -> Value {
    let mut out = commit(state, repo, sha);
    let parent = repo.git.commit(sha).and_then(|commit| commit.parents.first().cloned());
    let changed = parent.map(|parent| repo.git.changed(&parent, sha)).unwrap_or_default();
    let sum = |of: fn(&Changed) -> u64| changed.iter().map(of).sum::<u64>();
    let (added, deleted) = (sum(|file| file.additions), sum(|file| file.deletions));
    out["stats"] = json!({ "additions": added, "deletions": deleted, "total": added + deleted });
    out["files"] = changed.iter().map(|it| file(state, repo, sha, it)).collect();
    out
}

/// A changed file.
pub(crate) fn file(state: &State, repo: &Repo, sha: &str, it: &Changed) -> Value {
    let (url, html) = addresses(state, repo);
    json!({
        "sha": it.sha, "filename": it.path, "status": it.status,
        "additions": it.additions, "deletions": it.deletions, "changes": it.additions + it.deletions,
        "blob_url": format!("{html}/blob/{sha}/{}", it.path), "raw_url": format!("{html}/raw/{sha}/{}", it.path),
        "contents_url": format!("{url}/contents/{}?ref={sha}", it.path), "patch": it.patch.trim_end(),
    })
}

/// What stands between two commits.
pub(crate) fn comparison(state: &State, repo: &Repo, base: &str, head: &str, commits: &[String]) -> Option<Value> {
    let (url, html) = addresses(state, repo);
    let merge_base = repo.git.merge_base(base, head)?;
    let ahead = repo.git.log(&format!("{base}..{head}")).len();
    let behind = repo.git.log(&format!("{head}..{base}")).len();
    let status = match (ahead, behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let files = repo.git.changed(&merge_base, head);
    let pair = format!("{base}...{head}");
    Some(json!({
        "url": format!("{url}/compare/{pair}"), "html_url": format!("{html}/compare/{pair}"),
        "permalink_url": format!("{html}/compare/{pair}"), "diff_url": format!("{html}/compare/{pair}.diff"),
        "patch_url": format!("{html}/compare/{pair}.patch"), "status": status,
        "ahead_by": ahead, "behind_by": behind, "total_commits": ahead,
        "base_commit": commit(state, repo, base), "merge_base_commit": commit(state, repo, &merge_base),
        "commits": commits.iter().map(|sha| commit(state, repo, sha)).collect::<Vec<_>>(),
        "files": files.iter().map(|it| file(state, repo, head, it)).collect::<Vec<_>>(),
    }))
}

/// A commit as check suites and push events carry it.
pub(crate) fn simple_commit(repo: &Repo, sha: &str) -> Value {
    let Some(it) = repo.git.commit(sha) else { return Value::Null };
    let person = |p: &Person| json!({ "name": p.name, "email": p.email });
    json!({
        "id": sha, "tree_id": it.tree, "message": it.message, "timestamp": rfc3339(it.committer.at),
        "author": person(&it.author), "committer": person(&it.committer),
    })
}
