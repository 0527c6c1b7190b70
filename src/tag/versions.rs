//! The versions of an image, whatever stands behind them: how long a full one is, and which schemes were left.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::order::{Key, Maturity};
use crate::repo::Moment;

/// The versions that stand behind one prefix, in tags of any suffix.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions {
    /// By how many numbers they have: how many versions.
    lengths: BTreeMap<usize, BTreeSet<Vec<u64>>>,
    /// By first number: the versions of two numbers or more, and the newest creation time.
    pub(super) majors: MajorVersions,
    /// The first numbers of versions that are written as dates (`2021.12`, `20.04`), and the newest month of each, counted
    /// from the year 0.
    calendar: BTreeMap<u64, u64>,
    /// The newest version whose content is that of the tag `latest`.
    pub(super) latest: Option<Vec<u64>>,
    /// The versions of pre-releases.
    staged: BTreeSet<Vec<u64>>,
    /// The versions that are no pre-releases.
    pub(super) released: BTreeSet<Vec<u64>>,
}

/// By first number: the versions of two numbers or more, and the newest creation time.
pub(super) type MajorVersions = BTreeMap<u64, (BTreeSet<Vec<u64>>, Option<Moment>)>;

impl Versions {
    /// Notes the version of the tag called `name`.
    pub(super) fn note(&mut self, name: &str, key: &Key, created: Option<Moment>) {
        let version = &key.version;
        let Some(first) = version.first() else { return };
        if let Some(month) = month_of(name, version) {
            let newest = self.calendar.entry(*first).or_default();
            *newest = (*newest).max(month);
        }
        self.lengths.entry(version.len()).or_default().insert(version.clone());
        let kind = if key.maturity == Maturity::Release { &mut self.released } else { &mut self.staged };
        if !kind.contains(version) {
            kind.insert(version.clone());
        }
        if version.len() > 1 {
            let (known, newest) = self.majors.entry(*first).or_default();
            known.insert(version.clone());
            *newest = (*newest).max(created);
        }
    }

    /// Notes a version whose content is that of the tag `latest`.
    pub(super) fn note_latest(&mut self, key: &Key) {
        if self.latest.as_ref() < Some(&key.version) {
            self.latest = Some(key.version.clone());
        }
    }

    /// Whether the versions from `high` on are remains of an older scheme: `latest` stands below, or they are older than
    /// those up to `low`; where neither is known, they are few, or fewer than three and dates where the others are none.
    /// Dates of the last two years are nothing old.
    pub(super) fn left(&self, low: u64, high: u64, now: Moment) -> bool {
        if let Some(latest) = self.latest.as_ref().and_then(|latest| latest.first()) {
            return *latest <= low;
        }
        let newest_below = self.majors.range(..=low).filter_map(|(_, (_, created))| *created).max();
        let newest_above = self.majors.range(high..).filter_map(|(_, (_, created))| *created).max();
        if let (Some(below), Some(above)) = (newest_below, newest_above) {
            return above < below;
        }
        let below: usize = self.majors.range(..=low).map(|(_, (versions, _))| versions.len()).sum();
        let above: usize = self.majors.range(high..).map(|(_, (versions, _))| versions.len()).sum();
        let dates = self.calendar.range(high..).map(|(_, month)| *month).max();
        if dates.is_some_and(|newest| newest + RECENT_MONTHS >= month_at(now)) {
            return false;
        }
        let other_kind = dates.is_some() && self.calendar.range(..=low).next().is_none();
        let few = 4 * above < below || (other_kind && above < 3);
        few && self.majors.range(high..).count() < 3
    }

    /// Whether a longer version begins with this one, and is no pre-release.
    pub(super) fn continues(&self, version: &[u64]) -> bool {
        let after = (Bound::Excluded(version), Bound::Unbounded);
        self.released.range::<[u64], _>(after).next().is_some_and(|next| next.starts_with(version))
    }

    /// Whether a full version after this one was released beyond doubt: one that no pre-release names.
    pub(super) fn was_followed(&self, version: &[u64], full: usize) -> bool {
        let after = (Bound::Excluded(version), Bound::Unbounded);
        self.released.range::<[u64], _>(after).any(|later| {
            let beyond = later.strip_prefix(version).is_none_or(|rest| rest.iter().any(|number| *number > 0));
            later.len() >= full && beyond && !self.staged.contains(later)
        })
    }

    /// How many numbers a full version has: the least length whose versions are mostly not continued by longer ones.
    /// `1.25` is short where `1.25.3` exists, and so is `1.26` beside it; one `3.12.10.1` makes no `3.12.10` short.
    pub(super) fn full_length(&self) -> usize {
        let lengths = || self.lengths.iter();
        let continued = |length: usize, version: &[u64]| {
            let after = (Bound::Excluded(version), Bound::Unbounded);
            let longer = |longer: &BTreeSet<Vec<u64>>| {
                longer.range::<[u64], _>(after).next().is_some_and(|next| next.starts_with(version))
            };
            self.lengths.range(length + 1..).any(|(_, versions)| longer(versions))
        };
        let full = lengths().find(|(length, versions)| {
            let continued: Vec<bool> = versions.iter().map(|version| continued(**length, version)).collect();
            let judged = continued.iter().rposition(|continued| *continued).map_or(0, |last| last + 1);
            2 * continued.iter().filter(|continued| **continued).count() < judged.max(1)
        });
        full.map_or(0, |(length, _)| *length)
    }
}

/// Dates younger than this belong to a scheme that goes on.
const RECENT_MONTHS: u64 = 24;

/// The month of a version that is a year and a month, `2021.12.16`, or `20.04` with its zero; counted from the year 0.
fn month_of(name: &str, version: &[u64]) -> Option<u64> {
    match version {
        [year @ 1990..2100, month @ 1..=12, ..] => Some(year * 12 + month),
        [year @ 10..100, month @ 1..10, ..] => {
            name.contains(&format!("{year}.{month:02}")).then_some((2000 + year) * 12 + month)
        }
        _ => None,
    }
}

/// The month of a moment, counted likewise; off by some days.
fn month_at(now: Moment) -> u64 {
    const MONTH_MS: i64 = 2_629_746_000;
    u64::try_from(now.0 / MONTH_MS).unwrap_or(0) + 1970 * 12 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// September 2026.
    const NOW: Moment = Moment(1_790_000_000_000);
    use crate::tag::{ListedTag, Scheme};

    fn listed(names: &str) -> Vec<ListedTag> {
        let tag = |name: &str| ListedTag { name: name.parse().expect("a tag"), digest: None, created: None };
        names.split_whitespace().map(tag).collect()
    }

    #[track_caller]
    fn check(names: &str, full: usize) {
        let tags = listed(names);
        assert_eq!(Scheme::learn(&tags).full_length(""), full, "{names}");
    }

    #[test]
    fn the_length_of_a_full_version() {
        check("1 1.2 1.2.3 1.3 1.3.0 2 2.0 2.0.0", 3);
        check("1 1.2 1.3 1.4 2 2.0", 2);
        check("1.2 1.3 1.4 1.4.1 1.5 1.6", 2);
        check("3.12.1 3.12.2 3.12.10 3.12.10.1 3.12 3.11 3.11.4", 3);
        check("12 13 14", 1);
        check("latest main", 0);
    }

    #[test]
    fn a_gap_with_little_behind_it_is_a_scheme_that_was_left() {
        let versions = |names: &str| Scheme::learn(&listed(names)).versions("").cloned().unwrap_or_default();
        assert!(versions("5.0 5.1 5.2 5.3 5.4 4.9 4.8 4.7 4.6 20.04").left(5, 20, NOW));
        assert!(!versions("1.12 1.13 17.03 17.06 18.01 19.03 20.10").left(1, 17, NOW), "a leap that goes on");
        let leap = "5.1 5.2 5.3 5.4 5.5 5.6 5.7 5.8 5.9 5.10 5.11 5.12";
        assert!(versions(&format!("{leap} 2021.10")).left(5, 2021, NOW), "dates of long ago");
        assert!(!versions(&format!("{leap} 2026.07")).left(5, 2026, NOW), "dates that reach to today");
    }

    #[test]
    fn times_and_what_latest_is_decide_first() {
        let mut tags = listed("5.0 5.1 5.2 5.3 5.4 4.9 4.8 4.7 4.6 20.04");
        for (age, tag) in (0..).zip(tags.iter_mut().rev()) {
            tag.created = Some(Moment(-age));
        }
        assert!(!Scheme::learn(&tags).versions("").expect("versions").left(5, 20, NOW), "the newest tag is no remains");
        let mut tags = listed("1.12 1.13 17.03 17.06 18.01 19.03 20.10 latest");
        let digest = crate::image::Digest::sha256_of(b"1.13");
        tags[1].digest = Some(digest.clone());
        tags[7].digest = Some(digest);
        assert!(Scheme::learn(&tags).versions("").expect("versions").left(1, 17, NOW), "latest stands below");
    }
}
