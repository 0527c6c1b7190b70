//! Carvel's `vendir.yml`: images and charts whose files are copied into the repository. Its lock file is left alone:
//! `vendir sync` writes it.
//!
//! ```yaml
//! apiVersion: vendir.k14s.io/v1alpha1
//! kind: Config
//! directories:
//!   - path: vendor
//!     contents:
//!       - {path: a, image: {url: "ghcr.io/acme/files:1.2.3"}}
//!       - {path: b, imgpkgBundle: {image: "ghcr.io/acme/bundle:v1"}}
//!       - {path: c, helmChart: {name: web, version: 1.4.2, repository: {url: "oci://ghcr.io/acme/charts"}}}
//! ```

use super::collector::Collector;
use super::extraction::Extraction;
use super::yaml::{Document, NodeId};
use super::{Claim, Format, helm_chart};
use crate::repo::FilePath;

/// The format.
pub(super) struct Vendir;

impl Format for Vendir {
    fn name(&self) -> &'static str {
        "vendir"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let known = ["vendir.yml", "vendir.yaml", "vendir.lock.yml", "vendir.lock.yaml"];
        if known.contains(&path.file_name()) { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "vendir");
        for document in collector.documents() {
            let kind = document.root().and_then(|root| document.get(root, "kind"));
            if kind.and_then(|kind| document.text(kind)) == Some("Config") {
                file(&mut collector, &document);
            }
        }
        collector.found
    }
}

fn file(collector: &mut Collector<'_>, document: &Document) {
    let directories = document.root().and_then(|root| document.get(root, "directories"));
    for directory in directories.map_or(&[][..], |list| document.items(list)) {
        let contents = document.get(*directory, "contents");
        for content in contents.map_or(&[][..], |list| document.items(list)) {
            self::content(collector, document, *content);
        }
    }
}

fn content(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    for (key, name) in [("image", "url"), ("imgpkgBundle", "image")] {
        let Some(source) = document.get(id, key) else { continue };
        // There, vendir itself chooses a tag.
        let chosen = document.get(source, "tagSelection").is_some();
        if let Some(image) = document.get(source, name).filter(|_| !chosen) {
            collector.perhaps(document, image);
        }
    }
    if let Some(chart) = document.get(id, "helmChart") {
        let get = |key| document.get(chart, key);
        let url = get("repository").and_then(|repository| document.get(repository, "url"));
        helm_chart::chart_at(collector, document, (url, get("name"), get("version")));
    }
}
