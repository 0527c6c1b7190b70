//! GitHub's answers: one builder for each object, with every field that GitHub's description requires.

mod account;
mod check;
mod commit;
mod pull;
mod repo;

pub(crate) use account::{app, installation, permissions, user};
pub(crate) use check::{own_run, rollup, run, status, suite};
pub(crate) use commit::{commit, commit_with_files, comparison, file, git_commit, simple_commit};
pub(crate) use pull::{comment, issue, label, pull};
pub(crate) use repo::{branch, content, git_ref, named_repo, repository};

/// An opaque node id.
pub(crate) fn node(kind: &str, id: u64) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(format!("{kind}:{id}"))
}

/// A node id of a git object.
pub(crate) fn object_node(sha: &str) -> String {
    format!("O_{sha}")
}
