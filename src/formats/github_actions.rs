//! Workflows of GitHub, Gitea and Forgejo, and `action.yml` files: job containers, services, `docker://` steps and
//! actions, matrix lists and inputs whose values are used as an image.
//!
//! A version in a matrix is a choice, not an image: `node:${{ matrix.version }}` is no site. Example:
//!
//! ```yaml
//! jobs:
//!   test:
//!     container: node:20
//!     services: {db: {image: "postgres:16"}}
//!     steps: [{uses: "docker://alpine:3.20"}]
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::collector::{Collector, versioned};
use super::embedded::scripts;
use super::extraction::Extraction;
use super::shell::mentions_tools;
use super::yaml::{Document, NodeId};
use super::yaml_sites::{is_outer_template, value_of};
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;

const DOCKER: &str = "docker://";
/// A job whose images follow more matrix keys than this is not read further.
const MAX_KEYS: usize = 20;

/// The format.
pub(super) struct GitHubActions;

impl Format for GitHubActions {
    fn name(&self) -> &'static str {
        "github-actions"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let lower = path.as_str().to_ascii_lowercase();
        if !lower.ends_with(".yml") && !lower.ends_with(".yaml") {
            return Claim::No;
        }
        let folders = [".github/workflows/", ".gitea/workflows/", ".forgejo/workflows/", "workflow-templates/"];
        if folders.iter().any(|folder| lower.starts_with(folder) || lower.contains(&format!("/{folder}"))) {
            return Claim::ByPath;
        }
        // Other tools know files of this name, too.
        let action = ["action.yml", "action.yaml"].iter().any(|name| path.file_name().eq_ignore_ascii_case(name));
        if action { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let words = ["image", "Image", "IMAGE", "ontainer", "CONTAINER", DOCKER];
        let may = words.iter().any(|word| text.contains(word)) || mentions_tools(text);
        if !may || !text.contains("jobs") && !text.contains("runs") {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "github-actions");
        for document in collector.documents_unless(is_outer_template) {
            if let Some(root) = document.root() {
                let inputs = inputs(&document, root);
                Reader { collector: &mut collector, document: &document, inputs }.file(root);
                scripts(&mut collector, &document, &["run"]);
            }
        }
        collector.found
    }
}

/// The defaults of a workflow's or an action's inputs.
fn inputs(document: &Document, root: NodeId) -> BTreeMap<&str, NodeId> {
    let called = document.get(root, "on").into_iter().flat_map(|on| document.entries(on)).map(|(_, event)| *event);
    let all = called.chain([root]).filter_map(|holder| document.get(holder, "inputs"));
    let inputs = all.flat_map(|inputs| document.entries(inputs));
    inputs.filter_map(|(key, input)| Some((document.text(*key)?, document.get(*input, "default")?))).collect()
}

struct Reader<'c, 'a, 'd> {
    collector: &'c mut Collector<'a>,
    document: &'d Document,
    inputs: BTreeMap<&'d str, NodeId>,
}

/// A job's matrix, and the keys of it that were read.
#[derive(Default)]
struct Matrix<'d> {
    node: Option<NodeId>,
    read: BTreeSet<&'d str>,
}

impl<'d> Reader<'_, '_, 'd> {
    fn file(&mut self, root: NodeId) {
        for (_, job) in self.child(root, "jobs").map_or(&[][..], |jobs| self.document.entries(jobs)) {
            self.job(*job);
        }
        if let Some(runs) = self.child(root, "runs") {
            if let Some(image) = self.document.get(runs, "image") {
                self.collector.perhaps_behind(self.document, image, DOCKER);
            }
            self.steps(runs);
        }
        self.environment(root);
        // Those that an image follows are reported by now.
        let inputs: Vec<(&str, NodeId)> = self.inputs.iter().map(|(key, value)| (*key, *value)).collect();
        for (key, value) in inputs {
            self.collector.perhaps_named(self.document, key, value);
        }
    }

    fn child(&mut self, id: NodeId, key: &str) -> Option<NodeId> {
        let child = self.document.get(id, key)?;
        Some(self.collector.opened(self.document, child))
    }

    fn job(&mut self, id: NodeId) {
        let id = self.collector.opened(self.document, id);
        let strategy = self.child(id, "strategy");
        let node = strategy.and_then(|strategy| self.child(strategy, "matrix"));
        let mut matrix = Matrix { node, ..Matrix::default() };
        if let Some(container) = self.document.get(id, "container") {
            self.container(container, &mut matrix);
        }
        for (_, service) in self.child(id, "services").map_or(&[][..], |services| self.document.entries(services)) {
            self.container(*service, &mut matrix);
        }
        self.steps(id);
        self.with(id);
        self.environment(id);
    }

    /// `TOOL_IMAGE: x:1`, for what the steps run.
    fn environment(&mut self, id: NodeId) {
        for (key, value) in self.child(id, "env").map_or(&[][..], |env| self.document.entries(env)) {
            self.collector.perhaps_variable(self.document, self.document.text(*key).unwrap_or(""), *value);
        }
    }

    fn steps(&mut self, id: NodeId) {
        for step in self.child(id, "steps").map_or(&[][..], |steps| self.document.items(steps)) {
            let step = self.collector.opened(self.document, *step);
            self.environment(step);
            if let Some(uses) = self.document.get(step, "uses") {
                self.collector.perhaps_behind(self.document, uses, DOCKER);
                self.with(step);
            }
        }
    }

    fn with(&mut self, id: NodeId) {
        for (key, value) in self.child(id, "with").map_or(&[][..], |with| self.document.entries(with)) {
            match self.document.text(*key).unwrap_or("") {
                "driver-opts" => self.collector.perhaps_behind(self.document, *value, "image="),
                key => self.collector.perhaps_named(self.document, key, *value),
            }
        }
    }
}

/// Images with expressions.
impl<'d> Reader<'_, '_, 'd> {
    /// A text, or a map with an `image`.
    fn container(&mut self, id: NodeId, matrix: &mut Matrix<'d>) {
        let id = self.collector.opened(self.document, id);
        let image = if self.document.scalar(id).is_some() { Some(id) } else { self.document.get(id, "image") };
        let Some((image, text)) = image.and_then(|image| Some((image, self.document.text(image)?))) else { return };
        if text.starts_with(DOCKER) {
            self.collector.perhaps_behind(self.document, image, DOCKER);
        } else if let Some((start, expression)) = whole_expression(text) {
            for (at, operand) in results(expression) {
                self.operand(image, start + at, operand, matrix);
            }
        } else {
            self.collector.expect_plain(self.document, image);
        }
    }

    /// What an expression may become: a value of the matrix, an input's default, a literal.
    fn operand(&mut self, image: NodeId, start: usize, text: &'d str, matrix: &mut Matrix<'d>) {
        if let Some(literal) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            self.literal(image, start + 1, literal);
        } else if let Some(key) = text.strip_prefix("inputs.") {
            if let Some(value) = self.inputs.get(key) {
                self.collector.expect_plain(self.document, *value);
            }
        } else if let Some(path) = text.strip_prefix("matrix.")
            && matrix.read.len() < MAX_KEYS
            && matrix.read.insert(path)
            && let Some(node) = matrix.node
        {
            self.matrix(node, path);
        }
    }

    fn literal(&mut self, image: NodeId, start: usize, text: &str) {
        let Some(scalar) = self.document.scalar(image).filter(|_| versioned(text)) else { return };
        let value = value_of(scalar).slice(start, start + text.len());
        if let (Ok(reference), Some((_, offset))) = (Reference::parse(text), value.origin(0))
            && self.collector.first_at(offset)
        {
            self.collector.scanned(|collector| collector.resolved(offset, text.to_owned(), &reference, &value));
        }
    }

    /// The values that `matrix.<path>` takes.
    fn matrix(&mut self, matrix: NodeId, path: &str) {
        let (key, rest) = path.split_once('.').unwrap_or((path, ""));
        let list = self.child(matrix, key).map_or(&[][..], |list| self.document.items(list));
        let include = self.child(matrix, "include").map_or(&[][..], |include| self.document.items(include));
        let included = include.iter().filter_map(|item| self.document.get(*item, key));
        for value in list.iter().copied().chain(included) {
            let keys = rest.split('.').filter(|key| !key.is_empty());
            let value = keys.take(MAX_KEYS).try_fold(value, |value, key| self.document.get(value, key));
            let image = value.map(|value| self.document.get(value, "image").unwrap_or(value));
            if let Some(image) = image {
                self.collector.expect_plain(self.document, image);
            }
        }
    }
}

/// The inside of a text that is one expression, and where it begins.
fn whole_expression(text: &str) -> Option<(usize, &str)> {
    let inside = text.strip_prefix("${{")?.strip_suffix("}}")?;
    (!inside.contains("${{") && !inside.contains("}}")).then_some((3, inside))
}

/// The operands that an expression may result in, and where they begin: those before `||` and the last. One before
/// `&&` is a condition.
fn results(expression: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut begin, mut quoted) = (0, false);
    for (at, byte) in expression.bytes().enumerate() {
        let sign = expression.get(at..at + 2).filter(|_| !quoted);
        match (byte, sign) {
            (b'\'', _) => quoted = !quoted,
            (b'|', Some("||")) => {
                found.push((begin, &expression[begin..at]));
                begin = at + 2;
            }
            (b'&', Some("&&")) => begin = at + 2,
            _ => {}
        }
    }
    found.push((begin, &expression[begin..]));
    let bare = |c: char| c.is_whitespace() || c == '(' || c == ')';
    let trimmed = |(at, text): (usize, _)| {
        let text: &str = text;
        (at + text.len() - text.trim_start_matches(bare).len(), text.trim_matches(bare))
    };
    found.into_iter().map(trimmed).collect()
}
