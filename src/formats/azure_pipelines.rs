//! Azure Pipelines: `resources.containers`, the containers and services of jobs, parameters that are named like images.
//!
//! Variables and parameters that the file gives a value are followed; a `matrix` that holds whole images is read. The
//! name of a container resource is no image. Example:
//!
//! ```yaml
//! variables: {tag: "22.04"}
//! resources: {containers: [{container: linux, image: "ubuntu:$(tag)"}]}
//! jobs: [{job: a, container: linux}, {job: b, container: {image: "node:20"}}]
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::collector::Collector;
use super::embedded::scripts;
use super::extraction::Extraction;
use super::shell::mentions_tools;
use super::substitution::{Meaning, only_name};
use super::yaml::{Document, Kind, NodeId};
use super::yaml_sites::{is_outer_template, mappings};
use super::{Claim, Format};
use crate::repo::FilePath;

/// Keys that hold no job, resource or stage.
const SKIPPED: [&str; 9] =
    ["steps", "variables", "parameters", "pool", "trigger", "pr", "schedules", "strategy", "services"];
/// A parameter that is a parameter …
const MAX_DEPTH: usize = 5;
/// More values of one variable in a matrix are not read.
const MAX_CHOICES: usize = 200;

/// The format.
pub(super) struct AzurePipelines;

impl Format for AzurePipelines {
    fn name(&self) -> &'static str {
        "azure-pipelines"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let lower = path.as_str().to_ascii_lowercase();
        let name = path.file_name().to_ascii_lowercase();
        if !name.ends_with(".yml") && !name.ends_with(".yaml") {
            return Claim::No;
        }
        if name.strip_prefix("azure").is_some_and(|rest| rest.contains("pipeline")) {
            return Claim::ByPath;
        }
        // Manifests lie there, too.
        let within = |folder: &str| lower.starts_with(folder) || lower.contains(&format!("/{folder}"));
        let folders = [".azure-pipelines/", "azure-pipelines/", ".azuredevops/", ".pipelines/"];
        if folders.into_iter().any(within) { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("container") && !text.contains("mage") && !mentions_tools(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "azure-pipelines");
        for document in collector.documents_unless(is_outer_template) {
            let other = |root| document.get(root, "apiVersion").is_some();
            if let Some(root) = document.root().filter(|root| !other(*root)) {
                Reader::new(&mut collector, &document).walk(root);
                scripts(&mut collector, &document, &["script", "bash", "pwsh", "powershell"]);
            }
        }
        collector.found
    }
}

/// The values that names have in a stage or a job.
#[derive(Default)]
struct Scope<'d> {
    variables: BTreeMap<&'d str, NodeId>,
    /// Of the job's matrix.
    choices: BTreeMap<&'d str, Vec<NodeId>>,
    /// Groups, templates and conditions define more.
    has_more: bool,
}

struct Reader<'c, 'a, 'd> {
    collector: &'c mut Collector<'a>,
    names: Names<'d>,
}

/// What names mean at a place.
struct Names<'d> {
    document: &'d Document,
    /// The names of container resources.
    resources: BTreeSet<&'d str>,
    parameters: BTreeMap<&'d str, NodeId>,
    /// The innermost is the last.
    scopes: Vec<Scope<'d>>,
}

/// What a name stands for.
enum Named {
    One(NodeId),
    Several(Vec<NodeId>),
    Elsewhere,
    Unknown,
}

impl<'c, 'a, 'd> Reader<'c, 'a, 'd> {
    fn new(collector: &'c mut Collector<'a>, document: &'d Document) -> Self {
        Self { collector, names: Names::new(document) }
    }

    fn walk(&mut self, id: NodeId) {
        let document = self.names.document;
        match &document.node(id).kind {
            Kind::Mapping(entries) => {
                self.names.scopes.push(Scope::new(document, id));
                self.mapping(id);
                for (key, value) in entries {
                    let key = document.text(*key).unwrap_or("");
                    if !SKIPPED.contains(&key) {
                        self.walk(*value);
                    }
                }
                self.names.scopes.pop();
            }
            Kind::Sequence(items) => {
                for item in items {
                    self.walk(*item);
                }
            }
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }

    /// A job, a stage, a container resource, or the file.
    fn mapping(&mut self, id: NodeId) {
        let document = self.names.document;
        match (document.get(id, "container"), document.get(id, "image")) {
            (Some(_), Some(image)) => self.image(image, 0),
            (Some(container), None) => self.container(container, 0),
            (None, _) => {}
        }
        for (_, service) in document.get(id, "services").map_or(&[][..], |services| document.entries(services)) {
            self.container(*service, 0);
        }
        // For the templates that the file includes, and its scripts.
        let variables = document.get(id, "variables");
        for (key, value) in variables.map_or_else(BTreeMap::new, |all| entries(document, all, "value")) {
            self.collector.perhaps_variable(document, key, value);
        }
        let parameters = document.get(id, "parameters");
        for (key, value) in parameters.map_or_else(BTreeMap::new, |given| entries(document, given, "default")) {
            self.collector.perhaps_named(document, key, value);
        }
    }

    /// An image, the name of a resource, or a map with an `image`.
    fn container(&mut self, id: NodeId, depth: usize) {
        let document = self.names.document;
        if let Some(image) = document.get(id, "image") {
            return self.image(image, depth);
        }
        let text = document.text(id).filter(|text| depth < MAX_DEPTH && !self.names.resources.contains(text));
        let Some(text) = text else { return };
        let variable = only_name(text).or_else(|| runtime_name(text));
        match variable.map(|name| self.names.named(name)) {
            Some(Named::One(value)) => self.container(value, depth + 1),
            Some(Named::Several(values)) => values.into_iter().for_each(|value| self.container(value, depth + 1)),
            Some(Named::Elsewhere | Named::Unknown) => {}
            None if text.contains('$') => self.image(id, depth),
            // A bare name may be a resource of the file that includes this one.
            None => self.collector.perhaps(document, id),
        }
    }

    /// Where it is all a variable, the site is the variable's value.
    fn image(&mut self, id: NodeId, depth: usize) {
        let text = self.names.document.text(id).filter(|_| depth < MAX_DEPTH);
        match text.and_then(|text| only_name(text).or_else(|| runtime_name(text))).map(|name| self.names.named(name)) {
            Some(Named::One(value)) => return self.image(value, depth + 1),
            Some(Named::Several(values)) => return values.into_iter().for_each(|value| self.image(value, depth + 1)),
            _ => {}
        }
        let names = &self.names;
        self.collector.expect_with(names.document, id, &|name| match names.named(name) {
            Named::One(value) => names.document.scalar(value).map_or(Meaning::Elsewhere, Meaning::Text),
            Named::Several(_) | Named::Elsewhere => Meaning::Elsewhere,
            Named::Unknown => Meaning::Unknown,
        });
    }
}

impl<'d> Names<'d> {
    fn new(document: &'d Document) -> Self {
        let text = |id, key| document.get(id, key).and_then(|value| document.text(value));
        let all = mappings(document);
        let resource = all.iter().filter(|id| text(**id, "image").or(text(**id, "type")).is_some());
        let resources = resource.filter_map(|id| text(*id, "container")).collect();
        let root = document.root().and_then(|root| document.get(root, "parameters"));
        let parameters = root.map_or_else(BTreeMap::new, |parameters| entries(document, parameters, "default"));
        Self { document, resources, parameters, scopes: Vec::new() }
    }

    fn named(&self, written: &str) -> Named {
        let of = |place| name_in(written, place);
        if let Some(name) = of("parameters") {
            return self.parameters.get(name).map_or(Named::Elsewhere, |value| Named::One(*value));
        }
        let name = of("variables").unwrap_or(written);
        for scope in self.scopes.iter().rev() {
            if let Some(values) = scope.choices.get(name) {
                return Named::Several(values.clone());
            }
            if let Some(value) = scope.variables.get(name) {
                return Named::One(*value);
            }
        }
        // `Build.BuildId` and expressions.
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let known = plain && !self.scopes.iter().any(|scope| scope.has_more);
        if known { Named::Unknown } else { Named::Elsewhere }
    }
}

impl<'d> Scope<'d> {
    /// What a stage or a job defines.
    fn new(document: &'d Document, id: NodeId) -> Self {
        let mut scope = Self::default();
        if let Some(variables) = document.get(id, "variables") {
            scope.variables = entries(document, variables, "value");
            let items = document.items(variables).iter().flat_map(|item| document.entries(*item));
            let mut keys = items.chain(document.entries(variables)).filter_map(|(key, _)| document.text(*key));
            scope.has_more = keys.any(|key| key == "group" || key == "template" || key.starts_with("${{"));
        }
        let matrix = document.get(id, "strategy").and_then(|strategy| document.get(strategy, "matrix"));
        for (_, one) in matrix.map_or(&[][..], |matrix| document.entries(matrix)) {
            for (key, value) in document.entries(*one) {
                let values = document.text(*key).map(|key| scope.choices.entry(key).or_default());
                if let Some(values) = values.filter(|values| values.len() < MAX_CHOICES) {
                    values.push(*value);
                }
            }
        }
        scope
    }
}

/// `{name: value}`, or a list of `{name: …, <value>: …}`.
fn entries<'d>(document: &'d Document, id: NodeId, value: &str) -> BTreeMap<&'d str, NodeId> {
    let listed = |item: &NodeId| {
        let name = document.get(*item, "name").and_then(|name| document.text(name))?;
        Some((name, document.get(*item, value)?))
    };
    let direct = document.entries(id).iter().filter_map(|(key, value)| Some((document.text(*key)?, *value)));
    direct.chain(document.items(id).iter().filter_map(listed)).collect()
}

/// The name in `place.name` or `place['name']`.
fn name_in<'t>(text: &'t str, place: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(place)?;
    rest.strip_prefix('.').or_else(|| rest.strip_prefix("['")?.strip_suffix("']"))
}

/// The inside of `$[ … ]`, which may hold brackets itself.
fn runtime_name(text: &str) -> Option<&str> {
    text.strip_prefix("$[")?.strip_suffix(']').map(str::trim)
}
