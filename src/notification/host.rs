//! The host by which images name a registry.

use std::fmt;

use serde::Deserialize;

use crate::image::ImageName;

/// A registry's host and port, in the normal form of image names: `docker.io`, `harbor.example.com:8443`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Host(String);

/// A text that is no registry's host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the host that images name, such as harbor.example.com or registry.example.com:5000")]
pub struct InvalidHost;

impl Host {
    /// Reads a host with an optional port; refuses a path and what an image's name would not take for a host.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        const PATH: &str = "library/image";
        let image = ImageName::parse(&format!("{text}/{PATH}")).map_err(|_| InvalidHost)?;
        if image.repository() == PATH { Ok(Self(image.registry().to_owned())) } else { Err(InvalidHost) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Host {
    type Error = InvalidHost;
    fn try_from(text: String) -> Result<Self, InvalidHost> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Host::parse(text).ok().map(|host| host.to_string()).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn a_host_is_what_an_image_would_name() {
        check("harbor.example.com", Some("harbor.example.com"));
        check("Harbor.Example.com:8443", Some("harbor.example.com:8443"));
        check("index.docker.io", Some("docker.io"));
        check("localhost", Some("localhost"));
        for wrong in
            ["", "harbor", "https://harbor.example.com", "harbor.example.com/", "harbor.example.com/library", "a b"]
        {
            check(wrong, None);
        }
    }
}
