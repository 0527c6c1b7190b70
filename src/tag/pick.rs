//! The best move of each kind from one tag.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::knowledge::{self, Release};
use super::line;
use super::order::{Key, Level, Levels};
use super::scheme::{Entry, Reading, Scheme, Shape};
use super::{Pick, Picks, Precision};
use crate::image::Tag;
use crate::repo::Moment;

impl Scheme {
    /// The best moves from `current`, which need not be listed.
    pub fn pick(&self, current: &Tag, now: Moment) -> Picks {
        let reading = self.read(current.as_str());
        let question = Question { scheme: self, reading: &reading, now };
        let mut reasons = BTreeMap::new();
        let mut answer =
            |kind: &'static str, pick: Result<Pick, String>| pick.map_err(|why| reasons.insert(kind, why)).ok();
        let patch = answer("patch", question.best(Level::Patch));
        let minor = answer("minor", question.best(Level::Minor));
        let major = answer("major", question.best(Level::Major));
        let variant = answer("variant", question.variant());
        Picks {
            patch,
            minor,
            major,
            variant,
            line: line::name(&reading.tokens, &reading.form),
            precision: self.precision(&reading),
            reasons,
        }
    }

    fn precision(&self, reading: &Reading<'_>) -> Precision {
        let full = self.full_length(&reading.form.prefix);
        let short = match &reading.form.version {
            Some(version) => version.kind == super::form::RunKind::Numbers && version.numbers.len() < full,
            None => true,
        };
        if short { Precision::Floating } else { Precision::Precise }
    }
}

/// One current tag at one moment.
struct Question<'a> {
    scheme: &'a Scheme,
    reading: &'a Reading<'a>,
    now: Moment,
}

impl<'a> Question<'a> {
    /// The best tag on the line of this level.
    fn best(&self, level: Level) -> Result<Pick, String> {
        let courses = self.scheme.courses(self.reading);
        let newest = courses
            .iter()
            .filter_map(|shape| {
                let line = shape.lines.get(&self.reading.variants)?;
                line.iter().rev().take_while(|entry| entry.key > self.reading.key).find(|entry| {
                    self.reading.key.level(&entry.key, self.reading.levels) == level
                        && self.refusal(shape, entry).is_none()
                })
            })
            .max_by(|a, b| self.order(a, b));
        let nothing = || format!("no newer tag on the line{}", self.within(level));
        newest.map(|entry| self.propose(entry, self.reason(level))).ok_or_else(nothing)
    }

    fn order(&self, a: &Entry, b: &Entry) -> Ordering {
        a.key.cmp(&b.key).then_with(|| self.name(a).cmp(self.name(b)))
    }

    fn name(&self, entry: &Entry) -> &'a Tag {
        &self.scheme.tags[entry.tag].name
    }

    fn propose(&self, entry: &Entry, reason: String) -> Pick {
        Pick { tag: self.name(entry).clone(), reason }
    }

    fn within(&self, level: Level) -> &'static str {
        match level {
            Level::Patch => " within the same minor version",
            Level::Minor => " within the same major version",
            Level::Major => " beyond the major version",
        }
    }

    fn reason(&self, level: Level) -> String {
        format!("the newest tag on the line{}", self.within(level))
    }

    /// Why a newer tag is not proposed.
    fn refusal(&self, shape: &Shape, entry: &Entry) -> Option<String> {
        self.unreleased(shape, entry).or_else(|| self.left_scheme(entry)).or_else(|| self.unproven(shape, entry))
    }

    /// Some publish the full version as another name of its newest pre-release: for a pre-release with a newer one
    /// behind it, a release counts where its content differs from theirs, or where a later version exists.
    fn unproven(&self, shape: &Shape, entry: &Entry) -> Option<String> {
        if self.reading.form.stage.is_none() || shape.form.stage.is_some() {
            return None;
        }
        let own = self.scheme.shapes.get(self.reading.shape?)?;
        let track = own.lines.get(&self.reading.variants)?;
        let same_version = |step: &&Entry| entry.key.version.starts_with(&step.key.version);
        let newer: Vec<&Entry> = track.iter().filter(same_version).filter(|step| step.key > self.reading.key).collect();
        let digest = |entry: &Entry| self.scheme.tags[entry.tag].digest.as_ref();
        if let Some(released) = digest(entry)
            && let Some(alias) = track.iter().filter(same_version).find(|step| digest(step) == Some(released))
        {
            return Some(format!("it is another name of the pre-release {}", self.name(alias)));
        }
        let differs = digest(entry).is_some() && newer.iter().all(|step| digest(step).is_some());
        let later = self
            .scheme
            .versions(&self.reading.form.prefix)?
            .newest()
            .is_some_and(|newest| newest > entry.key.version.as_slice() && !newest.starts_with(&entry.key.version));
        let newest = newer.last()?;
        (!differs && !later).then(|| format!("it may be another name of {}, which comes first", self.name(newest)))
    }

    fn unreleased(&self, shape: &Shape, entry: &Entry) -> Option<String> {
        let from = releases(&self.reading.releases, &self.reading.values);
        let to = releases(&shape.releases, &entry.values);
        from.zip(to).filter(|(from, to)| from != to).find_map(|(from, to)| {
            let (from, to) = (knowledge::facts(from)?, knowledge::facts(to)?);
            if !to.released_by(self.now) {
                Some(format!("{} is not released yet", to.name))
            } else if from.lts == Some(true) && to.lts == Some(false) {
                Some(format!("{} ({}) has no long support", to.name, to.version))
            } else {
                None
            }
        })
    }

    /// A version far beyond all others, with few tags: the remains of an older scheme (`20.04.1` beside `5.2.3`).
    fn left_scheme(&self, entry: &Entry) -> Option<String> {
        if self.reading.levels == Levels::One {
            return None;
        }
        let (from, to) = (*self.reading.key.version.first()?, *entry.key.version.first()?);
        let majors = &self.scheme.versions(&self.reading.form.prefix)?.majors;
        let gaps = majors.keys().zip(majors.keys().skip(1)).filter(|(low, high)| from <= **low && **high <= to);
        for (low, high) in gaps.filter(|(low, high)| **high >= 2 * **low && **high - **low >= 6) {
            let count =
                |(_, (versions, _)): (&u64, &(std::collections::BTreeSet<Vec<u64>>, Option<Moment>))| versions.len();
            let below: usize = majors.range(..=low).map(count).sum();
            let above: usize = majors.range(high..).map(count).sum();
            let newest_below = majors.range(..=low).filter_map(|(_, (_, created))| *created).max();
            let newest_above = majors.range(high..).filter_map(|(_, (_, created))| *created).max();
            let left = match (newest_below, newest_above) {
                (Some(below), Some(above)) => above < below,
                _ => 4 * above < below && majors.range(high..).count() < 3,
            };
            if left {
                return Some(format!(
                    "versions from {high} on belong to a scheme that was left: between {low} and {high} nothing was released"
                ));
            }
        }
        None
    }

    /// The best move of a variant's own version.
    fn variant(&self) -> Result<Pick, String> {
        let shape = self.reading.shape.map(|shape| &self.scheme.shapes[shape]);
        let nothing = || {
            if self.reading.variants.is_empty() {
                "the tag names no version of a variant".to_owned()
            } else {
                "no newer version of the variant carries this version or a newer one".to_owned()
            }
        };
        let shape = shape.ok_or_else(nothing)?;
        let best = shape
            .lines
            .iter()
            .filter(|(variants, _)| self.variant_rises(shape, variants))
            .filter_map(|(variants, line)| {
                let (near, entry) = self.nearest(shape, line)?;
                Some(((near, std::cmp::Reverse(self.moved(shape, variants)), variants), entry))
            })
            .max_by(|(a, x), (b, y)| a.cmp(b).then_with(|| self.order(x, y)));
        best.map(|(_, entry)| self.propose(entry, "the newest version of the variant".to_owned())).ok_or_else(nothing)
    }

    /// Whether no variant goes down and at least one goes up.
    fn variant_rises(&self, shape: &Shape, variants: &[u64]) -> bool {
        variants != self.reading.variants && self.split(shape, variants).all(|(from, to)| from <= to)
    }

    fn moved(&self, shape: &Shape, variants: &[u64]) -> usize {
        self.split(shape, variants).filter(|(from, to)| from != to).count()
    }

    /// Variant by variant: the numbers now and then.
    fn split<'b>(&'b self, shape: &'b Shape, variants: &'b [u64]) -> impl Iterator<Item = (&'b [u64], &'b [u64])> {
        shape.variant_lengths.iter().scan(0, move |start, length| {
            let range = *start..*start + length;
            *start = range.end;
            Some((self.reading.variants.get(range.clone())?, variants.get(range)?))
        })
    }

    /// The newest tag of a line with another variant: within the same minor version, else the same major, else any.
    fn nearest<'b>(&self, shape: &Shape, line: &'b [Entry]) -> Option<(std::cmp::Reverse<Level>, &'b Entry)> {
        let level = |key: &Key| self.reading.key.level(key, self.reading.levels);
        let from = line.partition_point(|entry| entry.key < self.reading.key);
        line[from..]
            .iter()
            .filter(|entry| self.refusal(shape, entry).is_none())
            .map(|entry| (std::cmp::Reverse(level(&entry.key)), entry))
            .max_by_key(|(level, _)| *level)
    }
}

/// The releases that a tag names.
fn releases(places: &[(usize, u8)], values: &[u64]) -> impl Iterator<Item = Release> {
    places.iter().filter_map(|(number, family)| {
        Some(Release { family: *family, ordinal: u16::try_from(*values.get(*number)?).ok()? })
    })
}
