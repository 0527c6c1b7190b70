//! What is known of the images between which an update moves, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::candidates::Lookup;
use super::constraints::Passed;
use super::update::{Hold, HoldCode, Kept, MoveKey, Plan, Present, Update};
use crate::image::{Digest, ImageName, Platform, Reference, Tag};
use crate::policy::{Rules, Said, UpdateKind};
use crate::repo::Moment;

/// An image at a tag, at a digest, or at both; with neither it is `latest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The image.
    pub image: ImageName,
    /// The tag.
    pub tag: Option<Tag>,
    /// The digest, which decides what the image is.
    pub digest: Option<Digest>,
}

impl Subject {
    /// What a reference names.
    pub fn of(reference: &Reference) -> Self {
        let image = reference.image().clone();
        Self { image, tag: reference.tag().cloned(), digest: reference.digest().cloned() }
    }

    /// For people: `nginx:1.25`, or with the digest where there is no tag.
    pub fn familiar(&self) -> String {
        let image = self.image.familiar();
        match (&self.tag, &self.digest) {
            (Some(tag), _) => format!("{image}:{tag}"),
            (None, Some(digest)) => format!("{image}@{}", digest.short()),
            (None, None) => image,
        }
    }
}

/// What is known of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// What the subject is.
    pub digest: Digest,
    /// What it runs on.
    pub platforms: Platforms,
    /// When Restow first saw this content under this tag; `None` for a digest without a tag.
    pub first_seen: Option<Moment>,
    /// When the tag came into the image's list, where Restow knew the list without it.
    pub came: Option<Moment>,
    /// What the publisher and the registry say of its dates.
    pub claims: Vec<Claim>,
    /// Other content that Restow saw under this tag, and when it saw it last.
    pub earlier: Vec<(Digest, Moment)>,
    /// What the image says of itself.
    pub labels: Labels,
}

/// The platforms of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Platforms {
    /// All of them.
    Known(BTreeSet<Platform>),
    /// They cannot be told, and why.
    Unknown(String),
}

/// A date that somebody says, and nobody proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// What happened then.
    pub what: Claimed,
    /// When, as they say.
    pub at: Moment,
    /// Who says so: a registry's name, or the image itself.
    pub source: String,
}

/// What a date is claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claimed {
    /// The image was built.
    Created,
    /// The registry got it.
    Pushed,
}

/// What an image says of itself, by OCI's annotations (`org.opencontainers.image.*`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// Where its source is: `source`.
    pub source: Option<String>,
    /// The commit it was built from: `revision`.
    pub revision: Option<String>,
    /// Its version: `version`.
    pub version: Option<String>,
}

/// How long an image has been there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Age<'a> {
    /// Restow saw it come: it was not there when Restow looked before.
    Seen(Moment),
    /// It was there when Restow first looked; since when, somebody claims.
    Claimed(&'a Claim),
    /// It was there when Restow first looked, and nobody says since when.
    AtLeastSince(Moment),
    /// Nothing is known.
    Unknown,
}

impl Evidence {
    /// How long the content has been under its tag: by what Restow saw where the tag came, or got this content, while
    /// Restow watched; by claims where all that is known is that it was there when Restow first asked. Of several claims
    /// the latest counts: an image cannot be older than its upload.
    pub fn age(&self) -> Age<'_> {
        let latest = |until: Moment| self.claims.iter().filter(|claim| claim.at <= until).max_by_key(|claim| claim.at);
        let Some(seen) = self.first_seen else {
            return self.claims.iter().max_by_key(|claim| claim.at).map_or(Age::Unknown, Age::Claimed);
        };
        let had_other = self.earlier.iter().any(|(_, last)| *last <= seen);
        match (self.came, latest(seen)) {
            _ if had_other => Age::Seen(seen),
            // It may have been replaced between its coming and the first question for it.
            (Some(came), Some(claim)) if claim.at > came => Age::Claimed(claim),
            (Some(came), _) => Age::Seen(came),
            (None, Some(claim)) => Age::Claimed(claim),
            (None, None) => Age::AtLeastSince(seen),
        }
    }
}

/// What registries said of the subjects.
pub type EvidenceMap = BTreeMap<Subject, Lookup<Evidence>>;

/// How much is asked of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// What it runs on.
    Platforms,
    /// Its dates and labels too.
    Whole,
}

/// The subjects that decide about these updates: what stands there, and what would.
pub fn wanted_evidence<'a>(updates: impl IntoIterator<Item = &'a Update>) -> BTreeMap<Subject, Depth> {
    let mut wanted = BTreeMap::new();
    for update in updates {
        wanted.entry(Subject::of(&update.site.reference)).or_insert(Depth::Platforms);
        wanted.insert(Subject::of(&update.to), Depth::Whole);
    }
    wanted
}

impl Plan {
    /// Weighs the evidence: an update whose image is not there, or not for every platform that is needed, becomes a
    /// hold. Updates of which nothing was asked stay as they are.
    pub fn weigh(&mut self, evidence: &EvidenceMap, rules: &Rules) {
        for mut update in std::mem::take(&mut self.updates) {
            match weighed(&update, evidence, rules) {
                Ok(found) => {
                    update.present = present(&update, evidence, found.as_ref());
                    update.evidence = found;
                    self.updates.push(update);
                }
                Err((code, reason)) => self.holds.push(Hold::new(&update.site, code, reason)),
            }
        }
    }

    /// What is too young by the rules, with the moment at which it no longer is: what was weighed. It is to be planned
    /// again without it, for something older may do. What is `open` was old enough once.
    pub fn too_young(&self, rules: &Rules, now: Moment, open: &BTreeSet<MoveKey>) -> Vec<Passed> {
        // What is urgent waits for nothing but the checks.
        let is_patient = |update: &&Update| !update.is_security() && !open.contains(&update.key());
        let patient = self.updates.iter().filter(is_patient);
        let young = patient.filter_map(|update| {
            let (tag, evidence) = (update.to.tag()?, update.evidence.as_ref()?);
            let cooldown = rules.terms(&update.site, update.kind).cooldown;
            let (until, since) = evidence.matures(update, cooldown.value)?;
            let reason = format!(
                "{} to {tag} waits until {until}: {since}, and {} are to pass ({})",
                update.kind,
                days(cooldown.value),
                cooldown.place()
            );
            Passed::of(update, HoldCode::CoolDown, reason, Some(until)).filter(|_| until > now)
        });
        Passed::each_once(young)
    }
}

impl Evidence {
    /// When the image will have been there for the cool-down, and since when it counts; `None` where nothing is to be
    /// waited for. Where a tag is built again more often than that, what waits longest counts, twice as long.
    fn matures(&self, update: &Update, cooldown: i64) -> Option<(Moment, String)> {
        if cooldown <= 0 {
            return None;
        }
        let (at, since) = match self.age() {
            Age::Seen(at) => (at, format!("Restow saw it come on {at}")),
            Age::Claimed(claim) => (claim.at, format!("{} says that it is there since {}", claim.source, claim.at)),
            Age::AtLeastSince(at) => {
                (at, format!("Restow saw it first on {at}, and nobody says since when it is there"))
            }
            Age::Unknown => return None,
        };
        let longest = self.waits_longest(update).filter(|_| update.kind == UpdateKind::Digest);
        let until = at.plus_ms(cooldown);
        match longest.map(|longest| longest.plus_ms(cooldown.saturating_mul(2))).filter(|other| *other < until) {
            Some(other) => Some((other, "the tag is built again and again".to_owned())),
            None => Some((until, since)),
        }
    }
}

impl Evidence {
    /// Since when at least there is newer content than that which stands there.
    fn waits_longest(&self, update: &Update) -> Option<Moment> {
        let present = update.site.reference.digest()?;
        let (_, adopted) = self.earlier.iter().find(|(digest, _)| digest == present)?;
        self.earlier.iter().map(|(_, last)| *last).filter(|last| last > adopted).min()
    }
}

/// `3 days`, `12 hours`.
fn days(ms: i64) -> String {
    let hours = ms / 3_600_000;
    match (hours / 24, hours % 24) {
        (1, 0) => "1 day".to_owned(),
        (days, 0) if days > 0 => format!("{days} days"),
        _ => format!("{hours} hours"),
    }
}

fn weighed(update: &Update, evidence: &EvidenceMap, rules: &Rules) -> Result<Option<Evidence>, (HoldCode, String)> {
    let candidate = match evidence.get(&Subject::of(&update.to)) {
        None => return Ok(None),
        Some(Lookup::Known(candidate)) => candidate,
        Some(Lookup::Unavailable { reason, .. }) => return Err((HoldCode::RegistryUnavailable, reason.clone())),
    };
    let wanted = rules.terms(&update.site, update.kind).platforms;
    let missing = missing_platforms(update, evidence, candidate, wanted.as_ref());
    if missing.is_empty() {
        return Ok(Some(candidate.clone()));
    }
    let why = match (&wanted, &update.site.platform) {
        (Some(wanted), _) => format!("which the rules want ({})", wanted.place()),
        (None, Some(_)) => "which stands beside the image".to_owned(),
        (None, None) => "on which the present image runs".to_owned(),
    };
    let (to, missing) = (plain(&update.to), list(&missing));
    let reason = format!("{to} is not there for {missing}, {why}; it is not proposed until it is");
    Err((HoldCode::PlatformMissing, reason))
}

/// What stands there; nothing where it was not asked or is gone.
fn present(update: &Update, evidence: &EvidenceMap, found: Option<&Evidence>) -> Option<Present> {
    let Some(Lookup::Known(before)) = evidence.get(&Subject::of(&update.site.reference)) else { return None };
    let known = |evidence: &Evidence| matches!(evidence.platforms, Platforms::Known(_));
    // What is missing was held.
    let kept = known(before) && found.is_some_and(known);
    let platforms = if kept { Kept::All } else { Kept::NotDetermined };
    Some(Present { digest: before.digest.clone(), platforms })
}

/// What is needed and not there. What is not known of either side is no reason against the other.
fn missing_platforms<'a>(
    update: &'a Update,
    evidence: &'a EvidenceMap,
    candidate: &Evidence,
    wanted: Option<&'a Said<Vec<Platform>>>,
) -> Vec<&'a Platform> {
    let Platforms::Known(there) = &candidate.platforms else { return Vec::new() };
    if let Some(wanted) = wanted {
        return wanted.value.iter().filter(|platform| !there.contains(*platform)).collect();
    }
    if let Some(named) = &update.site.platform {
        return if there.contains(named) { Vec::new() } else { vec![named] };
    }
    match evidence.get(&Subject::of(&update.site.reference)) {
        Some(Lookup::Known(Evidence { platforms: Platforms::Known(needed), .. })) => {
            needed.iter().filter(|platform| !there.contains(platform)).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

fn list(platforms: &[&Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

fn plain(reference: &Reference) -> String {
    match reference.tag() {
        Some(tag) => tag.to_string(),
        None => reference.digest().map(Digest::short).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(first_seen: Option<i64>, came: Option<i64>, claims: &[(Claimed, i64)]) -> Evidence {
        let claim = |(what, at): &(Claimed, i64)| Claim { what: *what, at: Moment(*at), source: "somebody".to_owned() };
        Evidence {
            digest: Digest::sha256_of(b"x"),
            platforms: Platforms::Unknown(String::new()),
            first_seen: first_seen.map(Moment),
            came: came.map(Moment),
            claims: claims.iter().map(claim).collect(),
            earlier: Vec::new(),
            labels: Labels::default(),
        }
    }

    #[test]
    fn what_restow_saw_itself_decides_the_age() {
        let both = [(Claimed::Created, 5), (Claimed::Pushed, 9)];
        let check = |evidence: &Evidence, expected: &str| {
            let shown = match evidence.age() {
                Age::Seen(at) => format!("seen {}", at.0),
                Age::Claimed(claim) => format!("claimed {}", claim.at.0),
                Age::AtLeastSince(at) => format!("since {}", at.0),
                Age::Unknown => "unknown".to_owned(),
            };
            assert_eq!(shown, expected);
        };
        // A forged date of the publisher's makes nothing older that came while Restow watched.
        check(&evidence(Some(50), Some(40), &both), "seen 40");
        // It was asked for late, and was pushed again meanwhile, as they say.
        check(&evidence(Some(50), Some(4), &both), "claimed 9");
        // An old tag that was asked for late: nobody saw it come.
        check(&evidence(Some(50), None, &both), "claimed 9");
        check(&evidence(Some(50), None, &[]), "since 50");
        // A date in the future is no date.
        check(&evidence(Some(20), None, &[(Claimed::Created, 30)]), "since 20");
        check(&evidence(None, None, &both), "claimed 9");
        check(&evidence(None, None, &[]), "unknown");
        // Other content stood there before.
        let replaced = |last: i64| Evidence {
            earlier: vec![(Digest::sha256_of(b"y"), Moment(last))],
            ..evidence(Some(50), None, &both)
        };
        check(&replaced(45), "seen 50");
        check(&replaced(60), "claimed 9");
    }

    #[test]
    fn platforms_are_listed_as_people_write() {
        let platforms: Vec<Platform> =
            ["linux/amd64", "linux/arm64", "linux/arm/v7"].iter().map(|one| one.parse().expect("a platform")).collect();
        let check = |count: usize, text: &str| {
            assert_eq!(list(&platforms[..count].iter().collect::<Vec<_>>()), text);
        };
        check(1, "linux/amd64");
        check(2, "linux/amd64 and linux/arm64");
        check(3, "linux/amd64, linux/arm64 and linux/arm/v7");
    }
}
