//! The precise tag that a floating one stands for now.
//!
//! Where the registry gives the contents, it is the tag with the same content; else the newest full version that the
//! floating one begins. A tag without a version, such as `latest`, is told by its content only.

use super::Pick;
use super::Precision;
use super::pick::Question;
use super::scheme::{Entry, Shape};
use crate::image::Digest;

impl<'a> Question<'a> {
    /// The precise tag, or why there is none.
    pub(super) fn pin(&self, current: &str, precision: Precision) -> Result<Pick, String> {
        if precision == Precision::Precise {
            return Err("the tag is a full version".to_owned());
        }
        let tags = &self.scheme.tags;
        let content = tags.iter().find(|tag| tag.name.as_str() == current).and_then(|tag| tag.digest.as_ref());
        let alike = content.and_then(|content| self.newest(|entry| self.content(entry) == Some(content)));
        if let Some(entry) = alike {
            return Ok(self.propose(entry, "the full version with the same content".to_owned()));
        }
        let known = content.is_some() && tags.iter().all(|tag| tag.digest.is_some());
        match self.newest(|_| true).filter(|_| !known && !self.reading.key.version.is_empty()) {
            Some(entry) => Ok(self.propose(entry, "the newest full version that the tag begins".to_owned())),
            None if known => Err("no full version has the same content".to_owned()),
            None => Err("no full version is known that the tag stands for".to_owned()),
        }
    }

    /// The newest full version that the tag begins, of those that are meant.
    fn newest(&self, is_meant: impl Fn(&Entry) -> bool) -> Option<&'a Entry> {
        let shapes = self.scheme.shapes.iter().filter(|shape| self.is_precise_form(shape));
        let lines = shapes.flat_map(|shape| self.lines_of(shape)).flatten();
        lines.filter(|entry| self.begins(entry) && is_meant(entry)).max_by(|a, b| a.key.cmp(&b.key))
    }

    fn content(&self, entry: &Entry) -> Option<&'a Digest> {
        self.scheme.tags[entry.tag].digest.as_ref()
    }

    /// Whether tags of the shape are full versions, written as the current tag is.
    fn is_precise_form(&self, shape: &Shape) -> bool {
        let (own, form) = (&self.reading.form, &shape.form);
        let full = form.version_length() == self.scheme.full_length(&form.prefix) && form.version_length() > 0;
        let named = own.version.is_none() || (own.prefix == form.prefix && own.suffix == form.suffix);
        full && named && form.stage == own.stage && form.lengthens(own)
    }

    /// The tags of the same variants.
    fn lines_of(&self, shape: &'a Shape) -> impl Iterator<Item = &'a [Entry]> {
        let any = self.reading.form.version.is_none();
        let variants = self.reading.variants.clone();
        shape.lines.iter().filter(move |(of, _)| any || **of == variants).map(|(_, line)| line.as_slice())
    }

    fn begins(&self, entry: &Entry) -> bool {
        entry.key.version.len() > self.reading.key.version.len()
            && entry.key.version.starts_with(&self.reading.key.version)
    }
}
