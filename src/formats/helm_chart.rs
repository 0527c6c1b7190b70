//! `Chart.yaml`: the version of the application, which the chart's values use, charts that are pulled from a registry, and the images that annotations list for Artifact Hub.
//!
//! ```yaml
//! dependencies:
//!   - {name: redis, repository: "oci://registry-1.docker.io/bitnamicharts", version: 19.1.0}
//! annotations:
//!   artifacthub.io/images: |
//!     - {name: web, image: "ghcr.io/acme/web:1.4.2"}
//! ```
//!
//! Other formats name charts alike and use [`chart`].

use super::collector::{Collector, PartText, Parts, versioned};
use super::extraction::Extraction;
use super::helm::app_version;
use super::yaml::{Document, NodeId};
use super::{Claim, Format};
use crate::repo::FilePath;

/// Annotations whose text is a YAML list of `{name, image}`.
const LISTS_OF_IMAGES: [&str; 2] = ["artifacthub.io/images", "images"];

/// The format.
pub(super) struct HelmChart;

impl Format for HelmChart {
    fn name(&self) -> &'static str {
        "helm-chart"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        if matches!(path.file_name(), "Chart.yaml" | "requirements.yaml") { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "helm-chart");
        if ["image", "oci:", "appVersion"].iter().any(|word| text.contains(word)) {
            for document in collector.documents() {
                if let Some(root) = document.root() {
                    file(&mut collector, &document, root);
                }
            }
        }
        collector.found
    }
}

/// A chart in a registry. A range of versions is left alone: Helm itself chooses in it.
pub(super) fn chart(collector: &mut Collector<'_>, document: &Document, repository: &str, version: NodeId) {
    let Some(scalar) = document.scalar(version).filter(|scalar| is_exact(&scalar.text)) else { return };
    let parts = Parts {
        repository: Some(PartText { text: repository, start: None }),
        tag: Some(PartText { text: &scalar.text, start: scalar.start }),
        ..Parts::default()
    };
    let offset = collector.place(document, version, scalar);
    collector.tags_only(|collector| collector.parts(offset, &parts));
}

/// A chart that `name` names in the registry's folder at `url`: `oci://host/path`.
pub(super) fn chart_at(
    collector: &mut Collector<'_>,
    document: &Document,
    (url, name, version): (Option<NodeId>, Option<NodeId>, Option<NodeId>),
) {
    let text = |id: Option<NodeId>| id.and_then(|id| document.text(id));
    if let (Some(folder), Some(name), Some(version)) = (text(url).and_then(in_registry), text(name), version) {
        chart(collector, document, &format!("{folder}/{name}"), version);
    }
}

/// What stands behind `oci://`.
pub(super) fn in_registry(url: &str) -> Option<&str> {
    url.strip_prefix("oci://").map(|rest| rest.trim_end_matches('/'))
}

/// One version, no range: three numbers, perhaps with a `v` before and a pre-release behind.
pub(super) fn is_exact(version: &str) -> bool {
    let bare = version.strip_prefix('v').unwrap_or(version);
    let (numbers, pre) = bare.split_once('-').unwrap_or((bare, "0"));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    numbers.split('.').count() == 3 && numbers.split('.').all(number) && !pre.is_empty() && pre.bytes().all(word)
}

fn file(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    if let Some(dependencies) = document.get(root, "dependencies") {
        for one in document.items(dependencies) {
            let get = |key| document.get(*one, key);
            chart_at(collector, document, (get("repository"), get("name"), get("version")));
        }
    }
    collector.found.definitions.extend(app_version::definition(document, root));
    let annotations = document.get(root, "annotations");
    for list in annotations.iter().flat_map(|all| LISTS_OF_IMAGES.iter().filter_map(|key| document.get(*all, key))) {
        for inner in collector.documents_within(document, list) {
            images(collector, &inner);
        }
    }
}

fn images(collector: &mut Collector<'_>, document: &Document) {
    for item in document.root().map_or(&[][..], |root| document.items(root)) {
        let image = document.get(*item, "image");
        if let Some(image) = image.filter(|image| document.text(*image).is_some_and(versioned)) {
            collector.perhaps(document, image);
        }
    }
}
