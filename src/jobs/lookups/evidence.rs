//! What is known of an image: its platforms, dates and labels, and what the ledger saw. Content is read once for each
//! digest and kept; what registries claim is kept with who claims it.

use bytes::Bytes;

use super::pulls::Need;
use super::tag_lists::uploads;
use super::{Lookups, unavailable};
use crate::image::{Digest, ImageName, Tag};
use crate::jobs::JobError;
use crate::plan::{Claim, Claimed, Depth, Evidence, Labels, Lookup, Platforms, Subject};
use crate::registry::{CONFIG_LIMIT, Content, Description, Manifest, RegistryError};
use crate::store::{ContentRow, StoryRow};

/// The media type under which configurations are kept.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// An answer, or why there is none, inside a job that may fail for other reasons.
pub(super) type Asked<T> = Result<Lookup<T>, JobError>;

/// The answer, or an early return with why there is none.
macro_rules! known {
    ($lookup:expr) => {
        match $lookup {
            Lookup::Known(answer) => answer,
            Lookup::Unavailable { reason, may_pass } => return Ok(Lookup::Unavailable { reason, may_pass }),
        }
    };
}

pub(super) use known;

impl Lookups {
    pub(super) async fn evidence_of(&self, subject: &Subject, depth: Depth) -> Asked<Evidence> {
        let image = &subject.image;
        let latest = || Tag::parse("latest").expect("impossible: latest is a tag");
        let tag = subject.tag.clone().or_else(|| subject.digest.is_none().then(latest));
        let digest = match (&subject.digest, &tag) {
            (Some(digest), _) => digest.clone(),
            (None, Some(tag)) => known!(self.digest_of(image, tag).await?),
            (None, None) => return Ok(gone(image)),
        };
        let story = match &tag {
            Some(tag) => self.story_of(image, tag, &digest).await?,
            None => None,
        };
        let told = story.as_ref().filter(|story| !story.platforms.is_empty());
        let platforms = match told {
            Some(story) => Platforms::Known(story.platforms.iter().cloned().collect()),
            None => known!(self.platforms_of(image, &digest).await?),
        };
        let description = match depth {
            Depth::Whole => self.description_of(image, &digest).await?,
            Depth::Platforms => None,
        };
        let claims = claims(story.as_ref(), description.as_ref());
        let labels = description.map(|description| labels(&description)).unwrap_or_default();
        let mut evidence =
            Evidence { digest, platforms, first_seen: None, came: None, claims, earlier: Vec::new(), labels };
        if let Some(tag) = &tag {
            self.remember(image, tag, &mut evidence).await?;
        }
        Ok(Lookup::Known(evidence))
    }

    /// What the ledger saw under the tag.
    async fn remember(&self, image: &ImageName, tag: &Tag, evidence: &mut Evidence) -> Result<(), JobError> {
        let key = self.key(image);
        for seen in self.store.sightings(&key, tag).await? {
            if seen.digest == evidence.digest {
                evidence.first_seen = Some(seen.first_seen);
            } else {
                evidence.earlier.push((seen.digest, seen.last_seen));
            }
        }
        evidence.came = self.store.tag_came(&key, tag).await?;
        Ok(())
    }

    /// What the registry, or a mirror's upstream, tells of a tag; a claim is no reason to fail.
    async fn story_of(&self, image: &ImageName, tag: &Tag, digest: &Digest) -> Result<Option<StoryRow>, JobError> {
        let key = self.key(image);
        if let Some(known) = self.store.story(&key, tag, digest).await? {
            return Ok(Some(known));
        }
        let listed = self.store.tag_list(&key).await?;
        let upload = listed.and_then(|row| uploads(&row).remove(tag)).filter(|upload| upload.digest == *digest);
        if let Some(upload) = upload {
            let (source, platforms) = (image.registry().to_owned(), Vec::new());
            return Ok(Some(StoryRow { digest: digest.clone(), pushed: Some(upload.at), platforms, source }));
        }
        // Where nothing is told, nothing is told to the next repository either.
        let what = format!("story {tag}");
        if self.failed_before::<()>(&key, &what).is_some() {
            return Ok(None);
        }
        let told = self.registries.upstream(image).unwrap_or_else(|| image.clone());
        let story = match self.registries.tag_story(&told, tag).await {
            Ok(story) => story.filter(|story| story.digest == *digest),
            Err(error) => {
                tracing::debug!(%image, %tag, %error, "no dates");
                self.failed::<()>(&key, &what, &error);
                return Ok(None);
            }
        };
        let Some(story) = story else {
            self.failed::<()>(&key, &what, &RegistryError::NotFound { what: format!("{image}:{tag}") });
            return Ok(None);
        };
        let (digest, source) = (story.digest, story.source.to_owned());
        let row = StoryRow { digest, pushed: story.pushed, platforms: story.platforms, source };
        self.store.save_story(&key, tag, &row, self.clock.now()).await?;
        Ok(Some(row))
    }

    async fn platforms_of(&self, image: &ImageName, digest: &Digest) -> Asked<Platforms> {
        let content = known!(self.content_of(image, digest, Need::Decides).await?);
        Ok(Lookup::Known(match content {
            Content::Index(entries) => Platforms::Known(entries.into_iter().map(|(platform, _)| platform).collect()),
            Content::Image { config, .. } => match known!(self.config_of(image, &config).await?).platform {
                Some(platform) => Platforms::Known([platform].into()),
                None => Platforms::Unknown("its configuration names no platform".to_owned()),
            },
            Content::Other => Platforms::Unknown("it is no image that the OCI specification describes".to_owned()),
        }))
    }

    /// What an image says of itself: of an index, what its usual platform says. Nice to know, never a reason to fail.
    async fn description_of(&self, image: &ImageName, digest: &Digest) -> Result<Option<Description>, JobError> {
        let mut content = self.content_of(image, digest, Need::Informs).await?;
        if let Lookup::Known(index @ Content::Index(_)) = &content {
            let Some(usual) = index.usual() else { return Ok(None) };
            content = self.content_of(image, usual, Need::Informs).await?;
        }
        let Lookup::Known(Content::Image { config, .. }) = content else { return Ok(None) };
        match self.config_of(image, &config).await? {
            Lookup::Known(description) => Ok(Some(description)),
            Lookup::Unavailable { reason, .. } => {
                tracing::debug!(%image, reason, "no description");
                Ok(None)
            }
        }
    }

    async fn content_of(&self, image: &ImageName, digest: &Digest, need: Need) -> Asked<Content> {
        let manifest = known!(self.manifest_of(image, digest, need).await?);
        Ok(manifest.content(image).map_or_else(|error| unavailable(&error), Lookup::Known))
    }

    pub(super) async fn manifest_of(&self, image: &ImageName, digest: &Digest, need: Need) -> Asked<Manifest> {
        let turn = self.turn(&self.key(image), digest.as_str());
        let _held = turn.lock().await;
        let (audience, now) = (self.audience(image), self.clock.now());
        if let Some(row) = self.store.content(&audience, digest, now).await? {
            return Ok(Lookup::Known(Manifest { media_type: row.media_type, body: Bytes::from(row.body) }));
        }
        if let Some(failed) = self.failed_before(&self.key(image), digest.as_str()) {
            return Ok(failed);
        }
        if let Some(refusal) = self.may_pull(image, need).await? {
            return Ok(refusal);
        }
        let answer = self.registries.manifest(image, digest).await;
        self.note_quota(image).await?;
        match answer {
            Ok(manifest) => {
                self.keep(image, digest, &manifest.media_type, &manifest.body).await?;
                Ok(Lookup::Known(manifest))
            }
            Err(error) => Ok(self.failed(&self.key(image), digest.as_str(), &error)),
        }
    }

    pub(super) async fn config_of(&self, image: &ImageName, digest: &Digest) -> Asked<Description> {
        let turn = self.turn(&self.key(image), digest.as_str());
        let _held = turn.lock().await;
        let (audience, now) = (self.audience(image), self.clock.now());
        if let Some(failed) = self.failed_before(&self.key(image), digest.as_str()) {
            return Ok(failed);
        }
        let body = match self.store.content(&audience, digest, now).await? {
            Some(row) => Bytes::from(row.body),
            None => match self.registries.blob(image, digest, CONFIG_LIMIT).await {
                Ok(body) => {
                    self.keep(image, digest, CONFIG, &body).await?;
                    body
                }
                Err(error) => return Ok(self.failed(&self.key(image), digest.as_str(), &error)),
            },
        };
        let unreadable = || RegistryError::invalid(image.registry(), "an image's configuration cannot be read");
        Ok(Description::read(&body).map_or_else(|| unavailable(&unreadable()), Lookup::Known))
    }

    async fn keep(&self, image: &ImageName, digest: &Digest, media_type: &str, body: &Bytes) -> Result<(), JobError> {
        // What is no text is no JSON, and is not kept.
        let Ok(text) = std::str::from_utf8(body) else { return Ok(()) };
        let row = ContentRow {
            audience: self.audience(image),
            digest: digest.clone(),
            image: image.to_string(),
            media_type: media_type.to_owned(),
            body: text.to_owned(),
            fetched_at: self.clock.now(),
        };
        Ok(self.store.save_content(&row).await?)
    }
}

fn gone<T>(image: &ImageName) -> Lookup<T> {
    Lookup::Unavailable { reason: format!("{image}: neither a tag nor a digest is named"), may_pass: false }
}

fn claims(story: Option<&StoryRow>, description: Option<&Description>) -> Vec<Claim> {
    let pushed =
        story.and_then(|story| Some(Claim { what: Claimed::Pushed, at: story.pushed?, source: story.source.clone() }));
    let created = description.and_then(|description| {
        Some(Claim { what: Claimed::Created, at: description.created?, source: "the image".to_owned() })
    });
    pushed.into_iter().chain(created).collect()
}

fn labels(description: &Description) -> Labels {
    let label = |name: &str| description.labels.get(name).cloned();
    Labels { source: label("source"), revision: label("revision"), version: label("version") }
}
