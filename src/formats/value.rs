//! A text whose every byte remembers where it stands: the value of a reference after variables are resolved.

use super::extraction::{FoundSpan, TextSpan};
use super::site::Part;
use crate::image::Reference;

/// Where a byte stands: the file (an index that the caller gives meaning) and the offset. `None` is computed text.
pub(super) type Origin = Option<(usize, usize)>;

/// Text with the origin of each byte, kept as runs of bytes that stand beside one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Value {
    text: String,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    length: usize,
    /// Of its first byte.
    origin: Origin,
}

/// A part of a reference and the pieces of files that hold it, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartSpan {
    pub(super) part: Part,
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Value {
    /// Text that stands in a file from `offset` on, byte by byte.
    pub(super) fn at(text: &str, file: usize, offset: usize) -> Self {
        Self::of_run(text, Some((file, offset)))
    }

    /// Text that stands nowhere.
    pub(super) fn computed(text: &str) -> Self {
        Self::of_run(text, None)
    }

    pub(super) fn of(span: &TextSpan, file: usize) -> Self {
        Self::at(&span.text, file, span.start)
    }

    fn of_run(text: &str, origin: Origin) -> Self {
        let mut value = Self::default();
        value.push_str(text, origin);
        value
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Adds one character with the origin of its first byte.
    pub(super) fn push(&mut self, c: char, origin: Origin) {
        self.text.push(c);
        self.push_run(Run { length: c.len_utf8(), origin });
    }

    /// Adds text with the origin of its first byte.
    pub(super) fn push_str(&mut self, text: &str, origin: Origin) {
        self.text.push_str(text);
        self.push_run(Run { length: text.len(), origin });
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        for run in &other.runs {
            self.push_run(*run);
        }
    }

    fn push_run(&mut self, run: Run) {
        match self.runs.last_mut() {
            _ if run.length == 0 => {}
            Some(last) if after(last.origin, last.length) == run.origin => last.length += run.length,
            _ => self.runs.push(run),
        }
    }

    /// The part between two byte offsets of the text.
    pub(super) fn slice(&self, start: usize, end: usize) -> Self {
        let mut runs = Vec::new();
        let mut begin = 0;
        for run in &self.runs {
            let (from, to) = (start.max(begin), end.min(begin + run.length));
            if from < to {
                runs.push(Run { length: to - from, origin: after(run.origin, from - begin) });
            }
            begin += run.length;
        }
        Self { text: self.text[start..end].to_owned(), runs }
    }

    /// The origin of the byte at an offset of the text.
    pub(super) fn origin(&self, index: usize) -> Origin {
        let mut begin = 0;
        for run in &self.runs {
            if index < begin + run.length {
                return after(run.origin, index - begin);
            }
            begin += run.length;
        }
        None
    }

    /// The first byte of each run that stands in a file.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().filter_map(|run| run.origin.map(|(_, offset)| offset))
    }

    /// The pieces of files that hold the bytes from `start` to `end`; `None` where one of them is computed.
    fn pieces(&self, start: usize, end: usize) -> Option<Vec<(usize, usize, usize)>> {
        let part = self.slice(start, end);
        part.runs.iter().map(|run| run.origin.map(|(file, offset)| (file, offset, offset + run.length))).collect()
    }

    /// Where `reference`, which this text is, stands: one span where it stands in one piece, else its parts. A part
    /// with computed text has no span and cannot be edited.
    pub(super) fn part_spans(&self, reference: &Reference) -> Vec<PartSpan> {
        let span = |part, (file, start, end)| PartSpan { part, file, start, end };
        if let Some(pieces) = self.pieces(0, self.text.len())
            && let [whole] = pieces.as_slice()
        {
            return vec![span(Part::Reference, *whole)];
        }
        let name = reference.name().len();
        let repository = self.repository_start(reference);
        let tag = reference.tag().map_or(0, |tag| tag.as_str().len() + 1);
        let digest = reference.digest().map_or(0, |digest| digest.as_str().len() + 1);
        let ranges = [
            (Part::Registry, 0, repository.saturating_sub(1)),
            (Part::Repository, repository, name),
            (Part::Tag, name + 1, name + tag),
            (Part::Digest, name + tag + 1, name + tag + digest),
        ];
        let mut spans = Vec::new();
        for (part, start, end) in ranges.into_iter().filter(|(_, start, end)| start < end) {
            spans.extend(self.pieces(start, end).into_iter().flatten().map(|piece| span(part, piece)));
        }
        spans
    }

    /// Where the repository begins: behind the registry, where a piece of its own holds just that.
    fn repository_start(&self, reference: &Reference) -> usize {
        let name = reference.name();
        let registry = name.find('/').filter(|slash| is_registry(&name[..*slash]));
        let apart = |slash: usize| {
            let pieces = self.pieces(0, slash)?;
            let alone = pieces.len() == 1 && self.pieces(0, slash + 1).is_none_or(|wider| wider.len() > 1);
            alone.then_some(slash + 1)
        };
        registry.and_then(apart).unwrap_or(0)
    }
}

/// Whether the first component of a name is a host.
fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
}

/// The origin of the byte that stands `length` bytes further.
fn after(origin: Origin, length: usize) -> Origin {
    origin.map(|(file, offset)| (file, offset + length))
}

/// The spans of a value that stands in one file only.
pub(super) fn found_spans(value: &Value, reference: &Reference) -> Vec<FoundSpan> {
    let spans = value.part_spans(reference).into_iter();
    spans.map(|span| FoundSpan { part: span.part, start: span.start, end: span.end }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_piece_is_one_span() {
        let value = Value::at("nginx:1.25", 0, 5);
        let reference = Reference::parse(value.text()).expect("a reference");
        let spans = found_spans(&value, &reference);
        assert_eq!(spans, [FoundSpan { part: Part::Reference, start: 5, end: 15 }]);
    }

    #[test]
    fn a_tag_of_two_pieces_has_two_spans() {
        let mut value = Value::at("python:", 0, 20);
        value.append(&Value::at("3.11", 0, 8));
        value.append(&Value::at("-slim", 0, 31));
        let reference = Reference::parse(value.text()).expect("a reference");
        let spans = found_spans(&value, &reference);
        let shown: Vec<_> = spans.iter().map(|span| (span.part, span.start, span.end)).collect();
        assert_eq!(shown, [(Part::Repository, 20, 26), (Part::Tag, 8, 12), (Part::Tag, 31, 36)]);
    }

    #[test]
    fn computed_text_has_no_span() {
        let mut value = Value::at("x:", 0, 0);
        value.append(&Value::computed("1"));
        let reference = Reference::parse(value.text()).expect("a reference");
        assert!(found_spans(&value, &reference).iter().all(|span| span.part != Part::Tag));
    }
}
