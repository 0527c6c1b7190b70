//! Asks a registry again for an image that was pushed, and plans the repositories that use it where something changed.

use super::kind::{LookUpPayload, plan_job};
use super::lookups::News;
use super::{JobError, Services};
use crate::store::{NewJob, RepositoryRow};

/// Runs the job. A repeated run comes to the same end: see [`super::Lookups::refresh`].
pub(super) async fn run(services: &Services, payload: &LookUpPayload) -> Result<Vec<NewJob>, JobError> {
    let LookUpPayload { image, tags, since } = payload;
    let users = services.store.repositories_using(image).await?;
    if users.is_empty() {
        tracing::info!(%image, "no repository uses what was pushed");
        return Ok(Vec::new());
    }
    match services.lookups.refresh(image, tags, *since).await {
        Ok(news) => Ok(decide(services, &users, news)),
        // The registry will not say it later either; the next plan says so where it matters.
        Err(JobError::Permanent(reason)) => {
            tracing::warn!(%image, reason, "what was pushed cannot be looked up");
            Ok(Vec::new())
        }
        Err(error @ (JobError::Retry { .. } | JobError::LeaseLost)) => Err(error),
    }
}

fn decide(services: &Services, users: &[RepositoryRow], news: News) -> Vec<NewJob> {
    tracing::info!(?news, repositories = users.len(), "looked up");
    let now = services.clock.now();
    match news {
        News::Changed => users.iter().map(|row| plan_job(row.installation, row.id, &row.name, now)).collect(),
        News::Nothing => Vec::new(),
    }
}
