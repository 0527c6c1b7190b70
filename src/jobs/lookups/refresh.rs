//! Asking again at once, because a registry told that an image was pushed.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};

use super::{AT_ONCE, LIST, Lookups, News};
use crate::image::{ImageName, Tag};
use crate::jobs::JobError;
use crate::registry::{Pointed, Registries, RegistryError};
use crate::repo::Moment;

impl Lookups {
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
        let key = self.key(image);
        let turn = self.turn(&key, LIST);
        let _held = turn.lock().await;
        let known = self.store.tag_list(&key).await?;
        if known.as_ref().is_some_and(|row| row.fetched_at > since) {
            return Ok(News::Changed);
        }
        let row = self.ask_in_time(image, &key, known.as_ref()).await?;
        self.keep_list(known.as_ref(), &row).await?;
        let same =
            known.is_some_and(|known| known.complete == row.complete && sorted(&known.tags) == sorted(&row.tags));
        Ok(if same { News::Nothing } else { News::Changed })
    }

    /// A tag that was never asked for is no news: no plan knows what it points at.
    async fn refresh_digest(&self, image: &ImageName, tag: &Tag, since: Moment) -> Result<News, JobError> {
        let key = self.key(image);
        let known = self.store.sightings(&key, tag).await?.into_iter().next();
        if let Some(seen) = known.as_ref().filter(|seen| seen.last_seen > since) {
            return Ok(if seen.first_seen > since { News::Changed } else { News::Nothing });
        }
        let Pointed { digest, etag } = match self.registries.pointed(image, tag, None).await {
            Ok(pointed) => pointed,
            // Taken away again; the list of tags says so.
            Err(RegistryError::NotFound { .. }) => return Ok(News::Nothing),
            Err(error) => return Err(error.into()),
        };
        self.store.observe(&key, tag, (&digest, etag.as_deref()), self.clock.now()).await?;
        self.forget_failure(&key, tag.as_str());
        let same = known.is_none_or(|known| known.digest == digest);
        Ok(if same { News::Nothing } else { News::Changed })
    }

    /// The client behind the look-ups.
    pub(crate) fn registries(&self) -> &Registries {
        &self.registries
    }
}

fn sorted(tags: &[String]) -> BTreeSet<&str> {
    tags.iter().map(String::as_str).collect()
}
