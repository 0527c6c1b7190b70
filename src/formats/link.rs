//! Joins the extractions of a repository into its inventory: paths, classes, and variables that a `.env` defines.

use std::collections::BTreeMap;

use super::class::class;
use super::extraction::{Extraction, FoundSite, FoundValue, Operator, Piece};
use super::site::{Inventory, Problem, ProblemCode, Site, Span};
use super::value::Value;
use crate::image::Reference;
use crate::repo::FilePath;

/// The file itself, as a value's origin; every other number is the `.env` beside it.
const OWN: usize = 0;
const DOTENV: usize = 1;
/// `A=${B}`, `B=${C}` … in one `.env`.
const MAX_DEPTH: usize = 5;

/// The files of a repository and what was found in each, in any order.
pub fn link<'a>(files: impl IntoIterator<Item = (&'a FilePath, &'a Extraction)>) -> Inventory {
    let files: BTreeMap<&FilePath, &Extraction> = files.into_iter().collect();
    let mut inventory = Inventory::default();
    for (path, extraction) in &files {
        let beside = FilePath::join(path.folder(), ".env");
        let definitions = beside.as_ref().and_then(|beside| files.get(beside)).map(|one| definitions(one));
        let scope = Scope { path, dotenv: beside.as_ref(), definitions: definitions.unwrap_or_default() };
        for found in &extraction.sites {
            match scope.site(found) {
                Ok(site) => inventory.sites.push(site),
                Err(Some(problem)) => inventory.problems.push(problem),
                Err(None) => {}
            }
        }
        inventory.problems.extend(extraction.problems.iter().map(|found| Problem {
            path: (*path).clone(),
            line: found.line,
            code: found.code,
            message: found.message.clone(),
        }));
    }
    inventory.sites.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
    inventory.problems.sort_by(|a, b| (&a.path, a.line, a.code).cmp(&(&b.path, b.line, b.code)));
    inventory
}

/// Of a name defined twice, the last definition counts.
fn definitions(extraction: &Extraction) -> BTreeMap<&str, Value> {
    extraction.definitions.iter().map(|one| (one.name.as_str(), Value::of(&one.value, DOTENV))).collect()
}

/// What one file's variables may mean.
struct Scope<'a> {
    path: &'a FilePath,
    dotenv: Option<&'a FilePath>,
    definitions: BTreeMap<&'a str, Value>,
}

impl Scope<'_> {
    /// The site; `Err(None)` where nothing is named there.
    fn site(&self, found: &FoundSite) -> Result<Site, Option<Problem>> {
        let (reference, spans) = match &found.value {
            FoundValue::Resolved { reference, spans } => {
                let own =
                    |span: &super::FoundSpan| Span { part: span.part, start: span.start, end: span.end, path: None };
                (reference.clone(), spans.iter().map(own).collect())
            }
            FoundValue::Open(pieces) => self.resolve(found, pieces)?,
        };
        Ok(Site {
            path: self.path.clone(),
            line: found.line,
            column: found.column,
            format: found.format.clone(),
            spans,
            written: found.written.clone(),
            reference,
            class: class(self.path),
            allow: found.allow.clone(),
            comment: found.comment.clone(),
            confidence: found.confidence,
        })
    }

    fn resolve(&self, found: &FoundSite, pieces: &[Piece]) -> Result<(Reference, Vec<Span>), Option<Problem>> {
        let problem = |code, message| Some(Problem { path: self.path.clone(), line: found.line, code, message });
        let value = self.value(pieces, 0).map_err(|name| {
            let written = &found.written;
            let message = format!(
                "the image {written:?} cannot be told: {name} has no value here; set it in a .env beside this file, \
                 or give it a default: ${{{name}:-…}}"
            );
            problem(ProblemCode::UnresolvedVariable, message)
        })?;
        if value.is_empty() {
            return Err(None);
        }
        let reference = Reference::parse(value.text()).map_err(|error| {
            let shown: String = value.text().chars().take(200).collect();
            problem(ProblemCode::InvalidReference, format!("{shown:?} names no image: {error}"))
        })?;
        let spans = value.part_spans(&reference).into_iter().map(|span| Span {
            part: span.part,
            start: span.start,
            end: span.end,
            path: if span.file == OWN { None } else { self.dotenv.cloned() },
        });
        let spans = spans.collect();
        Ok((reference, spans))
    }

    /// The joined value, or the name that has none.
    fn value(&self, pieces: &[Piece], depth: usize) -> Result<Value, String> {
        let mut value = Value::default();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => value.append(&Value::of(text, OWN)),
                Piece::Variable { name, operator, word } => {
                    if depth > MAX_DEPTH {
                        return Err(name.clone());
                    }
                    let known = self.definitions.get(name.as_str());
                    let filled = known.filter(|known| !known.is_empty());
                    let other = || self.value(word, depth + 1);
                    match operator {
                        None | Some(Operator::Required) => {
                            value.append(known.ok_or_else(|| name.clone())?);
                        }
                        Some(Operator::DefaultIfEmpty) => match filled {
                            Some(filled) => value.append(filled),
                            None => value.append(&other()?),
                        },
                        Some(Operator::DefaultIfUnset) => match known {
                            Some(known) => value.append(known),
                            None => value.append(&other()?),
                        },
                        Some(Operator::AlternativeIfFilled) if filled.is_some() => value.append(&other()?),
                        Some(Operator::AlternativeIfSet) if known.is_some() => value.append(&other()?),
                        Some(Operator::AlternativeIfFilled | Operator::AlternativeIfSet) => {}
                    }
                }
            }
        }
        Ok(value)
    }
}
