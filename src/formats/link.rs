//! Joins the extractions of a repository into its inventory: paths, classes, and variables that other files define.

use std::collections::{BTreeMap, BTreeSet};

use super::class::class;
use super::extraction::{Extraction, FoundSite, FoundValue, Operator, Piece};
use super::site::{Inventory, PathClass, Problem, ProblemCode, Site, Span};
use super::value::Value;
use crate::image::Reference;
use crate::repo::FilePath;

/// The file itself, as a value's origin; every other number is one more than the place in [`Definitions::files`].
const OWN: usize = 0;
/// What says the version of a Helm chart's application.
const CHART: &str = "Chart.yaml";
/// The format whose images serve tests, wherever they stand.
const TESTS: &str = "testcontainers";
/// `A=${B}`, `B=${C}` … in one `.env`.
const MAX_DEPTH: usize = 5;

/// The files of a repository and what was found in each, in any order.
pub fn link<'a>(files: impl IntoIterator<Item = (&'a FilePath, &'a Extraction)>) -> Inventory {
    let files: BTreeMap<&FilePath, &Extraction> = files.into_iter().collect();
    let mut inventory = Inventory::default();
    let folders = Folders::of(&files);
    for (path, extraction) in &files {
        let is_open = |found: &FoundSite| matches!(found.value, FoundValue::Open(_));
        let definitions = match extraction.sites.iter().any(is_open) {
            true => folders.seen_from(path),
            false => Definitions::default(),
        };
        let scope = Scope { path, definitions };
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
    drop_uses(&mut inventory);
    inventory.sites.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
    inventory.problems.sort_by(|a, b| (&a.path, a.line, a.code).cmp(&(&b.path, b.line, b.code)));
    inventory
}

/// Drops the uses of what another file defines and reports as a reference of its own: one site is enough.
fn drop_uses(inventory: &mut Inventory) {
    if inventory.sites.iter().all(|site| site.spans.iter().all(|span| span.path.is_none())) {
        return;
    }
    let own = |site: &Site| {
        site.spans.iter().all(|span| span.path.is_none()).then(|| site.spans.first().map(|one| one.start))
    };
    let defined: BTreeSet<(FilePath, usize)> =
        inventory.sites.iter().filter_map(|site| Some((site.path.clone(), own(site)??))).collect();
    inventory.sites.retain(|site| {
        let [span] = site.spans.as_slice() else { return true };
        span.path.as_ref().is_none_or(|path| !defined.contains(&(path.clone(), span.start)))
    });
}

/// The files that define names, by their folder.
struct Folders<'a>(BTreeMap<&'a str, Vec<(&'a FilePath, &'a Extraction)>>);

impl<'a> Folders<'a> {
    fn of(files: &BTreeMap<&'a FilePath, &'a Extraction>) -> Self {
        let mut folders: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (path, extraction) in files.iter().filter(|(_, extraction)| !extraction.definitions.is_empty()) {
            folders.entry(path.folder()).or_default().push((*path, *extraction));
        }
        Self(folders)
    }

    /// The names that a file may use: those of its folder, and those of a chart one folder up.
    fn seen_from(&self, path: &FilePath) -> Definitions<'a> {
        let folder = path.folder();
        let above = folder.rsplit_once('/').map(|(above, _)| above).or((!folder.is_empty()).then_some(""));
        let above = above.and_then(|above| self.0.get(above)).into_iter().flatten();
        let beside = self.0.get(folder).into_iter().flatten();
        let mut defining: Vec<_> = above.filter(|(path, _)| path.file_name() == CHART).chain(beside).collect();
        // Files that are no module, such as Packer's, may each define a name: a file's own comes first.
        defining.sort_by_key(|(other, _)| (precedence(other), *other == path));
        let mut definitions = Definitions::default();
        for (path, extraction) in defining {
            definitions.add(path, extraction);
        }
        definitions
    }
}

/// Terraform's: defaults of variables, `terraform.tfvars`, `*.auto.tfvars`.
fn precedence(path: &FilePath) -> u8 {
    let name = path.file_name();
    u8::from(name.ends_with(".tfvars")) + u8::from(name.ends_with(".auto.tfvars"))
}

/// Names and their values, and the files that define them.
#[derive(Default)]
struct Definitions<'a> {
    files: Vec<&'a FilePath>,
    values: BTreeMap<&'a str, Defined>,
}

/// A value and the origin of its file.
struct Defined {
    value: Value,
    origin: usize,
}

impl<'a> Definitions<'a> {
    /// Of a name defined twice, the last definition counts.
    fn add(&mut self, path: &'a FilePath, extraction: &'a Extraction) {
        self.files.push(path);
        let origin = self.files.len();
        for one in &extraction.definitions {
            self.values.insert(&one.name, Defined { value: Value::of(&one.value, origin), origin });
        }
    }

    fn file(&self, origin: usize) -> Option<&'a FilePath> {
        self.files.get(origin.checked_sub(1)?).copied()
    }
}

/// What one file's variables may mean.
struct Scope<'a> {
    path: &'a FilePath,
    definitions: Definitions<'a>,
}

/// A reference that is resolved, and what an update needs to know of it.
struct Resolved {
    reference: Reference,
    spans: Vec<Span>,
    defined_in: Vec<FilePath>,
}

/// The name that has no value.
struct Unknown(String);

/// Whether a reference names its image, so that someone would expect an update.
fn begins_with_text(pieces: &[Piece]) -> bool {
    matches!(pieces.first(), Some(Piece::Literal(_)))
}

impl Scope<'_> {
    /// The site; `Err(None)` where nothing is named there.
    fn site(&self, found: &FoundSite) -> Result<Site, Option<Problem>> {
        let Resolved { reference, spans, defined_in } = match &found.value {
            FoundValue::Resolved { reference, spans } => {
                let own =
                    |span: &super::FoundSpan| Span { part: span.part, start: span.start, end: span.end, path: None };
                let spans = spans.iter().map(own).collect();
                Resolved { reference: reference.clone(), spans, defined_in: Vec::new() }
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
            class: if found.format == TESTS { PathClass::Test } else { class(self.path) },
            allow: found.allow.clone(),
            comment: found.comment.clone(),
            confidence: found.confidence,
            holds: found.holds,
            platform: found.platform.clone(),
            defined_in,
        })
    }

    fn resolve(&self, found: &FoundSite, pieces: &[Piece]) -> Result<Resolved, Option<Problem>> {
        let problem = |code, message| Some(Problem { path: self.path.clone(), line: found.line, code, message });
        let mut origins = BTreeSet::new();
        let value = self.value(pieces, &mut origins, 0).map_err(|unknown| {
            let Unknown(name) = unknown;
            let advice = match name.strip_prefix('.') {
                // Which chart it is that another file installs is not known; a module's caller gives what has no default.
                Some(_) if name.starts_with(".Chart") || !begins_with_text(pieces) => return None,
                Some(name) => format!("{name} has no text as its default in this folder; give it one"),
                None => format!(
                    "{name} has no value here; set it in a .env beside this file, or give it a default: ${{{name}:-…}}"
                ),
            };
            let message = format!("the image {:?} cannot be told: {advice}", found.written);
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
            path: self.definitions.file(span.file).filter(|file| *file != self.path).cloned(),
        });
        let spans = spans.collect();
        let others = origins.into_iter().filter_map(|origin| self.definitions.file(origin));
        let defined_in = others.filter(|file| *file != self.path).cloned().collect();
        Ok(Resolved { reference, spans, defined_in })
    }

    /// The joined value; `origins` gets the files that it reads.
    fn value(&self, pieces: &[Piece], origins: &mut BTreeSet<usize>, depth: usize) -> Result<Value, Unknown> {
        let mut value = Value::default();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => value.append(&Value::of(text, OWN)),
                Piece::Joint(text) => value.append(&Value::computed(text)),
                Piece::Variable { name, operator, word } => {
                    value.append(&self.variable(name, *operator, word, (origins, depth))?);
                }
            }
        }
        Ok(value)
    }

    fn variable(
        &self,
        name: &str,
        operator: Option<Operator>,
        word: &[Piece],
        (origins, depth): (&mut BTreeSet<usize>, usize),
    ) -> Result<Value, Unknown> {
        let unknown = || Unknown(name.to_owned());
        if depth > MAX_DEPTH {
            return Err(unknown());
        }
        let known = self.definitions.values.get(name);
        origins.extend(known.map(|known| known.origin));
        let known = known.map(|known| &known.value);
        let is_filled = known.is_some_and(|known| !known.is_empty());
        let uses_word = match operator {
            None | Some(Operator::Required) => return known.cloned().ok_or_else(unknown),
            Some(Operator::DefaultIfEmpty) => !is_filled,
            Some(Operator::DefaultIfUnset) => known.is_none(),
            Some(Operator::AlternativeIfFilled) => is_filled,
            Some(Operator::AlternativeIfSet) => known.is_some(),
        };
        match operator {
            _ if uses_word => self.value(word, origins, depth + 1),
            Some(Operator::AlternativeIfFilled | Operator::AlternativeIfSet) => Ok(Value::default()),
            _ => Ok(known.cloned().unwrap_or_default()),
        }
    }
}
