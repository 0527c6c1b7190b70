//! Updates and holds: the decision and its reasons.

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::security::Unfixed;
use crate::formats::{Site, SitePlace};
use crate::image::{Digest, Reference, Tag};
use crate::policy::UpdateKind;
use crate::repo::Moment;
use crate::vulnerability::{Change, Determination, SupportEnd};

/// A proposed move of one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    /// The site that moves.
    pub site: Site,
    /// How far it moves.
    pub kind: UpdateKind,
    /// What will stand there.
    pub to: Reference,
    /// The line that the site follows: `x.y-alpine`.
    pub line: String,
    /// Why, for a person.
    pub reason: String,
    /// What else it could move to.
    pub alternatives: Vec<Alternative>,
    /// What is known of the new image, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What is known of the image that stands there, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<Present>,
    /// What is known of the vulnerabilities of both images, where they were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerabilities: Option<Box<Change>>,
    /// Whether it is urgent, since it removes what the rules call so.
    pub security: bool,
}

/// What is known of an image that is to be left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Present {
    /// What it is now, as its registry says.
    pub digest: Digest,
    /// Whether the new image runs wherever this one does.
    pub platforms: Kept,
}

/// Whether every platform that is needed is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// All of them.
    All,
    /// The platforms of one of the two are not known.
    NotDetermined,
}

/// What tells a move from others: where its site stands, and what will stand there.
pub type MoveKey = (SitePlace, String);

impl Update {
    /// What tells it from other moves; one site may have a smaller and a larger one.
    pub fn key(&self) -> MoveKey {
        (self.site.place(), self.to.to_string())
    }
}

/// Another move that is open to a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alternative {
    /// How far it moves.
    pub kind: UpdateKind,
    /// The tag it would get.
    pub tag: Tag,
    /// Why this tag, for a person.
    pub reason: String,
    /// What is known of its vulnerabilities, where it was looked at.
    #[serde(skip)]
    pub vulnerabilities: Option<Box<Determination>>,
}

/// An update that is not proposed now, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The site that stays.
    pub site: Site,
    /// The kind of reason, for scripts.
    pub code: HoldCode,
    /// The reason, for a person.
    pub reason: String,
    /// Until when, where time ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// What the move would do to the known vulnerabilities, where that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Box<Change>>,
}

impl Hold {
    /// A hold of `site` that time does not end.
    pub fn new(site: &Site, code: HoldCode, reason: String) -> Self {
        Self { site: site.clone(), code, reason, until: None, change: None }
    }
}

/// The kinds of reason for a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldCode {
    /// The repository's configuration turns Restow off.
    Disabled,
    /// A rule ignores the path or the image.
    Ignored,
    /// The registry has a newer tag, of a kind that the rules do not allow.
    KindNotAllowed,
    /// The registry gave no answer.
    RegistryUnavailable,
    /// The registry's list does not have the tag that stands there.
    TagMissing,
    /// A digest stands there without the tag that it follows.
    DigestWithoutTag,
    /// The new image does not run on a platform that is needed.
    PlatformMissing,
    /// The bytes cannot be rewritten safely.
    EditRefused,
    /// The rules exclude the version or the tag.
    Excluded,
    /// A person closed the pull request of this move, or asked to ignore it.
    IgnoredByPerson,
    /// A person asked to wait.
    PutOff,
    /// The image is too young.
    CoolDown,
    /// The new image has known vulnerabilities that the present one has not, and they outweigh what it removes.
    WorseVersion,
    /// It is not the time at which the rules want pull requests.
    Schedule,
    /// There are as many pull requests as the rules want.
    Limit,
    /// The App may not change files there.
    PermissionMissing,
    /// The full version that stands there points at other content than it did; the site itself may move all the same.
    ContentReplaced,
}

/// Updates and holds of one repository: the whole decision, explained; in the order of the inventory's sites.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What is proposed: for a site at most one within its major version and one beyond it.
    pub updates: Vec<Update>,
    /// What is not proposed now, and why.
    pub holds: Vec<Hold>,
    /// What is vulnerable, and no update removes it.
    pub unfixed: Vec<Unfixed>,
    /// By image as it is written, what it is made of whose support has ended or ends.
    pub ends: Vec<(String, SupportEnd)>,
}

impl Plan {
    /// The same with one update for a site, as a working copy can take only one: a new tag before new content, the
    /// smaller step first.
    #[must_use]
    pub fn leading(mut self) -> Self {
        let mut kept: Vec<Update> = Vec::new();
        for update in std::mem::take(&mut self.updates) {
            match kept.iter_mut().find(|one| one.site == update.site) {
                Some(one) if one.kind.keeps_tag() && !update.kind.keeps_tag() => *one = update,
                Some(_) => {}
                None => kept.push(update),
            }
        }
        self.updates = kept;
        self
    }

    /// Turns the updates of files below `folder` into holds.
    pub fn withhold(&mut self, folder: &str, code: HoldCode, reason: &str) {
        let (held, kept): (Vec<Update>, Vec<Update>) =
            std::mem::take(&mut self.updates).into_iter().partition(|update| {
                let spans = update.site.spans.iter().filter_map(|span| span.path.as_ref());
                spans.chain([&update.site.path]).any(|path| path.as_str().starts_with(folder))
            });
        self.updates = kept;
        self.holds.extend(held.iter().map(|update| Hold::new(&update.site, code, reason.to_owned())));
    }
}
