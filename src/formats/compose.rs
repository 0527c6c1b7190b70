//! Compose files: `services.*.image`, the first version's services at the root, `x-` blocks, image volumes,
//! `dockerfile_inline` and `additional_contexts`.
//!
//! An `image` beside `build` names what is built and is no site. Variables are `${NAME:-default}` and the like, from a
//! `.env` beside the file. Example:
//!
//! ```yaml
//! services:
//!   web: {image: "nginx:${NGINX:-1.25}"}
//! ```

use super::collector::{Collector, shown};
use super::embedded::Embedded;
use super::extraction::{Extraction, Operator, Piece, TextSpan};
use super::site::ProblemCode;
use super::yaml::{Document, NodeId};
use super::{Claim, Format};
use crate::image::Platform;
use crate::repo::FilePath;

/// Nesting of `${A:-${B:-…}}` and of `x-` blocks.
const MAX_DEPTH: usize = 16;

/// The format.
pub(super) struct Compose;

impl Format for Compose {
    fn name(&self) -> &'static str {
        "compose"
    }

    fn claims(&self, path: &FilePath) -> Claim {
        let name = path.file_name().to_ascii_lowercase();
        let Some(stem) = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")) else { return Claim::No };
        let begins = ["compose", "docker-compose", "docker-stack", "podman-compose"].iter().any(|known| {
            stem.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
        });
        let ends = [".compose", "-compose", "_compose"].iter().any(|known| stem.ends_with(known));
        if begins || ends { Claim::ByPath } else { Claim::No }
    }

    fn extract(&self, text: &str) -> Extraction {
        let mut collector = Collector::new(text, "compose");
        for document in collector.documents() {
            if let Some(root) = document.root() {
                file(&mut collector, &document, root);
            }
        }
        collector.found
    }
}

fn file(collector: &mut Collector<'_>, document: &Document, root: NodeId) {
    let services = document.get(root, "services");
    for (key, value) in document.entries(root) {
        let name = document.text(*key).unwrap_or("");
        if name == "services" {
            for (_, one) in document.entries(*value) {
                service(collector, document, *one);
            }
        } else if name.starts_with("x-") {
            extension(collector, document, *value, 0);
        } else if services.is_none() && document.get(*value, "image").or(document.get(*value, "build")).is_some() {
            service(collector, document, *value);
        }
    }
}

fn service(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    for volume in document.get(id, "volumes").map_or(&[][..], |volumes| document.items(volumes)) {
        let kind = document.get(*volume, "type").and_then(|kind| document.text(kind));
        if let Some(source) = document.get(*volume, "source").filter(|_| kind == Some("image")) {
            image_value(collector, document, source);
        }
    }
    match (document.get(id, "build"), document.get(id, "image")) {
        (Some(build), _) => self::build(collector, document, build),
        (None, Some(image)) => {
            let platform = document.get(id, "platform").and_then(|platform| document.text(platform));
            collector.platform = platform.and_then(|platform| Platform::parse(platform).ok());
            image_value(collector, document, image);
            collector.platform = None;
        }
        (None, None) => {}
    }
}

/// A service that is built here: its `image` names the result and is no site.
fn build(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    if let Some(inline) = document.get(id, "dockerfile_inline") {
        inline_dockerfile(collector, document, inline);
    }
    let Some(contexts) = document.get(id, "additional_contexts") else { return };
    for (_, context) in document.entries(contexts) {
        collector.perhaps_behind(document, *context, "docker-image://");
    }
    for item in document.items(contexts) {
        let name = document.text(*item).and_then(|text| text.split_once("=docker-image://"));
        if let Some(prefix) = name.map(|(name, _)| format!("{name}=docker-image://")) {
            collector.perhaps_behind(document, *item, &prefix);
        }
    }
}

/// A block for anchors and merges: every mapping in it may be a service.
fn extension(collector: &mut Collector<'_>, document: &Document, id: NodeId, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    service(collector, document, id);
    for (_, value) in document.entries(id) {
        extension(collector, document, *value, depth + 1);
    }
    for item in document.items(id) {
        extension(collector, document, *item, depth + 1);
    }
}

fn image_value(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    let Some(scalar) = document.scalar(id) else { return };
    if !scalar.text.contains('$') {
        return collector.expect(document, id);
    }
    let Some(scalar) = collector.first_use(document, id) else { return };
    let offset = collector.place(document, id, scalar);
    let pieces = scalar.start.and_then(|start| pieces(&scalar.text, start, 0));
    match pieces {
        Some(pieces) => collector.open(offset, scalar.text.clone(), pieces),
        None => {
            let message = format!("the variables of the image {:?} cannot be read", shown(&scalar.text));
            collector.problem(offset, ProblemCode::UnresolvedVariable, message);
        }
    }
}

/// Splits at variables; `None` where the syntax is not Compose's.
fn pieces(text: &str, start: usize, depth: usize) -> Option<Vec<Piece>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut pieces = Vec::new();
    let mut index = 0;
    while index < text.len() {
        let rest = &text[index..];
        let Some(dollar) = rest.find('$') else {
            pieces.push(literal(rest, start + index));
            break;
        };
        if dollar > 0 {
            pieces.push(literal(&rest[..dollar], start + index));
        }
        index += dollar + 1;
        let behind = &text[index..];
        if let Some(inside) = behind.strip_prefix('{') {
            let length = closing(inside)?;
            pieces.push(variable(&inside[..length], start + index + 1, depth)?);
            index += length + 2;
        } else {
            // `$$` is a dollar sign, which no reference holds.
            let length = name_length(behind);
            let name = (length > 0).then(|| behind[..length].to_owned())?;
            pieces.push(Piece::Variable { name, operator: None, word: Vec::new() });
            index += length;
        }
    }
    Some(pieces)
}

fn literal(text: &str, start: usize) -> Piece {
    Piece::Literal(TextSpan { start, end: start + text.len(), text: text.to_owned() })
}

fn closing(inside: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins { text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count() } else { 0 }
}

fn variable(inside: &str, start: usize, depth: usize) -> Option<Piece> {
    const OPERATORS: [(&str, Operator); 6] = [
        (":-", Operator::DefaultIfEmpty),
        ("-", Operator::DefaultIfUnset),
        (":+", Operator::AlternativeIfFilled),
        ("+", Operator::AlternativeIfSet),
        (":?", Operator::Required),
        ("?", Operator::Required),
    ];
    let length = name_length(inside);
    let name = (length > 0).then(|| inside[..length].to_owned())?;
    let behind = &inside[length..];
    if behind.is_empty() {
        return Some(Piece::Variable { name, operator: None, word: Vec::new() });
    }
    let (sign, operator) = OPERATORS.into_iter().find(|(sign, _)| behind.starts_with(sign))?;
    let word = match operator {
        Operator::Required => Vec::new(),
        _ => pieces(&behind[sign.len()..], start + length + sign.len(), depth + 1)?,
    };
    Some(Piece::Variable { name, operator: Some(operator), word })
}

/// The Dockerfile in a block scalar.
fn inline_dockerfile(collector: &mut Collector<'_>, document: &Document, id: NodeId) {
    let Some(scalar) = collector.first_use(document, id) else { return };
    let mut inline = Embedded::default();
    inline.add(collector.text, scalar);
    let found = inline.read(collector, &super::dockerfile::Dockerfile);
    for problem in found.problems {
        collector.problem(document.node(id).offset, problem.code, format!("in dockerfile_inline: {}", problem.message));
    }
}

#[cfg(test)]
mod tests;
