//! What is passed over: what people refused or put off, and what is too young.

use std::collections::BTreeSet;

use crate::formats::Site;
use crate::image::{Digest, ImageName, Tag};
use crate::plan::{Hold, HoldCode, Plan, Update};
use crate::repo::Moment;
use crate::vulnerability::Change;

/// What is passed over in one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// Each with its reason; of several that are met the first is told.
    pub passed: Vec<Passed>,
}

/// One thing that is passed over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The image.
    pub image: ImageName,
    /// Its line; `None` for every line.
    pub line: Option<String>,
    /// The group whose moves alone it is about; `None` for all.
    pub group: Option<String>,
    /// What of it.
    pub what: PassedOver,
    /// The kind of reason.
    pub code: HoldCode,
    /// The reason, for a person.
    pub reason: String,
    /// Until when; `None` where nothing ends it by itself.
    pub until: Option<Moment>,
    /// What it does to the known vulnerabilities, where that is the reason.
    pub change: Option<Box<Change>>,
}

/// What of an image is passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassedOver {
    /// Everything.
    All,
    /// A tag, whatever it holds.
    Tag(Tag),
    /// A tag with this content.
    Content(Tag, Digest),
    /// Every tag whose version begins with these numbers.
    Versions(Vec<u64>),
}

/// What is moved: an image on a line, and the groups in which its moves may come.
pub(super) struct Place<'a> {
    pub(super) image: &'a ImageName,
    pub(super) line: &'a str,
    pub(super) groups: &'a BTreeSet<String>,
}

impl Constraints {
    /// Why a tag of an image is passed over.
    pub(super) fn of_tag(&self, place: &Place<'_>, tag: &Tag, version: &[u64]) -> Option<&Passed> {
        self.passed.iter().filter(|passed| passed.is_of(place)).find(|passed| match &passed.what {
            PassedOver::All => true,
            PassedOver::Tag(one) => one == tag,
            PassedOver::Content(..) => false,
            PassedOver::Versions(numbers) => !numbers.is_empty() && version.starts_with(numbers),
        })
    }

    /// Why a tag with this content is passed over.
    pub(super) fn of_content(&self, place: &Place<'_>, tag: &Tag, digest: &Digest) -> Option<&Passed> {
        self.passed.iter().filter(|passed| passed.is_of(place)).find(|passed| match &passed.what {
            PassedOver::All => true,
            PassedOver::Content(one, content) => one == tag && content == digest,
            PassedOver::Tag(_) | PassedOver::Versions(_) => false,
        })
    }
}

impl Plan {
    /// Turns what is passed over into holds: where nothing else is looked for any more.
    pub fn hold_back(&mut self, passed: &[Passed]) {
        for update in std::mem::take(&mut self.updates) {
            match passed.iter().find(|passed| passed.concerns(&update)) {
                Some(passed) => self.holds.push(passed.hold(&update.site)),
                None => self.updates.push(update),
            }
        }
    }
}

impl Passed {
    /// Whether it is passed over for what it is, not for what somebody wants.
    pub(super) fn waits_by_itself(&self) -> bool {
        matches!(self.code, HoldCode::CoolDown | HoldCode::WorseVersion)
    }

    /// The hold of a site that would move to it.
    pub(super) fn hold(&self, site: &Site) -> Hold {
        let (until, change) = (self.until, self.change.clone());
        Hold { until, change, ..Hold::new(site, self.code, self.reason.clone()) }
    }

    /// What an update would have moved to, on its line: the tag, or where the tag stays its content. `None` where it
    /// has no tag, or nothing is known of the new image.
    pub(super) fn of(update: &Update, code: HoldCode, reason: String, until: Option<Moment>) -> Option<Self> {
        let (tag, evidence) = (update.to.tag()?.clone(), update.evidence.as_ref()?);
        let what = match update.kind.keeps_tag() {
            true => PassedOver::Content(tag, evidence.digest.clone()),
            false => PassedOver::Tag(tag),
        };
        let (image, line) = (update.site.reference.image().clone(), Some(update.line.clone()));
        Some(Self { image, line, group: None, what, code, reason, until, change: None })
    }

    /// Each once, in their order: the sites of one image tell the same.
    pub(super) fn each_once(all: impl Iterator<Item = Self>) -> Vec<Self> {
        let mut passed: Vec<Self> = Vec::new();
        for one in all {
            if !passed.contains(&one) {
                passed.push(one);
            }
        }
        passed
    }

    /// Whether an update moves to what is passed over.
    fn concerns(&self, update: &Update) -> bool {
        let content = update.evidence.as_ref().map(|evidence| &evidence.digest);
        let is_that = match &self.what {
            PassedOver::All => true,
            PassedOver::Tag(tag) => !update.kind.keeps_tag() && update.to.tag() == Some(tag),
            PassedOver::Content(tag, digest) => update.to.tag() == Some(tag) && content == Some(digest),
            PassedOver::Versions(_) => false,
        };
        let is_here = self.line.as_ref().is_none_or(|line| *line == update.line);
        is_that && is_here && self.image == *update.site.reference.image()
    }

    fn is_of(&self, place: &Place<'_>) -> bool {
        self.image == *place.image
            && self.line.as_ref().is_none_or(|line| line == place.line)
            && self.group.as_ref().is_none_or(|group| place.groups.contains(group))
    }
}
