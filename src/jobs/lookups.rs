//! What registries say, asked once for each image and interval, however many repositories name it.

mod advisories;
mod attestations;
mod ends;
mod evidence;
mod failures;
mod part;
mod pulls;
mod refresh;
mod scans;
mod tag_lists;
mod vex;
mod vulnerabilities;

pub use advisories::{AdvisorySources, mirrored_advisories};
pub(crate) use part::Part;
pub(crate) use vex::{Allowance, VexChoice};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};

use failures::Failures;

use super::JobError;
use crate::clock::Clock;
use crate::image::{Digest, ImageName, Tag};
use crate::plan::{Depth, EvidenceMap, Lookup, Replaced, Subject, TagList};
use crate::registry::{self, PackageToken, Pointed, Registries};
use crate::repo::Moment;
use crate::store::{ImageKey, Store};
use crate::tag::names_one_build;

/// Look-ups under way at once for one plan at one registry; the registry client bounds each host besides.
const AT_ONCE: usize = 8;
/// Registries that are asked at once for one plan.
const HOSTS_AT_ONCE: usize = 64;
/// What a tag of one build points at is good for this long: its content is not expected to change.
const ONE_BUILD: Duration = Duration::from_secs(86_400);

/// How long it is told that a tag's content was replaced.
const TOLD_FOR_MS: i64 = 30 * 86_400_000;

/// Stands for an image's list where a tag or a digest may stand.
const LIST: &str = "";

/// Asks registries, and remembers what they said.
#[derive(Debug, Clone)]
pub struct Lookups {
    store: Store,
    /// What was brought whole: advisories, VEX repositories, feeds.
    brought: Store,
    registries: Registries,
    clock: Clock,
    interval: Duration,
    under_way: UnderWay,
    failures: Arc<Failures>,
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
        let brought = store.clone();
        Self { store, brought, registries, clock, interval, under_way: Arc::default(), failures: Arc::default() }
    }

    /// The same, with what was brought into another database.
    #[must_use]
    pub(crate) fn with_brought(self, brought: Store) -> Self {
        Self { brought, ..self }
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

    /// Of tags that should stay what they are, those that did not within the last month.
    pub(crate) async fn replaced(
        &self,
        tags: BTreeSet<(ImageName, Tag)>,
    ) -> Result<BTreeMap<(ImageName, Tag), Replaced>, JobError> {
        let found = all(tags, async move |key| (self.replaced_at(&key.0, &key.1).await, key), || ()).await?;
        Ok(found.into_iter().filter_map(|(key, replaced)| Some((key, replaced?))).collect())
    }

    async fn replaced_at(&self, image: &ImageName, tag: &Tag) -> Result<Option<Replaced>, JobError> {
        let Lookup::Known(now) = self.digest_of(image, tag).await? else { return Ok(None) };
        let seen = self.store.sightings(&self.key(image), tag).await?;
        let recent = self.clock.now().plus_ms(-TOLD_FOR_MS);
        let other = seen.into_iter().find(|seen| seen.digest != now && seen.last_seen > recent);
        Ok(other.map(|other| Replaced { before: other.digest, until: other.last_seen, now }))
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

    /// What the ledger saw there within the interval, else what the registry says, which the ledger then keeps. What
    /// names one build is expected to stay what it is, and is looked at once a day.
    async fn digest_of(&self, image: &ImageName, tag: &Tag) -> Result<Lookup<Digest>, JobError> {
        let key = self.key(image);
        let turn = self.turn(&key, tag.as_str());
        let _held = turn.lock().await;
        let now = self.clock.now();
        let seen = self.store.sightings(&key, tag).await?.into_iter().next();
        let interval = if names_one_build(tag) { self.interval.max(ONE_BUILD) } else { self.interval };
        if let Some(seen) = seen.as_ref().filter(|seen| is_fresh(&key, seen.last_seen, interval, now)) {
            return Ok(Lookup::Known(seen.digest.clone()));
        }
        if let Some(failed) = self.failed_before(&key, tag.as_str()) {
            return Ok(failed);
        }
        let known = seen.map(|seen| Pointed { digest: seen.digest, etag: seen.etag });
        match self.registries.pointed(image, tag, known.as_ref()).await {
            Ok(Pointed { digest, etag }) => {
                self.store.observe(&key, tag, (&digest, etag.as_deref()), now).await?;
                Ok(Lookup::Known(digest))
            }
            Err(error) => Ok(self.failed(&key, tag.as_str(), &error)),
        }
    }

    /// Under which name what is read of an image is kept for this reader.
    pub(crate) fn key(&self, image: &ImageName) -> ImageKey {
        ImageKey::new(image, self.registries.audience(image).as_deref())
    }

    /// Whether a list of `at` is good still.
    fn is_fresh(&self, key: &ImageKey, at: Moment, now: Moment) -> bool {
        is_fresh(key, at, self.interval, now)
    }

    /// One look-up of a list, a tag or a digest at a time; the next finds the answer in the store.
    fn turn(&self, key: &ImageKey, what: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(under_way.entry(format!("{key} {what}")).or_default())
    }
}

/// Whether an answer of `at` is good still. What was asked together is not asked again all at once: each key has its own
/// part of the last twentieth of the interval.
fn is_fresh(key: &ImageKey, at: Moment, interval: Duration, now: Moment) -> bool {
    let interval = milliseconds(interval);
    let hash = key.as_str().bytes().fold(7_i64, |hash, byte| (hash * 31 + i64::from(byte)) % 1009);
    now < at.plus_ms(interval - interval / 20 * hash / 1009)
}

/// Something that is asked of one registry.
trait AtRegistry {
    /// The registry's host.
    fn host(&self) -> &str;
}

impl AtRegistry for ImageName {
    fn host(&self) -> &str {
        self.registry()
    }
}

impl AtRegistry for (ImageName, Tag) {
    fn host(&self) -> &str {
        self.0.registry()
    }
}

impl AtRegistry for (Subject, Depth) {
    fn host(&self) -> &str {
        self.0.image.registry()
    }
}

/// Asks for each key, many at once of each registry: one that is slow holds back its own images only.
async fn all<Q: AtRegistry, K: Ord, V, Asking: Future<Output = (Result<V, JobError>, K)>>(
    keys: impl IntoIterator<Item = Q>,
    ask: impl Fn(Q) -> Asking,
    answered: impl Fn(),
) -> Result<BTreeMap<K, V>, JobError> {
    let mut by_host: BTreeMap<String, Vec<Q>> = BTreeMap::new();
    for key in keys {
        by_host.entry(key.host().to_owned()).or_default().push(key);
    }
    let at_each = by_host.into_values().map(|keys| stream::iter(keys).map(&ask).buffer_unordered(AT_ONCE));
    let answers = stream::iter(at_each).flatten_unordered(HOSTS_AT_ONCE).inspect(|_| answered());
    let answers: Vec<_> = answers.collect().await;
    answers.into_iter().map(|(answer, key)| Ok((key, answer?))).collect()
}

/// An answer that did not come, as the plan sees it.
fn unavailable<T>(error: &registry::RegistryError) -> Lookup<T> {
    Lookup::Unavailable { reason: error.to_string(), may_pass: error.retry_after().is_some() }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_stuck_registry_holds_back_no_other() {
        let image = |host: &str, number: usize| ImageName::parse(&format!("{host}/image{number}")).expect("an image");
        let images = (0..40).flat_map(|number| [image("a-stuck.corp", number), image("well.corp", number)]);
        let images: BTreeSet<ImageName> = images.collect();
        let (all_well, well) = (Notify::new(), Mutex::new(0));
        // The stuck one answers once the other has answered everything.
        let ask = async |image: ImageName| {
            if image.registry() == "well.corp" {
                let mut well = well.lock().expect("a number");
                *well += 1;
                if *well == 40 {
                    all_well.notify_waiters();
                    all_well.notify_one();
                }
            } else if *well.lock().expect("a number") < 40 {
                all_well.notified().await;
                all_well.notify_one();
            }
            (Ok(()), image)
        };
        let answers = tokio::time::timeout(Duration::from_secs(60), all(images, ask, || ())).await;
        assert_eq!(answers.expect("the other registry is asked meanwhile").expect("answers").len(), 80);
    }
}
