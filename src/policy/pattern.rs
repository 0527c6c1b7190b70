//! Globs over paths, images, tags and other names.

use globset::{GlobBuilder, GlobMatcher};

use crate::image::{ImageName, Tag};
use crate::repo::FilePath;

/// A glob that matches nothing because it is written wrongly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is not a glob: {reason}")]
pub struct InvalidPattern {
    pattern: String,
    reason: String,
}

fn glob(pattern: &str) -> Result<GlobMatcher, InvalidPattern> {
    let invalid = |reason: String| InvalidPattern { pattern: pattern.to_owned(), reason };
    if pattern.is_empty() {
        return Err(invalid("it is empty".to_owned()));
    }
    let glob =
        GlobBuilder::new(pattern).literal_separator(true).build().map_err(|error| invalid(error.kind().to_string()))?;
    Ok(glob.compile_matcher())
}

/// A glob over file paths, `**` for any folders: `deploy/**/*.yaml`. A pattern without `/` matches in every folder;
/// one that ends in `/` matches all that the folder holds.
#[derive(Debug, Clone)]
pub struct PathPattern {
    written: String,
    matcher: GlobMatcher,
}

impl PathPattern {
    /// Reads the glob.
    pub fn parse(written: &str) -> Result<Self, InvalidPattern> {
        if written.is_empty() {
            return glob(written).map(|matcher| Self { written: written.to_owned(), matcher });
        }
        let below = if written.ends_with('/') { format!("{written}**") } else { written.to_owned() };
        let anchored = match below.strip_prefix('/') {
            Some(rooted) => rooted.to_owned(),
            None if written.trim_end_matches('/').contains('/') => below,
            None => format!("**/{below}"),
        };
        Ok(Self { written: written.to_owned(), matcher: glob(&anchored)? })
    }

    /// Whether the path matches.
    pub fn matches(&self, path: &FilePath) -> bool {
        self.matcher.is_match(path.as_str())
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// A glob over image names, in their familiar or full spelling: `nginx`, `ghcr.io/acme/*`, `*/library/**`.
#[derive(Debug, Clone)]
pub struct ImagePattern {
    written: String,
    matcher: GlobMatcher,
}

impl ImagePattern {
    /// Reads the glob.
    pub fn parse(written: &str) -> Result<Self, InvalidPattern> {
        Ok(Self { written: written.to_owned(), matcher: glob(written)? })
    }

    /// Whether the image matches in either spelling.
    pub fn matches(&self, image: &ImageName) -> bool {
        self.matcher.is_match(image.familiar()) || self.matcher.is_match(image.to_string())
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// A glob over tags or over other short names: `*-alpine`, `1.2?`.
#[derive(Debug, Clone)]
pub struct NamePattern {
    written: String,
    matcher: GlobMatcher,
}

impl NamePattern {
    /// Reads the glob.
    ///
    /// # Errors
    /// It is written wrongly.
    pub fn parse(written: &str) -> Result<Self, InvalidPattern> {
        Ok(Self { written: written.to_owned(), matcher: glob(written)? })
    }

    /// Whether the name matches.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// Whether the tag matches.
    pub fn matches_tag(&self, tag: &Tag) -> bool {
        self.matches(tag.as_str())
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_path(pattern: &str, path: &str, matches: bool) {
        let pattern = PathPattern::parse(pattern).expect("a glob");
        assert_eq!(pattern.matches(&FilePath::parse(path).expect("a path")), matches, "{path}");
    }

    #[test]
    fn path_patterns() {
        check_path("Dockerfile", "a/b/Dockerfile", true);
        check_path("/Dockerfile", "Dockerfile", true);
        check_path("/Dockerfile", "a/Dockerfile", false);
        check_path("deploy/*.yaml", "deploy/a.yaml", true);
        check_path("deploy/*.yaml", "deploy/x/a.yaml", false);
        check_path("deploy/**/*.yaml", "deploy/x/a.yaml", true);
        check_path("tests/", "tests/x/Dockerfile", true);
        check_path("tests/", "a/tests/Dockerfile", true);
    }

    #[track_caller]
    fn check_image(pattern: &str, image: &str, matches: bool) {
        let pattern = ImagePattern::parse(pattern).expect("a glob");
        assert_eq!(pattern.matches(&image.parse().expect("an image")), matches, "{image}");
    }

    #[test]
    fn image_patterns_match_either_spelling() {
        check_image("nginx", "docker.io/library/nginx", true);
        check_image("docker.io/library/*", "nginx", true);
        check_image("ghcr.io/acme/*", "ghcr.io/acme/shop", true);
        check_image("ghcr.io/acme/*", "ghcr.io/acme/shop/web", false);
        check_image("ghcr.io/acme/**", "ghcr.io/acme/shop/web", true);
        check_image("nginx", "bitnami/nginx", false);
        assert!(ImagePattern::parse("a[").is_err());
        assert!(ImagePattern::parse("").is_err());
    }
}
