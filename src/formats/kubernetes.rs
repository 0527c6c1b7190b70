//! Kubernetes objects, recognised by their content: pod specs at any depth, custom resources with images, image
//! volumes, `RELATED_IMAGE_*` and `*_IMAGE` variables, `--image=` arguments, operator bundles.
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! spec: {template: {spec: {containers: [{name: web, image: "nginx:1.25"}]}}}
//! ```

use super::collector::{Collector, versioned};
use super::extraction::Extraction;
use super::yaml::{Document, Kind, NodeId};
use super::yaml_sites::{self, USUAL_KEYS};
use super::{Claim, Format};
use crate::repo::FilePath;

/// Lists whose items are containers: their `image` must be a reference.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// Kinds that describe or hold other things.
const SKIPPED_KINDS: [&str; 4] = ["CustomResourceDefinition", "Kustomization", "Component", "ConfigMap"];
/// The format.
pub(super) struct Kubernetes;

impl Format for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
        let lower = path.as_str().to_ascii_lowercase();
        // Most JSON is something else, and much of it is large.
        let json =
            name.ends_with(".json") && ["k8s", "kube", "manifest", "deploy"].iter().any(|word| lower.contains(word));
        if yaml || json { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let is_ours = |text: &str| text.contains("apiVersion") && text.contains("kind") && mentions_images(text);
        if !is_ours(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "kubernetes");
        for document in collector.documents_where(is_ours) {
            if let Some(root) = document.root() {
                object(&mut collector, &document, root);
            }
        }
        collector.found
    }
}

/// What a node says where it is a Kubernetes object.
pub(super) fn object(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    if is_object(document, id) {
        Walker { collector, is_tekton: false }.object(document, id);
    }
}

/// What a part of an object says.
pub(super) fn part(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    Walker { collector, is_tekton: false }.walk(document, id);
}

/// `--image=x:1`, `--sidecar-image=x:1`.
pub(super) fn argument(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    let Some((flag, image)) = document.text(id).and_then(|text| text.split_once('=')) else { return };
    let names_image = flag.starts_with("--") && (flag == "--image" || flag.ends_with("-image"));
    if names_image && versioned(image) {
        collector.perhaps_behind(document, id, &format!("{flag}="));
    }
}

/// Whether a container's variable says that its value is an image: `IMAGE` alone may be a picture.
pub(super) fn names_image(variable: &str) -> bool {
    variable.starts_with("RELATED_IMAGE_") || variable.ends_with("_IMAGE")
}

fn mentions_images(text: &str) -> bool {
    ["image", "IMAGE", "Image", "bundle"].iter().any(|word| text.contains(word))
}

/// Whether a mapping is a Kubernetes object.
pub(super) fn is_object(document: &Document, id: NodeId) -> bool {
    let text = |key| document.get(id, key).and_then(|value| document.text(value));
    text("apiVersion").is_some() && text("kind").is_some()
}

struct Walker<'c, 'a> {
    collector: &'c mut Collector<'a>,
    /// Within an object of Tekton, whose steps are containers and whose bundles are images.
    is_tekton: bool,
}

impl Walker<'_, '_> {
    fn object(&mut self, document: &Document, id: NodeId) {
        let kind = document.get(id, "kind").and_then(|kind| document.text(kind)).unwrap_or("");
        if SKIPPED_KINDS.contains(&kind) || super::gitops::owns(document, id) {
            return;
        }
        let version = document.get(id, "apiVersion").and_then(|version| document.text(version)).unwrap_or("");
        let outer = std::mem::replace(&mut self.is_tekton, version.starts_with("tekton.dev/"));
        for (key, value) in document.entries(id) {
            let name = document.text(*key).unwrap_or("");
            // What a controller reports is no choice of the repository's.
            if name != "status" {
                self.entry(document, id, name, *value);
            }
        }
        self.is_tekton = outer;
    }

    fn entry(&mut self, document: &Document, parent: NodeId, key: &str, value: NodeId) {
        match key {
            "image" => self.image(document, value),
            "imageName" | "containerImage" => self.collector.perhaps(document, value),
            "value" => self.variable(document, parent, value),
            "args" | "command" => self.arguments(document, value),
            "steps" | "sidecars" if self.is_tekton => self.containers(document, value),
            "bundle" if self.is_tekton => self.collector.perhaps(document, value),
            "default" if self.is_tekton => self.parameter(document, parent, value),
            _ if CONTAINERS.contains(&key) => self.containers(document, value),
            _ => self.walk(document, value),
        }
    }

    fn walk(&mut self, document: &Document, id: NodeId) {
        match &document.node(id).kind {
            Kind::Mapping(_) if is_object(document, id) => self.object(document, id),
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    self.entry(document, id, document.text(*key).unwrap_or(""), *value);
                }
            }
            Kind::Sequence(items) => {
                for item in items {
                    self.walk(document, *item);
                }
            }
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }

    fn containers(&mut self, document: &Document, id: NodeId) {
        for item in document.items(id) {
            for (key, value) in document.entries(*item) {
                match document.text(*key) {
                    Some("image") if document.scalar(*value).is_some() => self.collector.expect_plain(document, *value),
                    Some("image") => self.image(document, *value),
                    key => self.entry(document, *item, key.unwrap_or(""), *value),
                }
            }
        }
    }

    /// An `image` that may be a text, a map of parts, or an image volume.
    fn image(&mut self, document: &Document, id: NodeId) {
        if document.scalar(id).is_some() {
            return self.collector.perhaps(document, id);
        }
        match document.get(id, "reference") {
            Some(reference) => self.collector.perhaps(document, reference),
            None => self.collector.parts_of(document, id, &USUAL_KEYS),
        }
        self.walk(document, id);
    }

    /// `- {name: RELATED_IMAGE_X, value: …}` and other variables that say they name an image.
    fn variable(&mut self, document: &Document, parent: NodeId, value: NodeId) {
        let name = document.get(parent, "name").and_then(|name| document.text(name)).unwrap_or("");
        let says = names_image(name) || (self.is_tekton && name == "bundle");
        if says && document.text(value).is_some_and(versioned) {
            self.collector.perhaps(document, value);
        } else {
            self.walk(document, value);
        }
    }

    /// The default of a Tekton parameter that is named like an image; not of one for what is built.
    fn parameter(&mut self, document: &Document, parent: NodeId, value: NodeId) {
        let name = document.get(parent, "name").and_then(|name| document.text(name)).unwrap_or("");
        let says = yaml_sites::names_image(name) && !name.to_ascii_lowercase().starts_with("output");
        if says && document.text(value).is_some_and(versioned) {
            self.collector.perhaps(document, value);
        }
    }

    fn arguments(&mut self, document: &Document, id: NodeId) {
        for item in document.items(id) {
            argument(self.collector, document, *item);
        }
    }
}

#[cfg(test)]
mod tests;
