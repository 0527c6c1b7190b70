//! What a variable means in a job of a GitLab file.

use std::collections::{BTreeMap, BTreeSet};

use crate::formats::substitution::Meaning;
use crate::formats::yaml::{Document, NodeId, Scalar};

/// More jobs than these are not asked for one variable.
const MAX_JOBS: usize = 30;
/// More variables of a file, those behind aliases counted each time, are not read.
const MAX_ENTRIES: usize = 200_000;
/// `<<` in what a `<<` names …
const MAX_MERGES: usize = 5;
/// More values of one variable are not read.
const MAX_CHOICES: usize = 200;

/// The values of the inputs of `spec`.
pub(super) type Inputs<'d> = BTreeMap<&'d str, &'d Scalar>;

/// The defaults of a file's inputs.
pub(super) fn inputs(document: &Document) -> impl Iterator<Item = (&str, &Scalar)> {
    let spec = document.root().and_then(|root| document.get(root, "spec"));
    let inputs = spec.and_then(|spec| document.get(spec, "inputs"));
    let entries = inputs.map_or(&[][..], |inputs| document.entries(inputs)).iter();
    entries.filter_map(|(key, input)| {
        let default = document.get(*input, "default")?;
        Some((document.text(*key)?, document.scalar(default)?))
    })
}

/// A job's variables and where else to look for one.
#[derive(Debug, Default)]
struct Job<'d> {
    variables: BTreeMap<&'d str, NodeId>,
    /// The values of `parallel: matrix` and of `rules: variables`.
    choices: BTreeMap<&'d str, Vec<NodeId>>,
    /// The jobs that it extends, by name, and those that it merges.
    extends: Vec<&'d str>,
    merges: Vec<NodeId>,
    /// Its name begins with a dot, or it is `default`: others give it variables.
    is_base: bool,
}

/// The variables of a file.
pub(super) struct Scope<'d> {
    document: &'d Document,
    root: NodeId,
    jobs: BTreeMap<NodeId, Job<'d>>,
    names: BTreeMap<&'d str, NodeId>,
    /// The variables of all jobs.
    anywhere: BTreeMap<&'d str, BTreeSet<NodeId>>,
    inputs: &'d Inputs<'d>,
}

impl<'d> Scope<'d> {
    /// The variables of the file at `root`.
    pub(super) fn new(document: &'d Document, root: NodeId, inputs: &'d Inputs<'d>) -> Self {
        let mut builder = Builder { document, left: MAX_ENTRIES };
        let mut jobs = BTreeMap::from([(root, builder.job(root))]);
        let mut names = BTreeMap::new();
        for (key, value) in document.entries(root) {
            let name = document.text(*key).unwrap_or("");
            let mut job = builder.job(*value);
            job.is_base = name.starts_with('.') || name == "default";
            if name == "workflow" {
                let choices = std::mem::take(&mut job.choices);
                jobs.entry(root).or_default().choices.extend(choices);
            }
            jobs.insert(*value, job);
            names.insert(name, *value);
        }
        let mut anywhere = BTreeMap::new();
        for (name, value) in jobs.values().flat_map(|job| &job.variables) {
            let values: &mut BTreeSet<NodeId> = anywhere.entry(*name).or_default();
            if values.len() < MAX_CHOICES {
                values.insert(*value);
            }
        }
        Self { document, root, jobs, names, anywhere, inputs }
    }

    /// All variables of jobs and of the file.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'d str, NodeId)> {
        self.anywhere.iter().flat_map(|(name, values)| values.iter().map(|value| (*name, *value)))
    }

    /// What a name in a job's image means.
    pub(super) fn meaning(&self, job: NodeId, name: &str) -> Meaning<'d> {
        if let Some(input) = name.strip_prefix("inputs.") {
            let input = input.split('|').next().unwrap_or(input).trim();
            return self.inputs.get(input).map_or(Meaning::Elsewhere, |scalar| Meaning::Text(scalar));
        }
        let chain = self.chain(job);
        if chain.iter().any(|job| job.choices.contains_key(name)) {
            return Meaning::Elsewhere;
        }
        if let Some(value) = chain.iter().find_map(|job| job.variables.get(name)) {
            return self.text(*value);
        }
        let mut others = self.others(job, name);
        match (others.next(), others.next()) {
            (Some(value), None) => self.text(value),
            (Some(_), Some(_)) => Meaning::Elsewhere,
            (None, _) if is_predefined(name) => Meaning::Elsewhere,
            (None, _) => Meaning::Unknown,
        }
    }

    /// The values that a variable of a job for others has in any of them.
    fn others(&self, job: NodeId, name: &str) -> impl Iterator<Item = NodeId> {
        let is_base = self.jobs.get(&job).is_some_and(|job| job.is_base);
        self.anywhere.get(name).filter(|_| is_base).into_iter().flatten().copied()
    }

    fn text(&self, value: NodeId) -> Meaning<'d> {
        self.document.scalar(value).map_or(Meaning::Elsewhere, Meaning::Text)
    }

    /// The values of a variable with several.
    pub(super) fn choices(&self, job: NodeId, name: &str) -> Option<Vec<NodeId>> {
        let chain = self.chain(job);
        let choices = chain.iter().find_map(|job| job.choices.get(name));
        let usual = chain.iter().find_map(|job| job.variables.get(name));
        match (choices, usual) {
            (Some(choices), _) => Some(choices.iter().chain(usual).copied().collect()),
            (None, Some(_)) => None,
            (None, None) => Some(self.others(job, name).collect()).filter(|values: &Vec<NodeId>| values.len() > 1),
        }
    }

    /// The jobs that give a job its variables, the nearest first, the file last.
    fn chain(&self, job: NodeId) -> Vec<&Job<'d>> {
        let (mut open, mut seen, mut chain) = (vec![job], BTreeSet::new(), Vec::new());
        while let Some(id) = open.pop() {
            let Some(job) = self.jobs.get(&id).filter(|_| seen.insert(id) && seen.len() <= MAX_JOBS) else { continue };
            open.extend(&job.merges);
            // Of several, the last is the strongest: it lies on top.
            open.extend(job.extends.iter().filter_map(|name| self.names.get(name)));
            chain.push(job);
        }
        chain.extend(self.jobs.get(&self.root));
        chain
    }
}

/// GitLab or the project's settings give these a value.
fn is_predefined(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    !plain || name.starts_with("CI_") || name.starts_with("GITLAB_")
}

/// Reads jobs; entries behind aliases are read as often as they are named, up to a bound.
struct Builder<'d> {
    document: &'d Document,
    left: usize,
}

impl<'d> Builder<'d> {
    fn job(&mut self, id: NodeId) -> Job<'d> {
        let document = self.document;
        let get = |key| document.get(id, key).map(|value| document.resolved(value));
        let mut job = Job::default();
        if let Some(variables) = get("variables") {
            self.variables(variables, &mut job.variables, 0);
        }
        if let Some(extends) = document.get(id, "extends") {
            let names = document.items(extends).iter().chain([&extends]).filter_map(|name| document.text(*name));
            job.extends = names.take(MAX_JOBS).collect();
        }
        if let Some(merges) = document.get(id, "<<") {
            let all = document.items(merges).iter().chain([&merges]);
            job.merges = all.take(MAX_JOBS).map(|one| document.resolved(*one)).collect();
        }
        let parallel = get("parallel").and_then(|parallel| document.get(parallel, "matrix"));
        for entry in self.items(parallel) {
            self.choices(*entry, &mut job.choices);
        }
        for rule in self.items(get("rules")) {
            if let Some(variables) = document.get(*rule, "variables") {
                self.choices(variables, &mut job.choices);
            }
        }
        job
    }

    fn may_read(&mut self, entries: usize) -> bool {
        let left = self.left.checked_sub(entries);
        self.left = left.unwrap_or(0);
        left.is_some()
    }

    fn items(&mut self, id: Option<NodeId>) -> &'d [NodeId] {
        let items = id.map_or(&[][..], |id| self.document.items(self.document.resolved(id)));
        if self.may_read(items.len()) { items } else { &[] }
    }

    /// The texts of a map, and of those it merges, where they have no other.
    fn variables(&mut self, id: NodeId, found: &mut BTreeMap<&'d str, NodeId>, depth: usize) {
        let entries = self.document.entries(self.document.resolved(id));
        if depth > MAX_MERGES || !self.may_read(entries.len()) {
            return;
        }
        let merges = entries.iter().filter(|(key, _)| self.document.text(*key) == Some("<<")).map(|(_, value)| *value);
        let merges: Vec<NodeId> = merges.collect();
        for (key, value) in entries {
            let value = self.document.get(*value, "value").unwrap_or(*value);
            if let Some(key) = self.document.text(*key).filter(|_| self.document.scalar(value).is_some()) {
                found.entry(key).or_insert(value);
            }
        }
        for merge in merges {
            for one in self.document.items(merge).iter().chain([&merge]) {
                self.variables(*one, found, depth + 1);
            }
        }
    }

    fn choices(&mut self, id: NodeId, found: &mut BTreeMap<&'d str, Vec<NodeId>>) {
        let entries = self.document.entries(id);
        if !self.may_read(entries.len()) {
            return;
        }
        for (key, value) in entries {
            let Some(key) = self.document.text(*key) else { continue };
            let values = found.entry(key).or_default();
            let left = MAX_CHOICES.saturating_sub(values.len());
            match self.document.items(*value) {
                [] => values.extend([*value].into_iter().take(left)),
                items => values.extend(items.iter().copied().take(left)),
            }
        }
    }
}
