//! What refers to an image: signatures, attestations, SBOMs; by the API of OCI 1.1, else by the fall-back tag.
//!
//! Registries' descriptors are not to be trusted: some name the configuration's type as the artifact's, some leave the
//! annotations out, one answers the fall-back tag with the image itself. So only the digests are taken, and each
//! manifest's own `subject` and layers count.

use http::StatusCode;
use serde::Deserialize;

use super::client::{Question, Registries};
use super::error::RegistryError;
use super::manifest::RawDescriptor;
use crate::image::{Digest, ImageName};

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawIndex {
    manifests: Option<Vec<RawDescriptor>>,
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

    /// The manifests that the API lists for a digest; `None` where the registry has no API, or shows it to nobody.
    /// Whether they do refer to it, only they themselves prove.
    ///
    /// # Errors
    /// The registry does not answer.
    pub async fn referrers_index(
        &self,
        image: &ImageName,
        digest: &Digest,
    ) -> Result<Option<Vec<Digest>>, RegistryError> {
        let url = self.url(image, &format!("referrers/{digest}"))?;
        let question = Question::get(image, url, INDEX, INDEX_LIMIT);
        match self.ask(&question).await {
            Ok(answer) if answer.status == StatusCode::OK => Ok(listed(&answer.body)),
            Ok(_)
            | Err(
                RegistryError::NotFound { .. } | RegistryError::Invalid { .. } | RegistryError::Unauthorized { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The manifests of an index; `None` where it is none.
fn listed(body: &[u8]) -> Option<Vec<Digest>> {
    let index: RawIndex = serde_json::from_slice(body).ok()?;
    Some(index.manifests?.iter().filter_map(|one| Digest::parse(&one.digest).ok()).take(MAX_REFERRERS).collect())
}
