//! Rancher Fleet's `fleet.yaml`: the chart from a registry, and values written in the file.
//!
//! ```yaml
//! helm:
//!   chart: oci://ghcr.io/acme/charts/web
//!   version: 1.4.2
//!   values: {image: {repository: ghcr.io/acme/web, tag: "1.10"}}
//! targetCustomizations:
//!   - {name: prod, helm: {version: 1.4.1}}
//! ```

use super::collector::Collector;
use super::extraction::Extraction;
use super::helm_chart::{self, in_registry};
use super::yaml::{Document, NodeId};
use super::{Claim, Format, helm, kubernetes};
use crate::repo::FilePath;

/// The format.
pub(super) struct Fleet;

impl Format for Fleet {
    fn name(&self) -> &'static str {
        "fleet"
    }

    /// Manifests of other kinds of fleets have this name, too.
    fn claims(&self, path: &FilePath) -> Claim {
        if path.file_name() == "fleet.yaml" { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "fleet");
        if text.contains("helm:") || text.contains("\"helm\"") {
            for document in collector.documents() {
                if let Some(root) = document.root().filter(|root| !kubernetes::is_object(&document, *root)) {
                    file(&mut collector, &document, root);
                }
            }
        }
        collector.found
    }
}

fn file(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    let base = document.get(root, "helm");
    let repository = base.and_then(|base| repository(document, base));
    if let Some(base) = base {
        release(collector, document, base, None);
    }
    let targets = document.get(root, "targetCustomizations").map_or(&[][..], |list| document.items(list));
    for one in targets.iter().filter_map(|target| document.get(*target, "helm")) {
        release(collector, document, one, repository.as_deref());
    }
}

/// A release whose chart is `other` where it names none itself.
fn release(collector: &mut Collector<'_>, document: &Document, id: NodeId, other: Option<&str>) {
    let own = ["chart", "repo"].iter().any(|key| document.get(id, key).is_some());
    let repository = repository(document, id).or_else(|| other.filter(|_| !own).map(str::to_owned));
    if let (Some(repository), Some(version)) = (repository, document.get(id, "version")) {
        helm_chart::chart(collector, document, &repository, version);
    }
    if let Some(values) = document.get(id, "values") {
        helm::values(collector, document, values);
    }
}

/// The chart's name in its registry.
fn repository(document: &Document, id: NodeId) -> Option<String> {
    let text = |key| document.get(id, key).and_then(|value| document.text(value)).filter(|text| !text.is_empty());
    match (text("repo"), text("chart")) {
        (Some(repo), Some(chart)) => Some(format!("{}/{chart}", in_registry(repo)?)),
        (Some(one), None) | (None, Some(one)) => in_registry(one).map(str::to_owned),
        (None, None) => None,
    }
}
