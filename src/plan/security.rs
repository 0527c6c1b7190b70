//! What known vulnerabilities say of an update: whether it is urgent, or makes things worse.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::allowed_sites;
use super::change_set::{ChangeSet, tag_and_digest};
use super::constraints::Passed;
use super::evidence::{EvidenceMap, Subject};
use super::update::{HoldCode, Plan, Update};
use crate::formats::Inventory;
use crate::image::{Digest, ImageName, Tag};
use crate::plan::Lookup;
use crate::policy::{Rules, UpdateKind, Urgency};
use crate::vulnerability::{Assessment, Change, Determination, Difference, Finding, SupportEnd};

/// Vulnerabilities of an image that are named.
const MOST_NAMED: usize = 3;

/// Two contents of an image: what stands there, and what would.
pub type ContentPair = (ImageName, Digest, Digest);

/// Urgent moves whose pull requests are open: the image, its line, and the target as [`ChangeSet::target`] writes it.
pub type Marks = BTreeSet<(String, String, String)>;

/// What is known of each image that a repository names.
pub type Standing = BTreeMap<Subject, Determination>;

/// An image whose urgent vulnerabilities no update removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfixed {
    /// The image, as it is written.
    pub written: String,
    /// Urgent vulnerabilities.
    pub vulnerabilities: usize,
    /// The first of them, the worst first.
    pub named: Vec<String>,
    /// Packages that have them.
    pub packages: usize,
    /// Those packages for which the distribution has a fixed version.
    pub fixable: usize,
}

impl Update {
    /// Whether it is urgent.
    pub fn is_security(&self) -> bool {
        self.security
    }

    fn difference(&self) -> Option<Difference<'_>> {
        self.vulnerabilities.as_ref()?.difference()
    }

    /// Whether it removes a vulnerability that is urgent, by a comparison that is good enough, and is not worse itself.
    fn removes_urgent(&self, urgency: Urgency) -> bool {
        let Some(difference) = self.difference() else { return false };
        let urgent = difference.fixed.iter().any(|finding| is_urgent(finding, urgency));
        urgent && difference.is_even() && !difference.is_worse()
    }

    /// Whether it removes what is exploited.
    pub fn removes_exploited(&self) -> bool {
        self.difference().is_some_and(|difference| difference.fixed.iter().any(|finding| finding.is_exploited()))
    }
}

fn is_urgent(finding: &Finding, urgency: Urgency) -> bool {
    match urgency {
        Urgency::From(severity) => finding.is_urgent(severity),
        Urgency::Never => false,
    }
}

/// What is told of one side; `None` where a source did not tell.
fn told(one: &Assessment) -> Option<String> {
    let print = Some(one.fingerprint()).filter(|print| !print.is_empty())?;
    let suppressed = one.suppressed.iter().map(|one| format!("{} {} {}\n", one.finding.id, one.status, one.author));
    let untrusted = one.untrusted.iter().map(|(author, count)| format!("{author} {count}\n"));
    Some(format!("{print}\n{}{}", suppressed.collect::<String>(), untrusted.collect::<String>()))
}

impl ChangeSet {
    /// What its pull request tells of known vulnerabilities, in a text that changes when it does; `None` where some of it
    /// could not be told now.
    pub fn vulnerability_print(&self) -> Option<String> {
        let mut meant: Vec<&Update> = self.meant().collect();
        // What can be made of it changes nothing of what is known.
        meant.sort_by_key(|update| (&update.site.path, update.site.line, update.site.column));
        let mut text = format!("{}\n", meant.iter().any(|update| update.is_security()));
        for update in meant {
            let change = update.vulnerabilities.as_ref()?;
            for side in [&change.before, &change.after] {
                text.push_str(&told(side.assessment()?)?);
            }
        }
        Some(Digest::sha256_of(text.as_bytes()).hex()[..16].to_owned())
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

    /// The tags of a pair's contents, as its update writes them.
    pub fn tags_between(&self, pair: &ContentPair, evidence: &EvidenceMap) -> (Option<&Tag>, Option<&Tag>) {
        let is = |update: &&Update| content_pair(update, evidence).as_ref() == Some(pair);
        let update = self.updates.iter().find(is);
        (update.and_then(|one| one.site.reference.tag()), update.and_then(|one| one.to.tag()))
    }

    /// Puts the comparisons beside the updates that they are about.
    pub fn compare(&mut self, evidence: &EvidenceMap, changes: &BTreeMap<ContentPair, Change>, rules: &Rules) {
        for update in &mut self.updates {
            let change = content_pair(update, evidence).and_then(|pair| changes.get(&pair));
            update.vulnerabilities = change.cloned().map(Box::new);
            update.security = update.removes_urgent(rules.terms(&update.site, update.kind).security.value);
        }
    }

    /// Keeps the mark of urgent moves that are open where they cannot be compared now: a source that is away for a while
    /// takes back nothing.
    pub fn keep_marks(&mut self, marks: &Marks) {
        for update in &mut self.updates {
            let is_compared = update.difference().is_some_and(|difference| difference.is_even());
            let mark = (update.site.reference.image().to_string(), update.line.clone(), tag_and_digest(&update.to));
            // A change set's target names each of its moves once.
            update.security |= !is_compared && marks.contains(&mark);
        }
    }

    /// Says what is vulnerable and stays so: an image with urgent vulnerabilities that no update of it removes.
    pub fn stand(&mut self, inventory: &Inventory, standing: &Standing, rules: &Rules) {
        let mut unfixed: BTreeMap<String, Unfixed> = BTreeMap::new();
        let mut ends: BTreeSet<(String, SupportEnd)> = BTreeSet::new();
        for site in allowed_sites(inventory, rules) {
            let assessment = standing.get(&Subject::of(&site.reference)).and_then(Determination::assessment);
            let Some(assessment) = assessment else { continue };
            let written = Subject::of(&site.reference).familiar();
            ends.extend(assessment.ends.iter().map(|end| (written.clone(), end.clone())));
            let urgency = rules.terms(site, UpdateKind::Patch).security.value;
            let urgent: Vec<&Finding> =
                assessment.findings.iter().filter(|finding| is_urgent(finding, urgency)).collect();
            let moves = |update: &&Update| update.site.reference == site.reference;
            // What was not compared may remove them.
            let may_fix = |update: &Update| update.difference().is_none() || update.removes_urgent(urgency);
            if urgent.is_empty() || self.updates.iter().filter(moves).any(may_fix) {
                continue;
            }
            let packages: BTreeSet<_> = urgent.iter().flat_map(|finding| &finding.packages).collect();
            unfixed.entry(Subject::of(&site.reference).familiar()).or_insert_with_key(|written| Unfixed {
                written: written.clone(),
                vulnerabilities: urgent.len(),
                named: urgent.iter().take(MOST_NAMED).map(|finding| finding.id.clone()).collect(),
                packages: packages.iter().map(|one| &one.name).collect::<BTreeSet<_>>().len(),
                fixable: packages
                    .iter()
                    .filter(|one| one.fixed.is_some())
                    .map(|one| &one.name)
                    .collect::<BTreeSet<_>>()
                    .len(),
            });
        }
        self.unfixed = unfixed.into_values().collect();
        self.ends = ends.into_iter().collect();
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
    let difference = update.difference()?;
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
    let passed = Passed::of(update, HoldCode::WorseVersion, reason, None)?;
    Some(Passed { change: update.vulnerabilities.clone(), ..passed })
}

fn packages(finding: &Finding) -> &str {
    finding.packages.first().map_or("no package", |one| one.name.as_str())
}
