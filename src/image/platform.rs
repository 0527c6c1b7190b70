//! The platform an image is built for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Operating system, architecture and variant, in the normal form of containerd: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a platform: expected os/architecture or os/architecture/variant, such as linux/amd64")]
pub struct InvalidPlatform;

impl Platform {
    /// Reads `os/architecture[/variant]`; `x86_64` and `aarch64` are read as `amd64` and `arm64`, `arm64/v8`
    /// as `arm64`, `arm` as `arm/v7`.
    pub fn parse(text: &str) -> Result<Self, InvalidPlatform> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture] => Self::new(os, architecture, None),
            [os, architecture, variant] => Self::new(os, architecture, Some(variant)),
            _ => Err(InvalidPlatform),
        }
    }

    /// Builds a platform from the fields of an image index entry.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Result<Self, InvalidPlatform> {
        let plain = |part: &str| {
            !part.is_empty()
                && part.len() <= 64
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if ![os, architecture].into_iter().chain(variant).all(plain) {
            return Err(InvalidPlatform);
        }
        let architecture = match architecture.to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            "armhf" => "arm".to_owned(),
            other => other.to_owned(),
        };
        let variant = match (architecture.as_str(), variant) {
            ("arm64", Some("v8" | "8")) => None,
            // Without a word it is the seventh.
            ("arm", None | Some("7")) => Some("v7"),
            (_, variant) => variant,
        };
        Ok(Self { os: os.to_ascii_lowercase(), architecture, variant: variant.map(str::to_owned) })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;
    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Platform {
    type Error = InvalidPlatform;
    fn try_from(text: String) -> Result<Self, InvalidPlatform> {
        Self::parse(&text)
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> String {
        platform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, normal: Option<&str>) {
        assert_eq!(Platform::parse(text).ok().map(|p| p.to_string()).as_deref(), normal, "{text}");
    }

    #[test]
    fn aliases_have_one_form() {
        check("linux/amd64", Some("linux/amd64"));
        check("linux/x86_64", Some("linux/amd64"));
        check("linux/arm64/v8", Some("linux/arm64"));
        check("Linux/aarch64", Some("linux/arm64"));
        check("linux/arm/v7", Some("linux/arm/v7"));
        check("linux/arm", Some("linux/arm/v7"));
        check("linux/arm/v6", Some("linux/arm/v6"));
        check("linux", None);
        check("linux/", None);
        check("a/b/c/d", None);
        check("$BUILDPLATFORM", None);
    }
}
