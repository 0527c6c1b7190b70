//! Where the instructions begin, and the directives before them.
//!
//! ```text
//! directive   := "#" name "=" value            (only at the head of the file, perhaps behind a shebang)
//! instruction := keyword words… [heredoc bodies]
//! ```

use parse_dockerfile::Instruction;

/// The head of the file: what its directives say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The line continuation character.
    pub(super) escape: char,
    /// The syntax image: its offset and text.
    pub(super) syntax: Option<(usize, String)>,
}

/// Reads the directives; they end at the first line that is none.
pub(super) fn head(text: &str, start: usize) -> Head {
    let mut head = Head { escape: '\\', syntax: None };
    let mut offset = start;
    for (number, line) in text[start..].split_inclusive('\n').enumerate() {
        let trimmed = line.trim();
        if !(number == 0 && trimmed.starts_with("#!")) {
            let Some((name, value)) = trimmed.strip_prefix('#').and_then(|rest| rest.split_once('=')) else { break };
            let name = name.trim();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                break;
            }
            let value = value.trim();
            if value.is_empty() {
                break;
            }
            match name.to_ascii_lowercase().as_str() {
                "escape" => head.escape = if value == "`" { '`' } else { '\\' },
                "syntax" if head.syntax.is_none() => {
                    // What follows the image is for the frontend.
                    let at = line.rfind(value).map(|column| offset + column);
                    let image = value.split_whitespace().next().unwrap_or(value);
                    head.syntax = at.map(|at| (at, image.to_owned()));
                }
                _ => {}
            }
        }
        offset += line.len();
    }
    head
}

/// The offset of every instruction's keyword. `Err` is the line that parse-dockerfile stumbles over, with what the
/// own scanner finds.
pub(super) fn starts(text: &str, start: usize, escape: char) -> Result<Vec<usize>, (usize, Vec<usize>)> {
    match parse_dockerfile::parse(&text[start..]) {
        // It does not see a directive behind a shebang or an indent.
        Ok(parsed) if parsed.parser_directives.escape.as_ref().map_or('\\', |one| one.value.value) != escape => {
            Ok(scan(text, start, escape))
        }
        Ok(parsed) => Ok(parsed.instructions.iter().map(|one| start + keyword_start(one)).collect()),
        Err(error) => Err((error.line(), scan(text, start, escape))),
    }
}

fn keyword_start(instruction: &Instruction<'_>) -> usize {
    match instruction {
        Instruction::Add(one) => one.add.span.start,
        Instruction::Arg(one) => one.arg.span.start,
        Instruction::Cmd(one) => one.cmd.span.start,
        Instruction::Copy(one) => one.copy.span.start,
        Instruction::Entrypoint(one) => one.entrypoint.span.start,
        Instruction::Env(one) => one.env.span.start,
        Instruction::Expose(one) => one.expose.span.start,
        Instruction::From(one) => one.from.span.start,
        Instruction::Healthcheck(one) => one.healthcheck.span.start,
        Instruction::Label(one) => one.label.span.start,
        Instruction::Maintainer(one) => one.maintainer.span.start,
        Instruction::Onbuild(one) => one.onbuild.span.start,
        Instruction::Run(one) => one.run.span.start,
        Instruction::Shell(one) => one.shell.span.start,
        Instruction::Stopsignal(one) => one.stopsignal.span.start,
        Instruction::User(one) => one.user.span.start,
        Instruction::Volume(one) => one.volume.span.start,
        Instruction::Workdir(one) => one.workdir.span.start,
        // A kind of instruction that a newer parser knows names no image.
        _ => usize::MAX / 2,
    }
}

/// The own scanner: logical lines, comments and heredoc bodies, whatever the instructions are.
pub(super) fn scan(text: &str, start: usize, escape: char) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut lines = Lines { text, offset: start };
    while let Some((offset, line)) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.trim_end().is_empty() || trimmed.starts_with('#') {
            continue;
        }
        starts.push(offset + (line.len() - trimmed.len()));
        let mut logical = trimmed.to_owned();
        let mut last = trimmed;
        while continues(last, escape) {
            let Some((_, next)) = lines.next() else { break };
            // Comments and empty lines inside a continuation do not end it.
            if !next.trim_start().starts_with('#') && !next.trim().is_empty() {
                logical.push_str(next);
                last = next;
            }
        }
        for delimiter in heredocs(&logical) {
            while let Some((_, body)) = lines.next() {
                let body = body.trim_end_matches(['\n', '\r']);
                let body = if delimiter.strips_tabs { body.trim_start_matches('\t') } else { body };
                if body == delimiter.word {
                    break;
                }
            }
        }
    }
    starts
}

struct Lines<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        let rest = &self.text[self.offset..];
        let line = rest.split_inclusive('\n').next()?;
        let at = self.offset;
        self.offset += line.len();
        Some((at, line))
    }
}

/// An escaped escape character at the end continues nothing.
fn continues(line: &str, escape: char) -> bool {
    line.trim_end().strip_suffix(escape).is_some_and(|before| !before.ends_with(escape))
}

struct Heredoc {
    word: String,
    strips_tabs: bool,
}

/// The heredocs that a RUN, COPY or ADD opens, in order.
fn heredocs(logical: &str) -> Vec<Heredoc> {
    let mut words = logical.split_whitespace();
    let takes = |word: Option<&str>| {
        word.is_some_and(|word| ["RUN", "COPY", "ADD"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)))
    };
    let first = words.next();
    if !(takes(first) || (first.is_some_and(|word| word.eq_ignore_ascii_case("ONBUILD")) && takes(words.next()))) {
        return Vec::new();
    }
    words.filter_map(heredoc).collect()
}

/// `<<EOF`, `<<-"EOF"`, `3<<EOF`.
fn heredoc(word: &str) -> Option<Heredoc> {
    let rest = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
    let (rest, strips_tabs) = rest.strip_prefix('-').map_or((rest, false), |rest| (rest, true));
    let name = rest.trim_matches(['"', '\'']);
    let name: String = name.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-')).collect();
    let begins = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    begins.then_some(Heredoc { word: name, strips_tabs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let starts = scan(text, 0, head(text, 0).escape);
        let shown: Vec<&str> = starts.iter().map(|start| text[*start..].lines().next().unwrap_or("")).collect();
        assert_eq!(shown, expected);
        if let Ok(parsed) = super::starts(text, 0, '\\') {
            assert_eq!(parsed, starts, "as parse-dockerfile sees it");
        }
    }

    #[test]
    fn heredoc_bodies_are_no_instructions() {
        check("FROM a\nRUN <<EOF\nFROM x:1\nEOF\nUSER u\n", &["FROM a", "RUN <<EOF", "USER u"]);
        check("RUN <<A <<-B\nFROM x\nA\n\tFROM y\n\tB\nFROM z", &["RUN <<A <<-B", "FROM z"]);
        check("RUN a && \\\n cat <<'E'\nUSER q\nE\nUSER u", &["RUN a && \\", "USER u"]);
        check("RUN a \\\n <<E\nFROM q\nE\nFROM z\n", &["RUN a \\", "FROM z"]);
        check("RUN echo 1<<2\nFROM z\n", &["RUN echo 1<<2", "FROM z"]);
    }

    #[test]
    fn continuations_pass_over_comments_and_empty_lines() {
        check("FROM a\nRUN x \\\n# FROM b\n\n  y\nFROM c", &["FROM a", "RUN x \\", "FROM c"]);
        check("# escape=`\nRUN x `\n y\nFROM c\\d\n", &["RUN x `", "FROM c\\d"]);
    }

    #[test]
    fn directives_end_at_the_first_other_line() {
        let at = |text: &str| head(text, 0).syntax;
        assert_eq!(at("# syntax=docker/dockerfile:1\nFROM a"), Some((9, "docker/dockerfile:1".to_owned())));
        assert_eq!(at("#!/x\n#escape=`\n # Syntax = d/f:1 \n"), Some((27, "d/f:1".to_owned())));
        assert_eq!(at("# hello\n# syntax=d/f:1\n"), None);
        assert_eq!(at("\n# syntax=d/f:1\n"), None);
    }
}
