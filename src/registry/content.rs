//! What manifests and configurations say: the platforms of an index, what an image says of itself.
//! Source: OCI image specification 1.1, "Image Index", "Image Manifest", "Image Configuration".

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::RegistryError;
use super::manifest::Manifest;
use crate::image::{Digest, ImageName, Platform};
use crate::repo::Moment;

/// Entries of one index that are read.
const MAX_ENTRIES: usize = 1000;
/// A configuration; the largest that are known have some hundred kilobytes.
pub const CONFIG_LIMIT: usize = 4 * 1024 * 1024;
/// A label's text that is kept.
const MAX_LABEL: usize = 500;

/// What a manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An index of images, one for each platform; attestations among them are left out.
    Index(Vec<(Platform, Digest)>),
    /// One image, which its configuration describes.
    Image {
        /// The configuration.
        config: Digest,
        /// The bytes of its layers, as they are stored.
        size: u64,
    },
    /// Something else: a chart, a signature, an old form.
    Other,
}

impl Content {
    /// Of an index, the image for a platform.
    pub fn of_platform(&self, wanted: &Platform) -> Option<&Digest> {
        let Self::Index(entries) = self else { return None };
        entries.iter().find(|(platform, _)| platform == wanted).map(|(_, digest)| digest)
    }

    /// Of an index, the image that stands for all of it: that for `linux/amd64`, else the first.
    pub fn usual(&self) -> Option<&Digest> {
        let Self::Index(entries) = self else { return None };
        let amd64 = entries.iter().find(|(platform, _)| platform.to_string() == "linux/amd64");
        amd64.or_else(|| entries.first()).map(|(_, digest)| digest)
    }
}

/// What an image says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// What it runs on; `None` where it does not say.
    pub platform: Option<Platform>,
    /// When it was built, as it claims. Reproducible builds claim 1970 or 1980, which is told as nothing.
    pub created: Option<Moment>,
    /// Its labels of the kind `org.opencontainers.image.*`, without that prefix.
    pub labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    #[serde(default)]
    manifests: Vec<RawEntry>,
    config: Option<RawDescriptor>,
    #[serde(default)]
    layers: Vec<RawDescriptor>,
}

#[derive(Deserialize)]
struct RawEntry {
    digest: String,
    platform: Option<RawPlatform>,
}

#[derive(Deserialize)]
struct RawDescriptor {
    digest: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl RawPlatform {
    /// The platform; attestations have `unknown/unknown`.
    fn read(&self) -> Option<Platform> {
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        Platform::new(&self.os, &self.architecture, variant).ok().filter(|_| self.os != "unknown")
    }
}

#[derive(Deserialize)]
struct RawConfig {
    #[serde(flatten)]
    platform: RawPlatform,
    created: Option<String>,
    config: Option<RawLabels>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawLabels {
    labels: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// What the manifest is.
    ///
    /// # Errors
    /// It is no JSON object of the specification's shape.
    pub fn content(&self, image: &ImageName) -> Result<Content, RegistryError> {
        let raw: RawManifest = serde_json::from_slice(&self.body)
            .map_err(|_| RegistryError::invalid(image.registry(), format!("the manifest of {image} cannot be read")))?;
        if !raw.manifests.is_empty() {
            let entries = raw.manifests.iter().take(MAX_ENTRIES);
            let image = |entry: &RawEntry| Some((entry.platform.as_ref()?.read()?, Digest::parse(&entry.digest).ok()?));
            return Ok(Content::Index(entries.filter_map(image).collect()));
        }
        let config = raw.config.and_then(|config| Digest::parse(&config.digest).ok());
        let size = raw.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.size));
        Ok(config.map_or(Content::Other, |config| Content::Image { config, size }))
    }
}

impl Description {
    /// Reads an image's configuration; `None` where it is none.
    pub fn read(config: &[u8]) -> Option<Self> {
        let raw: RawConfig = serde_json::from_slice(config).ok()?;
        let created = raw.created.as_deref().and_then(Moment::parse_rfc3339).filter(is_told);
        let labels = raw.config.and_then(|config| config.labels).unwrap_or_default();
        let labels = labels.into_iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("org.opencontainers.image.")?.to_owned();
            (!value.is_empty() && value.len() <= MAX_LABEL).then_some((name, value))
        });
        Some(Self { platform: raw.platform.read(), created, labels: labels.take(50).collect() })
    }
}

/// Dates before containers are no dates.
fn is_told(created: &Moment) -> bool {
    Moment::parse_rfc3339("2013-01-01T00:00:00Z").is_none_or(|first| *created > first)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn manifest(text: &str) -> Manifest {
        Manifest { media_type: String::new(), body: Bytes::copy_from_slice(text.as_bytes()) }
    }

    #[track_caller]
    fn check(text: &str, platforms: Option<&[&str]>) {
        let image = "nginx".parse().expect("an image");
        let found = match manifest(text).content(&image) {
            Ok(Content::Index(entries)) => {
                Some(entries.iter().map(|(platform, _)| platform.to_string()).collect::<Vec<_>>())
            }
            Ok(Content::Image { .. } | Content::Other) | Err(_) => None,
        };
        let expected = platforms.map(|all| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(found, expected);
    }

    #[test]
    fn an_index_names_its_platforms() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let entry = |platform: &str| format!(r#"{{"digest":"{digest}","platform":{platform}}}"#);
        let entries = [
            entry(r#"{"os":"linux","architecture":"amd64"}"#),
            entry(r#"{"os":"linux","architecture":"arm","variant":"v7"}"#),
            entry(r#"{"os":"windows","architecture":"amd64","os.version":"10.0.20348.1"}"#),
            entry(r#"{"os":"unknown","architecture":"unknown"}"#),
            format!(r#"{{"digest":"{digest}"}}"#),
        ];
        let index = format!(r#"{{"manifests":[{}]}}"#, entries.join(","));
        check(&index, Some(&["linux/amd64", "linux/arm/v7", "windows/amd64"]));
        check(r#"{"manifests":[{"digest":"x","platform":{"os":"linux","architecture":"amd64"}}]}"#, Some(&[]));
        check("[]", None);
        check("{}", None);
    }

    #[test]
    fn an_image_describes_itself() {
        let config = br#"{"os":"linux","architecture":"arm64","variant":"v8","created":"2026-05-01T10:00:00.5Z",
            "config":{"Labels":{"org.opencontainers.image.source":"https://github.com/acme/shop","maintainer":"x"}}}"#;
        let found = Description::read(config).expect("a configuration");
        assert_eq!(found.platform.map(|platform| platform.to_string()).as_deref(), Some("linux/arm64"));
        assert_eq!(found.created, Moment::parse_rfc3339("2026-05-01T10:00:00.5Z"));
        assert_eq!(found.labels, BTreeMap::from([("source".to_owned(), "https://github.com/acme/shop".to_owned())]));
        let old = Description::read(br#"{"created":"1970-01-01T00:00:00Z","config":{"Labels":null}}"#).expect("one");
        assert_eq!((old.platform, old.created), (None, None));
        assert_eq!(Description::read(b"[1]"), None);
    }
}
