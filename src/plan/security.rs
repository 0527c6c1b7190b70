//! What known vulnerabilities say of an update: whether it is urgent, or makes things worse.

use std::collections::BTreeMap;

use super::constraints::Passed;
use super::evidence::{EvidenceMap, Subject};
use super::update::{HoldCode, Plan, Update};
use crate::image::{Digest, ImageName};
use crate::plan::Lookup;
use crate::vulnerability::{Change, Severity};

/// From this severity on an update that removes a vulnerability is urgent.
const URGENT: Severity = Severity::High;

/// Two contents of an image: what stands there, and what would.
pub type ContentPair = (ImageName, Digest, Digest);

impl Update {
    /// Whether it removes a vulnerability that is urgent, by a comparison that is good enough, and is not worse itself.
    pub fn is_security(&self) -> bool {
        let Some(difference) = self.vulnerabilities.as_ref().and_then(|change| change.difference()) else {
            return false;
        };
        let urgent = difference.fixed.iter().any(|finding| finding.severity >= URGENT);
        urgent && difference.is_even() && !difference.is_worse()
    }
}

impl Plan {
    /// The contents that are to be compared: of updates whose evidence is there.
    pub fn content_pairs(&self, evidence: &EvidenceMap) -> Vec<ContentPair> {
        let mut pairs: Vec<ContentPair> = Vec::new();
        for pair in self.updates.iter().filter_map(|update| content_pair(update, evidence)) {
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        pairs
    }

    /// Puts the comparisons beside the updates that they are about.
    pub fn compare(&mut self, evidence: &EvidenceMap, changes: &BTreeMap<ContentPair, Change>) {
        for update in &mut self.updates {
            let change = content_pair(update, evidence).and_then(|pair| changes.get(&pair));
            update.vulnerabilities = change.cloned().map(Box::new);
        }
    }

    /// What is worse than what stands there. It is to be planned again without it, for something else may be better.
    pub fn worse(&self) -> Vec<Passed> {
        Passed::each_once(self.updates.iter().filter_map(worse))
    }
}

fn content_pair(update: &Update, evidence: &EvidenceMap) -> Option<ContentPair> {
    let after = update.evidence.as_ref()?.digest.clone();
    let Some(Lookup::Known(before)) = evidence.get(&Subject::of(&update.site.reference)) else { return None };
    (before.digest != after).then(|| (update.site.reference.image().clone(), before.digest.clone(), after))
}

fn worse(update: &Update) -> Option<Passed> {
    let difference = update.vulnerabilities.as_ref()?.difference()?;
    if !difference.is_even() || !difference.is_worse() {
        return None;
    }
    let tag = update.to.tag()?;
    let added: Vec<String> = difference
        .introduced
        .iter()
        .take(3)
        .map(|finding| format!("{} ({}, {})", finding.id, finding.severity, packages(finding)))
        .collect();
    let more = difference.introduced.len().saturating_sub(added.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let reason = format!(
        "{} to {tag} adds known vulnerabilities: {}{more}; it removes {}",
        update.kind,
        added.join(", "),
        difference.fixed.len()
    );
    Passed::of(update, HoldCode::WorseVersion, reason, None)
}

fn packages(finding: &crate::vulnerability::Finding) -> &str {
    finding.packages.first().map_or("no package", |one| one.name.as_str())
}
