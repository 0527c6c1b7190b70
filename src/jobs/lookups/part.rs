//! What is looked at of an image: a content, for one platform.

use super::Lookups;
use super::evidence::{Asked, known};
use super::pulls::Need;
use crate::image::{Digest, ImageName, Platform};
use crate::plan::Lookup;
use crate::registry::{Content, Manifest};

/// A content of an image, for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The image.
    pub(crate) image: ImageName,
    /// The content: an index, or an image for one platform.
    pub(crate) digest: Digest,
    /// The platform; `None` for the one that stands for all.
    pub(crate) platform: Option<Platform>,
}

impl Part {
    /// The parts of a content for these platforms; without any the one that stands for all.
    pub(crate) fn all(image: &ImageName, digest: &Digest, platforms: &[Platform]) -> Vec<Self> {
        let part = |platform| Self { image: image.clone(), digest: digest.clone(), platform };
        match platforms.is_empty() {
            true => vec![part(None)],
            false => platforms.iter().cloned().map(Some).map(part).collect(),
        }
    }

    /// Its platform as the store names it; empty for the one that stands for all.
    pub(crate) fn platform_name(&self) -> String {
        self.platform.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// The image that a part is.
pub(super) struct PartImage {
    /// The index that it was found in.
    pub(super) index: Option<Manifest>,
    pub(super) digest: Digest,
    pub(super) manifest: Manifest,
}

impl Lookups {
    /// The image that a part is; the inner text says for a person why there is none.
    pub(super) async fn image_of(&self, part: &Part) -> Asked<Result<PartImage, String>> {
        let top = known!(self.manifest_of(&part.image, &part.digest, Need::Informs).await?);
        Ok(Lookup::Known(match top.content(&part.image) {
            Ok(index @ Content::Index(_)) => {
                let Some(digest) = chosen(&index, part) else { return Ok(Lookup::Known(Err(lacks(part)))) };
                let manifest = known!(self.manifest_of(&part.image, &digest, Need::Informs).await?);
                Ok(PartImage { index: Some(top), digest, manifest })
            }
            Ok(Content::Image { config, .. }) => {
                let of = match &part.platform {
                    Some(_) => known!(self.config_of(&part.image, &config).await?).platform,
                    // What stands for all may be anything.
                    None => None,
                };
                match (&part.platform, of) {
                    (Some(wanted), Some(has)) if *wanted != has => Err(format!("it is for {has} alone")),
                    (_, _) => Ok(PartImage { index: None, digest: part.digest.clone(), manifest: top }),
                }
            }
            Ok(Content::Other) | Err(_) => Err("it is no image that the OCI specification describes".to_owned()),
        }))
    }

    /// The digest of the image that a part is; of one that is for other platforms its own.
    pub(super) async fn digest_of_part(&self, part: &Part) -> Asked<Digest> {
        let top = known!(self.manifest_of(&part.image, &part.digest, Need::Informs).await?);
        let of_index = top.content(&part.image).ok().and_then(|content| chosen(&content, part));
        Ok(Lookup::Known(of_index.unwrap_or_else(|| part.digest.clone())))
    }
}

fn chosen(index: &Content, part: &Part) -> Option<Digest> {
    match &part.platform {
        Some(platform) => index.of_platform(platform).cloned(),
        None => index.usual().cloned(),
    }
}

fn lacks(part: &Part) -> String {
    match &part.platform {
        Some(platform) => format!("its index has no image for {platform}"),
        None => "its index names no platform".to_owned(),
    }
}
