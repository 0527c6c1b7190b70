//! YAML as a tree of nodes that know their bytes; aliases are kept, never expanded.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};

use super::position::Positions;

/// More nodes than this in one file are not read.
const MAX_NODES: usize = 200_000;
/// Deeper nesting is not read.
const MAX_DEPTH: usize = 100;
/// More documents that are wrong are not told.
const MAX_ERRORS: usize = 20;

/// A node's place in its document.
pub(super) type NodeId = usize;

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    /// The offset of its first byte: of an alias, where the alias stands.
    pub(super) offset: usize,
    /// The name of a local tag: `Sub` of `!Sub`.
    pub(super) tag: Option<Box<str>>,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    Sequence(Vec<NodeId>),
    Mapping(Vec<(NodeId, NodeId)>),
    /// Stands for another node of the document, where that is known.
    Alias(Option<NodeId>),
}

/// A scalar's text and, where its bytes are just that text, where they begin.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) start: Option<usize>,
    pub(super) block: Option<Block>,
}

/// The raw bytes of a block scalar, without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) range: Range<usize>,
    /// Its lines are joined: `>`, not `|`.
    pub(super) is_folded: bool,
}

impl Scalar {
    /// The same in a file that has `base` bytes before it.
    fn moved(self, base: usize) -> Self {
        let moved = |block: Block| Block { range: block.range.start + base..block.range.end + base, ..block };
        let block = self.block.map(moved);
        Self { start: self.start.map(|start| start + base), block, ..self }
    }
}

/// One document.
#[derive(Debug, Default)]
pub(super) struct Document {
    nodes: Vec<Node>,
}

/// What a text holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) documents: Vec<Document>,
    /// The documents that are no YAML: line and reason.
    pub(super) errors: Vec<(u32, String)>,
    /// The text is larger or deeper than is read.
    pub(super) too_large: bool,
}

impl Document {
    /// The name of a node's local tag, such as `Sub` of `!Sub`.
    pub(super) fn tag(&self, id: NodeId) -> Option<&str> {
        self.node(self.resolved(id)).tag.as_deref()
    }

    pub(super) fn root(&self) -> Option<NodeId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// The node that counts: of an alias, the one it stands for.
    pub(super) fn resolved(&self, id: NodeId) -> NodeId {
        match self.nodes[id].kind {
            Kind::Alias(Some(target)) if !matches!(self.nodes[target].kind, Kind::Alias(_)) => target,
            _ => id,
        }
    }

    /// The text of a scalar, through an alias.
    pub(super) fn text(&self, id: NodeId) -> Option<&str> {
        self.scalar(id).map(|scalar| scalar.text.as_str())
    }

    pub(super) fn scalar(&self, id: NodeId) -> Option<&Scalar> {
        match &self.nodes[self.resolved(id)].kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The entries of a mapping that stands here itself, not through an alias.
    pub(super) fn entries(&self, id: NodeId) -> &[(NodeId, NodeId)] {
        match &self.nodes[id].kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn items(&self, id: NodeId) -> &[NodeId] {
        match &self.nodes[id].kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The value of a key; of a key given twice, the last.
    pub(super) fn get(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let entries = self.entries(id).iter().rev();
        entries.copied().find(|(name, _)| self.text(*name) == Some(key)).map(|(_, value)| value)
    }
}

/// Reads the documents that are wanted; one that is broken costs only itself. The others are not even parsed: most of
/// a large file of manifests names no image.
pub(super) fn parse(text: &str, positions: &Positions, wanted: impl Fn(&str) -> bool) -> Parsed {
    let mut parsed = Parsed::default();
    let mut budget = MAX_NODES;
    for (offset, document) in split(text) {
        if parsed.too_large || parsed.errors.len() >= MAX_ERRORS {
            break;
        }
        if wanted(document) {
            parse_document(document, offset, &mut budget, positions, &mut parsed);
        }
    }
    parsed
}

/// The documents in a part of a file, such as a block scalar that holds YAML; their offsets count from the beginning of
/// the file. What is no YAML is left out.
pub(super) fn parse_within(text: &str, range: Range<usize>) -> Vec<Document> {
    parse_at(text.get(range.clone()).unwrap_or(""), range.start)
}

/// The same for a text that begins at `base` in its file.
pub(super) fn parse_at(text: &str, base: usize) -> Vec<Document> {
    let (mut budget, mut parsed) = (MAX_NODES, Parsed::default());
    parse_document(text, base, &mut budget, &Positions::new(""), &mut parsed);
    parsed.documents
}

/// Cuts a stream where a document begins: at `---` in the first column, which stands for itself nowhere else (YAML
/// 1.2.2, section 9.1.2). Directives and comments before it belong to it.
fn split(text: &str) -> Vec<(usize, &str)> {
    let mut begins = vec![0];
    let marks = text.match_indices("\n---").map(|(at, _)| at + 1);
    for mark in marks.filter(|mark| text[mark + 3..].chars().next().is_none_or(char::is_whitespace)) {
        let before = &text[begins.last().copied().unwrap_or(0)..mark];
        let content =
            |line: &str| !line.trim_start_matches('\u{feff}').trim().is_empty() && !line.starts_with(['#', '%']);
        if before.lines().any(content) {
            begins.push(mark);
        }
    }
    let ends = begins.iter().copied().skip(1).chain([text.len()]);
    begins.iter().copied().zip(ends).map(|(begin, end)| (begin, &text[begin..end])).collect()
}

/// Reads one piece of the stream, which begins at `base`.
fn parse_document(text: &str, base: usize, budget: &mut usize, positions: &Positions, parsed: &mut Parsed) {
    let mut options = Options::default();
    options.emit_comments = false;
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::new(text, base);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => {
                if *budget == 0 || builder.open.len() > MAX_DEPTH {
                    parsed.too_large = true;
                    return;
                }
                *budget -= 1;
                parsed.documents.extend(builder.take(event, &span));
            }
            Err(error) => {
                let offset = base + error.marker().byte_offset().unwrap_or(0).min(text.len());
                parsed.errors.push((positions.line(offset), error.info()));
                return;
            }
        }
    }
}

/// A collection that is not yet whole.
enum Open {
    Sequence(NodeId, Vec<NodeId>),
    Mapping(NodeId, Vec<(NodeId, NodeId)>, Option<NodeId>),
}

struct Builder<'a> {
    text: &'a str,
    /// Where the text begins in its file.
    base: usize,
    document: Document,
    open: Vec<Open>,
    anchors: BTreeMap<usize, NodeId>,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, base: usize) -> Self {
        Self { text, base, document: Document::default(), open: Vec::new(), anchors: BTreeMap::new() }
    }

    /// Takes one event; returns the document that it ends.
    fn take(&mut self, event: Event<'_>, span: &Span) -> Option<Document> {
        let range = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentEnd => {
                self.open.clear();
                self.anchors.clear();
                return Some(std::mem::take(&mut self.document));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = scalar(self.text, text.into_owned(), style, range.clone()).moved(self.base);
                self.add(range.start, Kind::Scalar(scalar), (anchor, local(tag)));
            }
            Event::Alias(id) => {
                let target = self.anchors.get(&id).copied();
                self.add(range.start, Kind::Alias(target), (0, None));
            }
            Event::SequenceStart(_, anchor, tag) => {
                let id = self.add(range.start, Kind::Sequence(Vec::new()), (anchor, local(tag)));
                self.open.push(Open::Sequence(id, Vec::new()));
            }
            Event::MappingStart(_, anchor, tag) => {
                let id = self.add(range.start, Kind::Mapping(Vec::new()), (anchor, local(tag)));
                self.open.push(Open::Mapping(id, Vec::new(), None));
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => {}
        }
        None
    }

    fn add(&mut self, offset: usize, kind: Kind, (anchor, tag): (usize, Option<Box<str>>)) -> NodeId {
        let id = self.document.nodes.len();
        self.document.nodes.push(Node { offset: self.base + offset, tag, kind });
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
        match self.open.last_mut() {
            Some(Open::Sequence(_, items)) => items.push(id),
            Some(Open::Mapping(_, entries, key)) => match key.take() {
                Some(key) => entries.push((key, id)),
                None => *key = Some(id),
            },
            None => {}
        }
        id
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Sequence(id, items)) => self.document.nodes[id].kind = Kind::Sequence(items),
            Some(Open::Mapping(id, entries, _)) => self.document.nodes[id].kind = Kind::Mapping(entries),
            None => {}
        }
    }
}

/// The name of a tag that begins with one `!`.
fn local(tag: Option<Cow<'_, Tag>>) -> Option<Box<str>> {
    let tag = tag.filter(|tag| tag.handle() == "!")?;
    Some(tag.suffix().into())
}

/// A scalar, with its bytes where they are just its text.
fn scalar(source: &str, text: String, style: ScalarStyle, range: Range<usize>) -> Scalar {
    let Range { start, end } = range;
    let raw = source.get(start..end).unwrap_or("");
    let quoted = || raw.len() >= 2 && raw.get(1..raw.len() - 1) == Some(text.as_str());
    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let at = match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => quoted().then_some(start + 1),
        ScalarStyle::Literal | ScalarStyle::Folded => {
            let line = text.trim();
            (!line.is_empty() && !line.contains('\n')).then(|| raw.rfind(line).map(|at| start + at)).flatten()
        }
        ScalarStyle::Plain => (raw.trim_end() == text).then_some(start),
    };
    let text = if block && at.is_some() { text.trim().to_owned() } else { text };
    Scalar {
        text,
        start: at,
        block: block.then(|| Block { range: start..end, is_folded: style == ScalarStyle::Folded }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_where_they_begin() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<&str> = split(text).into_iter().map(|(_, document)| document).collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("a: 1\n---\nb: 2\n", &["a: 1\n", "---\nb: 2\n"]);
        check("# c\n%YAML 1.2\n---\na: 1\n--- |\n  x\n---", &["# c\n%YAML 1.2\n---\na: 1\n", "--- |\n  x\n", "---"]);
        check("a: |\n  x\n  ---\n  y\n----\n---z: 1\n", &["a: |\n  x\n  ---\n  y\n----\n---z: 1\n"]);
        check("\u{feff}---\r\na: 1\r\n---\r\n", &["\u{feff}---\r\na: 1\r\n", "---\r\n"]);
    }

    #[test]
    fn offsets_count_from_the_beginning_of_the_file() {
        let text = "a: 1\n---\nskip: me\n---\nb: 'two' # é\nc: |\n  three\n---\n[\n";
        let parsed = parse(text, &Positions::new(text), |document| !document.contains("skip"));
        assert_eq!((parsed.documents.len(), parsed.errors.len()), (2, 1));
        assert_eq!(parsed.errors[0].0, 9, "the line of the file, not of the document");
        let document = &parsed.documents[1];
        let root = document.root().expect("a root");
        for (key, bytes) in [("b", "two"), ("c", "three")] {
            let scalar = document.get(root, key).and_then(|id| document.scalar(id)).expect("a scalar");
            let start = scalar.start.expect("its bytes");
            assert_eq!((&text[start..start + bytes.len()], scalar.text.as_str()), (bytes, bytes));
        }
    }

    #[test]
    fn local_tags_are_kept_and_cost_no_bytes() {
        let text =
            "a: !Ref one\nb: !Sub \"two\"\nc: !Join ['', [x]]\nd: !!str four\ne: !Sub |\n  five\nf: !If {x: y}\n";
        let parsed = parse(text, &Positions::new(text), |_| true);
        let document = &parsed.documents[0];
        let root = document.root().expect("a root");
        let node = |key| document.get(root, key).expect("a value");
        let tags = ["a", "b", "c", "d", "e", "f"].map(|key| document.tag(node(key)).unwrap_or(""));
        assert_eq!(tags, ["Ref", "Sub", "Join", "", "Sub", "If"]);
        for (key, bytes) in [("a", "one"), ("b", "two"), ("d", "four"), ("e", "five")] {
            let start = document.scalar(node(key)).and_then(|scalar| scalar.start).expect("its bytes");
            assert_eq!(&text[start..start + bytes.len()], bytes);
        }
    }
}
