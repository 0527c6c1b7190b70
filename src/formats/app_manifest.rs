//! Manifests of application platforms: the image or the builder of `fly.toml`, the image and the Dockerfile's lines of
//! CapRover's `captain-definition`. `Procfile` and Dokku's `app.json` name no image.
//!
//! ```toml
//! [build]
//! image = "ghcr.io/acme/web:1.4"
//! ```
//!
//! ```json
//! {"schemaVersion": 2, "imageName": "nginx:1.25", "dockerfileLines": ["FROM nginx:1.25"]}
//! ```

use super::collector::{Collector, image_like, is_plain};
use super::extraction::{Confidence, Extraction};
use super::literals::{Literal, Syntax, each_literal};
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;

/// The format.
pub(super) struct AppManifest;

impl Format for AppManifest {
    fn name(&self) -> &'static str {
        "app-manifest"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        let fly = name == "fly.toml" || (name.starts_with("fly.") && name.ends_with(".toml"));
        if fly || name.starts_with("captain-definition") { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "app-manifest");
        collector.confidence = Confidence::Scanned;
        let lines = text.contains("dockerfileLines");
        each_literal(text, Syntax::Hash, &mut |literal, _| match literal.text.strip_prefix("FROM ") {
            Some(from) if lines => from_line(&mut collector, literal, from),
            _ => image(&mut collector, literal),
        });
        collector.found
    }
}

fn image(collector: &mut Collector<'_>, literal: Literal<'_>) {
    let Literal { text, start, key } = literal;
    let named = matches!(key, Some("image" | "imageName" | "builder" | "build.image" | "build.builder"));
    if named && is_plain(text) && image_like(text) && Reference::parse(text).is_ok() {
        collector.literal(start, text);
    }
}

/// `FROM image AS stage` in a list of a Dockerfile's lines.
fn from_line(collector: &mut Collector<'_>, literal: Literal<'_>, from: &str) {
    let word = from.split(' ').find(|word| !word.is_empty() && !word.starts_with("--")).unwrap_or("");
    let at = from.find(word).map(|at| literal.start + "FROM ".len() + at);
    if let Some(start) = at.filter(|_| is_plain(word) && image_like(word)) {
        collector.literal(start, word);
    }
}
