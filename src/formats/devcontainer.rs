//! Development containers: `image` and the features of `devcontainer.json`, and the features that a feature depends on.
//! A feature's name in the registry is the key of its options.
//!
//! ```jsonc
//! {
//!   "image": "mcr.microsoft.com/devcontainers/go:1.22", // comments and commas at the end are fine
//!   "features": {"ghcr.io/devcontainers/features/node:1": {}},
//! }
//! ```
//!
//! JSON is YAML once its comments are blank.

use super::collector::{Collector, has_host};
use super::extraction::Extraction;
use super::site::ProblemCode;
use super::yaml::{Document, NodeId, Parsed, parse};
use super::{Claim, Format};
use crate::repo::FilePath;

/// The format.
pub(super) struct DevContainer;

impl Format for DevContainer {
    fn name(&self) -> &'static str {
        "devcontainer"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let known = ["devcontainer.json", ".devcontainer.json", "devcontainer-feature.json"];
        if known.contains(&path.file_name()) { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "devcontainer");
        let Parsed { documents, errors, too_large } = parse(&without_comments(text), &collector.positions, |_| true);
        if too_large {
            collector.problem_at(1, ProblemCode::TooLarge, "the JSON is deeper or larger than is read".to_owned());
        }
        for (line, reason) in errors {
            collector.problem_at(line, ProblemCode::YamlSyntax, format!("this is no JSON: {reason}"));
        }
        for document in &documents {
            if let Some(root) = document.root() {
                file(&mut collector, document, root);
            }
        }
        collector.found
    }
}

fn file(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    for (key, value) in document.entries(root) {
        match document.text(*key) {
            Some("image") => collector.expect_plain(document, *value),
            Some("features" | "dependsOn") => {
                for (feature, _) in document.entries(*value) {
                    self::feature(collector, document, *feature);
                }
            }
            _ => {}
        }
    }
}

/// `./local`, `https://…` and the old short names are in no registry.
fn feature(collector: &mut Collector<'_>, document: &Document, key: NodeId) {
    if document.text(key).is_some_and(has_host) {
        collector.perhaps(document, key);
    }
}

/// The text with spaces for comments and for tabs between tokens, which YAML does not take everywhere.
fn without_comments(text: &str) -> String {
    let mut blank = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' => string_length(rest),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
            c => c.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        match c {
            '/' if length > 1 => {
                blank.extend(token.bytes().map(|b| if matches!(b, b'\n' | b'\r') { b.into() } else { ' ' }))
            }
            '\t' => blank.push(' '),
            _ => blank.push_str(token),
        }
        rest = behind;
    }
    blank
}

/// The length of the string that a text begins with.
fn string_length(text: &str) -> usize {
    let mut escaped = true;
    for (index, c) in text.char_indices() {
        match c {
            '"' if !escaped => return index + 1,
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blank_and_keep_their_length() {
        let text = "{\"a\\\"//\": \"http://x\", // é\r\n\t/* \"b\"\n */ 1 / 2 /* c";
        let expected = "{\"a\\\"//\": \"http://x\",      \r\n       \n    1 / 2     ";
        assert_eq!(without_comments(text), expected);
        assert_eq!(without_comments(text).len(), text.len());
    }
}
