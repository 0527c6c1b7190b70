//! Image references as people write them.
//!
//! ```text
//! reference := [host [":" port] "/"] path [":" tag] ["@" digest]
//! host      := domain name | IPv4 | "[" IPv6 "]"         (any case)
//! path      := component *("/" component)                 (lower case; at most 255 bytes)
//! component := 1*[a-z0-9] *(separator 1*[a-z0-9])         separator := "." | "_" | "__" | 1*"-"
//! tag       := [A-Za-z0-9_] *127[A-Za-z0-9_.-]
//! ```
//!
//! The first component is a host when it holds `.`, `:` or an upper-case letter, or is `localhost`.
//! Example: `registry.example.com:5000/team/app:1.2@sha256:…`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::name::ImageName;

/// A tag: 1 to 128 bytes of `[A-Za-z0-9_.-]`, not beginning with `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

impl Tag {
    /// Reads a tag.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let valid = text.len() <= 128
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'));
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidReference::Tag) }
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = InvalidReference;
    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Tag {
    type Error = InvalidReference;
    fn try_from(text: String) -> Result<Self, InvalidReference> {
        Self::parse(&text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> String {
        tag.0
    }
}

/// An image name as written somewhere: `[registry/]repository[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    name: String,
    image: ImageName,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Nothing stands there.
    #[error("the image reference is empty")]
    Empty,
    /// The registry's host or port breaks the grammar.
    #[error("the registry in front of the first / is not a host with an optional port")]
    Host,
    /// The repository's path breaks the grammar.
    #[error("an image's path is lower-case letters and digits, joined by / . _ or -")]
    Path,
    /// The path alone is 64 hexadecimal digits, which is an image id.
    #[error("64 hexadecimal digits name an image id, not a repository")]
    ImageId,
    /// The path has more than 255 bytes.
    #[error("an image's path has at most 255 bytes")]
    TooLong,
    /// The tag breaks the grammar.
    #[error("a tag is 1 to 128 letters, digits, _ . or -, and does not begin with . or -")]
    Tag,
    /// The digest is not of a registered algorithm and length.
    #[error("a digest is sha256: and 64, or sha512: and 128 lower-case hexadecimal digits")]
    Digest,
}

impl Reference {
    /// Reads a reference; nothing may stand before or behind it.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        if text.is_empty() {
            return Err(InvalidReference::Empty);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(Digest::parse(digest).map_err(|_| InvalidReference::Digest)?)),
            None => (text, None),
        };
        let (name, tag) = split_tag(rest);
        let tag = tag.map(Tag::parse).transpose()?;
        let image = parse_name(name)?;
        Ok(Self { name: name.to_owned(), image, tag, digest })
    }

    /// The name as written, without tag and digest.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The image in its normal form.
    pub fn image(&self) -> &ImageName {
        &self.image
    }

    /// The tag as written; `None` means what the registry calls `latest`, unless there is a digest.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest as written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same name, as written, with another tag and digest.
    #[must_use]
    pub fn with(&self, tag: Option<Tag>, digest: Option<Digest>) -> Self {
        Self { name: self.name.clone(), image: self.image.clone(), tag, digest }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;
    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Reference {
    type Error = InvalidReference;
    fn try_from(text: String) -> Result<Self, InvalidReference> {
        Self::parse(&text)
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> String {
        reference.to_string()
    }
}

/// Splits at the last `:` behind the last `/`; a port stands before it.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    let path_start = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[path_start..].rfind(':') {
        Some(colon) => (&text[..path_start + colon], Some(&text[path_start + colon + 1..])),
        None => (text, None),
    }
}

fn parse_name(name: &str) -> Result<ImageName, InvalidReference> {
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (Some(first), rest),
        _ => (None, name),
    };
    if host.is_some_and(|host| !valid_host(host)) {
        return Err(InvalidReference::Host);
    }
    if path.len() > 255 {
        return Err(InvalidReference::TooLong);
    }
    if !path.split('/').all(valid_component) {
        return Err(InvalidReference::Path);
    }
    if host.is_none() && path.len() == 64 && path.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(InvalidReference::ImageId);
    }
    Ok(ImageName::normalise(host, path))
}

fn is_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn valid_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            ("", port)
        }
        None => match text.find(':') {
            Some(colon) => (&text[..colon], &text[colon..]),
            None => (text, ""),
        },
    };
    let port_valid = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    port_valid && (text.starts_with('[') || (host.len() <= 253 && host.split('.').all(valid_label)))
}

fn valid_label(label: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    edge(label.bytes().next())
        && edge(label.bytes().last())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn valid_component(component: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if !component.bytes().next().is_some_and(word) || !component.bytes().last().is_some_and(word) {
        return false;
    }
    component
        .split(|c: char| u8::try_from(c).is_ok_and(word))
        .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[track_caller]
    fn check(written: &str, image: &str, tag: Option<&str>) {
        let reference = Reference::parse(written).expect("a reference");
        assert_eq!(reference.image().to_string(), image);
        assert_eq!(reference.tag().map(Tag::as_str), tag);
        assert_eq!(reference.to_string(), written, "printed back exactly");
    }

    #[track_caller]
    fn refuse(written: &str, why: InvalidReference) {
        assert_eq!(Reference::parse(written), Err(why), "{written}");
    }

    #[test]
    fn usual_forms() {
        check("nginx", "docker.io/library/nginx", None);
        check("nginx:1.25-alpine", "docker.io/library/nginx", Some("1.25-alpine"));
        check(&format!("nginx:1.25@{SHA}"), "docker.io/library/nginx", Some("1.25"));
        check(&format!("ghcr.io/acme/shop@{SHA}"), "ghcr.io/acme/shop", None);
        check("localhost/x:1", "localhost/x", Some("1"));
        check("localhost:5000/x", "localhost:5000/x", None);
        check("[2001:db8::1]:5000/a/b:x", "[2001:db8::1]:5000/a/b", Some("x"));
        check("[::1]/a", "[::1]/a", None);
        check("MyReg/foo:1", "myreg/foo", Some("1"));
        check("a__b/c---d/e.f_g", "docker.io/a__b/c---d/e.f_g", None);
        check("r.example.com:5000/x", "r.example.com:5000/x", None);
        check("nginx:_", "docker.io/library/nginx", Some("_"));
    }

    #[test]
    fn sha512_digests() {
        let digest = format!("sha512:{}", "ab".repeat(64));
        let reference = Reference::parse(&format!("x@{digest}")).expect("a reference");
        assert_eq!(reference.digest().map(Digest::as_str), Some(digest.as_str()));
    }

    #[test]
    fn what_is_no_reference() {
        refuse("", InvalidReference::Empty);
        refuse("nginx:", InvalidReference::Tag);
        refuse("nginx:-a", InvalidReference::Tag);
        refuse(&format!("nginx:{}", "a".repeat(129)), InvalidReference::Tag);
        refuse("nginx@sha256:abc", InvalidReference::Digest);
        refuse(&format!("nginx@{SHA}@{SHA}"), InvalidReference::Digest);
        refuse("Nginx", InvalidReference::Path);
        refuse("a/", InvalidReference::Path);
        refuse("a//b", InvalidReference::Path);
        refuse("a___b", InvalidReference::Path);
        refuse("a_-b", InvalidReference::Path);
        refuse("-a", InvalidReference::Path);
        refuse("${X}", InvalidReference::Path);
        refuse("nginx 1", InvalidReference::Path);
        refuse("nginx:1 ", InvalidReference::Tag);
        refuse("é/x", InvalidReference::Path);
        refuse("x.y:port/a", InvalidReference::Host);
        refuse("-x.y/a", InvalidReference::Host);
        refuse("[::zz]/a", InvalidReference::Host);
        refuse("[::1/a", InvalidReference::Host);
        refuse(&"a".repeat(64), InvalidReference::ImageId);
        refuse(&"a".repeat(256), InvalidReference::TooLong);
    }

    #[test]
    fn moving_keeps_the_written_name() {
        let reference = Reference::parse("index.docker.io/nginx:1").expect("a reference");
        let moved = reference.with(Some(Tag::parse("2").expect("a tag")), None);
        assert_eq!(moved.to_string(), "index.docker.io/nginx:2");
    }
}
