//! What the words of tags mean: stages of pre-releases, counters of builds, variants.
//!
//! The words of the trade are listed here. A number behind any other word is learned from the whole list: where nearly
//! every version has a number of its own (`ls101`, `ls102`), it counts builds; where versions share numbers
//! (`alpine3.20`), it is the version of a variant.

use std::collections::{HashMap, HashSet};

use crate::repo::Moment;

/// The stages of a pre-release, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Stage {
    /// Built from the newest source.
    Nightly,
    /// Before anything is complete.
    Alpha,
    /// Complete in parts.
    Beta,
    /// Believed to be ready.
    Candidate,
}

impl Stage {
    /// The stage that a word marks.
    pub(super) fn of(word: &str) -> Option<Self> {
        let known = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
        if known(&["nightly", "dev", "snapshot", "canary", "edge", "unstable", "daily", "insiders"]) {
            Some(Self::Nightly)
        } else if known(&["alpha", "preview", "pre", "prerelease", "ea", "eap"]) {
            Some(Self::Alpha)
        } else if known(&["beta", "m", "milestone"]) {
            Some(Self::Beta)
        } else if known(&["rc", "cr", "candidate"]) {
            Some(Self::Candidate)
        } else {
            None
        }
    }

    /// The stage that a letter marks between two numbers, as in `3.15.0a2`. Source: PEP 440, "Pre-releases".
    pub(super) fn of_letter(letter: &str) -> Option<Self> {
        match letter {
            "a" => Some(Self::Alpha),
            "b" => Some(Self::Beta),
            "c" => Some(Self::Candidate),
            _ => None,
        }
    }
}

/// Words whose number counts builds, in any list.
const COUNTERS: [&str; 23] = [
    "r",
    "rev",
    "revision",
    "b",
    "build",
    "bld",
    "ls",
    "p",
    "patch",
    "pl",
    "u",
    "update",
    "sp",
    "hotfix",
    "fix",
    "post",
    "release",
    "run",
    "ci",
    "iteration",
    "t",
    "kb",
    "cu",
];

/// Distributions: a number behind the word is the distribution's release, in any list.
const DISTRIBUTIONS: [&str; 28] = [
    "alpine",
    "debian",
    "ubuntu",
    "fedora",
    "centos",
    "rocky",
    "rockylinux",
    "almalinux",
    "alma",
    "oraclelinux",
    "oracle",
    "amazonlinux",
    "al",
    "ubi",
    "el",
    "rhel",
    "photon",
    "opensuse",
    "leap",
    "sles",
    "bci",
    "arch",
    "wolfi",
    "ltsc",
    "sac",
    "nanoserver",
    "windowsservercore",
    "azurelinux",
];

/// Languages, their tools and libraries: a number behind the word is theirs, in any list.
const PLATFORMS: [&str; 25] = [
    "python", "py", "php", "node", "nodejs", "ruby", "perl", "go", "golang", "java", "jdk", "jre", "openjdk", "otp",
    "erlang", "dotnet", "net", "mono", "rust", "lua", "cuda", "cudnn", "rocm", "glibc", "musl",
];

/// What people call branches, and what machines call pull requests: a number behind is none of a version.
const BRANCHES: [&str; 13] = [
    "pr",
    "mr",
    "pull",
    "merge",
    "feature",
    "feat",
    "issue",
    "ticket",
    "branch",
    "bugfix",
    "dependabot",
    "renovate",
    "experiment",
];
/// Branches that everything goes through: a number behind counts builds.
const TRUNKS: [&str; 6] = ["main", "master", "trunk", "develop", "development", "mainline"];

/// Whether tags that begin with the word are those of branches or pull requests.
pub(super) fn names_branch(word: &str) -> bool {
    listed(&BRANCHES, word)
}

/// Whether the word is the branch that releases come from.
pub(super) fn names_trunk(word: &str) -> bool {
    listed(&TRUNKS, word)
}

/// Whether the word names a distribution.
pub(super) fn names_distribution(word: &str) -> bool {
    listed(&DISTRIBUTIONS, word)
}

/// Whether the word names a distribution or a language's version.
pub(super) fn is_of_the_trade(word: &str) -> bool {
    names_distribution(word) || listed(&PLATFORMS, word)
}

/// What was learned of the words of one list of tags.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    seen: HashMap<String, Seen>,
    /// The words of `latest-WORD`.
    of_latest: HashSet<String>,
    /// When the tags with a word of [`Stage::Nightly`] were made, where the registry says so.
    made: HashMap<String, Made>,
}

/// How often tags were made.
#[derive(Debug, Clone, Copy)]
struct Made {
    first: Moment,
    last: Moment,
    count: i64,
}

impl Made {
    /// Whether half a year or more lies between two of them, on average.
    fn is_rare(&self) -> bool {
        const HALF_A_YEAR_MS: i64 = 182 * 24 * 60 * 60 * 1000;
        self.count >= 3 && self.last.0.saturating_sub(self.first.0) / (self.count - 1) >= HALF_A_YEAR_MS
    }
}

#[derive(Debug, Clone, Default)]
struct Seen {
    values: HashSet<Vec<u64>>,
    /// How many versions, form by form.
    versions: usize,
    /// How many versions with their numbers, form by form.
    pairs: usize,
    /// How often the number is the version itself.
    repeats: usize,
}

impl Words {
    /// Notes the numbers that stand behind `word` in tags of one form: for each tag its version and those numbers.
    pub(super) fn note<'a>(&mut self, word: &str, rows: impl Iterator<Item = (&'a [u64], &'a [u64])>) {
        let mut versions = HashSet::new();
        let mut pairs = HashSet::new();
        let seen = self.seen.entry(word.to_owned()).or_default();
        for (version, numbers) in rows {
            versions.insert(version);
            if !pairs.insert((version, numbers)) {
                continue;
            }
            seen.repeats += usize::from(version.len() > 1 && version == numbers);
            if !seen.values.contains(numbers) {
                seen.values.insert(numbers.to_vec());
            }
        }
        seen.versions += versions.len();
        seen.pairs += pairs.len();
    }

    /// Notes the tag `latest-WORD`.
    pub(super) fn note_of_latest(&mut self, word: &str) {
        self.of_latest.insert(word.to_owned());
    }

    /// Notes when a tag with `word` was made.
    pub(super) fn note_made(&mut self, word: &str, at: Moment) {
        let made = self.made.entry(word.to_owned()).or_insert(Made { first: at, last: at, count: 0 });
        made.first = made.first.min(at);
        made.last = made.last.max(at);
        made.count += 1;
    }

    /// The stage that `word` marks in this list. Where there is a `latest-dev`, `dev` is a variant of releases; so is an
    /// `edge` whose tags are made once a year.
    pub(super) fn stage(&self, word: &str) -> Option<Stage> {
        let is_variant = || self.of_latest.contains(word) || self.made.get(word).is_some_and(Made::is_rare);
        Stage::of(word).filter(|stage| *stage > Stage::Alpha || !is_variant())
    }

    /// Whether a number behind `word` counts builds.
    pub(super) fn counts_builds(&self, word: &str) -> bool {
        if is_of_the_trade(word) {
            return false;
        }
        if word.len() == 1 || listed(&COUNTERS, word) || word.ends_with("build") {
            return true;
        }
        let own_number = |seen: &Seen| seen.values.len() >= 5 && 5 * seen.values.len() >= 3 * seen.pairs;
        let repeats_version = |seen: &Seen| seen.repeats >= 2 && 5 * seen.repeats >= 4 * seen.pairs;
        self.seen.get(word).is_some_and(|seen| own_number(seen) || repeats_version(seen))
    }

    /// Whether a number behind `word` is known to be a variant's version: listed, or learned from tags in which it
    /// stands behind a version.
    pub(super) fn is_variant(&self, word: &str) -> bool {
        names_distribution(word)
            || listed(&PLATFORMS, word)
            || (self.seen.get(word).is_some_and(|seen| seen.versions > 0) && !self.counts_builds(word))
    }
}

fn listed(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, rows: &[(u64, u64)], builds: bool) {
        let rows: Vec<([u64; 1], [u64; 1])> = rows.iter().map(|(version, number)| ([*version], [*number])).collect();
        let mut words = Words::default();
        words.note(word, rows.iter().map(|(version, number)| (version.as_slice(), number.as_slice())));
        assert_eq!(words.counts_builds(word), builds, "{word}");
    }

    #[test]
    fn a_number_of_its_own_for_each_version_counts_builds() {
        check("ci", &[(1, 1)], true);
        check("alpine", &[(1, 15), (2, 16), (3, 17), (4, 18), (5, 19), (6, 20)], false);
        check("iteration", &[(1, 3)], true);
        check("foo", &[(1, 101), (2, 102), (3, 103), (4, 104), (5, 105)], true);
        check("foo", &[(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 2), (4, 3)], false);
        check("foo", &[(1, 1), (2, 2)], false);
    }

    #[test]
    fn what_is_made_once_a_year_is_no_nightly() {
        const DAY: i64 = 24 * 60 * 60 * 1000;
        for (days, stage) in [(1, Some(Stage::Nightly)), (30, Some(Stage::Nightly)), (360, None)] {
            let mut words = Words::default();
            (0..3).for_each(|n| words.note_made("edge", Moment(n * days * DAY)));
            assert_eq!(words.stage("edge"), stage, "every {days} days");
        }
    }

    #[test]
    fn dev_beside_latest_is_a_variant() {
        let mut words = Words::default();
        assert_eq!(words.stage("dev"), Some(Stage::Nightly));
        words.note_of_latest("dev");
        assert_eq!(words.stage("dev"), None);
        assert_eq!(words.stage("RC"), Some(Stage::Candidate));
    }
}
