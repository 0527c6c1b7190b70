//! The kinds of update.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far an update moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpdateKind {
    /// The same tag, its newest content.
    Digest,
    /// The digest is added, the tag stays.
    Pin,
    /// The same minor version.
    Patch,
    /// The same major version.
    Minor,
    /// Beyond the major version.
    Major,
    /// The variant's own version: `alpine3.18` to `alpine3.20`.
    Variant,
    /// Another image takes this one's place.
    Replacement,
    /// The same image from a central registry.
    Centralise,
    /// Back to what worked.
    Rollback,
}

impl UpdateKind {
    /// Every kind, in the order of their size.
    pub const ALL: [Self; 9] = [
        Self::Digest,
        Self::Pin,
        Self::Patch,
        Self::Minor,
        Self::Major,
        Self::Variant,
        Self::Replacement,
        Self::Centralise,
        Self::Rollback,
    ];

    /// Whether the tag stays and only its content moves.
    pub fn keeps_tag(self) -> bool {
        matches!(self, Self::Digest | Self::Pin)
    }

    /// The kind's name, as in the configuration and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Pin => "pin",
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Variant => "variant",
            Self::Replacement => "replacement",
            Self::Centralise => "centralise",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for UpdateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
