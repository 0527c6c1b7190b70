//! Bazel: the images that `oci.pull`, `oci_pull`, `container_pull` and rules_img's `pull` fetch.
//!
//! ```python
//! oci.pull(name = "base", image = "docker.io/library/debian", tag = "12.4", digest = "sha256:…")
//! container_pull(name = "base", registry = "quay.io", repository = "acme/base", tag = "1.0")
//! ```
//!
//! An argument is a literal or a name that the file gives a literal; a digest that cannot be told makes the call none.

use std::collections::BTreeMap;

use super::collector::{Collector, PartText, Parts, is_plain, versioned};
use super::extraction::{Confidence, Extraction};
use super::literals::{Literal, Syntax, each_literal};
use super::{Claim, Format};
use crate::repo::FilePath;

/// The arguments that name an image.
const ARGUMENTS: [&str; 5] = ["image", "registry", "repository", "tag", "digest"];
/// A call is no longer than this, and this behind its last literal.
const MAX_CALL: usize = 10_000;
const MAX_REST: usize = 300;

/// The format.
pub(super) struct Bazel;

impl Format for Bazel {
    fn name(&self) -> &'static str {
        "bazel"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name();
        let module = name.ends_with("MODULE.bazel") || name.starts_with("WORKSPACE");
        if module || name.ends_with(".bzl") { Claim::ByContent } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        if !text.contains("pull") {
            return Extraction::default();
        }
        let (mut names, mut calls) = (BTreeMap::new(), BTreeMap::<usize, Vec<Literal<'_>>>::new());
        each_literal(text, Syntax::Hash, &mut |literal, frames| match frames.last() {
            None => names.extend(literal.key.map(|key| (key, literal))),
            Some(frame) if frame.open == '(' && is_pull(frame.name) => {
                calls.entry(frame.number).or_default().push(literal)
            }
            Some(_) => {}
        });
        let mut collector = Collector::new(text, "bazel");
        collector.confidence = Confidence::Scanned;
        for literals in calls.values() {
            call(&mut collector, &names, literals);
        }
        collector.found
    }
}

/// `oci.pull`, whatever the extension is called; `oci_pull`, `container_pull` and rules named after them.
fn is_pull(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last == "pull" || last.ends_with("oci_pull") || last.ends_with("container_pull")
}

fn call(collector: &mut Collector<'_>, names: &BTreeMap<&str, Literal<'_>>, literals: &[Literal<'_>]) {
    let [image, registry, repository, tag, digest] = ARGUMENTS.map(|argument| {
        let literal = literals.iter().find(|literal| literal.key == Some(argument)).copied();
        literal.map_or_else(|| named(collector.text, names, literals, argument), Argument::Known)
    });
    let unknown =
        [&image, &registry, &repository, &tag, &digest].into_iter().any(|one| matches!(one, Argument::Unknown));
    let Some(repository) = image.part().or(repository.part()).filter(|_| !unknown) else { return };
    match (repository.start, image.part()) {
        (Some(start), Some(image)) if versioned(image.text) && tag.part().is_none() && digest.part().is_none() => {
            collector.literal(start, image.text);
        }
        (Some(start), _) => {
            let registry = registry.part().filter(|_| image.part().is_none());
            collector.parts(
                start,
                &Parts { registry, repository: Some(repository), tag: tag.part(), digest: digest.part() },
            );
        }
        (None, _) => {}
    }
}

/// What a call says of one of its arguments.
enum Argument<'a> {
    Missing,
    Known(Literal<'a>),
    Unknown,
}

impl<'a> Argument<'a> {
    fn part(&self) -> Option<PartText<'a>> {
        match self {
            Self::Known(literal) if is_plain(literal.text) => {
                Some(PartText { text: literal.text, start: Some(literal.start) })
            }
            _ => None,
        }
    }
}

/// An argument that is no literal: `digest = NAME`.
fn named<'a>(text: &'a str, names: &BTreeMap<&str, Literal<'a>>, literals: &[Literal<'_>], key: &str) -> Argument<'a> {
    let (Some(first), Some(last)) = (literals.first(), literals.last()) else { return Argument::Missing };
    let end = text.floor_char_boundary(last.start + last.text.len() + MAX_REST);
    let behind = last.start + last.text.len();
    let end = text.get(behind..end).and_then(|rest| rest.find(')')).map_or(end, |at| behind + at);
    let call = text.get(first.start..end).filter(|call| call.len() <= MAX_CALL);
    let Some(call) = call else { return Argument::Unknown };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in call.match_indices(key) {
        let behind = call[at + key.len()..].trim_start();
        if let Some(value) = behind.strip_prefix('=').filter(|_| !call[..at].ends_with(word)) {
            let value = value.trim_start();
            let name = &value[..value.find(|c| !word(c)).unwrap_or(value.len())];
            return names.get(name).map_or(Argument::Unknown, |literal| Argument::Known(*literal));
        }
    }
    Argument::Missing
}
