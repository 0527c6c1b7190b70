//! The valid rules of one repository, and what they say about one site.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobMatcher};

use super::UpdateKind;
use crate::formats::Site;
use crate::image::ImageName;
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

/// Whether references are pinned to a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pin {
    /// Add the digest behind the tag, and move it with the tag.
    Digest,
    /// Leave references as they are: a digest that stands there is kept up to date, none is added.
    #[default]
    Keep,
}

/// One entry of `rules`: whom it matches, and what it then says.
#[derive(Debug, Clone, Default)]
pub struct Rule {
    /// The images it is for; empty means all.
    pub images: Vec<ImagePattern>,
    /// The paths it is for; empty means all.
    pub paths: Vec<PathPattern>,
    /// The kinds it allows; `None` leaves what earlier rules said.
    pub allow: Option<BTreeSet<UpdateKind>>,
    /// What it says of pinning; `None` leaves what earlier rules said.
    pub pin: Option<Pin>,
    /// Why it is there, in the words of whoever wrote it.
    pub reason: Option<String>,
    /// Where it stands in the file: the line, from 1.
    pub line: u32,
}

impl Rule {
    fn matches(&self, image: &ImageName, path: &FilePath) -> bool {
        (self.images.is_empty() || self.images.iter().any(|pattern| pattern.matches(image)))
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.matches(path)))
    }
}

/// The valid rules of one repository.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether Restow works on the repository at all.
    pub enabled: bool,
    /// Paths that are left alone.
    pub ignore_paths: Vec<PathPattern>,
    /// Images that are left alone.
    pub ignore_images: Vec<ImagePattern>,
    /// The kinds allowed where no rule says otherwise.
    pub allow: BTreeSet<UpdateKind>,
    /// What is pinned where no rule says otherwise.
    pub pin: Pin,
    /// In the order of the file; a later one that matches wins.
    pub rules: Vec<Rule>,
}

impl Default for Rules {
    /// What holds without a configuration file: every kind, nothing ignored, nothing pinned.
    fn default() -> Self {
        Self {
            enabled: true,
            ignore_paths: Vec::new(),
            ignore_images: Vec::new(),
            allow: UpdateKind::ALL.into_iter().collect(),
            pin: Pin::Keep,
            rules: Vec::new(),
        }
    }
}

/// What the rules say about one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The site is left alone, and why.
    Ignored {
        /// For a person: which setting.
        reason: String,
    },
    /// The site may be moved.
    Allowed {
        /// By these kinds.
        kinds: BTreeSet<UpdateKind>,
        /// With the digest, or as it stands.
        pin: Pin,
    },
}

impl Rules {
    /// What the rules say about `site`.
    pub fn decide(&self, site: &Site) -> Decision {
        let image = site.reference.image();
        if let Some(pattern) = self.ignore_paths.iter().find(|pattern| pattern.matches(&site.path)) {
            return Decision::Ignored { reason: format!("the path matches {:?} of ignore.paths", pattern.as_str()) };
        }
        if let Some(pattern) = self.ignore_images.iter().find(|pattern| pattern.matches(image)) {
            return Decision::Ignored { reason: format!("the image matches {:?} of ignore.images", pattern.as_str()) };
        }
        let matching = || self.rules.iter().rev().filter(|rule| rule.matches(image, &site.path));
        let kinds = matching().find_map(|rule| rule.allow.clone()).unwrap_or_else(|| self.allow.clone());
        let pin = matching().find_map(|rule| rule.pin).unwrap_or(self.pin);
        Decision::Allowed { kinds, pin }
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
