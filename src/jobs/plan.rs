//! Decides what moves in a repository, and brings GitHub there.

use std::collections::BTreeSet;
use std::time::Duration;

use super::apply::apply;
use super::bases::Tree;
use super::dashboard::{self, Shown};
use super::decide::{Decided, decide, look_at_alternatives, look_at_standing, look_for_replaced};
use super::gather::{Gathered, Readiness, gather};
use super::kind::{RepoPayload, plan_job, scan_job, watch_job};
use super::worker::Guard;
use super::{JobError, Services, record};
use crate::plan::{self, ChangeSet, Hold, Pace, Passed, Plan};
use crate::policy::Rules;
use crate::pull::Memory;
use crate::repo::{BranchName, Moment};
use crate::store::{NewJob, PullRow, RepositoryRow};

/// A pull request row's state while the pull request is open.
pub(super) const OPEN: &str = "open";
/// What lies here only an App with a permission of its own may change.
pub(super) const WORKFLOWS: &str = ".github/workflows/";
pub(super) const ENDED: &str = "ended";
/// When a plan is made again that lacked the answer of a registry.
const SOON: Duration = Duration::from_secs(30 * 60);

/// Runs the job.
pub(super) async fn run(services: &Services, payload: &RepoPayload, guard: &Guard) -> Result<Vec<NewJob>, JobError> {
    let mut gathered = match gather(services, payload, None).await? {
        Readiness::Ready(gathered) => gathered,
        Readiness::Outdated(row) => {
            return Ok(vec![scan_job(row.installation, row.id, &row.name, services.clock.now())]);
        }
        Readiness::Unruly(row) => {
            let again = next_plan(services, services.clock.now(), true, std::iter::empty());
            return Ok(vec![plan_job(row.installation, row.id, &row.name, again)]);
        }
        Readiness::NothingToDo => return Ok(Vec::new()),
    };
    let Decided { mut plans, incomplete, mut scales } = decide(services, &mut gathered).await?;
    if !must_be_asked(&gathered) {
        look_at_standing(services, &gathered, &mut plans, &mut scales).await?;
    }
    look_for_replaced(services, &gathered, &mut plans).await?;
    let sets = change_sets(&plans, &gathered);
    let mut paced = plan::paced(sets, &pace(&gathered), &gathered.rules, gathered.now);
    hold_new(services, &gathered, &mut paced).await?;
    if !must_be_asked(&gathered) {
        look_at_alternatives(services, &gathered, &mut paced.sets, &mut scales).await?;
    }
    let plan = together(&plans);
    tell(&plan, &paced);
    record::of_holds(services, &gathered.row, plan.holds.iter().chain(&paced.holds)).await?;
    // Only what is to be done needs to know what GitHub has now: an unchanged repository costs nothing.
    let acts = !paced.sets.is_empty() || gathered.known.iter().any(|row| row.state == OPEN) || must_be_asked(&gathered);
    match if acts { standing(services, &gathered, &paced.sets).await? } else { Standing::Same } {
        Standing::Same => {}
        Standing::Moved => {
            let row = &gathered.row;
            return Ok(vec![scan_job(row.installation, row.id, &row.name, gathered.now)]);
        }
        Standing::Gone => return Ok(Vec::new()),
    }
    let mut again = None;
    match apply(services, &gathered, &plans, &paced, guard).await {
        // What GitHub takes of this installation was used up on the way: the rest says so and waits.
        Err(JobError::Retry { after: Some(after), reason }) => match hold_new(services, &gathered, &mut paced).await? {
            Some(until) => {
                record::of_holds(services, &gathered.row, plan.holds.iter().chain(&paced.holds)).await?;
                again = Some(until);
            }
            None => return Err(JobError::Retry { after: Some(after), reason }),
        },
        done => done?,
    }
    if gathered.rules.dashboard.value {
        let repo =
            services.github.installation(gathered.row.installation).repository(gathered.row.id, &gathered.row.name);
        let shown =
            Shown { plan: &plan, waiting: &paced.holds, passed: passed(&gathered), problems: problems(&gathered) };
        guard.check()?;
        dashboard::write(services, &repo, &gathered.row, &shown, gathered.boxes).await?;
    }
    let row = &gathered.row;
    let holds = plan.holds.iter().chain(&paced.holds);
    let next = next_plan(services, gathered.now, incomplete, holds);
    let next = again.map_or(next, |again: Moment| again.min(next));
    let mut jobs = vec![plan_job(row.installation, row.id, &row.name, next)];
    if services.store.pulls(row.id).await?.iter().any(|row| row.state == OPEN) {
        jobs.push(watch_job(row.installation, row.id, &row.name, gathered.now));
    }
    Ok(jobs)
}

/// Holds what is not open yet where the repository has used up its share of what GitHub takes within a minute or an
/// hour; until when, where it has.
async fn hold_new(
    services: &Services,
    gathered: &Gathered,
    paced: &mut plan::Paced,
) -> Result<Option<Moment>, JobError> {
    let row = &gathered.row;
    let Some(until) = services.github.begins_at(row.installation, row.id).await? else { return Ok(None) };
    let open = services.store.pulls(row.id).await?.into_iter().filter(|known| known.state == OPEN);
    let open: BTreeSet<BranchName> = open.map(|known| known.branch).collect();
    plan::hold_unopened(paced, &open, until);
    Ok(Some(until))
}

/// What could not be read.
fn problems(gathered: &Gathered) -> Vec<(String, String)> {
    let of = |tree: &Tree| {
        let base = tree.base.other().map(|base| format!("{base}: ")).unwrap_or_default();
        let problems = tree.inventory.problems.iter();
        problems.map(|one| (format!("{base}{}", one.path), one.message.clone())).collect::<Vec<_>>()
    };
    let left_out = gathered.left_out.iter().map(|name| {
        (name.to_string(), "more branches match than Restow keeps up to date: this one is left out".to_owned())
    });
    gathered.trees.iter().flat_map(of).chain(left_out).collect()
}

/// What is passed over, on whatever branch.
fn passed(gathered: &Gathered) -> Vec<&Passed> {
    let mut all: Vec<&Passed> = Vec::new();
    for one in gathered.trees.iter().flat_map(|tree| &tree.constraints.passed) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// The plans of all branches, as one to be told of.
pub(super) fn together(plans: &[Plan]) -> Plan {
    let mut all = Plan::default();
    for plan in plans {
        all.updates.extend(plan.updates.iter().cloned());
        all.holds.extend(plan.holds.iter().cloned());
        for one in &plan.unfixed {
            if !all.unfixed.contains(one) {
                all.unfixed.push(one.clone());
            }
        }
        for one in &plan.ends {
            if !all.ends.contains(one) {
                all.ends.push(one.clone());
            }
        }
    }
    all
}

/// The change sets, called as the rules want or, where they say nothing, as the repository calls its commits.
pub(super) fn change_sets(plans: &[Plan], gathered: &Gathered) -> Vec<ChangeSet> {
    plans.iter().zip(&gathered.trees).flat_map(|(plan, tree)| sets_on(plan, tree, gathered)).collect()
}

/// Those of one branch.
pub(super) fn sets_on(plan: &Plan, tree: &Tree, gathered: &Gathered) -> Vec<ChangeSet> {
    let mut sets = plan::change_sets(plan, &tree.rules);
    for set in &mut sets {
        while is_theirs(&set.branch, &gathered.known) {
            set.branch = next_branch(&set.branch);
        }
    }
    if let Some(style) = &gathered.commit_style {
        for set in sets.iter_mut().filter(|set| set.terms.commit.prefix.is_none()) {
            set.terms.commit.prefix.clone_from(&style.prefix);
            if set.terms.commit.scope.is_none() {
                set.terms.commit.scope.clone_from(&style.scope);
            }
        }
    }
    sets
}

/// Whether a person's work lies there, which Restow left to them.
fn is_theirs(branch: &BranchName, known: &[PullRow]) -> bool {
    known.iter().any(|row| row.branch == *branch && memory(row).theirs)
}

/// The branch to take where this one is a person's: `restow/nginx-x.y--2`.
pub(super) fn next_branch(branch: &BranchName) -> BranchName {
    let (plain, number) = match branch.as_str().rsplit_once("--") {
        Some((plain, number)) => (plain, number.parse::<u32>().ok()),
        None => (branch.as_str(), None),
    };
    let next = match number {
        Some(number) => format!("{plain}--{}", number.saturating_add(1)),
        None => format!("{branch}--2"),
    };
    BranchName::parse(&next).expect("impossible: digits at its end leave it a branch name")
}

/// Where the base branches stand, seen from the scan.
enum Standing {
    Same,
    Moved,
    Gone,
}

/// The default branch, and of the others those for which something is done.
async fn standing(services: &Services, gathered: &Gathered, sets: &[ChangeSet]) -> Result<Standing, JobError> {
    let row = &gathered.row;
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    for tree in &gathered.trees {
        let base = tree.base.other();
        let open = |known: &PullRow| known.state == OPEN && memory(known).terms.base.as_ref() == base;
        let acts =
            base.is_none() || sets.iter().any(|set| set.base.as_ref() == base) || gathered.known.iter().any(open);
        if !acts {
            continue;
        }
        match repo.branch_head(tree.base.name()).await? {
            Some(head) if head == tree.snapshot.commit => {}
            None if base.is_none() => return Ok(Standing::Gone),
            Some(_) | None => return Ok(Standing::Moved),
        }
    }
    Ok(Standing::Same)
}

/// When the next plan is due: at the usual time, or as soon as something that waits may go on. A registry that was away
/// for a moment does not cost the repository a whole interval.
fn next_plan<'a>(services: &Services, now: Moment, incomplete: bool, holds: impl Iterator<Item = &'a Hold>) -> Moment {
    let interval = match incomplete {
        true => services.times.plans.min(SOON),
        false => services.times.plans,
    };
    let usual = now.plus_ms(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX));
    holds.filter_map(|hold| hold.until).filter(|until| *until > now).fold(usual, Moment::min)
}

/// What other rules would change.
#[derive(Debug, Default)]
pub(super) struct Foresight {
    /// The titles of the pull requests that would open.
    pub(super) opens: Vec<String>,
    /// The branches of those that would close.
    pub(super) closes: Vec<String>,
}

/// Plans by other rules than those in force, and does nothing.
pub(super) async fn foresee(services: &Services, row: &RepositoryRow, rules: Rules) -> Result<Foresight, JobError> {
    let payload = RepoPayload { installation: row.installation, repo: row.id, name: row.name.clone(), ticked: false };
    let Readiness::Ready(mut gathered) = gather(services, &payload, Some(rules)).await? else {
        return Ok(Foresight::default());
    };
    let Decided { plans, .. } = decide(services, &mut gathered).await?;
    let pace = pace(&gathered);
    let paced = plan::paced(change_sets(&plans, &gathered), &pace, &gathered.rules, gathered.now);
    let wanted: BTreeSet<_> = paced.sets.iter().map(|set| &set.branch).collect();
    let new = paced.sets.iter().filter(|set| !gathered.open.contains_key(&set.branch));
    let closes = gathered.open.keys().filter(|branch| !wanted.contains(branch)).map(ToString::to_string);
    Ok(Foresight { opens: new.map(crate::report::pull_title).collect(), closes: closes.collect() })
}

fn pace(gathered: &Gathered) -> Pace {
    let is_urgent = |row: &&PullRow| row.state == OPEN && memory(row).security;
    let urgent = gathered.known.iter().filter(is_urgent).map(|row| row.branch.clone());
    Pace {
        open: gathered.open.keys().cloned().collect(),
        urgent: urgent.filter(|branch| gathered.open.contains_key(branch)).collect(),
        opened: gathered.opened.clone(),
    }
}

/// A repository without a file of its own is asked first, unless somebody farther says otherwise.
pub(super) fn must_be_asked(gathered: &Gathered) -> bool {
    let rules = &gathered.rules;
    gathered.file.is_none() && rules.onboarding.value && rules.enabled.value
}

/// What Restow remembers of a branch; nothing of one that an older version wrote.
pub(super) fn memory(row: &PullRow) -> Memory {
    serde_json::from_value(row.notes.clone()).unwrap_or_default()
}

fn tell(plan: &Plan, paced: &plan::Paced) {
    let holds = plan.holds.len() + paced.holds.len();
    tracing::info!(updates = plan.updates.len(), change_sets = paced.sets.len(), holds, "planned");
    for hold in plan.holds.iter().chain(&paced.holds) {
        tracing::debug!(site = %hold.site.path, line = hold.site.line, reason = %hold.reason, "held");
    }
}
