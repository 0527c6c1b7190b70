//! The words, texts and signs of Groovy, as far as finding images needs them. A text that is left open ends with its
//! line, so that what is misread costs one line.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// Between single or double quotes.
    Text,
    /// Between three of them.
    Block,
    Sign(u8),
}

/// A token; of a text, the bytes between the quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// The tokens of a text without its comments.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = text.as_bytes().get(at).copied() {
        let rest = text.get(at..).unwrap_or("");
        let end = match first {
            _ if rest.starts_with("//") || rest.starts_with("#!") => line_end(text, at),
            _ if rest.starts_with("/*") => rest[2..].find("*/").map_or(text.len(), |end| at + end + 4),
            b'\'' | b'"' => quoted(text, at, &mut found),
            _ if is_word(first) => {
                let end = at + text.as_bytes()[at..].iter().take_while(|byte| is_word(**byte)).count();
                found.push(Token { kind: Kind::Word, range: at..end });
                end
            }
            _ => {
                if first.is_ascii_punctuation() {
                    found.push(Token { kind: Kind::Sign(first), range: at..at + 1 });
                }
                at + 1
            }
        };
        at = end;
    }
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}

fn line_end(text: &str, at: usize) -> usize {
    text.as_bytes()[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| at + end)
}

/// Adds the text that begins with the quote at an offset; returns where it ends.
fn quoted(text: &str, at: usize, found: &mut Vec<Token>) -> usize {
    let (quote, rest) = text[at..].split_at(1);
    let three = quote.repeat(3);
    if text[at..].starts_with(&three) {
        let begin = at + 3;
        let end = text[begin..].find(&three).map_or(text.len(), |end| begin + end);
        found.push(Token { kind: Kind::Block, range: begin..end });
        return text.len().min(end + 3);
    }
    let mut escaped = false;
    let begin = at + 1;
    let length = rest.find(|c: char| {
        let ends = c == '\n' || (!escaped && quote.starts_with(c));
        escaped = !escaped && c == '\\';
        ends
    });
    let end = length.map_or(text.len(), |length| begin + length);
    if text.get(end..end + 1) != Some(quote) {
        return end;
    }
    found.push(Token { kind: Kind::Text, range: begin..end });
    end + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(Kind, &str)]) {
        let found: Vec<(Kind, &str)> = tokens(text).into_iter().map(|token| (token.kind, &text[token.range])).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn words_texts_and_signs() {
        check("image 'a:1' // 'no'", &[(Kind::Word, "image"), (Kind::Text, "a:1")]);
        check(
            "x.y(/* ' */\"b\\\"c\")",
            &[
                (Kind::Word, "x"),
                (Kind::Sign(b'.'), "."),
                (Kind::Word, "y"),
                (Kind::Sign(b'('), "("),
                (Kind::Text, "b\\\"c"),
                (Kind::Sign(b')'), ")"),
            ],
        );
        check("'''a\n'b''' ''", &[(Kind::Block, "a\n'b"), (Kind::Text, "")]);
        check("it's\n'é' ü", &[(Kind::Word, "it"), (Kind::Text, "é"), (Kind::Word, "ü")]);
    }

    #[test]
    fn what_is_left_open_ends() {
        check("\"\"\"a", &[(Kind::Block, "a")]);
        check("'a\nb", &[(Kind::Word, "b")]);
        check("/* 'a'", &[]);
        check("'a\\", &[]);
    }
}
