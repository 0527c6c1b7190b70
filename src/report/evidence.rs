//! What is known of the new image, and what is not: the part of a pull request that a careful reader looks for.

use std::collections::BTreeMap;

use super::dates::day;
use super::markdown::code;
use crate::image::{Digest, Reference, Tag};
use crate::plan::{Age, ChangeSet, Claimed, Evidence, Platforms};
use crate::tag::is_full_version;

/// Images of one change set that are told of; a line has few.
const MOST: usize = 10;
/// Platforms that are named.
const MOST_PLATFORMS: usize = 12;

/// The section; what nobody looked at is said too.
pub(super) fn section(set: &ChangeSet) -> Option<String> {
    let mut known: BTreeMap<String, &Evidence> = BTreeMap::new();
    for update in &set.updates {
        if let Some(evidence) = &update.evidence {
            known.insert(name(&update.to), evidence);
        }
    }
    let mut lines = vec!["**What is known of the new image**".to_owned()];
    for (name, evidence) in known.iter().take(MOST) {
        lines.push(format!("- {}: {}", code(name), sentence(evidence)));
        lines.extend(swapped(name, evidence).map(|line| format!("  - {line}")));
        lines.extend(version(evidence).map(|line| format!("  - {line}")));
        lines.extend(source(evidence).map(|line| format!("  - {line}")));
    }
    if known.is_empty() {
        lines.push("- Its platforms and its age were not asked for.".to_owned());
    }
    let compared = set.updates.iter().any(|update| update.vulnerabilities.is_some());
    let unknown = if compared { "signatures" } else { "known vulnerabilities and signatures" };
    lines.push(format!("- **Not determined**: {unknown}. The repository's own checks decide whether it works here."));
    let (title, items) = lines.split_first()?;
    Some(format!("{title}\n\n{}", items.join("\n")))
}

fn name(reference: &Reference) -> String {
    let tag = reference.tag().map(|tag| tag.to_string());
    tag.or_else(|| reference.digest().map(Digest::short)).unwrap_or_default()
}

fn sentence(evidence: &Evidence) -> String {
    format!("{}; {}; content {}", age(evidence), platforms(evidence), code(&evidence.digest.short()))
}

/// Who says how old it is: Restow itself, or somebody whose word it is.
fn age(evidence: &Evidence) -> String {
    let claim = |what: Claimed| match what {
        Claimed::Pushed => "says it was pushed on",
        Claimed::Created => "says it was built on",
    };
    match evidence.age() {
        Age::Seen(at) => format!("Restow saw it come on {}", day(at)),
        Age::Claimed(one) => {
            format!(
                "{} {} {} (a claim: it was there when Restow first looked)",
                one.source,
                claim(one.what),
                day(one.at)
            )
        }
        Age::AtLeastSince(at) => format!("there since {} at least, when Restow first looked", day(at)),
        Age::Unknown => "its age is not determined".to_owned(),
    }
}

/// Since when it is there, in a few words; nothing where nobody knows.
pub(super) fn since(evidence: &Evidence) -> Option<String> {
    match evidence.age() {
        Age::Seen(at) => Some(format!("Restow saw the image come on {}", day(at))),
        Age::Claimed(claim) => Some(format!("There since {}, as {} says", day(claim.at), claim.source)),
        Age::AtLeastSince(at) => Some(format!("There since {} at least", day(at))),
        Age::Unknown => None,
    }
}

fn platforms(evidence: &Evidence) -> String {
    match &evidence.platforms {
        Platforms::Known(platforms) if platforms.is_empty() => "it names no platform".to_owned(),
        Platforms::Known(platforms) => {
            let named: Vec<String> = platforms.iter().take(MOST_PLATFORMS).map(ToString::to_string).collect();
            let more = platforms.len().saturating_sub(MOST_PLATFORMS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("for {}{more}", named.join(", "))
        }
        Platforms::Unknown(reason) => format!("its platforms are not determined: {reason}"),
    }
}

/// A tag whose content changed while Restow watched: a floating one was built again, a full version should not change.
fn swapped(name: &str, evidence: &Evidence) -> Option<String> {
    let (digest, last) = evidence.earlier.iter().max_by_key(|(_, last)| *last)?;
    let (short, until) = (code(&digest.short()), day(*last));
    let full = Tag::parse(name).is_ok_and(|tag| is_full_version(&tag));
    Some(match full {
        true => format!(
            "**Its content was replaced**: the tag pointed at {short} until {until} at least, and a full version usually \
             stays as it is."
        ),
        false => format!("It was built again: the tag pointed at {short} until {until} at least."),
    })
}

/// What it calls its own version: a digest alone says nothing to people.
fn version(evidence: &Evidence) -> Option<String> {
    readable_version(evidence).map(|version| format!("It calls itself version {}.", code(version)))
}

/// A version that looks like one.
pub(super) fn readable_version(evidence: &Evidence) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+');
    let version = evidence.labels.version.as_deref()?;
    (version.len() <= 40 && version.contains(|c: char| c.is_ascii_digit()) && version.chars().all(plain))
        .then_some(version)
}

/// Where it was built from; only what is plainly an address or a commit is shown.
fn source(evidence: &Evidence) -> Option<String> {
    let source = evidence.labels.source.as_deref().filter(|source| source.starts_with("https://"))?;
    let revision = evidence.labels.revision.as_deref().filter(|text| text.len() >= 7);
    let at = revision.map(|revision| format!(" at {}", code(&revision.chars().take(12).collect::<String>())));
    Some(format!("It names as its source {}{}.", code(source), at.unwrap_or_default()))
}
