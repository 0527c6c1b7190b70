//! What Restow remembers of one of its pull requests, beside what GitHub tells.

use serde::{Deserialize, Serialize};

use crate::policy::{Automerge, Rebase};
use crate::repo::{BranchName, CommitSha, Moment};

/// What Restow remembers of one of its pull requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What the rules say of it.
    pub terms: WatchTerms,
    /// When the branch was pushed last: checks have some time to begin.
    pub pushed_at: Option<Moment>,
    /// Somebody asked for it to be brought onto its base branch, or it must be.
    #[serde(skip_serializing_if = "is_false")]
    pub rebase: bool,
    /// Somebody asked for it to be made anew, whatever lies on the branch.
    #[serde(skip_serializing_if = "is_false")]
    pub recreate: bool,
    /// Who asked for it to be merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_by: Option<String>,
    /// It is left as it is until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Moment>,
    /// The commit whose failed checks were started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reran: Option<CommitSha>,
    /// The commit that was given to GitHub to merge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handed_over: Option<CommitSha>,
    /// What was said last, so that it is not said again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// How its checks stood last, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub standing: String,
}

/// What the rules say of how a pull request goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchTerms {
    /// Whether it is merged without a person.
    pub automerge: Automerge,
    /// Where the rules say so.
    pub place: String,
    /// When it is rebased.
    pub rebase: Rebase,
    /// What else the rules say of it, and where they do, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// The branch that it goes to, where that is not the default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<BranchName>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !*value
}
