//! What VEX takes away and what it does not, and when the support of what an image is made of ends.

use std::collections::{BTreeMap, BTreeSet};

use super::dates::day;
use super::vulnerabilities::{Markup, bullet, said, table};
use crate::vulnerability::{Assessment, SupportEnd, Suppressed};

/// What is taken away and listed by name.
const MOST: usize = 30;
/// An end that is farther away is not told.
const SOON_DAYS: i64 = 180;

/// Each vulnerability that is taken away, with who says so; nothing where there is none.
pub(super) fn suppressed(all: &[&Suppressed], markup: Markup) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    let header = ["Suppressed", "Severity", "Status", "Why", "Who says so", "Where"].map(str::to_owned);
    let row = |one: &&Suppressed| {
        let packages: Vec<&str> = one.finding.packages.iter().take(3).map(|package| package.name.as_str()).collect();
        let named = if packages.is_empty() {
            one.finding.id.clone()
        } else {
            format!("{} ({})", one.finding.id, packages.join(", "))
        };
        let at = one.at.map(|at| format!(", {}", day(at))).unwrap_or_default();
        let why = if one.justification.is_empty() { "not told" } else { &one.justification };
        let author = if one.author.is_empty() { "nobody by name" } else { &one.author };
        vec![
            said(&named, markup),
            one.finding.severity.to_string(),
            one.status.to_string(),
            said(why, markup),
            said(author, markup),
            format!("{}{at}", said(&one.origin.to_string(), markup)),
        ]
    };
    let mut lines = table(&header, &all.iter().take(MOST).map(row).collect::<Vec<_>>(), markup);
    if let Some(more) = all.len().checked_sub(MOST).filter(|more| *more > 0) {
        lines.extend([String::new(), format!("and {more} more that are suppressed.")]);
    }
    lines.push(String::new());
    lines
}

/// By author, what is not applied since nobody trusts them.
pub(super) fn untrusted(sides: &[&Assessment], markup: Markup) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (author, count) in sides.iter().flat_map(|one| &one.untrusted) {
        let known = counts.entry(author).or_default();
        *known = (*known).max(*count);
    }
    let line = |(author, count): (&str, usize)| {
        let author = if author.is_empty() { "nobody by name".to_owned() } else { said(author, markup) };
        let statements = if count == 1 { "1 VEX statement".to_owned() } else { format!("{count} VEX statements") };
        let verb = if count == 1 { "is" } else { "are" };
        format!(
            "{}{statements} by {author} {verb} not applied: no rule trusts the author for this image.",
            bullet(markup)
        )
    };
    counts.into_iter().map(line).collect()
}

/// What has ended, or ends soon.
pub(super) fn ends(sides: &[&Assessment], markup: Markup) -> Vec<String> {
    let ends: BTreeSet<&SupportEnd> = sides.iter().flat_map(|one| &one.ends).collect();
    ends.into_iter().filter_map(|one| Some(format!("{}{}", bullet(markup), end(one, markup)?))).collect()
}

/// `debian 10 is past its end (2024-06-30): no fixes will come.`
pub(super) fn end(one: &SupportEnd, markup: Markup) -> Option<String> {
    let what = said(&one.what, markup);
    match (one.ended, one.day, one.days_left) {
        (true, Some(at), _) => Some(format!("{what} is past its end ({}): no fixes will come.", day(at))),
        (true, None, _) => Some(format!("{what} is past its end: no fixes will come.")),
        (false, Some(at), Some(left)) if left <= SOON_DAYS && markup == Markup::Markdown => {
            // What stays where it is written counts no days.
            Some(format!("{what} ends on {}.", day(at)))
        }
        (false, Some(at), Some(left)) if left <= SOON_DAYS => {
            let left = if left == 1 { "1 day".to_owned() } else { format!("{left} days") };
            Some(format!("{what} ends in {left} ({}).", day(at)))
        }
        (false, _, _) => None,
    }
}
