//! Bitbucket Pipelines: `image` of the file, of steps and of services, and `docker://` pipes.
//!
//! Another pipe is a repository, not an image. Variables come from Bitbucket's settings: an image with one is silent.
//! Example:
//!
//! ```yaml
//! image: node:20
//! definitions: {services: {db: {image: "postgres:16"}}}
//! pipelines:
//!   default:
//!     - step: {image: {name: "alpine:3.20"}, script: [{pipe: "docker://acme/deploy:1.2"}]}
//! ```

use std::collections::BTreeSet;

use super::collector::Collector;
use super::embedded::scripts;
use super::extraction::Extraction;
use super::shell::mentions_tools;
use super::yaml::{Document, NodeId};
use super::yaml_sites::mappings;
use super::{Claim, Format};
use crate::repo::FilePath;

/// What stands below these is named by the repository, perhaps `image`.
const OWN_NAMES: [&str; 3] = ["variables", "caches", "artifacts"];

/// The format.
pub(super) struct BitbucketPipelines;

impl Format for BitbucketPipelines {
    fn name(&self) -> &'static str {
        "bitbucket-pipelines"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
        if yaml && name.starts_with("bitbucket-pipelines") { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("image") && !text.contains("docker://") && !mentions_tools(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "bitbucket-pipelines");
        for document in collector.documents() {
            file(&mut collector, &document);
            scripts(&mut collector, &document, &["script", "after-script"]);
        }
        collector.found
    }
}

fn file(collector: &mut Collector<'_>, document: &Document) {
    let mut skipped = BTreeSet::new();
    for id in mappings(document) {
        skipped.extend(OWN_NAMES.iter().filter_map(|key| document.get(id, key)));
        if skipped.contains(&id) {
            continue;
        }
        if let Some(image) = document.get(id, "image") {
            self::image(collector, document, image);
        }
        if let Some(pipe) = document.get(id, "pipe") {
            collector.perhaps_behind(document, pipe, "docker://");
        }
    }
}

/// A text, or a map with a `name`.
fn image(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    let id = collector.opened(document, id);
    let name = document.get(id, "name").unwrap_or(id);
    collector.expect_plain(document, name);
}
