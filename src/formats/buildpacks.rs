//! Cloud Native Buildpacks: the builder and the buildpacks of `project.toml`, the images of `builder.toml` and
//! `package.toml`.
//!
//! ```toml
//! [io.buildpacks]
//! builder = "paketobuildpacks/builder-jammy-base:0.4.278"
//! [[io.buildpacks.group]]
//! uri = "docker://docker.io/paketobuildpacks/nodejs:1.8"
//! ```

use super::collector::{Collector, image_like, is_plain};
use super::extraction::{Confidence, Extraction};
use super::literals::{Literal, Syntax, each_literal};
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;

/// Says that a `uri` is an image.
const SCHEME: &str = "docker://";

/// The format.
pub(super) struct Buildpacks;

impl Format for Buildpacks {
    fn name(&self) -> &'static str {
        "buildpacks"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let known = ["project.toml", "builder.toml", "package.toml"].contains(&path.file_name());
        if known { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("buildpack") && !text.contains("builder") {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "buildpacks");
        collector.confidence = Confidence::Scanned;
        each_literal(text, Syntax::Hash, &mut |literal, _| image(&mut collector, literal));
        collector.found
    }
}

fn image(collector: &mut Collector<'_>, literal: Literal<'_>) {
    let Literal { text, start, key } = literal;
    match (key.map(|key| key.rsplit('.').next().unwrap_or(key)), text.strip_prefix(SCHEME)) {
        (Some("uri" | "image"), Some(behind)) if is_plain(behind) && Reference::parse(behind).is_ok() => {
            collector.literal(start + SCHEME.len(), behind);
        }
        // `image`, `run-image`, `build-image`
        (Some("builder" | "image"), None) if is_plain(text) && image_like(text) && Reference::parse(text).is_ok() => {
            collector.literal(start, text);
        }
        _ => {}
    }
}
