//! Text of another format within YAML: the scripts of CI jobs, a Dockerfile in a Compose file. It is read without its
//! indentation, and what is found is carried back to the file's bytes.

use std::ops::Range;

use super::Format;
use super::collector::Collector;
use super::extraction::{Confidence, Extraction, FoundValue};
use super::shell::{Shell, mentions_tools};
use super::yaml::{Block, Document, NodeId, Scalar};
use super::yaml_sites::mappings;

/// Text put together from pieces of a file.
#[derive(Debug, Default)]
pub(super) struct Embedded {
    text: String,
    /// Where in the text a piece begins, and where that is in the file: `None` for what stands nowhere.
    pieces: Vec<(usize, Option<usize>)>,
}

impl Embedded {
    /// Adds the text of a scalar where its bytes are known.
    pub(super) fn add(&mut self, file: &str, scalar: &Scalar) {
        match (&scalar.block, scalar.start) {
            (Some(Block { range, is_folded: true }), _) => self.add_folded(file, range.clone()),
            (Some(Block { range, is_folded: false }), _) => self.add_lines(file, range.clone()),
            (None, Some(start)) => {
                self.pieces.push((self.text.len(), Some(start)));
                self.text.push_str(&scalar.text);
                self.text.push('\n');
            }
            (None, None) => {}
        }
    }

    /// Adds lines of the file without their indentation.
    pub(super) fn add_lines(&mut self, file: &str, range: Range<usize>) {
        self.each_line(file, range, |text, line| text.push_str(line));
    }

    /// Adds lines that mean one.
    fn add_folded(&mut self, file: &str, range: Range<usize>) {
        self.each_line(file, range, |text, line| text.push_str(&line.replace(['\n', '\r'], " ")));
    }

    fn each_line(&mut self, file: &str, range: Range<usize>, add: impl Fn(&mut String, &str)) {
        let mut at = range.start;
        for line in file.get(range).unwrap_or("").split_inclusive('\n') {
            let content = line.trim_start_matches([' ', '\t']);
            self.pieces.push((self.text.len(), Some(at + line.len() - content.len())));
            add(&mut self.text, content);
            at += line.len();
        }
        self.add_line("");
    }

    /// Adds text and where it stands, if anywhere; its lines lose their indentation.
    pub(super) fn add_text(&mut self, text: &str, place: Option<usize>) {
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let begins = self.text.is_empty() || self.text.ends_with('\n');
            let content = if begins { line.trim_start_matches([' ', '\t']) } else { line };
            self.pieces.push((self.text.len(), place.map(|place| place + at + line.len() - content.len())));
            self.text.push_str(content);
            at += line.len();
        }
    }

    /// Adds a line that stands nowhere.
    fn add_line(&mut self, line: &str) {
        self.pieces.push((self.text.len(), None));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The file's offset of the text's.
    fn back(&self, offset: usize) -> Option<usize> {
        let piece = self.pieces.partition_point(|(begin, _)| *begin <= offset).checked_sub(1)?;
        let (begin, place) = self.pieces[piece];
        Some(place? + offset - begin)
    }

    /// What a format finds in the text, each reference added to the collector; returns the rest.
    pub(super) fn read(&self, collector: &mut Collector<'_>, format: &dyn Format) -> Extraction {
        let mut found = format.extract(&self.text);
        for site in std::mem::take(&mut found.sites) {
            let FoundValue::Resolved { reference, mut spans } = site.value else { continue };
            let carried = spans.iter_mut().try_for_each(|span| {
                let (start, end) = (self.back(span.start)?, self.back(span.end.checked_sub(1)?)? + 1);
                // Of two pieces of the file, neither can be changed alone.
                let is_whole = end.checked_sub(start) == Some(span.end - span.start);
                (span.start, span.end) = (start, end);
                is_whole.then_some(())
            });
            let Some(first) = carried.and_then(|()| Some(spans.first()?.start)) else { continue };
            if collector.first_at(first) {
                let add = |collector: &mut Collector<'_>| {
                    collector.add(first, site.written, FoundValue::Resolved { reference, spans });
                };
                match site.confidence {
                    Confidence::Parsed => add(collector),
                    Confidence::Scanned => collector.scanned(add),
                }
            }
        }
        found
    }
}

/// What the scripts of a document run: the texts, and lists of texts, under the keys. They share their variables and
/// what they build, as do `tags`, which other steps build.
pub(super) fn scripts(collector: &mut Collector<'_>, document: &Document, keys: &[&str]) {
    if !mentions_tools(collector.text) {
        return;
    }
    let mut script = Embedded::default();
    for mapping in mappings(document) {
        for (key, value) in document.entries(mapping) {
            match document.text(*key) {
                Some("tags") => outputs(&mut script, document, *value),
                Some(key) if keys.contains(&key) => add(&mut script, collector.text, document, *value),
                _ => {}
            }
        }
    }
    script.read(collector, &Shell);
}

fn add(script: &mut Embedded, file: &str, document: &Document, id: NodeId) {
    if let Some(scalar) = document.scalar(id) {
        script.add(file, scalar);
    }
    for item in document.items(id) {
        if let Some(scalar) = document.scalar(*item) {
            script.add(file, scalar);
        }
    }
}

fn outputs(script: &mut Embedded, document: &Document, id: NodeId) {
    let items = document.items(id).iter().filter_map(|item| document.text(*item));
    for tag in document.text(id).into_iter().flat_map(str::lines).chain(items) {
        let tag = tag.trim();
        if !tag.is_empty() && !tag.contains(char::is_whitespace) {
            script.add_line(&format!("docker push {tag}"));
        }
    }
}
