//! One instruction's words, each byte with its place in the file.

use crate::formats::value::Value;

/// Reads the logical line that begins at an offset.
pub(super) struct Words<'a> {
    text: &'a str,
    offset: usize,
    escape: char,
}

/// A word: with what its quotes and escapes mean, and as it stands there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Without quotes; single-quoted text is marked by `literal`.
    pub(super) value: Value,
    /// The offset of its first byte.
    pub(super) start: usize,
    /// Whether variables in it stay as they are: all of it is in single quotes.
    pub(super) literal: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str, offset: usize, escape: char) -> Self {
        Self { text, offset, escape }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.offset..].chars().next()
    }

    /// Skips an escaped line end and the comment and empty lines behind it.
    fn skip_line_end(&mut self) -> bool {
        let rest = &self.text[self.offset..];
        let Some(behind) = rest.strip_prefix(self.escape) else { return false };
        let line = behind.trim_start_matches([' ', '\t', '\r']);
        let blanks = behind.len() - line.len();
        // The last line of the file may end in the escape character.
        if !line.is_empty() && !line.starts_with('\n') {
            return false;
        }
        self.offset += self.escape.len_utf8() + blanks + usize::from(!line.is_empty());
        while let Some(line) = self.text[self.offset..].split_inclusive('\n').next() {
            if !line.trim_start().starts_with('#') && !line.trim().is_empty() {
                break;
            }
            self.offset += line.len();
        }
        true
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => self.offset += 1,
                Some(c) if c == self.escape && self.skip_line_end() => {}
                _ => return,
            }
        }
    }

    /// A quoted stretch; its quotes are not part of the word.
    fn quoted(&mut self, quote: char, word: &mut Word) {
        self.offset += 1;
        while let Some(c) = self.peek() {
            if c == '\n' {
                return;
            }
            if c == quote {
                self.offset += 1;
                return;
            }
            if c == self.escape && quote == '"' && !self.skip_line_end() {
                self.offset += c.len_utf8();
                if let Some(escaped) = self.peek().filter(|next| matches!(next, '"' | '$') || *next == self.escape) {
                    self.take(escaped, word);
                } else {
                    word.value.push(c, Some((0, self.offset - c.len_utf8())));
                }
            } else if c != self.escape || quote == '\'' {
                self.take(c, word);
            }
        }
    }

    /// Takes all that stands for itself, at once.
    fn plain(&mut self, word: &mut Word) {
        let escape = self.escape;
        let special = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '"' | '\'') || c == escape;
        let rest = &self.text[self.offset..];
        let plain = &rest[..rest.find(special).unwrap_or(rest.len())];
        word.value.push_str(plain, Some((0, self.offset)));
        self.offset += plain.len();
    }

    fn take(&mut self, c: char, word: &mut Word) {
        word.value.push(c, Some((0, self.offset)));
        self.offset += c.len_utf8();
    }
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        self.skip_blanks();
        let first = self.peek().filter(|c| *c != '\n' && *c != '\r')?;
        let mut word = Word { start: self.offset, literal: first == '\'', ..Word::default() };
        loop {
            self.plain(&mut word);
            let Some(c) = self.peek() else { break };
            match c {
                ' ' | '\t' | '\n' | '\r' => break,
                '"' | '\'' => self.quoted(c, &mut word),
                c if c == self.escape => {
                    if !self.skip_line_end() {
                        self.offset += c.len_utf8();
                        if let Some(escaped) = self.peek().filter(|next| !matches!(next, '\n' | '\r')) {
                            self.take(escaped, &mut word);
                        }
                    }
                }
                c => self.take(c, &mut word),
            }
        }
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, usize)]) {
        let words: Vec<Word> = Words::new(text, 0, '\\').collect();
        let shown: Vec<(&str, usize)> = words.iter().map(|word| (word.value.text(), word.start)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn words_of_a_logical_line() {
        check("FROM a AS b\nUSER", &[("FROM", 0), ("a", 5), ("AS", 7), ("b", 10)]);
        check("FROM \\\n# no\n\n  a\\\n:1 \\\r\n x", &[("FROM", 0), ("a:1", 15), ("x", 25)]);
        check("FROM \"a b\"'c'\\d", &[("FROM", 0), ("a bcd", 5)]);
        check("FROM a \\", &[("FROM", 0), ("a", 5)]);
        check("FROM \"a\nb\"", &[("FROM", 0), ("a", 5)]);
        check("", &[]);
    }
}
