//! What extraction finds: sites and problems.

use serde::{Deserialize, Serialize};

use super::extraction::{Confidence, Holds, TextSpan};
use crate::image::{Platform, Reference};
use crate::repo::FilePath;

/// Where a site stands, which no other shares: file, line, column.
pub type SitePlace = (FilePath, u32, u32);

/// The place a reference is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The file that uses the image.
    pub path: FilePath,
    /// Where the reference is used: the line, from 1.
    pub line: u32,
    /// Where the reference is used: the column in bytes, from 1.
    pub column: u32,
    /// The name of the format that found it: `dockerfile`, `compose`, `kubernetes`.
    pub format: String,
    /// The byte ranges an update would rewrite.
    pub spans: Vec<Span>,
    /// What stands there, variables and all: `nginx:${VERSION}`.
    pub written: String,
    /// The reference after variables are resolved.
    pub reference: Reference,
    /// What the file is for, by its path.
    pub class: PathClass,
    /// The kinds that a `# restow: allow=…` beside it permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// A version in the comment at the end of the line, which moves with the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<TextSpan>,
    /// How it was found.
    #[serde(default)]
    pub confidence: Confidence,
    /// What may stand there.
    #[serde(default, skip_serializing_if = "Holds::is_any")]
    pub holds: Holds,
    /// The platform that is asked for beside it: `--platform=linux/arm64`, Compose's `platform`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Other files whose definitions its value reads: `.env`, `Chart.yaml`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defined_in: Vec<FilePath>,
}

impl Site {
    /// Where it stands.
    pub fn place(&self) -> SitePlace {
        (self.path.clone(), self.line, self.column)
    }

    /// The files that an update of the site must see: its own, and those that its value comes from. One may come twice.
    pub fn files(&self) -> impl Iterator<Item = &FilePath> {
        let of_spans = self.spans.iter().filter_map(|span| span.path.as_ref());
        std::iter::once(&self.path).chain(of_spans).chain(&self.defined_in)
    }
}

/// A range of bytes, in the file as it lies on disk, that holds a part of a reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Which part of the reference stands there.
    pub part: Part,
    /// The first byte, from 0.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
    /// The file, where it is not the site's own (`.env`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<FilePath>,
}

/// A part of a reference that stands in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The whole reference.
    Reference,
    /// The registry's host and port.
    Registry,
    /// The repository, with the registry where that is written with it.
    Repository,
    /// The tag, perhaps with a digest behind it.
    Tag,
    /// The digest.
    Digest,
}

/// What a file is for, by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathClass {
    /// Built or deployed.
    Ordinary,
    /// Shown to readers.
    Example,
    /// Used by tests.
    Test,
    /// Copied from elsewhere.
    Vendored,
}

/// Something in a file that could not be read, or not be resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file.
    pub path: FilePath,
    /// The line, from 1.
    pub line: u32,
    /// What kind of problem.
    pub code: ProblemCode,
    /// What is wrong and what to do, for a person.
    pub message: String,
}

/// The kinds of problem, as scripts see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// The file is no YAML.
    YamlSyntax,
    /// The file is no HCL.
    HclSyntax,
    /// The file is no Dockerfile.
    DockerfileSyntax,
    /// The file is not UTF-8.
    NotUtf8,
    /// The file is larger, deeper or holds more than Restow reads.
    TooLarge,
    /// A variable has no value that Restow can see.
    UnresolvedVariable,
    /// What stands where an image should stand is no reference.
    InvalidReference,
    /// A comment that gives Restow a direction which it does not know.
    UnknownDirection,
    /// The file could not be read.
    Unreadable,
}

/// All sites of a repository at one commit, with the problems met; both in order of path and line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The references.
    pub sites: Vec<Site>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}
