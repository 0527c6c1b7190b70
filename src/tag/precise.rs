//! A first look at a tag alone, where its list is not at hand.

use crate::image::Tag;

/// Whether a tag names a full version, by its own text: three numbers or more, parted by dots, after at most a `v`:
/// `1.27.3`, `v2.10.0-alpine`. Its content is not expected to change, as that of `1.27`, `latest` or a bare date is.
pub fn is_full_version(tag: &Tag) -> bool {
    let text = tag.as_str();
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let version = text.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap_or_default();
    version.split('.').count() >= 3 && version.split('.').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_a_full_version() {
        let check =
            |text: &str, full: bool| assert_eq!(is_full_version(&Tag::parse(text).expect("a tag")), full, "{text}");
        for text in ["1.27.3", "v2.10.0", "1.27.3-alpine3.20", "4.0.0.1", "2026.1.5", "3.12.1rc1", "V1.2.3"] {
            check(text, true);
        }
        for text in
            ["latest", "1", "1.27", "1.27-alpine", "20260105", "v1", "1.2.x", "alpine-3.20.1", "1..2", "bookworm"]
        {
            check(text, false);
        }
    }
}
