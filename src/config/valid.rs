//! Raw → valid: kinds and globs are read, and every one that is wrong is a mistake at its place.

use std::collections::BTreeSet;

use serde_saphyr::Spanned;

use super::mistake::{Mistake, did_you_mean};
use super::raw::{Raw, RawRule, place};
use crate::policy::{ImagePattern, InvalidPattern, PathPattern, Pin, Rule, Rules, UpdateKind};

/// More patterns than this in one list are refused.
const MOST_PATTERNS: usize = 500;

/// The valid rules, or every mistake.
pub(super) fn rules(raw: Raw) -> Result<Rules, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let defaults = Rules::default();
    let rules = Rules {
        enabled: raw.enabled.unwrap_or(defaults.enabled),
        ignore_paths: patterns(&raw.ignore.paths, PathPattern::parse, &mut mistakes),
        ignore_images: patterns(&raw.ignore.images, ImagePattern::parse, &mut mistakes),
        allow: raw.allow.map_or(defaults.allow, |allow| kinds(&allow, &mut mistakes)),
        pin: raw.pin.map_or(defaults.pin, pin),
        rules: raw.rules.into_iter().map(|raw| rule(raw, &mut mistakes)).collect(),
    };
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    if mistakes.is_empty() { Ok(rules) } else { Err(mistakes) }
}

fn rule(raw: Spanned<RawRule>, mistakes: &mut Vec<Mistake>) -> Rule {
    let (line, column) = place(&raw.referenced);
    let raw = raw.value;
    let images: Vec<_> = raw.matching.image.into_iter().chain(raw.matching.images).collect();
    let paths: Vec<_> = raw.matching.path.into_iter().chain(raw.matching.paths).collect();
    if raw.allow.is_none() && raw.pin.is_none() {
        mistakes.push(
            Mistake::new(line, column, "this rule says nothing")
                .help(Some("give it `allow` or `pin`, or remove it".to_owned())),
        );
    }
    Rule {
        images: patterns(&images, ImagePattern::parse, mistakes),
        paths: patterns(&paths, PathPattern::parse, mistakes),
        allow: raw.allow.map(|allow| kinds(&allow, mistakes)),
        pin: raw.pin.map(pin),
        reason: raw.reason,
        line,
    }
}

fn pin(asked: bool) -> Pin {
    if asked { Pin::Digest } else { Pin::Keep }
}

fn kinds(written: &[Spanned<String>], mistakes: &mut Vec<Mistake>) -> BTreeSet<UpdateKind> {
    let mut kinds = BTreeSet::new();
    for name in written {
        match UpdateKind::ALL.into_iter().find(|kind| kind.as_str() == name.value) {
            Some(kind) => {
                kinds.insert(kind);
            }
            None => {
                let (line, column) = place(&name.referenced);
                mistakes.push(
                    Mistake::new(line, column, format!("`{}` is no kind of update", name.value))
                        .help(did_you_mean(&name.value, UpdateKind::ALL.map(UpdateKind::as_str))),
                );
            }
        }
    }
    kinds
}

fn patterns<T>(
    written: &[Spanned<String>],
    parse: impl Fn(&str) -> Result<T, InvalidPattern>,
    mistakes: &mut Vec<Mistake>,
) -> Vec<T> {
    if let Some(beyond) = written.get(MOST_PATTERNS) {
        let (line, column) = place(&beyond.referenced);
        mistakes.push(Mistake::new(line, column, format!("more than {MOST_PATTERNS} patterns in one list")));
    }
    let mut patterns = Vec::new();
    for pattern in written.iter().take(MOST_PATTERNS) {
        match parse(&pattern.value) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => {
                let (line, column) = place(&pattern.referenced);
                mistakes.push(Mistake::new(line, column, error.to_string()));
            }
        }
    }
    patterns
}
