//! A text whose every byte remembers where it stands: the value of a reference after variables are resolved.

use super::extraction::{FoundSpan, TextSpan};
use super::site::Part;
use crate::image::Reference;

/// Where a byte stands: the file (an index that the caller gives meaning) and the offset. `None` is computed text.
pub(super) type Origin = Option<(usize, usize)>;

/// Text with the origin of each byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Value {
    text: String,
    origins: Vec<Origin>,
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
        let origins = (0..text.len()).map(|index| Some((file, offset + index))).collect();
        Self { text: text.to_owned(), origins }
    }

    /// Text that stands nowhere.
    pub(super) fn computed(text: &str) -> Self {
        Self { text: text.to_owned(), origins: vec![None; text.len()] }
    }

    pub(super) fn of(span: &TextSpan, file: usize) -> Self {
        Self::at(&span.text, file, span.start)
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
        let bytes = (0..c.len_utf8()).map(|index| origin.map(|(file, offset)| (file, offset + index)));
        self.origins.extend(bytes);
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.origins.extend_from_slice(&other.origins);
    }

    /// The part between two byte offsets of the text.
    pub(super) fn slice(&self, start: usize, end: usize) -> Self {
        Self { text: self.text[start..end].to_owned(), origins: self.origins[start..end].to_vec() }
    }

    /// The origin of the byte at an offset of the text.
    pub(super) fn origin(&self, index: usize) -> Origin {
        self.origins.get(index).copied().flatten()
    }

    /// The pieces of files that hold the bytes from `start` to `end`; `None` where one of them is computed.
    fn pieces(&self, start: usize, end: usize) -> Option<Vec<(usize, usize, usize)>> {
        let mut pieces: Vec<(usize, usize, usize)> = Vec::new();
        for origin in &self.origins[start..end] {
            let (file, offset) = (*origin)?;
            match pieces.last_mut() {
                Some(last) if last.0 == file && last.2 == offset => last.2 += 1,
                _ => pieces.push((file, offset, offset + 1)),
            }
        }
        Some(pieces)
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
        let tag = reference.tag().map_or(0, |tag| tag.as_str().len() + 1);
        let digest = reference.digest().map_or(0, |digest| digest.as_str().len() + 1);
        let ranges = [
            (Part::Repository, 0, name),
            (Part::Tag, name + 1, name + tag),
            (Part::Digest, name + tag + 1, name + tag + digest),
        ];
        let mut spans = Vec::new();
        for (part, start, end) in ranges.into_iter().filter(|(_, start, end)| start < end) {
            spans.extend(self.pieces(start, end).into_iter().flatten().map(|piece| span(part, piece)));
        }
        spans
    }
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
