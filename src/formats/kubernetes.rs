//! Kubernetes objects, recognised by their content: pod specs at any depth, custom resources with images, image
//! volumes, `RELATED_IMAGE_*` and `*_IMAGE` variables, `--image=` arguments, operator bundles.
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! spec: {template: {spec: {containers: [{name: web, image: "nginx:1.25"}]}}}
//! ```

use super::extraction::{Extraction, FoundSpan, FoundValue};
use super::site::Part;
use super::yaml::{Document, Kind, NodeId};
use super::yaml_sites::{Collector, value_of};
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;

/// Lists whose items are containers: their `image` must be a reference.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// Kinds that describe or hold other things.
const SKIPPED_KINDS: [&str; 4] = ["CustomResourceDefinition", "Kustomization", "Component", "ConfigMap"];
/// Endings of files that an `image` field of a custom resource may name.
const FILES: [&str; 12] =
    [".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".iso", ".img", ".qcow2", ".vmdk", ".raw"];

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
        if !text.contains("apiVersion") || !text.contains("kind") || !names_images(text) {
            return Extraction::default();
        }
        let mut walker = Walker { collector: Collector::new(text, "kubernetes") };
        for document in walker.collector.documents() {
            if let Some(root) = document.root().filter(|root| is_object(&document, *root)) {
                walker.object(&document, root);
            }
        }
        walker.collector.found
    }
}

fn names_images(text: &str) -> bool {
    text.contains("image") || text.contains("IMAGE") || text.contains("Image")
}

fn is_object(document: &Document, id: NodeId) -> bool {
    let text = |key| document.get(id, key).and_then(|value| document.text(value));
    text("apiVersion").is_some() && text("kind").is_some()
}

struct Walker<'a> {
    collector: Collector<'a>,
}

impl Walker<'_> {
    fn object(&mut self, document: &Document, id: NodeId) {
        let kind = document.get(id, "kind").and_then(|kind| document.text(kind)).unwrap_or("");
        if SKIPPED_KINDS.contains(&kind) {
            return;
        }
        for (key, value) in document.entries(id) {
            let name = document.text(*key).unwrap_or("");
            // What a controller reports is no choice of the repository's.
            if name != "status" {
                self.entry(document, id, name, *value);
            }
        }
    }

    fn entry(&mut self, document: &Document, parent: NodeId, key: &str, value: NodeId) {
        match key {
            "image" => self.image(document, value),
            "imageName" | "containerImage" => self.perhaps(document, value),
            "value" => self.variable(document, parent, value),
            "args" | "command" => self.arguments(document, value),
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
                    Some("image") if self.is_plain(document, *value) => self.collector.expect(document, *value),
                    Some("image") => self.image(document, *value),
                    key => self.entry(document, *item, key.unwrap_or(""), *value),
                }
            }
        }
    }

    /// A scalar without the variables of a template.
    fn is_plain(&self, document: &Document, id: NodeId) -> bool {
        document.text(id).is_some_and(|text| !text.contains(['$', '{', '%', '<']))
    }

    /// An `image` that may be a text, a map of parts, or an image volume.
    fn image(&mut self, document: &Document, id: NodeId) {
        if document.scalar(id).is_some() {
            return self.perhaps(document, id);
        }
        if let Some(reference) = document.get(id, "reference").filter(|value| self.is_plain(document, *value)) {
            self.perhaps(document, reference);
        } else if document.get(id, "repository").is_some() {
            self.parts(document, id);
        }
        self.walk(document, id);
    }

    /// A text that is reported where it can only be an image.
    fn perhaps(&mut self, document: &Document, id: NodeId) {
        let Some(text) = document.text(id) else { return };
        if image_like(text)
            && let Ok(reference) = Reference::parse(text)
            && let Some(scalar) = self.collector.first_use(document, id)
        {
            let offset = self.collector.place(document, id, scalar);
            self.collector.resolved(offset, scalar.text.clone(), &reference, &value_of(scalar));
        }
    }

    /// `- {name: RELATED_IMAGE_X, value: …}` and other variables that say they name an image.
    fn variable(&mut self, document: &Document, parent: NodeId, value: NodeId) {
        let name = document.get(parent, "name").and_then(|name| document.text(name)).unwrap_or("");
        let says = name.starts_with("RELATED_IMAGE_") || name.ends_with("_IMAGE") || name == "IMAGE";
        let versioned = document.text(value).is_some_and(versioned);
        if says && versioned {
            self.perhaps(document, value);
        } else {
            self.walk(document, value);
        }
    }

    /// `--image=x:1`, `--sidecar-image=x:1`.
    fn arguments(&mut self, document: &Document, id: NodeId) {
        for item in document.items(id) {
            let Some(scalar) = document.scalar(*item) else { continue };
            let Some((flag, image)) = scalar.text.split_once('=') else { continue };
            let names_image = flag.starts_with("--") && (flag == "--image" || flag.ends_with("-image"));
            if !names_image || !versioned(image) {
                continue;
            }
            let (Ok(reference), Some(scalar)) = (Reference::parse(image), self.collector.first_use(document, *item))
            else {
                continue;
            };
            let value = value_of(scalar).slice(flag.len() + 1, scalar.text.len());
            let offset = value.origin(0).map_or(document.node(*item).offset, |(_, offset)| offset);
            self.collector.resolved(offset, image.to_owned(), &reference, &value);
        }
    }

    /// `image: {registry, repository, tag, digest}`: one site with several spans.
    fn parts(&mut self, document: &Document, id: NodeId) {
        let part =
            |key| document.get(id, key).and_then(|value| document.scalar(value)).filter(|one| !one.text.is_empty());
        let (registry, tag, digest) =
            (part("registry"), part("tag").or(part("version")), part("digest").or(part("sha")));
        let Some(repository) = part("repository") else { return };
        let mut text = registry.map_or(String::new(), |registry| format!("{}/", registry.text));
        text.push_str(&repository.text);
        text.push_str(&tag.map_or(String::new(), |tag| format!(":{}", tag.text)));
        text.push_str(&digest.map_or(String::new(), |digest| format!("@{}", digest.text)));
        let (Ok(reference), true) = (Reference::parse(&text), tag.is_some() || digest.is_some()) else { return };
        let spans = [
            (Part::Registry, registry),
            (Part::Repository, Some(repository)),
            (Part::Tag, tag),
            (Part::Digest, digest),
        ];
        let spans = spans.into_iter().filter_map(|(part, scalar)| {
            let scalar = scalar?;
            let start = scalar.start?;
            Some(FoundSpan { part, start, end: start + scalar.text.len() })
        });
        let offset = repository.start.unwrap_or(document.node(id).offset);
        let spans: Vec<FoundSpan> = spans.collect();
        self.collector.add(offset, text, FoundValue::Resolved { reference, spans });
    }
}

fn versioned(text: &str) -> bool {
    Reference::parse(text).is_ok_and(|reference| reference.tag().is_some() || reference.digest().is_some())
}

/// A tag, a digest or a path, and neither a URL nor a file.
fn image_like(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    (versioned(text) || text.contains('/')) && !text.contains("://") && !FILES.iter().any(|end| lower.ends_with(end))
}

#[cfg(test)]
mod tests;
