//! The tags of an image, page by page.
//!
//! Registries page in every way there is: by a `Link` that is relative, absolute or opaque, by no `Link` at all, by
//! ignoring the page's size. So: a `Link` is followed as it is written, as long as it stays at the registry; a full
//! page without one is followed by one look beyond its last tag; and a list that cannot be read to its end says so.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use url::Url;

use super::client::{Question, Registries};
use super::error::RegistryError;
use super::exchange::Answer;
use super::quirks::quirk;
use crate::image::{Digest, ImageName, Tag};
use crate::repo::Moment;

/// One page; Google's registries add much to each tag.
const PAGE_LIMIT: usize = 16 * 1024 * 1024;
/// All pages of an image: the largest known image has a million tags, in pages of a hundred.
const MAX_PAGES: usize = 2_000;
/// All tags of an image.
const MAX_TAGS: usize = 200_000;
/// All bytes of an image's list.
const MAX_BYTES: usize = 128 * 1024 * 1024;
/// A page's size that no registry is known to refuse.
const SAFE_SIZE: usize = 100;
/// Pages in a row that bring nothing new.
const MAX_IDLE_PAGES: usize = 10;

/// The tags of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagList {
    /// The tags, in the registry's order, each once; signatures and attestations kept as tags are left out.
    pub tags: Vec<Tag>,
    /// The list's version, where it came as one page and the registry names it.
    pub etag: Option<String>,
    /// Whether these are all.
    pub complete: Completeness,
    /// What was uploaded under them and when, where the list says so.
    pub uploads: BTreeMap<Tag, Upload>,
    /// How many pages were asked for.
    pub pages: usize,
}

/// Whether a list is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// All tags.
    Whole,
    /// There may be more.
    Cut {
        /// Why the rest was not read.
        reason: String,
    },
}

/// Borrowed, because a hostile page may hold millions of names; a tag's characters need no escape in JSON.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    tags: Option<Vec<&'a str>>,
    /// Google's registries say here when each image was uploaded, by its digest.
    #[serde(borrow, default)]
    manifest: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Uploaded<'a> {
    #[serde(borrow, default)]
    tag: Vec<&'a str>,
    /// Milliseconds since 1970, as text; `timeCreatedMs` is 0 there.
    #[serde(default)]
    time_uploaded_ms: &'a str,
}

/// What a list says of a tag besides its name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub struct Upload {
    /// What the tag points at.
    pub digest: Digest,
    /// When that was uploaded.
    pub at: Moment,
}

impl Page<'_> {
    fn names(&self) -> &[&str] {
        self.tags.as_deref().unwrap_or_default()
    }

    /// Hands each tag of which the page says when it was uploaded to `take`, one by one. A list without readable dates
    /// is a list still.
    fn uploads(&self, take: &mut dyn FnMut(&str, &str, i64)) {
        let Some(manifest) = self.manifest else { return };
        let mut reader = serde_json::Deserializer::from_str(manifest.get());
        if let Err(error) = Uploads(take).deserialize(&mut reader) {
            tracing::debug!(%error, "the dates of a list cannot be read");
        }
    }
}

/// Reads the uploads of a page without holding them all: a hostile page may have millions.
struct Uploads<'f>(&'f mut dyn FnMut(&str, &str, i64));

impl<'de> DeserializeSeed<'de> for Uploads<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Uploads<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("uploads by their digests")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((digest, uploaded)) = map.next_entry::<&str, Uploaded<'_>>()? {
            let Ok(at) = uploaded.time_uploaded_ms.parse() else { continue };
            for tag in &uploaded.tag {
                (self.0)(digest, tag, at);
            }
        }
        Ok(())
    }
}

/// Where the next page is.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// The registry says where.
    Link(Url),
    /// It does not say, but the page is full.
    Probe(Url),
    End,
    Broken(&'static str),
}

/// Why a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// It is the first, or the registry says that it is there.
    Link,
    /// It may be there.
    Probe,
}

/// A list on its way.
#[derive(Default)]
struct Reading {
    /// Tags asked for in one page.
    size: usize,
    tags: Vec<Tag>,
    known: HashSet<Tag>,
    /// Names that are no tags: counted, not kept.
    invalid: usize,
    uploads: BTreeMap<Tag, Upload>,
    bytes: usize,
    idle: usize,
    visited: HashSet<Url>,
    /// Of the last page that was read, where it was the only one.
    etag: Option<String>,
    /// Of the list that is known already.
    known_etag: Option<String>,
}

impl Reading {
    /// Takes a page's tags; how many of them, signatures included, are new.
    fn take(&mut self, page: &Page<'_>, bytes: usize) -> usize {
        let mut new = 0;
        for name in page.names() {
            if self.names() >= MAX_TAGS {
                break;
            }
            let Ok(tag) = Tag::parse(name) else {
                self.invalid += 1;
                continue;
            };
            if self.known.insert(tag.clone()) {
                new += 1;
                self.tags.extend(Some(tag).filter(|tag| !is_signature(tag)));
            }
        }
        self.take_uploads(page);
        self.bytes += bytes;
        self.idle = if new == 0 { self.idle + 1 } else { 0 };
        new
    }

    /// Takes what the page says of tags that are kept; so there are no more uploads than tags.
    fn take_uploads(&mut self, page: &Page<'_>) {
        let (known, uploads) = (&self.known, &mut self.uploads);
        page.uploads(&mut |digest, name, at| {
            let Some(tag) = Tag::parse(name).ok().filter(|tag| known.contains(tag) && !is_signature(tag)) else {
                return;
            };
            if let Ok(digest) = Digest::parse(digest) {
                uploads.insert(tag, Upload { digest, at: Moment(at) });
            }
        });
    }

    /// How many names were read, those that are no tags included.
    fn names(&self) -> usize {
        self.known.len() + self.invalid
    }

    /// Why no further page is read, where a bound is met.
    fn bound(&self) -> Option<String> {
        if self.visited.len() >= MAX_PAGES {
            return Some(format!("the list has more than {MAX_PAGES} pages"));
        }
        if self.names() >= MAX_TAGS {
            return Some(format!("the list has more than {MAX_TAGS} tags"));
        }
        if self.bytes >= MAX_BYTES {
            return Some(format!("the list has more than {MAX_BYTES} bytes"));
        }
        (self.idle >= MAX_IDLE_PAGES).then(|| "page follows page without a new tag".to_owned())
    }

    fn end(self, complete: Completeness) -> TagList {
        let pages = self.visited.len();
        TagList { tags: self.tags, etag: self.etag, complete, uploads: self.uploads, pages }
    }

    fn cut(self, reason: impl Into<String>) -> TagList {
        TagList { etag: None, ..self.end(Completeness::Cut { reason: reason.into() }) }
    }
}

impl Registries {
    /// All tags of an image.
    ///
    /// # Errors
    /// Where a page cannot be had. Where the paging itself is broken or endless, the list is
    /// [`Completeness::Cut`] instead.
    pub async fn tags(&self, image: &ImageName) -> Result<TagList, RegistryError> {
        self.read_list(image, Reading::default()).await
    }

    /// All tags of an image, where they are no more those of [`TagList::etag`]; `None` where they are.
    ///
    /// # Errors
    /// As [`Registries::tags`].
    pub async fn tags_unless(&self, image: &ImageName, etag: &str) -> Result<Option<TagList>, RegistryError> {
        let list = self.read_list(image, Reading { known_etag: Some(etag.to_owned()), ..Reading::default() }).await?;
        Ok((list.etag.as_deref() != Some(etag)).then_some(list))
    }

    async fn read_list(&self, image: &ImageName, mut reading: Reading) -> Result<TagList, RegistryError> {
        reading.size = quirk(image.registry()).page_size;
        let first = |size: usize| self.url(image, &format!("tags/list?n={size}"));
        let mut next = Next::Link(first(reading.size)?);
        loop {
            let (url, reason) = match next {
                Next::End => return Ok(reading.end(Completeness::Whole)),
                Next::Broken(reason) => return Ok(reading.cut(reason)),
                Next::Link(url) => (url, Reason::Link),
                Next::Probe(url) => (url, Reason::Probe),
            };
            if let Some(reason) = reading.bound() {
                return Ok(reading.cut(reason));
            }
            if !reading.visited.insert(url.clone()) {
                return Ok(reading.cut("the registry's links to further pages lead in a circle"));
            }
            next = match self.read_page(image, &url, reason, &mut reading).await {
                // A registry that nobody knows may take smaller pages only.
                Err(RegistryError::Invalid { .. }) if reading.visited.len() == 1 && reading.size > SAFE_SIZE => {
                    reading = Reading { size: SAFE_SIZE, ..Reading::default() };
                    Next::Link(first(SAFE_SIZE)?)
                }
                other => other?,
            };
        }
    }

    /// Reads one page, and finds where the next one is.
    async fn read_page(
        &self,
        image: &ImageName,
        url: &Url,
        reason: Reason,
        reading: &mut Reading,
    ) -> Result<Next, RegistryError> {
        let first = reading.visited.len() == 1;
        let known_etag = reading.known_etag.take();
        let etag = known_etag.as_deref();
        let question = Question { etag, ..Question::get(image, url.clone(), "application/json", PAGE_LIMIT) };
        let answer = match (self.ask(&question).await, reason) {
            (Ok(answer), _) => answer,
            (Err(RegistryError::NotFound { .. }), Reason::Link) if !first => {
                return Ok(Next::Broken("the registry's link to a further page leads nowhere"));
            }
            // Nothing was promised beyond the page.
            (Err(RegistryError::NotFound { .. } | RegistryError::Invalid { .. }), Reason::Probe) => {
                return Ok(Next::End);
            }
            (Err(error), _) => return Err(error),
        };
        if answer.status == http::StatusCode::NOT_MODIFIED {
            reading.etag = known_etag;
            return Ok(Next::End);
        }
        let page = parse_page(image, &answer)?;
        let new = reading.take(&page, answer.body.len());
        reading.etag = answer.header(http::header::ETAG).filter(|_| first).map(str::to_owned);
        match (reason, new) {
            (Reason::Probe, 0) => Ok(Next::End),
            (Reason::Probe | Reason::Link, _) => Ok(next_page(&answer, page.names(), reading.size)),
        }
    }
}

/// Reads a page by its content: a registry is known that calls it `text/plain`.
fn parse_page<'a>(image: &ImageName, answer: &'a Answer) -> Result<Page<'a>, RegistryError> {
    let page: Result<Page<'a>, _> = serde_json::from_slice(&answer.body);
    page.map_err(|_| RegistryError::invalid(image.registry(), "the registry's answer is no list of tags"))
}

/// Where the next page is: at the host that answered, which may be another one than was asked.
fn next_page(answer: &Answer, page: &[&str], size: usize) -> Next {
    let url = &answer.url;
    if let Some(link) = answer.header(http::header::LINK).and_then(next_link) {
        return match url.join(link) {
            Ok(next) if next.origin() == url.origin() => Next::Link(same_list(url, next)),
            Ok(_) => Next::Broken("the registry's link to a further page leads to another host"),
            Err(_) => Next::Broken("the registry's link to a further page is no address"),
        };
    }
    match page.last() {
        Some(last) if page.len() == size => {
            let mut next = url.clone();
            next.query_pairs_mut().clear().append_pair("n", &size.to_string()).append_pair("last", last);
            Next::Probe(next)
        }
        Some(_) | None => Next::End,
    }
}

/// The next page of the list that was asked: Artifactory's links leave out the name of the virtual repository.
fn same_list(asked: &Url, mut next: Url) -> Url {
    if next.path().ends_with("/tags/list") && next.query().is_some() {
        next.set_path(asked.path());
    }
    next
}

/// The target of the link with `rel="next"`. Source: RFC 8288; OCI distribution specification, "Listing tags".
fn next_link(header: &str) -> Option<&str> {
    header.split('<').skip(1).find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let next = parameters.split([';', ',']).any(|parameter| {
            let parameter = parameter.trim().to_ascii_lowercase();
            parameter == "rel=\"next\"" || parameter == "rel=next"
        });
        next.then_some(target)
    })
}

/// Signatures, attestations and referrers that are kept as tags: `sha256-<64 hex>`, with or without a suffix.
fn is_signature(tag: &Tag) -> bool {
    let Some(rest) = tag.as_str().strip_prefix("sha256-") else { return false };
    let Some((hex, suffix)) = rest.split_at_checked(64) else { return false };
    hex.bytes().all(|b| b.is_ascii_hexdigit()) && matches!(suffix, "" | ".sig" | ".att" | ".sbom")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_no_tags() {
        let hex = "0".repeat(64);
        let is = |text: String| is_signature(&Tag::parse(&text).expect("a tag"));
        for suffix in ["", ".sig", ".att", ".sbom"] {
            assert!(is(format!("sha256-{hex}{suffix}")), "{suffix}");
        }
        assert!(!is(format!("sha256-{hex}-alpine")));
        assert!(!is("sha256-1.2".to_owned()));
        assert!(!is("1.2".to_owned()));
    }

    #[test]
    fn links_as_registries_write_them() {
        assert_eq!(next_link(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#), Some("/v2/a/tags/list?last=b&n=2"));
        assert_eq!(next_link("<x?next_page=gAAA==>;rel=next"), Some("x?next_page=gAAA=="));
        assert_eq!(next_link(r#"</a>; rel="prev""#), None);
        assert_eq!(next_link("rel=next"), None);
    }
}
