//! What the App is registered with; `app.yml` says the same.

/// The permissions that Restow needs: name and level. `issues` only lets `issue_comment` be subscribed.
pub const PERMISSIONS: &[(&str, &str)] = &[
    ("metadata", "read"),
    ("contents", "write"),
    ("pull_requests", "write"),
    ("issues", "read"),
    ("checks", "read"),
    ("statuses", "read"),
];

/// Permissions that add something: without `workflows`, files under `.github/workflows` are left alone; `packages` only
/// lets [`OPTIONAL_EVENTS`] be subscribed; `issues` is for the dashboard, `checks` for checks of Restow's own.
pub const OPTIONAL_PERMISSIONS: &[(&str, &str)] =
    &[("workflows", "write"), ("packages", "read"), ("issues", "write"), ("checks", "write")];

/// Events that add something: GitHub's own registry tells of pushed images.
pub const OPTIONAL_EVENTS: &[&str] = &["registry_package", "issues"];

/// The events that Restow listens to; `installation` and `installation_repositories` come without being asked for.
pub const EVENTS: &[&str] =
    &["push", "pull_request", "pull_request_review", "check_suite", "status", "issue_comment", "repository"];
