//! Collects the sites and problems of one file: their lines, the directions beside them, the version in the comment.

use std::collections::BTreeSet;

use super::direction::{Direction, Lines};
use super::extraction::{
    Confidence, Extraction, FoundProblem, FoundSite, FoundSpan, FoundValue, Holds, Piece, TextSpan,
};
use super::position::Positions;
use super::site::{Part, ProblemCode};
use super::template::is_template;
use super::value::{Value, found_spans};
use crate::image::{InvalidReference, Platform, Reference};

/// More references than this in one file are not read.
const MAX_SITES: usize = 5000;
/// A comment that begins further behind a reference than this is not read.
const LONGEST_LINE: usize = 1000;
/// What Flux looks for in the comment behind a reference, a tag or a digest.
const FLUX_MARKER: &str = "{\"$imagepolicy\"";
/// Endings of files that an `image` field may name: a picture or a disk.
const FILES: [&str; 16] = [
    ".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp", ".ico", ".iso", ".img", ".qcow2", ".vmdk", ".raw", ".tar", ".gz",
    ".bin", ".md",
];

/// Collects the sites of one file.
pub(super) struct Collector<'a> {
    pub(super) text: &'a str,
    format: &'static str,
    pub(super) positions: Positions,
    directions: Lines<'a>,
    has_markers: bool,
    seen: BTreeSet<usize>,
    pub(super) confidence: Confidence,
    holds: Holds,
    /// What the sites that follow are asked for.
    pub(super) platform: Option<Platform>,
    pub(super) found: Extraction,
}

/// A part of a reference that stands by itself, and where: `None` where its bytes are not just its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartText<'a> {
    pub(super) text: &'a str,
    pub(super) start: Option<usize>,
}

/// The parts of a reference that stand apart, as in a Helm chart's values.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts<'a> {
    pub(super) registry: Option<PartText<'a>>,
    pub(super) repository: Option<PartText<'a>>,
    pub(super) tag: Option<PartText<'a>>,
    pub(super) digest: Option<PartText<'a>>,
}

impl<'a> Parts<'a> {
    /// The digest in a tag such as `1.2@sha256:…`, as a part of its own.
    fn with_digest_apart(&self) -> Self {
        let Some((tag, (before, digest))) = self.tag.and_then(|tag| Some((tag, tag.text.split_once('@')?))) else {
            return *self;
        };
        let digest = PartText { text: digest, start: tag.start.map(|start| start + before.len() + 1) };
        let tag = (!before.is_empty()).then_some(PartText { text: before, start: tag.start });
        Self { tag, digest: self.digest.or(Some(digest)), ..*self }
    }
}

impl<'a> Collector<'a> {
    /// A collector for the sites of `format` in `text`.
    pub(super) fn new(text: &'a str, format: &'static str) -> Self {
        Self {
            text,
            format,
            positions: Positions::new(text),
            directions: Lines::new(text),
            has_markers: text.contains(FLUX_MARKER),
            seen: BTreeSet::new(),
            confidence: Confidence::Parsed,
            holds: Holds::Any,
            platform: None,
            found: Extraction::default(),
        }
    }

    /// What `find` adds was found by a scanner of lines, not by a parser of the file's syntax.
    pub(super) fn scanned(&mut self, find: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.confidence, Confidence::Scanned);
        find(self);
        self.confidence = before;
    }

    /// What `find` adds stands where only a tag may stand.
    pub(super) fn tags_only(&mut self, find: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.holds, Holds::Tag);
        find(self);
        self.holds = before;
    }

    /// Marks the place of a reference as reported; false where it already was.
    pub(super) fn first_at(&mut self, offset: usize) -> bool {
        self.seen.insert(offset)
    }

    /// What cannot be read or resolved at an offset; silent where a direction says `ignore`.
    pub(super) fn problem(&mut self, offset: usize, code: ProblemCode, message: String) {
        self.problem_beside(&[offset], offset, code, message);
    }

    /// The same where the directions of several places count.
    pub(super) fn problem_beside(&mut self, places: &[usize], offset: usize, code: ProblemCode, message: String) {
        if self.direction(places) != Some(Direction::Ignore) {
            self.problem_at(self.positions.line(offset), code, message);
        }
    }

    /// The first direction beside one of several places.
    fn direction(&self, places: &[usize]) -> Option<Direction> {
        places.iter().find_map(|place| self.directions.direction(self.positions.line(*place)))
    }

    /// The same for a line, from 1.
    pub(super) fn problem_at(&mut self, line: u32, code: ProblemCode, message: String) {
        if self.found.problems.len() < MAX_SITES {
            self.found.problems.push(FoundProblem { line, code, message });
        }
    }

    /// Text at an offset that must be a reference: otherwise it is a problem, unless it is a template's.
    pub(super) fn literal(&mut self, offset: usize, text: &str) {
        if !self.first_at(offset) {
            return;
        }
        match Reference::parse(text) {
            Ok(reference) => self.resolved(offset, text.to_owned(), &reference, &Value::at(text, 0, offset)),
            Err(error) => self.invalid(&[offset], offset, (text, &error)),
        }
    }

    /// Text that should be a reference and is none; silent where a template engine fills it in.
    pub(super) fn invalid(&mut self, places: &[usize], offset: usize, (text, error): (&str, &InvalidReference)) {
        if !is_template(text) && !text.starts_with(['{', '<', '%']) {
            let message = format!("{:?} names no image: {error}", shown(text));
            self.problem_beside(places, offset, ProblemCode::InvalidReference, message);
        }
    }

    /// A reference whose text is all in this file.
    pub(super) fn resolved(&mut self, offset: usize, written: String, reference: &Reference, value: &Value) {
        let spans = found_spans(value, reference);
        self.add(offset, written, FoundValue::Resolved { reference: reference.clone(), spans });
    }

    /// A reference that is put together from pieces of this file, each of which may have a direction beside it; nothing
    /// where the text is no reference.
    pub(super) fn assembled(&mut self, offset: usize, written: &str, value: &Value) {
        if let Ok(reference) = Reference::parse(value.text()) {
            let spans = found_spans(value, &reference);
            let places: Vec<usize> = std::iter::once(offset).chain(value.places()).collect();
            self.add_beside(&places, offset, written.to_owned(), FoundValue::Resolved { reference, spans });
        }
    }

    /// A reference whose parts stand apart: one site with several spans. Without tag and digest it is none; what is
    /// no reference is none either.
    pub(super) fn parts(&mut self, offset: usize, parts: &Parts<'_>) {
        let parts = parts.with_digest_apart();
        let Some(repository) = parts.repository else { return };
        if (parts.tag.is_none() && parts.digest.is_none()) || !self.first_at(offset) {
            return;
        }
        let mut text = parts.registry.map_or(String::new(), |registry| format!("{}/", registry.text));
        text.push_str(repository.text);
        text.push_str(&parts.tag.map_or(String::new(), |tag| format!(":{}", tag.text)));
        text.push_str(&parts.digest.map_or(String::new(), |digest| format!("@{}", digest.text)));
        let Ok(reference) = Reference::parse(&text) else { return };
        let spans = [
            (Part::Registry, parts.registry),
            (Part::Repository, parts.repository),
            (Part::Tag, parts.tag),
            (Part::Digest, parts.digest),
        ];
        let spans = spans.into_iter().filter_map(|(part, one)| {
            let (one, start) = one.and_then(|one| Some((one, one.start?)))?;
            Some(FoundSpan { part, start, end: start + one.text.len() })
        });
        let spans: Vec<FoundSpan> = spans.collect();
        let places: Vec<usize> = [offset].into_iter().chain(spans.iter().map(|span| span.start)).collect();
        self.add_beside(&places, offset, text, FoundValue::Resolved { reference, spans });
    }

    /// A reference with variables that another file defines.
    pub(super) fn open(&mut self, offset: usize, written: String, pieces: Vec<Piece>) {
        self.add(offset, written, FoundValue::Open(pieces));
    }

    /// A site at an offset, unless a direction says `ignore`.
    pub(super) fn add(&mut self, offset: usize, written: String, value: FoundValue) {
        self.add_beside(&[offset], offset, written, value);
    }

    /// The same where the directions of several places count.
    pub(super) fn add_beside(&mut self, places: &[usize], offset: usize, written: String, value: FoundValue) {
        let line = self.positions.line(offset);
        let allow = match self.direction(places) {
            Some(Direction::Ignore) => return,
            Some(Direction::Allow(kinds)) => Some(kinds),
            Some(Direction::Image(_)) | None => None,
        };
        if self.found.sites.len() >= MAX_SITES || self.is_marked(offset, &value) {
            return;
        }
        let column = self.positions.column(offset);
        let comment = self.comment(offset, &value);
        let format = self.format.to_owned();
        let (confidence, holds) = (self.confidence, self.holds);
        let platform = self.platform.clone();
        let site = FoundSite { line, column, format, written, value, allow, comment, confidence, holds, platform };
        self.found.sites.push(site);
    }

    /// Whether a line of the site bears Flux's marker, `# {"$imagepolicy": "flux-system:app"}`: Flux itself moves it.
    fn is_marked(&self, offset: usize, value: &FoundValue) -> bool {
        let spans = match value {
            FoundValue::Resolved { spans, .. } => spans.as_slice(),
            FoundValue::Open(_) => &[],
        };
        let bears = |place: usize| {
            let limit = self.text.floor_char_boundary(place.saturating_add(LONGEST_LINE));
            let line = self.text.get(place..limit).and_then(|rest| rest.lines().next());
            line.is_some_and(|line| line.contains(FLUX_MARKER))
        };
        self.has_markers && (bears(offset) || spans.iter().any(|span| bears(span.end)))
    }

    /// The version in the comment at the end of the line, where it is the tag's own text.
    fn comment(&self, offset: usize, value: &FoundValue) -> Option<TextSpan> {
        let FoundValue::Resolved { reference, spans } = value else { return None };
        let apart = spans.iter().find(|span| span.part == Part::Tag).map(|tag| tag.end);
        let last = spans.last().map_or(offset, |span| span.end).max(offset);
        let tag = reference.tag()?.as_str();
        apart.and_then(|end| self.version_behind(end, tag)).or_else(|| self.version_behind(last, tag))
    }

    /// The tag, or the tag without its `v`, in the comment behind an offset.
    fn version_behind(&self, last: usize, tag: &str) -> Option<TextSpan> {
        let limit = self.text.floor_char_boundary(last.saturating_add(LONGEST_LINE));
        let rest = self.text.get(last..limit)?;
        let rest = &rest[..rest.find('\n').unwrap_or(rest.len())];
        let begin = last + rest.find(" #").map(|at| at + 2).or_else(|| rest.find(" //").map(|at| at + 3))?;
        let bare = tag.strip_prefix('v').unwrap_or(tag);
        let mut at = begin;
        for word in self.text[begin..last + rest.len()].split_inclusive(char::is_whitespace) {
            let text = word.trim();
            if text == tag || text == bare || text.strip_prefix('v') == Some(bare) {
                return Some(TextSpan { start: at, end: at + text.len(), text: text.to_owned() });
            }
            at += word.len();
        }
        None
    }
}

/// At most 200 characters, for a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

/// A reference with a tag or a digest.
pub(super) fn versioned(text: &str) -> bool {
    Reference::parse(text).is_ok_and(|reference| reference.tag().is_some() || reference.digest().is_some())
}

/// Whether a name begins with a registry's host.
pub(super) fn has_host(text: &str) -> bool {
    let host = text.split_once('/').map_or("", |(host, _)| host);
    !text.contains("://") && !host.starts_with('.') && (host == "localhost" || host.contains(['.', ':']))
}

/// A tag, a digest or a path, and neither a URL nor a file.
pub(super) fn image_like(text: &str) -> bool {
    if !(text.contains(['/', ':', '@'])) || text.contains("://") || text.starts_with(['.', '/']) {
        return false;
    }
    !is_file(text) && (text.contains('/') || versioned(text))
}

/// A picture or a disk, by its ending.
pub(super) fn is_file(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    FILES.iter().any(|end| lower.ends_with(end))
}

/// Where the image begins in a reference as podman takes it: behind `docker://`, or nowhere in another transport or
/// where podman keeps what it built itself.
pub(super) fn image_of_transport(text: &str) -> Option<usize> {
    const OTHERS: [&str; 8] = [
        "oci:",
        "oci-archive:",
        "docker-archive:",
        "docker-daemon:",
        "containers-storage:",
        "dir:",
        "ostree:",
        "localhost/",
    ];
    let begin = if text.starts_with("docker://") { "docker://".len() } else { 0 };
    (!OTHERS.iter().any(|transport| text.starts_with(transport))).then_some(begin)
}

/// Text that a template engine, a shell or another program fills in before it is an image.
pub(super) fn is_plain(text: &str) -> bool {
    !text.contains(['$', '{', '}', '%', '<', '>', ' ', '\t'])
}
