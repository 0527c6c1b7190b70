//! Decides what moves in a repository, and brings GitHub there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::closed::look_at_open;
use super::dashboard::{self, Shown};
use super::installation::is_stopped;
use super::kind::{RepoPayload, plan_job, scan_job, watch_job};
use super::observe::observe;
use super::onboard::onboard;
use super::publish::Publisher;
use super::rules::rules_of;
use super::scan::StoredScan;
use super::weigh::Scales;
use super::worker::Guard;
use super::{JobError, Services, preview, record};
use crate::formats::EXTRACTOR_VERSION;
use crate::github::{Pull, Repo, WorkflowsPermission};
use crate::image::ImageName;
use crate::plan::{self, Candidates, ChangeSet, Constraints, EvidenceMap, Hold, HoldCode, Lookup, Pace, Passed, Plan};
use crate::policy::{Rebase, Rules};
use crate::pull::{self, Memory, Step, Wish};
use crate::repo::{BranchName, Moment};
use crate::report::Withdrawal;
use crate::store::{Ignore, NewJob, PullRow, RepositoryRow, RepositoryState};

/// A pull request row's state while the pull request is open.
pub(super) const OPEN: &str = "open";
/// What lies here only an App with a permission of its own may change.
const WORKFLOWS: &str = ".github/workflows/";
pub(super) const ENDED: &str = "ended";
/// When a plan is made again that lacked the answer of a registry.
const SOON: Duration = Duration::from_secs(30 * 60);
/// How often something older is looked for where the newest is too young.
const MOST_ROUNDS: usize = 5;

/// What was read before anything is decided.
struct Gathered {
    row: RepositoryRow,
    scan: StoredScan,
    rules: Rules,
    candidates: Candidates,
    constraints: Constraints,
    /// Whether workflow files may be changed; asked for only where some name images.
    workflows: WorkflowsPermission,
    /// The rows of Restow's branches.
    known: Vec<PullRow>,
    /// Those of them that GitHub shows open.
    open: BTreeMap<BranchName, Pull>,
    /// Whether somebody ticked a box of the dashboard, which now is to be cleared.
    boxes: bool,
    now: Moment,
}

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
    let Decided { mut plan, incomplete, scales } = decide(services, &mut gathered).await?;
    look_at_standing(services, &gathered, &mut plan, scales).await?;
    look_for_replaced(services, &gathered, &mut plan).await?;
    let sets = change_sets(&plan, &gathered);
    let paced = plan::paced(sets, &pace(&gathered), &gathered.rules, gathered.now);
    tell(&plan, &paced);
    record::of_holds(services, &gathered.row, plan.holds.iter().chain(&paced.holds)).await?;
    // Only what is to be done needs to know what GitHub has now: an unchanged repository costs nothing.
    let acts = !paced.sets.is_empty() || gathered.known.iter().any(|row| row.state == OPEN) || must_be_asked(&gathered);
    match if acts { standing(services, &gathered).await? } else { Standing::Same } {
        Standing::Same => {}
        Standing::Moved => {
            let row = &gathered.row;
            return Ok(vec![scan_job(row.installation, row.id, &row.name, gathered.now)]);
        }
        Standing::Gone => return Ok(Vec::new()),
    }
    apply(services, &gathered, &plan, &paced, guard).await?;
    if gathered.rules.dashboard.value {
        let repo =
            services.github.installation(gathered.row.installation).repository(gathered.row.id, &gathered.row.name);
        let problems = gathered.scan.inventory.problems.iter();
        let shown = Shown {
            plan: &plan,
            waiting: &paced.holds,
            constraints: &gathered.constraints,
            problems: problems.map(|problem| (problem.path.to_string(), problem.message.clone())).collect(),
        };
        guard.check()?;
        dashboard::write(services, &repo, &gathered.row, &shown, gathered.boxes).await?;
    }
    let row = &gathered.row;
    let holds = plan.holds.iter().chain(&paced.holds);
    let next = next_plan(services, gathered.now, incomplete, holds);
    let mut jobs = vec![plan_job(row.installation, row.id, &row.name, next)];
    if services.store.pulls(row.id).await?.iter().any(|row| row.state == OPEN) {
        jobs.push(watch_job(row.installation, row.id, &row.name, gathered.now));
    }
    Ok(jobs)
}

/// The change sets, called as the rules want or, where they say nothing, as the repository calls its commits.
fn change_sets(plan: &Plan, gathered: &Gathered) -> Vec<ChangeSet> {
    let mut sets = plan::change_sets(plan, &gathered.rules);
    if let Some(style) = &gathered.scan.commit_style {
        for set in sets.iter_mut().filter(|set| set.terms.commit.prefix.is_none()) {
            set.terms.commit.prefix.clone_from(&style.prefix);
            if set.terms.commit.scope.is_none() {
                set.terms.commit.scope.clone_from(&style.scope);
            }
        }
    }
    sets
}

/// Where the default branch stands, seen from the scan.
enum Standing {
    Same,
    Moved,
    Gone,
}

async fn standing(services: &Services, gathered: &Gathered) -> Result<Standing, JobError> {
    let row = &gathered.row;
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    Ok(match repo.branch_head(&row.default_branch).await? {
        Some(head) if head == gathered.scan.snapshot.commit => Standing::Same,
        Some(_) => Standing::Moved,
        None => Standing::Gone,
    })
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
    let payload = RepoPayload { installation: row.installation, repo: row.id, name: row.name.clone() };
    let Readiness::Ready(mut gathered) = gather(services, &payload, Some(rules)).await? else {
        return Ok(Foresight::default());
    };
    let Decided { plan, .. } = decide(services, &mut gathered).await?;
    let pace = pace(&gathered);
    let paced = plan::paced(change_sets(&plan, &gathered), &pace, &gathered.rules, gathered.now);
    let wanted: BTreeSet<_> = paced.sets.iter().map(|set| &set.branch).collect();
    let new = paced.sets.iter().filter(|set| !gathered.open.contains_key(&set.branch));
    let closes = gathered.open.keys().filter(|branch| !wanted.contains(branch)).map(ToString::to_string);
    Ok(Foresight { opens: new.map(crate::report::pull_title).collect(), closes: closes.collect() })
}

fn pace(gathered: &Gathered) -> Pace {
    Pace {
        open: gathered.open.keys().cloned().collect(),
        opened: gathered.known.iter().filter_map(|row| row.opened_at).collect(),
    }
}

/// Whether there is something to plan.
enum Readiness {
    Ready(Box<Gathered>),
    /// The scan is missing or of another version.
    Outdated(Box<RepositoryRow>),
    /// What the configuration builds upon is wrong: nothing is done until it is mended.
    Unruly(Box<RepositoryRow>),
    NothingToDo,
}

/// Reads what a plan needs; `rules` in the place of those in force.
async fn gather(services: &Services, payload: &RepoPayload, rules: Option<Rules>) -> Result<Readiness, JobError> {
    let Some(row) = services.store.repository(payload.repo).await? else { return Ok(Readiness::NothingToDo) };
    if row.state != RepositoryState::Active || is_stopped(services, row.installation).await? {
        return Ok(Readiness::NothingToDo);
    }
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let scan = row.inventory.clone().and_then(|json| serde_json::from_value::<StoredScan>(json).ok());
    let Some(scan) = scan.filter(|scan| scan.extractor == EXTRACTOR_VERSION) else {
        return Ok(Readiness::Outdated(Box::new(row)));
    };
    let rules = match rules {
        Some(rules) => rules,
        None => match rules_of(services, &row, &scan).await {
            Ok(rules) => rules,
            Err(wrong) => {
                preview::tell_wrong(&repo, &scan.snapshot.commit, &wrong).await?;
                return Ok(Readiness::Unruly(Box::new(row)));
            }
        },
    };
    let open = look_at_open(services, &repo, &row).await?;
    // Before what is ignored is read: a box may have changed it.
    let boxes = rules.dashboard.value && dashboard::obey(services, &repo, &row).await?;
    let now = services.clock.now();
    let constraints = constraints(&services.store.ignores(row.id, now).await?);
    let tags = services.lookups_for(&row).tags(plan::wanted_images(&scan.inventory, &rules), || ()).await?;
    let candidates = Candidates { tags, digests: BTreeMap::new() };
    let in_workflows = scan.inventory.sites.iter().any(|site| site.path.as_str().starts_with(WORKFLOWS));
    let workflows = match in_workflows {
        true => repo.workflows_permission().await?,
        false => WorkflowsPermission::Granted,
    };
    let known = services.store.pulls(row.id).await?;
    let gathered = Gathered { row, scan, rules, candidates, constraints, workflows, known, open, boxes, now };
    Ok(Readiness::Ready(Box::new(gathered)))
}

/// What people do not want, in the words of the plan.
fn constraints(ignores: &[Ignore]) -> Constraints {
    let passed = ignores.iter().map(|ignore| {
        let who = if ignore.author.is_empty() { "somebody".to_owned() } else { format!("@{}", ignore.author) };
        let at = ignore.pull.map(|pull| format!(" at #{}", pull.0)).unwrap_or_default();
        let until = ignore.until.map(|until| format!(", until {until}")).unwrap_or_default();
        Passed {
            image: ignore.image.clone(),
            line: ignore.line.clone(),
            group: ignore.group.clone(),
            what: ignore.what.clone(),
            code: if ignore.until.is_some() { HoldCode::PutOff } else { HoldCode::IgnoredByPerson },
            reason: format!("{who} said{at} on {}: {}{until}", ignore.at, ignore.reason),
            until: ignore.until,
        }
    });
    Constraints { passed: passed.collect() }
}

/// A plan, and what it was weighed by.
struct Decided {
    plan: Plan,
    /// Whether an answer is missing that may come soon.
    incomplete: bool,
    scales: Scales,
}

/// Says what is vulnerable and stays so, and keeps what was weighed.
async fn look_at_standing(
    services: &Services,
    gathered: &Gathered,
    plan: &mut Plan,
    mut scales: Scales,
) -> Result<(), JobError> {
    // Who is still to be asked is shown updates only.
    let Some(sources) = services.advisories.as_ref().filter(|_| !must_be_asked(gathered)) else { return Ok(()) };
    let (inventory, rules) = (&gathered.scan.inventory, &gathered.rules);
    let lookups = services.lookups_for(&gathered.row);
    let standing = scales.standing((&lookups, sources), inventory, rules).await?;
    plan.stand(inventory, &standing, rules);
    scales.keep(services, gathered.row.id).await
}

/// Says which full versions that stand there are not what they were.
async fn look_for_replaced(services: &Services, gathered: &Gathered, plan: &mut Plan) -> Result<(), JobError> {
    let (inventory, rules) = (&gathered.scan.inventory, &gathered.rules);
    let is_listed = |image: &ImageName| matches!(gathered.candidates.tags.get(image), Some(Lookup::Known(_)));
    let watched = plan::watched_tags(inventory, rules).into_iter().filter(|(image, _)| is_listed(image)).collect();
    let replaced = services.lookups_for(&gathered.row).replaced(watched).await?;
    plan.tell_replaced(inventory, rules, &replaced);
    Ok(())
}

/// Plans, and where what is newest is too young or worse, plans again without it.
async fn decide(services: &Services, gathered: &mut Gathered) -> Result<Decided, JobError> {
    let lookups = services.lookups_for(&gathered.row);
    let (mut scales, mut round) = (Scales::default(), 0);
    loop {
        let (inventory, rules, now) = (&gathered.scan.inventory, &gathered.rules, gathered.now);
        let wanted = plan::wanted_digests(inventory, &gathered.candidates, rules, &gathered.constraints, now);
        let unknown: BTreeSet<_> =
            wanted.into_iter().filter(|one| !gathered.candidates.digests.contains_key(one)).collect();
        gathered.candidates.digests.extend(lookups.digests(unknown, || ()).await?);
        let mut plan = plan::plan(inventory, &gathered.candidates, rules, &gathered.constraints, now);
        if gathered.workflows == WorkflowsPermission::Missing {
            let reason = "the App may not change workflow files: give it the permission \"Workflows: read and write\"";
            plan.withhold(WORKFLOWS, HoldCode::PermissionMissing, reason);
        }
        let evidence = assess(services, gathered, &plan).await?;
        plan.weigh(&evidence, rules);
        if let Some(sources) = &services.advisories {
            let changes = scales.compare((&lookups, sources), &plan, &evidence).await?;
            plan.compare(&evidence, &changes, rules);
        }
        let mut passed = plan.worse();
        passed.extend(plan.too_young(rules, now));
        round += 1;
        if passed.is_empty() || round > MOST_ROUNDS {
            let may_pass = gathered.candidates.may_change_soon() || evidence.values().any(Lookup::may_pass);
            return Ok(Decided { plan, incomplete: may_pass, scales });
        }
        gathered.constraints.passed.extend(passed);
    }
}

/// Asks what the images are that would be proposed now; what is open already was asked before.
async fn assess(services: &Services, gathered: &Gathered, plan: &Plan) -> Result<EvidenceMap, JobError> {
    let is_open = |set: &ChangeSet| {
        let fingerprint = set.fingerprint();
        let same = |row: &&PullRow| row.branch == set.branch && row.fingerprint == fingerprint;
        gathered.open.contains_key(&set.branch) && gathered.known.iter().any(|row| same(&row))
    };
    let new: Vec<ChangeSet> =
        plan::change_sets(plan, &gathered.rules).into_iter().filter(|set| !is_open(set)).collect();
    let subjects = plan::wanted_evidence(new.iter().flat_map(|set| &set.updates));
    services.lookups_for(&gathered.row).evidence(subjects, || ()).await
}

async fn apply(
    services: &Services,
    gathered: &Gathered,
    plan: &Plan,
    paced: &plan::Paced,
    guard: &Guard,
) -> Result<(), JobError> {
    let row = &gathered.row;
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let publisher = Publisher { services, repo: &repo, row, scan: &gathered.scan, guard };
    if must_be_asked(gathered) {
        let holds: Vec<Hold> = plan.holds.iter().chain(&paced.holds).cloned().collect();
        let sets = change_sets(plan, gathered);
        return onboard(&publisher, &gathered.known, &gathered.scan.inventory, &sets, &holds).await;
    }
    let failed = bring_all(&publisher, gathered, &paced.sets).await?;
    let wanted: BTreeSet<_> = paced.sets.iter().map(|set| &set.branch).collect();
    for old in &gathered.known {
        let unwanted = old.state == OPEN && !wanted.contains(&old.branch);
        if unwanted && !may_only_be_unknown(old, plan) && !is_held(old, gathered.now) {
            let now = services.store.pulls(row.id).await?;
            let number = |set: &ChangeSet| now.iter().find(|row| row.branch == set.branch).and_then(|row| row.number);
            let why = Withdrawal::of(&old.image, plan, &gathered.rules, &paced.sets, number);
            withdraw(&publisher, old, &repo, gathered, &why).await?;
        }
    }
    match failed {
        Some(error @ JobError::Retry { .. }) => Err(error),
        // What trying again does not help waits for the next plan.
        Some(JobError::Permanent(_) | JobError::LeaseLost) | None => Ok(()),
    }
}

/// A repository without a file of its own is asked first, unless somebody farther says otherwise.
fn must_be_asked(gathered: &Gathered) -> bool {
    let rules = &gathered.rules;
    gathered.scan.rules.is_none() && rules.onboarding.value && rules.enabled.value
}

/// Brings each change set to where it should be; returns the last failure that concerns one of them alone: an image
/// that cannot be published keeps no other back.
async fn bring_all(
    publisher: &Publisher<'_>,
    gathered: &Gathered,
    sets: &[ChangeSet],
) -> Result<Option<JobError>, JobError> {
    let mut failed = None;
    for set in sets {
        let known = gathered.known.iter().find(|row| row.branch == set.branch);
        if known.is_some_and(|row| is_held(row, gathered.now)) {
            continue;
        }
        match bring(publisher, set, known, gathered.open.get(&set.branch)).await {
            Ok(()) => {}
            Err(error) if error.stops_all() => return Err(error),
            Err(error) => {
                tracing::warn!(branch = %set.branch, %error, "not published");
                failed = Some(error);
            }
        }
    }
    Ok(failed)
}

/// What Restow remembers of a branch; nothing of one that an older version wrote.
pub(super) fn memory(row: &PullRow) -> Memory {
    serde_json::from_value(row.notes.clone()).unwrap_or_default()
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

fn tell(plan: &Plan, paced: &plan::Paced) {
    let holds = plan.holds.len() + paced.holds.len();
    tracing::info!(updates = plan.updates.len(), change_sets = paced.sets.len(), holds, "planned");
    for hold in plan.holds.iter().chain(&paced.holds) {
        tracing::debug!(site = %hold.site.path, line = hold.site.line, reason = %hold.reason, "held");
    }
}

/// What is asked for beyond the plan.
fn wish(publisher: &Publisher<'_>, set: &ChangeSet, known: Option<&PullRow>) -> Wish {
    let Some(row) = known.filter(|row| row.state == OPEN) else { return Wish::None };
    let memory = memory(row);
    let moved = row.base.as_ref() != Some(publisher.base());
    match (memory.recreate, memory.rebase || set.terms.rebase == Rebase::Always) {
        (true, _) => Wish::Recreate,
        (false, true) if moved => Wish::Rebase,
        (false, true | false) => Wish::None,
    }
}

/// Brings one change set to where it should be.
async fn bring(
    publisher: &Publisher<'_>,
    set: &ChangeSet,
    known: Option<&PullRow>,
    open: Option<&Pull>,
) -> Result<(), JobError> {
    let seen = observe(publisher.services, publisher.repo, &set.branch, publisher.base(), known, open).await?;
    match pull::step(set, &seen, wish(publisher, set, known)) {
        Step::Nothing => {
            let number = seen.pull.as_ref().map(|pull| pull.number);
            publisher.remember(set, number, seen.branch.map(|branch| branch.head), known).await
        }
        Step::Publish { push, pull } => {
            let head = seen.branch.as_ref().map(|branch| &branch.head);
            publisher.publish(set, push, pull, head, known).await
        }
        Step::LeaveAlone(number) => publisher.leave_alone(set, number, known).await,
        Step::Respect(number) => publisher.respect(set, number).await,
    }
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
        publisher.withdraw(number, &old.branch, why).await?;
    }
    let still_open = seen.pull.as_ref().is_some_and(|pull| pull.state == pull::PullState::Open);
    let state = if still_open && pull::withdrawal(&seen).is_none() { OPEN } else { ENDED };
    let row = PullRow { state: state.to_owned(), updated_at: publisher.services.clock.now(), ..old.clone() };
    publisher.services.store.save_pull(&row).await?;
    Ok(())
}
