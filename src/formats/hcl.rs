//! What the formats in HCL share: the parsed file, and expressions as pieces of a reference.
//!
//! Variables are not resolved here: `var.x` and `local.x` become [`Piece::Variable`]s called `.var.x` and `.local.x`,
//! which all files of a folder may define ([`Hcl::define`]); linking joins them.

pub(super) mod bake;
pub(super) mod nomad;
pub(super) mod packer;
pub(super) mod terraform;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, Object, ObjectKey, TraversalOperator};
use hcl_edit::structure::Body;
use hcl_edit::template::Element;

use super::collector::{Collector, image_like, versioned};
use super::extraction::{Definition, Piece, TextSpan};
use super::site::ProblemCode;
use super::value::Value;
use super::yaml::{Document, parse_within};
use super::yaml_sites::names_image;

/// `a = local.b`, `b = local.c` … in one file.
const MAX_DEPTH: usize = 5;
/// More definitions than this in one file are not read.
const MAX_DEFINITIONS: usize = 5000;

/// How a file refers to its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// `var.x` and `local.x`; other files of the folder may define them.
    Dotted,
    /// `x`; only this file defines it.
    Bare,
}

/// Text in HCL and where it begins in the file.
#[derive(Debug, Clone, Copy)]
struct Source<'s> {
    text: &'s str,
    base: usize,
}

impl<'s> Source<'s> {
    /// The text of a range and its place in the file.
    fn at(&self, range: &Range<usize>) -> Option<(&'s str, usize)> {
        Some((self.text.get(range.clone())?, self.base + range.start))
    }
}

/// One file in HCL.
struct Hcl<'a, 'b> {
    collector: Collector<'a>,
    source: Source<'a>,
    names: Names,
    /// What this file's names mean: `local.x` where names are dotted, `x` where they are bare.
    meanings: BTreeMap<String, &'b Expression>,
    /// The names that references use.
    used: BTreeSet<String>,
}

/// Parses a file; what cannot be read is a problem.
fn parse<'a>(collector: &mut Collector<'a>) -> Option<(Body, Source<'a>)> {
    let bare = collector.text.strip_prefix('\u{feff}').unwrap_or(collector.text);
    let source = Source { text: bare, base: collector.text.len() - bare.len() };
    match hcl_edit::parser::parse_body(bare) {
        Ok(body) => Some((body, source)),
        Err(error) => {
            let line = u32::try_from(error.location().line()).unwrap_or(u32::MAX);
            collector.problem_at(line, ProblemCode::HclSyntax, format!("the file is not HCL: {}", error.message()));
            None
        }
    }
}

impl<'a, 'b> Hcl<'a, 'b> {
    fn new(collector: Collector<'a>, source: Source<'a>, names: Names) -> Self {
        Self { collector, source, names, meanings: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// Remembers the defaults of `variable` blocks and, where names are dotted, the values of `locals`; lets other files
    /// use those that are plain text.
    fn define(&mut self, body: &'b Body) {
        for block in body.blocks() {
            match (block.ident.as_str(), block.labels.first()) {
                ("variable", Some(name)) => {
                    if let Some(default) = block.body.get_attribute("default") {
                        self.define_one("var", name.as_str(), &default.value);
                    }
                }
                ("locals", None) => {
                    for local in block.body.attributes() {
                        self.define_one("local", local.key.as_str(), &local.value);
                    }
                }
                _ => {}
            }
        }
    }

    fn define_one(&mut self, kind: &str, name: &str, value: &'b Expression) {
        match self.names {
            Names::Bare => {
                self.meanings.insert(name.to_owned(), value);
            }
            Names::Dotted => {
                if let Some(value) = self.plain(value)
                    && self.collector.found.definitions.len() < MAX_DEFINITIONS
                {
                    self.collector.found.definitions.push(Definition { name: format!(".{kind}.{name}"), value });
                } else if kind == "local" {
                    self.meanings.insert(format!("local.{name}"), value);
                }
            }
        }
    }

    /// Text that stands in the file just so.
    fn plain(&self, value: &Expression) -> Option<TextSpan> {
        let Expression::String(_) = value else { return None };
        match self.pieces(value, self.source, 0)?.pop() {
            Some(Piece::Literal(span)) if !span.text.is_empty() => Some(span),
            _ => None,
        }
    }

    /// An expression that must be an image; of a condition and of defaults each.
    fn image(&mut self, value: &Expression) {
        for one in alternatives(value) {
            self.image_of(one, self.source, |_| true);
        }
    }

    /// An expression that may be an image: it is one where it names a version.
    fn perhaps(&mut self, value: &Expression) {
        for one in alternatives(value) {
            self.image_of(one, self.source, |text| versioned(text) && image_like(text));
        }
    }

    /// An image behind a prefix that says so.
    fn image_behind(&mut self, value: &Expression, prefix: &str) {
        let Some(mut pieces) = self.pieces(value, self.source, 0) else { return };
        let Some(Piece::Literal(first)) = pieces.first_mut() else { return };
        let Some(rest) = first.text.strip_prefix(prefix).map(str::to_owned) else { return };
        let offset = first.start + prefix.len();
        *first = TextSpan { start: offset, end: first.end, text: rest };
        let written = value.span().and_then(|span| self.source.at(&span)).map_or("", |(text, _)| text);
        let written = written.trim_matches('"').trim_start_matches(prefix).to_owned();
        self.report(offset, written, pieces, |_| true);
    }

    fn image_of(&mut self, value: &Expression, source: Source<'_>, is_image: impl Fn(&str) -> bool) {
        let Some(pieces) = self.pieces(value, source, 0) else { return };
        let Some((written, offset)) = value.span().and_then(|span| source.at(&span)) else { return };
        let quote = usize::from(written.starts_with('"'));
        let written = written.trim_matches('"').to_owned();
        self.report(offset + quote, written, pieces, is_image);
    }

    fn report(&mut self, offset: usize, written: String, pieces: Vec<Piece>, is_image: impl Fn(&str) -> bool) {
        for piece in &pieces {
            if let Piece::Variable { name, .. } = piece {
                self.used.insert(name.clone());
            }
        }
        if pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. })) {
            if self.collector.first_at(offset) {
                self.collector.open(offset, written, pieces);
            }
            return;
        }
        let mut value = Value::default();
        for piece in &pieces {
            match piece {
                Piece::Literal(span) => value.append(&Value::of(span, 0)),
                Piece::Joint(text) => value.append(&Value::computed(text)),
                Piece::Variable { .. } => {}
            }
        }
        if is_image(value.text()) && self.collector.first_at(offset) {
            self.collector.assembled(offset, &written, &value);
        }
    }

    /// An expression as text and variables; `None` where another resource, a function or a loop makes it.
    fn pieces(&self, value: &Expression, source: Source<'_>, depth: usize) -> Option<Vec<Piece>> {
        match value {
            Expression::String(text) => {
                let (raw, start) = source.at(&value.span()?)?;
                let raw = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'))?;
                Some(vec![text_piece(raw, start + 1, text.as_str())])
            }
            Expression::StringTemplate(template) => self.joined(template.iter(), source, depth),
            Expression::Parenthesis(inner) => self.pieces(inner.inner(), source, depth),
            Expression::Variable(name) if self.names == Names::Bare => self.meaning(name.as_str(), depth),
            Expression::Traversal(_) => self.meaning(&dotted(value)?, depth),
            _ => None,
        }
    }

    fn joined<'e>(
        &self,
        elements: impl Iterator<Item = &'e Element>,
        source: Source<'_>,
        depth: usize,
    ) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        for element in elements {
            match element {
                Element::Literal(text) => {
                    let (raw, start) = source.at(&element.span()?)?;
                    pieces.push(text_piece(raw, start, text.as_str()));
                }
                Element::Interpolation(inner) => pieces.extend(self.pieces(&inner.expr, source, depth)?),
                Element::Directive(_) => return None,
            }
        }
        Some(pieces)
    }

    /// What a name means: its pieces in this file, or a variable for linking.
    fn meaning(&self, name: &str, depth: usize) -> Option<Vec<Piece>> {
        match (self.meanings.get(name), self.names) {
            (Some(value), _) if depth < MAX_DEPTH => self.pieces(value, self.source, depth + 1),
            (None, Names::Dotted) => {
                Some(vec![Piece::Variable { name: format!(".{name}"), operator: None, word: Vec::new() }])
            }
            _ => None,
        }
    }

    /// Every `image` (in any letters) at any depth of an expression: of objects, lists and `jsonencode`.
    fn images_within(&mut self, value: &Expression, keys: &[&str]) {
        match value {
            Expression::Array(items) => items.iter().for_each(|item| self.images_within(item, keys)),
            Expression::Object(object) => {
                for (key, value) in object.iter() {
                    let is_image =
                        key_text(key).is_some_and(|key| keys.iter().any(|one| key.eq_ignore_ascii_case(one)));
                    match is_image && is_text(value.expr()) {
                        true => self.image(value.expr()),
                        false => self.images_within(value.expr(), keys),
                    }
                }
            }
            Expression::FuncCall(call) => call.args.iter().for_each(|argument| self.images_within(argument, keys)),
            Expression::Parenthesis(inner) => self.images_within(inner.inner(), keys),
            Expression::Conditional(condition) => {
                self.images_within(&condition.true_expr, keys);
                self.images_within(&condition.false_expr, keys);
            }
            Expression::ForExpr(expression) => self.images_within(&expression.value_expr, keys),
            _ => {}
        }
    }

    /// The same in the argument of a module: where the image names a version.
    fn images_where_versioned(&mut self, value: &Expression) {
        match value {
            Expression::Array(items) => items.iter().for_each(|item| self.images_where_versioned(item)),
            Expression::Object(object) => {
                for (key, value) in object.iter() {
                    match key_text(key).is_some_and(names_image) && is_text(value.expr()) {
                        true => self.perhaps(value.expr()),
                        false => self.images_where_versioned(value.expr()),
                    }
                }
            }
            _ => {}
        }
    }

    /// Every `image` attribute at any depth of a body.
    fn images_of(&mut self, body: &Body, keys: &[&str]) {
        for attribute in body.attributes() {
            match keys.contains(&attribute.key.as_str()) && is_text(&attribute.value) {
                true => self.image(&attribute.value),
                false => self.images_within(&attribute.value, keys),
            }
        }
        for block in body.blocks() {
            self.images_of(&block.body, keys);
        }
    }

    /// The YAML or JSON in a heredoc.
    fn documents(&self, value: &Expression) -> Vec<Document> {
        let range = heredoc(value, self.source);
        range.map_or_else(Vec::new, |range| parse_within(self.collector.text, range))
    }

    /// A scalar of such a document: HCL fills in its `${…}`.
    fn image_in_template(&mut self, text: &str, start: Option<usize>) {
        let Some(start) = start else { return };
        let source = Source { text, base: start };
        let Ok(template) = hcl_edit::parser::parse_template(text) else { return };
        if let Some(pieces) = self.joined(template.iter(), source, 0) {
            self.report(start, text.to_owned(), pieces, |_| true);
        }
    }

    /// Defaults and values that are named like an image, and that nothing in this file uses.
    fn unused(&mut self, body: &Body) {
        for block in body.blocks() {
            match (block.ident.as_str(), block.labels.first(), block.body.get_attribute("default")) {
                ("variable", Some(name), Some(default)) => self.unused_one("var", name.as_str(), &default.value),
                ("locals", None, _) => {
                    for local in block.body.attributes() {
                        self.unused_one("local", local.key.as_str(), &local.value);
                    }
                }
                _ => {}
            }
        }
    }

    fn unused_one(&mut self, kind: &str, name: &str, value: &Expression) {
        if names_image(name)
            && !self.used.contains(&format!(".{kind}.{name}"))
            && matches!(value, Expression::String(_))
        {
            self.perhaps(value);
        }
    }
}

/// The expressions that one may become: the branches of a condition, the arguments of `coalesce` and `try`, what
/// `lookup` falls back to.
fn alternatives(value: &Expression) -> Vec<&Expression> {
    match value {
        Expression::Parenthesis(inner) => alternatives(inner.inner()),
        Expression::Conditional(condition) => {
            [&condition.true_expr, &condition.false_expr].into_iter().flat_map(alternatives).collect()
        }
        Expression::FuncCall(call) => match call.name.name.as_str() {
            "coalesce" | "try" => call.args.iter().flat_map(alternatives).collect(),
            "lookup" => call.args.iter().skip(2).flat_map(alternatives).collect(),
            _ => Vec::new(),
        },
        other => vec![other],
    }
}

/// `var.x`, `local.x`; `None` for what other resources say.
fn dotted(value: &Expression) -> Option<String> {
    let Expression::Traversal(path) = value else { return None };
    let (Expression::Variable(kind), [attribute]) = (&path.expr, path.operators.as_slice()) else { return None };
    let TraversalOperator::GetAttr(name) = attribute.value() else { return None };
    matches!(kind.as_str(), "var" | "local").then(|| format!("{}.{}", kind.as_str(), name.as_str()))
}

/// Text of the file, or text that its escapes make.
fn text_piece(raw: &str, start: usize, text: &str) -> Piece {
    match raw == text {
        true => Piece::Literal(TextSpan { start, end: start + raw.len(), text: text.to_owned() }),
        false => Piece::Joint(text.to_owned()),
    }
}

fn is_text(value: &Expression) -> bool {
    !matches!(value, Expression::Object(_) | Expression::Array(_) | Expression::HeredocTemplate(_))
}

fn key_text(key: &ObjectKey) -> Option<&str> {
    match key {
        ObjectKey::Ident(name) => Some(name.as_str()),
        ObjectKey::Expression(value) => value.as_str(),
    }
}

/// The value of a key of an object.
fn entry<'e>(object: &'e Object, name: &str) -> Option<&'e Expression> {
    object.iter().find(|(key, _)| key_text(key) == Some(name)).map(|(_, value)| value.expr())
}

/// The lines of a heredoc.
fn heredoc(value: &Expression, source: Source<'_>) -> Option<Range<usize>> {
    let Expression::HeredocTemplate(_) = value else { return None };
    let (raw, start) = source.at(&value.span()?)?;
    let (begin, end) = (raw.find('\n')? + 1, raw.rfind('\n')? + 1);
    (begin <= end).then(|| start + begin..start + end)
}
