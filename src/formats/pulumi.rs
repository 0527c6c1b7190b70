//! Pulumi: programs written in `Pulumi.yaml`, and the settings of a project or a stack that name images.
//!
//! ```yaml
//! runtime: yaml
//! config: {tag: {default: "1.27"}}
//! resources:
//!   web:
//!     type: kubernetes:apps/v1:Deployment
//!     properties: {spec: {template: {spec: {containers: [{name: web, image: "nginx:${tag}"}]}}}}
//!   remote: {type: "docker:RemoteImage", properties: {name: "redis:7.4"}}
//! ```
//!
//! `${name}` is followed to the value in `config`, `configuration` or `variables`. What a resource gives, and what a
//! stack's own file sets, is silent. What `docker:Image` and its like build is no site.

use std::collections::BTreeMap;

use super::collector::{Collector, is_plain, versioned};
use super::extraction::Extraction;
use super::helm_chart::{self, in_registry};
use super::substitution::{Meaning, replaced};
use super::yaml::{Document, Kind, NodeId, Scalar};
use super::yaml_sites::{USUAL_KEYS, value_of};
use super::{Claim, Format, helm, kubernetes};
use crate::repo::FilePath;

/// Keys that may hold an image, or another thing of the same name: a machine's disk.
const IMAGE_KEYS: [&str; 4] = ["image", "imageName", "imageUri", "imageIdentifier"];
/// Keys of containers: an `image` below one is an image for certain.
const CONTAINER_KEYS: [&str; 8] = [
    "container",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "containerDefinitions",
    "containerProperties",
    "containerSpec",
    "sidecars",
];
/// What an App Service on Linux writes before an image.
const APP_SERVICE: &str = "DOCKER|";

/// The format.
pub(super) struct Pulumi;

impl Format for Pulumi {
    fn name(&self) -> &'static str {
        "pulumi"
    }

    /// `Pulumi.yaml`, and `Pulumi.prod.yaml` of a stack.
    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        let ours = name.starts_with("Pulumi.") && (name.ends_with(".yaml") || name.ends_with(".yml"));
        if ours { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !["image", "Image", "chart", APP_SERVICE].iter().any(|word| text.contains(word)) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "pulumi");
        for document in collector.documents() {
            if let Some(root) = document.root() {
                file(&mut collector, &document, root);
            }
        }
        collector.found
    }
}

fn file(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    if let Some(resources) = document.get(root, "resources") {
        let names = names(document, root);
        let mut program = Program { collector, document, names: &names };
        for (_, resource) in document.entries(resources) {
            program.resource(*resource);
        }
        if let Some(variables) = document.get(root, "variables") {
            program.invocations(variables);
        }
    } else if let Some(config) = document.get(root, "config") {
        match document.get(root, "runtime") {
            Some(_) => settings(collector, document, config),
            None => _ = helm::values(collector, document, config),
        }
    }
}

/// What a project sets for a program in another language, where the name says that it is an image.
fn settings(collector: &mut Collector<'_>, document: &Document, config: NodeId) {
    for (key, value) in document.entries(config) {
        if let (Some(key), Some(value)) = (document.text(*key), setting(document, *value)) {
            collector.perhaps_named(document, key, value);
        }
    }
}

/// The value of a setting: `name: 1`, `name: {value: 1}`, `name: {type: string, default: 1}`.
fn setting(document: &Document, id: NodeId) -> Option<NodeId> {
    let own = document.scalar(id).map(|_| id);
    own.or_else(|| document.get(id, "value")).or_else(|| document.get(id, "default"))
}

/// What the program's own names are given as text.
fn names(document: &Document, root: NodeId) -> BTreeMap<&str, &Scalar> {
    let maps = ["variables", "configuration", "config"].into_iter().filter_map(|key| document.get(root, key));
    let entries = maps.flat_map(|map| document.entries(map));
    let named = entries.filter_map(|(key, value)| {
        let scalar = document.scalar(setting(document, *value)?)?;
        // A key may begin with the project's name: `web:tag`.
        Some((document.text(*key)?.rsplit(':').next()?, scalar))
    });
    named.collect()
}

/// What is known of a node by the keys and the type above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Other,
    /// An `image` here is one.
    Container,
}

struct Program<'c, 'a, 'd> {
    collector: &'c mut Collector<'a>,
    document: &'d Document,
    names: &'d BTreeMap<&'d str, &'d Scalar>,
}

impl Program<'_, '_, '_> {
    fn resource(&mut self, id: NodeId) {
        let document = self.document;
        let id = self.collector.opened(document, id);
        let kind = document.get(id, "type").and_then(|kind| document.text(kind)).unwrap_or("");
        let Some(properties) = document.get(id, "properties") else { return };
        let properties = self.collector.opened(document, properties);
        let (package, name) = (kind.split(':').next().unwrap_or(""), kind.rsplit(':').next().unwrap_or(""));
        match (package, name) {
            ("docker" | "docker-build" | "awsx", "Image") => {}
            ("docker", "RemoteImage" | "RegistryImage") => self.certain_at(properties, "name"),
            ("docker", _) => self.walk(properties, Within::Container),
            ("kubernetes", _) if kind.starts_with("kubernetes:helm.sh/") => self.chart(properties),
            ("kubernetes", _) => {
                self.walk(properties, Within::Other);
                kubernetes::part(self.collector, document, properties);
            }
            _ => self.walk(properties, Within::Other),
        }
    }

    /// A release of Helm's.
    fn chart(&mut self, properties: NodeId) {
        let document = self.document;
        let text = |id: NodeId, key| document.get(id, key).and_then(|value| document.text(value));
        let folder = document.get(properties, "repositoryOpts").and_then(|options| text(options, "repo"));
        let name = text(properties, "chart").unwrap_or("");
        let inside = |folder: &str| Some(format!("{}/{name}", in_registry(folder)?));
        let repository = folder.map_or_else(|| in_registry(name).map(str::to_owned), inside);
        if let (Some(repository), Some(version)) = (repository, document.get(properties, "version")) {
            helm_chart::chart(self.collector, document, &repository, version);
        }
        if let Some(values) = document.get(properties, "values") {
            helm::values(self.collector, document, values);
        }
    }

    /// Images that variables look up: `fn::invoke: {function: docker:getRegistryImage, arguments: {name: …}}`.
    fn invocations(&mut self, variables: NodeId) {
        let document = self.document;
        for (_, variable) in document.entries(variables) {
            for (key, value) in document.entries(*variable) {
                let (function, arguments) = match document.text(*key).and_then(|key| key.strip_prefix("fn::")) {
                    Some("invoke") => (
                        document.get(*value, "function").and_then(|name| document.text(name)),
                        document.get(*value, "arguments"),
                    ),
                    function => (function, Some(*value)),
                };
                let looks_up = function.is_some_and(|name| name.starts_with("docker:") && name.ends_with("Image"));
                if let Some(arguments) = arguments.filter(|_| looks_up) {
                    self.certain_at(arguments, "name");
                }
            }
        }
    }

    fn walk(&mut self, id: NodeId, within: Within) {
        let document = self.document;
        let id = self.collector.opened(document, id);
        match &document.node(id).kind {
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    self.entry(document.text(*key).unwrap_or(""), *value, within);
                }
            }
            Kind::Sequence(items) => items.iter().for_each(|item| self.walk(*item, within)),
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }

    fn entry(&mut self, key: &str, value: NodeId, within: Within) {
        let document = self.document;
        let is_text = document.scalar(value).is_some();
        match key {
            "image" if is_text && within == Within::Container => self.certain(value),
            "image" if !is_text => {
                self.collector.parts_of(document, value, &USUAL_KEYS);
                self.walk(value, within);
            }
            "linuxFxVersion" => self.collector.perhaps_behind(document, value, APP_SERVICE),
            "containerDefinitions" if is_text => self.definitions(value),
            _ if is_text && IMAGE_KEYS.contains(&key) => self.perhaps(value),
            _ if CONTAINER_KEYS.contains(&key) => self.walk(value, Within::Container),
            _ => self.walk(value, within),
        }
    }

    /// Containers of ECS, as JSON in a block scalar.
    fn definitions(&mut self, id: NodeId) {
        for inner in self.collector.documents_within(self.document, id) {
            if let Some(root) = inner.root() {
                let mut program = Program { collector: &mut *self.collector, document: &inner, names: self.names };
                program.walk(root, Within::Container);
            }
        }
    }

    fn certain_at(&mut self, id: NodeId, key: &str) {
        if let Some(value) = self.document.get(id, key) {
            self.certain(value);
        }
    }

    fn certain(&mut self, id: NodeId) {
        let names = self.names;
        self.collector.expect_with(self.document, id, &|name| meaning(names, name));
    }

    /// An image where it has a version; a machine's has none.
    fn perhaps(&mut self, id: NodeId) {
        let names = self.names;
        let value = self.document.scalar(id).map(value_of);
        let value = value.and_then(|value| replaced(&value, &|name| meaning(names, name)));
        if value.is_some_and(|value| is_plain(value.text()) && versioned(value.text())) {
            self.certain(id);
        }
    }
}

fn meaning<'d>(names: &BTreeMap<&str, &'d Scalar>, name: &str) -> Meaning<'d> {
    names.get(name.rsplit(':').next().unwrap_or(name)).map_or(Meaning::Elsewhere, |scalar| Meaning::Text(scalar))
}
