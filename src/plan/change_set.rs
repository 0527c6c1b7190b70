//! Change sets: one branch for each image and line, all its sites moved together.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::update::{Plan, Update};
use crate::formats::{EditRefusal, Site};
use crate::image::{Digest, ImageName, Reference, Tag};
use crate::policy::{Automerge, Base, CommitStyle, Group, Rebase, Rules, Terms, UpdateKind};
use crate::repo::BranchName;

/// The folder of branches that move beyond a major version.
const MAJOR: &str = "major";

/// Rules that are told of one change set.
const MOST_RULES: usize = 12;

/// The label of pull requests that remove a vulnerability that is urgent.
const SECURITY_LABEL: &str = "security";

/// What the moves of a change set have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// An image and the line that its sites follow.
    Image {
        /// The image that moves.
        image: ImageName,
        /// The line.
        line: String,
        /// Whether it moves beyond its major version: that has a branch of its own.
        major: bool,
    },
    /// A group of the rules.
    Group(String),
}

impl Topic {
    /// The image, where it is one alone.
    pub fn image(&self) -> Option<&ImageName> {
        match self {
            Self::Image { image, .. } => Some(image),
            Self::Group(_) => None,
        }
    }

    /// Two texts by which it is kept: the image and its line, or `group` and its name.
    pub fn key(&self) -> (String, String) {
        match self {
            Self::Image { image, line, .. } => (image.to_string(), line.clone()),
            Self::Group(name) => ("group".to_owned(), name.clone()),
        }
    }
}

/// One branch: the moves it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// What its moves have in common.
    pub topic: Topic,
    /// `restow/<image>-<line>`, `restow/major/<image>-<line>`, `restow/group/<name>`; for another base than the default branch below `restow/on/<base>/`.
    pub branch: BranchName,
    /// The branch that it goes to, where that is not the default branch.
    pub base: Option<BranchName>,
    /// The moves, in order of path and line; never empty in a plan.
    pub updates: Vec<Update>,
    /// The moves that the files' bytes do not allow.
    pub left: Vec<Left>,
    /// What the rules say of it.
    pub terms: SetTerms,
}

/// What the rules say of a change set: of its moves together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetTerms {
    /// Whether it is merged without a person: where the rules want it of every move.
    pub automerge: Automerge,
    /// Where the rules say so.
    pub automerge_place: String,
    /// When it is rebased.
    pub rebase: Rebase,
    /// Labels.
    pub labels: Vec<String>,
    /// Who is asked for a review.
    pub reviewers: Vec<String>,
    /// Who is assigned.
    pub assignees: Vec<String>,
    /// How the commit and the pull request are called.
    pub commit: CommitStyle,
    /// Whether it is a draft.
    pub draft: bool,
    /// Why the rules are as they are.
    pub reasons: Vec<String>,
    /// Which rules hold, and where they stand: one line for each setting.
    pub rules: Vec<String>,
}

/// A move as it is remembered: of which image, on which line, to what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Move {
    /// The image.
    pub image: ImageName,
    /// The line.
    pub line: String,
    /// The tag that it moves to.
    pub tag: Option<Tag>,
    /// The content that it moves to, where that is what moves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// A move that was meant and cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The move.
    pub update: Update,
    /// Why it cannot be made, for a person.
    pub reason: String,
}

impl ChangeSet {
    /// What the sites move to, in one word for comparing: the tags and digests, without names. Equal targets mean
    /// the same proposal, even when a site was added.
    pub fn target(&self) -> String {
        let targets: BTreeSet<String> = self.meant().map(|update| tag_and_digest(&update.to)).collect();
        targets.into_iter().collect::<Vec<_>>().join(" ")
    }

    /// A digest over every path, old and new reference: equal fingerprints mean that nothing is to be pushed again.
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        let mut meant: Vec<&Update> = self.meant().collect();
        // What can be made changes nothing of what is meant.
        meant.sort_by_key(|update| (&update.site.path, update.site.line, update.site.column));
        for update in meant {
            for part in [update.site.path.as_str(), &update.site.reference.to_string(), &update.to.to_string()] {
                text.push_str(part);
                text.push('\0');
            }
        }
        Digest::sha256_of(text.as_bytes()).hex()[..32].to_owned()
    }

    /// Every move that is meant, whether it can be made or not.
    pub(super) fn meant(&self) -> impl Iterator<Item = &Update> {
        self.updates.iter().chain(self.left.iter().map(|left| &left.update))
    }

    /// The same without the moves of these sites, which cannot be made, each with the reason.
    #[must_use]
    pub fn leaving(mut self, refused: &[(Site, EditRefusal)]) -> Self {
        let reason = |site: &Site| refused.iter().find(|(one, _)| one == site).map(|(_, refusal)| refusal.to_string());
        let (left, kept): (Vec<_>, Vec<_>) =
            self.updates.into_iter().map(|update| (reason(&update.site), update)).partition(|(why, _)| why.is_some());
        self.updates = kept.into_iter().map(|(_, update)| update).collect();
        self.left.extend(left.into_iter().filter_map(|(why, update)| Some(Left { update, reason: why? })));
        self
    }

    /// The distinct moves that are meant.
    pub fn moves(&self) -> BTreeSet<Move> {
        let moves = self.meant().map(|update| Move {
            image: update.site.reference.image().clone(),
            line: update.line.clone(),
            tag: update.to.tag().cloned(),
            digest: update.to.digest().filter(|_| update.kind.keeps_tag()).cloned(),
        });
        moves.collect()
    }

    /// Whether it removes a vulnerability that is urgent.
    pub fn is_security(&self) -> bool {
        self.updates.iter().any(Update::is_security)
    }

    /// Whether one of its moves removes a vulnerability that is known to be exploited.
    pub fn removes_exploited(&self) -> bool {
        self.updates.iter().any(Update::removes_exploited)
    }

    /// The images that move.
    pub fn images(&self) -> BTreeSet<&ImageName> {
        self.updates.iter().map(|update| update.site.reference.image()).collect()
    }

    /// The largest kind among the moves.
    pub fn kind(&self) -> UpdateKind {
        self.updates.iter().map(|update| update.kind).max().unwrap_or(UpdateKind::Digest)
    }
}

/// As a change set's target writes it.
pub(super) fn tag_and_digest(reference: &Reference) -> String {
    let tag = reference.tag().map_or("", |tag| tag.as_str());
    match reference.digest() {
        Some(digest) => format!("{tag}@{digest}"),
        None => tag.to_owned(),
    }
}

/// The change sets of a plan, in order of image and line, then of group.
pub fn change_sets(plan: &Plan, rules: &Rules) -> Vec<ChangeSet> {
    let mut topics: BTreeMap<Topic, Vec<(Update, Terms)>> = BTreeMap::new();
    for update in &plan.updates {
        let terms = rules.terms(&update.site, update.kind);
        let members = topics.entry(topic(update, &terms)).or_default();
        // A branch takes one step at a time: of two moves of a site in one group the smaller, which comes first.
        if !members.iter().any(|(other, _)| other.site == update.site) {
            members.push((update.clone(), terms));
        }
    }
    let base = rules.base.as_ref().and_then(Base::other);
    let mut taken = BTreeSet::new();
    topics
        .into_iter()
        .map(|(topic, members)| {
            let branch = free_branch(&topic, base, &mut taken);
            let (updates, terms): (Vec<_>, Vec<_>) = members.into_iter().unzip();
            let mut terms = together(&terms);
            if updates.iter().any(Update::is_security) && !terms.labels.iter().any(|label| label == SECURITY_LABEL) {
                terms.labels.push(SECURITY_LABEL.to_owned());
            }
            ChangeSet { topic, branch, base: base.cloned(), updates, left: Vec::new(), terms }
        })
        .collect()
}

fn topic(update: &Update, terms: &Terms) -> Topic {
    let alone = || Topic::Image {
        image: update.site.reference.image().clone(),
        line: update.line.clone(),
        major: update.kind == UpdateKind::Major,
    };
    match &terms.group.value {
        // What is urgent does not wait for the others of its group.
        _ if update.is_security() => alone(),
        Group::Own => alone(),
        Group::Named(name) => Topic::Group(name.clone()),
    }
}

/// What holds for several moves in one pull request: the careful side of each.
fn together(terms: &[Terms]) -> SetTerms {
    let union = |of: fn(&Terms) -> &[String]| {
        let mut seen = BTreeSet::new();
        terms.iter().flat_map(of).filter(|text| seen.insert(text.as_str())).cloned().collect::<Vec<_>>()
    };
    let against = terms.iter().find(|terms| !terms.automerge.value.on).or(terms.first());
    SetTerms {
        automerge: Automerge {
            on: terms.iter().all(|terms| terms.automerge.value.on),
            without_checks: terms.iter().all(|terms| terms.automerge.value.without_checks),
            method: against.and_then(|terms| terms.automerge.value.method),
            rerun: terms.iter().all(|terms| terms.automerge.value.rerun),
        },
        automerge_place: against.map(|terms| terms.automerge.place()).unwrap_or_default(),
        rebase: terms.first().map(|terms| terms.rebase.value).unwrap_or_default(),
        labels: union(|terms| &terms.labels.value),
        reviewers: union(|terms| &terms.reviewers.value),
        assignees: union(|terms| &terms.assignees.value),
        commit: terms.first().map(|terms| terms.commit.value.clone()).unwrap_or_default(),
        draft: terms.iter().any(|terms| terms.draft.value),
        reasons: union(|terms| &terms.reasons),
        rules: terms.iter().flat_map(rules_in_force).collect::<BTreeSet<_>>().into_iter().take(MOST_RULES).collect(),
    }
}

/// Whether a branch of Restow's moves beyond a major version.
pub fn is_major_branch(branch: &BranchName) -> bool {
    let mut parts = branch.as_str().split('/').skip(1);
    let first = parts.next();
    let first = if first == Some("on") { parts.nth(1) } else { first };
    first == Some(MAJOR) && parts.next().is_some()
}

/// What the rules say of a move, and where: what nobody says is left out.
fn rules_in_force(terms: &Terms) -> Vec<String> {
    let mut rules = Vec::new();
    if terms.cooldown.source.is_some() {
        rules.push(format!("cooldown: {} hours ({})", terms.cooldown.value / 3_600_000, terms.cooldown.place()));
    }
    let schedule = terms.schedule.as_ref();
    rules.extend(schedule.map(|said| format!("schedule: {} ({})", said.value.written(), said.place())));
    if let Group::Named(name) = &terms.group.value {
        rules.push(format!("group: {name} ({})", terms.group.place()));
    }
    if terms.rebase.source.is_some() {
        rules.push(format!("rebase: {:?} ({})", terms.rebase.value, terms.rebase.place()).to_lowercase());
    }
    rules.extend(terms.reasons.iter().map(|reason| format!("reason: {reason}")));
    rules
}

/// The branch of a topic; two of one name in a repository are told apart by a hash.
fn free_branch(topic: &Topic, base: Option<&BranchName>, taken: &mut BTreeSet<BranchName>) -> BranchName {
    let folder = base.map_or_else(|| "restow".to_owned(), |base| format!("restow/on/{}", folder_of(base)));
    let plain = match topic {
        Topic::Image { image, line, major: false } => format!("{folder}/{}-{line}", slug(&image.familiar())),
        Topic::Image { image, line, major: true } => format!("{folder}/{MAJOR}/{}-{line}", slug(&image.familiar())),
        Topic::Group(name) => format!("{folder}/group/{}", words(name)),
    };
    if let Ok(branch) = BranchName::parse(&plain)
        && taken.insert(branch.clone())
    {
        return branch;
    }
    let (first, second) = topic.key();
    let hash = Digest::sha256_of(format!("{first} {second}").as_bytes());
    let name = topic.image().map_or_else(|| "group".to_owned(), |image| slug(&image.familiar()));
    let safe: String = name.chars().filter(char::is_ascii_alphanumeric).take(100).collect();
    let folder = if matches!(topic, Topic::Image { major: true, .. }) { format!("{folder}/{MAJOR}") } else { folder };
    let branch = BranchName::parse(&format!("{folder}/{safe}-{}", &hash.hex()[..12]))
        .expect("impossible: letters, digits and a hash make a branch name");
    taken.insert(branch.clone());
    branch
}

/// A base branch's name in one part of a branch's: `/` becomes `+`. One that holds `+` itself, or is long, gets a hash.
fn folder_of(base: &BranchName) -> String {
    let name = base.as_str();
    if name.len() <= 60 && !name.contains('+') {
        return name.replace('/', "+");
    }
    let safe: String = name.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    format!("{safe}++{}", &Digest::sha256_of(name.as_bytes()).hex()[..12])
}

/// A group's name in the characters of a branch: `tests and examples` becomes `tests-and-examples`.
fn words(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// An image name in the characters of a branch: `/` becomes `+`, which no image name holds; port and brackets `=`.
fn slug(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '/' => '+',
            ':' | '[' | ']' => '=',
            other => other,
        })
        .collect()
}
