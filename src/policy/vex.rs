//! Whose VEX statements count, and for which images.

use super::{ImagePattern, NamePattern};
use crate::image::ImageName;
use crate::vulnerability::VexOrigin;

/// Trust in an author's statements about images.
#[derive(Debug, Clone)]
pub struct VexTrust {
    /// About which images.
    pub images: ImagePattern,
    /// Whose.
    pub author: NamePattern,
    /// The VEX repository that they must come from; `None`: what is attached to the image itself.
    pub repository: Option<String>,
}

impl VexTrust {
    /// Whether a statement of this author and origin about the image counts. What a person named is not asked about.
    pub fn trusts(&self, image: &ImageName, author: &str, origin: &VexOrigin) -> bool {
        let from = match (origin, &self.repository) {
            (VexOrigin::Attached, None) => true,
            (VexOrigin::Repository { address, .. }, Some(wanted)) => {
                address.trim_end_matches('/') == wanted.trim_end_matches('/')
            }
            (VexOrigin::Attached | VexOrigin::Repository { .. } | VexOrigin::File { .. }, _) => false,
        };
        from && self.images.matches(image) && self.author.matches(author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::Moment;

    #[test]
    fn image_author_and_origin_must_all_fit() {
        let trust = |images: &str, author: &str, repository: Option<&str>| VexTrust {
            images: ImagePattern::parse(images).expect("a glob"),
            author: NamePattern::parse(author).expect("a glob"),
            repository: repository.map(str::to_owned),
        };
        let of = |address: &str| VexOrigin::Repository { address: address.to_owned(), as_of: Moment(0) };
        let check = |trust: &VexTrust, author: &str, origin: &VexOrigin, expected: bool| {
            let image = ImageName::parse("ghcr.io/acme/app").expect("a name");
            assert_eq!(trust.trusts(&image, author, origin), expected, "{trust:?} {author} {origin:?}");
        };
        let attached = trust("ghcr.io/acme/*", "Acme*", None);
        check(&attached, "Acme <security@acme.example>", &VexOrigin::Attached, true);
        check(&attached, "Mallory", &VexOrigin::Attached, false);
        check(&attached, "Acme", &of("https://vex.example"), false);
        check(&trust("ghcr.io/other/*", "*", None), "Acme", &VexOrigin::Attached, false);
        let hub = trust("**", "*", Some("https://vex.example/hub"));
        check(&hub, "Acme", &of("https://vex.example/hub/"), true);
        check(&hub, "Acme", &of("https://vex.example/other"), false);
        check(&hub, "Acme", &VexOrigin::Attached, false);
    }
}
