//! Puts the variables that a file defines into the texts that use them: every byte keeps its place, so that an edit
//! goes to the definition.
//!
//! ```text
//! $NAME   ${NAME}   ${NAME:-default}   ${{ NAME }}   $(NAME)   $[NAME]   $[[ NAME ]]
//! ```

use std::ops::Range;

use super::collector::{Collector, is_plain, shown};
use super::extraction::FoundValue;
use super::site::ProblemCode;
use super::value::{Value, found_spans};
use super::yaml::{Document, NodeId, Scalar};
use super::yaml_sites::value_of;
use crate::image::Reference;

/// `A: $B`, `B: $C` …
const MAX_DEPTH: usize = 6;
/// More variables in one image, through other variables too, are not read.
const MAX_VARIABLES: usize = 50;
/// A longer text is no reference.
const MAX_LENGTH: usize = 1024;
/// What opens and closes a name; a longer one stands before those that begin it.
const BRACKETS: [(&str, &str); 5] = [("{{", "}}"), ("{", "}"), ("(", ")"), ("[[", "]]"), ("[", "]")];

/// What a name means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning<'d> {
    /// This text, which may hold names itself.
    Text(&'d Scalar),
    /// Nothing in this file, and nobody expects it to: the platform, a person or a matrix fills it in.
    Elsewhere,
    /// Nothing that is known.
    Unknown,
}

/// A piece of a text, by its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Text(Range<usize>),
    Name(Range<usize>),
}

/// Splits a text at its variables.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
        let behind = dollar + 1;
        match name(&text[behind..]) {
            Some((inside, length)) => {
                found.push(Token::Text(begin..dollar));
                found.push(Token::Name(behind + inside.start..behind + inside.end));
                (begin, at) = (behind + length, behind + length);
            }
            // `$$` is a dollar sign; it names nothing.
            None => at = behind + usize::from(text[behind..].starts_with('$')),
        }
    }
    found.push(Token::Text(begin..text.len()));
    found.retain(|token| !matches!(token, Token::Text(range) if range.is_empty()));
    found
}

/// The name behind a dollar sign, and how long it is with its brackets.
fn name(behind: &str) -> Option<(Range<usize>, usize)> {
    if let Some((open, close)) = BRACKETS.iter().find(|(open, _)| behind.starts_with(open)) {
        let inside = &behind[open.len()..];
        let inside = &inside[..inside.find(close)?];
        let start = open.len() + inside.len() - inside.trim_start().len();
        return Some((start..start + inside.trim().len(), open.len() + inside.len() + close.len()));
    }
    let length = behind.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    (length > 0).then_some((0..length, length))
}

/// The name that is all of a text.
pub(super) fn only_name(text: &str) -> Option<&str> {
    let text = (text.len() <= MAX_LENGTH).then_some(text)?;
    match tokens(text).as_slice() {
        [Token::Name(range)] => Some(&text[range.clone()]),
        _ => None,
    }
}

/// Why a text has no value.
enum Gap {
    /// Nobody expects one here.
    Silent,
    /// This name has none.
    Name(String),
}

/// Replaces names until none is left.
struct Expander<'s, 'd> {
    meaning: &'s dyn Fn(&str) -> Meaning<'d>,
    left: usize,
}

impl Expander<'_, '_> {
    fn expand(&mut self, value: &Value, depth: usize) -> Result<Value, Gap> {
        let text = value.text();
        if text.len() > MAX_LENGTH || depth > MAX_DEPTH {
            return Err(Gap::Name(shown(text)));
        }
        let mut result = Value::default();
        for token in tokens(text) {
            match token {
                Token::Text(range) => result.append(&value.slice(range.start, range.end)),
                Token::Name(range) => result.append(&self.named(value, range, depth)?),
            }
            if result.text().len() > MAX_LENGTH {
                return Err(Gap::Name(shown(text)));
            }
        }
        Ok(result)
    }

    fn named(&mut self, value: &Value, range: Range<usize>, depth: usize) -> Result<Value, Gap> {
        let inside = &value.text()[range.clone()];
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, word)| (name, Some(word)));
        let missing = || Gap::Name(name.to_owned());
        self.left = self.left.checked_sub(1).ok_or_else(missing)?;
        match ((self.meaning)(name), default) {
            (Meaning::Text(scalar), _) => self.expand(&value_of(scalar), depth + 1),
            (_, Some(word)) => self.expand(&value.slice(range.end - word.len(), range.end), depth + 1),
            (Meaning::Elsewhere, None) => Err(Gap::Silent),
            (Meaning::Unknown, None) => Err(missing()),
        }
    }
}

/// A value with its variables replaced, where all of them have one.
pub(super) fn replaced<'d>(value: &Value, meaning: &dyn Fn(&str) -> Meaning<'d>) -> Option<Value> {
    (Expander { meaning, left: MAX_VARIABLES }).expand(value, 0).ok()
}

impl Collector<'_> {
    /// A text that must be a reference once its variables are replaced.
    pub(super) fn expect_with<'d>(&mut self, document: &Document, id: NodeId, meaning: &dyn Fn(&str) -> Meaning<'d>) {
        let Some(scalar) = document.scalar(id) else { return };
        if !scalar.text.contains('$') {
            return self.expect_plain(document, id);
        }
        if let Some(scalar) = self.first_use(document, id) {
            let offset = self.place(document, id, scalar);
            self.substituted(offset, &scalar.text, &value_of(scalar), meaning);
        }
    }

    /// The same for a value at an offset, written as `written`.
    pub(super) fn substituted<'d>(
        &mut self,
        offset: usize,
        written: &str,
        value: &Value,
        meaning: &dyn Fn(&str) -> Meaning<'d>,
    ) {
        match (Expander { meaning, left: MAX_VARIABLES }).expand(value, 0) {
            Ok(value) => self.joined(offset, written, &value),
            Err(Gap::Silent) => {}
            Err(Gap::Name(name)) => {
                let message = format!(
                    "the image {:?} cannot be told: {name:?} has no value in this file; define it here, or say \
                     \"# restow: ignore\" beside the image",
                    shown(written)
                );
                self.problem(offset, ProblemCode::UnresolvedVariable, message);
            }
        }
    }

    /// A value that must be a reference; a direction may also stand where a part of it is defined.
    pub(super) fn joined(&mut self, offset: usize, written: &str, value: &Value) {
        let places: Vec<usize> = [offset].into_iter().chain(value.places()).collect();
        match Reference::parse(value.text()) {
            Ok(reference) => {
                let spans = found_spans(value, &reference);
                self.add_beside(&places, offset, written.to_owned(), FoundValue::Resolved { reference, spans });
            }
            Err(_) if value.is_empty() || !is_plain(value.text()) => {}
            Err(error) => self.invalid(&places, offset, (value.text(), &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = tokens(text).into_iter().map(|token| match token {
            Token::Text(range) => text[range].to_owned(),
            Token::Name(range) => format!("<{}>", &text[range]),
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn names_in_every_kind_of_brackets() {
        check("$A/${B}:$(c.d)-x", &["<A>", "/", "<B>", ":", "<c.d>", "-x"]);
        check("a:${{ variables.x }}$[[ inputs.y ]]", &["a:", "<variables.x>", "<inputs.y>"]);
        check("a$$B ${open $", &["a$$B ${open $"]);
        check("é$Aé", &["é", "<A>", "é"]);
        check("", &[]);
    }
}
