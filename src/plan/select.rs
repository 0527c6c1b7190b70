//! The choice for one site.
//!
//! Of the moves that the rules allow, at most two: the one that a careful engineer would take first (the newest within
//! the major version, else the variant's own, else the tag's newest content) and, apart from it, the one beyond the major
//! version.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::{Candidates, Completeness, Lookup};
use super::constraints::{Constraints, Passed, PassedOver, Place};
use super::update::{Alternative, Hold, HoldCode, Update};
use crate::formats::{Holds, Site};
use crate::image::{Digest, ImageName, Reference, Tag};
use crate::policy::{Allowed, Decision, Group, Pin, Rules, UpdateKind};
use crate::repo::Moment;
use crate::tag::{Pick, Picks, Precision, Scheme};

/// What was decided for one site.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// The smaller one first.
    pub(super) updates: Vec<Update>,
    pub(super) holds: Vec<Hold>,
}

impl Decided {
    fn held(site: &Site, code: HoldCode, reason: String) -> Self {
        Self { updates: Vec::new(), holds: vec![Hold::new(site, code, reason)] }
    }
}

/// How far a move goes: each has a pull request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Within the major version.
    Within,
    /// Beyond it.
    Major,
}

impl Step {
    /// The best of the moves that are open.
    fn best(self, open: &[Alternative]) -> Option<Alternative> {
        let is_major = |one: &Alternative| one.kind == UpdateKind::Major;
        let major = open.iter().any(is_major);
        let mut open = open.iter();
        let best = match self {
            Self::Major => open.find(|one| is_major(one)),
            // The variant's own version waits for the image's.
            Self::Within => open.find(|one| !(is_major(one) || major && one.kind == UpdateKind::Variant)),
        };
        best.cloned()
    }
}

/// The tags of each image, read once, and the rules.
pub(super) struct Selector<'a> {
    candidates: &'a Candidates,
    schemes: BTreeMap<&'a ImageName, Scheme>,
    rules: &'a Rules,
    constraints: &'a Constraints,
    now: Moment,
}

/// A site's move before its digest is known.
struct Choice {
    tag: Tag,
    kind: Option<UpdateKind>,
    reason: String,
    line: String,
    precision: Precision,
    alternatives: Vec<Alternative>,
    not_allowed: Vec<Alternative>,
    /// What would have been better, and why it is not taken.
    passed: Vec<Hold>,
    digest: DigestWish,
}

impl Choice {
    /// Whether anything is to be done about it: within the major version its content may move.
    fn is_of(&self, step: Step) -> bool {
        step == Step::Within || self.kind.is_some()
    }
}

/// What becomes of the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DigestWish {
    /// None stands there, none is wanted.
    None,
    /// One stands there and follows the tag.
    Follow,
    /// None stands there, the rules want one.
    Add,
}

/// The order in which kinds are preferred, within their step.
const PREFERENCE: [UpdateKind; 4] = [UpdateKind::Minor, UpdateKind::Patch, UpdateKind::Major, UpdateKind::Variant];

fn pick_of(picks: &Picks, kind: UpdateKind) -> Option<&Pick> {
    match kind {
        UpdateKind::Patch => picks.patch.as_ref(),
        UpdateKind::Minor => picks.minor.as_ref(),
        UpdateKind::Major => picks.major.as_ref(),
        UpdateKind::Variant => picks.variant.as_ref(),
        UpdateKind::Digest
        | UpdateKind::Pin
        | UpdateKind::Replacement
        | UpdateKind::Centralise
        | UpdateKind::Rollback => None,
    }
}

impl<'a> Selector<'a> {
    pub(super) fn new(candidates: &'a Candidates, rules: &'a Rules, constraints: &'a Constraints, now: Moment) -> Self {
        let known = candidates.tags.iter().filter_map(|(image, lookup)| match lookup {
            Lookup::Known(list) => {
                Some((image, Scheme::learn_for(list.known_as.as_ref().unwrap_or(image), &list.tags)))
            }
            Lookup::Unavailable { .. } => None,
        });
        Self { candidates, schemes: known.collect(), rules, constraints, now }
    }

    /// The tags whose digests decide about `site`, if any do.
    pub(super) fn wanted_digests(&self, site: &Site) -> Vec<(ImageName, Tag)> {
        let Ok(allowed) = self.allowed(site) else { return Vec::new() };
        let image = site.reference.image();
        let of = |step| {
            let choice = self.choose(site, &allowed, step).ok().filter(|choice| choice.is_of(step))?;
            let wanted = choice.digest != DigestWish::None || self.is_unproven(image, &choice);
            wanted.then(|| (image.clone(), choice.tag))
        };
        [Step::Within, Step::Major].into_iter().filter_map(of).collect()
    }

    pub(super) fn decide(&self, site: &Site) -> Decided {
        let allowed = match self.allowed(site) {
            Ok(allowed) => allowed,
            Err(reason) => return Decided::held(site, HoldCode::Ignored, reason),
        };
        let mut decided = match self.choose(site, &allowed, Step::Within) {
            Ok(choice) => self.conclude(site, choice, &allowed.kinds.value),
            Err((code, reason)) => return Decided::held(site, code, reason),
        };
        let Ok(choice) = self.choose(site, &allowed, Step::Major) else { return decided };
        let major = match choice.is_of(Step::Major) {
            true => self.conclude(site, choice, &allowed.kinds.value),
            false => Decided { updates: Vec::new(), holds: choice.passed },
        };
        if decided.updates.is_empty() && !major.updates.is_empty() {
            // Something moves: what else there would be is no news.
            decided.holds.retain(|hold| !matches!(hold.code, HoldCode::KindNotAllowed | HoldCode::TagMissing));
        }
        let known = decided.holds.clone();
        decided.holds.extend(major.holds.into_iter().filter(|hold| !known.contains(hold)));
        decided.updates.extend(major.updates);
        decided
    }

    fn allowed(&self, site: &Site) -> Result<Allowed, String> {
        match self.rules.decide(site) {
            Decision::Allowed(mut allowed) => {
                if let Some(allow) = &site.allow {
                    allowed.kinds.value.retain(|kind| allow.iter().any(|name| name == kind.as_str()));
                }
                Ok(allowed)
            }
            Decision::Ignored { reason } => Err(reason),
        }
    }

    /// The best allowed tag for `site`, which is its own where nothing better is allowed.
    fn choose(&self, site: &Site, allowed: &Allowed, step: Step) -> Result<Choice, (HoldCode, String)> {
        let current = current_tag(&site.reference)?;
        let picks = self.picks(site, &current, allowed)?;
        let (open, not_allowed): (Vec<_>, Vec<_>) =
            moves(&picks).partition(|open| allowed.kinds.value.contains(&open.kind));
        let mut open = distinct(open);
        let best = step.best(&open);
        open.retain(|one| best.as_ref().is_none_or(|best| best.tag != one.tag));
        let passed = self.passed_over(site, &current, (allowed, step), best.as_ref());
        let best = best.filter(|_| !passed.as_ref().is_some_and(|(_, stays)| *stays));
        let digest = match (site.reference.digest(), allowed.pin.value) {
            (Some(_), _) => DigestWish::Follow,
            (None, Pin::Digest) if site.holds == Holds::Any => DigestWish::Add,
            (None, Pin::Digest | Pin::Keep) => DigestWish::None,
        };
        Ok(Choice {
            passed: passed.into_iter().map(|(hold, _)| hold).collect(),
            kind: best.as_ref().map(|best| best.kind),
            reason: best.as_ref().map(|best| best.reason.clone()).unwrap_or_default(),
            tag: best.map_or_else(|| current.clone(), |best| best.tag),
            line: picks.line,
            precision: picks.precision,
            alternatives: open,
            not_allowed,
            digest,
        })
    }

    /// What the rules, and what people and time, leave of the moves.
    fn picks(&self, site: &Site, current: &Tag, allowed: &Allowed) -> Result<Picks, (HoldCode, String)> {
        let image = site.reference.image();
        let Some(scheme) = self.schemes.get(image) else {
            let reason = match self.candidates.tags.get(image) {
                Some(Lookup::Unavailable { reason, .. }) => reason.clone(),
                Some(Lookup::Known(_)) | None => format!("the tags of {image} were not looked up"),
            };
            return Err((HoldCode::RegistryUnavailable, reason));
        };
        if self.constraints.passed.is_empty() && allowed.versions.is_none() && allowed.tags.is_none() {
            return Ok(scheme.pick(current, self.now));
        }
        let (line, groups) = (scheme.pick(current, self.now).line, self.groups(site));
        let place = Place { image, line: &line, groups: &groups };
        let admits = |tag: &Tag, version: &[u64]| {
            allowed.admits(tag, version) && self.constraints.of_tag(&place, tag, version).is_none()
        };
        Ok(scheme.pick_among(current, self.now, &admits))
    }

    /// The groups in which a move of the site may come.
    fn groups(&self, site: &Site) -> BTreeSet<String> {
        let group = |kind: &UpdateKind| match self.rules.terms(site, *kind).group.value {
            Group::Named(name) => Some(name),
            Group::Own => None,
        };
        match self.constraints.passed.iter().any(|passed| passed.group.is_some()) {
            true => UpdateKind::ALL.iter().filter_map(group).collect(),
            false => BTreeSet::new(),
        }
    }

    /// The best move, were nothing passed over: told where it is another than the one that is taken. Whoever refused that
    /// very version did not ask for an older one, so the site stays.
    fn passed_over(
        &self,
        site: &Site,
        current: &Tag,
        (allowed, step): (&Allowed, Step),
        taken: Option<&Alternative>,
    ) -> Option<(Hold, bool)> {
        let image = site.reference.image();
        let scheme = self.schemes.get(image)?;
        let all = scheme.pick(current, self.now);
        let groups = self.groups(site);
        let place = Place { image, line: &all.line, groups: &groups };
        if let Some(refused) = self.refused_below(site, current, (allowed, step), &place) {
            return Some((refused, true));
        }
        let open = moves(&all).filter(|open| allowed.kinds.value.contains(&open.kind)).collect();
        let best = step.best(&distinct(open));
        let best = best.filter(|best| taken.is_none_or(|taken| taken.tag != best.tag))?;
        let version = scheme.version_of(&best.tag);
        if let Some(why) = allowed.excludes(&best.tag, &version) {
            return Some((Hold::new(site, HoldCode::Excluded, why), false));
        }
        let passed = self.constraints.of_tag(&place, &best.tag, &version)?;
        let stays = matches!(passed.what, PassedOver::Tag(_)) && !passed.waits_by_itself();
        Some((passed.hold(site), stays))
    }

    /// What a person refused, where that is the best of what neither waits by itself nor is left out by the rules: who
    /// refused a version did not ask for an older one while a newer one is too young.
    fn refused_below(
        &self,
        site: &Site,
        current: &Tag,
        (allowed, step): (&Allowed, Step),
        place: &Place<'_>,
    ) -> Option<Hold> {
        let scheme = self.schemes.get(place.image)?;
        let waits = |tag: &Tag, version: &[u64]| {
            self.constraints.of_tag(place, tag, version).is_some_and(Passed::waits_by_itself)
        };
        let admits = |tag: &Tag, version: &[u64]| allowed.admits(tag, version) && !waits(tag, version);
        let picks = scheme.pick_among(current, self.now, &admits);
        let open = moves(&picks).filter(|open| allowed.kinds.value.contains(&open.kind)).collect();
        let best = step.best(&distinct(open))?;
        let passed = self.constraints.of_tag(place, &best.tag, &scheme.version_of(&best.tag))?;
        matches!(passed.what, PassedOver::Tag(_)).then(|| passed.hold(site))
    }

    /// Joins the chosen tag with its digest.
    fn conclude(&self, site: &Site, choice: Choice, kinds: &BTreeSet<UpdateKind>) -> Decided {
        let mut decided = Decided { updates: Vec::new(), holds: choice.passed.clone() };
        let digest = match self.digest_for(site, &choice) {
            Ok(digest) => digest,
            Err((code, reason)) => return Decided::held(site, code, reason),
        };
        let kind = choice.kind.or_else(|| content_kind(site, &choice, digest.as_ref()));
        if choice.kind.is_none() {
            decided.holds.extend(choice.not_allowed.first().map(|open| not_allowed_hold(site, open)));
        }
        let Some(kind) = kind else {
            decided.holds.extend(self.missing_tag_hold(site));
            return decided;
        };
        let (image, groups) = (site.reference.image(), self.groups(site));
        let place = Place { image, line: &choice.line, groups: &groups };
        let content = digest.as_ref().filter(|_| choice.kind.is_none());
        let passed = content.and_then(|digest| self.constraints.of_content(&place, &choice.tag, digest));
        if let Some(passed) = passed {
            decided.holds.push(passed.hold(site));
            return decided;
        }
        if !kinds.contains(&kind) {
            let reason = format!("a {kind} update is there, and the rules do not allow that kind");
            decided.holds.push(Hold::new(site, HoldCode::KindNotAllowed, reason));
            return decided;
        }
        let reason = self.reason(site, &choice, kind, digest.as_ref());
        let tag = (choice.kind.is_some() || site.reference.tag().is_some() || digest.is_some()).then_some(choice.tag);
        let to = site.reference.with(tag, digest);
        if let Err(refusal) = crate::formats::move_site(site, &to) {
            decided.holds.push(Hold::new(site, HoldCode::EditRefused, refusal.to_string()));
            return decided;
        }
        decided.updates.push(Update {
            site: site.clone(),
            kind,
            to,
            line: choice.line,
            reason,
            alternatives: choice.alternatives.into_iter().chain(choice.not_allowed).collect(),
            evidence: None,
            present: None,
            vulnerabilities: None,
            security: false,
        });
        decided
    }

    /// Nothing newer of a tag that is not there may mean a slip of the pen: it is said.
    fn missing_tag_hold(&self, site: &Site) -> Option<Hold> {
        let (image, tag) = (site.reference.image(), site.reference.tag()?);
        let Some(Lookup::Known(list)) = self.candidates.tags.get(image) else { return None };
        let whole = list.completeness == Completeness::Whole && !list.recent.contains(tag);
        let missing = whole && !list.tags.iter().any(|listed| listed.name == *tag);
        missing.then(|| Hold::new(site, HoldCode::TagMissing, format!("the registry lists no tag {tag} of {image}")))
    }

    /// Whether a mirror must show that it has the tag.
    fn is_unproven(&self, image: &ImageName, choice: &Choice) -> bool {
        let list = self.candidates.tags.get(image);
        matches!(list, Some(Lookup::Known(list)) if list.unproven.contains(&choice.tag))
    }

    fn digest_for(&self, site: &Site, choice: &Choice) -> Result<Option<Digest>, (HoldCode, String)> {
        let image = site.reference.image();
        let unproven = self.is_unproven(image, choice);
        if choice.digest == DigestWish::None && !unproven {
            return Ok(None);
        }
        let known = self.candidates.digests.get(&(image.clone(), choice.tag.clone()));
        match known {
            Some(Lookup::Known(digest)) => Ok((choice.digest != DigestWish::None).then(|| digest.clone())),
            Some(Lookup::Unavailable { reason, may_pass: false }) if unproven => {
                let tag = &choice.tag;
                Err((HoldCode::TagMissing, format!("upstream has the tag {tag}, and the mirror does not: {reason}")))
            }
            Some(Lookup::Unavailable { reason, .. }) => Err((HoldCode::RegistryUnavailable, reason.clone())),
            None => {
                let reason = format!("the digest of {image}:{} was not looked up", choice.tag);
                Err((HoldCode::RegistryUnavailable, reason))
            }
        }
    }

    fn reason(&self, site: &Site, choice: &Choice, kind: UpdateKind, digest: Option<&Digest>) -> String {
        let short = digest.map(Digest::short).unwrap_or_default();
        let mut reason = match kind {
            UpdateKind::Digest => match choice.precision {
                Precision::Floating => format!("{} was built again: it now is {short}", choice.tag),
                Precision::Precise => {
                    format!("{} now is {short}, although a full version usually stays as it is", choice.tag)
                }
            },
            UpdateKind::Pin => format!("the rules ask for digests: {} now is {short}", choice.tag),
            UpdateKind::Patch
            | UpdateKind::Minor
            | UpdateKind::Major
            | UpdateKind::Variant
            | UpdateKind::Replacement
            | UpdateKind::Centralise
            | UpdateKind::Rollback => choice.reason.clone(),
        };
        let list = self.candidates.tags.get(site.reference.image());
        if let Some(Lookup::Known(list)) = list
            && let Completeness::Cut { reason: cut } = &list.completeness
        {
            reason.push_str(&format!(" (the list of tags is not whole: {cut})"));
        }
        if let Some(worse) = choice.passed.iter().find(|hold| hold.code == HoldCode::WorseVersion) {
            reason.push_str(&format!("; not the newest: {}", worse.reason));
        }
        reason
    }
}

/// The tag that the site follows: the written one, or `latest` where neither tag nor digest stands.
fn current_tag(reference: &Reference) -> Result<Tag, (HoldCode, String)> {
    match (reference.tag(), reference.digest()) {
        (Some(tag), _) => Ok(tag.clone()),
        (None, None) => Ok(Tag::parse("latest").expect("impossible: latest is a tag")),
        (None, Some(_)) => Err((
            HoldCode::DigestWithoutTag,
            "a digest alone does not say which tag it follows; write the tag before it, as in image:tag@sha256:…"
                .to_owned(),
        )),
    }
}

fn alternative(kind: UpdateKind, pick: &Pick) -> Alternative {
    Alternative { kind, tag: pick.tag.clone(), reason: pick.reason.clone(), vulnerabilities: None }
}

/// The moves that are open, in the order of preference.
fn moves(picks: &Picks) -> impl Iterator<Item = Alternative> + '_ {
    PREFERENCE.iter().filter_map(|kind| pick_of(picks, *kind).map(|pick| alternative(*kind, pick)))
}

/// Drops a later kind that proposes a tag which an earlier one has already.
fn distinct(open: Vec<Alternative>) -> Vec<Alternative> {
    let mut seen = BTreeSet::new();
    open.into_iter().filter(|open| seen.insert(open.tag.clone())).collect()
}

/// The kind of a move that leaves the tag: new content, or a digest where none stood.
fn content_kind(site: &Site, choice: &Choice, digest: Option<&Digest>) -> Option<UpdateKind> {
    match choice.digest {
        DigestWish::None => None,
        DigestWish::Add => Some(UpdateKind::Pin),
        DigestWish::Follow => (site.reference.digest() != digest).then_some(UpdateKind::Digest),
    }
}

fn not_allowed_hold(site: &Site, open: &Alternative) -> Hold {
    let reason = format!("{} is there as a {} update, and the rules do not allow that kind", open.tag, open.kind);
    Hold::new(site, HoldCode::KindNotAllowed, reason)
}
