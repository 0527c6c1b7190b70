//! Repositories, branches, refs, contents.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::git::Entry;
use super::super::model::{Repo, State};
use super::{commit, node, object_node, user};

/// The address of a repository in the API.
fn api(state: &State, repo: &Repo) -> String {
    format!("{}/repos/{}", state.base, repo.full_name())
}

const LINKS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

/// A repository with the fields of every form that GitHub gives.
pub(crate) fn repository(state: &State, repo: &Repo) -> Value {
    let (url, name) = (api(state, repo), repo.full_name());
    let mut all: Map<String, Value> =
        LINKS.iter().map(|(key, end)| ((*key).to_owned(), json!(format!("{url}{end}")))).collect();
    let open = repo.pulls.values().filter(|pull| pull.is_open()).count();
    let visibility = if repo.private { "private" } else { "public" };
    let about = json!({
        "id": repo.id, "node_id": node("Repository", repo.id), "name": repo.name, "full_name": name,
        "owner": user(state, &repo.owner), "private": repo.private, "visibility": visibility,
        "default_branch": repo.default_branch, "archived": repo.archived, "disabled": false, "fork": false,
        "html_url": format!("https://github.com/{name}"), "description": null, "homepage": null, "language": null,
        "clone_url": format!("https://github.com/{name}.git"), "git_url": format!("git://github.com/{name}.git"),
        "ssh_url": format!("git@github.com:{name}.git"), "svn_url": format!("https://github.com/{name}"),
        "mirror_url": null, "license": null, "topics": [], "is_template": false,
    });
    let figures = json!({
        "forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0, "size": 1,
        "open_issues": open, "open_issues_count": open, "subscribers_count": 0, "network_count": 0,
        "has_downloads": true, "has_issues": true, "has_projects": false, "has_wiki": false, "has_pages": false,
        "has_discussions": false, "allow_forking": true, "web_commit_signoff_required": false,
        "allow_auto_merge": repo.people.offers_auto_merge, "allow_merge_commit": true, "allow_rebase_merge": true, "allow_squash_merge": true,
        "allow_update_branch": false, "delete_branch_on_merge": false,
        "created_at": repo.created_at, "updated_at": repo.created_at, "pushed_at": repo.created_at,
    });
    for part in [about, figures] {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    Value::Object(all)
}

/// A repository as the events about installations name it.
pub(crate) fn named_repo(repo: &Repo) -> Value {
    json!({
        "id": repo.id, "node_id": node("Repository", repo.id), "name": repo.name,
        "full_name": repo.full_name(), "private": repo.private,
    })
}

/// A ref.
pub(crate) fn git_ref(state: &State, repo: &Repo, full: &str, sha: &str) -> Value {
    let url = api(state, repo);
    json!({
        "ref": full, "node_id": object_node(full), "url": format!("{url}/git/{full}"),
        "object": { "type": "commit", "sha": sha, "url": format!("{url}/git/commits/{sha}") },
    })
}

/// A branch with its head.
pub(crate) fn branch(state: &State, repo: &Repo, name: &str, sha: &str) -> Value {
    let url = api(state, repo);
    let protected = !repo.required_checks.is_empty() && name == repo.default_branch;
    let level = if protected { "non_admins" } else { "off" };
    json!({
        "name": name, "commit": commit(state, repo, sha), "protected": protected,
        "_links": { "self": format!("{url}/branches/{name}"),
            "html": format!("https://github.com/{}/tree/{name}", repo.full_name()) },
        "protection": { "enabled": protected, "required_status_checks":
            { "enforcement_level": level, "contexts": repo.required_checks, "checks": [] } },
        "protection_url": format!("{url}/branches/{name}/protection"),
    })
}

/// A file or folder of the contents endpoint; a file carries its bytes.
pub(crate) fn content(state: &State, repo: &Repo, entry: &Entry, bytes: Option<&[u8]>) -> Value {
    let (url, name) = (api(state, repo), repo.full_name());
    let kind = match (entry.kind.as_str(), entry.mode.as_str()) {
        ("tree", _) => "dir",
        ("commit", _) => "submodule",
        (_, "120000") => "symlink",
        _ => "file",
    };
    let own = format!("{url}/contents/{}", entry.path);
    let git = format!("{url}/git/{}s/{}", entry.kind, entry.sha);
    let html = format!("https://github.com/{name}/blob/{}/{}", repo.default_branch, entry.path);
    let mut out = json!({
        "type": kind, "name": entry.path.rsplit('/').next(), "path": entry.path, "sha": entry.sha,
        "size": entry.size.unwrap_or(0), "url": own, "git_url": git, "html_url": html,
        "download_url": format!("https://raw.githubusercontent.com/{name}/{}/{}", repo.default_branch, entry.path),
        "_links": { "self": own, "git": git, "html": html },
    });
    if let Some(bytes) = bytes {
        out["content"] = json!(STANDARD.encode(bytes));
        out["encoding"] = json!("base64");
    }
    out
}
