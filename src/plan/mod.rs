//! The decision: inventory + candidates + rules + now → plan → change sets.
//!
//! Pure: the same inputs give the same plan, byte for byte. What the decision needs from registries is asked for in
//! two steps, so that only the digests that matter are looked up: [`wanted_digests`] names them once the tags are
//! known, [`plan`] decides once they are there.

mod candidates;
mod change_set;
mod climb;
mod constraints;
mod evidence;
mod pace;
mod replaced;
mod security;
mod select;
mod snapshot;
mod update;

use std::collections::BTreeSet;

use crate::formats::{Inventory, Site};
use crate::image::{ImageName, Tag};
use crate::policy::{Decision, Rules};
use crate::repo::Moment;

pub use candidates::{Candidates, Completeness, Lookup, TagList};
pub use change_set::{ChangeSet, Left, Move, SetTerms, Topic, change_sets, is_major_branch};
pub use climb::Climb;
pub use constraints::{Constraints, Passed, PassedOver};
pub use evidence::{Age, Claim, Claimed, Depth, Evidence, EvidenceMap, Labels, Platforms, Subject, wanted_evidence};
pub use pace::{Pace, Paced, hold_unopened, paced};
pub use replaced::{Replaced, watched_tags};
pub use security::{ContentPair, Marks, Standing, Unfixed};
pub use snapshot::{Snapshot, SnapshotFile};
pub use update::{Alternative, Hold, HoldCode, Kept, MoveKey, Plan, Present, Update};

use select::Selector;

/// The images whose tags the plan of this inventory needs: those of every site that the rules do not ignore.
pub fn wanted_images(inventory: &Inventory, rules: &Rules) -> BTreeSet<ImageName> {
    allowed_sites(inventory, rules).map(|site| site.reference.image().clone()).collect()
}

/// The sites that the rules do not leave alone.
pub fn allowed_sites<'a>(inventory: &'a Inventory, rules: &'a Rules) -> impl Iterator<Item = &'a Site> {
    let is_allowed = |site: &&Site| rules.enabled.value && matches!(rules.decide(site), Decision::Allowed(_));
    inventory.sites.iter().filter(is_allowed)
}

/// The tags whose digests the plan needs, given the tag lists in `candidates`.
pub fn wanted_digests(
    inventory: &Inventory,
    candidates: &Candidates,
    rules: &Rules,
    constraints: &Constraints,
    now: Moment,
) -> BTreeSet<(ImageName, Tag)> {
    if !rules.enabled.value {
        return BTreeSet::new();
    }
    let selector = Selector::new(candidates, rules, constraints, now);
    inventory.sites.iter().flat_map(|site| selector.wanted_digests(site)).collect()
}

/// Decides what moves and what does not, with the reason for each.
pub fn plan(
    inventory: &Inventory,
    candidates: &Candidates,
    rules: &Rules,
    constraints: &Constraints,
    now: Moment,
) -> Plan {
    let mut plan = Plan::default();
    if !rules.enabled.value {
        let reason = format!("enabled is false: {}", rules.enabled.place());
        plan.holds.extend(inventory.sites.iter().map(|site| Hold::new(site, HoldCode::Disabled, reason.clone())));
        return plan;
    }
    let selector = Selector::new(candidates, rules, constraints, now);
    for site in &inventory.sites {
        let decided = selector.decide(site);
        plan.updates.extend(decided.updates);
        plan.holds.extend(decided.holds);
    }
    plan
}
