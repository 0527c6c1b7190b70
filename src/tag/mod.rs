//! What a tag means: scheme, order, line, pick.
//!
//! [`Scheme::learn`] reads the whole list once; [`Scheme::pick`] answers for one current tag at a time. On the way:
//! `parse` splits a tag into tokens; `sketch` takes the first look at the list; `form` says which part each number plays,
//! with what `words` and `versions` learned; `order` and `line` place tags; `pick`, `variant` and `pin` choose, `refuse` says what
//! is not chosen and why; `explain` and `parts` tell a person. `knowledge` is the one place that knows names of the world.
//! `docs/tags.md` holds the rules with examples.

mod explain;
mod form;
mod knowledge;
mod line;
mod order;
mod parse;
mod parts;
mod pick;
mod pin;
mod precise;
mod refuse;
mod scheme;
mod sketch;
mod variant;
mod versions;
mod words;

pub use explain::{NearMiss, explain};
pub use knowledge::end_of;
pub use pick::Admits;
pub use precise::{is_full_version, names_one_build};
pub use scheme::Scheme;

use serde::{Deserialize, Serialize};

use crate::image::{Digest, Tag};
use crate::repo::Moment;

/// A tag as a registry lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTag {
    /// The tag.
    pub name: Tag,
    /// What it points at, where the registry says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// When it was made, where the registry says so; the publisher's claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
}

/// Whether a tag's content is expected to change under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// A newer build is published under the same tag: `latest`, `1.25`, `3.12-alpine`.
    Floating,
    /// A full version: its content should not change.
    Precise,
}

/// One proposed tag and the rule that gave it, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pick {
    /// The tag to move to.
    pub tag: Tag,
    /// Why this one.
    pub reason: String,
}

/// The best move of each kind from one current tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Picks {
    /// The best tag on the same line within the same minor.
    pub patch: Option<Pick>,
    /// The best tag on the same line within the same major.
    pub minor: Option<Pick>,
    /// The best tag on the same line beyond the major.
    pub major: Option<Pick>,
    /// The best move of the variant's own version.
    pub variant: Option<Pick>,
    /// The precise tag that a floating one stands for now.
    pub pin: Option<Pick>,
    /// The line's name, equal for all tags on the line: `x.y-alpine`.
    pub line: String,
    /// Whether the current tag floats.
    pub precision: Precision,
    /// For each kind without a pick, why: kind → reason.
    pub reasons: std::collections::BTreeMap<&'static str, String>,
}
