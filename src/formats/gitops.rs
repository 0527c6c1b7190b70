//! Objects of Argo CD, Flux and K3s that fetch charts, artifacts and values. `kubernetes` leaves them to this format
//! (see [`owns`]).
//!
//! ```yaml
//! apiVersion: argoproj.io/v1alpha1
//! kind: Application
//! spec:
//!   source:
//!     repoURL: ghcr.io/acme/charts      # a registry: no scheme
//!     chart: web
//!     targetRevision: 1.4.2
//!     helm: {valuesObject: {image: {repository: ghcr.io/acme/web, tag: "1.10"}}}
//! ---
//! apiVersion: source.toolkit.fluxcd.io/v1
//! kind: OCIRepository
//! spec: {url: "oci://ghcr.io/acme/manifests", ref: {tag: 1.2.3}}
//! ```

use std::collections::BTreeMap;

use super::collector::{Collector, PartText, Parts, versioned};
use super::extraction::Extraction;
use super::helm_chart::{self, in_registry};
use super::kubernetes::Kubernetes;
use super::yaml::{Document, Kind, NodeId};
use super::yaml_sites::is_filled;
use super::{Claim, Format, helm, kustomize};
use crate::repo::FilePath;

/// One of these stands in every `apiVersion` of this format.
const GROUPS: [&str; 3] = ["argoproj.io/", "helm.cattle.io/", "toolkit.fluxcd.io/"];

/// The format.
pub(super) struct GitOps;

impl Format for GitOps {
    fn name(&self) -> &'static str {
        "gitops"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        Kubernetes.claims(path)
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("kind") || !GROUPS.iter().any(|group| text.contains(group)) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "gitops");
        let documents = collector.documents_of_template(mentions);
        let objects = documents.iter().flat_map(|document| objects(document).into_iter().map(move |id| (document, id)));
        let objects: Vec<(&Document, NodeId)> = objects.collect();
        let mut reader = Reader { registries: registries(&objects), collector: &mut collector };
        for (document, id) in objects {
            reader.object(document, id);
        }
        collector.found
    }
}

/// Whether an object belongs to this format, even where it names no image: what Flux looks for, and where it writes,
/// is no image that runs.
pub(super) fn owns(document: &Document, id: NodeId) -> bool {
    let text = |key| document.get(id, key).and_then(|value| document.text(value));
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else { return false };
    match version.split('/').next().unwrap_or("") {
        "argoproj.io" => matches!(kind, "Application" | "ApplicationSet" | "AppProject"),
        "helm.cattle.io" => matches!(kind, "HelmChart" | "HelmChartConfig"),
        group => group.ends_with(".toolkit.fluxcd.io"),
    }
}

/// What one of these objects says.
pub(super) fn object(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    Reader { registries: BTreeMap::new(), collector }.object(document, id);
}

fn mentions(text: &str) -> bool {
    GROUPS.iter().any(|group| text.contains(group)) && !text.contains("kind: CustomResourceDefinition")
}

/// The objects of this format in a document, in lists and in others, too.
fn objects(document: &Document) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut open: Vec<NodeId> = document.root().into_iter().collect();
    while let Some(id) = open.pop() {
        match &document.node(id).kind {
            Kind::Mapping(_) if owns(document, id) => found.push(id),
            Kind::Mapping(entries) => open.extend(entries.iter().rev().map(|(_, value)| *value)),
            Kind::Sequence(items) => open.extend(items.iter().rev()),
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }
    found
}

/// The registries that Flux's `HelmRepository` objects of this file name; `None` where two share a name.
fn registries(objects: &[(&Document, NodeId)]) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for (document, id) in objects {
        let text = |path: &[&str]| at(document, *id, path).and_then(|id| document.text(id));
        if let (Some("HelmRepository"), Some(name), Some(url)) =
            (text(&["kind"]), text(&["metadata", "name"]), text(&["spec", "url"]))
        {
            let url = Some(url.to_owned());
            found.entry(name.to_owned()).and_modify(|known| *known = None).or_insert(url);
        }
    }
    found
}

/// The node at a path of keys.
fn at(document: &Document, id: NodeId, path: &[&str]) -> Option<NodeId> {
    path.iter().try_fold(id, |id, key| document.get(id, key))
}

fn items<'d>(document: &'d Document, id: NodeId, path: &[&str]) -> &'d [NodeId] {
    at(document, id, path).map_or(&[], |list| document.items(list))
}

struct Reader<'c, 'a> {
    collector: &'c mut Collector<'a>,
    registries: BTreeMap<String, Option<String>>,
}

impl Reader<'_, '_> {
    fn object(&mut self, document: &Document, id: NodeId) {
        let kind = document.get(id, "kind").and_then(|kind| document.text(kind)).unwrap_or("");
        let Some(spec) = document.get(id, "spec") else { return };
        match kind {
            "Application" | "ApplicationSet" => self.sources(document, spec),
            "OCIRepository" => self.artifact(document, spec),
            "HelmRelease" => self.release(document, spec),
            "Kustomization" => kustomize::changes(self.collector, document, spec),
            "HelmChart" | "HelmChartConfig" => self.k3s_chart(document, spec),
            _ => {}
        }
    }

    /// Every map with a `repoURL` is a source of Argo CD.
    fn sources(&mut self, document: &Document, id: NodeId) {
        match &document.node(id).kind {
            Kind::Mapping(entries) => {
                if let Some(url) = document.get(id, "repoURL") {
                    self.source(document, id, document.text(url).unwrap_or(""));
                }
                for (_, value) in entries {
                    self.sources(document, *value);
                }
            }
            Kind::Sequence(items) => {
                for item in items {
                    self.sources(document, *item);
                }
            }
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }

    fn source(&mut self, document: &Document, id: NodeId, url: &str) {
        let chart = document.get(id, "chart").and_then(|chart| document.text(chart));
        let registry = in_registry(url).or_else(|| Some(url).filter(|url| !url.contains("://")));
        let repository = match (chart, registry) {
            (Some(chart), Some(registry)) => Some(format!("{}/{chart}", registry.trim_end_matches('/'))),
            (None, _) => in_registry(url).map(str::to_owned),
            (Some(_), None) => None,
        };
        if let (Some(repository), Some(version)) = (repository, document.get(id, "targetRevision")) {
            helm_chart::chart(self.collector, document, &repository, version);
        }
        for values in ["values", "valuesObject"].iter().filter_map(|key| at(document, id, &["helm", key])) {
            helm::values_or_text(self.collector, document, values);
        }
        helm::parameters(self.collector, document, items(document, id, &["helm", "parameters"]));
        for image in items(document, id, &["kustomize", "images"]) {
            self.replacement(document, *image);
        }
        if let Some(kustomize) = document.get(id, "kustomize") {
            kustomize::changes(self.collector, document, kustomize);
        }
    }

    /// `name=newname:tag`, or `name:tag`.
    fn replacement(&mut self, document: &Document, id: NodeId) {
        match document.text(id).map(|text| text.split_once('=').ok_or(text)) {
            Some(Ok((name, image))) if versioned(image) => {
                self.collector.perhaps_behind(document, id, &format!("{name}="));
            }
            Some(Err(image)) if versioned(image) => self.collector.perhaps(document, id),
            _ => {}
        }
    }

    /// Flux's `OCIRepository`. Where it takes the newest of a range, Flux itself moves it.
    fn artifact(&mut self, document: &Document, spec: NodeId) {
        let text = |path: &[&str]| {
            let scalar = document.scalar(at(document, spec, path)?)?;
            is_filled(&scalar.text).then_some(PartText { text: &scalar.text, start: scalar.start })
        };
        let url = text(&["url"]).and_then(|url| in_registry(url.text));
        let tag = text(&["ref", "tag"]);
        // A digest behind the tag is none to Flux.
        if text(&["ref", "semver"]).is_some() || tag.is_some_and(|tag| tag.text.contains('@')) {
            return;
        }
        let digest = text(&["ref", "digest"]);
        let repository = url.map(|url| PartText { text: url, start: None });
        let place = ["tag", "digest"].iter().find_map(|key| at(document, spec, &["ref", key]));
        let Some((place, scalar)) = place.and_then(|id| Some((id, document.scalar(id)?))) else { return };
        let offset = self.collector.place(document, place, scalar);
        let parts = Parts { registry: None, repository, tag, digest };
        self.collector.tags_only(|collector| collector.parts(offset, &parts));
    }

    /// Flux's `HelmRelease`.
    fn release(&mut self, document: &Document, spec: NodeId) {
        if let Some(chart) = at(document, spec, &["chart", "spec"]) {
            self.release_chart(document, chart);
        }
        if let Some(values) = document.get(spec, "values") {
            helm::values(self.collector, document, values);
        }
        for renderer in items(document, spec, &["postRenderers"]) {
            if let Some(kustomize) = document.get(*renderer, "kustomize") {
                kustomize::changes(self.collector, document, kustomize);
            }
        }
    }

    /// `{chart, version, sourceRef: {kind: HelmRepository, name}}` where this file says that the source is a registry.
    fn release_chart(&mut self, document: &Document, chart: NodeId) {
        let text = |path: &[&str]| at(document, chart, path).and_then(|id| document.text(id));
        let url = text(&["sourceRef", "name"]).and_then(|name| self.registries.get(name)?.as_deref());
        let names = url
            .and_then(in_registry)
            .zip(text(&["chart"]))
            .filter(|_| matches!(text(&["sourceRef", "kind"]), Some("HelmRepository")));
        if let (Some((folder, name)), Some(version)) = (names, document.get(chart, "version")) {
            helm_chart::chart(self.collector, document, &format!("{folder}/{name}"), version);
        }
    }

    /// K3s's `HelmChart` and `HelmChartConfig`.
    fn k3s_chart(&mut self, document: &Document, spec: NodeId) {
        let chart = document.get(spec, "chart").and_then(|chart| document.text(chart)).and_then(in_registry);
        if let (Some(chart), Some(version)) = (chart, document.get(spec, "version")) {
            helm_chart::chart(self.collector, document, chart, version);
        }
        if let Some(image) = document.get(spec, "jobImage") {
            self.collector.perhaps(document, image);
        }
        for values in ["valuesContent", "values"].iter().filter_map(|key| document.get(spec, key)) {
            helm::values_or_text(self.collector, document, values);
        }
    }
}
