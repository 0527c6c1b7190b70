//! The kinds of job, and how each is queued.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::command::Parsed;
use crate::image::{Digest, ImageName, Tag};
use crate::notification::SubscribeUrl;
use crate::repo::{BranchName, CommitSha, InstallationId, Moment, PullNumber, RepoId, RepoName};
use crate::store::NewJob;

/// Tries before a job is dead: with the queue's backoff about three hours.
const TRIES: u32 = 10;

/// A kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// Find what no webhook told.
    Reconcile,
    /// Compare an installation's repositories with what is known.
    Sync,
    /// Read a repository's references.
    Scan,
    /// Decide what moves, and do it.
    Plan,
    /// See how open pull requests stand, and go on with them.
    Watch,
    /// Do what somebody asks for in a comment.
    Order,
    /// Say what a changed configuration would do.
    Preview,
    /// Go on with a pull request that was opened again.
    Reopen,
    /// Ask GitHub for webhooks that did not arrive.
    Redeliver,
    /// Ask a registry again for an image that was pushed.
    LookUp,
    /// Confirm a subscription of SNS.
    Confirm,
    /// Bring advisories, and see who is affected.
    Advisories,
}

impl JobKind {
    /// The kind's name in the queue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reconcile => "reconcile",
            Self::Sync => "sync",
            Self::Scan => "scan",
            Self::Plan => "plan",
            Self::Watch => "watch",
            Self::Order => "order",
            Self::Preview => "preview",
            Self::Reopen => "reopen",
            Self::Redeliver => "redeliver",
            Self::LookUp => "look-up",
            Self::Confirm => "confirm",
            Self::Advisories => "advisories",
        }
    }

    /// Reads the queue's name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Reconcile,
            Self::Sync,
            Self::Scan,
            Self::Plan,
            Self::Watch,
            Self::Order,
            Self::Preview,
            Self::Reopen,
            Self::Redeliver,
            Self::LookUp,
            Self::Confirm,
            Self::Advisories,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// The payload of [`JobKind::Sync`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SyncPayload {
    pub(super) installation: InstallationId,
    #[serde(default)]
    pub(super) extent: Extent,
}

/// Which repositories a comparison scans.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// All of them: pushes may have been missed.
    All,
    /// Those that are new or have changed.
    #[default]
    Changed,
}

/// The payload of [`JobKind::Scan`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ScanPayload {
    pub(super) installation: InstallationId,
    pub(super) repo: RepoId,
    pub(super) name: RepoName,
    /// The branch that was pushed, where that is not the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) branch: Option<BranchName>,
}

/// The payload of [`JobKind::Plan`] and [`JobKind::Watch`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RepoPayload {
    pub(super) installation: InstallationId,
    pub(super) repo: RepoId,
    pub(super) name: RepoName,
    /// Whether somebody ticked a box of the dashboard.
    #[serde(default)]
    pub(super) ticked: bool,
}

/// The payload of [`JobKind::Order`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OrderPayload {
    pub(super) repo: RepoId,
    pub(super) pull: PullNumber,
    pub(super) comment: u64,
    /// Who commented.
    pub(super) author: String,
    pub(super) orders: Vec<Parsed>,
}

/// The payload of [`JobKind::Preview`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PreviewPayload {
    pub(super) repo: RepoId,
    pub(super) pull: PullNumber,
    pub(super) head: CommitSha,
    /// The branch that the pull request goes to.
    pub(super) base: Option<BranchName>,
}

/// The payload of [`JobKind::Reopen`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReopenPayload {
    pub(super) repo: RepoId,
    pub(super) pull: PullNumber,
}

/// The payload of [`JobKind::LookUp`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LookUpPayload {
    pub(super) image: ImageName,
    /// The tags that were pushed.
    pub(super) tags: BTreeSet<Tag>,
    /// When the notification came: what was asked before may be old.
    pub(super) since: Moment,
}

/// The payload of [`JobKind::Confirm`]. The address holds a token, which opens nothing but this very subscription, and
/// is gone with the job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ConfirmPayload {
    pub(super) hook: String,
    pub(super) url: SubscribeUrl,
}

/// Queues a comparison of all that is known with GitHub.
pub fn reconcile_job(run_at: Moment) -> NewJob {
    new_job(JobKind::Reconcile, "app".to_owned(), json!({}), 10, run_at)
}

/// Queues the bringing of advisories.
pub fn advisories_job(run_at: Moment) -> NewJob {
    new_job(JobKind::Advisories, "advisories".to_owned(), json!({}), 28, run_at)
}

/// Queues a look for webhooks that did not arrive.
pub(super) fn redeliver_job(run_at: Moment) -> NewJob {
    new_job(JobKind::Redeliver, "deliveries".to_owned(), json!({}), 12, run_at)
}

/// Queues a comparison of an installation.
pub fn sync_job(installation: InstallationId, extent: Extent, run_at: Moment) -> NewJob {
    let serial_key = format!("installation:{installation}");
    // Two extents never become one job: the smaller would take the place of the larger.
    let dedupe_key = match extent {
        Extent::All => format!("{serial_key}:all"),
        Extent::Changed => serial_key.clone(),
    };
    let job = new_job(JobKind::Sync, serial_key, json!(SyncPayload { installation, extent }), 10, run_at);
    NewJob { dedupe_key, ..job }
}

/// Queues a scan of a repository.
pub fn scan_job(installation: InstallationId, repo: RepoId, name: &RepoName, run_at: Moment) -> NewJob {
    let payload = ScanPayload { installation, repo, name: name.clone(), branch: None };
    new_job(JobKind::Scan, format!("repo:{repo}"), json!(payload), 20, run_at)
}

/// Queues a scan for the case that another branch than the default one is brought up to date too.
pub(super) fn branch_scan_job(
    installation: InstallationId,
    (repo, name): (RepoId, &RepoName),
    branch: &BranchName,
    run_at: Moment,
) -> NewJob {
    let payload = ScanPayload { installation, repo, name: name.clone(), branch: Some(branch.clone()) };
    let dedupe_key = format!("repo:{repo}:branch:{branch}");
    NewJob { dedupe_key, ..new_job(JobKind::Scan, format!("repo:{repo}"), json!(payload), 22, run_at) }
}

/// Queues a plan of a repository.
pub fn plan_job(installation: InstallationId, repo: RepoId, name: &RepoName, run_at: Moment) -> NewJob {
    let payload = RepoPayload { installation, repo, name: name.clone(), ticked: false };
    new_job(JobKind::Plan, format!("repo:{repo}"), json!(payload), 30, run_at)
}

/// Queues a plan for a box of the dashboard; a job of its own, which no other plan takes the place of.
pub(super) fn box_job(installation: InstallationId, repo: RepoId, name: &RepoName, run_at: Moment) -> NewJob {
    let payload = RepoPayload { installation, repo, name: name.clone(), ticked: true };
    let dedupe_key = format!("repo:{repo}:box");
    NewJob { dedupe_key, ..new_job(JobKind::Plan, format!("repo:{repo}"), json!(payload), 30, run_at) }
}

/// Queues a look at a repository's open pull requests.
pub fn watch_job(installation: InstallationId, repo: RepoId, name: &RepoName, run_at: Moment) -> NewJob {
    let payload = RepoPayload { installation, repo, name: name.clone(), ticked: false };
    new_job(JobKind::Watch, format!("repo:{repo}"), json!(payload), 35, run_at)
}

/// Queues what a comment asks for; each comment is a job of its own.
pub(super) fn order_job(payload: &OrderPayload, now: Moment) -> NewJob {
    let dedupe_key = format!("comment:{}", payload.comment);
    NewJob { dedupe_key, ..new_job(JobKind::Order, format!("repo:{}", payload.repo), json!(payload), 15, now) }
}

/// Queues a look at a pull request that was opened again.
pub(super) fn reopen_job(repo: RepoId, pull: PullNumber, now: Moment) -> NewJob {
    let dedupe_key = format!("repo:{repo}:pull:{}", pull.0);
    let payload = json!(ReopenPayload { repo, pull });
    NewJob { dedupe_key, ..new_job(JobKind::Reopen, format!("repo:{repo}"), payload, 15, now) }
}

/// Queues a look at the configuration that a pull request brings.
pub(super) fn preview_job(payload: &PreviewPayload, now: Moment) -> NewJob {
    let dedupe_key = format!("repo:{}:pull:{}", payload.repo, payload.pull.0);
    NewJob { dedupe_key, ..new_job(JobKind::Preview, format!("repo:{}", payload.repo), json!(payload), 40, now) }
}

/// The longest dedupe key that is written out, in bytes.
const LONGEST_KEY: usize = 300;

/// Queues a look-up of an image and of what its tags point at. Look-ups of other tags of the image are other jobs: of
/// two payloads with one key the queue keeps the newer, and the older one's tags would be lost.
pub(super) fn look_up_job(image: &ImageName, tags: &BTreeSet<Tag>, now: Moment) -> NewJob {
    let payload = json!(LookUpPayload { image: image.clone(), tags: tags.clone(), since: now });
    let key = tags.iter().fold(image.to_string(), |key, tag| format!("{key} {tag}"));
    let dedupe_key = match key.len() <= LONGEST_KEY {
        true => key,
        false => format!("{image} {}", Digest::sha256_of(key.as_bytes()).short()),
    };
    NewJob { dedupe_key, ..new_job(JobKind::LookUp, format!("image:{image}"), payload, 25, now) }
}

/// Queues the confirmation of a subscription to a hook's messages.
pub(super) fn confirm_job(hook: &str, url: &SubscribeUrl, now: Moment) -> NewJob {
    let payload = json!(ConfirmPayload { hook: hook.to_owned(), url: url.clone() });
    new_job(JobKind::Confirm, format!("hook:{hook}"), payload, 10, now)
}

fn new_job(kind: JobKind, key: String, payload: serde_json::Value, priority: i32, run_at: Moment) -> NewJob {
    NewJob {
        kind: kind.as_str().to_owned(),
        serial_key: key.clone(),
        dedupe_key: key,
        payload,
        priority,
        run_at,
        max_attempts: TRIES,
    }
}
