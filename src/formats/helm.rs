//! Values of Helm charts: images as text, as maps of parts, and as pairs such as `imageRepository` and `imageTag`, at
//! any depth. Also read where other files hold values (see [`values`]).
//!
//! ```yaml
//! image: {registry: quay.io, repository: acme/web, tag: "1.10", digest: ""}
//! sidecarImage: ghcr.io/acme/side:1.4.2
//! job: {imageRepository: acme/job, imageTag: 2.0}
//! ```
//!
//! What has neither tag nor digest is left alone; of the chart's own image, `appVersion` decides ([`app_version`]). A file is of this format by
//! its name (`values-prod.yaml`, `values/prod.yaml`); any other where it names an image in parts ([`Unnamed`]).

pub(super) mod app_version;
mod pairs;

use super::collector::{Collector, versioned};
use super::extraction::Extraction;
use super::kubernetes::{self, Kubernetes};
use super::yaml::{Document, Kind, NodeId, parse};
use super::{Claim, Format};
use crate::repo::FilePath;
use pairs::{Keys, normal};

/// Values files, by their names.
pub(super) struct Helm;

/// Files of any other name, by what they hold.
pub(super) struct Unnamed;

impl Format for Helm {
    fn name(&self) -> &'static str {
        "helm"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        if is_named(path) { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !mentions(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "helm");
        for document in collector.documents_of_template(mentions) {
            document_of_values(&mut collector, &document);
            if let Some(root) = document.root() {
                app_version::image(&mut collector, &document, root);
            }
        }
        collector.found
    }
}

impl Format for Unnamed {
    fn name(&self) -> &'static str {
        "helm-unnamed"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let yaml = Kubernetes.claims(path) == Claim::ByContent && !path.as_str().ends_with(".json");
        if yaml && !is_named(path) { Claim::ByContent } else { Claim::No }
    }

    fn is_last_resort(&self) -> bool {
        true
    }

    /// Silent about what it cannot read: nothing says that it is of this format.
    fn extract(&self, text: &str) -> Extraction {
        let in_parts = |text: &str| {
            mentions(text)
                && !is_object_text(text)
                && ["tag", "Tag", "TAG", "digest", "sha"].iter().any(|word| text.contains(word))
        };
        if !in_parts(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "helm");
        let mut certain = 0;
        for document in parse(text, &collector.positions, in_parts).documents {
            certain += document_of_values(&mut collector, &document);
        }
        if certain > 0 { collector.found } else { Extraction::default() }
    }
}

/// Reads the values at a node; returns how many images in parts there are whose keys say that they are images.
pub(super) fn values(collector: &mut Collector<'_>, document: &Document, id: NodeId) -> usize {
    let mut walker = Walker { collector, certain: 0 };
    walker.walk(document, id, Within::Other);
    walker.certain
}

/// The values in a node that may be a map, or a block scalar that holds one.
pub(super) fn values_or_text(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    values(collector, document, id);
    for inner in collector.documents_within(document, id) {
        if let Some(root) = inner.root() {
            values(collector, &inner, root);
        }
    }
}

/// Values that are set one by one: a list of `{name: image.tag, value: "1.10"}`.
pub(super) fn parameters(collector: &mut Collector<'_>, document: &Document, list: &[NodeId]) {
    let keys = Keys::of_parameters(document, list);
    let mut walker = Walker { collector, certain: 0 };
    for item in list {
        let name = document.get(*item, "name").and_then(|name| document.text(name));
        if let (Some(name), Some(value)) = (name, document.get(*item, "value")) {
            walker.entry(document, &keys, (&normal(name), value), Within::Other);
        }
    }
}

fn document_of_values(collector: &mut Collector<'_>, document: &Document) -> usize {
    let root = document.root().filter(|root| !kubernetes::is_object(document, *root));
    root.map_or(0, |root| values(collector, document, root))
}

fn mentions(text: &str) -> bool {
    ["image", "Image", "IMAGE", "repository"].iter().any(|word| text.contains(word))
}

/// Whether a document is a Kubernetes object on the face of it: then it need not be parsed.
fn is_object_text(text: &str) -> bool {
    ["apiVersion:", "kind:"].iter().all(|key| text.starts_with(key) || text.contains(&format!("\n{key}")))
}

/// `values.yaml`, `values-prod.yml`, `prod.values.yaml`, `helm-values/prod.yaml`, `values.yaml.gotmpl`.
fn is_named(path: &FilePath) -> bool {
    let name = path.file_name().to_ascii_lowercase();
    let name = name.strip_suffix(".gotmpl").unwrap_or(&name);
    let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) else { return false };
    let says = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "values");
    let folder = path.folder().rsplit('/').next().unwrap_or("");
    says(stem) || stem.ends_with("values") || says(&folder.to_ascii_lowercase())
}

/// What the keys above say of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// Nothing.
    Other,
    /// It is about a repository of source code, or a chart.
    Source,
    /// It is about an image.
    Image,
    /// Its values are images.
    Images,
}

impl Within {
    fn below(self, key: &str) -> Self {
        match key {
            _ if key.ends_with("images") => Self::Images,
            "tags" if self == Self::Images => Self::Images,
            _ if key.contains("image") => Self::Image,
            "git" | "gitrepo" | "gitrepository" | "chart" | "charts" | "dependencies" => Self::Source,
            _ if self.is_image() => Self::Image,
            _ => self,
        }
    }

    fn is_image(self) -> bool {
        matches!(self, Self::Image | Self::Images)
    }
}

struct Walker<'c, 'a> {
    collector: &'c mut Collector<'a>,
    certain: usize,
}

impl Walker<'_, '_> {
    fn walk(&mut self, document: &Document, id: NodeId, within: Within) {
        match &document.node(id).kind {
            Kind::Mapping(entries) => {
                let keys = Keys::of(document, id);
                for (key, value) in entries {
                    let name = normal(document.text(*key).unwrap_or(""));
                    self.entry(document, &keys, (&name, *value), within);
                }
                for pair in keys.merged().filter_map(|name| keys.pair(name, within)) {
                    pair.report(self.collector);
                }
                self.variable(document, id);
            }
            Kind::Sequence(items) => items.iter().for_each(|item| self.item(document, *item, within)),
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }

    fn entry(&mut self, document: &Document, keys: &Keys<'_>, entry: (&str, NodeId), within: Within) {
        let (name, value) = entry;
        let below = within.below(name);
        if document.scalar(value).is_none() {
            return self.walk(document, value, below);
        }
        let says = within.is_image() || name.contains("image");
        if let Some(pair) = keys.pair(name, within) {
            let before = self.collector.found.sites.len();
            pair.report(self.collector);
            self.certain += usize::from(says && self.collector.found.sites.len() > before);
        } else if within == Within::Images || name.ends_with("image") || (says && holds_repository(name)) {
            self.whole(document, value);
        }
    }

    fn item(&mut self, document: &Document, id: NodeId, within: Within) {
        if document.scalar(id).is_none() {
            return self.walk(document, id, within);
        }
        if within == Within::Images {
            self.whole(document, id);
        }
        kubernetes::argument(self.collector, document, id);
    }

    /// `{name: HELPER_IMAGE, value: …}`.
    fn variable(&mut self, document: &Document, id: NodeId) {
        let name = document.get(id, "name").and_then(|name| document.text(name));
        if let Some(value) = document.get(id, "value").filter(|_| name.is_some_and(kubernetes::names_image)) {
            self.whole(document, value);
        }
    }

    /// A whole reference. Without tag and digest, the chart would write one behind it.
    fn whole(&mut self, document: &Document, id: NodeId) {
        if document.text(id).is_some_and(versioned) {
            self.collector.perhaps(document, id);
        }
    }
}

fn holds_repository(key: &str) -> bool {
    ["repository", "repo", "imagename"].iter().any(|end| key.ends_with(end))
}
