//! The words of scripts and the marks between them, each byte with its place. Bourne shells, make, just, PowerShell,
//! batch files and units are all read by the same rules:
//!
//! ```text
//! token     := word | mark
//! mark      := line end | ";" | "&" | "|" | "(" | ")"
//! word      := one or more of: plain, "'" text "'", '"' text '"', "$(" NAME ")", "{{" text "}}", command
//! command   := "$(" text ")" | "`" text "`"
//! continued := ("\" | "`" | "^") line end
//! ```
//!
//! Quotes that do not end on their line are skipped, so that what they hold is read as lines of their own.

use crate::formats::value::Value;

/// What `{{` and `}}` hold, and the name in `$(…)`, are no longer than this.
const MAX_NAME: usize = 200;
/// What a command within a word holds is no longer than this.
const MAX_COMMAND: usize = 2000;
/// After so many commands without an end, their beginnings are text.
const MAX_UNENDED: usize = 200;

/// A word or what ends a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Mark(char),
}

/// A word without its quotes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) value: Value,
    /// The offset of its first byte, and of the byte behind its last.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Its text is not what stands there: it holds a command, or a `$` that is none.
    pub(super) opaque: bool,
    /// The bytes inside the quotes, where all of it is one quoted stretch.
    pub(super) quoted: Option<(usize, usize)>,
    /// The bytes of the commands in it.
    pub(super) commands: Vec<(usize, usize)>,
}

impl Word {
    pub(super) fn text(&self) -> &str {
        self.value.text()
    }
}

/// Reads the tokens between two offsets.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    unended: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, start: usize, end: usize) -> Self {
        Self { text: text.get(..end).unwrap_or(text), at: start, unended: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The length of an escaped line end that stands here.
    fn continued(&self) -> Option<usize> {
        let behind = self.rest().strip_prefix(['\\', '`', '^'])?;
        let line = behind.trim_start_matches([' ', '\t', '\r']);
        (line.is_empty() || line.starts_with('\n')).then(|| (behind.len() - line.len() + 2).min(behind.len() + 1))
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            if rest.starts_with([' ', '\t', '\r', '\u{feff}']) {
                self.at += rest.chars().next().map_or(1, char::len_utf8);
            } else if rest.starts_with('#') {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(length) = self.continued() {
                self.at += length;
            } else {
                return;
            }
        }
    }

    fn take(&mut self, c: char, word: &mut Word) {
        word.value.push(c, Some((0, self.at)));
        self.at += c.len_utf8();
    }

    /// `$(NAME)` or `{{…}}`, which belong to a word: their length.
    fn variable(&self) -> Option<usize> {
        let rest = self.rest();
        let bounded = &rest[..rest.floor_char_boundary(MAX_NAME)];
        if let Some(inside) = bounded.strip_prefix("$(") {
            let name = inside.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c)))?;
            return (name > 0 && inside[name..].starts_with(')')).then_some(name + 3);
        }
        let inside = bounded.strip_prefix("{{")?;
        let end = inside.find("}}").filter(|end| !inside[..*end].contains('\n'))?;
        Some(end + 4)
    }

    /// The length of the command in a word that begins here, with its marks.
    fn command(&mut self) -> Option<usize> {
        let rest = self.rest();
        let bounded = &rest[..rest.floor_char_boundary(MAX_COMMAND)];
        let end = if let Some(inside) = bounded.strip_prefix("$(").filter(|_| self.unended < MAX_UNENDED) {
            balanced(inside).map(|end| end + 2)
        } else {
            let line = &bounded[..bounded.find('\n').unwrap_or(bounded.len())];
            return line.strip_prefix('`')?.find('`').map(|end| end + 2);
        };
        self.unended += usize::from(end.is_none());
        end.map(|end| end + 1)
    }

    fn take_command(&mut self, length: usize, word: &mut Word) {
        let marks = if self.rest().starts_with('`') { 1 } else { 2 };
        word.commands.push((self.at + marks, self.at + length - 1));
        word.opaque = true;
        self.at += length;
    }

    fn take_variable(&mut self, length: usize, word: &mut Word) {
        word.value.push_str(&self.rest()[..length], Some((0, self.at)));
        self.at += length;
    }

    /// A quoted stretch, or only its first quote where it does not end on this line.
    fn quoted(&mut self, quote: char, word: &mut Word) {
        self.at += 1;
        let Some(length) = self.closing(quote) else { return };
        let end = self.at + length;
        while self.at < end {
            let Some(c) = self.rest().chars().next() else { return };
            if let Some(length) = self.variable().filter(|_| quote == '"') {
                self.take_variable(length, word);
            } else if let Some(length) = (quote == '"').then(|| self.command()).flatten() {
                self.take_command(length, word);
            } else if let Some(length) = self.continued().filter(|_| quote == '"') {
                self.at += length;
            } else if c == '\\' && quote == '"' {
                self.escaped(word);
            } else {
                word.opaque |= quote == '\'' && c == '$';
                self.take(c, word);
            }
        }
        self.at = end + 1;
    }

    /// A backslash: what it means where the next byte is special, else itself.
    fn escaped(&mut self, word: &mut Word) {
        let next = self.rest().chars().nth(1);
        if let Some(special) = next.filter(|c| matches!(c, '"' | '$' | '\\' | '`' | '\'' | ' ')) {
            word.opaque |= special == '$';
            self.at += 1;
            self.take(special, word);
        } else {
            self.take('\\', word);
        }
    }

    /// How far the quote that ends the stretch is: on the same line, or one that is continued.
    fn closing(&mut self, quote: char) -> Option<usize> {
        let (start, mut skip) = (self.at, false);
        while let Some(c) = self.rest().chars().next() {
            let command = if skip || quote == '\'' { None } else { self.command() };
            match c {
                _ if command.is_some() => {}
                '\n' if !skip => break,
                '\r' if skip => {}
                _ if skip => skip = false,
                '\\' if quote == '"' => skip = true,
                c if c == quote => return Some(std::mem::replace(&mut self.at, start) - start),
                _ => {}
            }
            self.at += command.unwrap_or(c.len_utf8());
        }
        self.at = start;
        None
    }

    fn word(&mut self) -> Word {
        let mut word = Word { start: self.at, ..Word::default() };
        let first = self.rest().chars().next().filter(|c| matches!(c, '"' | '\''));
        let inside = self.at + 1;
        while let Some(c) = self.rest().chars().next() {
            if let Some(length) = self.variable() {
                self.take_variable(length, &mut word);
            } else if let Some(length) = self.command() {
                self.take_command(length, &mut word);
            } else if is_mark(c) || matches!(c, ' ' | '\t' | '\r') || self.continued().is_some() {
                break;
            } else if matches!(c, '"' | '\'') {
                let alone = word.start == self.at;
                self.quoted(c, &mut word);
                let closed =
                    self.at > inside && self.text.get(self.at - 1..self.at) == Some(c.encode_utf8(&mut [0; 4]));
                word.quoted = (alone && closed && first.is_some()).then(|| (inside, self.at - 1));
            } else {
                word.quoted = None;
                match c {
                    '\\' => self.escaped(&mut word),
                    _ => self.take(c, &mut word),
                }
            }
        }
        word.end = self.at;
        word
    }
}

fn is_mark(c: char) -> bool {
    matches!(c, '\n' | ';' | '&' | '|' | '(' | ')')
}

/// Where the `)` is that ends what a `$(` begins.
fn balanced(inside: &str) -> Option<usize> {
    let mut depth = 0;
    for (index, c) in inside.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(index),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let first = self.rest().chars().next()?;
        if is_mark(first) {
            self.at += 1;
            return Some(Token::Mark(first));
        }
        let before = self.at;
        let word = self.word();
        // A lone escape at the end of the text.
        self.at = self.at.max(before + usize::from(self.at == before));
        Some(Token::Word(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let shown: Vec<String> = Tokens::new(text, 0, text.len())
            .map(|token| match token {
                Token::Word(word) => format!("{}{}", word.text(), if word.opaque { "!" } else { "" }),
                Token::Mark('\n') => "↵".to_owned(),
                Token::Mark(mark) => mark.to_string(),
            })
            .collect();
        assert_eq!(shown.join(" "), expected, "{text:?}");
    }

    #[test]
    fn words_and_marks() {
        check("docker run \\\r\n  --rm 'a b'\"$c\"d # e 'f\nx", "docker run --rm a b$cd ↵ x");
        check("X=\"$(cat \"$(a b)\"):`x y`\" && y", "X=:! & & y");
        check("-u \"$(id -u):$(id -g)\" \"$a b\" $(pwd) $(x", "-u :! $a b $(pwd) $ ( x");
        check("$(DOCKER) run $(IMG) `\n {{ .IMG }}:{{tag}}", "$(DOCKER) run $(IMG) {{ .IMG }}:{{tag}}");
        check("bash -c \"docker run\nx:1\"\ny", "bash -c docker run ↵ x:1 ↵ y");
        check("a;b|c&&d '$e' \\$f", "a ; b | c & & d $e! $f!");
        check("it's", "its");
        check("\u{feff}a \\", "a");
    }
}
