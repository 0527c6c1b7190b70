//! Buildkite: the images of docker plugins, of the pods of kubernetes plugins, and of steps on hosted agents.
//!
//! What a docker-compose plugin runs stands in its Compose file. Example:
//!
//! ```yaml
//! steps:
//!   - command: make test
//!     plugins: [{"docker#v5.12.0": {image: "golang:1.23"}}]
//! ```

use super::collector::Collector;
use super::embedded::scripts;
use super::extraction::Extraction;
use super::shell::mentions_tools;
use super::substitution::Meaning;
use super::yaml::{Document, NodeId};
use super::yaml_sites::mappings;
use super::{Claim, Format};
use crate::repo::FilePath;

/// The format.
pub(super) struct Buildkite;

impl Format for Buildkite {
    fn name(&self) -> &'static str {
        "buildkite"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let lower = path.as_str().to_ascii_lowercase();
        let Some(stem) = lower.strip_suffix(".yml").or_else(|| lower.strip_suffix(".yaml")) else { return Claim::No };
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let within = folder.split('/').any(|one| one == ".buildkite");
        // Manifests may lie beside the pipelines.
        if name == "buildkite" || name == ".buildkite" || within { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("image") && !mentions_tools(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "buildkite");
        for document in collector.documents() {
            if let Some(root) = document.root().filter(|root| document.get(*root, "apiVersion").is_none()) {
                hosted(&mut collector, &document, root);
                for id in mappings(&document) {
                    mapping(&mut collector, &document, id);
                }
                scripts(&mut collector, &document, &["command", "commands"]);
            }
        }
        collector.found
    }
}

/// `image` of the pipeline, or of a step.
fn hosted(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    if let Some(image) = document.get(id, "image") {
        // Variables come from the agent.
        collector.expect_with(document, image, &|_| Meaning::Elsewhere);
    }
}

fn mapping(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    for (key, value) in document.entries(id) {
        match document.text(*key).unwrap_or("") {
            "steps" | "containers" | "initContainers" | "sidecars" => {
                for item in document.items(*value) {
                    hosted(collector, document, *item);
                }
            }
            key if is_docker_plugin(key) => hosted(collector, document, *value),
            _ => {}
        }
    }
}

/// `docker#v5`, `buildkite-plugins/docker#v5`, `https://…/docker-buildkite-plugin.git#v5`.
fn is_docker_plugin(key: &str) -> bool {
    let (place, version) = key.split_once('#').unwrap_or((key, ""));
    let name = place.rsplit('/').next().unwrap_or(place);
    let name = name.strip_suffix(".git").unwrap_or(name);
    let name = name.strip_suffix("-buildkite-plugin").unwrap_or(name);
    name == "docker" && (place.len() > name.len() || !version.is_empty())
}
