//! Decides what moves on each branch: one pure call, again where what is newest is passed over.

use std::collections::BTreeSet;

use super::bases::Tree;
use super::plan::{Gathered, WORKFLOWS};
use super::weigh::Scales;
use super::{JobError, Services};
use crate::github::WorkflowsPermission;
use crate::plan::{self, ChangeSet, EvidenceMap, HoldCode, Lookup, Plan};
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
    let mut decided = Decided { plans: Vec::new(), incomplete: false, scales: Scales::default() };
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
    let mut round = 0;
    loop {
        let Some(Tree { inventory, rules, constraints, .. }) = gathered.trees.get(index) else { return Ok(()) };
        let now = gathered.now;
        let wanted = plan::wanted_digests(inventory, &gathered.candidates, rules, constraints, now);
        let unknown: BTreeSet<_> =
            wanted.into_iter().filter(|one| !gathered.candidates.digests.contains_key(one)).collect();
        gathered.candidates.digests.extend(lookups.digests(unknown, || ()).await?);
        let mut plan = plan::plan(inventory, &gathered.candidates, rules, constraints, now);
        if gathered.workflows == WorkflowsPermission::Missing {
            let reason = "the App may not change workflow files: give it the permission \"Workflows: read and write\"";
            plan.withhold(WORKFLOWS, HoldCode::PermissionMissing, reason);
        }
        let evidence = assess(services, gathered, index, &plan).await?;
        plan.weigh(&evidence, rules);
        if let Some(sources) = &services.advisories {
            let changes = decided.scales.compare((&lookups, sources), &plan, &evidence).await?;
            plan.compare(&evidence, &changes, rules);
        }
        let mut passed = plan.worse();
        passed.extend(plan.too_young(rules, now));
        round += 1;
        if passed.is_empty() || round > MOST_ROUNDS {
            decided.incomplete |= gathered.candidates.may_change_soon() || evidence.values().any(Lookup::may_pass);
            decided.plans.push(plan);
            return Ok(());
        }
        if let Some(tree) = gathered.trees.get_mut(index) {
            tree.constraints.passed.extend(passed);
        }
    }
}

/// Asks what the images are that would be proposed now; what is open already was asked before.
async fn assess(services: &Services, gathered: &Gathered, index: usize, plan: &Plan) -> Result<EvidenceMap, JobError> {
    let Some(tree) = gathered.trees.get(index) else { return Ok(EvidenceMap::default()) };
    let is_open = |set: &ChangeSet| {
        let fingerprint = set.fingerprint();
        let same = |row: &&PullRow| row.branch == set.branch && row.fingerprint == fingerprint;
        gathered.open.contains_key(&set.branch) && gathered.known.iter().any(|row| same(&row))
    };
    let new: Vec<ChangeSet> = plan::change_sets(plan, &tree.rules).into_iter().filter(|set| !is_open(set)).collect();
    let subjects = plan::wanted_evidence(new.iter().flat_map(|set| &set.updates));
    services.lookups_for(&gathered.row).evidence(subjects, || ()).await
}

/// Says what is vulnerable and stays so, and keeps what was weighed.
pub(super) async fn look_at_standing(
    services: &Services,
    gathered: &Gathered,
    plans: &mut [Plan],
    mut scales: Scales,
) -> Result<(), JobError> {
    let Some(sources) = services.advisories.as_ref() else { return Ok(()) };
    let lookups = services.lookups_for(&gathered.row);
    for (plan, Tree { inventory, rules, .. }) in plans.iter_mut().zip(&gathered.trees) {
        let standing = scales.standing((&lookups, sources), inventory, rules).await?;
        plan.stand(inventory, &standing, rules);
    }
    scales.keep(services, gathered.row.id).await
}
