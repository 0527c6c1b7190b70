//! Users, the App, installations.

use serde_json::{Value, json};

use super::super::model::{APP_ID, APP_SLUG, Installation, Permissions, State};
use super::node;

/// A simple user.
pub(crate) fn user(state: &State, login: &str) -> Value {
    let id = state.known_user(login);
    let kind = if state.organizations.contains(login) {
        "Organization"
    } else if login.ends_with("[bot]") {
        "Bot"
    } else {
        "User"
    };
    let url = format!("{}/users/{}", state.base, login.replace('[', "%5B").replace(']', "%5D"));
    let page = match login.strip_suffix("[bot]") {
        Some(slug) => format!("https://github.com/apps/{slug}"),
        None => format!("https://github.com/{login}"),
    };
    json!({
        "login": login, "id": id, "node_id": node("User", id), "type": kind, "site_admin": false,
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"), "gravatar_id": "",
        "url": url, "html_url": page, "user_view_type": "public",
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
    })
}

/// What the App may do where it is installed, unless a test takes something away.
pub(crate) fn permissions() -> Permissions {
    let all = [
        ("metadata", "read"),
        ("contents", "write"),
        ("pull_requests", "write"),
        ("checks", "write"),
        ("statuses", "read"),
        ("issues", "write"),
        ("workflows", "write"),
        ("actions", "write"),
    ];
    all.into_iter().map(|(name, level)| (name.to_owned(), level.to_owned())).collect()
}

const EVENTS: [&str; 7] =
    ["push", "pull_request", "pull_request_review", "check_suite", "status", "issue_comment", "repository"];

/// The App itself.
pub(crate) fn app(state: &State, slug: &str) -> Value {
    let (id, owner, name) =
        if slug == APP_SLUG { (APP_ID, "restow-maker", "Restow test") } else { (15368, "github", "GitHub Actions") };
    json!({
        "id": id, "slug": slug, "node_id": node("App", id), "name": name, "description": "An App of the test world",
        "client_id": format!("Iv1.{id:016x}"), "owner": user(state, owner),
        "external_url": "https://example.com", "html_url": format!("https://github.com/apps/{slug}"),
        "created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-01T00:00:00Z",
        "permissions": permissions(), "events": EVENTS, "installations_count": state.installations.len(),
    })
}

/// An installation of the App.
pub(crate) fn installation(state: &State, it: &Installation) -> Value {
    let account = user(state, &it.account);
    let by = it.suspended_at.as_ref().map(|_| account.clone());
    json!({
        "id": it.id, "account": account, "app_id": APP_ID, "app_slug": APP_SLUG,
        "client_id": format!("Iv1.{APP_ID:016x}"),
        "target_id": account["id"], "target_type": account["type"],
        "access_tokens_url": format!("{}/app/installations/{}/access_tokens", state.base, it.id),
        "repositories_url": format!("{}/installation/repositories", state.base),
        "html_url": format!("https://github.com/settings/installations/{}", it.id),
        "repository_selection": "selected", "permissions": it.permissions, "events": EVENTS,
        "single_file_name": null, "has_multiple_single_files": false, "single_file_paths": [],
        "created_at": it.created_at, "updated_at": it.created_at,
        "suspended_at": it.suspended_at, "suspended_by": by, "contact_email": null,
    })
}
