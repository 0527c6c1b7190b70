//! Base branches: those that pull requests go to.

use super::{InvalidPattern, NamePattern};
use crate::repo::BranchName;

/// Stands for the default branch, whatever it is called; git takes no such name.
const DEFAULT: &str = "~default";
/// Restow's own branches are nobody's base.
const OWN: &str = "restow/";

/// A branch that is brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The repository's default branch.
    Default(BranchName),
    /// Another one.
    Other(BranchName),
}

impl Base {
    /// Its name.
    pub fn name(&self) -> &BranchName {
        match self {
            Self::Default(name) | Self::Other(name) => name,
        }
    }

    /// Its name, where it is not the default branch.
    pub fn other(&self) -> Option<&BranchName> {
        match self {
            Self::Default(_) => None,
            Self::Other(name) => Some(name),
        }
    }
}

/// A branch's name, a glob over names, or `~default`: `main`, `release/*`.
#[derive(Debug, Clone)]
pub struct BranchPattern {
    /// `None` for `~default`.
    names: Option<NamePattern>,
}

impl BranchPattern {
    /// Reads the name or the glob.
    ///
    /// # Errors
    /// It is written wrongly.
    pub fn parse(written: &str) -> Result<Self, InvalidPattern> {
        let written = written.trim();
        let names = if written == DEFAULT { None } else { Some(NamePattern::parse(written)?) };
        Ok(Self { names })
    }

    /// Whether it matches.
    pub fn matches(&self, base: &Base) -> bool {
        match &self.names {
            None => matches!(base, Base::Default(_)),
            Some(names) => is_base(base.name()) && names.matches(base.name().as_str()),
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        self.names.as_ref().map_or(DEFAULT, NamePattern::as_str)
    }

    /// The one branch that it names, where it is no glob.
    pub fn plain(&self) -> Option<BranchName> {
        // What a glob is made of, no branch's name holds, but for these.
        let glob = |name: &&str| name.contains(['{', '}', '!']);
        let name = self.names.as_ref().map(NamePattern::as_str).filter(|name| !glob(name))?;
        BranchName::parse(name).ok()
    }

    /// What every name that it matches begins with; empty for `~default`.
    pub fn beginning(&self) -> &str {
        let written = self.names.as_ref().map_or("", NamePattern::as_str);
        written.find(['*', '?', '[', '{', '\\']).map_or(written, |end| &written[..end])
    }

    /// Whether it matches the default branch only, whatever that is called.
    pub fn is_default(&self) -> bool {
        self.names.is_none()
    }
}

/// Whether pull requests may go to a branch of this name.
fn is_base(name: &BranchName) -> bool {
    !name.as_str().starts_with(OWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(name: &str) -> Base {
        Base::Other(BranchName::parse(name).expect("a branch"))
    }

    #[track_caller]
    fn check(pattern: &str, base: &Base, matches: bool) {
        assert_eq!(BranchPattern::parse(pattern).expect("a pattern").matches(base), matches, "{pattern} {base:?}");
    }

    #[test]
    fn branches_by_name_and_glob() {
        let main = Base::Default(BranchName::parse("main").expect("a branch"));
        check("main", &main, true);
        check("~default", &main, true);
        check("~default", &other("main"), false);
        check("release/*", &other("release/1.0"), true);
        check("release/*", &other("release/1/hotfix"), false);
        check("release/**", &other("release/1/hotfix"), true);
        check("**", &other("restow/nginx-x.y"), false);
        assert!(BranchPattern::parse("").is_err());
    }

    #[test]
    fn a_glob_says_what_names_begin_with() {
        let beginning = |text: &str| BranchPattern::parse(text).expect("a pattern").beginning().to_owned();
        assert_eq!([beginning("release/*"), beginning("main"), beginning("~default")], ["release/", "main", ""]);
        let plain = |text: &str| BranchPattern::parse(text).expect("a pattern").plain().is_some();
        assert_eq!([plain("release/*"), plain("main"), plain("{a,b}"), plain("~default")], [false, true, false, false]);
    }
}
