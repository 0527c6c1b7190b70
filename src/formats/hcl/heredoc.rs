//! Texts of other formats in HCL: YAML and JSON in a heredoc, whose `${…}` and `%{…}` HCL fills in, and the Dockerfile
//! of a target of bake.
//!
//! ```hcl
//! container_definitions = <<-EOF
//!   [{"image": "nginx:${var.tag}", "cpu": ${var.cpu}}]
//! EOF
//! ```

use std::borrow::Cow;
use std::ops::Range;

use hcl_edit::Span;
use hcl_edit::expr::Expression;

use super::{Hcl, Source};
use crate::formats::Format;
use crate::formats::dockerfile::Dockerfile;
use crate::formats::embedded::Embedded;
use crate::formats::extraction::{Piece, TextSpan};
use crate::formats::yaml::{Document, NodeId, parse_at};

/// Which values of `image` in a document are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    All,
    /// Those that HCL fills in.
    Templated,
}

impl Hcl<'_, '_> {
    /// The YAML or JSON in a heredoc, which may be the argument of `yamldecode`.
    pub(super) fn documents(&self, value: &Expression) -> Vec<Document> {
        let argument = value.as_func_call().filter(|call| call.name.name.as_str() == "yamldecode");
        let value = argument.and_then(|call| call.args.iter().next()).unwrap_or(value);
        let Some(range) = heredoc(value, self.source) else { return Vec::new() };
        let text = self.collector.text.get(range.clone()).unwrap_or("");
        parse_at(&masked(text), range.start)
    }

    /// The values of `image` at any depth of such a document.
    pub(super) fn images_in(&mut self, document: &Document, id: NodeId, wanted: Wanted) {
        for (key, value) in document.entries(id) {
            let is_image = document.text(*key).is_some_and(|key| key.eq_ignore_ascii_case("image"));
            match document.scalar(*value).filter(|_| is_image) {
                Some(scalar) if wanted == Wanted::All || scalar.text.contains("${") => {
                    self.image_in_template(&scalar.text, scalar.start);
                }
                _ => self.images_in(document, *value, wanted),
            }
        }
        for item in document.items(id) {
            self.images_in(document, *item, wanted);
        }
    }

    /// A scalar of such a document: HCL fills in its `${…}`.
    fn image_in_template(&mut self, text: &str, start: Option<usize>) {
        let Some(start) = start else { return };
        let source = Source { text, base: start };
        let Ok(template) = hcl_edit::parser::parse_template(text) else { return };
        if let Some(pieces) = self.joined(template.iter(), source, 0) {
            self.report(start, text.to_owned(), pieces, |_| true);
        }
    }

    /// A Dockerfile, in a heredoc or between quotes.
    pub(super) fn dockerfile(&mut self, value: &Expression) {
        let Some(range) = heredoc(value, self.source).or_else(|| quoted(value, self.source)) else { return };
        let raw = self.collector.text.get(range.clone()).unwrap_or("");
        let Some(pieces) = self.written_text(raw, range.start, value.is_heredoc_template()) else { return };
        let mut inline = Embedded::default();
        for piece in &pieces {
            match piece {
                Piece::Literal(span) => inline.add_text(&span.text, Some(span.start)),
                Piece::Joint(text) => inline.add_text(text, None),
                Piece::Variable { .. } => return,
            }
        }
        for problem in inline.read(&mut self.collector, &Dockerfile as &dyn Format).problems {
            let message = format!("in dockerfile-inline: {}", problem.message);
            self.collector.problem(range.start, problem.code, message);
        }
    }

    /// What a text says, piece by piece; `None` where more than a name is filled in.
    fn written_text(&self, raw: &str, base: usize, is_heredoc: bool) -> Option<Vec<Piece>> {
        let (mut pieces, mut at) = (Vec::new(), 0);
        let literal = |from: usize, to: usize| {
            Piece::Literal(TextSpan { start: base + from, end: base + to, text: raw[from..to].to_owned() })
        };
        while at < raw.len() {
            let next = raw[at..].find(['$', '%', '\\']).map_or(raw.len(), |found| at + found);
            pieces.push(literal(at, next));
            let rest = &raw[next..];
            at = match rest.as_bytes() {
                [] => next,
                [b'$', b'$', b'{', ..] | [b'%', b'%', b'{', ..] => {
                    pieces.push(literal(next, next + 1));
                    next + 2
                }
                [b'$', b'{', ..] => {
                    let end = rest.find('}')?;
                    pieces.extend(self.meaning(rest[2..end].trim(), 0)?);
                    next + end + 1
                }
                [b'%', b'{', ..] => return None,
                [b'\\', escaped, ..] if !is_heredoc => {
                    pieces.push(match escaped {
                        b'n' => Piece::Joint("\n".to_owned()),
                        b't' => Piece::Joint("\t".to_owned()),
                        b'"' | b'\\' => literal(next + 1, next + 2),
                        _ => return None,
                    });
                    next + 2
                }
                _ => {
                    pieces.push(literal(next, next + 1));
                    next + 1
                }
            };
        }
        Some(pieces)
    }
}

/// The lines of a heredoc.
fn heredoc(value: &Expression, source: Source<'_>) -> Option<Range<usize>> {
    let Expression::HeredocTemplate(_) = value else { return None };
    let (raw, start) = source.at(&value.span()?)?;
    let (begin, end) = (raw.find('\n')? + 1, raw.rfind('\n')? + 1);
    (begin <= end).then(|| start + begin..start + end)
}

/// What stands between quotes.
fn quoted(value: &Expression, source: Source<'_>) -> Option<Range<usize>> {
    let (raw, start) = source.at(&value.span()?)?;
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    Some(start + 1..start + 1 + inside.len())
}

/// The text, as long as it was, with what HCL fills in made harmless: a number where JSON has a value, spaces for a
/// directive, no quotes within quotes.
fn masked(text: &str) -> Cow<'_, str> {
    if !text.contains("${") && !text.contains("%{") {
        return Cow::Borrowed(text);
    }
    let is_json = text.trim_start().starts_with(['[', '{']);
    let (mut result, mut at, mut in_quotes) = (String::with_capacity(text.len()), 0, false);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match c {
            '$' | '%' if rest[1..].starts_with(c) => 2,
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '$' | '%' if rest[1..].starts_with('{') => 2 + inside(&rest[2..]),
            _ => c.len_utf8(),
        };
        let token = &rest[..length];
        match c {
            '$' if token.len() > 2 && in_quotes => result.push_str(&token.replace('"', "_")),
            '$' if token.starts_with("${") && is_json => fill(&mut result, token, '0'),
            '%' if token.starts_with("%{") && !in_quotes => fill(&mut result, token, ' '),
            _ => result.push_str(token),
        }
        in_quotes = match c {
            '"' => !in_quotes,
            '\n' => false,
            _ => in_quotes,
        };
        at += length;
    }
    Cow::Owned(result)
}

/// One character for each byte; lines stay lines.
fn fill(result: &mut String, token: &str, with: char) {
    result.extend(token.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { with }));
}

/// The length up to the brace that closes, with that brace.
fn inside(text: &str) -> usize {
    let (mut depth, mut in_quotes, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_quotes => escaped = true,
            '"' => in_quotes = !in_quotes,
            '{' if !in_quotes => depth += 1,
            '}' if !in_quotes && depth == 0 => return at + 1,
            '}' if !in_quotes => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let masked = masked(text);
        assert_eq!(masked, expected);
        assert_eq!(masked.len(), text.len());
    }

    #[test]
    fn what_hcl_fills_in_is_masked_and_keeps_its_length() {
        check(
            "[{\"cpu\": ${var.cpu}, \"image\": \"x:${var.tag}\"}]",
            "[{\"cpu\": 0000000000, \"image\": \"x:${var.tag}\"}]",
        );
        check("[{\"a\": \"${f(x, \"{y\")}\"}]", "[{\"a\": \"${f(x, _{y_)}\"}]");
        check("[${jsonencode({\n\"é\" = 1})}]", "[00000000000000\n00000000000]");
        check(
            "%{ if var.on ~}\nimage: x:${var.tag}\n%{ endif }\n",
            "               \nimage: x:${var.tag}\n          \n",
        );
        check("[\"$${kept}\", ${open", "[\"$${kept}\", 000000");
        check("[{\"say\": \"a\\\"b ${c}\"}]", "[{\"say\": \"a\\\"b ${c}\"}]");
    }
}
