//! Splits a tag into tokens, losing nothing.
//!
//! ```text
//! tag       := chunk *(separator chunk)
//! separator := "." | "-" | "_" | any other character that is no ASCII letter or digit
//! chunk     := commit | release | platform | 1*(letters | digits)
//! commit    := 7 to 64 of [0-9a-f], both letters and digits among them; `git describe` writes a g before it
//! release   := the codename of a distribution's release (`bookworm`, `jammy`, `ltsc2022`)
//! platform  := `amd64`, `arm64v8`, `386` …
//! digits    := number | stamp
//! stamp     := date `20240131` | Unix seconds | date and time `202401311200`, `20240131120000`
//! ```
//!
//! Example: `v1.2.3-rc.1-alpine3.20` is the words `v`, `rc`, `alpine` and the numbers 1 2 3, 1 and 3 20.
//! What the tokens mean is learned from the whole list of tags: see `scheme.rs`.

use super::knowledge::{self, Release};

/// A piece of a tag; the texts of all tokens, one behind the other, are the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Kind,
}

/// What a token is, seen alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Separator,
    Word,
    /// The value saturates.
    Number(u64),
    Stamp(Stamp, u64),
    Commit,
    Release(Release),
}

/// The forms of a moment written as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    Date,
    UnixSeconds,
    DateTime,
}

/// Splits `text` into tokens, which replace what `tokens` held.
pub(super) fn tokenize<'a>(text: &'a str, tokens: &mut Vec<Token<'a>>) {
    tokens.clear();
    let mut rest = text;
    while !rest.is_empty() {
        let chunk_end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (chunk, tail) = rest.split_at(chunk_end);
        if !chunk.is_empty() {
            split_chunk(chunk, tokens);
        }
        let separator = tail.chars().next().map_or(0, char::len_utf8);
        let (separator, tail) = tail.split_at(separator);
        if !separator.is_empty() {
            tokens.push(Token { text: separator, kind: Kind::Separator });
        }
        rest = tail;
    }
}

fn split_chunk<'a>(chunk: &'a str, tokens: &mut Vec<Token<'a>>) {
    if let Some(kind) = whole(chunk, tokens) {
        tokens.push(Token { text: chunk, kind });
        return;
    }
    let mut rest = chunk;
    while let Some(first) = rest.bytes().next() {
        let digits = first.is_ascii_digit();
        let end = rest.bytes().position(|b| b.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(end);
        tokens.push(Token { text, kind: if digits { number(text) } else { Kind::Word } });
        rest = tail;
    }
}

/// What a chunk is as a whole, where it is more than letters and digits.
fn whole(chunk: &str, before: &[Token<'_>]) -> Option<Kind> {
    let letters = chunk.bytes().any(|b| b.is_ascii_alphabetic());
    if !letters {
        let word_before = before.iter().rev().find(|token| token.kind != Kind::Separator)?;
        let windows = word_before.kind == Kind::Word && word_before.text.ends_with("server");
        return if windows {
            knowledge::windows_release(chunk).map(Kind::Release)
        } else {
            (chunk == "386").then_some(Kind::Word)
        };
    }
    if is_commit(chunk) {
        return Some(Kind::Commit);
    }
    if let Some(release) = knowledge::codename(chunk) {
        return Some(Kind::Release(release));
    }
    is_platform(chunk).then_some(Kind::Word)
}

/// Whether the chunk is a commit's hash: `8f36c34`, `g8f36c34`.
fn is_commit(chunk: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let described = chunk.strip_prefix('g').is_some_and(|hash| (7..=40).contains(&hash.len()) && hex(hash));
    let digits = chunk.bytes().take_while(u8::is_ascii_digit).count();
    let date_with_letter = digits == 8 && chunk.len() == 9;
    described
        || ((7..=64).contains(&chunk.len())
            && hex(chunk)
            && chunk.bytes().any(|b| b.is_ascii_digit())
            && !date_with_letter)
}

fn is_platform(chunk: &str) -> bool {
    const PLATFORMS: [&str; 22] = [
        "amd64", "arm64", "arm64v8", "aarch64", "i386", "i686", "x64", "x86", "arm32v5", "arm32v6", "arm32v7", "armv5",
        "armv6", "armv7", "armv8", "armv7l", "ppc64le", "s390x", "riscv64", "mips64le", "32bit", "64bit",
    ];
    PLATFORMS.contains(&chunk)
}

fn number(digits: &str) -> Kind {
    let value = digits.parse().unwrap_or(u64::MAX);
    let date = |digits: &str| {
        let part = |range| digits.get(range).and_then(|part: &str| part.parse::<u32>().ok()).unwrap_or(0);
        (1990..2100).contains(&part(0..4)) && (1..=12).contains(&part(4..6)) && (1..=31).contains(&part(6..8))
    };
    match digits.len() {
        8 if date(digits) => Kind::Stamp(Stamp::Date, value),
        10 if (1_000_000_000..3_000_000_000).contains(&value) => Kind::Stamp(Stamp::UnixSeconds, value),
        12 | 14 if date(digits) => Kind::Stamp(Stamp::DateTime, value),
        _ => Kind::Number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        let mut tokens = Vec::new();
        tokenize(text, &mut tokens);
        tokens
    }

    /// Writes tokens as `kind:text`, separators as themselves.
    fn written(tag: &str) -> String {
        let mark = |token: &Token<'_>| match token.kind {
            Kind::Separator => token.text.to_owned(),
            Kind::Word => format!("w:{}", token.text),
            Kind::Number(_) => format!("n:{}", token.text),
            Kind::Stamp(..) => format!("t:{}", token.text),
            Kind::Commit => format!("c:{}", token.text),
            Kind::Release(_) => format!("r:{}", token.text),
        };
        tokens(tag).iter().map(mark).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(tag: &str, expected: &str) {
        assert_eq!(written(tag), expected);
        assert_eq!(tokens(tag).iter().map(|token| token.text).collect::<String>(), tag, "nothing is lost");
    }

    #[test]
    fn versions_and_words() {
        check("1.25", "n:1 . n:25");
        check("v1.2.3-rc.1", "w:v n:1 . n:2 . n:3 - w:rc . n:1");
        check("1.2-alpine3.20", "n:1 . n:2 - w:alpine n:3 . n:20");
        check("8u262-b10-jre", "n:8 w:u n:262 - w:b n:10 - w:jre");
    }

    #[test]
    fn commits() {
        check("1763560095-8f36c34", "t:1763560095 - c:8f36c34");
        check("v1.2.3-4-gabcdef0", "w:v n:1 . n:2 . n:3 - n:4 - c:gabcdef0");
        check("deadbeef", "w:deadbeef");
        check("1.15beta1", "n:1 . n:15 w:beta n:1");
    }

    #[test]
    fn moments() {
        check("20240131", "t:20240131");
        check("20249931", "n:20249931");
        check("RELEASE.2023-01-02T03-04-05Z", "w:RELEASE . n:2023 - n:01 - n:02 w:T n:03 - n:04 - n:05 w:Z");
    }

    #[test]
    fn releases_and_platforms() {
        check("3.12-slim-bookworm", "n:3 . n:12 - w:slim - r:bookworm");
        check("1-nanoserver-1809", "n:1 - w:nanoserver - r:1809");
        check("1-ltsc2022-amd64", "n:1 - r:ltsc2022 - w:amd64");
        check("1.0-386", "n:1 . n:0 - w:386");
        check("386", "n:386");
        check("é-1", "w:é - n:1".replace("w:é", "é").as_str());
    }
}
