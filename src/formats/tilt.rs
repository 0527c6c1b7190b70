//! Tiltfiles: literal `image='…'` arguments that the file does not build itself.
//!
//! ```python
//! docker_build('acme/web', '.')
//! deployment_create('cache', image='redis:7.2')
//! ```

use std::collections::BTreeSet;

use super::collector::{Collector, is_plain, versioned};
use super::extraction::{Confidence, Extraction};
use super::literals::{Literal, Syntax, each_literal};
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;

/// The format.
pub(super) struct Tilt;

impl Format for Tilt {
    fn name(&self) -> &'static str {
        "tilt"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        let known = name == "Tiltfile" || name.starts_with("Tiltfile.") || name.ends_with(".tiltfile");
        if known { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let (mut built, mut images) = (BTreeSet::new(), Vec::new());
        each_literal(text, Syntax::Hash, &mut |literal, frames| {
            let Some(frame) = frames.last() else { return };
            if matches!(frame.name, "docker_build" | "custom_build" | "docker_build_with_restart") {
                built.extend(
                    Reference::parse(literal.text)
                        .ok()
                        .filter(|_| frame.position == 0)
                        .map(|one| one.name().to_owned()),
                );
            } else if frame.open == '('
                && literal.key == Some("image")
                && is_plain(literal.text)
                && versioned(literal.text)
            {
                images.push(literal);
            }
        });
        let mut collector = Collector::new(text, "tilt");
        collector.confidence = Confidence::Scanned;
        let is_built = |image: &Literal<'_>| Reference::parse(image.text).is_ok_and(|one| built.contains(one.name()));
        for image in images.iter().filter(|image| !is_built(image)) {
            collector.literal(image.start, image.text);
        }
        collector.found
    }
}
