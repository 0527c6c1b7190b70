//! Decides what moves in a repository, and brings GitHub there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::closed::{Looked, look_at_open};
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
use crate::formats::{EXTRACTOR_VERSION, SitePlace};
use crate::github::{Pull, Repo, WorkflowsPermission};
use crate::image::ImageName;
use crate::plan::{
    self, Candidates, ChangeSet, Climb, Constraints, EvidenceMap, Hold, HoldCode, Lookup, Marks, Pace, Passed, Plan,
};
use crate::policy::{Rebase, Rules};
use crate::pull::{self, MachineBlock, Memory, Step, Wish};
use crate::repo::{BranchName, CommitSha, Moment, PullNumber};
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
const HOUR_MS: i64 = 3_600_000;

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
    /// When pull requests were opened within the last hour.
    opened: Vec<Moment>,
    /// Those of them that GitHub shows open.
    open: BTreeMap<BranchName, Pull>,
    /// Branches that are no longer needed, since what they brought is merged.
    merged: Vec<(BranchName, CommitSha)>,
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
    let mut paced = plan::paced(sets, &pace(&gathered), &gathered.rules, gathered.now);
    hold_new(services, &gathered, &mut paced).await?;
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
    match apply(services, &gathered, &plan, &paced, guard).await {
        // What GitHub takes of this installation was used up on the way: the rest says so and waits.
        Err(JobError::Retry { after: Some(_), .. }) if hold_new(services, &gathered, &mut paced).await? => {
            record::of_holds(services, &gathered.row, plan.holds.iter().chain(&paced.holds)).await?;
        }
        done => done?,
    }
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

/// Holds what is not open yet where the repository has used up its share of what GitHub takes within a minute or an
/// hour; whether it has.
async fn hold_new(services: &Services, gathered: &Gathered, paced: &mut plan::Paced) -> Result<bool, JobError> {
    let row = &gathered.row;
    let Some(until) = services.github.begins_at(row.installation, row.id).await? else { return Ok(false) };
    let open = services.store.pulls(row.id).await?.into_iter().filter(|known| known.state == OPEN);
    let open: BTreeSet<BranchName> = open.map(|known| known.branch).collect();
    plan::hold_unopened(paced, &open, until);
    Ok(true)
}

/// The change sets, called as the rules want or, where they say nothing, as the repository calls its commits.
fn change_sets(plan: &Plan, gathered: &Gathered) -> Vec<ChangeSet> {
    let mut sets = plan::change_sets(plan, &gathered.rules);
    for set in &mut sets {
        while is_theirs(&set.branch, &gathered.known) {
            set.branch = next_branch(&set.branch);
        }
    }
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

/// Whether a person's work lies there, which Restow left to them.
fn is_theirs(branch: &BranchName, known: &[PullRow]) -> bool {
    known.iter().any(|row| row.branch == *branch && memory(row).theirs)
}

/// The branch to take where this one is a person's: `restow/nginx-x.y--2`.
fn next_branch(branch: &BranchName) -> BranchName {
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
    let is_urgent = |row: &&PullRow| row.state == OPEN && memory(row).security;
    let urgent = gathered.known.iter().filter(is_urgent).map(|row| row.branch.clone());
    Pace {
        open: gathered.open.keys().cloned().collect(),
        urgent: urgent.filter(|branch| gathered.open.contains_key(branch)).collect(),
        opened: gathered.opened.clone(),
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
    let Looked { open, merged } = look_at_open(services, &repo, &row).await?;
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
    let opened = opened_lately(services, &row, &known, now).await?;
    let gathered =
        Gathered { row, scan, rules, candidates, constraints, workflows, known, opened, open, merged, boxes, now };
    Ok(Readiness::Ready(Box::new(gathered)))
}

/// When pull requests were opened within the last hour, by the audit: a branch's row knows its last one only. What died
/// before it was recorded stands in its row.
async fn opened_lately(
    services: &Services,
    row: &RepositoryRow,
    known: &[PullRow],
    now: Moment,
) -> Result<Vec<Moment>, JobError> {
    let recorded = services.store.opened_since(row.id, now.plus_ms(-HOUR_MS)).await?;
    let others = known.iter().filter(|row| row.number.is_none_or(|number| !recorded.contains_key(&number)));
    Ok(recorded.values().copied().chain(others.filter_map(|row| row.opened_at)).collect())
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
            change: None,
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
    let (mut scales, mut round, mut climb) = (Scales::of(&gathered.rules), 0, Climb::default());
    let marks = marks(gathered);
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
        let open = open_places(gathered, &plan);
        let evidence = assess(services, gathered, &plan, &open).await?;
        plan.weigh(&evidence, rules);
        if let Some(sources) = &services.advisories {
            let changes = scales.compare((&lookups, sources), &plan, &evidence).await?;
            plan.compare(&evidence, &changes, rules);
            plan.keep_marks(&marks);
        }
        let mut passed = plan.worse();
        passed.extend(plan.too_young(rules, now, &open));
        round += 1;
        // A better one below the newest is looked for only once nothing worse is proposed.
        let goes_on = match passed.is_empty() {
            true => climb.goes_on(&plan, &mut gathered.constraints),
            false => round <= MOST_ROUNDS,
        };
        if !goes_on {
            plan.hold_back(&passed);
            let may_pass = gathered.candidates.may_change_soon() || evidence.values().any(Lookup::may_pass);
            return Ok(Decided { plan, incomplete: may_pass, scales });
        }
        gathered.constraints.passed.extend(passed);
    }
}

/// The urgent moves whose pull requests are open.
fn marks(gathered: &Gathered) -> Marks {
    let urgent = gathered.known.iter().filter(|row| row.state == OPEN && memory(row).security);
    urgent.map(|row| (row.image.clone(), row.line.clone(), row.target.clone())).collect()
}

/// The places of the moves whose pull request is open as it would be.
fn open_places(gathered: &Gathered, plan: &Plan) -> BTreeSet<SitePlace> {
    let sets = change_sets(plan, gathered).into_iter().filter(|set| is_as_open(set, gathered));
    sets.flat_map(|set| set.updates).map(|update| update.site.place()).collect()
}

/// Asks what the images are that would be proposed now. What is open already was asked before; it is looked at again
/// where advisories are asked for, since other things may be known of it.
async fn assess(
    services: &Services,
    gathered: &Gathered,
    plan: &Plan,
    open: &BTreeSet<SitePlace>,
) -> Result<EvidenceMap, JobError> {
    let is_asked = |update: &&plan::Update| services.advisories.is_some() || !open.contains(&update.site.place());
    let subjects = plan::wanted_evidence(plan.updates.iter().filter(is_asked));
    services.lookups_for(&gathered.row).evidence(subjects, || ()).await
}

/// Whether its pull request is open and stays as it is: its text tells what was known when it was written.
fn is_as_open(set: &ChangeSet, gathered: &Gathered) -> bool {
    let fingerprint = set.fingerprint();
    let known = gathered.known.iter().find(|row| row.branch == set.branch && row.fingerprint == fingerprint);
    let Some(open) = gathered.open.get(&set.branch) else { return false };
    let tells = MachineBlock::find(&open.body).is_some_and(|block| block.proposes(&fingerprint));
    tells && known.is_some() && wish(gathered, set) == Wish::None
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
    for (branch, head) in &gathered.merged {
        guard.check()?;
        // Where somebody pushed to it meanwhile it stays.
        repo.move_branch(branch, head, None).await?;
    }
    if must_be_asked(gathered) {
        let holds: Vec<Hold> = plan.holds.iter().chain(&paced.holds).cloned().collect();
        let sets = change_sets(plan, gathered);
        return onboard(&publisher, &gathered.known, &gathered.scan.inventory, &sets, &holds).await;
    }
    let (brought, failed) = bring_all(&publisher, gathered, &paced.sets).await?;
    let wanted: BTreeSet<_> = paced.sets.iter().map(|set| &set.branch).chain(&brought).collect();
    for old in &gathered.known {
        let unwanted = old.state == OPEN && !wanted.contains(&old.branch);
        if unwanted && !may_only_be_unknown(old, plan) && !is_held(old, gathered.now) {
            let now = services.store.pulls(row.id).await?;
            let number = |set: &ChangeSet| now.iter().find(|row| row.branch == set.branch).and_then(|row| row.number);
            let images = images_of(old, gathered);
            let why = Withdrawal::of(&images, plan, &gathered.rules, &paced.sets, number);
            withdraw(&publisher, old, &repo, gathered, &why).await?;
        }
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

/// A repository without a file of its own is asked first, unless somebody farther says otherwise.
fn must_be_asked(gathered: &Gathered) -> bool {
    let rules = &gathered.rules;
    gathered.scan.rules.is_none() && rules.onboarding.value && rules.enabled.value
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
        match bring(publisher, gathered, set).await {
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
    base.is_some_and(|base| *base != gathered.row.default_branch && opened_for.as_ref() != Some(base))
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
fn wish(gathered: &Gathered, set: &ChangeSet) -> Wish {
    let known = gathered.known.iter().find(|row| row.branch == set.branch);
    let Some(row) = known.filter(|row| row.state == OPEN) else { return Wish::None };
    let memory = memory(row);
    let moved = row.base.as_ref() != Some(&gathered.scan.snapshot.commit);
    let other_base = memory.base_branch.as_ref().is_some_and(|base| *base != gathered.row.default_branch);
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
