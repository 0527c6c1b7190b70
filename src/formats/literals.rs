//! The quoted texts of source code, each with what stands around it: enough to tell what a literal is for, in any
//! language whose brackets and quotes are the usual ones.
//!
//! ```text
//! literal := '"' text '"' | "'" text "'" | '"""' text '"""' | "'''" text "'''" | "`" text "`"
//! frame   := [name] ["<" … ">"] ("(" | "[" | "{") … (")" | "]" | "}")
//! ```

/// Frames deeper than this have no name.
const MAX_DEPTH: usize = 200;

/// What begins a comment, and whether `'` quotes a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `#`: Python, Starlark.
    Hash,
    /// `//` and `/* */`: Java, Kotlin, Groovy, Go, TypeScript, C#.
    #[default]
    Slash,
    /// The same, where `'` begins a lifetime: Rust.
    Rust,
}

/// A bracket that is open where a literal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) open: char,
    /// What stands before it: `oci.pull`, `GenericContainer`, or nothing.
    pub(super) name: &'a str,
    /// Counts the frames of the file.
    pub(super) number: usize,
    /// How many commas stand before the literal.
    pub(super) position: usize,
}

/// A quoted text that stands for itself: without escapes, and not joined to anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Literal<'a> {
    pub(super) text: &'a str,
    /// The offset of the text's first byte.
    pub(super) start: usize,
    /// The word before its `=`, its `:` or itself.
    pub(super) key: Option<&'a str>,
}

/// Gives each literal to `take`, with the brackets around it, the innermost last.
pub(super) fn each_literal<'a>(text: &'a str, syntax: Syntax, take: &mut dyn FnMut(Literal<'a>, &[Frame<'a>])) {
    let mut scanner = Scanner { text, syntax, ..Scanner::default() };
    while let Some(c) = scanner.rest().chars().next() {
        if let Some(literal) = scanner.step(c) {
            take(literal, &scanner.frames);
        }
    }
}

/// What the last token was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Last<'a> {
    #[default]
    Nothing,
    Word(&'a str),
    Mark(char),
    Literal(&'a str),
}

#[derive(Debug, Default)]
struct Scanner<'a> {
    text: &'a str,
    syntax: Syntax,
    at: usize,
    last: Last<'a>,
    /// The word before a `=` or `:` that was the last token.
    key: Option<&'a str>,
    /// What a bracket here would belong to, and the `<` behind it.
    callee: &'a str,
    angles: usize,
    frames: Vec<Frame<'a>>,
    deeper: usize,
    count: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// Reads one token; returns the literal that it is.
    fn step(&mut self, c: char) -> Option<Literal<'a>> {
        if let Some(length) = self.blank(c) {
            self.at += length;
        } else if c == '\\' {
            let escaped = self.rest()[1..].chars().next().map_or(0, char::len_utf8);
            self.at += 1 + escaped;
        } else if let Some((quotes, length)) = self.quoted(c) {
            return self.literal(quotes, length);
        } else if is_word(c) {
            self.word();
        } else {
            self.mark(c);
            self.at += c.len_utf8();
        }
        None
    }

    /// The length of white space or a comment.
    fn blank(&self, c: char) -> Option<usize> {
        let rest = self.rest();
        let line = || Some(rest.find('\n').unwrap_or(rest.len()));
        match (c, self.syntax) {
            (c, _) if c.is_whitespace() || c == '\u{feff}' => Some(c.len_utf8()),
            ('#', Syntax::Hash) => line(),
            ('/', Syntax::Slash | Syntax::Rust) if rest.starts_with("//") => line(),
            ('/', Syntax::Slash | Syntax::Rust) if rest.starts_with("/*") => {
                Some(rest[2..].find("*/").map_or(rest.len(), |end| end + 4))
            }
            _ => None,
        }
    }

    /// The length of the quotes and of the text in them.
    fn quoted(&self, c: char) -> Option<(usize, usize)> {
        let rest = self.rest();
        match c {
            '\'' if self.syntax == Syntax::Rust => None,
            '"' | '\'' => {
                let triple = ["\"\"\"", "'''"].into_iter().find(|quotes| rest.starts_with(quotes));
                match triple.and_then(|quotes| rest[3..].find(quotes)) {
                    Some(length) => Some((3, length)),
                    None => closing(&rest[1..], c).map(|length| (1, length)),
                }
            }
            '`' if self.syntax == Syntax::Slash => rest[1..].find('`').map(|length| (1, length)),
            _ => None,
        }
    }

    fn literal(&mut self, quotes: usize, length: usize) -> Option<Literal<'a>> {
        let start = self.at + quotes;
        let text = self.text.get(start..start + length)?;
        self.at = start + length + quotes;
        let joined = matches!(self.last, Last::Mark('+' | '%' | '.')) || is_joined(self.rest());
        let key = match self.last {
            Last::Word(word) => Some(word),
            _ => self.key,
        };
        (self.last, self.key, self.callee) = (Last::Literal(text), None, "");
        (!joined && !text.contains(['\\', '\n'])).then_some(Literal { text, start, key })
    }

    fn word(&mut self) {
        let rest = self.rest();
        let mut length = word_length(rest);
        while let Some(more) = rest[length..].strip_prefix("::").map(word_length).filter(|more| *more > 0) {
            length += 2 + more;
        }
        let behind = &rest[length..];
        self.at += length;
        // `f"…"`, `r"…"`, `u8"…"`
        if length <= 2 && behind.starts_with(['"', '\'']) {
            return;
        }
        let word = &rest[..length];
        if self.angles == 0 {
            self.callee = word;
        }
        (self.last, self.key) = (Last::Word(word), None);
    }

    fn mark(&mut self, c: char) {
        let key = match (c, self.last) {
            ('=' | ':', Last::Word(word) | Last::Literal(word)) => Some(word),
            // `:=`, and `?:` of an optional field
            ('=', Last::Mark(':' | '?')) | (':', Last::Mark('?')) => self.key,
            ('?', Last::Word(word)) => Some(word),
            _ => None,
        };
        self.brackets(c);
        match c {
            '<' if !self.callee.is_empty() => self.angles += 1,
            '>' | ',' | '?' | '[' | ']' if self.angles > 0 => self.angles -= usize::from(c == '>'),
            // `$"…"`, `@"…"`
            '$' | '@' => return,
            _ => (self.callee, self.angles) = ("", 0),
        }
        (self.last, self.key) = (Last::Mark(c), key);
    }

    fn brackets(&mut self, c: char) {
        match c {
            '(' | '[' | '{' if self.frames.len() >= MAX_DEPTH => self.deeper += 1,
            '(' | '[' | '{' => {
                self.count += 1;
                let name = if self.angles == 0 { self.callee } else { "" };
                self.frames.push(Frame { open: c, name, number: self.count, position: 0 });
            }
            ')' | ']' | '}' if self.deeper > 0 => self.deeper -= 1,
            ')' | ']' | '}' => {
                self.frames.pop();
            }
            ',' if self.angles == 0 => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.position += 1;
                }
            }
            _ => {}
        }
    }
}

/// A word has dots and double colons in it: `oci.pull`, `GenericImage::new`.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

fn word_length(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// Where the quote ends on its line.
fn closing(inside: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in inside.char_indices() {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(index),
            _ => {}
        }
    }
    None
}

/// Whether what stands behind a literal adds to it, or asks it for something else.
fn is_joined(behind: &str) -> bool {
    let next = behind.trim_start();
    let same_line = !behind[..behind.len() - next.len()].contains('\n');
    let adds = next.starts_with(['+', '.', '%', '?', '*', ':', '=']);
    let ends = next.is_empty() || next.starts_with([',', ')', ']', '}', ';', '#', '/']);
    adds || (same_line && !ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(syntax: Syntax, text: &str, expected: &[&str]) {
        let mut found = Vec::new();
        each_literal(text, syntax, &mut |literal, frames| {
            assert_eq!(&text[literal.start..literal.start + literal.text.len()], literal.text);
            let names: Vec<&str> = frames.iter().map(|frame| frame.name).collect();
            let position = frames.last().map_or(0, |frame| frame.position);
            found.push(format!("{}[{position}] {}={}", names.join("/"), literal.key.unwrap_or(""), literal.text));
        });
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn what_stands_around_a_literal() {
        check(Syntax::Slash, "x = new G<A, B<?>>(\"a\", /* \"no\" */ 'b'); // 'c'", &["G[0] =a", "G[1] =b"]);
        check(Syntax::Slash, "f(Req{Image: \"a\", N: g(1, 2), \"k\": `b`})", &["f/Req[0] Image=a", "f/Req[2] k=b"]);
        check(Syntax::Slash, "jib { from { image = 'a' } }\nb 'c'", &["jib/from[0] image=a", "[0] b=c"]);
        check(Syntax::Hash, "o.p(n = \"a\", # it's\n  t=f'b')\n\"\"\"x\ny\"\"\"", &["o.p[0] n=a", "o.p[1] t=b"]);
        check(Syntax::Rust, "fn f<'a>(x: &'a str) { I::new(\"a\", \"1\") }", &["/I::new[0] =a", "/I::new[1] =1"]);
    }

    #[test]
    fn what_is_no_literal() {
        check(Syntax::Slash, "\"a\" + b; c + \"d\"; \"e\\n\"; \"f\".g(); \"h", &[]);
        check(Syntax::Hash, "'%s' % x; 'a' 'b'; 'c", &["[0] =b"]);
        check(Syntax::Slash, &"([{".repeat(1000), &[]);
        check(Syntax::Slash, "if (a < b) { f(\"x\") }", &["/f[0] =x"]);
    }
}
