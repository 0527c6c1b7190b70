//! The pulls that a registry counts: spent with care, and what is left is known to every replica.

use std::time::Duration;

use super::Lookups;
use crate::image::ImageName;
use crate::jobs::JobError;
use crate::plan::Lookup;
use crate::registry::Limit;
use crate::repo::Moment;
use crate::store::QuotaRow;

/// How urgent a counted request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// An update waits for it: a tenth of the limit is left to others.
    Decides,
    /// It would be nice to know: half of the limit is left.
    Informs,
}

impl Lookups {
    /// Whether a counted request may be made, and if not, the answer in its place.
    pub(super) async fn may_pull<T>(&self, image: &ImageName, need: Need) -> Result<Option<Lookup<T>>, JobError> {
        let host = image.registry();
        if !self.registries.counts_pulls(host) {
            return Ok(None);
        }
        // A HEAD, which is not counted, tells what is left too.
        self.note_quota(image).await?;
        let Some(quota) = self.store.quota(host, &self.audience(image)).await? else { return Ok(None) };
        let now = self.clock.now();
        let left = until(&quota).0.saturating_sub(now.0);
        let kept = match need {
            Need::Decides => quota.limit / 10,
            Need::Informs => quota.limit / 2,
        };
        if left <= 0 || quota.remaining > kept {
            return Ok(None);
        }
        let reason = format!(
            "{host}: {} of {} pulls are left, which Restow leaves to your machines; the window ends in {} minutes at most",
            quota.remaining,
            quota.limit,
            left / 60_000 + 1
        );
        Ok(Some(Lookup::Unavailable { reason, may_pass: true }))
    }

    /// Keeps what the registry said of its limit, for this and every other replica.
    pub(super) async fn note_quota(&self, image: &ImageName) -> Result<(), JobError> {
        let host = image.registry();
        if !self.registries.counts_pulls(host) {
            return Ok(());
        }
        let quota = match self.registries.limit(image) {
            Limit::Left(quota) => quota,
            Limit::Untold => return Ok(()),
            Limit::Unlimited => return Ok(self.store.forget_quota(host, &self.audience(image)).await?),
        };
        let row = QuotaRow {
            host: host.to_owned(),
            audience: self.audience(image),
            limit: i64::try_from(quota.limit).unwrap_or(i64::MAX),
            window: quota.window,
            remaining: i64::try_from(quota.remaining).unwrap_or(i64::MAX),
            read_at: quota.read_at,
        };
        Ok(self.store.save_quota(&row).await?)
    }

    pub(super) fn audience(&self, image: &ImageName) -> String {
        self.registries.audience(image).unwrap_or_default()
    }
}

fn until(quota: &QuotaRow) -> Moment {
    let window = quota.window.min(Duration::from_secs(24 * 3600));
    quota.read_at.plus_ms(i64::try_from(window.as_millis()).unwrap_or(i64::MAX))
}
