//! What a scanner finds in an image, in the place of Restow's own look; kept for a while.

use super::Lookups;
use super::pulls::Need;
use crate::advisory::Scanner;
use crate::image::{Digest, ImageName};
use crate::jobs::JobError;
use crate::plan::Lookup;
use crate::registry::Content;
use crate::vulnerability::{Assessment, Determination, scanner_report};

/// How long what was found is good for, in milliseconds.
const GOOD_MS: i64 = 6 * 3_600_000;

impl Lookups {
    /// What the scanner finds in the image that stands for all platforms.
    pub(super) async fn scanned(
        &self,
        image: &ImageName,
        digest: &Digest,
        scanner: &Scanner,
    ) -> Result<Determination, JobError> {
        if let Some(kept) = self.kept_scan(image, digest, scanner).await? {
            return Ok(kept);
        }
        // One scan of an image at a time; the next finds the first one's report.
        let turn = self.turn(&self.key(image), &format!("scan {digest}"));
        let _held = turn.lock().await;
        if let Some(kept) = self.kept_scan(image, digest, scanner).await? {
            return Ok(kept);
        }
        let what = format!("scan {digest}");
        if let Some(Lookup::<()>::Unavailable { reason, .. }) = self.failed_before(&self.key(image), &what) {
            return Ok(Determination::Not(reason));
        }
        // The scanner asks the host by itself: only one that Restow itself may ask, and that has this content.
        if let Err(error) = self.registries.manifest(image, digest).await {
            return Ok(Determination::Not(error.to_string()));
        }
        let usual = match self.usual_of(image, digest).await? {
            Lookup::Known(usual) => usual,
            Lookup::Unavailable { reason, .. } => return Ok(Determination::Not(reason)),
        };
        let report = match scanner.scan(&format!("{image}@{usual}")).await {
            Ok(report) => report,
            Err(error) => {
                self.remember_failure(&self.key(image), &what, (&error.to_string(), true));
                return Ok(Determination::Not(error.to_string()));
            }
        };
        let (kind, now) = (scanner.kind(), self.clock.now());
        let reading = tokio::task::spawn_blocking(move || scanner_report(kind, &report, now));
        let mut assessment = match reading.await {
            Ok(Ok(assessment)) => assessment,
            Ok(Err(error)) => return Ok(Determination::Not(error.to_string())),
            Err(_) => return Ok(Determination::Not(format!("{kind}'s report could not be read"))),
        };
        let body = serde_json::to_string(&assessment).unwrap_or_default();
        self.store.save_scan((&self.audience(image), digest), kind.program(), &body).await?;
        self.rank(&mut assessment).await?;
        Ok(Determination::Known(Box::new(assessment)))
    }

    /// What it found not long ago.
    pub(super) async fn kept_scan(
        &self,
        image: &ImageName,
        digest: &Digest,
        scanner: &Scanner,
    ) -> Result<Option<Determination>, JobError> {
        let since = self.clock.now().plus_ms(-GOOD_MS);
        let key = (self.audience(image), scanner.kind().program());
        let kept = self.store.scan((&key.0, digest), key.1, since).await?;
        let Some(mut assessment) = kept.and_then(|body| serde_json::from_str::<Assessment>(&body).ok()) else {
            return Ok(None);
        };
        self.rank(&mut assessment).await?;
        Ok(Some(Determination::Known(Box::new(assessment))))
    }

    /// The image that stands for an index; an image itself.
    pub(super) async fn usual_of(&self, image: &ImageName, digest: &Digest) -> Result<Lookup<Digest>, JobError> {
        Ok(match self.manifest_of(image, digest, Need::Informs).await? {
            Lookup::Known(top) => match top.content(image).ok().and_then(|content: Content| content.usual().cloned()) {
                Some(usual) => Lookup::Known(usual),
                None => Lookup::Known(digest.clone()),
            },
            Lookup::Unavailable { reason, may_pass } => Lookup::Unavailable { reason, may_pass },
        })
    }
}
