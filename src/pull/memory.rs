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
    /// The branch that it goes to, as Restow opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_branch: Option<BranchName>,
    /// A person opened it again after it had been closed: it is not closed again, nor replaced.
    #[serde(skip_serializing_if = "is_false")]
    pub reopened: bool,
    /// A person's work lies on the branch, and no open pull request of Restow's needs it: Restow takes another branch.
    #[serde(skip_serializing_if = "is_false")]
    pub theirs: bool,
    /// Who was told of it, and by which labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addressed: Option<Addressed>,
    /// How often it was brought onto its base branch only to be merged.
    #[serde(skip_serializing_if = "is_zero")]
    pub freshened: u8,
    /// Who asked for it to be merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_by: Option<String>,
    /// It is left as it is until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Moment>,
    /// The commit whose failed checks were started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reran: Option<CommitSha>,
    /// Why they could not be started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerun_refused: Option<String>,
    /// The commit that GitHub no longer merges by itself, though it was asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_back: Option<CommitSha>,
    /// The commit that was given to GitHub to merge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handed_over: Option<CommitSha>,
    /// What was said last, so that it is not said again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// What it tells of known vulnerabilities, so that it is told anew when that changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// Whether it was opened, or became, urgent.
    #[serde(skip_serializing_if = "is_false")]
    pub security: bool,
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
    /// Its place among those that may be merged: the smallest goes first.
    pub rank: u8,
    /// What else the rules say of it, and where they do, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// The branch that it goes to, where that is not the default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<BranchName>,
}

/// What a pull request was given beside its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Addressed {
    /// Its labels.
    pub labels: Vec<String>,
    /// Who was assigned.
    pub assignees: Vec<String>,
    /// Who was asked for a review.
    pub reviewers: Vec<String>,
}

impl Memory {
    /// Whether it is to be merged once nothing is against it.
    pub fn wants_merge(&self) -> bool {
        self.terms.automerge.on || self.merge_by.is_some()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(value: &u8) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !*value
}
