//! A first look at a tag alone, where its list is not at hand.

use crate::image::Tag;

/// Whether a tag names a full version, by its own text: three numbers or more, parted by dots, after at most a `v`:
/// `1.27.3`, `v2.10.0-alpine`. Its content is not expected to change, as that of `1.27`, `latest` or a bare date is.
pub fn is_full_version(tag: &Tag) -> bool {
    is_full(tag.as_str())
}

fn is_full(text: &str) -> bool {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let version = text.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap_or_default();
    version.split('.').count() >= 3 && version.split('.').all(|part| !part.is_empty())
}

/// Whether a tag names one build, by its own text: a full version, a date (`bookworm-20241212`) or a commit
/// (`main-9781fe46`) is among its parts. Nobody is expected to build it again.
pub fn names_one_build(tag: &Tag) -> bool {
    tag.as_str().split(['-', '_']).any(|part| is_full(part) || is_dated(part) || is_commit(part))
}

/// Eight digits or more: a date, or a moment.
fn is_dated(part: &str) -> bool {
    part.bytes().take_while(u8::is_ascii_digit).count() >= 8
}

/// Digits and letters of a commit, seven or more.
fn is_commit(part: &str) -> bool {
    let hex = part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let both = part.bytes().any(|byte| byte.is_ascii_digit()) && part.bytes().any(|byte| byte.is_ascii_alphabetic());
    hex && both && (7..=64).contains(&part.len())
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

    #[test]
    fn dates_and_commits_are_one_build() {
        let check = |text: &str, one: bool| {
            assert_eq!(names_one_build(&Tag::parse(text).expect("a tag")), one, "{text}");
        };
        for text in ["1.27.3", "amd64-5.1.1", "bookworm-20241212", "20241221.1", "4280c26", "main-9781fe46-1700476000"]
        {
            check(text, true);
        }
        for text in ["latest", "1.27", "12.6-alpine3.20", "4-bookworm", "1234567", "deadbeef", "noble", "2024"] {
            check(text, false);
        }
    }
}
