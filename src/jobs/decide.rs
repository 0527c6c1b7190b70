//! Decides what moves on each branch: one pure call, again where what is newest is passed over.

use std::collections::BTreeSet;

use super::apply::wish;
use super::bases::Tree;
use super::gather::Gathered;
use super::plan::{OPEN, WORKFLOWS, memory, sets_on};
use super::weigh::Scales;
use super::{JobError, Services};
use crate::github::WorkflowsPermission;
use crate::image::ImageName;
use crate::plan::{self, ChangeSet, Climb, EvidenceMap, HoldCode, Lookup, Marks, MoveKey, Plan};
use crate::pull::{MachineBlock, Wish};
use crate::store::PullRow;

/// How often something older is looked for where the newest is too young.
const MOST_ROUNDS: usize = 5;

/// A plan for each branch, and what they were weighed by.
pub(super) struct Decided {
    /// In the order of the branches.
    pub(super) plans: Vec<Plan>,
    /// Whether an answer is missing that may come soon.
    pub(super) incomplete: bool,
    pub(super) scales: Scales,
}

/// Plans, and where what is newest is too young or worse, plans again without it.
pub(super) async fn decide(services: &Services, gathered: &mut Gathered) -> Result<Decided, JobError> {
    let mut decided = Decided { plans: Vec::new(), incomplete: false, scales: Scales::of(&gathered.rules) };
    for Tree { inventory, rules, .. } in &gathered.trees {
        decided.scales.look_for(inventory, rules);
    }
    for index in 0..gathered.trees.len() {
        decide_one(services, gathered, index, &mut decided).await?;
    }
    Ok(decided)
}

async fn decide_one(
    services: &Services,
    gathered: &mut Gathered,
    index: usize,
    decided: &mut Decided,
) -> Result<(), JobError> {
    let lookups = services.lookups_for(&gathered.row);
    let (mut round, mut climb, now) = (0, Climb::default(), gathered.now);
    loop {
        let Some(tree) = gathered.trees.get(index) else { return Ok(()) };
        let Tree { inventory, rules, constraints, .. } = tree;
        let wanted = plan::wanted_digests(inventory, &gathered.candidates, rules, constraints, now);
        let unknown: BTreeSet<_> =
            wanted.into_iter().filter(|one| !gathered.candidates.digests.contains_key(one)).collect();
        gathered.candidates.digests.extend(lookups.digests(unknown, || ()).await?);
        let mut plan = plan::plan(inventory, &gathered.candidates, rules, constraints, now);
        if gathered.workflows == WorkflowsPermission::Missing {
            let reason = "the App may not change workflow files: give it the permission \"Workflows: read and write\"";
            plan.withhold(WORKFLOWS, HoldCode::PermissionMissing, reason);
        }
        let open = open_moves(gathered, tree, &plan);
        let evidence = assess(services, gathered, &plan, &open).await?;
        plan.weigh(&evidence, rules);
        if let Some(sources) = &services.advisories {
            let changes = decided.scales.compare((&lookups, sources), &plan, &evidence).await?;
            plan.compare(&evidence, &changes, rules);
            plan.keep_marks(&marks(gathered, tree));
        }
        let mut passed = plan.worse();
        passed.extend(plan.too_young(rules, now, &open));
        round += 1;
        let Some(tree) = gathered.trees.get_mut(index) else { return Ok(()) };
        // A better one below the newest is looked for only once nothing worse is proposed.
        let goes_on = match passed.is_empty() {
            true => climb.goes_on(&plan, &mut tree.constraints),
            // What was set aside for a look below it comes back before the search ends.
            false => round <= MOST_ROUNDS || climb.ends(&mut tree.constraints),
        };
        if !goes_on {
            plan.hold_back(&passed);
            decided.incomplete |= gathered.candidates.may_change_soon() || evidence.values().any(Lookup::may_pass);
            decided.plans.push(plan);
            return Ok(());
        }
        tree.constraints.passed.extend(passed);
    }
}

/// The urgent moves of a branch whose pull requests are open.
fn marks(gathered: &Gathered, tree: &Tree) -> Marks {
    let is_urgent = |row: &&PullRow| {
        let memory = memory(row);
        row.state == OPEN && memory.security && memory.terms.base.as_ref() == tree.base.other()
    };
    let moves = |row: &PullRow| {
        let (image, line) = (row.image.clone(), row.line.clone());
        let targets = row.target.split(' ').map(str::to_owned).collect::<Vec<_>>();
        targets.into_iter().map(move |target| (image.clone(), line.clone(), target))
    };
    gathered.known.iter().filter(is_urgent).flat_map(moves).collect()
}

/// The moves whose pull request is open as it would be.
fn open_moves(gathered: &Gathered, tree: &Tree, plan: &Plan) -> BTreeSet<MoveKey> {
    let sets = sets_on(plan, tree, gathered).into_iter().filter(|set| is_as_open(set, gathered));
    sets.flat_map(|set| set.updates).map(|update| update.key()).collect()
}

/// Whether its pull request is open and stays as it is: its text tells what was known when it was written.
fn is_as_open(set: &ChangeSet, gathered: &Gathered) -> bool {
    let fingerprint = set.fingerprint();
    let known = gathered.known.iter().find(|row| row.branch == set.branch && row.fingerprint == fingerprint);
    let Some(open) = gathered.open.get(&set.branch) else { return false };
    let tells = MachineBlock::find(&open.body).is_some_and(|block| block.proposes(&fingerprint));
    tells && known.is_some() && wish(gathered, set) == Wish::None
}

/// Asks what the images are that would be proposed now. What is open already was asked before; it is looked at again
/// where advisories are asked for, since other things may be known of it.
async fn assess(
    services: &Services,
    gathered: &Gathered,
    plan: &Plan,
    open: &BTreeSet<MoveKey>,
) -> Result<EvidenceMap, JobError> {
    let is_asked = |update: &&plan::Update| services.advisories.is_some() || !open.contains(&update.key());
    let subjects = plan::wanted_evidence(plan.updates.iter().filter(is_asked));
    services.lookups_for(&gathered.row).evidence(subjects, || ()).await
}

/// Says what is vulnerable and stays so, and keeps what was weighed.
pub(super) async fn look_at_standing(
    services: &Services,
    gathered: &Gathered,
    plans: &mut [Plan],
    scales: &mut Scales,
) -> Result<(), JobError> {
    let Some(sources) = services.advisories.as_ref() else { return Ok(()) };
    let lookups = services.lookups_for(&gathered.row);
    for (plan, Tree { inventory, rules, .. }) in plans.iter_mut().zip(&gathered.trees) {
        let standing = scales.standing((&lookups, sources), inventory, rules).await?;
        plan.stand(inventory, &standing, rules);
    }
    scales.keep(services, gathered.row.id).await
}

/// Looks at what else the images could move to of which a pull request is about to be opened.
pub(super) async fn look_at_alternatives(
    services: &Services,
    gathered: &Gathered,
    sets: &mut [ChangeSet],
    scales: &mut Scales,
) -> Result<(), JobError> {
    let Some(sources) = services.advisories.as_ref() else { return Ok(()) };
    let lookups = services.lookups_for(&gathered.row);
    for set in sets.iter_mut().filter(|set| !gathered.open.contains_key(&set.branch)) {
        scales.look_at_alternatives((&lookups, sources), set).await?;
    }
    Ok(())
}

/// Says which full versions that stand there are not what they were.
pub(super) async fn look_for_replaced(
    services: &Services,
    gathered: &Gathered,
    plans: &mut [Plan],
) -> Result<(), JobError> {
    let is_listed = |image: &ImageName| matches!(gathered.candidates.tags.get(image), Some(Lookup::Known(_)));
    let lookups = services.lookups_for(&gathered.row);
    for (plan, Tree { inventory, rules, .. }) in plans.iter_mut().zip(&gathered.trees) {
        let watched = plan::watched_tags(inventory, rules).into_iter().filter(|(image, _)| is_listed(image)).collect();
        let replaced = lookups.replaced(watched).await?;
        plan.tell_replaced(inventory, rules, &replaced);
    }
    Ok(())
}
