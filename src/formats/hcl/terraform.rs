//! Terraform and OpenTofu: the images of containers in the resources of the usual providers, task definitions in JSON,
//! charts from registries, and arguments of modules that are named like an image. Disks of virtual machines are called
//! images too and are none.
//!
//! ```hcl
//! variable "nginx" { default = "1.25" }
//! resource "docker_image" "web" { name = "nginx:${var.nginx}" }
//! ```
//!
//! All files of a folder define its variables; files of values (`*.tfvars`) that Terraform loads by itself count more.

mod charts;

use hcl_edit::structure::{Block, Body};

use super::heredoc::Wanted;
use super::{Hcl, Names, names_image, parse};
use crate::formats::collector::{Collector, has_host, versioned};
use crate::formats::extraction::Extraction;
use crate::formats::{Claim, Format, kubernetes};
use crate::repo::FilePath;

/// Providers and resources whose `image` is a container's.
const OF_CONTAINERS: [&str; 18] = [
    "docker_",
    "podman_",
    "kubernetes_",
    "aws_ecs_",
    "aws_batch_",
    "aws_sagemaker_model",
    "aws_lightsail_container",
    "aws_apprunner_",
    "aws_lambda_function",
    "google_cloud_run",
    "azurerm_container_app",
    "azurerm_container_group",
    "azurerm_container_registry_task",
    "azapi_resource",
    "scaleway_container",
    "nomad_",
    "koyeb_",
    "fly_machine",
];
/// Keys of such resources that hold an image.
const KEYS: [&str; 5] = ["image", "image_uri", "image_identifier", "container_image", "docker_image_name"];

/// `*.tf` and `*.tofu`.
pub(in crate::formats) struct Terraform;

/// Values that Terraform loads by itself: `terraform.tfvars`, `*.auto.tfvars`.
pub(in crate::formats) struct LoadedValues;

/// Values that it is told to load: any other `*.tfvars`.
pub(in crate::formats) struct OtherValues;

impl Format for Terraform {
    fn name(&self) -> &'static str {
        "terraform"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let ours = [".tf", ".tofu"].iter().any(|ending| path.file_name().ends_with(ending));
        if ours { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !["image", "Image", "oci:", "variable", "locals"].iter().any(|word| text.contains(word)) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "terraform");
        let Some((body, source)) = parse(&mut collector) else { return collector.found };
        let mut hcl = Hcl::new(collector, source, Names::Folder);
        hcl.define(&body);
        for block in body.blocks() {
            match (block.ident.as_str(), block.labels.first()) {
                ("resource", Some(kind)) => resource(&mut hcl, kind.as_str(), block),
                ("data", Some(kind)) if kind.as_str() == "docker_registry_image" => named(&mut hcl, block),
                ("module", _) => module(&mut hcl, &block.body),
                _ => {}
            }
        }
        hcl.unused(&body);
        hcl.collector.found
    }
}

impl Format for LoadedValues {
    fn name(&self) -> &'static str {
        "tfvars"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        if is_loaded(path.file_name()) { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        values(text, Definitions::Exported)
    }
}

impl Format for OtherValues {
    fn name(&self) -> &'static str {
        "tfvars-other"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        if name.ends_with(".tfvars") && !is_loaded(name) { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        values(text, Definitions::Own)
    }
}

fn is_loaded(name: &str) -> bool {
    name == "terraform.tfvars" || name.ends_with(".auto.tfvars")
}

/// Who uses the values of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Definitions {
    /// Every file of the folder.
    Exported,
    /// Whoever names the file.
    Own,
}

/// Values: those that are named like an image, wherever they are used.
fn values(text: &str, definitions: Definitions) -> Extraction {
    let mut collector = Collector::new(text, "tfvars");
    let Some((body, source)) = parse(&mut collector) else { return collector.found };
    let mut hcl = Hcl::new(collector, source, Names::Folder);
    for attribute in body.attributes() {
        if definitions == Definitions::Exported {
            hcl.define_one("var", attribute.key.as_str(), &attribute.value, 0);
        }
    }
    module(&mut hcl, &body);
    hcl.collector.found
}

fn resource(hcl: &mut Hcl<'_, '_>, kind: &str, block: &Block) {
    let body = &block.body;
    match kind {
        // With a `build`, the name is that of what is built.
        "docker_image" if body.has_blocks("build") => {}
        "docker_image" => named(hcl, block),
        // It is pushed there.
        "docker_registry_image" => {}
        "helm_release" => charts::release(hcl, body),
        "kubectl_manifest" => manifest(hcl, body, "yaml_body"),
        "kubernetes_manifest" => {
            manifest(hcl, body, "manifest");
            hcl.images_of(body, &KEYS);
        }
        "google_cloudbuild_trigger" => steps(hcl, body),
        _ if OF_CONTAINERS.iter().any(|one| kind.starts_with(one)) => {
            hcl.images_of(body, &KEYS);
            for attribute in body.attributes() {
                for document in hcl.documents(&attribute.value) {
                    if let Some(root) = document.root() {
                        hcl.images_in(&document, root, Wanted::All);
                    }
                }
            }
        }
        _ if kind.starts_with("azurerm_") => hcl.images_of(body, &["docker_image_name"]),
        _ => elsewhere(hcl, body),
    }
}

fn named(hcl: &mut Hcl<'_, '_>, block: &Block) {
    if let Some(name) = block.body.get_attribute("name") {
        hcl.image(&name.value);
    }
}

/// In a resource that is not known, an `image` with a registry's host and a version.
fn elsewhere(hcl: &mut Hcl<'_, '_>, body: &Body) {
    for attribute in body.attributes() {
        let text = attribute.value.as_str();
        if names_image(attribute.key.as_str()) && text.is_some_and(|text| has_host(text) && versioned(text)) {
            hcl.image(&attribute.value);
        }
    }
    for block in body.blocks() {
        elsewhere(hcl, &block.body);
    }
}

/// The arguments of a module: images with a version, where their name says that they are.
fn module(hcl: &mut Hcl<'_, '_>, body: &Body) {
    for attribute in body.attributes() {
        match names_image(attribute.key.as_str()) {
            true => hcl.perhaps(&attribute.value),
            false => hcl.images_where_versioned(&attribute.value),
        }
    }
}

/// A Kubernetes object in a heredoc.
fn manifest(hcl: &mut Hcl<'_, '_>, body: &Body, key: &str) {
    let Some(yaml) = body.get_attribute(key) else { return };
    for document in hcl.documents(&yaml.value) {
        if let Some(root) = document.root() {
            kubernetes::object(&mut hcl.collector, &document, root);
            hcl.images_in(&document, root, Wanted::Templated);
        }
    }
}

/// Cloud Build's steps: their names are images.
fn steps(hcl: &mut Hcl<'_, '_>, body: &Body) {
    let steps = body.get_blocks("build").flat_map(|build| build.body.get_blocks("step"));
    for step in steps {
        if let Some(name) = step.body.get_attribute("name") {
            hcl.image(&name.value);
        }
    }
}
