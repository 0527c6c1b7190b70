//! Kustomizations: `images`, charts that are inflated from a registry, patches written in the file.
//!
//! ```yaml
//! images:
//!   - {name: web, newName: ghcr.io/acme/web, newTag: "1.10"}
//! helmCharts:
//!   - {name: redis, repo: "oci://registry-1.docker.io/bitnamicharts", version: 19.1.0, valuesInline: {…}}
//! patches:
//!   - patch: |-
//!       - {op: replace, path: /spec/template/spec/containers/0/image, value: "nginx:1.25"}
//! ```

use super::collector::{Collector, PartText, Parts};
use super::extraction::Extraction;
use super::kubernetes::{self, Kubernetes};
use super::yaml::{Document, NodeId, parse};
use super::yaml_sites::is_filled;
use super::{Claim, Format, gitops, helm, helm_chart};
use crate::repo::FilePath;

/// The format.
pub(super) struct Kustomize;

/// Files that a kustomization names as patches, where they are lists of operations; others are Kubernetes objects.
pub(super) struct Patches;

impl Format for Kustomize {
    fn name(&self) -> &'static str {
        "kustomize"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let known = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
        if known.contains(&path.file_name()) { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "kustomize");
        for document in collector.documents() {
            if let Some(root) = document.root() {
                file(&mut collector, &document, root);
            }
        }
        collector.found
    }
}

impl Format for Patches {
    fn name(&self) -> &'static str {
        "kustomize-patch"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        Kubernetes.claims(path)
    }

    /// Silent about what it cannot read: nothing says that it is of this format.
    fn extract(&self, text: &str) -> Extraction {
        let is_ours = |text: &str| ["op", "path", "image"].iter().all(|word| text.contains(word));
        let begins = text.trim_start_matches('\u{feff}').lines().find(|line| !is_aside(line)).unwrap_or("");
        if !begins.trim_start().starts_with(['-', '[']) || !is_ours(text) {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "kustomize-patch");
        for document in parse(text, &collector.positions, is_ours).documents {
            for operation in document.root().map_or(&[][..], |root| document.items(root)) {
                self::operation(&mut collector, &document, *operation);
            }
        }
        collector.found
    }
}

/// A blank line, a comment or the mark of a document.
fn is_aside(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---"
}

/// `images` and patches, which Flux's objects hold too.
pub(super) fn changes(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    for image in items(document, id, "images") {
        self::image(collector, document, *image);
    }
    for patch in items(document, id, "patchesStrategicMerge") {
        self::patch(collector, document, *patch);
    }
    for key in ["patches", "patchesJson6902"] {
        for item in items(document, id, key) {
            if let Some(patch) = document.get(*item, "patch") {
                self::patch(collector, document, patch);
            }
        }
    }
}

fn file(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    // Flux's objects and others may lie in a file of that name.
    if gitops::owns(document, root) {
        return gitops::object(collector, document, root);
    }
    let kind = document.get(root, "kind").and_then(|kind| document.text(kind));
    if !matches!(kind, None | Some("Kustomization" | "Component")) {
        return kubernetes::object(collector, document, root);
    }
    changes(collector, document, root);
    for chart in items(document, root, "helmCharts") {
        let get = |key| document.get(*chart, key);
        helm_chart::chart_at(collector, document, (get("repo"), get("name"), get("version")));
        if let Some(values) = get("valuesInline") {
            helm::values(collector, document, values);
        }
    }
}

fn items<'d>(document: &'d Document, id: NodeId, key: &str) -> &'d [NodeId] {
    document.get(id, key).map_or(&[], |list| document.items(list))
}

/// `{name, newName, newTag, digest}`. The name is what is replaced, or what takes its place: neither is rewritten.
fn image(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    let get = |key| {
        let id = document.get(id, key)?;
        let scalar = document.scalar(id).filter(|scalar| is_filled(&scalar.text))?;
        Some((id, scalar))
    };
    let part = |key| get(key).map(|(_, scalar)| PartText { text: &scalar.text, start: scalar.start });
    let Some((place, scalar)) = get("newTag").or_else(|| get("digest")) else { return };
    let name = part("newName").or_else(|| part("name"));
    let parts = Parts {
        registry: None,
        repository: name.map(|name| PartText { start: None, ..name }),
        tag: part("newTag"),
        digest: part("digest"),
    };
    let offset = collector.place(document, place, scalar);
    collector.parts(offset, &parts);
}

/// A patch that is written in the file: objects, or operations of JSON Patch.
fn patch(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    for inner in collector.documents_within(document, id) {
        let Some(root) = inner.root() else { continue };
        kubernetes::object(collector, &inner, root);
        for operation in inner.items(root) {
            self::operation(collector, &inner, *operation);
        }
    }
}

/// `{op: replace, path: …/image, value: …}`.
fn operation(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    let text = |key| document.get(id, key).and_then(|value| document.text(value));
    let (Some("add" | "replace" | "test"), Some(path)) = (text("op"), text("path")) else { return };
    let Some(value) = document.get(id, "value") else { return };
    match path.rsplit_once('/') {
        Some((container, "image")) if container.contains("ontainers/") => collector.expect_plain(document, value),
        Some((_, "image")) => collector.perhaps(document, value),
        _ => kubernetes::part(collector, document, value),
    }
}
