//! What names mean: the defaults of `variable` blocks, the values of `locals`, the entries of both where they are maps.

use hcl_edit::expr::{Expression, TraversalOperator};
use hcl_edit::structure::{Block, Body};

use super::{Hcl, is_text, key_text};
use crate::formats::extraction::{Definition, Piece};
use crate::formats::yaml_sites::names_image;

/// `a = local.b`, `b = local.c` … in one file; maps in maps.
const MAX_DEPTH: usize = 5;
/// More definitions than this in one file are not read.
const MAX_DEFINITIONS: usize = 5000;

/// How a file refers to its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// `var.x` and `local.x`; other files of the folder may define them.
    Folder,
    /// `var.x` and `local.x`; only this file defines them.
    Own,
    /// `x`; only this file defines it.
    Bare,
}

impl<'b> Hcl<'_, 'b> {
    /// Remembers the defaults of `variable` blocks and the values of `locals`; lets other files use those that are plain
    /// text where they may.
    pub(super) fn define(&mut self, body: &'b Body) {
        for block in body.blocks() {
            match (block.ident.as_str(), block.labels.first()) {
                ("variable", Some(name)) => match block.body.get_attribute("default") {
                    Some(default) => self.define_one("var", name.as_str(), &default.value, 0),
                    None => {
                        self.unset.insert(name.as_str().to_owned());
                    }
                },
                ("locals", None) => self.define_all("local", block),
                ("variables", None) => self.define_all("var", block),
                _ => {}
            }
        }
        if self.names == Names::Bare {
            for attribute in body.attributes() {
                self.define_one("", attribute.key.as_str(), &attribute.value, 0);
            }
        }
    }

    fn define_all(&mut self, kind: &str, block: &'b Block) {
        for one in block.body.attributes() {
            self.define_one(kind, one.key.as_str(), &one.value, 0);
        }
    }

    /// A name and, of a map, `name.key`.
    pub(super) fn define_one(&mut self, kind: &str, name: &str, value: &'b Expression, depth: usize) {
        if let Expression::Object(object) = value
            && depth < MAX_DEPTH
        {
            for (key, value) in object.iter() {
                if let Some(key) = key_text(key) {
                    self.define_one(kind, &format!("{name}.{key}"), value.expr(), depth + 1);
                }
            }
            return;
        }
        let shared = (self.names == Names::Folder).then(|| self.plain(value)).flatten();
        match shared {
            Some(value) if self.collector.found.definitions.len() < MAX_DEFINITIONS => {
                self.collector.found.definitions.push(Definition { name: format!(".{kind}.{name}"), value });
            }
            // Values given from elsewhere take the place of a default.
            None if self.names == Names::Folder && kind == "var" => {}
            _ if self.meanings.len() >= MAX_DEFINITIONS => {}
            _ if self.names == Names::Bare => {
                self.meanings.insert(name.to_owned(), value);
            }
            _ => {
                self.meanings.insert(format!("{kind}.{name}"), value);
            }
        }
    }

    /// What a name means: its pieces in this file, or a variable that has no value here; `None` for what is no text.
    pub(super) fn meaning(&self, name: &str, depth: usize) -> Option<Vec<Piece>> {
        if let Some(value) = self.meanings.get(name) {
            return if depth < MAX_DEPTH { self.pieces(value, self.source, depth + 1) } else { None };
        }
        // An attribute of what is computed.
        if name.match_indices('.').any(|(dot, _)| self.meanings.contains_key(&name[..dot])) {
            return None;
        }
        let name = match self.names {
            Names::Folder | Names::Own => format!(".{name}"),
            Names::Bare => self.unset.get(name)?.clone(),
        };
        Some(vec![Piece::Variable { name, operator: None, word: Vec::new() }])
    }

    /// Defaults and values that are named like an image, and that nothing in this file uses.
    pub(super) fn unused(&mut self, body: &Body) {
        for block in body.blocks() {
            match (block.ident.as_str(), block.labels.first(), block.body.get_attribute("default")) {
                ("variable", Some(name), Some(default)) => {
                    self.unused_one(&format!(".var.{}", name.as_str()), name.as_str(), &default.value);
                }
                ("locals", None, _) => {
                    for local in block.body.attributes() {
                        let name = local.key.as_str();
                        self.unused_one(&format!(".local.{name}"), name, &local.value);
                    }
                }
                _ => {}
            }
        }
    }

    /// `path` is how others would name the value, `key` what its name says.
    fn unused_one(&mut self, path: &str, key: &str, value: &Expression) {
        let plural = key.to_ascii_lowercase().ends_with("images");
        match value {
            Expression::Object(object) => {
                for (key, value) in object.iter() {
                    if let Some(key) = key_text(key) {
                        self.unused_one(&format!("{path}.{key}"), if plural { "image" } else { key }, value.expr());
                    }
                }
            }
            Expression::Array(items) => {
                for item in items.iter() {
                    self.unused_one("", if plural { "image" } else { "" }, item);
                }
            }
            _ if names_image(key) && is_text(value) && !self.used.contains(path) => self.perhaps(value),
            _ => {}
        }
    }
}

/// `var.x`, `local.x.y`, `local.x["y"]`; `None` for what other resources say.
pub(super) fn dotted(value: &Expression) -> Option<String> {
    let Expression::Traversal(path) = value else { return None };
    let Expression::Variable(kind) = &path.expr else { return None };
    let mut name = matches!(kind.as_str(), "var" | "local").then(|| kind.as_str().to_owned())?;
    for operator in &path.operators {
        let attribute = match operator.value() {
            TraversalOperator::GetAttr(attribute) => attribute.as_str(),
            TraversalOperator::Index(index) => index.as_str()?,
            _ => return None,
        };
        name.push('.');
        name.push_str(attribute);
    }
    (!path.operators.is_empty()).then_some(name)
}
