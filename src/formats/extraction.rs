//! What one file's bytes say, before anything is known of its path or of other files.

use serde::{Deserialize, Serialize};

use super::site::{Part, ProblemCode};
use crate::image::{Platform, Reference};

/// Raised whenever a format finds other things than before in the same bytes: what was kept is then read again.
pub const EXTRACTOR_VERSION: u32 = 15;

/// What one file's bytes say. It holds no path, so it is kept by blob sha for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extraction {
    /// The references, in the order of the file.
    pub sites: Vec<FoundSite>,
    /// Names that this file gives a value, for files beside it to use. Those of `.env` are plain, those of other formats
    /// begin with a dot: `.Chart.AppVersion`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<Definition>,
    /// What could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FoundProblem>,
}

/// A reference in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundSite {
    /// The line of its use, from 1.
    pub line: u32,
    /// The column of its use in bytes, from 1.
    pub column: u32,
    /// The format that found it.
    pub format: String,
    /// What stands there, variables and all.
    pub written: String,
    /// Its value: known, or waiting for another file.
    pub value: FoundValue,
    /// The kinds that a `# restow: allow=…` beside it permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// A version in the comment at the end of the line, which moves with the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<TextSpan>,
    /// How it was found.
    #[serde(default, skip_serializing_if = "Confidence::is_parsed")]
    pub confidence: Confidence,
    /// What may stand there.
    #[serde(default, skip_serializing_if = "Holds::is_any")]
    pub holds: Holds,
    /// The platform that is asked for beside it: `--platform=linux/arm64`, Compose's `platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// What the place of a reference may hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// A tag, a digest, or both.
    #[default]
    Any,
    /// A tag alone: the version of a chart.
    Tag,
}

impl Holds {
    pub(crate) fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

/// How a site was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// By a parser of the file's syntax.
    #[default]
    Parsed,
    /// By a scanner of lines, in a file whose syntax cannot be parsed: a template, a script, source code.
    Scanned,
}

impl Confidence {
    fn is_parsed(&self) -> bool {
        *self == Self::Parsed
    }
}

/// The value of a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundValue {
    /// All of it is in this file.
    Resolved {
        /// The reference.
        reference: Reference,
        /// The bytes that an update would rewrite.
        spans: Vec<FoundSpan>,
    },
    /// Variables that a file beside this one defines; see [`Piece`].
    Open(Vec<Piece>),
}

/// A range of bytes of this file that holds a part of the reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundSpan {
    /// Which part.
    pub part: Part,
    /// The first byte, from 0.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

/// A range of bytes and the text in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSpan {
    /// The first byte, from 0.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
    /// What stands there.
    pub text: String,
}

/// A piece of a reference whose value depends on another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Piece {
    /// Text of this file.
    Literal(TextSpan),
    /// What joins pieces that stand apart; it stands nowhere.
    Joint(String),
    /// A variable, with what its operator says.
    Variable {
        /// Its name.
        name: String,
        /// `:-` and the like; `None` for the name alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operator: Option<Operator>,
        /// What stands behind the operator.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        word: Vec<Piece>,
    },
}

/// What a variable's word is for, in the shell's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `:-`
    DefaultIfEmpty,
    /// `-`
    DefaultIfUnset,
    /// `:+`
    AlternativeIfFilled,
    /// `+`
    AlternativeIfSet,
    /// `?`, `:?`
    Required,
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The name.
    pub name: String,
    /// The value, without quotes, and where it stands.
    pub value: TextSpan,
}

/// Something in a file that could not be read, or not be resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundProblem {
    /// The line, from 1.
    pub line: u32,
    /// What kind of problem.
    pub code: ProblemCode,
    /// What is wrong and what to do, for a person.
    pub message: String,
}
