//! Pulumi programs in YAML: the images of containers, with the defaults of the program's configuration.
//!
//! ```yaml
//! runtime: yaml
//! config: {nginx: {default: "1.25"}}
//! resources:
//!   web: {type: docker:Container, properties: {image: "nginx:${nginx}"}}
//! ```

use super::collector::Collector;
use super::extraction::Extraction;
use super::substitution::Meaning;
use super::yaml::{Document, NodeId};
use super::{Claim, Format};
use crate::repo::FilePath;

/// Providers and modules whose `image` is a container's, by the beginnings of the types.
const OF_CONTAINERS: [&str; 12] = [
    "docker:",
    "kubernetes:",
    "awsx:ecs",
    "aws:ecs",
    "aws:batch",
    "aws:apprunner",
    "aws:lambda",
    "aws:lightsail/container",
    "gcp:cloudrun",
    "azure-native:app",
    "azure-native:containerinstance",
    "azure:containerapp",
];
const KEYS: [&str; 3] = ["image", "imageUri", "imageIdentifier"];

/// The format.
pub(super) struct Pulumi;

impl Format for Pulumi {
    fn name(&self) -> &'static str {
        "pulumi"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        if matches!(path.file_name(), "Pulumi.yaml" | "Pulumi.yml" | "Main.yaml") {
            Claim::ByContent
        } else {
            Claim::No
        }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("resources") || !text.contains("image") && !text.contains("RemoteImage") {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "pulumi");
        for document in collector.documents() {
            let Some(root) = document.root() else { continue };
            let resources = document.get(root, "resources");
            for (_, resource) in resources.map_or(&[][..], |resources| document.entries(resources)) {
                Program { collector: &mut collector, document: &document, root }.resource(*resource);
            }
        }
        collector.found
    }
}

struct Program<'c, 'a, 'd> {
    collector: &'c mut Collector<'a>,
    document: &'d Document,
    root: NodeId,
}

impl Program<'_, '_, '_> {
    fn resource(&mut self, resource: NodeId) {
        let document = self.document;
        let kind = document.get(resource, "type").and_then(|kind| document.text(kind)).unwrap_or("");
        let Some(properties) = document.get(resource, "properties") else { return };
        match kind {
            "docker:RemoteImage" | "docker:index:RemoteImage" | "docker:index/remoteImage:RemoteImage" => {
                if let Some(name) = document.get(properties, "name") {
                    self.image(name);
                }
            }
            // What it builds and pushes.
            "docker:Image" | "docker:index:Image" | "docker:index/image:Image" => {}
            _ if OF_CONTAINERS.iter().any(|one| kind.starts_with(one)) => self.walk(properties),
            _ => {}
        }
    }

    fn walk(&mut self, id: NodeId) {
        for (key, value) in self.document.entries(id) {
            let is_image = self.document.text(*key).is_some_and(|key| KEYS.contains(&key));
            match is_image && self.document.scalar(*value).is_some() {
                true => self.image(*value),
                false => self.walk(*value),
            }
        }
        for item in self.document.items(id) {
            self.walk(*item);
        }
    }

    fn image(&mut self, id: NodeId) {
        let (document, root) = (self.document, self.root);
        self.collector.expect_with(document, id, &|name: &str| meaning(document, root, name));
    }
}

/// The default of a configuration's value, or a variable's text; what else a name means, other resources say.
fn meaning<'d>(document: &'d Document, root: NodeId, name: &str) -> Meaning<'d> {
    let of_section = |section: &str| document.get(root, section).and_then(|section| document.get(section, name));
    let configured = of_section("config").or_else(|| of_section("configuration"));
    if let Some(one) = configured {
        let given = ["value", "default"].iter().find_map(|key| document.get(one, key)).unwrap_or(one);
        return document.scalar(given).map_or(Meaning::Elsewhere, Meaning::Text);
    }
    of_section("variables").and_then(|value| document.scalar(value)).map_or(Meaning::Elsewhere, Meaning::Text)
}
