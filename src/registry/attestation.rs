//! What publishers attach to an image: the attestations that BuildKit puts into its index, what refers to it, and
//! cosign's older tags.
//! Sources: BuildKit, "Image Attestation Storage"; OCI distribution specification 1.1, "Referrers"; cosign, "Signature
//! specification".

use std::fmt;

use bytes::Bytes;
use serde::Deserialize;

use super::client::Registries;
use super::error::RegistryError;
use super::manifest::{Manifest, RawDescriptor};
use crate::image::{Digest, ImageName, Tag};

/// One attestation; BuildKit's own bound.
const LARGEST: u64 = 40 * 1024 * 1024;
/// Attestations of one image that are read.
const MOST: usize = 20;
/// Media types of what may hold a list of packages.
const CARRIED: [&str; 4] = ["in-toto", "dsse", "sigstore.bundle", "json"];

/// How an attestation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In the image's own index.
    BuildKit,
    /// By its manifest, which names the image.
    Referrer,
    /// By a tag that is named after the image's digest: anybody who may push can move it.
    CosignTag,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuildKit => "BuildKit attestation",
            Self::Referrer => "referrer",
            Self::CosignTag => "cosign tag",
        })
    }
}

/// Something that a publisher says of an image.
#[derive(Debug, Clone)]
pub struct Attestation {
    /// How it came.
    pub carrier: Carrier,
    /// What it holds, as it lies in the registry.
    pub body: Bytes,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawIndex {
    manifests: Vec<RawDescriptor>,
    layers: Vec<RawDescriptor>,
}

impl RawDescriptor {
    fn says(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// Whether it may be about packages; what an attestation without a type is about, only its content tells.
    fn may_be_sbom(&self) -> bool {
        let carried = CARRIED.iter().any(|part| self.media_type.contains(part));
        let named = self.says("in-toto.io/predicate-type").or_else(|| self.says("predicateType"));
        let about = named.is_none_or(|named| named.contains("spdx.dev") || named.contains("cyclonedx.org"));
        carried && about && self.size <= LARGEST
    }
}

impl Registries {
    /// The attestations of one platform's image that may list its packages. `index` is the index it was found in.
    /// BuildKit's are asked for first; the others only where there are none.
    ///
    /// # Errors
    /// The registry does not answer. What is not there, or malformed, is left out.
    pub async fn attestations(
        &self,
        image: &ImageName,
        index: Option<&Manifest>,
        digest: &Digest,
    ) -> Result<Vec<Attestation>, RegistryError> {
        let mut found = Vec::new();
        for manifest in index.map(|index| attached(index, digest)).unwrap_or_default() {
            match self.manifest(image, &manifest).await {
                Ok(manifest) => found.extend(self.carried(image, &manifest, Carrier::BuildKit).await?),
                Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        for referrer in self.referrers(image, digest).await?.into_iter().take(MOST) {
            found.extend(self.carried(image, &referrer.manifest, Carrier::Referrer).await?);
        }
        if found.is_empty()
            && let Ok(tag) = Tag::parse(&format!("{}.att", digest.as_str().replacen(':', "-", 1)))
        {
            match self.manifest_at(image, &tag).await {
                Ok((_, manifest)) => found.extend(self.carried(image, &manifest, Carrier::CosignTag).await?),
                Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn carried(
        &self,
        image: &ImageName,
        manifest: &Manifest,
        carrier: Carrier,
    ) -> Result<Vec<Attestation>, RegistryError> {
        let raw: RawIndex = serde_json::from_slice(&manifest.body).unwrap_or_default();
        let mut found = Vec::new();
        for layer in raw.layers.iter().filter(|layer| layer.may_be_sbom()).take(MOST) {
            let Ok(digest) = Digest::parse(&layer.digest) else { continue };
            match self.blob(image, &digest, usize::try_from(LARGEST).unwrap_or(usize::MAX)).await {
                Ok(body) => found.push(Attestation { carrier, body }),
                Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

/// The attestation manifests that an index has for one of its images.
fn attached(index: &Manifest, digest: &Digest) -> Vec<Digest> {
    let raw: RawIndex = serde_json::from_slice(&index.body).unwrap_or_default();
    let is_for = |one: &&RawDescriptor| {
        one.says("vnd.docker.reference.type") == Some("attestation-manifest")
            && one.says("vnd.docker.reference.digest") == Some(digest.as_str())
    };
    raw.manifests.iter().filter(is_for).take(MOST).filter_map(|one| Digest::parse(&one.digest).ok()).collect()
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What it is named by.
    pub digest: Digest,
    /// How it is packed.
    pub media_type: String,
    /// Its bytes, packed.
    pub size: u64,
}

impl Manifest {
    /// The layers of an image, the lowest first.
    pub fn layers(&self) -> Vec<Layer> {
        let raw: RawIndex = serde_json::from_slice(&self.body).unwrap_or_default();
        let layer = |one: &RawDescriptor| {
            Some(Layer { digest: Digest::parse(&one.digest).ok()?, media_type: one.media_type.clone(), size: one.size })
        };
        raw.layers.iter().take(1000).filter_map(layer).collect()
    }
}
