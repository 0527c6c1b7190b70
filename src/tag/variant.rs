//! The best move of a variant's own version.
//!
//! A tag may name several variants (`php8.2-fpm-alpine3.19`). One leads: what has a full version (`tools-deps-1.11.1.1413`),
//! else the distribution, else the last; the others are what the user chose. So:
//!
//! 1. The leading variant moves as far as the tag's own minor version is published with it.
//! 2. Where the current variant, or the one that step 1 finds, no longer receives the newest release of the major version,
//!    the move goes to the newest variant that does.
//! 3. Where that release is published with newer versions of the other variants only, they move too.
//! 4. Where the line ends with this major version and the variant goes on with another, the move changes the major version:
//!    there is no other way on.
//!
//! A move is followed until nothing moves from where it arrives, so the proposals settle.

use super::Pick;
use super::knowledge::{self, Release};
use super::order::Level;
use super::pick::Question;
use super::scheme::{Entry, Shape};

/// The tags of a shape with the same variants, their variants seen from the current tag's.
struct Course<'a> {
    /// The leading variant's version.
    leading: &'a [u64],
    /// The versions of the others.
    others: Vec<&'a [u64]>,
    /// The newest tag of the current major version, and of the current minor version, at or above the current one.
    newest: &'a Entry,
    nearest: Option<&'a Entry>,
}

impl<'a> Question<'a> {
    /// The best move of a variant's own version, or why there is none.
    pub(super) fn variant(&self) -> Result<Pick, String> {
        if self.reading.variants.is_empty() {
            return Err("the tag names no version of a variant".to_owned());
        }
        let scheme = self.scheme;
        if self.reading.form.stage.is_some() && self.is_released() {
            return Err("its release is out, with which a variant of the pre-release is none".to_owned());
        }
        let shape = self.reading.shape.and_then(|shape| scheme.shapes.get(shape));
        let moved = shape.and_then(|shape| {
            let (entry, reason) = self.move_variant(shape).or_else(|| self.beyond_major(shape))?;
            Some(self.propose(entry, format!("{reason}{}", self.ended(shape))))
        });
        let pick = moved.ok_or_else(|| self.stays(shape))?;
        let there = scheme.read(pick.tag.as_str());
        Ok(Question::new(scheme, &there, self.now, self.admits).variant().unwrap_or(pick))
    }

    /// Whether the version of a pre-release, or a later one, is released.
    fn is_released(&self) -> bool {
        let versions = self.scheme.versions(&self.reading.form.prefix);
        versions.is_some_and(|versions| {
            versions.released.iter().any(|version| version.as_slice() >= self.reading.key.version.as_slice())
        })
    }

    /// Why the variant stays.
    fn stays(&self, shape: Option<&Shape>) -> String {
        let leading = |variants: &[u64]| shape.and_then(|shape| Some(divide(shape, variants)?.0.to_vec()));
        let current = leading(&self.reading.variants);
        let newer = shape.is_some_and(|shape| shape.lines.keys().any(|variants| leading(variants) > current));
        let why = match newer {
            true => "there are newer versions of the variant, and the current one still receives the newest releases",
            false => "no newer version of the variant is there",
        };
        format!("{why}{}", shape.map_or_else(String::new, |shape| self.ended(shape)))
    }

    /// What is known of the end of the leading variant's support, to be added to the reason.
    fn ended(&self, shape: &Shape) -> String {
        let by_name = self.reading.releases.last().map(|(number, family)| Release {
            family: *family,
            ordinal: self.reading.values.get(*number).and_then(|value| u16::try_from(*value).ok()).unwrap_or(u16::MAX),
        });
        let by_number = || {
            let variant = shape.variants.iter().rfind(|variant| variant.distribution)?;
            let (version, _) = divide(shape, &self.reading.variants)?;
            knowledge::support_ended(variant.word.as_deref()?, version, self.now)
        };
        let ended = match by_name {
            Some(release) => knowledge::facts(release).and_then(|facts| facts.ended_by(self.now)),
            None => by_number(),
        };
        ended.map_or_else(String::new, |day| {
            format!("; the support of the current version of the variant ended on {day}")
        })
    }

    /// The newest tag of any major version with a newer leading variant, where the current line ends.
    fn beyond_major(&self, shape: &'a Shape) -> Option<(&'a Entry, &'static str)> {
        if self.newer(shape).next().is_some() {
            return None;
        }
        let (leading, others) = divide(shape, &self.reading.variants)?;
        let newest = shape.lines.iter().filter_map(|(variants, line)| {
            let (to, to_others) = divide(shape, variants)?;
            let entry = line.iter().rfind(|entry| self.refusal(shape, entry).is_none())?;
            let rises = to > leading
                && !self.leaves_java(shape, leading, to)
                && to_others == others
                && entry.key.release() >= self.reading.key.release();
            rises.then_some(((&entry.key.version, to), entry))
        });
        let (_, entry) = newest.max_by(|(a, _), (b, _)| a.cmp(b))?;
        Some((entry, "the line ends here; the variant goes on with another major version"))
    }

    /// Whether the variant is a Java with long support, and `to` is one without.
    fn leaves_java(&self, shape: &Shape, from: &[u64], to: &[u64]) -> bool {
        let word = leading_place(shape).and_then(|place| shape.variants[place].word.as_deref());
        let java = word.and_then(knowledge::java);
        java.is_some_and(|java| java.refusal(from, to, self.now).is_some())
    }

    fn move_variant(&self, shape: &'a Shape) -> Option<(&'a Entry, &'static str)> {
        let (leading, others) = divide(shape, &self.reading.variants)?;
        let courses = shape.lines.iter().filter_map(|(variants, line)| self.course(shape, variants, line));
        let courses: Vec<Course<'a>> =
            courses.filter(|course| !self.leaves_java(shape, leading, course.leading)).collect();
        let newest = |courses: &mut dyn Iterator<Item = &Course<'a>>| courses.map(|c| &c.newest.key.version).max();
        let same = newest(&mut courses.iter().filter(|course| course.others == others));
        let risen = |course: &&Course<'a>| {
            course.others != others
                && course.leading >= leading
                && course.others.iter().zip(&others).all(|(to, from)| to >= from)
        };
        let beyond = newest(&mut courses.iter().filter(risen));
        if beyond > same {
            let carriers = courses.iter().filter(risen).filter(|course| Some(&course.newest.key.version) == beyond);
            let course = carriers.min_by_key(|course| (course.others.clone(), std::cmp::Reverse(course.leading)))?;
            return Some((course.newest, "the newest release is published with newer variants only"));
        }
        let own: Vec<&Course<'a>> =
            courses.iter().filter(|course| course.others == others && course.leading >= leading).collect();
        let newest = newest(&mut own.iter().copied())?;
        let receives = |course: &Course<'a>| course.newest.key.version == *newest;
        let near = own.iter().filter(|course| course.leading > leading).filter(|course| course.nearest.is_some());
        if let Some(course) = near.max_by_key(|course| course.leading)
            && receives(course)
        {
            return course.nearest.map(|entry| (entry, "the newest version of the variant"));
        }
        if own.iter().any(|course| course.leading == leading && receives(course)) {
            return None;
        }
        let carriers = own.iter().filter(|course| course.leading > leading && receives(course));
        let course = carriers.max_by_key(|course| course.leading)?;
        Some((course.newest, "the current version of the variant no longer receives the newest releases"))
    }

    fn course(&self, shape: &'a Shape, variants: &'a [u64], line: &'a [Entry]) -> Option<Course<'a>> {
        // Builds are counted anew with another variant: only the version must not go down.
        let from = line.partition_point(|entry| entry.key.release() < self.reading.key.release());
        let mut allowed = line[from..]
            .iter()
            .rev()
            .filter(|entry| self.level(entry) != Level::Major && self.refusal(shape, entry).is_none())
            .peekable();
        let newest = *allowed.peek()?;
        let (leading, others) = divide(shape, variants)?;
        // Of versions of two numbers, the second counts the patches.
        let patches = if self.scheme.full_length(&shape.form.prefix) == 2 { Level::Minor } else { Level::Patch };
        Some(Course { leading, others, newest, nearest: allowed.find(|entry| self.level(entry) <= patches) })
    }
}

/// The version of the leading variant, and those of the others.
fn divide<'b>(shape: &Shape, variants: &'b [u64]) -> Option<(&'b [u64], Vec<&'b [u64]>)> {
    let mut rest = variants;
    let mut versions = Vec::with_capacity(shape.variants.len());
    for variant in &shape.variants {
        let (version, behind) = rest.split_at_checked(variant.length)?;
        versions.push(version);
        rest = behind;
    }
    let leading = leading_place(shape)?;
    Some((versions.remove(leading), versions))
}

/// Which of a shape's variants leads.
fn leading_place(shape: &Shape) -> Option<usize> {
    let product = shape.variants.iter().rposition(|variant| variant.product);
    let distribution = || shape.variants.iter().rposition(|variant| variant.distribution);
    product.or_else(distribution).or(shape.variants.len().checked_sub(1))
}
