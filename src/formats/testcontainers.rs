//! Testcontainers: the images that tests in Java, Kotlin, Go, TypeScript, Python, C# and Rust name as literals.
//!
//! ```java
//! new PostgreSQLContainer<>("postgres:16.2");
//! new GenericContainer<>(DockerImageName.parse("redis:7.2"));
//! ```
//!
//! ```go
//! postgres.Run(ctx, "postgres:16.2")
//! testcontainers.ContainerRequest{Image: "redis:7.2"}
//! ```
//!
//! Only files whose path speaks of tests or containers are read: others are many, and start no containers.

use super::collector::{Collector, PartText, Parts, is_plain, versioned};
use super::extraction::{Confidence, Extraction};
use super::literals::{Frame, Literal, Syntax, each_literal};
use super::{Claim, Format};
use crate::image::Reference;
use crate::repo::FilePath;

const ENDINGS: [&str; 14] =
    ["java", "kt", "kts", "scala", "groovy", "go", "ts", "tsx", "mts", "js", "mjs", "py", "cs", "rs"];
const WORDS: [&str; 6] = ["test", "spec", "integration", "e2e", "container", "docker"];
/// Builders of the modules for .NET that take an image.
const BUILDERS: [&str; 7] = [
    "SqlBuilder",
    "RedisBuilder",
    "MongoDbBuilder",
    "RabbitMqBuilder",
    "KafkaBuilder",
    "ContainerBuilder",
    "MariaDbBuilder",
];

/// The format.
pub(super) struct Testcontainers;

impl Format for Testcontainers {
    fn name(&self) -> &'static str {
        "testcontainers"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let Some((stem, ending)) = path.file_name().rsplit_once('.') else { return Claim::No };
        if !ENDINGS.contains(&ending) {
            return Claim::No;
        }
        let lower = path.as_str().to_ascii_lowercase();
        let tests = stem.ends_with("IT") || WORDS.iter().any(|word| lower.contains(word));
        if tests { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("testcontainers") && !text.contains("Testcontainers") {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "testcontainers");
        collector.confidence = Confidence::Scanned;
        let mut before: Option<(usize, Literal<'_>)> = None;
        each_literal(text, syntax(text), &mut |literal, frames| {
            let Some(frame) = frames.last() else { return constant(&mut collector, literal) };
            match before.filter(|(number, _)| *number == frame.number && frame.position == 1) {
                Some((_, name)) if frame.name.ends_with("GenericImage::new") => pair(&mut collector, name, literal),
                _ if is_image(&literal, frame) => image(&mut collector, literal),
                _ => constant(&mut collector, literal),
            }
            before = Some((frame.number, literal));
        });
        collector.found
    }
}

/// Told by how the language imports.
fn syntax(text: &str) -> Syntax {
    let any = |words: [&str; 2]| words.iter().any(|word| text.contains(word));
    if any(["from testcontainers", "import testcontainers"]) {
        Syntax::Hash
    } else if any(["use testcontainers", "testcontainers::"]) {
        Syntax::Rust
    } else {
        Syntax::Slash
    }
}

/// Whether the brackets around a literal, and its key, say that it is an image.
fn is_image(literal: &Literal<'_>, frame: &Frame<'_>) -> bool {
    let last = frame.name.rsplit(['.', ':']).next().unwrap_or("");
    // `execInContainer` is no type.
    let is_type = last.starts_with(|c: char| c.is_ascii_uppercase());
    let container = is_type && (last.ends_with("Container") || last.ends_with("ContainerRequest"));
    let versioned = versioned(literal.text);
    match (literal.key, frame.position) {
        (None, 0) => match last {
            "parse" => versioned && frame.name.ends_with("DockerImageName.parse"),
            "GenericContainer" | "WithImage" | "withImage" | "with_image" => true,
            // A module's own name of its image may be any text without a version.
            _ => versioned && (container || BUILDERS.iter().any(|builder| last.ends_with(builder))),
        },
        (None, 1) => versioned && matches!(last, "Run" | "RunContainer"),
        (Some("Image"), _) => versioned && frame.open == '{',
        (Some("image" | "dockerImageName"), _) => versioned && container,
        _ => false,
    }
}

/// `POSTGRES_IMAGE = "postgres:16.2"`
fn constant(collector: &mut Collector<'_>, literal: Literal<'_>) {
    let named = literal.key.is_some_and(|key| key.to_ascii_lowercase().ends_with("image"));
    if named && versioned(literal.text) {
        image(collector, literal);
    }
}

fn image(collector: &mut Collector<'_>, literal: Literal<'_>) {
    let text = literal.text;
    let host = text
        .split_once(':')
        .is_some_and(|(host, _)| !host.contains('/') && (host.contains('.') || host == "localhost"));
    if is_plain(text) && Reference::parse(text).is_ok() && (!host || text.contains('/')) {
        collector.literal(literal.start, text);
    }
}

/// `GenericImage::new("redis", "7.2")`
fn pair(collector: &mut Collector<'_>, name: Literal<'_>, tag: Literal<'_>) {
    if is_plain(name.text) && is_plain(tag.text) {
        let repository = Some(PartText { text: name.text, start: Some(name.start) });
        let tag = Some(PartText { text: tag.text, start: Some(tag.start) });
        collector.parts(name.start, &Parts { repository, tag, ..Parts::default() });
    }
}
