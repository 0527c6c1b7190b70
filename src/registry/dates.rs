//! When a tag was pushed, as registries tell on interfaces of their own: Docker Hub's and Quay's.
//!
//! What they say are claims, shown beside what Restow saw itself. A question here is never counted as a pull.

use serde::Deserialize;
use url::Url;

use super::client::{Question, Registries};
use super::error::RegistryError;
use super::quirks::{Dates, quirk};
use crate::image::{Digest, ImageName, Platform, Tag};
use crate::repo::Moment;

/// A tag with many platforms needs some kilobytes.
const LIMIT: usize = 1024 * 1024;

/// What a registry tells of a tag, beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagStory {
    /// What the tag points at, as told there.
    pub digest: Digest,
    /// When it was pushed.
    pub pushed: Option<Moment>,
    /// For which platforms; empty where it is not told.
    pub platforms: Vec<Platform>,
    /// Who tells.
    pub source: &'static str,
}

#[derive(Deserialize)]
struct HubTag {
    digest: Option<String>,
    tag_last_pushed: Option<String>,
    #[serde(default)]
    images: Vec<HubImage>,
}

#[derive(Deserialize)]
struct HubImage {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct QuayTags {
    tags: Vec<QuayTag>,
}

#[derive(Deserialize)]
struct QuayTag {
    name: String,
    manifest_digest: String,
    start_ts: Option<i64>,
}

impl Registries {
    /// What the registry's own interface tells of a tag; `None` where it has none, or tells nothing of this tag.
    ///
    /// # Errors
    /// It cannot be reached, or its answer cannot be read.
    pub async fn tag_story(&self, image: &ImageName, tag: &Tag) -> Result<Option<TagStory>, RegistryError> {
        let (asked, url) = match quirk(image.registry()).dates {
            Dates::DockerHub => self.hub_address(image, tag)?,
            Dates::Quay => (image.clone(), self.quay_address(image, tag)?),
            Dates::Image | Dates::List => return Ok(None),
        };
        let question = Question::get(&asked, url, "application/json", LIMIT);
        let answer = match self.ask(&question).await {
            Ok(answer) => answer,
            // Private images are told to nobody there.
            Err(RegistryError::NotFound { .. } | RegistryError::Unauthorized { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let story = match quirk(image.registry()).dates {
            Dates::DockerHub => hub_story(&answer.body),
            Dates::Quay => quay_story(&answer.body, tag),
            Dates::Image | Dates::List => Ok(None),
        };
        story.map_err(|_| RegistryError::invalid(image.registry(), "what it tells of its tags cannot be read"))
    }

    /// Docker Hub's interface is another host with limits of its own: it is asked as if it were a registry.
    fn hub_address(&self, image: &ImageName, tag: &Tag) -> Result<(ImageName, Url), RegistryError> {
        let invalid = || RegistryError::invalid(image.registry(), "the image's name makes no valid address");
        let hub = self.docker_hub();
        let host = super::address::authority(hub);
        let asked = ImageName::parse(&format!("{host}/{}", image.repository())).map_err(|_| invalid())?;
        let url = hub.join(&format!("v2/repositories/{}/tags/{tag}", image.repository())).map_err(|_| invalid())?;
        Ok((asked, url))
    }

    fn quay_address(&self, image: &ImageName, tag: &Tag) -> Result<Url, RegistryError> {
        let door = self.front_door(image.registry())?;
        let url = door.join(&format!("/api/v1/repository/{}/tag/", image.repository()));
        let mut url =
            url.map_err(|_| RegistryError::invalid(image.registry(), "the image's name makes no valid address"))?;
        url.query_pairs_mut().append_pair("specificTag", tag.as_str()).append_pair("onlyActiveTags", "true");
        Ok(url)
    }
}

fn hub_story(body: &[u8]) -> Result<Option<TagStory>, serde_json::Error> {
    let tag: HubTag = serde_json::from_slice(body)?;
    let Some(digest) = tag.digest.and_then(|digest| Digest::parse(&digest).ok()) else { return Ok(None) };
    let active = |image: &&HubImage| image.status.as_deref() != Some("inactive") && image.os != "unknown";
    let platform = |image: &HubImage| {
        let variant = image.variant.as_deref().filter(|variant| !variant.is_empty());
        Platform::new(&image.os, &image.architecture, variant).ok()
    };
    Ok(Some(TagStory {
        digest,
        pushed: tag.tag_last_pushed.as_deref().and_then(Moment::parse_rfc3339),
        platforms: tag.images.iter().filter(active).filter_map(platform).collect(),
        source: "Docker Hub",
    }))
}

fn quay_story(body: &[u8], tag: &Tag) -> Result<Option<TagStory>, serde_json::Error> {
    let answer: QuayTags = serde_json::from_slice(body)?;
    let Some(found) = answer.tags.iter().find(|found| found.name == tag.as_str()) else { return Ok(None) };
    let Ok(digest) = Digest::parse(&found.manifest_digest) else { return Ok(None) };
    let pushed = found.start_ts.map(|seconds| Moment(seconds.saturating_mul(1000)));
    Ok(Some(TagStory { digest, pushed, platforms: Vec::new(), source: "Quay" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn docker_hub_tells_platforms_and_dates() {
        let body = format!(
            r#"{{"name":"1.27","digest":"{DIGEST}","tag_last_pushed":"2026-05-01T10:00:00.123456Z","full_size":1,
              "images":[{{"architecture":"amd64","os":"linux","variant":null,"status":"active"}},
                {{"architecture":"arm","os":"linux","variant":"v7"}},
                {{"architecture":"unknown","os":"unknown","variant":""}},
                {{"architecture":"386","os":"linux","status":"inactive"}}]}}"#
        );
        let story = hub_story(body.as_bytes()).expect("an answer").expect("a story");
        assert_eq!(story.digest.as_str(), DIGEST);
        let platforms: Vec<String> = story.platforms.iter().map(ToString::to_string).collect();
        assert_eq!(platforms, ["linux/amd64", "linux/arm/v7"]);
        assert_eq!(story.pushed, Moment::parse_rfc3339("2026-05-01T10:00:00.123456Z"));
        assert_eq!(hub_story(b"{}").expect("an answer"), None);
        assert!(hub_story(b"<html>").is_err());
    }

    #[test]
    fn quay_tells_since_when() {
        let body = format!(r#"{{"tags":[{{"name":"v1.2","manifest_digest":"{DIGEST}","start_ts":1777629600}}]}}"#);
        let check = |tag: &str, pushed: Option<Moment>| {
            let story = quay_story(body.as_bytes(), &Tag::parse(tag).expect("a tag")).expect("an answer");
            assert_eq!(story.and_then(|story| story.pushed), pushed, "{tag}");
        };
        check("v1.2", Some(Moment(1_777_629_600_000)));
        check("v1.3", None);
    }
}
