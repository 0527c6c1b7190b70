//! The best move of each kind from one tag.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::form::{Form, RunKind};
use super::line;
use super::order::{Level, Maturity};
use super::scheme::{Entry, Reading, Scheme, Shape};
use super::words::names_branch;
use super::{Pick, Picks, Precision};
use crate::image::Tag;
use crate::repo::Moment;

impl Scheme {
    /// The best moves from `current`, which need not be listed.
    pub fn pick(&self, current: &Tag, now: Moment) -> Picks {
        self.pick_among(current, now, &|_, _| true)
    }

    /// The best moves from `current` to tags that `admits` admits, by their name and the numbers of their version.
    pub fn pick_among(&self, current: &Tag, now: Moment, admits: &Admits<'_>) -> Picks {
        let reading = self.read(current.as_str());
        let question = Question::new(self, &reading, now, admits);
        let mut reasons = BTreeMap::new();
        let branch = reading.tokens.first().is_some_and(|first| names_branch(first.text));
        let mut answer = |kind: &'static str, pick: Result<Pick, String>| {
            let pick = pick.and_then(|pick| match branch {
                true => Err("the tag is that of a branch or a pull request".to_owned()),
                false => Ok(pick),
            });
            pick.map_err(|why| reasons.insert(kind, why)).ok()
        };
        let patch = answer("patch", question.best(Level::Patch));
        let minor = answer("minor", question.best(Level::Minor));
        let major = answer("major", question.best(Level::Major));
        let variant = answer("variant", question.variant());
        let precision = self.precision(&reading);
        let pin = answer("pin", question.pin(current.as_str(), precision));
        let line = line::name(&reading.tokens, &reading.form, self.release_length(&reading.form));
        Picks { patch, minor, major, variant, pin, line, precision, reasons }
    }

    /// The numbers of a tag's version, as the scheme reads it; empty where it names none.
    pub fn version_of(&self, tag: &Tag) -> Vec<u64> {
        self.read(tag.as_str()).key.version
    }

    fn precision(&self, reading: &Reading<'_>) -> Precision {
        let short = match &reading.form.version {
            Some(version) => {
                version.kind == RunKind::Numbers && version.numbers.len() < self.full_length(&reading.form.prefix)
            }
            None => true,
        };
        if short || self.has_builds(reading) { Precision::Floating } else { Precision::Precise }
    }
}

/// Which tags may be proposed at all, by their name and the numbers of their version.
pub type Admits<'a> = dyn Fn(&Tag, &[u64]) -> bool + 'a;

/// One current tag at one moment.
pub(super) struct Question<'a> {
    pub(super) scheme: &'a Scheme,
    pub(super) reading: &'a Reading<'a>,
    pub(super) now: Moment,
    pub(super) admits: &'a Admits<'a>,
    /// Where the versions of the current scheme end: the last major and the first of a scheme that was left.
    pub(super) scheme_end: OnceCell<Option<(u64, u64)>>,
}

impl<'a> Question<'a> {
    pub(super) fn new(scheme: &'a Scheme, reading: &'a Reading<'a>, now: Moment, admits: &'a Admits<'a>) -> Self {
        Self { scheme, reading, now, admits, scheme_end: OnceCell::new() }
    }

    /// The best tag on the line of this level, or why there is none.
    fn best(&self, level: Level) -> Result<Pick, String> {
        let track = if level == Level::Patch { Track::None } else { self.track_state() };
        let (mut best, mut refused): (Option<&Entry>, Option<(&Entry, String)>) = (None, None);
        for shape in self.scheme.courses(self.reading) {
            if !track.admits(&shape.form) {
                continue;
            }
            for entry in self.newer(shape).filter(|entry| self.level(entry) == level) {
                match self.refusal(shape, entry) {
                    None => {
                        best = best.max_by_order(entry, |a, b| self.order(a, b));
                        break;
                    }
                    Some(why) if refused.is_none() => refused = Some((entry, why)),
                    Some(_) => {}
                }
            }
        }
        best.map(|entry| self.propose(entry, format!("the newest tag on the line {}", within(level)))).ok_or_else(
            || {
                refused.map_or_else(
                    || match self.reading.values.is_empty() {
                        true => "the tag names no version".to_owned(),
                        false => format!("no newer tag on the line {}", within(level)),
                    },
                    |(entry, why)| format!("{} is not proposed: {why}", self.name(entry)),
                )
            },
        )
    }

    /// The tags of the shape on the line that are newer than the current one, the newest first.
    pub(super) fn newer<'b>(&'b self, shape: &'b Shape) -> impl Iterator<Item = &'b Entry> {
        let line = shape.lines.get(&self.reading.variants).map_or(&[][..], Vec::as_slice);
        let newer = line.iter().rev().take_while(|entry| entry.key > self.reading.key);
        newer.filter(|entry| !entry.key.is_build_of(&self.reading.key))
    }

    /// The line of the current tag among the tags of its own form.
    pub(super) fn track(&self) -> &'a [Entry] {
        let shape = self.reading.shape.map(|shape| &self.scheme.shapes[shape]);
        shape.and_then(|shape| shape.lines.get(&self.reading.variants)).map_or(&[], Vec::as_slice)
    }

    /// Where the track of a pre-release leads within the minor version: what is beyond is of the same maturity.
    fn track_state(&self) -> Track {
        if self.reading.form.stage.is_none() {
            return Track::None;
        }
        match self.best(Level::Patch).map(|pick| self.scheme.read(pick.tag.as_str()).key.maturity) {
            Ok(Maturity::Stage(_)) => Track::GoesOn,
            Ok(Maturity::Release) => Track::Released,
            Err(_) => Track::None,
        }
    }

    pub(super) fn level(&self, entry: &Entry) -> Level {
        self.reading.key.level(&entry.key, self.reading.levels)
    }

    /// The order of candidates: a tag that names a build with fewer numbers goes before its builds.
    fn order(&self, a: &Entry, b: &Entry) -> Ordering {
        if a.key.is_build_of(&b.key) {
            return Ordering::Less;
        } else if b.key.is_build_of(&a.key) {
            return Ordering::Greater;
        }
        a.key.cmp(&b.key).then_with(|| self.name(a).cmp(self.name(b)))
    }

    pub(super) fn name(&self, entry: &Entry) -> &'a Tag {
        &self.scheme.tags[entry.tag].name
    }

    pub(super) fn propose(&self, entry: &Entry, reason: String) -> Pick {
        Pick { tag: self.name(entry).clone(), reason }
    }
}

/// Where the track of a pre-release leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Track {
    /// To no other tag of the minor version, or there is no track.
    None,
    /// To another pre-release.
    GoesOn,
    /// To the release.
    Released,
}

impl Track {
    fn admits(self, form: &Form) -> bool {
        match self {
            Self::None => true,
            Self::GoesOn => form.stage.is_some(),
            Self::Released => form.stage.is_none(),
        }
    }
}

fn within(level: Level) -> &'static str {
    match level {
        Level::Patch => "within the same minor version",
        Level::Minor => "within the same major version",
        Level::Major => "beyond the major version",
    }
}

/// Keeps the greater of what is there and what comes.
trait MaxByOrder<T> {
    fn max_by_order(self, other: T, order: impl FnOnce(&T, &T) -> Ordering) -> Self;
}

impl<T> MaxByOrder<T> for Option<T> {
    fn max_by_order(self, other: T, order: impl FnOnce(&T, &T) -> Ordering) -> Self {
        match self {
            Some(best) if order(&best, &other) == Ordering::Greater => Some(best),
            _ => Some(other),
        }
    }
}
