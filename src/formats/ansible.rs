//! Ansible: the images that tasks run and pull with Docker's and Podman's modules.
//!
//! ```yaml
//! - hosts: all
//!   vars: {nginx_version: "1.25.3"}
//!   tasks:
//!     - community.docker.docker_container: {name: web, image: "nginx:{{ nginx_version }}"}
//!     - docker_image: {name: redis, tag: "7.2", source: pull}
//! ```
//!
//! `{{ name }}` is what the file's own `vars` and `set_fact` say, `{{ item }}` each item of the task's `loop`; what other
//! files define is silent.

use std::collections::BTreeMap;

use super::collector::{Collector, PartText, Parts, image_like, is_plain};
use super::extraction::Extraction;
use super::value::Value;
use super::yaml::{Document, NodeId};
use super::yaml_sites::value_of;
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;

/// A text with more variables, or a longer one, is no image.
const MAX_VARIABLES: usize = 8;
const MAX_LENGTH: usize = 512;

/// The format.
pub(super) struct Ansible;

impl Format for Ansible {
    fn name(&self) -> &'static str {
        "ansible"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        if name.ends_with(".yml") || name.ends_with(".yaml") { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !["docker_", "podman_"]
            .iter()
            .any(|prefix| text.match_indices(prefix).any(|(at, _)| names_module(&text[at..])))
        {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "ansible");
        for document in collector.documents() {
            if let Some(root) = document.root() {
                let mut variables = BTreeMap::new();
                define(&document, root, &mut variables);
                Tasks { collector: &mut collector, document: &document, variables }.walk(root);
            }
        }
        collector.found
    }
}

/// What a module does with an image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Module {
    /// `image` is run.
    Run,
    /// `name` is pulled.
    Pull,
}

fn module(name: &str) -> Option<Module> {
    match name.rsplit('.').next().unwrap_or(name) {
        "docker_container" | "docker_swarm_service" | "podman_container" => Some(Module::Run),
        "docker_image" | "docker_image_pull" | "podman_image" => Some(Module::Pull),
        _ => None,
    }
}

/// Whether a text begins with a module's name as a key.
fn names_module(text: &str) -> bool {
    let name = text.split([':', ' ', '\n', '"', '\'']).next().unwrap_or("");
    module(name).is_some() && text[name.len()..].trim_start_matches(['"', '\'', ' ']).starts_with(':')
}

/// Notes the texts in every `vars` and `set_fact`.
fn define(document: &Document, id: NodeId, variables: &mut BTreeMap<String, Value>) {
    for (key, value) in document.entries(id) {
        let key = document.text(*key).unwrap_or("");
        if matches!(key.rsplit('.').next(), Some("vars" | "set_fact")) {
            for (name, value) in document.entries(*value) {
                if let (Some(name), Some(scalar)) = (document.text(*name), document.scalar(*value)) {
                    variables.entry(name.to_owned()).or_insert(value_of(scalar));
                }
            }
        }
        define(document, *value, variables);
    }
    for item in document.items(id) {
        define(document, *item, variables);
    }
}

struct Tasks<'w, 't> {
    collector: &'w mut Collector<'t>,
    document: &'w Document,
    variables: BTreeMap<String, Value>,
}

impl Tasks<'_, '_> {
    fn walk(&mut self, id: NodeId) {
        let document = self.document;
        for (key, value) in document.entries(id) {
            match document.text(*key).and_then(module) {
                Some(module) => self.module(id, module, *value),
                None => self.walk(*value),
            }
        }
        for item in document.items(id) {
            self.walk(*item);
        }
    }

    fn module(&mut self, task: NodeId, module: Module, arguments: NodeId) {
        let document = self.document;
        if document.scalar(arguments).is_some() {
            return self.written_out(module, arguments);
        }
        let text = |key: &str| document.get(arguments, key).and_then(|value| document.text(value));
        // What is built, loaded or removed is no choice of an image.
        let made = document.get(arguments, "build").or(document.get(arguments, "path")).is_some();
        let pulled = !made && matches!(text("source"), None | Some("pull")) && text("state") != Some("absent");
        match module {
            Module::Run => {
                if let Some(image) = document.get(arguments, "image") {
                    self.image(task, image);
                }
            }
            Module::Pull if pulled => {
                let name = document.get(arguments, "name");
                match document.get(arguments, "tag") {
                    Some(tag) => self.tagged(name, tag),
                    None => name.into_iter().for_each(|name| self.image(task, name)),
                }
            }
            Module::Pull => {}
        }
    }

    /// `{name: redis, tag: "7.2"}`
    fn tagged(&mut self, name: Option<NodeId>, tag: NodeId) {
        let document = self.document;
        let part = |id| {
            let scalar = document.scalar(id).filter(|scalar| is_plain(&scalar.text))?;
            Some(PartText { text: &scalar.text, start: scalar.start })
        };
        let (Some(repository), Some(tag)) = (name.and_then(part), part(tag)) else { return };
        if let Some(start) = repository.start {
            self.collector.parts(start, &Parts { repository: Some(repository), tag: Some(tag), ..Parts::default() });
        }
    }

    fn image(&mut self, task: NodeId, id: NodeId) {
        let document = self.document;
        let Some(text) = document.text(id) else { return };
        if is_plain(text) {
            self.collector.expect(document, id);
        } else if text.split_whitespace().collect::<String>() == "{{item}}" {
            for key in ["loop", "with_items", "with_list"] {
                let items = document.get(task, key).map_or(&[][..], |list| document.items(list));
                items.iter().for_each(|item| self.collector.perhaps(document, *item));
            }
        } else if let Some(scalar) = document.scalar(id)
            && let Some(value) = self.filled_in(&value_of(scalar))
            && is_plain(value.text())
            && self.collector.first_use(document, id).is_some()
        {
            let place = self.collector.place(document, id, scalar);
            self.collector.assembled(place, text, &value);
        }
    }

    /// The text with the values of its `{{ name }}`.
    fn filled_in(&self, text: &Value) -> Option<Value> {
        let (mut value, mut at) = (Value::default(), 0);
        for _ in 0..MAX_VARIABLES {
            let rest = text.text().get(at..).filter(|_| text.text().len() <= MAX_LENGTH)?;
            let plain = rest.find("{{").unwrap_or(rest.len());
            value.append(&text.slice(at, at + plain));
            let Some(inside) = rest[plain..].strip_prefix("{{") else { return Some(value) };
            let end = inside.find("}}")?;
            value.append(self.variables.get(inside[..end].trim()).filter(|known| known.text().len() <= MAX_LENGTH)?);
            at += plain + end + 4;
        }
        None
    }

    /// `docker_container: name=web image=nginx:1.25`
    fn written_out(&mut self, module: Module, id: NodeId) {
        let Some((scalar, start)) = self.document.scalar(id).and_then(|scalar| Some((scalar, scalar.start?))) else {
            return;
        };
        let key = if module == Module::Run { "image=" } else { "name=" };
        let mut at = 0;
        for word in scalar.text.split_inclusive(char::is_whitespace) {
            if let Some(image) = word.trim_end().strip_prefix(key)
                && is_plain(image)
                && image_like(image)
                && Reference::parse(image).is_ok()
            {
                self.collector.literal(start + at + key.len(), image);
            }
            at += word.len();
        }
    }
}
