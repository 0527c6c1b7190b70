//! The tags of an image: one list for the whole organisation, and for a mirror the list of its upstream too.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use super::{LIST, Lookups, milliseconds};
use crate::image::{ImageName, Tag};
use crate::jobs::JobError;
use crate::plan::{Completeness, Lookup, TagList};
use crate::registry::{self, Upload};
use crate::repo::Moment;
use crate::store::{ImageKey, TagListRow};
use crate::tag::ListedTag;

/// One image's list, all its pages together, takes no longer.
const LONGEST_LOOKUP: Duration = Duration::from_secs(300);
/// Tags that come at once; more is another list, of which nothing was seen to come.
const MOST_NEW: usize = 10_000;
/// A tag is gone where this many whole lists in a row do not have it.
const GONE_AFTER: i64 = 3;

impl Lookups {
    /// The tags of an image, from its registry; of a mirror's image also those of its upstream, unproven.
    pub(super) async fn tags_of(&self, image: &ImageName) -> Result<Lookup<TagList>, JobError> {
        let Some(upstream) = self.registries.upstream(image) else { return self.listed(image).await };
        let (own, theirs) = futures::join!(self.listed(image), self.listed(&upstream));
        let (own, mut theirs) = match (own?, theirs?) {
            (own, Lookup::Known(theirs)) => (own, theirs),
            // Whoever has a mirror may have no way to the upstream.
            (own, Lookup::Unavailable { .. }) => {
                return Ok(own.map(|own| TagList { known_as: Some(upstream), ..own }));
            }
        };
        let listed = match own {
            Lookup::Known(own) => own.tags,
            // Not every mirror lists; each tag is proven there before it is proposed.
            Lookup::Unavailable { may_pass: false, .. } => Vec::new(),
            Lookup::Unavailable { .. } => return Ok(own),
        };
        let proven: HashSet<Tag> = listed.iter().map(|tag| tag.name.clone()).collect();
        let names = theirs.tags.iter().map(|tag| tag.name.clone());
        theirs.unproven = names.filter(|name| !proven.contains(name)).collect();
        let known: HashSet<Tag> = theirs.tags.iter().map(|tag| tag.name.clone()).collect();
        theirs.tags.extend(listed.into_iter().filter(|tag| !known.contains(&tag.name)));
        Ok(Lookup::Known(TagList { known_as: Some(upstream), ..theirs }))
    }

    /// What one registry lists, asked again after the interval.
    async fn listed(&self, image: &ImageName) -> Result<Lookup<TagList>, JobError> {
        let key = self.key(image);
        let turn = self.turn(&key, LIST);
        let _held = turn.lock().await;
        let known = self.store.tag_list(&key).await?;
        if let Some(row) = known.as_ref().filter(|row| self.is_fresh(&key, row.fetched_at, self.clock.now())) {
            return self.told(row).await;
        }
        if let Some(failed) = self.failed_before(&key, LIST) {
            return Ok(failed);
        }
        match self.ask_in_time(image, &key, known.as_ref()).await {
            Ok(row) => {
                self.keep_list(known.as_ref(), &row).await?;
                self.told(&row).await
            }
            Err(error) => Ok(self.failed(&key, LIST, &error)),
        }
    }

    pub(super) async fn ask_in_time(
        &self,
        image: &ImageName,
        key: &ImageKey,
        known: Option<&TagListRow>,
    ) -> Result<TagListRow, registry::RegistryError> {
        let late = |_| registry::RegistryError::Unavailable {
            host: image.registry().to_owned(),
            reason: format!("no whole list of the tags of {image} within {} s", LONGEST_LOOKUP.as_secs()),
        };
        tokio::time::timeout(LONGEST_LOOKUP, self.ask(image, key, known)).await.map_err(late)?
    }

    /// Keeps a list that was just read, and notes what it no more has and what it did not have before.
    pub(super) async fn keep_list(&self, known: Option<&TagListRow>, new: &TagListRow) -> Result<(), JobError> {
        self.note_changes(known, new).await?;
        self.forget_failure(&new.image, LIST);
        Ok(self.store.save_tag_list(new).await?)
    }

    /// Asks the registry; a list that is no other than the known one is not read again.
    async fn ask(
        &self,
        image: &ImageName,
        key: &ImageKey,
        known: Option<&TagListRow>,
    ) -> Result<TagListRow, registry::RegistryError> {
        let now = self.clock.now();
        let answer = match known.and_then(|row| row.etag.as_deref()) {
            Some(etag) => self.registries.tags_unless(image, etag).await?,
            None => Some(self.registries.tags(image).await?),
        };
        Ok(match (answer, known) {
            (Some(list), _) => row(key, list, now),
            (None, Some(known)) => TagListRow { fetched_at: now, ..known.clone() },
            (None, None) => {
                let (tags, complete) = (Vec::new(), true);
                TagListRow { image: key.clone(), fetched_at: now, etag: None, tags, complete, uploads: None }
            }
        })
    }

    /// Notes the tags that came, and counts those that a whole list no more has; a list that is cut says nothing of
    /// what it lacks. Lists that are read seconds apart, because pushes are told, count as one look.
    async fn note_changes(&self, known: Option<&TagListRow>, new: &TagListRow) -> Result<(), JobError> {
        let Some(known) = known.filter(|known| known.complete) else { return Ok(()) };
        let waiting = self.store.recently_missing(&new.image, i64::MAX).await?;
        let before: HashSet<&str> =
            known.tags.iter().map(String::as_str).chain(waiting.iter().map(Tag::as_str)).collect();
        let now = self.clock.now();
        let came: Vec<&str> = new.tags.iter().map(String::as_str).filter(|tag| !before.contains(tag)).collect();
        if came.len() <= MOST_NEW {
            self.store.note_new_tags(&new.image, &came, now).await?;
        }
        if !new.complete {
            return Ok(());
        }
        let there: HashSet<&str> = new.tags.iter().map(String::as_str).collect();
        let (back, missing): (BTreeSet<&str>, BTreeSet<&str>) = before.into_iter().partition(|tag| there.contains(tag));
        let waiting: HashSet<&str> = waiting.iter().map(Tag::as_str).collect();
        let back: Vec<&str> = back.into_iter().filter(|tag| waiting.contains(tag)).collect();
        let missing: Vec<&str> = missing.into_iter().collect();
        if !missing.is_empty() {
            tracing::info!(image = %new.image, tags = missing.len(), "tags are not listed any more");
        }
        // Each list has its own moment in the last twentieth of the interval.
        let last_look = now.plus_ms(-(milliseconds(self.interval) / 10 * 9));
        Ok(self.store.note_missing(&new.image, &missing, &back, (now, last_look)).await?)
    }

    async fn told(&self, row: &TagListRow) -> Result<Lookup<TagList>, JobError> {
        let recent = self.store.recently_missing(&row.image, GONE_AFTER).await?;
        Ok(Lookup::Known(list(row, recent)))
    }
}

fn row(key: &ImageKey, list: registry::TagList, now: Moment) -> TagListRow {
    TagListRow {
        image: key.clone(),
        fetched_at: now,
        etag: list.etag,
        tags: list.tags.iter().map(Tag::to_string).collect(),
        complete: list.complete == registry::Completeness::Whole,
        uploads: (!list.uploads.is_empty()).then(|| serde_json::to_string(&list.uploads).unwrap_or_default()),
    }
}

/// What a row's list said of uploads.
pub(super) fn uploads(row: &TagListRow) -> BTreeMap<Tag, Upload> {
    row.uploads.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn list(row: &TagListRow, recent: Vec<Tag>) -> TagList {
    let mut uploads = uploads(row);
    let listed = |name: &String| {
        let name = Tag::parse(name).ok()?;
        let upload = uploads.remove(&name);
        let created = upload.as_ref().map(|upload| upload.at);
        Some(ListedTag { digest: upload.map(|upload| upload.digest), created, name })
    };
    let completeness = match row.complete {
        true => Completeness::Whole,
        false => Completeness::Cut { reason: "the registry listed more tags than Restow reads".to_owned() },
    };
    let tags = row.tags.iter().filter_map(listed).collect();
    let recent = recent.into_iter().collect();
    TagList { tags, completeness, unproven: BTreeSet::new(), recent, known_as: None }
}
