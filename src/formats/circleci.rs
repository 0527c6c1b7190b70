//! CircleCI: the `docker` images of jobs and executors, those of inline orbs too. Machine images and orbs are none.
//!
//! An image that is all a parameter is the parameter's default. Example:
//!
//! ```yaml
//! executors:
//!   node:
//!     parameters: {image: {type: string, default: "cimg/node:20.11"}}
//!     docker: [{image: << parameters.image >>}, {image: "cimg/postgres:16.2"}]
//! ```

use super::collector::Collector;
use super::embedded::scripts;
use super::extraction::Extraction;
use super::shell::mentions_tools;
use super::yaml::{Document, NodeId};
use super::yaml_sites::mappings;
use super::{Claim, Format};
use crate::repo::FilePath;

/// The format.
pub(super) struct CircleCi;

impl Format for CircleCi {
    fn name(&self) -> &'static str {
        "circleci"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let lower = path.as_str().to_ascii_lowercase();
        let within = lower.starts_with(".circleci/") || lower.contains("/.circleci/");
        match path.file_name().to_ascii_lowercase().as_str() {
            "config.yml" | "config.yaml" if within => Claim::ByPath,
            name if within && (name.ends_with(".yml") || name.ends_with(".yaml")) => Claim::ByContent,
            _ => Claim::No,
        }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("docker") || !text.contains("image") && !mentions_tools(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "circleci");
        for document in collector.documents() {
            let Some(root) = document.root() else { continue };
            for id in mappings(&document) {
                docker(&mut collector, &document, root, id);
            }
            scripts(&mut collector, &document, &["run", "command"]);
        }
        collector.found
    }
}

/// The `docker` list of a job or an executor.
fn docker(collector: &mut Collector<'_>, document: &Document, root: NodeId, holder: NodeId) {
    let Some(list) = document.get(holder, "docker") else { return };
    let list = collector.opened(document, list);
    for item in document.items(list) {
        if let Some(image) = collector.field(document, *item, "image") {
            self::image(collector, document, [root, holder], image);
        }
    }
}

fn image(collector: &mut Collector<'_>, document: &Document, [root, holder]: [NodeId; 2], image: NodeId) {
    let name = document.text(image).and_then(|text| text.strip_prefix("<<")?.strip_suffix(">>"));
    let Some(name) = name.map(str::trim) else { return collector.expect_plain(document, image) };
    let (place, name) = match name.strip_prefix("pipeline.") {
        Some(name) => (root, name),
        None => (holder, name),
    };
    let parameters = document.get(place, "parameters");
    let parameter = parameters.and_then(|all| document.get(all, name.strip_prefix("parameters.")?));
    if let Some(default) = parameter.and_then(|parameter| document.get(parameter, "default")) {
        collector.expect_plain(document, default);
    }
}
