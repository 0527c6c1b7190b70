//! Carries a plan out: brings each change set to where it should be, and takes back what is no longer wanted.

use std::collections::BTreeSet;

use super::gather::Gathered;
use super::observe::observe;
use super::onboard::onboard;
use super::plan::{ENDED, OPEN, change_sets, memory, must_be_asked, next_branch, together};
use super::publish::Publisher;
use super::worker::Guard;
use super::{JobError, Services};
use crate::github::Repo;
use crate::plan::{self, ChangeSet, Hold, HoldCode, Plan};
use crate::policy::Rebase;
use crate::pull::{self, MachineBlock, Step, Wish};
use crate::repo::{BranchName, Moment, PullNumber};
use crate::report::Withdrawal;
use crate::store::PullRow;

pub(super) async fn apply(
    services: &Services,
    gathered: &Gathered,
    plans: &[Plan],
    paced: &plan::Paced,
    guard: &Guard,
) -> Result<(), JobError> {
    let row = &gathered.row;
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let publisher = Publisher { services, repo: &repo, row, tree: gathered.default_tree(), guard };
    for (branch, head) in &gathered.merged {
        guard.check()?;
        // Where somebody pushed to it meanwhile it stays.
        repo.move_branch(branch, head, None).await?;
    }
    if must_be_asked(gathered) {
        let holds: Vec<Hold> = together(plans).holds.into_iter().chain(paced.holds.iter().cloned()).collect();
        let sets = change_sets(plans, gathered);
        return onboard(&publisher, &gathered.known, &publisher.tree.inventory, &sets, &holds).await;
    }
    let (brought, failed) = bring_all(&publisher, gathered, &paced.sets).await?;
    let wanted: BTreeSet<_> = paced.sets.iter().map(|set| &set.branch).chain(&brought).collect();
    for old in gathered.known.iter().filter(|old| old.state == OPEN && !wanted.contains(&old.branch)) {
        let base = memory(old).terms.base;
        let tree = plans.iter().zip(&gathered.trees).find(|(_, tree)| tree.base.other() == base.as_ref());
        let why = match tree {
            Some((plan, _)) if may_only_be_unknown(old, plan) || is_held(old, gathered.now) => continue,
            Some(_) if is_elsewhere(old, gathered) => continue,
            Some((plan, tree)) => {
                let now = services.store.pulls(row.id).await?;
                let number =
                    |set: &ChangeSet| now.iter().find(|row| row.branch == set.branch).and_then(|row| row.number);
                let sets: Vec<&ChangeSet> = paced.sets.iter().filter(|set| set.base == base).collect();
                // What waits is a reason, too.
                let plan = &Plan { holds: plan.holds.iter().chain(&paced.holds).cloned().collect(), ..plan.clone() };
                Withdrawal::of((&old.branch, &images_of(old, gathered)), plan, &tree.rules, &sets, number)
            }
            None => Withdrawal::of_base(base.as_ref(), &gathered.rules),
        };
        withdraw(&publisher.on(tree.map(|(_, tree)| tree)), old, &repo, gathered, &why).await?;
    }
    match failed {
        Some(error @ JobError::Retry { .. }) => Err(error),
        // What trying again does not help waits for the next plan.
        Some(JobError::Permanent(_) | JobError::LeaseLost) | None => Ok(()),
    }
}

/// The images that a pull request moves, as they are kept; of a group what its text says.
fn images_of(old: &PullRow, gathered: &Gathered) -> BTreeSet<String> {
    let block = gathered.open.get(&old.branch).and_then(|pull| MachineBlock::find(&pull.body));
    let moved = block.iter().flat_map(MachineBlock::proposed).map(|one| one.image.to_string());
    let images: BTreeSet<String> = moved.collect();
    if images.is_empty() { BTreeSet::from([old.image.clone()]) } else { images }
}

/// Brings each change set to where it should be. Returns the branches that were taken instead of others, and the last
/// failure that concerns one of them alone: an image that cannot be published keeps no other back.
async fn bring_all(
    publisher: &Publisher<'_>,
    gathered: &Gathered,
    sets: &[ChangeSet],
) -> Result<(Vec<BranchName>, Option<JobError>), JobError> {
    let (mut brought, mut failed) = (Vec::new(), None);
    for set in sets {
        let known = gathered.known.iter().find(|row| row.branch == set.branch);
        if known.is_some_and(|row| is_held(row, gathered.now)) || is_retargeted(set, gathered) {
            continue;
        }
        let publisher = publisher.on(gathered.tree(set.base.as_ref()));
        match bring(&publisher, gathered, set).await {
            Ok(branch) => brought.push(branch),
            Err(error) if error.stops_all() => return Err(error),
            Err(error) => {
                tracing::warn!(branch = %set.branch, %error, "not published");
                failed = Some(error);
            }
        }
    }
    Ok((brought, failed))
}

/// Whether a person let its pull request go to another branch than Restow did: it is left as it is.
fn is_retargeted(set: &ChangeSet, gathered: &Gathered) -> bool {
    let base = gathered.open.get(&set.branch).and_then(|pull| pull.base_branch.as_ref());
    let opened_for = gathered.known.iter().find(|row| row.branch == set.branch).and_then(|row| memory(row).base_branch);
    base.is_some_and(|base| base != base_of(set, gathered) && opened_for.as_ref() != Some(base))
}

/// Whether a person let an open one go to another branch: it is theirs.
fn is_elsewhere(old: &PullRow, gathered: &Gathered) -> bool {
    let base = gathered.open.get(&old.branch).and_then(|pull| pull.base_branch.as_ref());
    let memory = memory(old);
    let meant = memory.terms.base.as_ref().unwrap_or(&gathered.row.default_branch);
    base.is_some_and(|base| base != meant && memory.base_branch.as_ref() != Some(base))
}

/// The branch that a change set goes to.
fn base_of<'a>(set: &'a ChangeSet, gathered: &'a Gathered) -> &'a BranchName {
    set.base.as_ref().unwrap_or(&gathered.row.default_branch)
}

/// Somebody asked to leave it as it is for a while.
fn is_held(row: &PullRow, now: Moment) -> bool {
    row.state == OPEN && memory(row).held_until.is_some_and(|until| until > now)
}

/// A registry that did not answer is no reason to close what it was asked for.
fn may_only_be_unknown(old: &PullRow, plan: &Plan) -> bool {
    let unknown = plan.holds.iter().filter(|hold| hold.code == HoldCode::RegistryUnavailable);
    unknown.map(|hold| hold.site.reference.image().to_string()).any(|image| image == old.image || old.image == "group")
}

/// What is asked for beyond the plan.
pub(super) fn wish(gathered: &Gathered, set: &ChangeSet) -> Wish {
    let known = gathered.known.iter().find(|row| row.branch == set.branch);
    let Some(row) = known.filter(|row| row.state == OPEN) else { return Wish::None };
    let memory = memory(row);
    let stands = gathered.tree(set.base.as_ref()).map(|tree| &tree.snapshot.commit);
    let moved = row.base.as_ref() != stands;
    let other_base = memory.base_branch.as_ref().is_some_and(|base| base != base_of(set, gathered));
    match (memory.recreate, memory.rebase || set.terms.rebase == Rebase::Always) {
        (true, _) => Wish::Recreate,
        (false, _) if other_base => Wish::Rebase,
        (false, true) if moved => Wish::Rebase,
        (false, true | false) => Wish::None,
    }
}

/// Brings one change set to where it should be; the branch on which it then is.
async fn bring(publisher: &Publisher<'_>, gathered: &Gathered, set: &ChangeSet) -> Result<BranchName, JobError> {
    let known = gathered.known.iter().find(|row| row.branch == set.branch);
    let open = gathered.open.get(&set.branch);
    let seen = observe(publisher.services, publisher.repo, &set.branch, publisher.base(), known, open).await?;
    match pull::step(set, &seen, wish(gathered, set)) {
        Step::Nothing => {
            let (number, head) = (seen.pull.as_ref().map(|pull| pull.number), seen.branch.map(|branch| branch.head));
            match (number, known.filter(|row| row.state == OPEN && is_news(set, row))) {
                (Some(number), Some(known)) => publisher.retell(set, number, head, known).await?,
                (_, _) => publisher.remember(set, number, head, known).await?,
            }
        }
        Step::Publish { push, pull } => {
            let head = seen.branch.as_ref().map(|branch| &branch.head);
            publisher.publish(set, push, pull, head, known).await?;
        }
        Step::LeaveAlone(number) => publisher.leave_alone(set, number, known).await?,
        Step::Elsewhere(old) => return Box::pin(elsewhere(publisher, gathered, set, old)).await,
        Step::Respect(number) => publisher.respect(set, number).await?,
    }
    Ok(set.branch.clone())
}

/// Publishes on another branch, since this one became a person's. What is still open there goes last, so that a job
/// that died in between does the same again.
async fn elsewhere(
    publisher: &Publisher<'_>,
    gathered: &Gathered,
    set: &ChangeSet,
    old: Option<PullNumber>,
) -> Result<BranchName, JobError> {
    let known = gathered.known.iter().find(|row| row.branch == set.branch);
    let other = ChangeSet { branch: next_branch(&set.branch), ..set.clone() };
    let branch = bring(publisher, gathered, &other).await?;
    let new = publisher.services.store.pull(gathered.row.id, &branch).await?.and_then(|row| row.number);
    if let (Some(old), Some(new)) = (old, new) {
        publisher.withdraw(old, &set.branch, None, &Withdrawal::replaced(new)).await?;
    }
    if old.is_none() || new.is_some() {
        publisher.give_up(set, old, known).await?;
    }
    Ok(branch)
}

/// Whether other vulnerabilities are known now than the pull request tells of.
fn is_news(set: &ChangeSet, known: &PullRow) -> bool {
    set.vulnerability_print().is_some_and(|print| memory(known).told.as_ref() != Some(&print))
}

/// Takes back what is no longer wanted.
async fn withdraw(
    publisher: &Publisher<'_>,
    old: &PullRow,
    repo: &Repo,
    gathered: &Gathered,
    why: &Withdrawal,
) -> Result<(), JobError> {
    let open = gathered.open.get(&old.branch);
    let seen = observe(publisher.services, repo, &old.branch, publisher.base(), Some(old), open).await?;
    if let Some(number) = pull::withdrawal(&seen) {
        let head = seen.branch.as_ref().map(|branch| &branch.head);
        publisher.withdraw(number, &old.branch, head, why).await?;
    }
    let still_open = seen.pull.as_ref().is_some_and(|pull| pull.state == pull::PullState::Open);
    let state = if still_open && pull::withdrawal(&seen).is_none() { OPEN } else { ENDED };
    let row = PullRow { state: state.to_owned(), updated_at: publisher.services.clock.now(), ..old.clone() };
    publisher.services.store.save_pull(&row).await?;
    Ok(())
}
