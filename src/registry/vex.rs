//! VEX documents that are attached to an image: what refers to it, and cosign's older tag.

use bytes::Bytes;
use serde::Deserialize;

use super::attestation::Carrier;
use super::client::Registries;
use super::error::RegistryError;
use super::manifest::{Manifest, RawDescriptor};
use crate::image::{Digest, ImageName, Tag};

/// Bytes of one document that are read.
const LARGEST: u64 = 8 * 1024 * 1024;
/// Documents of one image that are read.
const MOST: usize = 20;
/// Parts of the types of what may be such a document.
const TYPES: [&str; 4] = ["openvex", "csaf", "cyclonedx.org", "vex"];

/// A document, as it lies in the registry.
#[derive(Debug, Clone)]
pub struct AttachedVex {
    /// How it came.
    pub carrier: Carrier,
    /// What it holds.
    pub body: Bytes,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawLayers {
    layers: Vec<RawDescriptor>,
}

impl Registries {
    /// What is attached to a digest and may be a VEX document, by what its manifest says of its type; where it says
    /// nothing, only its content tells.
    ///
    /// # Errors
    /// The registry does not answer. What is not there, or malformed, is left out.
    pub async fn attached_vex(&self, image: &ImageName, digest: &Digest) -> Result<Vec<AttachedVex>, RegistryError> {
        let mut found = Vec::new();
        for referrer in self.referrers(image, digest).await? {
            if found.len() < MOST {
                let kind = referrer.artifact_type.as_str();
                self.add_vex(image, &referrer.manifest, (Carrier::Referrer, kind), &mut found).await?;
            }
        }
        let Ok(tag) = Tag::parse(&format!("{}.att", digest.as_str().replacen(':', "-", 1))) else { return Ok(found) };
        match self.manifest_at(image, &tag).await {
            Ok((_, manifest)) => self.add_vex(image, &manifest, (Carrier::CosignTag, ""), &mut found).await?,
            Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(found)
    }

    async fn add_vex(
        &self,
        image: &ImageName,
        manifest: &Manifest,
        (carrier, kind): (Carrier, &str),
        found: &mut Vec<AttachedVex>,
    ) -> Result<(), RegistryError> {
        let raw: RawLayers = serde_json::from_slice(&manifest.body).unwrap_or_default();
        let told = may_be_vex(&[kind]);
        for layer in raw.layers.iter().filter(|layer| layer.size <= LARGEST && (told || layer.may_be_vex())) {
            let Ok(digest) = Digest::parse(&layer.digest) else { continue };
            if found.len() >= MOST {
                break;
            }
            match self.blob(image, &digest, usize::try_from(LARGEST).unwrap_or(usize::MAX)).await {
                Ok(body) => found.push(AttachedVex { carrier, body }),
                Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether one of these types is that of such a document.
fn may_be_vex(types: &[&str]) -> bool {
    types.iter().any(|one| TYPES.iter().any(|part| one.contains(part)))
}

impl RawDescriptor {
    fn may_be_vex(&self) -> bool {
        let said = |name: &str| self.annotations.as_ref().and_then(|all| all.get(name)).map(String::as_str);
        let names = ["in-toto.io/predicate-type", "predicateType", "dev.sigstore.bundle.predicateType"];
        match names.into_iter().find_map(said) {
            Some(told) => may_be_vex(&[told]),
            // An envelope whose type nobody tells; a bare SBOM says what it is.
            None => {
                may_be_vex(&[&self.media_type])
                    || ["in-toto", "dsse", "sigstore.bundle"].iter().any(|part| self.media_type.contains(part))
            }
        }
    }
}
