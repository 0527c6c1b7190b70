//! What a tag points at: its digest by a HEAD request, which costs no pull; manifests by digest.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;

use super::client::{Question, Registries};
use super::error::RegistryError;
use super::exchange::Answer;
use crate::image::{Digest, ImageName, Tag};

/// All four kinds of manifest: a registry converts or refuses what is not asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// Registries take manifests of 4 MiB at most. Source: OCI distribution specification, "Pushing manifests".
const MANIFEST_LIMIT: usize = 4 * 1024 * 1024;

/// A manifest whose bytes have the digest that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The registry's `Content-Type`, without parameters; empty where it gives none.
    pub media_type: String,
    /// The manifest, unread.
    pub body: Bytes,
}

impl Manifest {
    fn of(answer: &Answer) -> Self {
        let media_type = answer.header(http::header::CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Self { media_type, body: answer.body.clone() }
    }
}

/// What a tag points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointed {
    /// The content.
    pub digest: Digest,
    /// The registry's version of this answer, where it gives one.
    pub etag: Option<String>,
}

/// What a manifest or an index says of a part. Source: OCI image specification 1.1, "Content Descriptors".
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawDescriptor {
    pub(super) digest: String,
    #[serde(default)]
    pub(super) media_type: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl Registries {
    /// What a tag points at now.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] where the registry has no such tag; [`RegistryError::Invalid`] where the digest it
    /// names is not the content's.
    pub async fn digest(&self, image: &ImageName, tag: &Tag) -> Result<Digest, RegistryError> {
        self.pointed(image, tag, None).await.map(|pointed| pointed.digest)
    }

    /// The same with the answer's version; where `known` has one, the registry need only say that it still holds.
    ///
    /// # Errors
    /// As [`Registries::digest`].
    pub async fn pointed(
        &self,
        image: &ImageName,
        tag: &Tag,
        known: Option<&Pointed>,
    ) -> Result<Pointed, RegistryError> {
        let head = self.question(image, tag.as_str(), Method::HEAD)?;
        let head = Question { etag: known.and_then(|known| known.etag.as_deref()), ..head };
        let what = || format!("{image}:{tag}");
        let etag = |answer: &Answer| answer.header(http::header::ETAG).map(str::to_owned);
        match (self.ask(&head).await, known) {
            (Ok(answer), Some(known)) if answer.status == StatusCode::NOT_MODIFIED => return Ok(known.clone()),
            (Ok(answer), _) => {
                if let Some(digest) = named_digest(&answer) {
                    return Ok(Pointed { digest, etag: etag(&answer) });
                }
            }
            // Some servers know no HEAD: 405, 400 or 501.
            (Err(RegistryError::Invalid { .. }), _) => {}
            (Err(error), _) => return Err(naming(error, &what)),
        }
        let question = Question { method: Method::GET, etag: None, ..head };
        let answer = self.ask(&question).await.map_err(|error| naming(error, &what))?;
        match named_digest(&answer) {
            Some(digest) if digest.matches(&answer.body) => Ok(Pointed { digest, etag: etag(&answer) }),
            Some(_) => Err(lie(image)),
            None => Ok(Pointed { digest: Digest::sha256_of(&answer.body), etag: etag(&answer) }),
        }
    }

    /// The manifest of a digest, proven to be it.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] where the registry has none; [`RegistryError::Invalid`] where it sends another.
    pub async fn manifest(&self, image: &ImageName, digest: &Digest) -> Result<Manifest, RegistryError> {
        let question = self.question(image, digest.as_str(), Method::GET)?;
        let answer = self.ask(&question).await.map_err(|error| naming(error, &|| format!("{image}@{digest}")))?;
        if !digest.matches(&answer.body) {
            return Err(lie(image));
        }
        Ok(Manifest::of(&answer))
    }

    /// What a tag points at, and its manifest, proven to be it.
    ///
    /// # Errors
    /// As [`Registries::manifest`].
    pub async fn manifest_at(&self, image: &ImageName, tag: &Tag) -> Result<(Digest, Manifest), RegistryError> {
        let question = self.question(image, tag.as_str(), Method::GET)?;
        let answer = self.ask(&question).await.map_err(|error| naming(error, &|| format!("{image}:{tag}")))?;
        let digest = named_digest(&answer).unwrap_or_else(|| Digest::sha256_of(&answer.body));
        if !digest.matches(&answer.body) {
            return Err(lie(image));
        }
        Ok((digest, Manifest::of(&answer)))
    }

    fn question<'a>(
        &self,
        image: &'a ImageName,
        reference: &str,
        method: Method,
    ) -> Result<Question<'a>, RegistryError> {
        let url = self.url(image, &format!("manifests/{reference}"))?;
        Ok(Question { method, ..Question::get(image, url, MANIFESTS, MANIFEST_LIMIT) })
    }
}

fn named_digest(answer: &Answer) -> Option<Digest> {
    Digest::parse(answer.header("docker-content-digest")?.trim()).ok()
}

fn lie(image: &ImageName) -> RegistryError {
    RegistryError::invalid(image.registry(), format!("the content of {image} does not have the digest it is named by"))
}

/// Names what was looked for, where it was not found.
fn naming(error: RegistryError, what: &dyn Fn() -> String) -> RegistryError {
    match error {
        RegistryError::NotFound { .. } => RegistryError::NotFound { what: what() },
        other => other,
    }
}
