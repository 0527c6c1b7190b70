//! Brings exports and feeds, holds the images in use against them again, and plans the repositories whose images are
//! affected in another way than before.

use super::affected::affected;
use super::bring::{BringError, Brought, ENDS, bring_ends, bring_epss, bring_kev, bring_triage, bring_vex};
use super::kind::advisories_job;
use super::mirror::bring;
use super::{JobError, Services};
use crate::repo::Moment;
use crate::store::{NewJob, Store, TRIAGE};

/// When it is tried again where a source did not answer.
const SOON_MS: i64 = 30 * 60_000;
/// What is large is brought once in this time.
const DAY_MS: i64 = 24 * 3_600_000;

/// Runs the job.
pub(super) async fn run(services: &Services) -> Result<Vec<NewJob>, JobError> {
    let Some(sources) = &services.advisories else { return Ok(Vec::new()) };
    let mut whole = true;
    for ecosystem in &sources.mirrored {
        whole &= told(ecosystem, bring(&services.store, &sources.exports, ecosystem, &|_, _, _| ()).await)?;
    }
    for (name, brought) in [
        ("KEV", bring_kev(&services.store, &sources.feeds).await),
        ("EPSS", bring_epss(&services.store, &sources.feeds).await),
        (ENDS, bring_ends(&services.store, &sources.feeds).await),
    ] {
        whole &= told(name, brought.map(|brought| brought.unwrap_or_else(|| Brought::none(name))))?;
    }
    if is_due(&services.store, TRIAGE, services.clock.now()).await? {
        let brought = bring_triage(&services.store, &sources.feeds).await;
        if matches!(brought, Ok(None)) {
            services.store.forget_advisory_source(TRIAGE).await?;
        }
        // It is large: where it fails it is tried again in the usual time, not soon.
        told(TRIAGE, brought.map(|brought| brought.unwrap_or_else(|| Brought::none(TRIAGE))))?;
    }
    for repository in &sources.vex {
        whole &= told(repository.address(), bring_vex(&services.store, repository).await)?;
    }
    let mut jobs = affected(services, sources).await?;
    let interval = i64::try_from(services.times.advisories.as_millis()).unwrap_or(i64::MAX);
    let next = if whole { interval } else { interval.min(SOON_MS) };
    jobs.push(advisories_job(services.clock.now().plus_ms(next)));
    Ok(jobs)
}

/// Whether a source that is large was not brought for a day.
async fn is_due(store: &Store, name: &str, now: Moment) -> Result<bool, JobError> {
    let row = store.advisory_sources().await?.into_iter().find(|row| row.name == name);
    Ok(row.is_none_or(|row| row.synced_at.plus_ms(DAY_MS) <= now))
}

/// Whether a source was brought; a database that fails is another matter than a source that does.
fn told(source: &str, brought: Result<Brought, BringError>) -> Result<bool, JobError> {
    match brought {
        Ok(brought) => {
            tracing::info!(
                source,
                records = brought.records,
                changed = brought.changed,
                gone = brought.gone,
                "brought"
            );
            Ok(true)
        }
        Err(BringError::Source(reason)) => {
            tracing::warn!(source, reason, "not brought; what was known of it holds");
            Ok(false)
        }
        Err(BringError::Store(error)) => Err(error),
    }
}
