//! Decides what moves in a repository, and brings GitHub there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::installation::is_stopped;
use super::kind::{RepoPayload, plan_job, scan_job};
use super::observe::observe;
use super::publish::Publisher;
use super::scan::StoredScan;
use super::worker::Guard;
use super::{JobError, Services};
use crate::config;
use crate::formats::EXTRACTOR_VERSION;
use crate::github::{Repo, WorkflowsPermission};
use crate::plan::{self, Candidates, ChangeSet, EvidenceMap, HoldCode, Lookup, Plan};
use crate::policy::Rules;
use crate::pull::{self, PullState, Step};
use crate::repo::Moment;
use crate::store::{NewJob, PullRow, Refused, RepositoryRow, RepositoryState};

/// A pull request row's state while the pull request is open.
pub(super) const OPEN: &str = "open";
/// What lies here only an App with a permission of its own may change.
const WORKFLOWS: &str = ".github/workflows/";
const ENDED: &str = "ended";
/// When a plan is made again that lacked the answer of a registry.
const SOON: Duration = Duration::from_secs(30 * 60);

/// What was read before anything is decided.
struct Gathered {
    row: RepositoryRow,
    scan: StoredScan,
    rules: Rules,
    candidates: Candidates,
    /// Whether workflow files may be changed; asked for only where some name images.
    workflows: WorkflowsPermission,
    now: Moment,
}

/// Runs the job.
pub(super) async fn run(services: &Services, payload: &RepoPayload, guard: &Guard) -> Result<Vec<NewJob>, JobError> {
    let gathered = match gather(services, payload).await? {
        Readiness::Ready(gathered) => gathered,
        Readiness::Outdated(row) => {
            return Ok(vec![scan_job(row.installation, row.id, &row.name, services.clock.now())]);
        }
        Readiness::NothingToDo => return Ok(Vec::new()),
    };
    let mut plan = plan::plan(&gathered.scan.inventory, &gathered.candidates, &gathered.rules, gathered.now);
    if gathered.workflows == WorkflowsPermission::Missing {
        let reason = "the App may not change workflow files: give it the permission \"Workflows: read and write\"";
        plan.withhold(WORKFLOWS, HoldCode::PermissionMissing, reason);
    }
    let evidence = assess(services, &gathered, &plan).await?;
    plan.weigh(&evidence);
    apply(services, &gathered, &plan, guard).await?;
    // A registry that was away for a moment does not cost the repository a whole interval.
    let incomplete = gathered.candidates.may_change_soon() || evidence.values().any(Lookup::may_pass);
    let interval = match incomplete {
        true => services.times.plans.min(SOON),
        false => services.times.plans,
    };
    let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX);
    let row = &gathered.row;
    Ok(vec![plan_job(row.installation, row.id, &row.name, gathered.now.plus_ms(interval))])
}

/// Whether there is something to plan.
enum Readiness {
    Ready(Box<Gathered>),
    /// The scan is missing, of another version or of another commit than the default branch's.
    Outdated(Box<RepositoryRow>),
    NothingToDo,
}

async fn gather(services: &Services, payload: &RepoPayload) -> Result<Readiness, JobError> {
    let Some(row) = services.store.repository(payload.repo).await? else { return Ok(Readiness::NothingToDo) };
    if row.state != RepositoryState::Active || is_stopped(services, row.installation).await? {
        return Ok(Readiness::NothingToDo);
    }
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let Some(head) = repo.branch_head(&row.default_branch).await? else { return Ok(Readiness::NothingToDo) };
    let scan = row.inventory.clone().and_then(|json| serde_json::from_value::<StoredScan>(json).ok());
    let Some(scan) = scan.filter(|scan| scan.snapshot.commit == head && scan.extractor == EXTRACTOR_VERSION) else {
        return Ok(Readiness::Outdated(Box::new(row)));
    };
    let rules = match &scan.rules {
        Some(text) => config::parse(text).map_err(|mistakes| stored_rules(&mistakes))?,
        None => Rules::default(),
    };
    let now = services.clock.now();
    let lookups = services.lookups_for(&row);
    let tags = lookups.tags(plan::wanted_images(&scan.inventory, &rules), || ()).await?;
    let mut candidates = Candidates { tags, digests: BTreeMap::new() };
    let wanted = plan::wanted_digests(&scan.inventory, &candidates, &rules, now);
    candidates.digests = lookups.digests(wanted, || ()).await?;
    let in_workflows = scan.inventory.sites.iter().any(|site| site.path.as_str().starts_with(WORKFLOWS));
    let workflows = match in_workflows {
        true => repo.workflows_permission().await?,
        false => WorkflowsPermission::Granted,
    };
    Ok(Readiness::Ready(Box::new(Gathered { workflows, row, scan, rules, candidates, now })))
}

/// Asks what the images are that would be proposed now; what is open already was asked before.
async fn assess(services: &Services, gathered: &Gathered, plan: &Plan) -> Result<EvidenceMap, JobError> {
    let known = services.store.pulls(gathered.row.id).await?;
    let is_open = |set: &ChangeSet| {
        let fingerprint = set.fingerprint();
        known.iter().any(|row| row.state == OPEN && row.branch == set.branch && row.fingerprint == fingerprint)
    };
    let new: Vec<ChangeSet> = plan::change_sets(plan).into_iter().filter(|set| !is_open(set)).collect();
    let subjects = plan::wanted_evidence(new.iter().flat_map(|set| &set.updates));
    services.lookups_for(&gathered.row).evidence(subjects, || ()).await
}

fn stored_rules(mistakes: &[config::Mistake]) -> JobError {
    let text = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    JobError::Permanent(format!("the stored rules are no longer valid: {text}"))
}

async fn apply(services: &Services, gathered: &Gathered, plan: &Plan, guard: &Guard) -> Result<(), JobError> {
    let row = &gathered.row;
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let publisher = Publisher { services, repo: &repo, row, scan: &gathered.scan, guard };
    let sets = plan::change_sets(plan);
    tell(plan, &sets);
    let known = services.store.pulls(row.id).await?;
    let failed = bring_all(&publisher, &sets, &known).await?;
    let wanted: BTreeSet<_> = sets.iter().map(|set| &set.branch).collect();
    for old in &known {
        if old.state == OPEN && !wanted.contains(&old.branch) && !may_only_be_unknown(old, plan) {
            withdraw(&publisher, old, &repo).await?;
        }
    }
    match failed {
        Some(error @ JobError::Retry { .. }) => Err(error),
        // What trying again does not help waits for the next plan.
        Some(JobError::Permanent(_) | JobError::LeaseLost) | None => Ok(()),
    }
}

/// Brings each change set to where it should be; returns the last failure that concerns one of them alone: an image
/// that cannot be published keeps no other back.
async fn bring_all(
    publisher: &Publisher<'_>,
    sets: &[ChangeSet],
    known: &[PullRow],
) -> Result<Option<JobError>, JobError> {
    let refused = publisher.services.store.refused(publisher.row.id).await?;
    let mut failed = None;
    for set in sets {
        if is_refused(set, &refused) {
            tracing::info!(branch = %set.branch, "held: a person closed this very move");
            continue;
        }
        let known = known.iter().find(|row| row.branch == set.branch);
        match bring(publisher, set, known).await {
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

fn is_refused(set: &ChangeSet, refused: &[Refused]) -> bool {
    let (image, target) = (set.image.to_string(), set.target());
    refused.iter().any(|one| one.image == image && one.line == set.line && one.target == target)
}

/// A registry that did not answer is no reason to close what it was asked for.
fn may_only_be_unknown(old: &PullRow, plan: &Plan) -> bool {
    plan.holds
        .iter()
        .any(|hold| hold.code == HoldCode::RegistryUnavailable && hold.site.reference.image().to_string() == old.image)
}

fn tell(plan: &Plan, sets: &[ChangeSet]) {
    tracing::info!(updates = plan.updates.len(), change_sets = sets.len(), holds = plan.holds.len(), "planned");
    for hold in &plan.holds {
        tracing::debug!(site = %hold.site.path, line = hold.site.line, reason = %hold.reason, "held");
    }
}

/// Brings one change set to where it should be.
async fn bring(publisher: &Publisher<'_>, set: &ChangeSet, known: Option<&PullRow>) -> Result<(), JobError> {
    let seen = observe(publisher.services, publisher.repo, &set.branch, publisher.base(), known).await?;
    match pull::step(set, &seen) {
        Step::Nothing => {
            let number = seen.pull.as_ref().map(|pull| pull.number);
            publisher.remember(set, number, seen.branch.map(|branch| branch.head), OPEN).await
        }
        Step::Publish { push, pull } => {
            let head = seen.branch.as_ref().map(|branch| &branch.head);
            publisher.publish(set, push, pull, head).await
        }
        Step::LeaveAlone(number) => publisher.leave_alone(set, number).await,
        Step::Respect(number) => {
            let store = &publisher.services.store;
            store.refuse(publisher.row.id, &set.image.to_string(), &set.line, &set.target()).await?;
            tracing::info!(branch = %set.branch, pull = number.0, "a person closed this very move");
            publisher.remember(set, Some(number), None, ENDED).await
        }
    }
}

/// Takes back what is no longer wanted.
async fn withdraw(publisher: &Publisher<'_>, old: &PullRow, repo: &Repo) -> Result<(), JobError> {
    let seen = observe(publisher.services, repo, &old.branch, publisher.base(), Some(old)).await?;
    if let Some(number) = pull::withdrawal(&seen) {
        publisher.withdraw(number, &old.branch).await?;
    }
    let still_open = seen.pull.as_ref().is_some_and(|pull| pull.state == PullState::Open);
    let state = if still_open && pull::withdrawal(&seen).is_none() { OPEN } else { ENDED };
    let row = PullRow { state: state.to_owned(), updated_at: publisher.services.clock.now(), ..old.clone() };
    publisher.services.store.save_pull(&row).await?;
    Ok(())
}
