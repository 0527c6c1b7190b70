//! Gradle, in Groovy and Kotlin: jib's `from`, the builder of Spring Boot's `bootBuildImage`, base images of the Docker
//! plugins.
//!
//! ```kotlin
//! val jre = "21.0.2_13"
//! jib { from { image = "eclipse-temurin:$jre-jre" } }
//! tasks.bootBuildImage { builder.set("paketobuildpacks/builder-jammy-base:0.4.278") }
//! ```
//!
//! `$name` and `${name}` are what the file gives a name as a literal.

use std::collections::BTreeMap;

use super::collector::{Collector, image_like, is_plain};
use super::extraction::{Confidence, Extraction};
use super::literals::{Frame, Literal, Syntax, each_literal};
use super::value::Value;
use super::{Claim, Format};
use crate::repo::FilePath;

/// Names given a value that are kept.
const MAX_NAMES: usize = 1000;
/// A longer text is no reference.
const MAX_LENGTH: usize = 512;

/// The format.
pub(super) struct Gradle;

impl Format for Gradle {
    fn name(&self) -> &'static str {
        "gradle"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        if name.ends_with(".gradle") || name.ends_with(".gradle.kts") { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let file = File::of(text);
        if !(file.jib || file.boot || file.docker) {
            return Extraction::default();
        }
        let (mut names, mut images) = (BTreeMap::new(), Vec::new());
        each_literal(text, Syntax::Slash, &mut |literal, frames| {
            if literal.text.len() > MAX_LENGTH {
                return;
            }
            if let Some(name) = literal.key.filter(|_| names.len() < MAX_NAMES && is_plain(literal.text)) {
                names.entry(last(name)).or_insert(Value::at(literal.text, 0, literal.start));
            }
            if file.is_image(&literal, frames) {
                images.push(literal);
            }
        });
        let mut collector = Collector::new(text, "gradle");
        collector.confidence = Confidence::Scanned;
        for literal in images {
            image(&mut collector, &names, literal);
        }
        collector.found
    }
}

/// Which plugins a file speaks of.
struct File {
    jib: bool,
    boot: bool,
    docker: bool,
}

impl File {
    fn of(text: &str) -> Self {
        let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let docker = text.contains("baseImage");
        Self { jib: text.contains("jib"), boot: any(&["bootBuildImage", "BootBuildImage"]), docker }
    }

    fn is_image(&self, literal: &Literal<'_>, frames: &[Frame<'_>]) -> bool {
        let block = |depth: usize| frames.iter().rev().nth(depth).map_or("", |frame| frame.name);
        let called = block(0).strip_suffix(".set").unwrap_or(block(0));
        // `key = "…"` and `key "…"`, or `key.set("…")` and `key("…")`.
        let (key, outer) = match literal.key {
            Some(key) => (key, block(0)),
            None => (called, block(1)),
        };
        match last(key) {
            "image" => self.jib && (last(outer) == "from" || key.ends_with("from.image")),
            "builder" | "runImage" => self.boot && image_like(literal.text),
            "baseImage" => self.docker && image_like(literal.text),
            _ => false,
        }
    }
}

/// The last part of a name with dots.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn image(collector: &mut Collector<'_>, names: &BTreeMap<&str, Value>, literal: Literal<'_>) {
    let Some(value) = interpolated(names, literal) else { return };
    let behind = ["registry://", "docker://"].iter().find(|prefix| value.text().starts_with(**prefix));
    let value = value.slice(behind.map_or(0, |prefix| prefix.len()), value.text().len());
    if is_plain(value.text()) && collector.first_at(literal.start) {
        collector.assembled(literal.start, literal.text, &value);
    }
}

/// The text with the values of its `$name` and `${name}`.
fn interpolated(names: &BTreeMap<&str, Value>, literal: Literal<'_>) -> Option<Value> {
    let (mut value, mut at) = (Value::default(), 0);
    while at < literal.text.len() {
        let rest = &literal.text[at..];
        let plain = rest.find('$').unwrap_or(rest.len());
        value.push_str(&rest[..plain], Some((0, literal.start + at)));
        at += plain;
        let Some(inside) = rest[plain..].strip_prefix('$') else { continue };
        let (name, length) = match inside.strip_prefix('{') {
            Some(braced) => braced.find('}').map(|end| (&braced[..end], end + 2))?,
            None => {
                let length = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
                (&inside[..length], length)
            }
        };
        value.append(names.get(last(name.trim()))?);
        at += 1 + length;
    }
    Some(value)
}
