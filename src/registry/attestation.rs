//! What publishers attach to an image, as its manifests tell: the attestations that BuildKit puts into its index, what
//! refers to it, and cosign's older tags. Who asks for what, and how much of it, is not decided here.
//! Sources: BuildKit, "Image Attestation Storage"; OCI distribution specification 1.1, "Referrers"; cosign, "Signature
//! specification" and "Bundle specification".

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;

use super::manifest::{Manifest, RawDescriptor};
use crate::image::{Digest, Tag};

/// Attestations of one manifest, or manifests of one image, that are looked at.
const MOST: usize = 20;
/// Media types of what may hold a statement.
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

/// A kind of statement, by parts of its predicate type's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted(pub &'static [&'static str]);

impl Wanted {
    /// Lists of packages: SPDX and CycloneDX.
    pub const SBOM: Self = Self(&["spdx.dev", "cyclonedx.org"]);
    /// What a publisher says of vulnerabilities: OpenVEX, CSAF and CycloneDX.
    pub const VEX: Self = Self(&["openvex", "csaf", "cyclonedx.org", "vex"]);

    fn includes(self, predicate: &str) -> bool {
        self.0.iter().any(|part| predicate.contains(part))
    }
}

/// A blob that may hold an attestation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is named by.
    pub digest: Digest,
    /// Its bytes, as its manifest says.
    pub size: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawManifest {
    manifests: Vec<RawDescriptor>,
    layers: Vec<RawDescriptor>,
    subject: Option<RawDescriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl RawDescriptor {
    fn says(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

impl RawManifest {
    fn of(manifest: &Manifest) -> Self {
        serde_json::from_slice(&manifest.body).unwrap_or_default()
    }

    /// Whether a layer may be what is wanted; what one without a type is about, only its content tells.
    fn may_be(&self, layer: &RawDescriptor, wanted: Wanted) -> bool {
        let of_all = || self.annotations.as_ref()?.get("dev.sigstore.bundle.predicateType").map(String::as_str);
        let named = layer.says("in-toto.io/predicate-type").or_else(|| layer.says("predicateType")).or_else(of_all);
        let is_signature = layer.media_type.contains("simplesigning");
        let carried = CARRIED.iter().any(|part| layer.media_type.contains(part));
        carried && !is_signature && named.is_none_or(|named| wanted.includes(named))
    }
}

impl Manifest {
    /// Of an index, the manifests of attestations that it has for one of its images.
    pub fn attached(&self, digest: &Digest) -> Vec<Digest> {
        let is_for = |one: &&RawDescriptor| {
            one.says("vnd.docker.reference.type") == Some("attestation-manifest")
                && one.says("vnd.docker.reference.digest") == Some(digest.as_str())
        };
        let raw = RawManifest::of(self);
        raw.manifests.iter().filter(is_for).filter_map(|one| Digest::parse(&one.digest).ok()).take(MOST).collect()
    }

    /// Of an index of referrers, the manifests that it lists.
    pub fn listed(&self) -> Vec<Digest> {
        RawManifest::of(self).manifests.iter().filter_map(|one| Digest::parse(&one.digest).ok()).take(MOST).collect()
    }

    /// Whether the manifest itself says that it belongs to this one.
    pub fn refers_to(&self, digest: &Digest) -> bool {
        RawManifest::of(self).subject.is_some_and(|subject| subject.digest == digest.as_str())
    }

    /// The blobs that may hold statements of the wanted kind.
    pub fn parts(&self, wanted: Wanted) -> Vec<Part> {
        let raw = RawManifest::of(self);
        let part = |layer: &RawDescriptor| Some(Part { digest: Digest::parse(&layer.digest).ok()?, size: layer.size });
        raw.layers.iter().filter(|layer| raw.may_be(layer, wanted)).filter_map(part).take(MOST).collect()
    }
}

/// The tag that holds the list of referrers where a registry has no API for them.
/// Source: OCI distribution specification 1.1, "Referrers Tag Schema".
pub fn referrers_tag(digest: &Digest) -> Option<Tag> {
    Tag::parse(&digest.as_str().replacen(':', "-", 1)).ok()
}

/// The tag under which cosign kept attestations before version 3.
pub fn attestations_tag(digest: &Digest) -> Option<Tag> {
    Tag::parse(&format!("{}.att", digest.as_str().replacen(':', "-", 1))).ok()
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
        let raw: RawManifest = serde_json::from_slice(&self.body).unwrap_or_default();
        let layer = |one: &RawDescriptor| {
            Some(Layer { digest: Digest::parse(&one.digest).ok()?, media_type: one.media_type.clone(), size: one.size })
        };
        raw.layers.iter().take(1000).filter_map(layer).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[track_caller]
    fn check(media_type: &str, of_layer: &Value, of_manifest: &Value, expected: [bool; 2]) {
        let layer = json!({ "mediaType": media_type, "digest": DIGEST, "size": 7, "annotations": of_layer });
        let body = json!({ "layers": [layer], "annotations": of_manifest }).to_string();
        let manifest = Manifest { media_type: String::new(), body: Bytes::from(body) };
        let found = [Wanted::SBOM, Wanted::VEX].map(|wanted| !manifest.parts(wanted).is_empty());
        assert_eq!(found, expected, "{media_type} {of_layer} {of_manifest}");
    }

    #[test]
    fn what_a_part_may_be_is_told_by_its_layer_or_its_manifest() {
        let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
        let bundled = |of: &str| json!({ "dev.sigstore.bundle.predicateType": of });
        check("application/vnd.in-toto+json", &json!({}), &json!({}), [true, true]);
        check(
            "application/vnd.in-toto+json",
            &json!({ "in-toto.io/predicate-type": "https://spdx.dev/Document" }),
            &json!({}),
            [true, false],
        );
        check(
            "application/vnd.dsse.envelope.v1+json",
            &json!({ "predicateType": "https://openvex.dev/ns/v0.2.0" }),
            &json!({}),
            [false, true],
        );
        check(bundle, &json!({}), &bundled("https://cyclonedx.org/bom"), [true, true]);
        check(bundle, &json!({}), &bundled("https://sigstore.dev/cosign/sign/v1"), [false, false]);
        check(bundle, &json!(null), &json!(null), [true, true]);
        check("application/vnd.dev.cosign.simplesigning.v1+json", &json!({}), &json!({}), [false, false]);
        check("application/vnd.oci.image.layer.v1.tar+gzip", &json!({}), &json!({}), [false, false]);
    }
}
