//! Variables of scripts: every value that a file gives a name, since branches choose among them.
//!
//! ```text
//! variable := "$" NAME | "${" NAME [operator word] "}" | "$(" NAME ")" | "$env:" NAME | "%" NAME "%" | "{{" ["."] NAME "}}"
//! operator := ":-" | "-" | ":=" | "=" | ":?" | "?" | "[@]" | "[*]"
//! ```

use std::collections::BTreeMap;

use crate::formats::value::Value;

/// Values that one word may have; more are not told.
const MAX_VALUES: usize = 16;
/// A word of more pieces than this is not told.
const MAX_PIECES: usize = 32;
/// A longer value is no reference and no list of flags.
const MAX_LENGTH: usize = 2048;
/// Names that are given values in one file.
const MAX_NAMES: usize = 5000;
/// Variables within values and defaults.
const MAX_DEPTH: usize = 8;

/// The names of one file with all the values they are given.
#[derive(Debug, Default)]
pub(super) struct Variables {
    written: BTreeMap<String, Vec<Value>>,
    known: BTreeMap<String, Vec<Value>>,
}

/// A piece of a word.
enum Piece {
    Text(Value),
    Variable {
        name: String,
        default: Option<Value>,
    },
    /// Something that this file does not tell.
    Unknown,
}

impl Variables {
    /// Notes a value, with its own variables still in it.
    pub(super) fn define(&mut self, name: &str, value: Value) {
        if value.text().len() > MAX_LENGTH || self.written.len() >= MAX_NAMES {
            return;
        }
        let values = self.written.entry(name.to_owned()).or_default();
        if values.len() < MAX_VALUES {
            values.push(value);
        }
    }

    /// What a word may be; nothing where that cannot be told.
    pub(super) fn expand(&mut self, word: &Value) -> Vec<Value> {
        self.expand_at(word, 0)
    }

    /// The first value given to the variable that a word is, as it is written.
    pub(super) fn held(&self, word: &str) -> Option<&Value> {
        let found = variable(word).filter(|found| found.length == word.len())?;
        self.written.get(found.name)?.first()
    }

    fn expand_at(&mut self, word: &Value, depth: usize) -> Vec<Value> {
        if depth > MAX_DEPTH || word.text().len() > MAX_LENGTH {
            return Vec::new();
        }
        let pieces = pieces(word);
        if pieces.len() > MAX_PIECES {
            return Vec::new();
        }
        let mut values = vec![Value::default()];
        for piece in pieces {
            let choices = match piece {
                Piece::Text(text) => vec![text],
                Piece::Variable { name, default } => self.variable(&name, default.as_ref(), depth),
                Piece::Unknown => Vec::new(),
            };
            values = joined(&values, &choices);
        }
        values
    }

    fn variable(&mut self, name: &str, default: Option<&Value>, depth: usize) -> Vec<Value> {
        let mut values = self.lookup(name, depth);
        if let Some(default) = default {
            values.retain(|value| !value.is_empty());
            if values.is_empty() {
                return self.expand_at(default, depth + 1);
            }
        }
        values
    }

    fn lookup(&mut self, name: &str, depth: usize) -> Vec<Value> {
        if let Some(values) = self.known.get(name) {
            return values.clone();
        }
        let Some(written) = self.written.get(name).cloned() else { return Vec::new() };
        // A name within its own value has none yet.
        self.known.insert(name.to_owned(), Vec::new());
        let mut values: Vec<Value> = Vec::new();
        for value in written.iter().flat_map(|value| self.expand_at(value, depth + 1)) {
            if values.len() < MAX_VALUES && !values.contains(&value) {
                values.push(value);
            }
        }
        self.known.insert(name.to_owned(), values.clone());
        values
    }
}

/// Each value with each choice behind it.
fn joined(values: &[Value], choices: &[Value]) -> Vec<Value> {
    let pairs = values.iter().flat_map(|value| choices.iter().map(move |choice| (value, choice)));
    let fits = pairs.filter(|(value, choice)| value.text().len() + choice.text().len() <= MAX_LENGTH);
    let each = fits.take(MAX_VALUES).map(|(value, choice)| {
        let mut value = value.clone();
        value.append(choice);
        value
    });
    each.collect()
}

fn pieces(word: &Value) -> Vec<Piece> {
    let text = word.text();
    let (mut pieces, mut index) = (Vec::new(), 0);
    while index < text.len() {
        let rest = &text[index..];
        let plain = sign(rest).unwrap_or(rest.len());
        if plain > 0 {
            pieces.push(Piece::Text(word.slice(index, index + plain)));
            index += plain;
            continue;
        }
        let Some(found) = variable(rest) else {
            pieces.push(Piece::Unknown);
            return pieces;
        };
        let default = found.default.map(|(start, end)| word.slice(index + start, index + end));
        pieces.push(Piece::Variable { name: found.name.to_owned(), default });
        index += found.length;
    }
    pieces
}

/// Whether a word is one variable and nothing else.
pub(super) fn is_variable(text: &str) -> bool {
    variable(text).is_some_and(|found| found.length == text.len())
}

/// Where a variable begins.
fn sign(text: &str) -> Option<usize> {
    [text.find('$'), text.find('%'), text.find("{{")].into_iter().flatten().min()
}

struct Found<'a> {
    name: &'a str,
    default: Option<(usize, usize)>,
    length: usize,
}

/// The variable that a text begins with.
fn variable(text: &str) -> Option<Found<'_>> {
    sign(text).filter(|at| *at == 0)?;
    let plain = |name, length| Some(Found { name, default: None, length });
    if let Some(inside) = text.strip_prefix("{{") {
        let end = inside.find("}}")?;
        let name = inside[..end].trim();
        let name = name.strip_prefix('.').unwrap_or(name);
        return plain(name, end + 4).filter(|_| name_length(name) == name.len());
    }
    if let Some(inside) = text.strip_prefix('%') {
        let length = name_length(inside);
        return plain(&inside[..length], length + 2).filter(|_| length > 0 && inside[length..].starts_with('%'));
    }
    // `$$NAME` is how make writes a variable of the shell's.
    let signs = if text.starts_with("$$") { 2 } else { 1 };
    let inside = text.get(signs..)?;
    if let Some(name) = inside.strip_prefix('(') {
        let length = name.find(')')?;
        return plain(&name[..length], signs + length + 2);
    }
    if inside.starts_with('{') {
        return braced(text, signs + 1);
    }
    let skip = if inside.starts_with("env:") { 4 } else { 0 };
    let length = name_length(&inside[skip..]);
    plain(&inside[skip..skip + length], signs + skip + length).filter(|_| length > 0)
}

/// `NAME}`, or with an operator, from `begin` on.
fn braced(text: &str, begin: usize) -> Option<Found<'_>> {
    let inside = &text[begin..];
    let length = closing(inside)?;
    let skip = if inside.starts_with("env:") { 4 } else { 0 };
    let name = name_length(inside.get(skip..length)?);
    let operator = &inside[skip + name..length];
    let sign = [":-", ":=", "-", "="].into_iter().find(|sign| operator.starts_with(sign));
    let known = sign.is_some() || matches!(operator, "" | "[@]" | "[*]") || operator.starts_with([':', '?']);
    let cut = operator.starts_with(':') && sign.is_none() && !operator.starts_with(":?");
    let default = sign.map(|sign| (begin + skip + name + sign.len(), begin + length));
    (name > 0 && known && !cut).then(|| Found { name: &inside[skip..skip + name], default, length: begin + length + 1 })
}

pub(super) fn closing(inside: &str) -> Option<usize> {
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

/// The length of the name that a text begins with; a number is one.
pub(super) fn name_length(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(definitions: &[(&str, &str)], word: &str, expected: &[&str]) {
        let mut variables = Variables::default();
        for (name, value) in definitions {
            variables.define(name, Value::at(value, 0, 100));
        }
        let values = variables.expand(&Value::at(word, 0, 0));
        assert_eq!(values.iter().map(Value::text).collect::<Vec<_>>(), expected, "{word}");
    }

    #[test]
    fn every_form() {
        let known = [("A", "x"), ("T", "1"), ("T", "2"), ("R", "${R:-y:3}"), ("L", "$L")];
        check(&known, "$A:${T}-a", &["x:1-a", "x:2-a"]);
        check(&known, "$(A)%A%{{A}}{{ .A }}$$A$${A}$env:A${env:A}${A[@]}", &["xxxxxxxxx"]);
        check(&known, "${R}", &["y:3"]);
        check(&known, "${1:-$A:${N:-4}}", &["x:4"]);
        check(&known, "${A:?no}", &["x"]);
        for unknown in ["$L", "$N", "$", "${A%.*}", "${A:1:2}", "%A", "%", "${A", "{{A", "{{A | b}}", "$()", "a$1"] {
            check(&known, unknown, &[]);
        }
    }

    #[test]
    fn hostile_values_are_bounded() {
        let names: Vec<String> = (0..200).map(|index| format!("N{index}")).collect();
        let mut variables = Variables::default();
        for (index, name) in names.iter().enumerate() {
            for _ in 0..4 {
                let next = format!("$N{}a$N{}", index + 1, index + 2);
                variables.define(name, Value::at(&next, 0, 0));
            }
        }
        assert!(variables.expand(&Value::at("$N0", 0, 0)).is_empty());
        check(&[], &"${A:-".repeat(400), &[]);
    }
}
