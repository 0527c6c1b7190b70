//! Decides what moves in a repository, and brings GitHub there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bases::{Others, Tree};
use super::closed::{Looked, look_at_open, still_open};
use super::dashboard::{self, Cause, Shown};
use super::decide::{Decided, decide, look_at_alternatives, look_at_standing, look_for_replaced};
use super::installation::is_stopped;
use super::kind::{RepoPayload, plan_job, scan_job, watch_job};
use super::observe::observe;
use super::onboard::onboard;
use super::publish::Publisher;
use super::rules::rules_of;
use super::scan::StoredScan;
use super::worker::Guard;
use super::{JobError, Services, bases, preview, record};
use crate::formats::{EXTRACTOR_VERSION, Inventory};
use crate::github::{Pull, Repo, WorkflowsPermission};
use crate::plan::{self, Candidates, ChangeSet, Constraints, Hold, HoldCode, Pace, Passed, Plan, Snapshot};
use crate::policy::{Base, CommitStyle, Rebase, Rules};
use crate::pull::{self, MachineBlock, Memory, Step, Wish};
use crate::repo::{BranchName, CommitSha, Moment, PullNumber};
use crate::report::Withdrawal;
use crate::store::{Ignore, NewJob, PullRow, RepositoryRow, RepositoryState};

/// A pull request row's state while the pull request is open.
pub(super) const OPEN: &str = "open";
/// What lies here only an App with a permission of its own may change.
pub(super) const WORKFLOWS: &str = ".github/workflows/";
pub(super) const ENDED: &str = "ended";
/// When a plan is made again that lacked the answer of a registry.
const SOON: Duration = Duration::from_secs(30 * 60);
const HOUR_MS: i64 = 3_600_000;

/// What was read before anything is decided.
pub(super) struct Gathered {
    pub(super) row: RepositoryRow,
    /// The repository's own rules, as written.
    file: Option<String>,
    commit_style: Option<CommitStyle>,
    /// As they hold for the default branch.
    pub(super) rules: Rules,
    pub(super) candidates: Candidates,
    /// The branches that are brought up to date; the default one first.
    pub(super) trees: Vec<Tree>,
    /// Branches that are left out, since there are so many.
    left_out: Vec<BranchName>,
    /// Whether workflow files may be changed; asked for only where some name images.
    pub(super) workflows: WorkflowsPermission,
    /// The rows of Restow's branches.
    pub(super) known: Vec<PullRow>,
    /// When pull requests were opened within the last hour.
    opened: Vec<Moment>,
    /// Those of them that GitHub shows open.
    pub(super) open: BTreeMap<BranchName, Pull>,
    /// Branches that are no longer needed, since what they brought is merged.
    merged: Vec<(BranchName, CommitSha)>,
    /// Whether somebody ticked a box of the dashboard, which now is to be cleared.
    boxes: bool,
    pub(super) now: Moment,
}

impl Gathered {
    /// The branch that a change set or a pull request goes to, where it still is brought up to date; `None` stands for
    /// the default branch.
    fn tree(&self, base: Option<&BranchName>) -> Option<&Tree> {
        self.trees.iter().find(|tree| tree.base.other() == base)
    }

    fn default_tree(&self) -> &Tree {
        self.trees.first().expect("impossible: the default branch is always read")
    }
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
    match apply(services, &gathered, &plans, &paced, guard).await {
        // What GitHub takes of this installation was used up on the way: the rest says so and waits.
        Err(JobError::Retry { after: Some(_), .. }) if hold_new(services, &gathered, &mut paced).await? => {
            record::of_holds(services, &gathered.row, plan.holds.iter().chain(&paced.holds)).await?;
        }
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
fn together(plans: &[Plan]) -> Plan {
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
fn change_sets(plans: &[Plan], gathered: &Gathered) -> Vec<ChangeSet> {
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
    let Some(mut scan) = scan.filter(|scan| scan.extractor == EXTRACTOR_VERSION) else {
        return Ok(Readiness::Outdated(Box::new(row)));
    };
    let is_foreseen = rules.is_some();
    let rules = match rules {
        Some(rules) => rules,
        None => match rules_of(services, &row, &scan).await? {
            Ok(rules) => rules,
            Err(wrong) => {
                preview::tell_wrong(services, &repo, &scan.snapshot.commit, &wrong).await?;
                return Ok(Readiness::Unruly(Box::new(row)));
            }
        },
    };
    let rules = rules.on(Base::Default(row.default_branch.clone()));
    if scan.others.wanted != bases::wanted(&rules) {
        if !is_foreseen {
            return Ok(Readiness::Outdated(Box::new(row)));
        }
        scan.others = bases::bring(services, &repo, &row, &rules, scan.others).await?;
    }
    let Looked { open, merged } = match is_foreseen {
        true => Looked { open: still_open(services, &repo, &row).await?, merged: Vec::new() },
        false => look_at_open(services, &repo, &row).await?,
    };
    let cause = if payload.ticked { Cause::Box } else { Cause::Other };
    // Before what is ignored is read: a box may have changed it.
    let boxes = !is_foreseen && rules.dashboard.value && dashboard::obey(services, &repo, &row, cause).await?;
    let now = services.clock.now();
    let StoredScan { rules: file, commit_style, others, snapshot, inventory, .. } = scan;
    let left_out = others.left_out.clone();
    let trees = trees(&rules, (snapshot, inventory), others, &services.store.ignores(row.id, now).await?);
    let images = trees.iter().flat_map(|tree| plan::wanted_images(&tree.inventory, &tree.rules)).collect();
    let tags = services.lookups_for(&row).tags(images, || ()).await?;
    let candidates = Candidates { tags, digests: BTreeMap::new() };
    let sites = || trees.iter().flat_map(|tree| &tree.inventory.sites);
    let workflows = match sites().any(|site| site.path.as_str().starts_with(WORKFLOWS)) {
        true => repo.workflows_permission().await?,
        false => WorkflowsPermission::Granted,
    };
    let known = services.store.pulls(row.id).await?;
    let opened = opened_lately(services, &row, &known, now).await?;
    let gathered = Gathered {
        row,
        file,
        commit_style,
        rules,
        candidates,
        trees,
        left_out,
        workflows,
        known,
        opened,
        open,
        merged,
        boxes,
        now,
    };
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

/// The branches, each with the rules and refusals that hold for it.
fn trees(rules: &Rules, default: (Snapshot, Inventory), others: Others, ignores: &[Ignore]) -> Vec<Tree> {
    let tree = |rules: Rules, snapshot, inventory| {
        let base = rules.base.clone()?;
        let constraints = constraints(ignores.iter().filter(|ignore| ignore.base.as_ref() == base.other()));
        Some(Tree { base, snapshot, inventory, rules, constraints })
    };
    let first = tree(rules.clone(), default.0, default.1);
    let others = others.branches.into_iter().filter_map(|other| {
        let rules = rules.on(Base::Other(other.name));
        tree(rules, other.snapshot, other.inventory)
    });
    first.into_iter().chain(others).collect()
}

/// What people do not want, in the words of the plan.
fn constraints<'a>(ignores: impl Iterator<Item = &'a Ignore>) -> Constraints {
    let passed = ignores.map(|ignore| {
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

async fn apply(
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
            Some((plan, tree)) => {
                let now = services.store.pulls(row.id).await?;
                let number =
                    |set: &ChangeSet| now.iter().find(|row| row.branch == set.branch).and_then(|row| row.number);
                let sets: Vec<&ChangeSet> = paced.sets.iter().filter(|set| set.base == base).collect();
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

/// A repository without a file of its own is asked first, unless somebody farther says otherwise.
pub(super) fn must_be_asked(gathered: &Gathered) -> bool {
    let rules = &gathered.rules;
    gathered.file.is_none() && rules.onboarding.value && rules.enabled.value
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

/// The branch that a change set goes to.
fn base_of<'a>(set: &'a ChangeSet, gathered: &'a Gathered) -> &'a BranchName {
    set.base.as_ref().unwrap_or(&gathered.row.default_branch)
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
