//! Full versions whose content changed under the name that stands in a repository: somebody published something else as
//! what was there already.

use std::collections::{BTreeMap, BTreeSet};

use super::allowed_sites;
use super::update::{Hold, HoldCode, Plan};
use crate::formats::Inventory;
use crate::image::{Digest, ImageName, Tag};
use crate::policy::Rules;
use crate::repo::Moment;
use crate::tag::is_full_version;

/// What a full version pointed at, and points at now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// What it pointed at.
    pub before: Digest,
    /// When that was last seen there.
    pub until: Moment,
    /// What it points at now.
    pub now: Digest,
}

/// The full versions that stand in a repository without a digest: who pulls one gets what it points at now.
pub fn watched_tags(inventory: &Inventory, rules: &Rules) -> BTreeSet<(ImageName, Tag)> {
    let unpinned = allowed_sites(inventory, rules).map(|site| &site.reference).filter(|one| one.digest().is_none());
    let tagged = unpinned.filter_map(|one| Some((one.image().clone(), one.tag()?.clone())));
    tagged.filter(|(_, tag)| is_full_version(tag)).collect()
}

impl Plan {
    /// Says at each site of a tag whose content was replaced that it was.
    pub fn tell_replaced(
        &mut self,
        inventory: &Inventory,
        rules: &Rules,
        replaced: &BTreeMap<(ImageName, Tag), Replaced>,
    ) {
        for site in allowed_sites(inventory, rules).filter(|site| site.reference.digest().is_none()) {
            let Some(tag) = site.reference.tag() else { continue };
            let Some(found) = replaced.get(&(site.reference.image().clone(), tag.clone())) else { continue };
            let reason = format!(
                "{tag} pointed at {} until {} at least, and points at {} now, although a full version usually stays as it \
                 is: make sure who published it",
                found.before.short(),
                found.until,
                found.now.short()
            );
            self.holds.push(Hold::new(site, HoldCode::ContentReplaced, reason));
        }
    }
}
