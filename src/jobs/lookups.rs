//! Tag lists and digests, asked once for each image and interval, however many repositories name it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};

use super::JobError;
use crate::clock::Clock;
use crate::image::{Digest, ImageName, Tag};
use crate::plan::{Completeness, Lookup, TagList};
use crate::registry::{self, Registries};
use crate::repo::Moment;
use crate::store::{Store, TagListRow};
use crate::tag::ListedTag;

/// Look-ups under way at once for one plan; the registry client bounds each host besides.
const AT_ONCE: usize = 16;

/// One image's list, all its pages together, takes no longer.
const LONGEST_LOOKUP: Duration = Duration::from_secs(300);

/// Asks registries, and remembers what they said.
#[derive(Debug, Clone)]
pub struct Lookups {
    store: Store,
    registries: Registries,
    clock: Clock,
    interval: Duration,
    under_way: Arc<Mutex<BTreeMap<ImageName, Arc<tokio::sync::Mutex<()>>>>>,
}

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

    /// The tags of each image; a registry that does not answer costs only its own images. `answered` is told of each.
    pub(crate) async fn tags(
        &self,
        images: BTreeSet<ImageName>,
        answered: impl Fn(),
    ) -> Result<BTreeMap<ImageName, Lookup<TagList>>, JobError> {
        let answers: Vec<_> = stream::iter(images)
            .map(async |image| (self.tags_of(&image).await, image))
            .buffer_unordered(AT_ONCE)
            .inspect(|_| answered())
            .collect()
            .await;
        answers.into_iter().map(|(answer, image)| Ok((image, answer?))).collect()
    }

    /// What each tag points at.
    pub(crate) async fn digests(
        &self,
        tags: BTreeSet<(ImageName, Tag)>,
        answered: impl Fn(),
    ) -> Result<BTreeMap<(ImageName, Tag), Lookup<Digest>>, JobError> {
        let answers: Vec<_> = stream::iter(tags)
            .map(async |(image, tag)| (self.digest_of(&image, &tag).await, (image, tag)))
            .buffer_unordered(AT_ONCE)
            .inspect(|_| answered())
            .collect()
            .await;
        answers.into_iter().map(|(answer, key)| Ok((key, answer?))).collect()
    }

    /// What the ledger saw there within the interval, else what the registry says, which the ledger then keeps.
    async fn digest_of(&self, image: &ImageName, tag: &Tag) -> Result<Lookup<Digest>, JobError> {
        let now = self.clock.now();
        if let Some(seen) = self.store.sightings(image, tag).await?.into_iter().next()
            && self.is_fresh(seen.last_seen, now)
        {
            return Ok(Lookup::Known(seen.digest));
        }
        match self.registries.digest(image, tag).await {
            Ok(digest) => {
                self.store.observe(image, tag, &digest, now).await?;
                Ok(Lookup::Known(digest))
            }
            Err(error) => Ok(unavailable(&error)),
        }
    }

    /// Asks the registry again for the tags of an image and for what `tags` point at, whatever the interval, unless
    /// they were asked for after `since`.
    ///
    /// A repeated run tells the same news, although the first one has saved them: what was asked for since then counts
    /// as changed where it may have been.
    ///
    /// # Errors
    /// The registry or the database does not answer.
    pub(crate) async fn refresh(
        &self,
        image: &ImageName,
        tags: &BTreeSet<Tag>,
        since: Moment,
    ) -> Result<News, JobError> {
        let mut news = self.refresh_tags(image, since).await?;
        let answers: Vec<_> = stream::iter(tags.clone())
            .map(async |tag| self.refresh_digest(image, &tag, since).await)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for answer in answers {
            news = news.and(answer?);
        }
        Ok(news)
    }

    async fn refresh_tags(&self, image: &ImageName, since: Moment) -> Result<News, JobError> {
        let turn = self.turn(image);
        let _held = turn.lock().await;
        let known = self.store.tag_list(&image.to_string()).await?;
        if known.as_ref().is_some_and(|row| row.fetched_at > since) {
            return Ok(News::Changed);
        }
        let row = self.ask_in_time(image, known.clone()).await?;
        self.store.save_tag_list(&row).await?;
        let same =
            known.is_some_and(|known| known.complete == row.complete && sorted(&known.tags) == sorted(&row.tags));
        Ok(if same { News::Nothing } else { News::Changed })
    }

    /// A tag that was never asked for is no news: no plan knows what it points at.
    async fn refresh_digest(&self, image: &ImageName, tag: &Tag, since: Moment) -> Result<News, JobError> {
        let known = self.store.sightings(image, tag).await?.into_iter().next();
        if let Some(seen) = known.as_ref().filter(|seen| seen.last_seen > since) {
            return Ok(if seen.first_seen > since { News::Changed } else { News::Nothing });
        }
        let digest = match self.registries.digest(image, tag).await {
            Ok(digest) => digest,
            // Taken away again; the list of tags says so.
            Err(registry::RegistryError::NotFound { .. }) => return Ok(News::Nothing),
            Err(error) => return Err(error.into()),
        };
        self.store.observe(image, tag, &digest, self.clock.now()).await?;
        let same = known.is_none_or(|known| known.digest == digest);
        Ok(if same { News::Nothing } else { News::Changed })
    }

    /// The client behind the look-ups.
    pub(super) fn registries(&self) -> &Registries {
        &self.registries
    }

    fn is_fresh(&self, at: Moment, now: Moment) -> bool {
        now < at.plus_ms(milliseconds(self.interval))
    }

    async fn tags_of(&self, image: &ImageName) -> Result<Lookup<TagList>, JobError> {
        let turn = self.turn(image);
        let _held = turn.lock().await;
        let known = self.store.tag_list(&image.to_string()).await?;
        let now = self.clock.now();
        if let Some(row) = known.as_ref().filter(|row| self.is_fresh(row.fetched_at, now)) {
            return Ok(Lookup::Known(list(&row.tags, row.complete)));
        }
        let row = match self.ask_in_time(image, known).await {
            Ok(row) => row,
            Err(error) => return Ok(unavailable(&error)),
        };
        self.store.save_tag_list(&row).await?;
        Ok(Lookup::Known(list(&row.tags, row.complete)))
    }

    async fn ask_in_time(
        &self,
        image: &ImageName,
        known: Option<TagListRow>,
    ) -> Result<TagListRow, registry::RegistryError> {
        let late = |_| registry::RegistryError::Unavailable {
            host: image.registry().to_owned(),
            reason: format!("no whole list of the tags of {image} within {} s", LONGEST_LOOKUP.as_secs()),
        };
        tokio::time::timeout(LONGEST_LOOKUP, self.ask(image, known)).await.map_err(late)?
    }

    /// Asks the registry; a list that is no other than the known one is not read again.
    async fn ask(&self, image: &ImageName, known: Option<TagListRow>) -> Result<TagListRow, registry::RegistryError> {
        let now = self.clock.now();
        let answer = match known.as_ref().and_then(|row| row.etag.as_deref()) {
            Some(etag) => self.registries.tags_unless(image, etag).await?,
            None => Some(self.registries.tags(image).await?),
        };
        let (tags, etag, complete) = match (answer, known) {
            (Some(list), _) => {
                let names = list.tags.iter().map(Tag::to_string).collect();
                (names, list.etag, list.complete == registry::Completeness::Whole)
            }
            (None, Some(known)) => (known.tags, known.etag, known.complete),
            (None, None) => (Vec::new(), None, true),
        };
        Ok(TagListRow { image: image.to_string(), fetched_at: now, etag, tags, complete })
    }

    /// One look-up of an image at a time; the next finds the answer in the store.
    fn turn(&self, image: &ImageName) -> Arc<tokio::sync::Mutex<()>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(under_way.entry(image.clone()).or_default())
    }
}

fn sorted(tags: &[String]) -> BTreeSet<&str> {
    tags.iter().map(String::as_str).collect()
}

fn list(tags: &[String], complete: bool) -> TagList {
    let listed = |name: &String| Tag::parse(name).ok().map(|name| ListedTag { name, digest: None, created: None });
    let completeness = match complete {
        true => Completeness::Whole,
        false => Completeness::Cut { reason: "the registry listed more tags than Restow reads".to_owned() },
    };
    TagList { tags: tags.iter().filter_map(listed).collect(), completeness }
}

/// An answer that did not come, as the plan sees it.
fn unavailable<T>(error: &registry::RegistryError) -> Lookup<T> {
    Lookup::Unavailable { reason: error.to_string(), may_pass: error.retry_after().is_some() }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
