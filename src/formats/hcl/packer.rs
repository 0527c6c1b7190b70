//! Packer: the image that a `docker` or `podman` source begins with.
//!
//! ```hcl
//! source "docker" "web" { image = "ubuntu:22.04" }
//! ```

use super::{Hcl, Names, parse};
use crate::formats::collector::Collector;
use crate::formats::extraction::Extraction;
use crate::formats::{Claim, Format};
use crate::repo::FilePath;

/// The format.
pub(in crate::formats) struct Packer;

impl Format for Packer {
    fn name(&self) -> &'static str {
        "packer"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        if path.file_name().ends_with(".pkr.hcl") { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !["source", "variable", "locals"].iter().any(|word| text.contains(word)) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "packer");
        let Some((body, source)) = parse(&mut collector) else { return collector.found };
        let mut hcl = Hcl::new(collector, source, Names::Dotted);
        hcl.define(&body);
        for block in body.get_blocks("source") {
            let is_container = block.labels.first().is_some_and(|kind| matches!(kind.as_str(), "docker" | "podman"));
            if let Some(image) = block.body.get_attribute("image").filter(|_| is_container) {
                hcl.image(&image.value);
            }
        }
        hcl.unused(&body);
        hcl.collector.found
    }
}
