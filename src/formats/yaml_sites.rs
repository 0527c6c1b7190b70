//! What the YAML formats share: a site from a scalar, from a map of parts, from a text with variables.

use std::ops::Range;

use super::collector::{Collector, PartText, Parts, image_like, is_plain, versioned};
use super::extraction::{Confidence, TextSpan};
use super::site::ProblemCode;
use super::value::Value;
use super::yaml::{Document, Kind, NodeId, Parsed, Scalar, parse, parse_within};
use crate::image::Reference;

impl Collector<'_> {
    /// Reads the text; what is no YAML is a problem unless a template engine makes it one.
    pub(super) fn documents(&mut self) -> Vec<Document> {
        self.documents_where(|_| true)
    }

    /// The same; documents whose text is not wanted are left out.
    pub(super) fn documents_where(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<Document> {
        self.read_documents(wanted, super::template::is_template)
    }

    /// The same where the format's own expressions look like a template's: `is_template` tells them apart.
    pub(super) fn documents_unless(&mut self, is_template: fn(&str) -> bool) -> Vec<Document> {
        self.read_documents(|_| true, is_template)
    }

    fn read_documents(&mut self, wanted: impl Fn(&str) -> bool, is_template: fn(&str) -> bool) -> Vec<Document> {
        let Parsed { documents, errors, too_large } = parse(self.text, &self.positions, wanted);
        if too_large {
            self.problem_at(1, ProblemCode::TooLarge, "the YAML is deeper or larger than is read".to_owned());
        }
        if !errors.is_empty() && is_template(self.text) {
            self.scan_template();
            return Vec::new();
        }
        for (line, reason) in errors {
            self.problem_at(line, ProblemCode::YamlSyntax, format!("this document is no YAML: {reason}"));
        }
        documents
    }

    /// The same for a file whose paths say what it is: what only a template engine makes YAML is read as far as it
    /// goes, its actions masked.
    pub(super) fn documents_of_template(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<Document> {
        if !super::template::is_template(self.text) || parse(self.text, &self.positions, &wanted).errors.is_empty() {
            return self.documents_where(wanted);
        }
        self.confidence = Confidence::Scanned;
        parse(&super::template::masked(self.text), &self.positions, wanted).documents
    }

    /// The YAML in a block scalar.
    pub(super) fn documents_within(&self, document: &Document, id: NodeId) -> Vec<Document> {
        let block = document.scalar(id).and_then(|scalar| scalar.block.as_ref());
        let Some(Range { start, end }) = block.map(|block| block.range.clone()) else { return Vec::new() };
        // The indentation of the first line belongs to the YAML as that of the others does.
        let line = self.text.get(..start).map_or(start, |before| before.trim_end_matches(' ').len());
        parse_within(self.text, line..end)
    }

    /// The literal references of a file that only a template engine makes YAML.
    fn scan_template(&mut self) {
        for TextSpan { start, text, .. } in super::template::image_lines(self.text) {
            if Reference::parse(&text).is_ok() {
                self.scanned(|collector| collector.literal(start, &text));
            }
        }
    }

    /// The scalar at a node, where it was not yet reported; an anchor is reported once, at its first use.
    pub(super) fn first_use<'d>(&mut self, document: &'d Document, id: NodeId) -> Option<&'d Scalar> {
        let scalar = document.scalar(id)?;
        let place = document.node(document.resolved(id)).offset;
        self.first_at(place).then_some(scalar)
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
            Err(error) => self.invalid(&[offset], offset, (&scalar.text, &error)),
        }
    }

    /// A literal reference that must be one, unless something else fills it in.
    pub(super) fn expect_plain(&mut self, document: &Document, id: NodeId) {
        if document.text(id).is_some_and(is_plain) {
            self.expect(document, id);
        }
    }

    /// A text that is reported where it can only be an image.
    pub(super) fn perhaps(&mut self, document: &Document, id: NodeId) {
        let Some(text) = document.text(id) else { return };
        if image_like(text)
            && let Ok(reference) = Reference::parse(text)
            && let Some(scalar) = self.first_use(document, id)
        {
            let offset = self.place(document, id, scalar);
            self.resolved(offset, scalar.text.clone(), &reference, &value_of(scalar));
        }
    }

    /// What a variable or an input is given: an image where its name says so and it has a version.
    pub(super) fn perhaps_named(&mut self, document: &Document, key: &str, id: NodeId) {
        let is_image = |text: &str| is_plain(text) && versioned(text);
        if names_image(key) && document.text(id).is_some_and(is_image) {
            self.perhaps(document, id);
        }
    }

    /// The same for a variable, for what the steps run: one for `latest` is most often what is built here.
    pub(super) fn perhaps_variable(&mut self, document: &Document, key: &str, id: NodeId) {
        if !document.text(id).is_some_and(|text| text.ends_with(":latest")) {
            self.perhaps_named(document, key, id);
        }
    }

    /// A text behind a prefix that says that it names an image, such as `docker://`: an image for certain.
    pub(super) fn perhaps_behind(&mut self, document: &Document, id: NodeId, prefix: &str) {
        let Some(scalar) = document.scalar(id) else { return };
        let Some(image) = scalar.text.strip_prefix(prefix).filter(|image| is_plain(image)) else { return };
        if let Ok(reference) = Reference::parse(image)
            && let Some(scalar) = self.first_use(document, id)
        {
            let value = value_of(scalar).slice(prefix.len(), scalar.text.len());
            let offset = value.origin(0).map_or(document.node(id).offset, |(_, offset)| offset);
            self.resolved(offset, image.to_owned(), &reference, &value);
        }
    }

    /// `{registry, repository, tag, digest}` under the keys given: one site with several spans.
    pub(super) fn parts_of(&mut self, document: &Document, id: NodeId, keys: &PartKeys<'_>) {
        let part = |names: &[&str]| {
            let found = names.iter().find_map(|name| document.get(id, name))?;
            let scalar = document.scalar(found).filter(|scalar| is_filled(&scalar.text))?;
            Some(PartText { text: &scalar.text, start: scalar.start })
        };
        let parts = Parts {
            registry: part(keys.registry),
            repository: part(keys.repository),
            tag: part(keys.tag),
            digest: part(keys.digest),
        };
        let Some(repository) = parts.repository else { return };
        self.parts(repository.start.unwrap_or(document.node(id).offset), &parts);
    }

    /// The collection that an alias stands for, once: many aliases of a large one cost no more than one. Other nodes
    /// are themselves.
    pub(super) fn opened(&mut self, document: &Document, id: NodeId) -> NodeId {
        let target = document.resolved(id);
        let collection = target != id && document.scalar(target).is_none();
        if collection && self.first_at(document.node(target).offset) { target } else { id }
    }

    /// The value of a key of a mapping, through an alias, or of what it merges.
    pub(super) fn field(&mut self, document: &Document, id: NodeId, key: &str) -> Option<NodeId> {
        let id = self.opened(document, id);
        let merged = |collector: &mut Self| {
            let merged = document.get(id, "<<")?;
            let merged = collector.opened(document, merged);
            document.get(merged, key)
        };
        document.get(id, key).or_else(|| merged(self))
    }

    /// Where a site is used: the scalar's own first byte, or the alias.
    pub(super) fn place(&self, document: &Document, id: NodeId, scalar: &Scalar) -> usize {
        let here = document.resolved(id) == id;
        scalar.start.filter(|_| here).unwrap_or(document.node(id).offset)
    }
}

/// Every mapping of a document, in its order.
pub(super) fn mappings(document: &Document) -> Vec<NodeId> {
    let (mut open, mut found) = (Vec::from_iter(document.root()), Vec::new());
    while let Some(id) = open.pop() {
        match &document.node(id).kind {
            Kind::Mapping(entries) => {
                found.push(id);
                open.extend(entries.iter().rev().map(|(_, value)| *value));
            }
            Kind::Sequence(items) => open.extend(items.iter().rev()),
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }
    found
}

/// The names of the keys that hold the parts of a reference; of several, the first that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartKeys<'a> {
    pub(super) registry: &'a [&'a str],
    pub(super) repository: &'a [&'a str],
    pub(super) tag: &'a [&'a str],
    pub(super) digest: &'a [&'a str],
}

/// The keys that most charts and resources use.
pub(super) const USUAL_KEYS: PartKeys<'static> = PartKeys {
    registry: &["registry"],
    repository: &["repository"],
    tag: &["tag", "version"],
    digest: &["digest", "sha"],
};

/// Whether a template engine makes a file whose own expressions are `${{ }}`.
pub(super) fn is_outer_template(text: &str) -> bool {
    ["{%", "<%", "%%"].iter().any(|mark| text.contains(mark))
}

/// Whether a key says that its value is an image.
pub(super) fn names_image(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.ends_with("image") || key.ends_with("container")
}

/// Whether a scalar's text is neither empty nor YAML's null.
pub(super) fn is_filled(text: &str) -> bool {
    !matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// A scalar's text with its bytes; without them where quotes or folds changed them.
pub(super) fn value_of(scalar: &Scalar) -> Value {
    match scalar.start {
        Some(start) => Value::at(&scalar.text, 0, start),
        None => Value::computed(&scalar.text),
    }
}
