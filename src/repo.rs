//! Names that every layer needs: repositories, commits, branches, paths, pull requests.
//!
//! Each is parsed once, at the edge, into a type that cannot be wrong.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that is not of the form it must have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidName {
    text: String,
    expected: &'static str,
}

impl InvalidName {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(200).collect(), expected }
    }
}

/// Gives a string newtype its `Display`, `FromStr`, `AsRef<str>` and serde forms from one `parse` function.
macro_rules! text_name {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::parse(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// A repository's full name on GitHub, `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName(String);
text_name!(RepoName);

impl RepoName {
    /// Reads `owner/name`; both of ASCII letters, digits, `-`, `_` and `.`, at most 100 bytes each.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let error = || InvalidName::new(text, "a repository name of the form owner/name");
        let (owner, name) = text.split_once('/').ok_or_else(error)?;
        let plain = |part: &str| {
            !part.is_empty()
                && part.len() <= 100
                && part != "."
                && part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if plain(owner) && plain(name) { Ok(Self(text.to_owned())) } else { Err(error()) }
    }

    /// The user or organisation that owns the repository.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The name without its owner.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

/// The sha of a git object: 40 or 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectSha(String);
text_name!(ObjectSha);

impl ObjectSha {
    /// Reads 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex && matches!(text.len(), 40 | 64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::new(text, "a git object sha"))
        }
    }

    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

/// The sha of a commit.
pub type CommitSha = ObjectSha;
/// The sha of a blob: content-addressed, so what was read from it once holds for ever.
pub type BlobSha = ObjectSha;
/// The sha of a tree.
pub type TreeSha = ObjectSha;

/// The name of a branch, without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);
text_name!(BranchName);

impl BranchName {
    /// Reads a branch name by the rules of `git check-ref-format`.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let forbidden = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
        let bad = text.is_empty()
            || text.len() > 240
            || text == "@"
            || text.chars().any(forbidden)
            || text.contains("..")
            || text.contains("@{")
            || text.ends_with('.')
            || text.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.ends_with(".lock"));
        if bad { Err(InvalidName::new(text, "a branch name")) } else { Ok(Self(text.to_owned())) }
    }
}

/// A file's path inside its repository: relative, `/` between the parts, never `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FilePath(String);
text_name!(FilePath);

impl FilePath {
    /// Reads a relative path; refuses empty parts, `.`, `..`, NUL and more than 4,096 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let bad =
            text.len() > 4096 || text.contains('\0') || text.split('/').any(|part| matches!(part, "" | "." | ".."));
        if bad { Err(InvalidName::new(text, "a file path inside a repository")) } else { Ok(Self(text.to_owned())) }
    }

    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The folder that holds the file, `""` at the root.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The path of `relative`, as written in a file that lies in `folder`; `./` and `../` are resolved.
    /// `None` where it would leave the repository or is absolute.
    pub fn join(folder: &str, relative: &str) -> Option<Self> {
        if relative.starts_with('/') {
            return None;
        }
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                part => parts.push(part),
            }
        }
        Self::parse(&parts.join("/")).ok()
    }
}

/// The number of a pull request within its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PullNumber(pub u64);

impl fmt::Display for PullNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// GitHub's id of a repository; it survives renames and transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RepoId(pub u64);

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// GitHub's id of one installation of the App.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstallationId(pub u64);

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The mode of a file in a git tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileMode {
    /// `100644`
    #[serde(rename = "100644")]
    Regular,
    /// `100755`
    #[serde(rename = "100755")]
    Executable,
    /// `120000`: its content is the path it points at; never edited.
    #[serde(rename = "120000")]
    Symlink,
}

impl FileMode {
    /// The mode as git writes it in a tree.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regular => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
        }
    }

    /// Reads git's text; `None` for folders, submodules and unknown modes.
    pub fn from_git(text: &str) -> Option<Self> {
        match text {
            "100644" | "100664" => Some(Self::Regular),
            "100755" => Some(Self::Executable),
            "120000" => Some(Self::Symlink),
            _ => None,
        }
    }
}

/// A moment: milliseconds since the Unix epoch, UTC. The core receives it, never asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// This moment and `milliseconds` more.
    #[must_use]
    pub fn plus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Reads an RFC 3339 date and time.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }
}

impl fmt::Display for Moment {
    /// RFC 3339, UTC, seconds: `2026-11-23T17:40:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0.div_euclid(1000)) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr<Err = InvalidName>>(text: &str, valid: bool) {
        assert_eq!(text.parse::<T>().is_ok(), valid, "{text:?}");
    }

    #[test]
    fn repository_names() {
        check::<RepoName>("acme/shop", true);
        check::<RepoName>("acme/.github", true);
        check::<RepoName>("acme", false);
        check::<RepoName>("acme/..", false);
        check::<RepoName>("acme/shop/x", false);
        check::<RepoName>("acme/shop\n", false);
    }

    #[test]
    fn branch_names_follow_git() {
        check::<BranchName>("restow/nginx-1", true);
        check::<BranchName>("a..b", false);
        check::<BranchName>("a/.b", false);
        check::<BranchName>("a.lock", false);
        check::<BranchName>("/a", false);
        check::<BranchName>("a b", false);
        check::<BranchName>("@", false);
    }

    #[test]
    fn paths_stay_inside() {
        check::<FilePath>("deploy/app.yaml", true);
        check::<FilePath>("/etc/passwd", false);
        check::<FilePath>("a/../b", false);
        check::<FilePath>("", false);
        assert_eq!(FilePath::join("deploy/app", "../.env").as_ref().map(FilePath::as_str), Some("deploy/.env"));
        assert_eq!(FilePath::join("deploy", "../../x"), None);
        assert_eq!(FilePath::join("", "/etc/passwd"), None);
    }

    #[test]
    fn moments_print_in_rfc3339() {
        let moment = Moment::parse_rfc3339("2026-11-23T17:40:00Z").expect("a date");
        assert_eq!(moment.to_string(), "2026-11-23T17:40:00Z");
    }
}
