//! Dagger: the images that pipelines in Go, Python, TypeScript, Java and PHP begin containers from, as literals.
//!
//! ```go
//! dag.Container().From("golang:1.22-alpine")
//! ```
//!
//! Only files whose path speaks of Dagger or of CI are read.

use super::collector::{Collector, image_like, is_plain, versioned};
use super::extraction::{Confidence, Extraction};
use super::literals::{Syntax, each_literal};
use super::{Claim, Format};
use crate::repo::FilePath;

const ENDINGS: [&str; 8] = ["go", "py", "ts", "mts", "js", "mjs", "java", "php"];

/// The format.
pub(super) struct Dagger;

impl Format for Dagger {
    fn name(&self) -> &'static str {
        "dagger"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let lower = path.as_str().to_ascii_lowercase();
        let source = lower.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending));
        let ours = lower.contains("dagger") || lower.split('/').any(|folder| matches!(folder, "ci" | ".ci"));
        if source && ours { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !["dagger", "dag."].iter().any(|word| text.contains(word)) || !text.contains("ontainer") {
            return Extraction::default();
        }
        let mut collector = Collector::new(text, "dagger");
        collector.confidence = Confidence::Scanned;
        let python = ["from dagger", "import dagger"].iter().any(|import| text.contains(import));
        let syntax = if python { Syntax::Hash } else { Syntax::Slash };
        each_literal(text, syntax, &mut |literal, frames| {
            let Some(frame) = frames.last() else { return };
            let method = frame.name.rsplit(['.', '>']).next().unwrap_or("");
            // A chain of calls may go on in the next line.
            let begins = matches!(method, "From" | "from" | "from_");
            // `Array.from("abc")` begins no container.
            let image = (image_like(literal.text) || versioned(literal.text)) && is_plain(literal.text);
            if begins && image && frame.position == 0 && literal.key.is_none_or(|key| key == "address") {
                collector.literal(literal.start, literal.text);
            }
        });
        collector.found
    }
}
