//! What refers to an image: signatures, attestations, SBOMs; by the API of OCI 1.1, else by the fall-back tag.
//!
//! Registries' descriptors are not to be trusted: some name the configuration's type as the artifact's, some leave the
//! annotations out, one answers the fall-back tag with the image itself. So every manifest is read, and its own
//! `subject` and `artifactType` count.

use http::{Method, StatusCode};
use serde::Deserialize;

use super::client::{Question, Registries};
use super::error::RegistryError;
use super::manifest::{Manifest, RawDescriptor};
use crate::image::{Digest, ImageName, Tag};

/// An index of referrers.
const INDEX_LIMIT: usize = 4 * 1024 * 1024;
/// Referrers of one image that are read.
const MAX_REFERRERS: usize = 100;
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How a registry answers what refers to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referrers {
    /// By the API of OCI 1.1.
    Api,
    /// Only tags named after the digest can hold them.
    TagsOnly,
}

/// Something that refers to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    /// Its manifest.
    pub digest: Digest,
    /// What it is, by its manifest: `application/vnd.dev.sigstore.bundle.v0.3+json`.
    pub artifact_type: String,
    /// The manifest itself.
    pub manifest: Manifest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIndex {
    manifests: Option<Vec<RawDescriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    artifact_type: Option<String>,
    subject: Option<RawDescriptor>,
    config: Option<RawDescriptor>,
}

impl Registries {
    /// How the registry answers what refers to a digest.
    ///
    /// # Errors
    /// The registry does not answer.
    pub async fn referrers_by(&self, image: &ImageName, digest: &Digest) -> Result<Referrers, RegistryError> {
        let found = self.referrers_index(image, digest).await?;
        Ok(if found.is_some() { Referrers::Api } else { Referrers::TagsOnly })
    }

    /// What refers to a digest, each proven by its own manifest to refer to it; the first hundred.
    ///
    /// # Errors
    /// The registry does not answer, or the list cannot be read. One bad manifest among many is left out.
    pub async fn referrers(&self, image: &ImageName, digest: &Digest) -> Result<Vec<Referrer>, RegistryError> {
        let listed = match self.referrers_index(image, digest).await? {
            Some(listed) => listed,
            None => self.fallback_index(image, digest).await?,
        };
        let mut referrers = Vec::new();
        for listed in listed.iter().take(MAX_REFERRERS) {
            match self.referrer(image, digest, listed).await {
                Ok(found) => referrers.extend(found),
                Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(referrers)
    }

    /// The answer of the API; `None` where the registry has none.
    async fn referrers_index(&self, image: &ImageName, digest: &Digest) -> Result<Option<Vec<Digest>>, RegistryError> {
        let question = Question {
            image,
            method: Method::GET,
            url: self.url(image, &format!("referrers/{digest}"))?,
            accept: INDEX,
            etag: None,
            limit: INDEX_LIMIT,
            form: None,
        };
        match self.ask(&question).await {
            Ok(answer) if answer.status == StatusCode::OK => Ok(listed(&answer.body)),
            Ok(_) | Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The tag `sha256-<hex>`; nothing where it is not there, or is the image itself.
    async fn fallback_index(&self, image: &ImageName, digest: &Digest) -> Result<Vec<Digest>, RegistryError> {
        let Ok(tag) = Tag::parse(&digest.as_str().replacen(':', "-", 1)) else { return Ok(Vec::new()) };
        match self.manifest_at(image, &tag).await {
            Ok((found, _)) if found == *digest => Ok(Vec::new()),
            Ok((_, manifest)) => Ok(listed(&manifest.body).unwrap_or_default()),
            Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn referrer(
        &self,
        image: &ImageName,
        subject: &Digest,
        listed: &Digest,
    ) -> Result<Option<Referrer>, RegistryError> {
        let manifest = self.manifest(image, listed).await?;
        let Ok(raw) = serde_json::from_slice::<RawManifest>(&manifest.body) else { return Ok(None) };
        if raw.subject.is_none_or(|named| named.digest != subject.as_str()) {
            return Ok(None);
        }
        let named = raw.artifact_type.filter(|named| !named.is_empty());
        let artifact_type = named.or_else(|| raw.config.map(|config| config.media_type)).unwrap_or_default();
        Ok(Some(Referrer { digest: listed.clone(), artifact_type, manifest }))
    }
}

/// The manifests of an index; `None` where it is none.
fn listed(body: &[u8]) -> Option<Vec<Digest>> {
    let index: RawIndex = serde_json::from_slice(body).ok()?;
    Some(index.manifests?.iter().filter_map(|one| Digest::parse(&one.digest).ok()).collect())
}
