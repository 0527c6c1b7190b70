//! The answer for a person: the picks with their rules, and for each near miss why not.

use std::fmt::Write;

use super::form::Form;
use super::pick::Question;
use super::scheme::{Entry, Reading, Scheme, Shape};
use super::{ListedTag, Pick, Precision};
use crate::image::{ImageName, Tag};
use crate::repo::Moment;

/// How many near misses are told.
const MOST_NEAR_MISSES: usize = 10;

/// A newer tag that is not proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// The tag.
    pub tag: Tag,
    /// Why it is not proposed, for a person.
    pub why: String,
}

/// What the tags of `image` offer to someone on `current`, with the reasons, as text for a terminal.
pub fn explain(image: &ImageName, current: &Tag, tags: &[ListedTag], now: Moment) -> String {
    let scheme = Scheme::learn_for(image, tags);
    let picks = scheme.pick(current, now);
    let mut text = format!("{}:{current}\n\n", image.familiar());
    let reading = scheme.read(current.as_str());
    let parts: Vec<String> = super::parts::parts(&reading.tokens, &reading.form)
        .iter()
        .map(|(what, part)| format!("{what} {part}"))
        .collect();
    writeln!(text, "  reads as {}\n", parts.join(", ")).expect("impossible: a string takes all text");
    let precision = match picks.precision {
        Precision::Floating => "newer builds are published under the same tag",
        Precision::Precise => "a full version",
    };
    let kinds = [
        ("patch", &picks.patch),
        ("minor", &picks.minor),
        ("major", &picks.major),
        ("variant", &picks.variant),
        ("pin", &picks.pin),
    ];
    let shown = |pick: &Option<Pick>| pick.as_ref().map_or("-".to_owned(), |pick| pick.tag.to_string());
    let rows = kinds.map(|(kind, pick)| {
        let absent = || picks.reasons.get(kind).cloned().unwrap_or_default();
        (kind, shown(pick), pick.as_ref().map_or_else(absent, |pick| pick.reason.clone()))
    });
    let width = rows.iter().map(|(_, tag, _)| tag.len()).chain([picks.line.len()]).max().unwrap_or(0);
    line(&mut text, "line", (&picks.line, width), precision);
    for (kind, tag, reason) in &rows {
        line(&mut text, kind, (tag, width), reason);
    }
    let misses = scheme.near_misses(current, now);
    if !misses.is_empty() {
        text.push_str("\nNot proposed:\n");
        let width = misses.iter().map(|miss| miss.tag.as_str().len()).max().unwrap_or(0);
        for miss in &misses {
            line(&mut text, "", (miss.tag.as_str(), width), &miss.why);
        }
    }
    text
}

fn line(text: &mut String, head: &str, (tag, width): (&str, usize), reason: &str) {
    let head = if head.is_empty() { String::new() } else { format!("{head:<8}") };
    writeln!(text, "  {head}{tag:<width$}  {reason}").expect("impossible: a string takes all text");
}

impl Scheme {
    /// Newer tags that are not proposed to someone on `current`, and why: first those on the line, then the newest of each
    /// other form, the most alike first. At most ten.
    pub fn near_misses(&self, current: &Tag, now: Moment) -> Vec<NearMiss> {
        let reading = self.read(current.as_str());
        let question = Question::new(self, &reading, now, &|_, _| true);
        let mut misses = question.refused();
        let mut others: Vec<(Unlike, &Entry)> = self.shapes.iter().filter_map(|shape| question.other(shape)).collect();
        others.sort_by(|(a, x), (b, y)| {
            (a.rank, &y.key.version, question.name(x)).cmp(&(b.rank, &x.key.version, question.name(y)))
        });
        misses.extend(
            others.into_iter().map(|(unlike, entry)| NearMiss { tag: question.name(entry).clone(), why: unlike.why }),
        );
        misses.truncate(MOST_NEAR_MISSES);
        misses
    }
}

/// How a form differs from the current tag's; the least rank is the most alike.
struct Unlike {
    rank: u8,
    why: String,
}

impl<'a> Question<'a> {
    /// The newest tag on the line for each reason to refuse one.
    fn refused(&self) -> Vec<NearMiss> {
        let mut misses: Vec<NearMiss> = Vec::new();
        for shape in self.scheme.courses(self.reading) {
            for entry in self.newer(shape) {
                if let Some(why) = self.refusal(shape, entry)
                    && misses.iter().all(|miss| miss.why != why)
                {
                    misses.push(NearMiss { tag: self.name(entry).clone(), why });
                }
            }
        }
        misses
    }

    /// The newest tag of another form, where its version is newer.
    fn other(&self, shape: &'a Shape) -> Option<(Unlike, &'a Entry)> {
        let own = self.scheme.courses(self.reading).iter().any(|course| std::ptr::eq(*course, shape));
        if own || !shape.form.same_kind(&self.reading.form) {
            return None;
        }
        let newest = shape
            .lines
            .values()
            .filter_map(|line| line.last())
            .max_by(|a, b| a.key.cmp(&b.key).then_with(|| self.name(a).cmp(self.name(b))))?;
        let newer = newest.key.version > self.reading.key.version;
        newer.then(|| (unlike(self.reading, &shape.form), newest))
    }
}

fn unlike(current: &Reading<'_>, other: &Form) -> Unlike {
    let (from, to) = (current.form.version_length(), other.version_length());
    let unlike = |rank, why: String| Unlike { rank, why };
    if other.stage.is_some() && current.form.stage.is_none() {
        return unlike(2, "a pre-release".to_owned());
    }
    match (other.prefix == current.form.prefix, other.suffix == current.form.suffix) {
        (true, true) if from != to => unlike(0, format!("its version has {to} numbers, the current one {from}")),
        (true, true) => unlike(1, "it is written in another form".to_owned()),
        (false, true) => unlike(1, "it is written with another prefix".to_owned()),
        (_, false) => unlike(3, format!("another variant{}", words_apart(&current.form.suffix, &other.suffix))),
    }
}

/// The words that one suffix has and the other has not: `: with slim, without alpine`.
fn words_apart(from: &str, to: &str) -> String {
    fn words(suffix: &str) -> Vec<&str> {
        suffix.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect()
    }
    let only = |of: &str, other: &str, sign: &str| {
        let other = words(other);
        let words: Vec<&str> = words(of).into_iter().filter(|word| !other.contains(word)).collect();
        (!words.is_empty()).then(|| format!("{sign} {}", words.join(" ")))
    };
    let apart: Vec<String> = only(to, from, "with").into_iter().chain(only(from, to, "without")).collect();
    if apart.is_empty() { String::new() } else { format!(": {}", apart.join(", ")) }
}
