//! The queue's work: event → jobs, and one file for each job. Every job has three visible steps: gather (async
//! reads), decide (one pure call), apply (async writes).

mod closed;
mod confirm;
mod error;
mod hook;
mod installation;
mod intake;
mod kind;
mod look_up;
mod lookups;
mod observe;
mod plan;
mod publish;
mod reconcile;
mod rules;
mod scan;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use url::Url;

use crate::clock::Clock;
use crate::github::GitHub;
use crate::registry::{PackageToken, Registries};
use crate::store::{RepositoryRow, Store};

pub use error::JobError;
pub use hook::hook_intake;
pub use intake::intake;
pub use kind::{Extent, JobKind, plan_job, reconcile_job, scan_job, sync_job, watch_job};
pub use lookups::Lookups;
pub use worker::{Drained, Worker};

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
    /// What the operator says for all repositories, as a repository's file would.
    pub default_rules: Arc<str>,
    slug: Arc<OnceCell<String>>,
}

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
        Self { store, github, web_url, lookups, clock, times: *times, default_rules: Arc::from(""), slug }
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

    /// The text of another repository's file; `None` where it is not there or cannot be read.
    pub(crate) async fn remote_file(
        &self,
        _installation: crate::repo::InstallationId,
        _file: &crate::config::RemoteFile,
    ) -> Option<String> {
        None
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

/// The intervals of the jobs.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long a tag list is good for.
    pub tag_lists: Duration,
    /// How long after a plan the next one is due.
    pub plans: Duration,
    /// How long after a comparison with GitHub the next one is due.
    pub reconcile: Duration,
    /// How long a claim holds without being renewed.
    pub lease: Duration,
}
