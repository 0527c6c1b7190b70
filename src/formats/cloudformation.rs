//! CloudFormation and SAM templates, in YAML and JSON, and the task definitions of ECS: the images of the resources
//! that run containers.
//!
//! ```yaml
//! AWSTemplateFormatVersion: "2010-09-09"
//! Parameters:
//!   Tag: {Type: String, Default: "1.27"}
//! Resources:
//!   Web:
//!     Type: AWS::ECS::TaskDefinition
//!     Properties: {ContainerDefinitions: [{Name: web, Image: !Sub "nginx:${Tag}"}]}
//! ```
//!
//! `Ref`, `Sub` and `Join` are followed to the `Default` of a parameter, which is then what an edit changes. What the
//! platform fills in (pseudo parameters, attributes of resources, mappings, imports) is silent: most often it is the
//! account's own registry.

mod intrinsics;

use super::collector::{Collector, is_plain};
use super::extraction::Extraction;
use super::site::ProblemCode;
use super::value::Value;
use super::yaml::{Document, Kind, NodeId};
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;
use intrinsics::{Gap, Parameters, call};

/// Where a type of resource has its images, below `Properties`; lists are gone through.
const PLACES: &[(&str, &[&str])] = &[
    ("AWS::ECS::TaskDefinition", &["ContainerDefinitions.Image"]),
    ("AWS::ECS::ExpressGatewayService", &["PrimaryContainer.Image"]),
    (
        "AWS::Batch::JobDefinition",
        &[
            "ContainerProperties.Image",
            "NodeProperties.NodeRangeProperties.Container.Image",
            "EcsProperties.TaskProperties.Containers.Image",
            "EksProperties.PodProperties.Containers.Image",
            "EksProperties.PodProperties.InitContainers.Image",
        ],
    ),
    ("AWS::AppRunner::Service", &["SourceConfiguration.ImageRepository.ImageIdentifier"]),
    ("AWS::Lambda::Function", &["Code.ImageUri"]),
    ("AWS::Serverless::Function", &["ImageUri"]),
    ("AWS::CodeBuild::Project", &["Environment.Image"]),
    ("AWS::SageMaker::Model", &["PrimaryContainer.Image", "Containers.Image"]),
    ("AWS::SageMaker::ModelPackage", &["InferenceSpecification.Containers.Image"]),
    ("AWS::Lightsail::Container", &["ContainerServiceDeployment.Containers.Image"]),
    ("AWS::BedrockAgentCore::Runtime", &["AgentRuntimeArtifact.ContainerConfiguration.ContainerUri"]),
];
/// Images of CodeBuild's own, which stand in no registry.
const CODEBUILD: &str = "aws/codebuild/";
/// Most JSON is something else, and much of it is large.
const JSON_WORDS: [&str; 12] = [
    "cloudformation",
    "cfn",
    "template",
    "stack",
    "task",
    "container",
    "ecs",
    "aws",
    "sam",
    "infra",
    "deploy",
    "batch",
];

/// The format.
pub(super) struct CloudFormation;

impl Format for CloudFormation {
    fn name(&self) -> &'static str {
        "cloudformation"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let yaml = [".yaml", ".yml", ".template", ".cfn"].iter().any(|ending| name.ends_with(ending));
        let lower = path.as_str().to_ascii_lowercase();
        let json = name.ends_with(".json") && JSON_WORDS.iter().any(|word| lower.contains(word));
        if yaml || json { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let is_ours = |text: &str| is_template(text) || is_task_definition(text);
        if !is_ours(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "cloudformation");
        for document in collector.documents_where(is_ours) {
            if let Some(root) = document.root() {
                tasks(&mut collector, &document, root);
                template(&mut collector, &document, root);
            }
        }
        collector.found
    }
}

fn is_template(text: &str) -> bool {
    text.contains("Resources") && text.contains("AWS::") && (text.contains("Image") || text.contains("ContainerUri"))
}

fn is_task_definition(text: &str) -> bool {
    text.contains("image") && (text.contains("containerDefinitions") || text.contains("\"essential\""))
}

/// A task definition as ECS itself takes and shows it, or the bare list of its containers.
fn tasks(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    let task = document.get(root, "taskDefinition").unwrap_or(root);
    let containers = document.get(task, "containerDefinitions");
    let bare = document.items(root).iter().copied().filter(|item| document.get(*item, "essential").is_some());
    let listed = containers.map_or(&[][..], |list| document.items(list)).iter().copied();
    for container in listed.chain(bare) {
        let container = collector.opened(document, container);
        if let Some(image) = document.get(container, "image").filter(|image| document.scalar(*image).is_some()) {
            Images { collector, document, parameters: Parameters::default() }.image(image);
        }
    }
}

/// A template, or one in the `resources` of the Serverless Framework.
fn template(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    let root = document.get(root, "resources").unwrap_or(root);
    let Some(resources) = document.get(root, "Resources") else { return };
    let parameters = Parameters::of(document, root);
    let mut images = Images { collector, document, parameters };
    for (key, value) in document.entries(resources) {
        let looped = document.text(*key).is_some_and(|key| key.starts_with("Fn::ForEach"));
        if looped { images.each_of(*value) } else { images.resource(*value) }
    }
}

struct Images<'c, 'a, 'd> {
    collector: &'c mut Collector<'a>,
    document: &'d Document,
    parameters: Parameters<'d>,
}

impl Images<'_, '_, '_> {
    /// `Fn::ForEach::Name: [Identifier, [values], {"Name${Identifier}": {…}}]`.
    fn each_of(&mut self, id: NodeId) {
        let document = self.document;
        for (_, resource) in document.items(id).iter().flat_map(|item| document.entries(*item)) {
            self.resource(*resource);
        }
    }

    fn resource(&mut self, id: NodeId) {
        let id = self.collector.opened(self.document, id);
        let name = self.document.get(id, "Type").and_then(|name| self.document.text(name));
        let Some((_, places)) = PLACES.iter().find(|(kind, _)| Some(*kind) == name) else { return };
        if let Some(properties) = self.document.get(id, "Properties") {
            places.iter().for_each(|place| self.below(properties, Some(*place)));
        }
    }

    /// What stands at a path below a node, in each item of a list and each branch of an `If`.
    fn below(&mut self, id: NodeId, path: Option<&str>) {
        let document = self.document;
        if let Some(("If", argument)) = call(document, id) {
            return document.items(argument).iter().skip(1).for_each(|branch| self.below(*branch, path));
        }
        let Some(path) = path else { return self.image(id) };
        let id = self.collector.opened(document, id);
        match &document.node(id).kind {
            Kind::Sequence(items) => items.iter().for_each(|item| self.below(*item, Some(path))),
            _ => {
                let (key, rest) = path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)));
                if let Some(value) = document.get(id, key) {
                    self.below(value, rest);
                }
            }
        }
    }

    fn image(&mut self, id: NodeId) {
        let scalar = self.document.scalar(id);
        let offset =
            scalar.map_or(self.document.node(id).offset, |scalar| self.collector.place(self.document, id, scalar));
        if !self.collector.first_at(offset) {
            return;
        }
        match self.parameters.value(self.document, id) {
            Ok(value) => self.report(offset, &value),
            Err(Gap::Silent) => {}
            Err(Gap::Parameter(name)) => {
                let message = format!(
                    "the image cannot be told: the parameter {name:?} has no Default; give it one, or say \
                     \"# restow: ignore\" beside the image"
                );
                self.collector.problem(offset, ProblemCode::UnresolvedVariable, message);
            }
        }
    }

    fn report(&mut self, offset: usize, value: &Value) {
        let text = value.text();
        let fills_in = !is_plain(text) || (is_placeholder(text) && Reference::parse(text).is_err());
        if !fills_in && !text.starts_with(CODEBUILD) {
            self.collector.joined(offset, text, value);
        }
    }
}

/// `IMAGE_URI`, `repository/IMAGE:TAG`: a word in capitals, which a pipeline replaces.
fn is_placeholder(text: &str) -> bool {
    let capital = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && !word.contains(|c: char| c.is_ascii_lowercase())
    };
    text.split(['/', ':']).any(capital)
}

#[cfg(test)]
mod tests;
