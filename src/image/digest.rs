//! Content digests, `sha256:<64 hex>`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The digest of a manifest or blob: `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits.
///
/// Source: OCI image specification, "Digests"; these are the two registered algorithms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a digest: expected sha256: and 64, or sha512: and 128 lower-case hexadecimal digits")]
pub struct InvalidDigest;

impl Digest {
    /// Reads a digest with its algorithm.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        let (algorithm, hex) = text.split_once(':').ok_or(InvalidDigest)?;
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(InvalidDigest),
        };
        let digits = hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if digits && hex.len() == length { Ok(Self(text.to_owned())) } else { Err(InvalidDigest) }
    }

    /// The sha256 digest of `bytes`.
    pub fn sha256_of(bytes: &[u8]) -> Self {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        Self(format!("sha256:{}", hex::encode(hash)))
    }

    /// Whether `bytes` have this digest.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let mut check = self.check();
        check.update(bytes);
        check.is_met()
    }

    /// A check of bytes that come piece by piece.
    pub fn check(&self) -> DigestCheck {
        let algorithm = match self.algorithm() {
            "sha512" => &aws_lc_rs::digest::SHA512,
            _ => &aws_lc_rs::digest::SHA256,
        };
        DigestCheck { context: aws_lc_rs::digest::Context::new(algorithm), expected: self.clone() }
    }

    /// `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The digest as written in references.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Algorithm and the first seven digits, for people: `sha256:1a2b3c4`.
    pub fn short(&self) -> String {
        format!("{}:{}", self.algorithm(), &self.hex()[..7])
    }
}

/// Bytes on their way, held against the digest that they are named by.
#[derive(Clone)]
pub struct DigestCheck {
    context: aws_lc_rs::digest::Context,
    expected: Digest,
}

impl fmt::Debug for DigestCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestCheck").field("expected", &self.expected).finish_non_exhaustive()
    }
}

impl DigestCheck {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Whether all the bytes together have the digest.
    pub fn is_met(self) -> bool {
        hex::encode(self.context.finish()) == self.expected.hex()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;
    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        Self::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_algorithms_of_full_length() {
        assert!(Digest::parse(&format!("sha256:{}", "0".repeat(64))).is_ok());
        assert!(Digest::parse(&format!("sha512:{}", "f".repeat(128))).is_ok());
        assert!(Digest::parse(&format!("sha256:{}", "0".repeat(63))).is_err());
        assert!(Digest::parse(&format!("sha256:{}", "A".repeat(64))).is_err());
        assert!(Digest::parse(&format!("md5:{}", "0".repeat(32))).is_err());
        assert!(Digest::parse("sha256").is_err());
    }

    #[test]
    fn the_digest_of_nothing() {
        let empty = Digest::sha256_of(b"");
        assert_eq!(empty.hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(empty.matches(b""));
        assert!(!empty.matches(b"x"));
        assert_eq!(empty.short(), "sha256:e3b0c44");
    }
}
