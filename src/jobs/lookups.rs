//! What registries say, asked once for each image and interval, however many repositories name it.

mod advisories;
mod ends;
mod evidence;
mod pulls;
mod refresh;
mod scans;
mod tag_lists;
mod vex;
mod vulnerabilities;

pub use advisories::{AdvisorySources, mirrored_advisories};
pub(crate) use vex::VexChoice;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};

use super::JobError;
use crate::clock::Clock;
use crate::image::{Digest, ImageName, Tag};
use crate::plan::{Depth, EvidenceMap, Lookup, Subject, TagList};
use crate::registry::{self, PackageToken, Registries};
use crate::repo::Moment;
use crate::store::{ImageKey, Store};

/// Look-ups under way at once for one plan; the registry client bounds each host besides.
const AT_ONCE: usize = 16;

/// Stands for an image's list where a tag or a digest may stand.
const LIST: &str = "";

/// Asks registries, and remembers what they said.
#[derive(Debug, Clone)]
pub struct Lookups {
    store: Store,
    registries: Registries,
    clock: Clock,
    interval: Duration,
    under_way: UnderWay,
}

/// The look-ups that others may wait for: of an image's list, or of one tag or digest.
type UnderWay = Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>;

/// What a registry says that was not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Other tags, or another digest under one of them.
    Changed,
    /// All is as it was.
    Nothing,
}

impl News {
    fn and(self, other: Self) -> Self {
        if self == Self::Changed { self } else { other }
    }
}

impl Lookups {
    /// What is younger than `interval` is not asked again.
    pub(crate) fn new(store: Store, registries: Registries, clock: Clock, interval: Duration) -> Self {
        Self { store, registries, clock, interval, under_way: Arc::default() }
    }

    /// The same, as the repositories of `owner` may read; `packages` opens its own packages on GitHub.
    #[must_use]
    pub(crate) fn of(&self, owner: &str, packages: Option<PackageToken>) -> Self {
        Self { registries: self.registries.of(owner, packages), ..self.clone() }
    }

    /// The tags of each image; a registry that does not answer costs only its own images. `answered` is told of each.
    pub(crate) async fn tags(
        &self,
        images: BTreeSet<ImageName>,
        answered: impl Fn(),
    ) -> Result<BTreeMap<ImageName, Lookup<TagList>>, JobError> {
        all(images, async move |image| (self.tags_of(&image).await, image), answered).await
    }

    /// What each tag points at.
    pub(crate) async fn digests(
        &self,
        tags: BTreeSet<(ImageName, Tag)>,
        answered: impl Fn(),
    ) -> Result<BTreeMap<(ImageName, Tag), Lookup<Digest>>, JobError> {
        all(tags, async move |key| (self.digest_of(&key.0, &key.1).await, key), answered).await
    }

    /// What is known of each subject.
    pub(crate) async fn evidence(
        &self,
        subjects: BTreeMap<Subject, Depth>,
        answered: impl Fn(),
    ) -> Result<EvidenceMap, JobError> {
        let ask = async move |(subject, depth)| (self.evidence_of(&subject, depth).await, subject);
        all(subjects, ask, answered).await
    }

    /// What the ledger saw there within the interval, else what the registry says, which the ledger then keeps.
    async fn digest_of(&self, image: &ImageName, tag: &Tag) -> Result<Lookup<Digest>, JobError> {
        let key = self.key(image);
        let turn = self.turn(&key, tag.as_str());
        let _held = turn.lock().await;
        let now = self.clock.now();
        if let Some(seen) = self.store.sightings(&key, tag).await?.into_iter().next()
            && self.is_fresh(&key, seen.last_seen, now)
        {
            return Ok(Lookup::Known(seen.digest));
        }
        match self.registries.digest(image, tag).await {
            Ok(digest) => {
                self.store.observe(&key, tag, &digest, now).await?;
                Ok(Lookup::Known(digest))
            }
            Err(error) => Ok(unavailable(&error)),
        }
    }

    /// Under which name what is read of an image is kept for this reader.
    pub(crate) fn key(&self, image: &ImageName) -> ImageKey {
        ImageKey::new(image, self.registries.audience(image).as_deref())
    }

    /// Whether an answer of `at` is good still. What was asked together is not asked again all at once: each key has
    /// its own part of the last twentieth of the interval.
    fn is_fresh(&self, key: &ImageKey, at: Moment, now: Moment) -> bool {
        let interval = milliseconds(self.interval);
        let hash = key.as_str().bytes().fold(7_i64, |hash, byte| (hash * 31 + i64::from(byte)) % 1009);
        now < at.plus_ms(interval - interval / 20 * hash / 1009)
    }

    /// One look-up of a list, a tag or a digest at a time; the next finds the answer in the store.
    fn turn(&self, key: &ImageKey, what: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(under_way.entry(format!("{key} {what}")).or_default())
    }
}

/// Asks for each key, many at once.
async fn all<Q, K: Ord, V, Asking: Future<Output = (Result<V, JobError>, K)>>(
    keys: impl IntoIterator<Item = Q>,
    ask: impl Fn(Q) -> Asking,
    answered: impl Fn(),
) -> Result<BTreeMap<K, V>, JobError> {
    let answers: Vec<_> = stream::iter(keys).map(ask).buffer_unordered(AT_ONCE).inspect(|_| answered()).collect().await;
    answers.into_iter().map(|(answer, key)| Ok((key, answer?))).collect()
}

/// An answer that did not come, as the plan sees it.
fn unavailable<T>(error: &registry::RegistryError) -> Lookup<T> {
    Lookup::Unavailable { reason: error.to_string(), may_pass: error.retry_after().is_some() }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
