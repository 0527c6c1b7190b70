//! What a scanner finds in an image, in the place of Restow's own look; kept for a while.

use super::Lookups;
use super::part::Part;
use crate::advisory::Scanner;
use crate::jobs::JobError;
use crate::plan::Lookup;
use crate::vulnerability::{Assessment, Determination, scanner_report};

/// How long what was found is good for, in milliseconds.
const GOOD_MS: i64 = 6 * 3_600_000;

impl Lookups {
    /// What the scanner finds in an image for one platform.
    pub(super) async fn scanned(&self, part: &Part, scanner: &Scanner) -> Result<Determination, JobError> {
        if let Some(kept) = self.kept_scan(part, scanner).await? {
            return Ok(kept);
        }
        let Part { image, digest, .. } = part;
        let platform = part.platform_name();
        let what = format!("scan {digest} {platform}");
        // One scan of an image at a time; the next finds the first one's report.
        let turn = self.turn(&self.key(image), &what);
        let _held = turn.lock().await;
        if let Some(kept) = self.kept_scan(part, scanner).await? {
            return Ok(kept);
        }
        if let Some(Lookup::<()>::Unavailable { reason, .. }) = self.failed_before(&self.key(image), &what) {
            return Ok(Determination::Not(reason));
        }
        // The scanner asks the host by itself: only one that Restow itself may ask, and that has this content.
        if let Err(error) = self.registries.manifest(image, digest).await {
            return Ok(Determination::Not(error.to_string()));
        }
        let own = match self.image_of(part).await? {
            Lookup::Known(Ok(found)) => found.digest,
            Lookup::Known(Err(reason)) | Lookup::Unavailable { reason, .. } => return Ok(Determination::Not(reason)),
        };
        let printed = match scanner.scan(&format!("{image}@{own}")).await {
            Ok(printed) => printed,
            Err(error) => {
                self.remember_failure(&self.key(image), &what, (&error.to_string(), true));
                return Ok(Determination::Not(error.to_string()));
            }
        };
        let (kind, now) = (scanner.kind(), self.clock.now());
        let reading = tokio::task::spawn_blocking(move || scanner_report(kind, &printed, now));
        let mut assessment = match reading.await {
            Ok(Ok(assessment)) => assessment,
            Ok(Err(error)) => return Ok(Determination::Not(error.to_string())),
            Err(_) => return Ok(Determination::Not(format!("{kind}'s report could not be read"))),
        };
        let body = serde_json::to_string(&assessment).unwrap_or_default();
        self.store.save_scan(&self.audience(image), (digest, &platform), kind.program(), &body).await?;
        self.rank(&mut assessment).await?;
        Ok(Determination::Known(Box::new(assessment)))
    }

    /// What it found not long ago.
    pub(super) async fn kept_scan(&self, part: &Part, scanner: &Scanner) -> Result<Option<Determination>, JobError> {
        let since = self.clock.now().plus_ms(-GOOD_MS);
        let (audience, platform) = (self.audience(&part.image), part.platform_name());
        let of = (&part.digest, platform.as_str());
        let kept = self.store.scan(&audience, of, scanner.kind().program(), since).await?;
        let Some(mut assessment) = kept.and_then(|body| serde_json::from_str::<Assessment>(&body).ok()) else {
            return Ok(None);
        };
        self.rank(&mut assessment).await?;
        Ok(Some(Determination::Known(Box::new(assessment))))
    }
}
