//! The order of tags on one line: version, then stage of a pre-release, then its step, then the build.

use super::form::{Form, Role};
use super::words::Stage;

/// How far a tag is from the release of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Maturity {
    /// A pre-release.
    Stage(Stage),
    /// The release.
    Release,
}

/// The place of a tag on its line; keys of one line compare as their tags do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    /// The numbers of the version.
    pub(super) version: Vec<u64>,
    /// How far the tag is from the release.
    pub(super) maturity: Maturity,
    /// Steps of the pre-release and builds, in the order they are written.
    rest: Vec<u64>,
}

/// The size of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Level {
    /// The same major and minor version.
    Patch,
    /// The same major version.
    Minor,
    /// Another major version.
    Major,
}

/// Whether the version has levels, or only counts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Levels {
    /// `major.minor.patch`.
    Three,
    /// A date, a serial number, a build number: every move is a patch.
    One,
}

impl Key {
    /// The place of the tag with these numbers.
    pub(super) fn new(form: &Form, values: &[u64]) -> Self {
        let of = |roles: &[Role]| -> Vec<u64> {
            form.roles.iter().zip(values).filter(|(role, _)| roles.contains(role)).map(|(_, value)| *value).collect()
        };
        let maturity = form.stage.map_or(Maturity::Release, Maturity::Stage);
        Self { version: of(&[Role::Version]), maturity, rest: of(&[Role::Step, Role::Build]) }
    }

    /// The place without the build, where there is a version without it: what must not go down with another variant, whose
    /// builds are counted anew.
    pub(super) fn release(&self) -> (&[u64], Maturity, &[u64]) {
        let whole = self.version.is_empty() || self.maturity != Maturity::Release;
        (&self.version, self.maturity, if whole { &self.rest } else { &[] })
    }

    /// Whether `self` is a build of what `other` names with fewer numbers: `9.4-1214.1726694543` of `9.4-1214`.
    pub(super) fn is_build_of(&self, other: &Self) -> bool {
        self.version == other.version
            && self.maturity == other.maturity
            && self.rest.len() > other.rest.len()
            && self.rest.starts_with(&other.rest)
    }

    /// How large the move from `self` to `to` is.
    pub(super) fn level(&self, to: &Self, levels: Levels) -> Level {
        let at = |key: &Self, place: usize| key.version.get(place).copied();
        if levels == Levels::One {
            Level::Patch
        } else if at(self, 0) != at(to, 0) {
            Level::Major
        } else if at(self, 1) != at(to, 1) {
            Level::Minor
        } else {
            Level::Patch
        }
    }
}

/// The numbers of the variants.
pub(super) fn variants(form: &Form, values: &[u64]) -> Vec<u64> {
    form.roles.iter().zip(values).filter(|(role, _)| **role == Role::Variant).map(|(_, value)| *value).collect()
}
