//! Compares what is known with GitHub when the server starts and once a day, since webhooks are lost: GitHub sends
//! each once and does not repeat one that was not answered.

use std::collections::BTreeSet;

use super::kind::{Extent, reconcile_job, redeliver_job, sync_job};
use super::{JobError, Services};
use crate::formats::EXTRACTOR_VERSION;
use crate::repo::InstallationId;
use crate::store::NewJob;

/// GitHub sends a delivery again for three days at most.
const DELIVERIES_KEPT_MS: i64 = 30 * 86_400_000;

/// How long the data of a removed installation are kept, in case it comes back.
const GRACE_MS: i64 = 30 * 86_400_000;

/// How long a list of tags stays that nobody asks for.
const UNUSED_MS: i64 = 60 * 86_400_000;

/// Bytes of manifests and configurations that are kept; the least used leave first.
const CONTENTS_KEPT: i64 = 256 * 1024 * 1024;

/// Runs the job: one comparison for each installation that GitHub tells or the store knows, and the next round.
pub(super) async fn run(services: &Services) -> Result<Vec<NewJob>, JobError> {
    tidy(services).await?;
    let told = services.github.installations().await?;
    let known = services.store.installations().await?;
    let ids: BTreeSet<InstallationId> =
        told.into_iter().map(|details| details.id).chain(known.into_iter().map(|row| row.id)).collect();
    let now = services.clock.now();
    let interval = i64::try_from(services.times.reconcile.as_millis()).unwrap_or(i64::MAX);
    let next = reconcile_job(now.plus_ms(interval));
    let deliveries = redeliver_job(now);
    Ok(ids.into_iter().map(|id| sync_job(id, Extent::All, now)).chain([next, deliveries]).collect())
}

/// Forgets deliveries that GitHub cannot send again, and what older versions of this program read, and manifests beyond their bound.
async fn tidy(services: &Services) -> Result<(), JobError> {
    let deliveries = services.store.forget_deliveries(services.clock.now().plus_ms(-DELIVERIES_KEPT_MS)).await?;
    let extractions = services.store.forget_other_extractions(EXTRACTOR_VERSION).await?;
    let contents = services.store.trim_contents(CONTENTS_KEPT).await?;
    let unused = services.store.forget_unused(services.clock.now().plus_ms(-UNUSED_MS)).await?;
    let erased = services.store.erase_deleted(services.clock.now().plus_ms(-GRACE_MS)).await?;
    tracing::info!(deliveries, extractions, contents, unused, erased, "forgotten");
    Ok(())
}
