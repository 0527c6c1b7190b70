//! Change sets: one branch for each image and line, all its sites moved together.

use std::collections::{BTreeMap, BTreeSet};

use super::update::{Plan, Update};
use crate::formats::{EditRefusal, Site};
use crate::image::{Digest, ImageName, Reference};
use crate::policy::UpdateKind;
use crate::repo::BranchName;

/// One branch: the moves it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// The image that moves.
    pub image: ImageName,
    /// The line that its sites follow.
    pub line: String,
    /// `restow/<image>-<line>`.
    pub branch: BranchName,
    /// The moves, in order of path and line; never empty in a plan.
    pub updates: Vec<Update>,
    /// The moves that the files' bytes do not allow.
    pub left: Vec<Left>,
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
    fn meant(&self) -> impl Iterator<Item = &Update> {
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

    /// The largest kind among the moves.
    pub fn kind(&self) -> UpdateKind {
        self.updates.iter().map(|update| update.kind).max().unwrap_or(UpdateKind::Digest)
    }
}

fn tag_and_digest(reference: &Reference) -> String {
    let tag = reference.tag().map_or("", |tag| tag.as_str());
    match reference.digest() {
        Some(digest) => format!("{tag}@{digest}"),
        None => tag.to_owned(),
    }
}

/// The change sets of a plan, in order of image and line.
pub fn change_sets(plan: &Plan) -> Vec<ChangeSet> {
    let mut groups: BTreeMap<(&ImageName, &str), Vec<Update>> = BTreeMap::new();
    for update in &plan.updates {
        groups.entry((update.site.reference.image(), &update.line)).or_default().push(update.clone());
    }
    let mut taken = BTreeSet::new();
    groups
        .into_iter()
        .map(|((image, line), updates)| {
            let branch = free_branch(image, line, &mut taken);
            ChangeSet { image: image.clone(), line: line.to_owned(), branch, updates, left: Vec::new() }
        })
        .collect()
}

/// The branch of an image and line; two of one name in a repository are told apart by a hash.
fn free_branch(image: &ImageName, line: &str, taken: &mut BTreeSet<BranchName>) -> BranchName {
    let plain = format!("restow/{}-{line}", slug(&image.familiar()));
    if let Ok(branch) = BranchName::parse(&plain)
        && taken.insert(branch.clone())
    {
        return branch;
    }
    let hash = Digest::sha256_of(format!("{image} {line}").as_bytes());
    let safe: String = slug(&image.familiar()).chars().filter(char::is_ascii_alphanumeric).take(100).collect();
    let branch = BranchName::parse(&format!("restow/{safe}-{}", &hash.hex()[..12]))
        .expect("impossible: letters, digits and a hash make a branch name");
    taken.insert(branch.clone());
    branch
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
