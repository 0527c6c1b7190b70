//! Skaffold: the images that build (`buildpacks`, `jib`, `ko`, `kaniko`, Cloud Build), those that verify and run actions,
//! and charts from registries. An artifact's `image` names what is built.
//!
//! ```yaml
//! apiVersion: skaffold/v4beta11
//! kind: Config
//! build: {artifacts: [{image: acme/web, buildpacks: {builder: "paketobuildpacks/builder-jammy-base:0.4"}}]}
//! ```

use std::collections::BTreeSet;

use super::collector::{Collector, PartText, Parts, has_host};
use super::extraction::Extraction;
use super::yaml::{Document, Kind, NodeId};
use super::{Claim, Format};
use crate::repo::FilePath;

/// The format.
pub(super) struct Skaffold;

impl Format for Skaffold {
    fn name(&self) -> &'static str {
        "skaffold"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
        let part = |stem: &str| stem.split(['.', '-', '_']).any(|part| part == "skaffold");
        if stem.is_some_and(part) { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "skaffold");
        for document in collector.documents() {
            if let Some(root) = document.root() {
                let mut built = BTreeSet::new();
                artifacts(&document, root, &mut built);
                Walker { collector: &mut collector, document: &document, built: &built }.walk(root, "");
            }
        }
        collector.found
    }
}

/// The images that the configuration and its profiles build.
fn artifacts<'d>(document: &'d Document, id: NodeId, built: &mut BTreeSet<&'d str>) {
    for (key, value) in document.entries(id) {
        if document.text(*key) == Some("artifacts") {
            let images = document.items(*value).iter().filter_map(|artifact| document.get(*artifact, "image"));
            built.extend(images.filter_map(|image| document.text(image)));
        }
        artifacts(document, *value, built);
    }
    for item in document.items(id) {
        artifacts(document, *item, built);
    }
}

struct Walker<'w, 't> {
    collector: &'w mut Collector<'t>,
    document: &'w Document,
    built: &'w BTreeSet<&'w str>,
}

impl Walker<'_, '_> {
    /// Reads what stands at the key `parent`.
    fn walk(&mut self, id: NodeId, parent: &str) {
        let document = self.document;
        match &document.node(id).kind {
            Kind::Mapping(entries) => {
                self.chart(id);
                for (key, value) in entries {
                    let key = document.text(*key).unwrap_or("");
                    self.value(parent, key, *value);
                    self.walk(*value, key);
                }
            }
            Kind::Sequence(items) => {
                for item in items {
                    self.walk(*item, parent);
                }
            }
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }

    fn value(&mut self, parent: &str, key: &str, value: NodeId) {
        match (parent, key) {
            ("buildpacks", "builder" | "runImage")
            | ("jib" | "ko", "fromImage")
            | ("kaniko", "image" | "initImage") => {
                self.image(value);
            }
            ("googleCloudBuild", _) if key.ends_with("Image") => self.image(value),
            ("container" | "containers", "image") => self.image(value),
            ("buildpacks", "buildpacks") => {
                for item in self.document.items(value) {
                    self.buildpack(*item);
                }
            }
            _ => {}
        }
    }

    fn image(&mut self, id: NodeId) {
        if self.document.text(id).is_some_and(|text| !self.built.contains(text)) {
            self.collector.expect_plain(self.document, id);
        }
    }

    /// A buildpack may be a path, a name in the builder, or an image.
    fn buildpack(&mut self, id: NodeId) {
        let text = self.document.text(id).unwrap_or("");
        if has_host(text) {
            self.collector.perhaps(self.document, id);
        } else {
            self.collector.perhaps_behind(self.document, id, "docker://");
        }
    }

    /// `{remoteChart: "oci://…", version: 1.2.3}`.
    fn chart(&mut self, id: NodeId) {
        let scalar = |key| self.document.get(id, key).and_then(|value| self.document.scalar(value));
        let (Some(chart), Some(version)) = (scalar("remoteChart"), scalar("version")) else { return };
        let Some(text) = chart.text.strip_prefix("oci://") else { return };
        let start = chart.start.map(|start| start + "oci://".len());
        let repository = Some(PartText { text, start });
        let tag = Some(PartText { text: &version.text, start: version.start });
        if let Some(start) = start {
            self.collector.parts(start, &Parts { repository, tag, ..Parts::default() });
        }
    }
}
