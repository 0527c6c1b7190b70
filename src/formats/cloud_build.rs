//! Google Cloud Build, as YAML and JSON: a step's `name` is its image; substitutions with a value are followed. What an
//! earlier step builds (`-t name`) is no site.
//!
//! ```yaml
//! steps: [{name: "node:${_NODE}", args: [npm, test]}]
//! substitutions: {_NODE: "20.11"}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::collector::Collector;
use super::extraction::Extraction;
use super::substitution::Meaning;
use super::yaml::{Document, NodeId, Scalar};
use super::{Claim, Format};
use crate::repo::FilePath;

/// The format.
pub(super) struct CloudBuild;

impl Format for CloudBuild {
    fn name(&self) -> &'static str {
        "cloud-build"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let ours = ["cloudbuild", "cloud-build", "cloud_build"].iter().any(|word| name.contains(word));
        let ending = [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending));
        if ours && ending { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("steps") || !text.contains("name") {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "cloud-build");
        for document in collector.documents() {
            // A trigger holds the build as `build`.
            let root = document.root().filter(|root| document.get(*root, "apiVersion").is_none());
            let build = root.map(|root| document.get(root, "build").unwrap_or(root));
            if let (Some(root), Some(build)) = (root, build) {
                let substitutions = substitutions(&document, [build, root]);
                steps(&mut collector, &document, build, &substitutions);
            }
        }
        collector.found
    }
}

/// The defaults of the build, and what a trigger gives.
fn substitutions(document: &Document, holders: [NodeId; 2]) -> BTreeMap<&str, &Scalar> {
    let maps = holders.into_iter().filter_map(|holder| document.get(holder, "substitutions"));
    let entries = maps.flat_map(|map| document.entries(map));
    entries.filter_map(|(key, value)| Some((document.text(*key)?, document.scalar(*value)?))).collect()
}

fn steps<'d>(
    collector: &mut Collector<'_>,
    document: &'d Document,
    build: NodeId,
    substitutions: &BTreeMap<&str, &'d Scalar>,
) {
    let Some(steps) = document.get(build, "steps") else { return };
    let meaning = |name: &str| match substitutions.get(name) {
        Some(scalar) => Meaning::Text(scalar),
        // Those of one's own begin with `_`; the others are the platform's.
        None if is_own(name) => Meaning::Unknown,
        None => Meaning::Elsewhere,
    };
    let built = built(document, steps);
    for step in document.items(steps) {
        let step = collector.opened(document, *step);
        let name = document.get(step, "name");
        if let Some(name) = name.filter(|name| !document.text(*name).is_some_and(|text| built.contains(text))) {
            collector.expect_with(document, name, &meaning);
        }
    }
}

/// What the steps build: the texts behind `-t` and `--tag`.
fn built(document: &Document, steps: NodeId) -> BTreeSet<&str> {
    let lists = document.items(steps).iter().filter_map(|step| document.get(*step, "args"));
    let pairs = lists.flat_map(|list| document.items(list).windows(2));
    let named = pairs.filter(|pair| matches!(document.text(pair[0]), Some("-t" | "--tag")));
    named.filter_map(|pair| document.text(pair[1])).collect()
}

fn is_own(name: &str) -> bool {
    name.starts_with('_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
