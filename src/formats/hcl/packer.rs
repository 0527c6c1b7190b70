//! Packer: the image that a `docker` or `podman` source begins with, in HCL and in the older JSON.
//!
//! ```hcl
//! source "docker" "web" { image = "ubuntu:22.04" }
//! ```
//!
//! ```json
//! {"builders": [{"type": "docker", "image": "ubuntu:22.04"}]}
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
        let is_json = path.as_str().to_ascii_lowercase().contains("packer") && path.file_name().ends_with(".json");
        match path.file_name().ends_with(".pkr.hcl") {
            true => Claim::ByPath,
            false if is_json => Claim::ByContent,
            false => Claim::No,
        }
    }

    fn extract(&self, text: &str) -> Extraction {
        if text.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
            return json(text);
        }
        if !["source", "variable", "locals"].iter().any(|word| text.contains(word)) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "packer");
        let Some((body, source)) = parse(&mut collector) else { return collector.found };
        let mut hcl = Hcl::new(collector, source, Names::Folder);
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

/// The builders of a template in JSON; what its engine fills in (`{{user `tag`}}`) is left alone.
fn json(text: &str) -> Extraction {
    if !text.contains("\"builders\"") {
        return Extraction::default();
    }
    let mut collector = Collector::new(text, "packer");
    for document in collector.documents() {
        let Some(builders) = document.root().and_then(|root| document.get(root, "builders")) else { continue };
        for builder in document.items(builders) {
            let kind = document.get(*builder, "type").and_then(|kind| document.text(kind));
            if let (Some("docker" | "podman"), Some(image)) = (kind, document.get(*builder, "image")) {
                collector.expect_plain(&document, image);
            }
        }
    }
    collector.found
}
