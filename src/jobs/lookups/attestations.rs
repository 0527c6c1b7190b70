//! What publishers say of an image beside it: asked carrier by carrier, one statement at a time, until the one that
//! counts. Manifests come out of the digest cache and under the limit on pulls like all others.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Lookups;
use super::evidence::{Asked, known};
use super::pulls::Need;
use crate::image::{Digest, ImageName, Tag};
use crate::plan::Lookup;
use crate::registry::{Attestation, Carrier, Manifest, RegistryError, Wanted, attestations_tag, referrers_tag};

/// One attestation; BuildKit's own bound.
const LARGEST: u64 = 40 << 20;
/// Bytes of all manifests and attestations of one image together.
const MOST_BYTES: u64 = 64 << 20;
/// Manifests and attestations of one image that are read.
const MOST_PARTS: usize = 60;

/// The image of one platform, and the index that it was found in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attested<'a> {
    pub(super) image: &'a ImageName,
    pub(super) index: Option<&'a Manifest>,
    pub(super) digest: &'a Digest,
}

/// How many statements are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enough {
    /// The first that is taken ends the search.
    One,
    /// All that there are.
    All,
}

/// One search; what was read for it is read once, and there is an end to it.
struct Search<'a, T, J> {
    lookups: &'a Lookups,
    of: Attested<'a>,
    wanted: Wanted,
    enough: Enough,
    judge: Arc<J>,
    taken: Vec<T>,
    seen: BTreeSet<Digest>,
    bytes: u64,
}

impl Lookups {
    /// Hands each statement that may be of the wanted kind to `judge`: BuildKit's first, then what refers to the image,
    /// then cosign's tag; tells what it took. What is not there, malformed, or beyond the bounds is passed over.
    ///
    /// A statement may be large, so it is judged where it holds nobody up.
    ///
    /// # Errors
    /// The database fails. A registry that does not answer is [`Lookup::Unavailable`].
    pub(super) async fn attestations<T: Send + 'static>(
        &self,
        of: Attested<'_>,
        (wanted, enough): (Wanted, Enough),
        judge: impl Fn(&Attestation) -> Option<T> + Send + Sync + 'static,
    ) -> Asked<Vec<T>> {
        let (judge, taken, seen) = (Arc::new(judge), Vec::new(), BTreeSet::new());
        let mut search = Search { lookups: self, of, wanted, enough, judge, taken, seen, bytes: 0 };
        let attached = of.index.map(|index| index.attached(of.digest)).unwrap_or_default();
        known!(search.among(Carrier::BuildKit, attached).await?);
        if search.goes_on() {
            let listed = known!(search.referrers().await?);
            known!(search.among(Carrier::Referrer, listed).await?);
        }
        if search.goes_on() {
            let tagged = known!(search.under(attestations_tag(of.digest)).await?);
            known!(search.among(Carrier::CosignTag, tagged.into_iter().collect()).await?);
        }
        Ok(Lookup::Known(search.taken))
    }
}

impl<T: Send + 'static, J: Fn(&Attestation) -> Option<T> + Send + Sync + 'static> Search<'_, T, J> {
    fn goes_on(&self) -> bool {
        self.enough == Enough::All || self.taken.is_empty()
    }

    /// Judges the statements among these manifests.
    async fn among(&mut self, carrier: Carrier, manifests: Vec<Digest>) -> Asked<()> {
        for digest in manifests {
            let Some(manifest) = known!(self.manifest(&digest).await?) else { continue };
            // A registry's word that it belongs here is nobody's: the manifest must say so itself.
            if carrier == Carrier::Referrer && !manifest.refers_to(self.of.digest) {
                continue;
            }
            known!(self.within(carrier, &manifest).await?);
            if !self.goes_on() {
                break;
            }
        }
        Ok(Lookup::Known(()))
    }

    /// Judges the statements of one manifest.
    async fn within(&mut self, carrier: Carrier, manifest: &Manifest) -> Asked<()> {
        for part in manifest.parts(self.wanted) {
            if part.size > LARGEST || !self.may_read(&part.digest, part.size) {
                continue;
            }
            let limit = usize::try_from(part.size).unwrap_or(usize::MAX);
            let body = match self.lookups.registries.blob(self.of.image, &part.digest, limit).await {
                Ok(body) => body,
                Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => continue,
                Err(error) => return Ok(super::unavailable(&error)),
            };
            let judge = Arc::clone(&self.judge);
            let judged = tokio::task::spawn_blocking(move || judge(&Attestation { carrier, body })).await;
            self.taken.extend(judged.ok().flatten());
            if !self.goes_on() {
                break;
            }
        }
        Ok(Lookup::Known(()))
    }

    /// A manifest that was not read before; `None` where it cannot be had.
    async fn manifest(&mut self, digest: &Digest) -> Asked<Option<Manifest>> {
        if !self.may_read(digest, 0) {
            return Ok(Lookup::Known(None));
        }
        let found = passable(self.lookups.manifest_of(self.of.image, digest, Need::Informs).await?);
        if let Lookup::Known(Some(manifest)) = &found {
            self.bytes = self.bytes.saturating_add(u64::try_from(manifest.body.len()).unwrap_or(u64::MAX));
        }
        Ok(found)
    }

    /// What the registry says refers to the image, by its API, else by the fall-back tag.
    async fn referrers(&mut self) -> Asked<Vec<Digest>> {
        match self.lookups.registries.referrers_index(self.of.image, self.of.digest).await {
            Ok(Some(listed)) => return Ok(Lookup::Known(listed)),
            Ok(None) => {}
            Err(error) => return Ok(super::unavailable(&error)),
        }
        let Some(tagged) = known!(self.under(referrers_tag(self.of.digest)).await?) else {
            return Ok(Lookup::Known(Vec::new()));
        };
        let index = known!(self.manifest(&tagged).await?);
        Ok(Lookup::Known(index.map(|index| index.listed()).unwrap_or_default()))
    }

    /// What a tag points at, by a question that is no pull; a registry is known that answers with the image itself.
    async fn under(&self, tag: Option<Tag>) -> Asked<Option<Digest>> {
        let Some(tag) = tag else { return Ok(Lookup::Known(None)) };
        Ok(match self.lookups.registries.digest(self.of.image, &tag).await {
            Ok(found) => Lookup::Known(Some(found).filter(|found| found != self.of.digest)),
            Err(
                RegistryError::NotFound { .. } | RegistryError::Invalid { .. } | RegistryError::Unauthorized { .. },
            ) => Lookup::Known(None),
            Err(error) => super::unavailable(&error),
        })
    }

    /// Whether something of this size is new, and within what is left; it is then counted.
    fn may_read(&mut self, digest: &Digest, size: u64) -> bool {
        let within = self.bytes.saturating_add(size) <= MOST_BYTES && self.seen.len() < MOST_PARTS;
        let may = within && self.seen.insert(digest.clone());
        if may {
            self.bytes = self.bytes.saturating_add(size);
        }
        may
    }
}

/// What a registry does not have is passed over; what may pass is waited for.
fn passable<T>(lookup: Lookup<T>) -> Lookup<Option<T>> {
    match lookup {
        Lookup::Known(found) => Lookup::Known(Some(found)),
        Lookup::Unavailable { may_pass: false, .. } => Lookup::Known(None),
        Lookup::Unavailable { reason, may_pass: true } => Lookup::Unavailable { reason, may_pass: true },
    }
}
