//! AWS CloudFormation and SAM templates, and ECS task definitions, in YAML and JSON: the images of containers, with the
//! defaults of a template's parameters. What an account's own registry or another resource says is no site.
//!
//! ```yaml
//! Parameters: {Nginx: {Type: String, Default: "1.25"}}
//! Resources:
//!   Web:
//!     Type: AWS::ECS::TaskDefinition
//!     Properties: {ContainerDefinitions: [{Name: web, Image: !Sub "nginx:${Nginx}"}]}
//! ```

use super::collector::Collector;
use super::extraction::Extraction;
use super::substitution::Meaning;
use super::value::Value;
use super::yaml::{Document, NodeId};
use super::yaml_sites::{is_filled, value_of};
use super::{Claim, Format};
use crate::repo::FilePath;

/// Resources with containers, by the beginnings of their types.
const OF_CONTAINERS: [&str; 9] = [
    "AWS::ECS::TaskDefinition",
    "AWS::Batch::JobDefinition",
    "AWS::AppRunner::Service",
    "AWS::Lambda::Function",
    "AWS::Serverless::Function",
    "AWS::SageMaker::",
    "AWS::CodeBuild::Project",
    "AWS::Lightsail::Container",
    "AWS::BedrockAgentCore::",
];
const KEYS: [&str; 3] = ["Image", "ImageUri", "ImageIdentifier"];
/// Lists of containers in a task definition by itself.
const LISTS: [&str; 2] = ["containerDefinitions", "ContainerDefinitions"];
/// Functions within functions are read down to here.
const MAX_DEPTH: usize = 10;

/// The format.
pub(super) struct CloudFormation;

impl Format for CloudFormation {
    fn name(&self) -> &'static str {
        "cloudformation"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let ours = [".yaml", ".yml", ".json", ".template"].iter().any(|ending| name.ends_with(ending));
        if ours { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let template = text.contains("AWS::") && text.contains("Resources") && text.contains("Image");
        let task = LISTS.iter().any(|list| text.contains(list)) && text.contains("mage");
        if !template && !task {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "cloudformation");
        for document in collector.documents() {
            let Some(root) = document.root() else { continue };
            match document.get(root, "Resources") {
                Some(resources) => Template { collector: &mut collector, document: &document, root }.read(resources),
                None => task_definition(&mut collector, &document, root),
            }
        }
        collector.found
    }
}

/// `{"containerDefinitions": [{"image": …}]}`; a placeholder there is filled in by whoever deploys it.
fn task_definition(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    for list in LISTS.iter().filter_map(|name| document.get(root, name)) {
        for container in document.items(list) {
            for image in ["image", "Image"].iter().filter_map(|key| document.get(*container, key)) {
                collector.expect_plain(document, image);
            }
        }
    }
}

struct Template<'c, 'a, 'd> {
    collector: &'c mut Collector<'a>,
    document: &'d Document,
    root: NodeId,
}

impl Template<'_, '_, '_> {
    fn read(&mut self, resources: NodeId) {
        for (_, resource) in self.document.entries(resources) {
            let kind = self.document.get(*resource, "Type").and_then(|kind| self.document.text(kind)).unwrap_or("");
            let properties = self.document.get(*resource, "Properties");
            if let Some(properties) = properties.filter(|_| OF_CONTAINERS.iter().any(|one| kind.starts_with(one))) {
                self.walk(properties);
            }
        }
    }

    fn walk(&mut self, id: NodeId) {
        for (key, value) in self.document.entries(id) {
            match self.document.text(*key).is_some_and(|key| KEYS.contains(&key)) {
                true => self.image(*value),
                false => self.walk(*value),
            }
        }
        for item in self.document.items(id) {
            self.walk(*item);
        }
    }

    fn image(&mut self, id: NodeId) {
        let document = self.document;
        let (function, argument) = function(document, id).unwrap_or_default();
        if let ("If", [_, then, otherwise]) = (function, document.items(argument)) {
            self.image(*then);
            return self.image(*otherwise);
        }
        let Some(value) = substitution(document, id, 0) else {
            // Lightsail and SageMaker hold more below the key.
            return self.walk(id);
        };
        // CodeBuild's own images have no registry.
        if !is_filled(value.text()) || value.text().starts_with("aws/codebuild/") {
            return;
        }
        let offset = value.origin(0).map_or(document.node(id).offset, |(_, offset)| offset);
        if !self.collector.first_at(offset) {
            return;
        }
        let root = self.root;
        // Who deploys the template gives a whole image that has no default.
        let whole = value.text().starts_with('$');
        let meaning = |name: &str| default(document, root, name, whole);
        let written = value.text().to_owned();
        match value.text().contains('$') {
            true => self.collector.substituted(offset, &written, &value, &meaning),
            false => self.collector.joined(offset, &written, &value),
        }
    }
}

/// What a parameter says where nobody gives it another value.
fn default<'d>(document: &'d Document, root: NodeId, name: &str, whole: bool) -> Meaning<'d> {
    let parameter = document.get(root, "Parameters").and_then(|parameters| document.get(parameters, name));
    let Some(parameter) = parameter else { return Meaning::Elsewhere };
    let kind = document.get(parameter, "Type").and_then(|kind| document.text(kind)).unwrap_or("");
    let value = document.get(parameter, "Default").and_then(|value| document.scalar(value));
    match value.filter(|value| is_filled(&value.text) && !kind.starts_with("AWS::")) {
        Some(value) => Meaning::Text(value),
        None if whole || kind.starts_with("AWS::") => Meaning::Elsewhere,
        None => Meaning::Unknown,
    }
}

/// A text or function as text with `${…}`: of `Ref`, `Sub` and `Join`. Others are told by other resources.
fn substitution(document: &Document, id: NodeId, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    let Some((function, argument)) = function(document, id) else {
        let scalar = document.scalar(id)?;
        // Without `Sub`, a dollar sign is one.
        return (!scalar.text.contains('$')).then(|| value_of(scalar));
    };
    match function {
        "Ref" => Some(Value::computed(&format!("${{{}}}", document.text(argument)?))),
        "Sub" => {
            let text = document.items(argument).first().copied().unwrap_or(argument);
            document.scalar(text).map(value_of)
        }
        "Join" => joined(document, argument, depth),
        _ => None,
    }
}

/// A function's name and its argument, in both ways to write one: `!Sub text`, `{"Fn::Sub": text}`.
fn function(document: &Document, id: NodeId) -> Option<(&str, NodeId)> {
    match (document.tag(id), document.entries(id)) {
        (Some(tag), _) => Some((tag, id)),
        (None, [(key, value)]) => {
            let key = document.text(*key)?;
            Some((key.strip_prefix("Fn::").unwrap_or(key), *value))
        }
        (None, _) => None,
    }
}

/// `[separator, [parts]]`.
fn joined(document: &Document, id: NodeId, depth: usize) -> Option<Value> {
    let [separator, parts] = document.items(id) else { return None };
    let separator = Value::computed(document.text(*separator)?);
    let mut value = Value::default();
    for (index, part) in document.items(*parts).iter().enumerate() {
        if index > 0 {
            value.append(&separator);
        }
        value.append(&substitution(document, *part, depth + 1)?);
    }
    Some(value)
}
