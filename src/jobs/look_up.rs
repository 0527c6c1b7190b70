//! Asks a registry again for an image that was pushed, and plans the repositories that use it where something changed.

use std::collections::BTreeMap;

use super::kind::{LookUpPayload, plan_job};
use super::lookups::News;
use super::{JobError, Lookups, Services};
use crate::image::ImageName;
use crate::store::{ImageKey, NewJob, RepositoryRow};

/// Runs the job. A repeated run comes to the same end: see [`super::Lookups::refresh`].
pub(super) async fn run(services: &Services, payload: &LookUpPayload) -> Result<Vec<NewJob>, JobError> {
    let LookUpPayload { image, tags, since } = payload;
    let mut users = services.store.repositories_using(image).await?;
    // Who names a mirror of it follows it too.
    for mirror in services.lookups.registries().mirrors(image) {
        let theirs = services.store.repositories_using(&mirror).await?;
        users.extend(theirs.into_iter().filter(|one| users.iter().all(|known| known.id != one.id)).collect::<Vec<_>>());
    }
    if users.is_empty() {
        tracing::info!(%image, "no repository uses what was pushed");
        return Ok(Vec::new());
    }
    let mut jobs = Vec::new();
    for (lookups, users) in readers(services, image, users) {
        match lookups.refresh(image, tags, *since).await {
            Ok(news) => jobs.extend(decide(services, &users, news)),
            // The registry will not say it later either; the next plan says so where it matters.
            Err(JobError::Permanent(reason)) => {
                tracing::warn!(%image, reason, "what was pushed cannot be looked up");
            }
            Err(error @ (JobError::Retry { .. } | JobError::LeaseLost)) => return Err(error),
        }
    }
    Ok(jobs)
}

/// The repositories, by who may share what is read for them.
fn readers(services: &Services, image: &ImageName, users: Vec<RepositoryRow>) -> Vec<(Lookups, Vec<RepositoryRow>)> {
    let mut readers: BTreeMap<ImageKey, (Lookups, Vec<RepositoryRow>)> = BTreeMap::new();
    for user in users {
        let lookups = services.lookups_for(&user);
        readers.entry(lookups.key(image)).or_insert_with(|| (lookups, Vec::new())).1.push(user);
    }
    readers.into_values().collect()
}

fn decide(services: &Services, users: &[RepositoryRow], news: News) -> Vec<NewJob> {
    tracing::info!(?news, repositories = users.len(), "looked up");
    let now = services.clock.now();
    match news {
        News::Changed => users.iter().map(|row| plan_job(row.installation, row.id, &row.name, now)).collect(),
        News::Nothing => Vec::new(),
    }
}
