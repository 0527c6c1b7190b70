//! The functions that a template may use where a text stands, as far as an image is told by them.
//!
//! ```yaml
//! !Ref Name                        {Ref: Name}
//! !Sub "text ${Name} ${A.B}"       {"Fn::Sub": ["text ${X}", {X: !Ref Name}]}
//! !Join [":", [one, !Ref Name]]    {"Fn::Join": [":", [one, two]]}
//! ```

use std::collections::BTreeMap;

use crate::formats::substitution::{Token, tokens};
use crate::formats::value::Value;
use crate::formats::yaml::{Document, NodeId, Scalar};
use crate::formats::yaml_sites::{is_filled, value_of};

/// More texts in one image are not read.
const MAX_TEXTS: usize = 50;
/// A longer text is no reference.
const MAX_LENGTH: usize = 1024;

/// Why a text has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gap {
    /// The platform fills it in.
    Silent,
    /// This parameter has no default.
    Parameter(String),
}

/// The parameters of a template.
#[derive(Debug, Default)]
pub(super) struct Parameters<'d>(BTreeMap<&'d str, Parameter<'d>>);

#[derive(Debug, Clone, Copy)]
enum Parameter<'d> {
    Default(&'d Scalar),
    Absent,
    /// Its value stands in the parameter store, or is empty on purpose.
    Elsewhere,
}

impl<'d> Parameters<'d> {
    /// Those that a template declares.
    pub(super) fn of(document: &'d Document, root: NodeId) -> Self {
        let entries = document.get(root, "Parameters").map_or(&[][..], |map| document.entries(map));
        let named = entries.iter().filter_map(|(key, value)| Some((document.text(*key)?, parameter(document, *value))));
        Self(named.collect())
    }

    /// The text at a node, every byte with its place.
    pub(super) fn value(&self, document: &'d Document, id: NodeId) -> Result<Value, Gap> {
        Resolver { parameters: self, document, left: MAX_TEXTS }.text(id, None)
    }

    fn named(&self, name: &str) -> Result<Value, Gap> {
        match self.0.get(name) {
            Some(Parameter::Default(scalar)) => read(scalar),
            Some(Parameter::Absent) => Err(Gap::Parameter(name.to_owned())),
            // A resource, a pseudo parameter (`AWS::Region`) or the variable of a loop.
            Some(Parameter::Elsewhere) | None => Err(Gap::Silent),
        }
    }
}

fn parameter(document: &Document, id: NodeId) -> Parameter<'_> {
    let kind = document.get(id, "Type").and_then(|kind| document.text(kind)).unwrap_or("");
    match document.get(id, "Default").map(|default| document.scalar(default)) {
        _ if kind.starts_with("AWS::SSM::") => Parameter::Elsewhere,
        None => Parameter::Absent,
        Some(Some(scalar)) if is_filled(&scalar.text) => Parameter::Default(scalar),
        Some(_) => Parameter::Elsewhere,
    }
}

/// The function that stands at a node, by its name without `Fn::`, and its argument.
pub(super) fn call(document: &Document, id: NodeId) -> Option<(&str, NodeId)> {
    if let Some(name) = document.tag(id) {
        return Some((name, id));
    }
    let [(key, value)] = document.entries(id) else { return None };
    let key = document.text(*key)?;
    let name = key.strip_prefix("Fn::").or_else(|| (key == "Ref").then_some(key))?;
    Some((name, *value))
}

struct Resolver<'p, 'd> {
    parameters: &'p Parameters<'d>,
    document: &'d Document,
    left: usize,
}

impl Resolver<'_, '_> {
    /// The text at a node; `names` is the map of a `Sub` around it.
    fn text(&mut self, id: NodeId, names: Option<NodeId>) -> Result<Value, Gap> {
        self.left = self.left.checked_sub(1).ok_or(Gap::Silent)?;
        let Some((function, argument)) = call(self.document, id) else {
            return read(self.document.scalar(id).ok_or(Gap::Silent)?);
        };
        match (function, self.document.items(argument)) {
            ("Ref", []) => self.name(self.document.text(argument).unwrap_or(""), names),
            ("Sub", []) => self.substituted(argument, None),
            ("Sub", [template]) => self.substituted(*template, None),
            ("Sub", [template, map]) => self.substituted(*template, Some(*map)),
            ("Join", [delimiter, list]) => self.joined(*delimiter, *list),
            _ => Err(Gap::Silent),
        }
    }

    fn name(&mut self, name: &str, names: Option<NodeId>) -> Result<Value, Gap> {
        match names.and_then(|map| self.document.get(map, name)) {
            Some(own) => self.text(own, None),
            None => self.parameters.named(name),
        }
    }

    fn substituted(&mut self, template: NodeId, names: Option<NodeId>) -> Result<Value, Gap> {
        let value = read(self.document.scalar(template).ok_or(Gap::Silent)?)?;
        let text = value.text();
        let mut whole = Ok(Value::default());
        for token in tokens(text) {
            let part = match token {
                Token::Text(range) => Ok(value.slice(range.start, range.end)),
                Token::Name(range) if !text[..range.start].ends_with("${") => Err(Gap::Silent),
                Token::Name(range) => self.name(&text[range], names),
            };
            whole = appended(whole, part);
        }
        whole
    }

    fn joined(&mut self, delimiter: NodeId, list: NodeId) -> Result<Value, Gap> {
        let between = bounded(self.document.text(delimiter).ok_or(Gap::Silent)?)?;
        // What makes a list is another function.
        if call(self.document, list).is_some() {
            return Err(Gap::Silent);
        }
        let mut whole = Ok(Value::default());
        for (index, item) in self.document.items(list).iter().take(MAX_TEXTS).enumerate() {
            if index > 0 {
                whole = appended(whole, Ok(Value::computed(between)));
            }
            whole = appended(whole, self.text(*item, None));
        }
        whole
    }
}

/// Two texts as one. What the platform fills in makes the whole silent, whatever else is missing.
fn appended(before: Result<Value, Gap>, next: Result<Value, Gap>) -> Result<Value, Gap> {
    match (before, next) {
        (Ok(mut before), Ok(next)) => {
            before.append(&next);
            bounded(before.text())?;
            Ok(before)
        }
        (Err(Gap::Silent), _) | (_, Err(Gap::Silent)) => Err(Gap::Silent),
        (Err(gap), _) | (_, Err(gap)) => Err(gap),
    }
}

/// A scalar's text, every byte with its place.
fn read(scalar: &Scalar) -> Result<Value, Gap> {
    bounded(&scalar.text)?;
    Ok(value_of(scalar))
}

/// A text that may be a part of a reference.
fn bounded(text: &str) -> Result<&str, Gap> {
    if text.len() > MAX_LENGTH { Err(Gap::Silent) } else { Ok(text) }
}
