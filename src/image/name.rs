//! The normal form of an image's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::reference::Reference;

/// An image without tag or digest in its normal form: `docker.io/library/nginx`, `ghcr.io/acme/shop`.
///
/// Two spellings of one image (`nginx`, `index.docker.io/library/nginx`) have equal names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName {
    registry: String,
    repository: String,
}

/// A text that is no image name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an image name such as nginx or ghcr.io/owner/image (without tag or digest)")]
pub struct InvalidImageName(String);

/// The registry that a name without a host belongs to.
pub(super) const DOCKER_HUB: &str = "docker.io";

impl ImageName {
    pub(super) fn normalise(host: Option<&str>, path: &str) -> Self {
        let registry = host.map_or(DOCKER_HUB.to_owned(), str::to_ascii_lowercase);
        let registry = match registry.as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB.to_owned(),
            _ => registry,
        };
        let official = registry == DOCKER_HUB && !path.contains('/');
        let repository = if official { format!("library/{path}") } else { path.to_owned() };
        Self { registry, repository }
    }

    /// Reads a name in any spelling; refuses a tag or a digest.
    pub fn parse(text: &str) -> Result<Self, InvalidImageName> {
        let error = || InvalidImageName(text.chars().take(300).collect());
        let reference = Reference::parse(text).map_err(|_| error())?;
        if reference.tag().is_some() || reference.digest().is_some() {
            return Err(error());
        }
        Ok(reference.image().clone())
    }

    /// The registry's host and port, lower case: `docker.io`, `registry.example.com:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository within the registry: `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The shortest usual spelling: `nginx`, `grafana/grafana`, `ghcr.io/acme/shop`.
    pub fn familiar(&self) -> String {
        match (self.registry.as_str(), self.repository.strip_prefix("library/")) {
            (DOCKER_HUB, Some(short)) if !short.contains('/') => short.to_owned(),
            (DOCKER_HUB, _) => self.repository.clone(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

impl FromStr for ImageName {
    type Err = InvalidImageName;
    fn from_str(text: &str) -> Result<Self, InvalidImageName> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ImageName {
    type Error = InvalidImageName;
    fn try_from(text: String) -> Result<Self, InvalidImageName> {
        Self::parse(&text)
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> String {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, normal: &str, familiar: &str) {
        let name = ImageName::parse(written).expect("an image name");
        assert_eq!(name.to_string(), normal);
        assert_eq!(name.familiar(), familiar);
    }

    #[test]
    fn every_spelling_has_one_normal_form() {
        check("nginx", "docker.io/library/nginx", "nginx");
        check("docker.io/nginx", "docker.io/library/nginx", "nginx");
        check("index.docker.io/library/nginx", "docker.io/library/nginx", "nginx");
        check("grafana/grafana", "docker.io/grafana/grafana", "grafana/grafana");
        check("GHCR.io/acme/shop", "ghcr.io/acme/shop", "ghcr.io/acme/shop");
        check("localhost/shop", "localhost/shop", "localhost/shop");
        check("localhost:5000/shop", "localhost:5000/shop", "localhost:5000/shop");
        check("[::1]:5000/shop", "[::1]:5000/shop", "[::1]:5000/shop");
    }

    #[test]
    fn a_tag_is_no_part_of_a_name() {
        assert!(ImageName::parse("nginx:1").is_err());
        assert!(ImageName::parse("").is_err());
    }
}
