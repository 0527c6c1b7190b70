//! XML as far as build files need it: the text of each element that holds no other, and the properties of the file.
//!
//! ```text
//! leaf := "<" name attributes ">" text "</" name ">"
//! ```
//!
//! Comments, instructions and declarations are skipped; a text with entities is no reference and is kept as it is.

use std::collections::BTreeMap;

use super::value::Value;

/// Deeper elements are not read.
const MAX_DEPTH: usize = 100;
/// A longer value is no reference.
const MAX_LENGTH: usize = 1024;
/// Pieces of one value, those of its variables too.
const MAX_PIECES: usize = 200;

/// The text of an element that holds no other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf<'a> {
    /// Without the white space around it.
    pub(super) text: &'a str,
    /// The offset of its first byte.
    pub(super) start: usize,
}

/// Gives each leaf to `take` with the names from the root to its element, without their prefixes.
pub(super) fn each_leaf<'a>(text: &'a str, take: &mut dyn FnMut(&[&'a str], Leaf<'a>)) {
    let (mut path, mut at): (Vec<&str>, usize) = (Vec::new(), 0);
    // Where the content begins of the element that was opened last.
    let mut content = None;
    while let Some(open) = text.get(at..).and_then(|rest| rest.find('<')).map(|found| at + found) {
        let rest = &text[open..];
        at = open + tag_length(rest);
        let tag = &text[open + 1..at];
        if tag.starts_with('!') || tag.starts_with('?') {
            // A comment in an element belongs to none of its texts.
            content = content.filter(|begin: &usize| text[*begin..open].trim().is_empty()).map(|_| at);
        } else if tag.starts_with('/') {
            if let Some(begin) = content.take() {
                take(&path, leaf(text, begin, open));
            }
            path.pop();
        } else if !tag.ends_with("/>") && tag.ends_with('>') {
            if path.len() >= MAX_DEPTH {
                return;
            }
            path.push(name(tag));
            content = Some(at);
        } else {
            content = None;
        }
    }
}

fn leaf(text: &str, begin: usize, end: usize) -> Leaf<'_> {
    let written = &text[begin..end];
    let start = begin + written.len() - written.trim_start().len();
    Leaf { text: written.trim(), start }
}

/// The name of an element, without its prefix.
fn name(tag: &str) -> &str {
    let name = tag.split(|c: char| c.is_whitespace() || c == '>').next().unwrap_or("");
    name.rsplit(':').next().unwrap_or(name)
}

/// The length of the tag, the comment or the declaration that a text begins with.
fn tag_length(text: &str) -> usize {
    let until = |end: &str| text.find(end).map_or(text.len(), |at| at + end.len());
    if text.starts_with("<!--") {
        return until("-->");
    }
    if text.starts_with("<![CDATA[") {
        return until("]]>");
    }
    let mut quote = None;
    for (index, c) in text.char_indices() {
        match (c, quote) {
            ('>', None) => return index + 1,
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// Names that a file gives a value: `<name>value</name>`, used as `${name}` or `$(name)`.
pub(super) struct Properties<'a> {
    open: &'static str,
    close: char,
    values: BTreeMap<&'a str, Leaf<'a>>,
}

impl<'a> Properties<'a> {
    /// No names yet; a variable begins with `open` and ends with `close`.
    pub(super) fn new(open: &'static str, close: char) -> Self {
        Self { open, close, values: BTreeMap::new() }
    }

    /// Of a name given several values, the first counts.
    pub(super) fn define(&mut self, name: &'a str, leaf: Leaf<'a>) {
        self.values.entry(name).or_insert(leaf);
    }

    /// The value of a text with variables, or the name that has none here.
    pub(super) fn value(&self, leaf: Leaf<'a>) -> Result<Value, &'a str> {
        let mut budget = MAX_PIECES;
        self.value_within(leaf, &mut budget, "")
    }

    fn value_within(&self, leaf: Leaf<'a>, budget: &mut usize, of: &'a str) -> Result<Value, &'a str> {
        if leaf.text.len() > MAX_LENGTH {
            return Err(of);
        }
        let (mut value, mut at) = (Value::default(), 0);
        while at < leaf.text.len() {
            *budget = budget.checked_sub(1).ok_or(of)?;
            let rest = &leaf.text[at..];
            let plain = rest.find(self.open).unwrap_or(rest.len());
            value.push_str(&rest[..plain], Some((0, leaf.start + at)));
            at += plain;
            if let Some(inside) = rest[plain..].strip_prefix(self.open) {
                let name = inside.split(self.close).next().unwrap_or(inside).trim();
                let known = self.values.get(name).ok_or(name)?;
                value.append(&self.value_within(*known, budget, name)?);
                at += self.open.len() + inside.find(self.close).map_or(inside.len(), |end| end + 1);
            }
            if value.text().len() > MAX_LENGTH {
                return Err(of);
            }
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        each_leaf(text, &mut |path, leaf| {
            assert_eq!(&text[leaf.start..leaf.start + leaf.text.len()], leaf.text);
            found.push(format!("{}={}", path.join("/"), leaf.text));
        });
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn leaves() {
        check("<?xml v='>'?><a><!-- <b>x</b> --><b c=\"/>\">\r\n y </b><m:c/><d>z</d></a>", &["a/b=y", "a/d=z"]);
        check("<a><b><!-- c -->x</b><c>x<!-- y --></c></a>", &["a/b=x"]);
        check("<a><b>x", &[]);
        check("<a><b", &[]);
        check(&"<a>".repeat(1000), &[]);
    }

    #[test]
    fn properties_of_properties() {
        let mut properties = Properties::new("${", '}');
        properties.define("a", Leaf { text: "x${b}", start: 10 });
        properties.define("b", Leaf { text: "y", start: 20 });
        properties.define("loop", Leaf { text: "${loop}${loop}", start: 30 });
        let value = |text| properties.value(Leaf { text, start: 0 });
        assert_eq!(value("${a}:1").map(|value| value.text().to_owned()), Ok("xy:1".to_owned()));
        assert_eq!(value("${c}"), Err("c"));
        assert_eq!(value("${loop}"), Err("loop"));
        assert_eq!(value("${a"), value("${a}"));
    }
}
