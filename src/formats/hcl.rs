//! What the formats in HCL share: the parsed file, and expressions as pieces of a reference.
//!
//! Variables that all files of a folder may define are not resolved here: `var.x` and `local.x` become
//! [`Piece::Variable`]s called `.var.x` and `.local.x` ([`Hcl::define`]); linking joins them.

pub(super) mod bake;
mod heredoc;
mod names;
pub(super) mod nomad;
pub(super) mod packer;
pub(super) mod terraform;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, FuncCall, Object, ObjectKey};
use hcl_edit::structure::Body;
use hcl_edit::template::Element;

use super::collector::{Collector, image_like, shown, versioned};
use super::extraction::{Piece, TextSpan};
use super::site::ProblemCode;
use super::value::Value;
use super::yaml_sites::names_image;
use names::{Names, dotted};

/// Maps whose keys are anyone's.
const LABELS: [&str; 4] = ["annotations", "dockerLabels", "docker_labels", "labels"];
/// A reference of more pieces is not read, which bounds what names within names can cost.
const MAX_PIECES: usize = 50;

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
    /// Variables of this file that have no default.
    unset: BTreeSet<String>,
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
        Self { collector, source, names, meanings: BTreeMap::new(), unset: BTreeSet::new(), used: BTreeSet::new() }
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
            if self.may_name_version(one) {
                self.image_of(one, self.source, |text| versioned(text) && image_like(text));
            }
        }
    }

    /// Whether a text has a tag or a digest of its own. A variable alone tells nothing: its default does.
    fn may_name_version(&self, value: &Expression) -> bool {
        let Some(pieces) = self.pieces(value, self.source, 0) else { return false };
        let has_mark = |text: &str| text.contains([':', '@']);
        pieces.iter().any(|piece| match piece {
            Piece::Literal(span) => has_mark(&span.text),
            Piece::Joint(text) => has_mark(text),
            Piece::Variable { .. } => false,
        })
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
        self.used.extend(dotted(value).map(|name| format!(".{name}")));
        let Some(pieces) = self.pieces(value, source, 0) else { return };
        let Some((written, offset)) = value.span().and_then(|span| source.at(&span)) else { return };
        let quote = usize::from(written.starts_with('"'));
        let written = written.trim_matches('"').to_owned();
        self.report(offset + quote, written, pieces, is_image);
    }

    fn report(&mut self, offset: usize, written: String, pieces: Vec<Piece>, is_image: impl Fn(&str) -> bool) {
        let mut unknown = None;
        for piece in &pieces {
            if let Piece::Variable { name, .. } = piece {
                unknown = Some(name.clone());
                self.used.insert(name.clone());
            }
        }
        if let Some(name) = unknown {
            return self.report_open(offset, written, pieces, &name);
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

    /// A reference with variables: for linking, or a problem where no other file can define them.
    fn report_open(&mut self, offset: usize, written: String, pieces: Vec<Piece>, name: &str) {
        if !self.collector.first_at(offset) {
            return;
        }
        if self.names == Names::Folder {
            self.collector.open(offset, written, pieces);
        } else if matches!(pieces.first(), Some(Piece::Literal(first)) if !first.text.is_empty()) {
            let message = format!(
                "the image {:?} cannot be told: {} has no text as its default in this file; give it one",
                shown(&written),
                name.trim_start_matches('.')
            );
            self.collector.problem(offset, ProblemCode::UnresolvedVariable, message);
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
            Expression::FuncCall(call) if call.name.name.as_str() == "format" => self.formatted(call, source, depth),
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
            if pieces.len() > MAX_PIECES {
                return None;
            }
        }
        Some(pieces)
    }

    /// The text of a value as this file gives it.
    fn known(&self, value: &Expression) -> Option<TextSpan> {
        match self.pieces(value, self.source, 0)?.as_slice() {
            [Piece::Literal(span)] => Some(span.clone()),
            [Piece::Variable { name, .. }] => {
                let mut definitions = self.collector.found.definitions.iter();
                definitions.find(|one| one.name == *name).map(|one| one.value.clone())
            }
            _ => None,
        }
    }

    /// A chart's version where a variable holds it.
    fn version_of(&mut self, chart: &str, version: &Expression) {
        let Some(mut pieces) = self.pieces(version, self.source, 0) else { return };
        let Some((written, offset)) = version.span().and_then(|span| self.source.at(&span)) else { return };
        let written = format!("{chart}:{written}");
        pieces.insert(0, Piece::Joint(format!("{chart}:")));
        if self.collector.first_at(offset) {
            self.collector.tags_only(|collector| collector.open(offset, written, pieces));
        }
    }

    /// `format("nginx:%s", var.tag)`, where every verb is `%s`.
    fn formatted(&self, call: &FuncCall, source: Source<'_>, depth: usize) -> Option<Vec<Piece>> {
        let mut arguments = call.args.iter();
        let Some(Piece::Literal(whole)) = self.pieces(arguments.next()?, source, depth)?.pop() else { return None };
        let (mut pieces, mut at) = (Vec::new(), whole.start);
        for (index, text) in whole.text.split("%s").enumerate() {
            if index > 0 {
                pieces.extend(self.pieces(arguments.next()?, source, depth)?);
            }
            if !text.is_empty() {
                pieces.push(text_piece(text, at, text));
            }
            at += text.len() + "%s".len();
        }
        let fits = !pieces.is_empty() && pieces.len() <= MAX_PIECES && arguments.next().is_none();
        (fits && !whole.text.replace("%s", "").contains('%')).then_some(pieces)
    }

    /// Every `image` (in any letters) at any depth of an expression: of objects, lists and `jsonencode`.
    fn images_within(&mut self, value: &Expression, keys: &[&str]) {
        match value {
            Expression::Array(items) => items.iter().for_each(|item| self.images_within(item, keys)),
            Expression::Object(object) => {
                for (key, value) in object.iter() {
                    let is_image =
                        key_text(key).is_some_and(|key| keys.iter().any(|one| key.eq_ignore_ascii_case(one)));
                    let is_told_apart = key_text(key).is_some_and(|key| LABELS.contains(&key));
                    match is_image && is_text(value.expr()) {
                        true => self.image(value.expr()),
                        false if is_told_apart => {}
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
            "format" => vec![value],
            "lookup" => call.args.iter().skip(2).flat_map(alternatives).collect(),
            _ => Vec::new(),
        },
        other => vec![other],
    }
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
