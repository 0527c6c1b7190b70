//! Drone, Woodpecker, Crow and Vela: the images of steps, services, clones, and of the origins of Vela's secrets; the
//! older form, too, where these are maps.
//!
//! An image that is all a matrix variable is each of its values; the settings of plugins are not read. Example:
//!
//! ```yaml
//! matrix: {GO: [golang:1.22, golang:1.23]}
//! steps: [{name: test, image: "${GO}"}, {name: lint, image: "ghcr.io/acme/lint:1"}]
//! services: {db: {image: "postgres:16"}}
//! ```

use std::collections::BTreeSet;

use super::collector::Collector;
use super::extraction::Extraction;
use super::substitution::{Meaning, only_name};
use super::yaml::{Document, NodeId};
use super::{Claim, Format};
use crate::repo::FilePath;

/// What holds steps: lists, or maps by name.
const HOLDERS: [&str; 6] = ["steps", "services", "clone", "pipeline", "stages", "secrets"];
/// More values of a matrix variable are not read.
const MAX_CHOICES: usize = 200;
/// More variables of a matrix are not read.
const MAX_NAMES: usize = 50;

/// The formats.
pub(super) static DRONE: StepRunner = StepRunner { name: "drone", files: ".drone" };
pub(super) static WOODPECKER: StepRunner = StepRunner { name: "woodpecker", files: ".woodpecker" };
pub(super) static CROW: StepRunner = StepRunner { name: "crow", files: ".crow" };
pub(super) static VELA: StepRunner = StepRunner { name: "vela", files: ".vela" };

/// One of them.
pub(super) struct StepRunner {
    name: &'static str,
    /// The name of its file, without the ending, and of its folder.
    files: &'static str,
}

impl Format for StepRunner {
    fn name(&self) -> &'static str {
        self.name
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let lower = path.as_str().to_ascii_lowercase();
        let Some(stem) = lower.strip_suffix(".yml").or_else(|| lower.strip_suffix(".yaml")) else { return Claim::No };
        let mut parts = stem.rsplit('/');
        if parts.next() == Some(self.files) {
            return Claim::ByPath;
        }
        // Manifests may lie there, too.
        if parts.any(|folder| folder == self.files) { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("image") {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, self.name);
        for document in collector.documents() {
            if let Some(root) = document.root().filter(|root| document.get(*root, "apiVersion").is_none()) {
                Reader { collector: &mut collector, document: &document, root, read: BTreeSet::new() }.file();
            }
        }
        collector.found
    }
}

struct Reader<'c, 'a, 'd> {
    collector: &'c mut Collector<'a>,
    document: &'d Document,
    root: NodeId,
    /// The variables of the matrix that were read.
    read: BTreeSet<&'d str>,
}

impl<'d> Reader<'_, '_, 'd> {
    fn file(&mut self) {
        let (document, root) = (self.document, self.root);
        for holder in HOLDERS.iter().filter_map(|key| document.get(root, key)) {
            for step in self.children(holder) {
                let step = self.collector.opened(self.document, step);
                self.step(step);
                // A stage has steps, a secret has an origin.
                let steps = document.get(step, "steps").map_or_else(Vec::new, |steps| self.children(steps));
                for inner in steps.into_iter().chain(document.get(step, "origin")) {
                    self.step(inner);
                }
            }
        }
    }

    /// The items of a list, the values of a map.
    fn children(&mut self, id: NodeId) -> Vec<NodeId> {
        let id = self.collector.opened(self.document, id);
        let values = self.document.entries(id).iter().map(|(_, value)| value);
        self.document.items(id).iter().chain(values).copied().collect()
    }

    fn step(&mut self, id: NodeId) {
        let Some(image) = self.collector.field(self.document, id, "image") else { return };
        let variable = self.document.text(image).and_then(only_name).filter(|name| !name.contains(':'));
        match variable {
            Some(variable) => self.choices(variable),
            // The runner fills in other variables.
            None => self.collector.expect_with(self.document, image, &|_| Meaning::Elsewhere),
        }
    }

    /// The values of a variable of the matrix.
    fn choices(&mut self, variable: &'d str) {
        let matrix = self.document.get(self.root, "matrix");
        let Some(matrix) = matrix.filter(|_| self.read.len() < MAX_NAMES && self.read.insert(variable)) else { return };
        let list = self.document.get(matrix, variable).map_or(&[][..], |list| self.document.items(list));
        let include = self.document.get(matrix, "include").unwrap_or(matrix);
        let included = self.document.items(include).iter().filter_map(|item| self.document.get(*item, variable));
        let values: Vec<NodeId> = list.iter().copied().chain(included).take(MAX_CHOICES).collect();
        for value in values {
            self.collector.expect_plain(self.document, value);
        }
    }
}
