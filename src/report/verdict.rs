//! The first line of a pull request, and its way back.

use std::collections::BTreeSet;

use super::evidence;
use super::markdown::code;
use crate::plan::{ChangeSet, Kept, Update};

/// Images whose way back is shown.
const MOST: usize = 10;

/// What a reader wants to know first.
pub(super) fn verdict(set: &ChangeSet) -> Option<String> {
    let urgent = if set.is_security() { "Urgent: it removes known vulnerabilities. " } else { "" };
    let who = if set.terms.automerge.on { "Restow merges it then" } else { "a person merges it" };
    let seen = set.updates.iter().filter_map(|update| update.evidence.as_ref()).find_map(evidence::since);
    let seen = seen.map(|seen| format!(" {seen}.")).unwrap_or_default();
    let platforms = match set.updates.iter().all(|update| kept(update) == Some(Kept::All)) {
        true => " Every platform is kept.",
        false => "",
    };
    Some(format!("**{urgent}Good if the checks pass**; {who}. A {} update.{seen}{platforms}", set.kind()))
}

/// `kept`, or that nobody knows.
pub(super) fn platforms(update: &Update) -> &'static str {
    match kept(update) {
        Some(Kept::All) => "kept",
        Some(Kept::NotDetermined) | None => "not determined",
    }
}

fn kept(update: &Update) -> Option<Kept> {
    update.present.as_ref().map(|present| present.platforms)
}

/// How to go back, and to what.
pub(super) fn roll_back(set: &ChangeSet) -> Option<String> {
    let before = |update: &Update| {
        let present = update.present.as_ref()?;
        let plain = update.site.reference.with(update.site.reference.tag().cloned(), None);
        let name = format!("{}:{}", plain.image().familiar(), plain.tag().map_or("latest", |tag| tag.as_str()));
        let digest = code(&present.digest.to_string());
        Some(format!("- {} was {digest}, which the registry still had when this was written", code(&name)))
    };
    let lines: BTreeSet<String> = set.updates.iter().filter_map(before).collect();
    let known = match lines.is_empty() {
        true => "What stands there now was not asked for.".to_owned(),
        false => lines.into_iter().take(MOST).collect::<Vec<_>>().join("\n"),
    };
    Some(format!(
        "**Roll back**\n\nRevert the commit. Restow then proposes the move again: close that one, and it stays away until there \
         is a newer version.\n\n{known}"
    ))
}
