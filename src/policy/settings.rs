//! What can be said of an update: by a rule, a repository, an organisation or the defaults.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{BranchPattern, NamePattern, Schedule, UpdateKind, VersionRange};
use crate::image::{Platform, Tag};
use crate::repo::Moment;
use crate::vulnerability::Severity;

/// Whether references are pinned to a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pin {
    /// Add the digest behind the tag, and move it with the tag.
    Digest,
    /// Leave references as they are: a digest that stands there is kept up to date, none is added.
    #[default]
    Keep,
}

/// With which other updates one shares a pull request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// With those of the same image and line only.
    Own,
    /// With all of the group's name.
    Named(String),
}

/// When a pull request is brought onto its base branch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rebase {
    /// When it conflicts, or must be up to date to be merged.
    #[default]
    Conflicted,
    /// Whenever the base branch has moved.
    Always,
    /// Only when somebody asks.
    Never,
}

/// From which severity on an update that removes a known vulnerability is urgent; what is exploited always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// From this severity on.
    From(Severity),
    /// Nothing is urgent.
    Never,
}

impl Default for Urgency {
    fn default() -> Self {
        Self::From(Severity::High)
    }
}

/// How a pull request gets into the base branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A merge commit.
    Merge,
    /// One commit.
    Squash,
    /// The commits as they are.
    Rebase,
}

/// Whether pull requests are merged without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Automerge {
    /// Whether they are.
    pub on: bool,
    /// Whether a repository that checks nothing is good enough.
    pub without_checks: bool,
    /// How; `None` takes the first that the repository allows: squash, merge, rebase.
    pub method: Option<Method>,
    /// Whether a check that failed may run once more.
    pub rerun: bool,
}

/// Which tags may be proposed.
#[derive(Debug, Clone, Default)]
pub struct TagFilter {
    /// One of these must match, where there are any.
    pub include: Vec<NamePattern>,
    /// None of these may match.
    pub exclude: Vec<NamePattern>,
}

impl TagFilter {
    /// Whether the tag may be proposed.
    pub fn admits(&self, tag: &Tag) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|pattern| pattern.matches_tag(tag));
        included && !self.exclude.iter().any(|pattern| pattern.matches_tag(tag))
    }
}

/// How commits and pull requests are called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CommitStyle {
    /// What stands before the subject: `chore(deps)`; `None` is found out from the history.
    pub prefix: Option<String>,
    /// What stands in the prefix's brackets.
    pub scope: Option<String>,
}

/// What one place says; `None` leaves what places before it said.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The kinds that are proposed.
    pub allow: Option<BTreeSet<UpdateKind>>,
    /// The versions that are proposed.
    pub versions: Option<VersionRange>,
    /// The tags that are proposed.
    pub tags: Option<TagFilter>,
    /// Whether a digest is put behind each tag.
    pub pin: Option<Pin>,
    /// The platforms that the new image must have; without it, those of the present image.
    pub platforms: Option<Vec<Platform>>,
    /// When pull requests are opened.
    pub schedule: Option<Schedule>,
    /// How old an image must be, in milliseconds, by kind.
    pub cooldown: BTreeMap<UpdateKind, i64>,
    /// With what an update shares a pull request.
    pub group: Option<Group>,
    /// Whether pull requests are merged without a person.
    pub automerge: Option<Automerge>,
    /// When pull requests are rebased.
    pub rebase: Option<Rebase>,
    /// Labels for the pull request.
    pub labels: Option<Vec<String>>,
    /// Who is asked for a review: logins, or `org/team`.
    pub reviewers: Option<Vec<String>>,
    /// Who is assigned.
    pub assignees: Option<Vec<String>>,
    /// How commits and pull requests are called.
    pub commit: Option<CommitStyle>,
    /// Whether the pull request is a draft.
    pub draft: Option<bool>,
    /// What known vulnerabilities are urgent.
    pub security: Option<Urgency>,
    /// Nothing is proposed before.
    pub hold_until: Option<Moment>,
    /// The branches that are brought up to date; without it the default branch.
    pub branch: Option<Vec<BranchPattern>>,
}
