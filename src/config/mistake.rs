//! A mistake in the file, and how it is shown.

use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A mistake, where it stands, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Mistake {
    pub(super) fn new(line: u32, column: u32, message: impl Into<String>) -> Self {
        Self { line, column, message: message.into(), help: None }
    }

    #[must_use]
    pub(super) fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// A mistake of the file as a whole.
pub(super) fn at_start(message: impl Into<String>) -> Mistake {
    Mistake::new(1, 1, message)
}

/// The known name that a wrong one is most like, as help.
pub(super) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    let nearest = known.iter().map(|name| (strsim::jaro_winkler(wrong, name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, name)) if likeness > 0.75 => Some(format!("did you mean `{name}`?")),
        Some(_) => Some(format!("known are {}", known.join(", "))),
        None => None,
    }
}

/// Draws the mistakes into the file's text, for a terminal; without colour.
pub fn render(text: &str, path: &str, mistakes: &[Mistake]) -> String {
    // Columns are counted behind a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let drawn = mistakes.iter().map(|mistake| render_one(text, path, mistake));
    drawn.collect::<Vec<_>>().join("\n\n")
}

fn render_one(text: &str, path: &str, mistake: &Mistake) -> String {
    let span = word_at(text, mistake.line, mistake.column);
    let snippet = Snippet::source(text).path(path).annotation(AnnotationKind::Primary.span(span));
    let mut group = Level::ERROR.primary_title(mistake.message.as_str()).element(snippet);
    if let Some(help) = &mistake.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    Renderer::plain().render(&[group])
}

/// The bytes of the word at a line and column.
fn word_at(text: &str, line: u32, column: u32) -> std::ops::Range<usize> {
    let before = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let line_start = text.split_inclusive('\n').take(before).map(str::len).sum::<usize>().min(text.len());
    let rest = text[line_start..].lines().next().unwrap_or("");
    let skipped = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let offset = rest.char_indices().nth(skipped).map_or(rest.len(), |(index, _)| index);
    let length = rest[offset..].find([' ', ':', ',', ']', '}', '#']).unwrap_or(rest.len() - offset);
    let start = line_start + offset;
    start..(start + length)
}
