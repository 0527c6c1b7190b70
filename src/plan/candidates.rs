//! What the registries said: tags and digests, or why there is no answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::{Digest, ImageName, Tag};
use crate::tag::ListedTag;

/// An answer from outside, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T> {
    /// The answer.
    Known(T),
    /// There is none; the reason is for a person.
    Unavailable {
        /// What happened and, where it helps, what to do.
        reason: String,
        /// Whether asking again later may help.
        may_pass: bool,
    },
}

impl<T> Lookup<T> {
    /// The answer turned into another, where there is one.
    #[must_use]
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Known(answer) => Lookup::Known(turn(answer)),
            Self::Unavailable { reason, may_pass } => Lookup::Unavailable { reason, may_pass },
        }
    }

    /// Whether an answer is missing that may come when it is asked for again.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable { may_pass: true, .. })
    }
}

/// Whether a list holds everything there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Everything.
    Whole,
    /// The registry had more than Restow reads.
    Cut {
        /// Where and why.
        reason: String,
    },
}

/// The tags of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagList {
    /// In the registry's order.
    pub tags: Vec<ListedTag>,
    /// Whether these are all.
    pub completeness: Completeness,
    /// Those that a mirror's upstream has, and the mirror itself does not list: each is proven there first.
    pub unproven: BTreeSet<Tag>,
    /// Tags that were listed until lately: they may come back.
    pub recent: BTreeSet<Tag>,
    /// The upstream's name, for images of a mirror.
    pub known_as: Option<ImageName>,
}

impl TagList {
    /// A list of which nothing more is known.
    pub fn of(tags: Vec<ListedTag>, completeness: Completeness) -> Self {
        Self { tags, completeness, unproven: BTreeSet::new(), recent: BTreeSet::new(), known_as: None }
    }
}

/// What the registries said of the images of one inventory.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// The tags of each image.
    pub tags: BTreeMap<ImageName, Lookup<TagList>>,
    /// What the tags that matter point at.
    pub digests: BTreeMap<(ImageName, Tag), Lookup<Digest>>,
}

impl Candidates {
    /// Whether an answer is missing that may come when it is asked for again.
    pub fn may_change_soon(&self) -> bool {
        self.tags.values().any(Lookup::may_pass) || self.digests.values().any(Lookup::may_pass)
    }
}
