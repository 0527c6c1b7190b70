//! What the YAML formats share: a site from a scalar, its direction and the version in its comment.

use std::collections::BTreeSet;

use super::direction::{Direction, Lines};
use super::extraction::{Extraction, FoundProblem, FoundSite, FoundValue, Piece, TextSpan};
use super::position::Positions;
use super::site::ProblemCode;
use super::value::{Value, found_spans};
use super::yaml::{Document, NodeId, Parsed, Scalar, parse};
use crate::image::Reference;

/// More references than this in one file are not read.
const MAX_SITES: usize = 5000;

/// Collects the sites of one file.
pub(super) struct Collector<'a> {
    pub(super) text: &'a str,
    pub(super) format: &'static str,
    pub(super) positions: Positions,
    directions: Lines<'a>,
    seen: BTreeSet<usize>,
    pub(super) found: Extraction,
}

impl<'a> Collector<'a> {
    pub(super) fn new(text: &'a str, format: &'static str) -> Self {
        let positions = Positions::new(text);
        let directions = Lines::new(text);
        Self { text, format, positions, directions, seen: BTreeSet::new(), found: Extraction::default() }
    }

    /// Reads the text; what is no YAML is a problem unless a template engine makes it one.
    pub(super) fn documents(&mut self) -> Vec<Document> {
        let Parsed { documents, errors, too_large } = parse(self.text, &self.positions);
        if too_large {
            self.problem_at(1, ProblemCode::TooLarge, "the YAML is deeper or larger than is read".to_owned());
        }
        if !errors.is_empty() && super::template::is_template(self.text) {
            for span in super::template::image_lines(self.text) {
                let place = span.start;
                if let Ok(reference) = Reference::parse(&span.text)
                    && self.seen.insert(place)
                {
                    self.resolved(place, span.text.clone(), &reference, &Value::of(&span, 0));
                }
            }
            return Vec::new();
        }
        for (line, reason) in errors {
            self.problem_at(line, ProblemCode::YamlSyntax, format!("this document is no YAML: {reason}"));
        }
        documents
    }

    pub(super) fn problem(&mut self, offset: usize, code: ProblemCode, message: String) {
        self.problem_at(self.positions.line(offset), code, message);
    }

    fn problem_at(&mut self, line: u32, code: ProblemCode, message: String) {
        if self.found.problems.len() < MAX_SITES {
            self.found.problems.push(FoundProblem { line, code, message });
        }
    }

    /// The scalar at a node, where it was not yet reported; an anchor is reported once, at its first use.
    pub(super) fn first_use<'d>(&mut self, document: &'d Document, id: NodeId) -> Option<&'d Scalar> {
        let scalar = document.scalar(id)?;
        let place = document.node(document.resolved(id)).offset;
        self.seen.insert(place).then_some(scalar)
    }

    /// A literal reference that must be one: otherwise it is a problem.
    pub(super) fn expect(&mut self, document: &Document, id: NodeId) {
        let Some(scalar) = self.first_use(document, id) else { return };
        let offset = self.place(document, id, scalar);
        // YAML's null is no image called null.
        if matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
            return;
        }
        match Reference::parse(&scalar.text) {
            Ok(reference) => self.resolved(offset, scalar.text.clone(), &reference, &value_of(scalar)),
            Err(error) => {
                let shown: String = scalar.text.chars().take(200).collect();
                self.problem(offset, ProblemCode::InvalidReference, format!("{shown:?} names no image: {error}"));
            }
        }
    }

    /// Where a site is used: the scalar's own first byte, or the alias.
    pub(super) fn place(&self, document: &Document, id: NodeId, scalar: &Scalar) -> usize {
        let here = document.resolved(id) == id;
        scalar.start.filter(|_| here).unwrap_or(document.node(id).offset)
    }

    /// A reference whose text is all in this file.
    pub(super) fn resolved(&mut self, offset: usize, written: String, reference: &Reference, value: &Value) {
        let spans = found_spans(value, reference);
        self.add(offset, written, FoundValue::Resolved { reference: reference.clone(), spans });
    }

    /// A reference with variables.
    pub(super) fn open(&mut self, offset: usize, written: String, pieces: Vec<Piece>) {
        self.add(offset, written, FoundValue::Open(pieces));
    }

    pub(super) fn add(&mut self, offset: usize, written: String, value: FoundValue) {
        let line = self.positions.line(offset);
        let allow = match self.directions.direction(line) {
            Some(Direction::Ignore) => return,
            Some(Direction::Allow(kinds)) => Some(kinds),
            None => None,
        };
        if self.found.sites.len() >= MAX_SITES {
            return;
        }
        let column = self.positions.column(offset);
        let comment = self.comment(offset, &written);
        let format = self.format.to_owned();
        self.found.sites.push(FoundSite { line, column, format, written, value, allow, comment });
    }

    /// The version in the comment at the end of the line, where it is the tag's own text.
    fn comment(&self, offset: usize, written: &str) -> Option<TextSpan> {
        let line_end = self.text[offset..].find('\n').map_or(self.text.len(), |end| offset + end);
        let rest = &self.text[offset..line_end];
        let begin = offset + rest.find(" #")? + 2;
        let tag = Reference::parse(written).ok()?.tag()?.to_string();
        let bare = tag.strip_prefix('v').unwrap_or(&tag);
        let mut at = begin;
        for word in self.text[begin..line_end].split_inclusive(char::is_whitespace) {
            let text = word.trim();
            if text == tag || text == bare || text.strip_prefix('v') == Some(bare) {
                return Some(TextSpan { start: at, end: at + text.len(), text: text.to_owned() });
            }
            at += word.len();
        }
        None
    }
}

/// A scalar's text with its bytes; without them where quotes or folds changed them.
pub(super) fn value_of(scalar: &Scalar) -> Value {
    match scalar.start {
        Some(start) => Value::at(&scalar.text, 0, start),
        None => Value::computed(&scalar.text),
    }
}
