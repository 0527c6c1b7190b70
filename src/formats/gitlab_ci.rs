//! GitLab CI: `image` and `services` of jobs, of `default` and of the file, with the variables that the file defines.
//!
//! A variable is looked for in the job, in what it extends, then in the file; one that GitLab itself fills in is no
//! problem. A variable with several values (`parallel: matrix`, `rules: variables`) is a choice: where it is all of
//! the image, each value is a site. Example:
//!
//! ```yaml
//! variables: {NODE: "20.11"}
//! test:
//!   image: {name: "node:${NODE}-alpine"}
//!   services: [postgres:16]
//! ```

mod variables;

use std::collections::BTreeSet;

use super::collector::Collector;
use super::embedded::scripts;
use super::extraction::{Extraction, FoundSite, FoundValue};
use super::shell::mentions_tools;
use super::substitution::only_name;
use super::yaml::{Document, NodeId};
use super::yaml_sites::value_of;
use super::{Claim, Format};
use crate::repo::FilePath;
use variables::{Inputs, Scope, inputs};

/// Keys of a file that are no jobs.
const NO_JOBS: [&str; 10] = [
    "stages",
    "types",
    "include",
    "workflow",
    "spec",
    "cache",
    "variables",
    "before_script",
    "after_script",
    "artifacts",
];
/// GitLab's own cache of Docker Hub: what stands behind it is an image there.
const PROXIES: [&str; 2] = ["CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX", "CI_DEPENDENCY_PROXY_DIRECT_GROUP_IMAGE_PREFIX"];

/// The format.
pub(super) struct GitLabCi;

impl Format for GitLabCi {
    fn name(&self) -> &'static str {
        "gitlab-ci"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let lower = path.as_str().to_ascii_lowercase();
        let Some(stem) = lower.strip_suffix(".yml").or_else(|| lower.strip_suffix(".yaml")) else { return Claim::No };
        if stem.ends_with(".gitlab-ci") {
            return Claim::ByPath;
        }
        // Manifests and other files lie there, too.
        let within = |folder: &str| lower.starts_with(folder) || lower.contains(&format!("/{folder}"));
        let folders = [".gitlab/ci/", ".gitlab-ci/", ".gitlab-ci.d/"];
        if folders.into_iter().any(within) { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !["image", "IMAGE", "services"].iter().any(|word| text.contains(word)) && !mentions_tools(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "gitlab-ci");
        let documents = collector.documents();
        // `spec: inputs` stands in a document of its own.
        let inputs: Inputs<'_> = documents.iter().flat_map(inputs).collect();
        for document in &documents {
            if let Some(root) = document.root().filter(|root| !is_other(document, *root)) {
                let scope = Scope::new(document, root, &inputs);
                Reader { collector: &mut collector, document, scope }.file(root);
                scripts(&mut collector, document, &["script", "before_script", "after_script"]);
            }
        }
        collector.found
    }
}

/// A Kubernetes object.
fn is_other(document: &Document, root: NodeId) -> bool {
    document.get(root, "apiVersion").is_some() && document.get(root, "kind").is_some()
}

struct Reader<'c, 'a, 'd> {
    collector: &'c mut Collector<'a>,
    document: &'d Document,
    scope: Scope<'d>,
}

impl Reader<'_, '_, '_> {
    fn file(&mut self, root: NodeId) {
        self.job(root);
        for (key, value) in self.document.entries(root) {
            match self.document.text(*key) {
                Some("image" | "services") => {}
                Some(key) if NO_JOBS.contains(&key) => {}
                _ => self.job(*value),
            }
        }
        self.variables();
    }

    /// Those that no image of this file holds, where they are named like one: for its scripts and other files.
    fn variables(&mut self) {
        let spans = |site: &FoundSite| match &site.value {
            FoundValue::Resolved { spans, .. } => spans.iter().map(|span| span.start).collect(),
            FoundValue::Open(_) => Vec::new(),
        };
        let used: BTreeSet<usize> = self.collector.found.sites.iter().flat_map(spans).collect();
        for (name, value) in self.scope.variables() {
            let start = self.document.scalar(value).and_then(|scalar| scalar.start);
            if start.is_none_or(|start| !used.contains(&start)) {
                self.collector.perhaps_variable(self.document, name, value);
            }
        }
    }

    /// A job, `default`, or the file itself.
    fn job(&mut self, id: NodeId) {
        if let Some(image) = self.document.get(id, "image") {
            self.image(id, image);
        }
        let Some(services) = self.document.get(id, "services").filter(|id| !self.is_reference(*id)) else { return };
        let services = self.collector.opened(self.document, services);
        for service in self.document.items(services) {
            self.image(id, *service);
        }
    }

    /// `!reference [.job, services]`: no list of its own.
    fn is_reference(&self, id: NodeId) -> bool {
        let before = self.collector.text.get(..self.document.node(id).offset).unwrap_or("");
        before.trim_end().ends_with("!reference")
    }

    /// A text, or a map with a `name`.
    fn image(&mut self, job: NodeId, id: NodeId) {
        let id = self.collector.opened(self.document, id);
        let name = if self.document.scalar(id).is_some() { Some(id) } else { self.document.get(id, "name") };
        let Some((name, text)) = name.and_then(|name| Some((name, self.document.text(name)?))) else { return };
        if let Some(prefix) = proxy_prefix(text) {
            self.behind_proxy(job, name, prefix);
        } else if let Some(values) = only_name(text).and_then(|name| self.scope.choices(job, name)) {
            for value in values {
                self.text(job, value);
            }
        } else {
            self.text(job, name);
        }
    }

    fn text(&mut self, job: NodeId, id: NodeId) {
        let scope = &self.scope;
        self.collector.expect_with(self.document, id, &|name| scope.meaning(job, name));
    }

    fn behind_proxy(&mut self, job: NodeId, id: NodeId, prefix: usize) {
        let Some(scalar) = self.collector.first_use(self.document, id) else { return };
        let offset = self.collector.place(self.document, id, scalar);
        let value = value_of(scalar).slice(prefix, scalar.text.len());
        let scope = &self.scope;
        self.collector.substituted(offset, &scalar.text, &value, &|name| scope.meaning(job, name));
    }
}

/// The length of `${CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX}/`.
fn proxy_prefix(text: &str) -> Option<usize> {
    let forms = PROXIES.iter().flat_map(|name| [format!("${name}/"), format!("${{{name}}}/")]);
    forms.filter(|form| text.starts_with(form)).map(|form| form.len()).next()
}
