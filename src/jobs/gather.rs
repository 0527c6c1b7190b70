//! Reads what a plan needs, before anything is decided.

use std::collections::BTreeMap;

use super::bases::{Others, Tree};
use super::closed::{Looked, look_at_open, still_open};
use super::dashboard::{self, Cause};
use super::installation::is_stopped;
use super::kind::RepoPayload;
use super::plan::WORKFLOWS;
use super::rules::rules_of;
use super::scan::StoredScan;
use super::{JobError, Services, bases, preview};
use crate::formats::{EXTRACTOR_VERSION, Inventory};
use crate::github::{Pull, WorkflowsPermission};
use crate::plan::{self, Candidates, Constraints, HoldCode, Passed, Snapshot};
use crate::policy::{Base, CommitStyle, Rules};
use crate::repo::{BranchName, CommitSha, Moment};
use crate::store::{Ignore, PullRow, RepositoryRow, RepositoryState};

const HOUR_MS: i64 = 3_600_000;

/// What was read before anything is decided.
pub(super) struct Gathered {
    pub(super) row: RepositoryRow,
    /// The repository's own rules, as written.
    pub(super) file: Option<String>,
    pub(super) commit_style: Option<CommitStyle>,
    /// As they hold for the default branch.
    pub(super) rules: Rules,
    pub(super) candidates: Candidates,
    /// The branches that are brought up to date; the default one first.
    pub(super) trees: Vec<Tree>,
    /// Branches that are left out, since there are so many.
    pub(super) left_out: Vec<BranchName>,
    /// Whether workflow files may be changed; asked for only where some name images.
    pub(super) workflows: WorkflowsPermission,
    /// The rows of Restow's branches.
    pub(super) known: Vec<PullRow>,
    /// When pull requests were opened within the last hour.
    pub(super) opened: Vec<Moment>,
    /// Those of them that GitHub shows open.
    pub(super) open: BTreeMap<BranchName, Pull>,
    /// Branches that are no longer needed, since what they brought is merged.
    pub(super) merged: Vec<(BranchName, CommitSha)>,
    /// Whether somebody ticked a box of the dashboard, which now is to be cleared.
    pub(super) boxes: bool,
    pub(super) now: Moment,
}

impl Gathered {
    /// The branch that a change set or a pull request goes to, where it still is brought up to date; `None` stands for
    /// the default branch.
    pub(super) fn tree(&self, base: Option<&BranchName>) -> Option<&Tree> {
        self.trees.iter().find(|tree| tree.base.other() == base)
    }

    pub(super) fn default_tree(&self) -> &Tree {
        self.trees.first().expect("impossible: the default branch is always read")
    }
}

/// Whether there is something to plan.
pub(super) enum Readiness {
    Ready(Box<Gathered>),
    /// The scan is missing or of another version.
    Outdated(Box<RepositoryRow>),
    /// What the configuration builds upon is wrong: nothing is done until it is mended.
    Unruly(Box<RepositoryRow>),
    NothingToDo,
}

/// Reads what a plan needs; `rules` in the place of those in force.
pub(super) async fn gather(
    services: &Services,
    payload: &RepoPayload,
    rules: Option<Rules>,
) -> Result<Readiness, JobError> {
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
