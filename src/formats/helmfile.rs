//! Helmfile: charts from registries with their versions, and values written in the file.
//!
//! ```yaml
//! repositories:
//!   - {name: acme, url: ghcr.io/acme/charts, oci: true}
//! releases:
//!   - name: web
//!     chart: acme/web               # or oci://ghcr.io/acme/charts/web
//!     version: 1.4.2
//!     values: [{image: {repository: ghcr.io/acme/web, tag: "1.10"}}, web.yaml]
//! ```
//!
//! Most such files are Go templates: their actions are masked.

use std::collections::BTreeMap;

use super::collector::Collector;
use super::extraction::Extraction;
use super::helm_chart::{self, in_registry};
use super::yaml::{Document, NodeId};
use super::{Claim, Format, helm, kubernetes};
use crate::repo::FilePath;

/// The format.
pub(super) struct Helmfile;

/// The folders of charts in registries, by the names that the file gives them.
type Registries = BTreeMap<String, String>;

impl Format for Helmfile {
    fn name(&self) -> &'static str {
        "helmfile"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().strip_suffix(".gotmpl").unwrap_or(path.file_name());
        let Some(stem) = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml")) else { return Claim::No };
        let begins =
            stem.strip_prefix("helmfile").is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']));
        let ends = [".helmfile", "-helmfile", "_helmfile"].iter().any(|end| stem.ends_with(end));
        let within = path.folder().rsplit('/').next() == Some("helmfile.d");
        if (begins || ends || within) && !stem.ends_with("values") { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "helmfile");
        let documents = collector.documents_of_template(|_| true);
        let registries = documents.iter().flat_map(registries).collect();
        for document in &documents {
            if let Some(root) = document.root() {
                file(&mut collector, document, root, &registries);
            }
        }
        collector.found
    }
}

fn registries(document: &Document) -> Registries {
    let list = document.root().and_then(|root| document.get(root, "repositories"));
    let repositories = list.map_or(&[][..], |list| document.items(list)).iter();
    let registry = |id: &NodeId| {
        let text = |key| document.get(*id, key).and_then(|value| document.text(value));
        let (name, url) = (text("name")?, text("url")?);
        (text("oci") == Some("true")).then(|| (name.to_owned(), in_registry(url).unwrap_or(url).to_owned()))
    };
    repositories.filter_map(registry).collect()
}

fn file(collector: &mut Collector<'_>, document: &Document, root: NodeId, registries: &Registries) {
    for (key, value) in document.entries(root) {
        match document.text(*key).unwrap_or("") {
            "releases" => {
                for one in document.items(*value) {
                    release(collector, document, *one, registries);
                }
            }
            "templates" => {
                for (_, one) in document.entries(*value) {
                    release(collector, document, *one, registries);
                }
            }
            "environments" => {
                for (_, one) in document.entries(*value) {
                    values_of(collector, document, *one);
                }
            }
            "helmfiles" => {
                for one in document.items(*value) {
                    values_of(collector, document, *one);
                }
            }
            "values" => values_in(collector, document, *value),
            _ => {}
        }
    }
}

fn release(collector: &mut Collector<'_>, document: &Document, id: NodeId, registries: &Registries) {
    chart(collector, document, id, registries);
    values_of(collector, document, id);
    let list = |key| document.get(id, key).map_or(&[][..], |list| document.items(list));
    helm::parameters(collector, document, list("set"));
    for patch in list("strategicMergePatches") {
        kubernetes::object(collector, document, *patch);
    }
    for dependency in list("dependencies") {
        chart(collector, document, *dependency, registries);
    }
}

/// `{chart, version}`: the chart is a URL, or in a registry that the file names.
fn chart(collector: &mut Collector<'_>, document: &Document, id: NodeId, registries: &Registries) {
    let named = |chart: &str| {
        let (name, chart) = chart.split_once('/')?;
        Some(format!("{}/{chart}", registries.get(name)?.trim_end_matches('/')))
    };
    let chart = document.get(id, "chart").and_then(|chart| document.text(chart));
    let repository = chart.and_then(|chart| in_registry(chart).map(str::to_owned).or_else(|| named(chart)));
    if let (Some(repository), Some(version)) = (repository, document.get(id, "version")) {
        helm_chart::chart(collector, document, &repository, version);
    }
}

fn values_of(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    if let Some(values) = document.get(id, "values") {
        values_in(collector, document, values);
    }
}

/// A list of files and of maps of values.
fn values_in(collector: &mut Collector<'_>, document: &Document, list: NodeId) {
    for one in document.items(list).iter().filter(|one| document.scalar(**one).is_none()) {
        helm::values(collector, document, *one);
    }
}
