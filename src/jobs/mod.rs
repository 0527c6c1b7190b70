//! The queue's work: event → jobs, and one file for each job. Every job has three visible steps: gather (async
//! reads), decide (one pure call), apply (async writes).

mod address;
mod advisories;
mod affected;
mod apply;
mod bases;
mod bring;
mod checks;
mod closed;
mod confirm;
mod dashboard;
mod decide;
mod error;
mod gather;
mod hook;
mod installation;
mod intake;
mod kind;
mod look_up;
mod lookups;
mod mirror;
mod observe;
mod onboard;
mod order;
mod plan;
mod preview;
mod prints;
mod publish;
mod reconcile;
mod record;
mod redeliver;
mod reopen;
mod rules;
mod scan;
mod watch;
mod weigh;
mod worker;
mod writes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};
use url::Url;

use crate::clock::Clock;
use crate::config::RemoteFile;
use crate::github::GitHub;
use crate::registry::{PackageToken, Registries};
use crate::repo::{InstallationId, Moment};
use crate::store::{RepositoryRow, RepositoryState, Store};

pub use bring::{BringError, Brought, bring_ends, bring_epss, bring_kev, bring_triage, bring_vex};
pub use error::JobError;
pub use hook::hook_intake;
pub use intake::intake;
pub use kind::{Extent, JobKind, advisories_job, plan_job, reconcile_job, scan_job, sync_job, watch_job};
pub(crate) use lookups::VexChoice;
pub use lookups::{AdvisorySources, Lookups, mirrored_advisories};
pub use mirror::bring;
pub use weigh::Scales;
pub use worker::{Drained, Worker};
pub use writes::StoredWrites;

/// What the jobs work with.
#[derive(Debug, Clone)]
pub struct Services {
    /// What is remembered.
    pub store: Store,
    /// GitHub.
    pub github: GitHub,
    /// GitHub's web address, for links.
    pub web_url: Url,
    /// Tag lists and digests.
    pub lookups: Lookups,
    /// The time of day.
    pub clock: Clock,
    /// The intervals of the jobs.
    pub times: Times,
    /// Who tells of vulnerabilities; `None` where nobody is to be asked.
    pub advisories: Option<AdvisorySources>,
    /// What the operator says for all repositories, as a repository's file would.
    pub default_rules: Arc<str>,
    slug: Arc<OnceCell<String>>,
    remote_files: Arc<Mutex<RemoteFileCache>>,
}

/// What was read of files of other repositories.
type RemoteFileCache = BTreeMap<(InstallationId, RemoteFile), ReadFile>;

/// What was read of a file of another repository.
#[derive(Debug, Clone)]
struct ReadFile {
    at: Moment,
    /// How far its repository was scanned then: a push changes it.
    commit: Option<String>,
    text: Option<String>,
}

/// How long they are good for, where nothing is pushed: a day, as all else is compared.
const REMOTE_FILES_MS: i64 = 86_400_000;
/// No organisation has more.
const MOST_REMOTE_FILES: usize = 10_000;

impl Services {
    /// Puts the services together.
    pub fn new(
        store: Store,
        github: GitHub,
        web_url: Url,
        registries: Registries,
        times: &Times,
        clock: Clock,
    ) -> Self {
        let lookups = Lookups::new(store.clone(), registries, clock.clone(), times.tag_lists);
        let slug = Arc::new(OnceCell::new());
        Self {
            store,
            github,
            web_url,
            lookups,
            clock,
            times: *times,
            advisories: None,
            default_rules: Arc::from(""),
            slug,
            remote_files: Arc::default(),
        }
    }

    /// The same with sources of advisories.
    #[must_use]
    pub fn with_advisories(self, advisories: Option<AdvisorySources>) -> Self {
        Self { advisories, ..self }
    }

    /// The same with what the operator says for all repositories.
    #[must_use]
    pub fn with_default_rules(self, text: &str) -> Self {
        Self { default_rules: Arc::from(text), ..self }
    }

    /// What registries say, as the repository's owner may read it.
    pub(crate) fn lookups_for(&self, row: &RepositoryRow) -> Lookups {
        let installation = self.github.installation(row.installation);
        let packages: PackageToken = Arc::new(move || {
            let installation = installation.clone();
            Box::pin(async move { installation.packages_token().await })
        });
        self.lookups.of(row.name.owner(), Some(packages))
    }

    /// The text of another repository's file; `None` where it is not there, may not be read, or is no text. Kept until
    /// something is pushed there, a day at most: it holds for many repositories.
    ///
    /// # Errors
    /// Nobody knows whether it is there: GitHub gave no answer, and nothing was known before.
    pub(crate) async fn remote_file(
        &self,
        installation: InstallationId,
        file: &RemoteFile,
    ) -> Result<Option<String>, JobError> {
        let (now, key) = (self.clock.now(), (installation, file.clone()));
        let known = self.remote_files.lock().await.get(&key).cloned();
        let commit = self.store.scanned_commit(installation, &file.repo).await?;
        let good = |known: &&ReadFile| known.commit == commit && now.0 - known.at.0 < REMOTE_FILES_MS;
        if let Some(known) = known.as_ref().filter(good) {
            return Ok(known.text.clone());
        }
        match self.github.installation(installation).file(&file.repo, &file.path).await {
            Ok(bytes) => {
                let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
                let mut kept = self.remote_files.lock().await;
                if kept.len() >= MOST_REMOTE_FILES {
                    kept.clear();
                }
                kept.insert(key, ReadFile { at: now, commit, text: text.clone() });
                Ok(text)
            }
            Err(error) => {
                tracing::warn!(%file, %error, "not read; what was known of it holds");
                known.map(|known| known.text).ok_or_else(|| error.into())
            }
        }
    }

    /// The login under which the App commits: `restow[bot]`.
    pub(crate) async fn bot_login(&self) -> Result<String, JobError> {
        let slug = self
            .slug
            .get_or_try_init(async || {
                let app = self.github.app().await?;
                app.slug.ok_or_else(|| JobError::Permanent("GitHub names no slug for the App".to_owned()))
            })
            .await?;
        Ok(format!("{slug}[bot]"))
    }
}

/// Whether Restow works in the repository: it is there, not archived, and its installation not suspended.
async fn is_active(services: &Services, row: &RepositoryRow) -> Result<bool, JobError> {
    Ok(row.state == RepositoryState::Active && !installation::is_stopped(services, row.installation).await?)
}

/// The intervals of the jobs.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long a tag list is good for.
    pub tag_lists: Duration,
    /// How long after a plan the next one is due.
    pub plans: Duration,
    /// How long after a comparison with GitHub the next one is due.
    pub reconcile: Duration,
    /// How long after advisories were brought they are brought again.
    pub advisories: Duration,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
}
