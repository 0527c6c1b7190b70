//! The lines of a comment that are text: not quoted, not code, not hidden.

/// The lines of plain text, without invisible characters.
pub(super) fn lines(comment: &str) -> impl Iterator<Item = String> + '_ {
    let mut state = State::Text;
    comment.lines().filter_map(move |line| {
        let plain: String =
            line.chars().filter(|c| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')).collect();
        state.takes(&plain).then_some(plain)
    })
}

/// Where a line stands.
enum State {
    Text,
    /// Within a fence of this character and length.
    Fence(char, usize),
    /// Within an HTML comment.
    Hidden,
}

impl State {
    /// Whether the line is text; goes on to the next.
    fn takes(&mut self, line: &str) -> bool {
        match self {
            Self::Hidden => {
                if line.contains("-->") {
                    *self = Self::Text;
                }
                false
            }
            Self::Fence(mark, length) => {
                let (mark, length) = (*mark, *length);
                if fence(line).is_some_and(|(other, long)| other == mark && long >= length)
                    && line.trim().chars().all(|c| c == mark)
                {
                    *self = Self::Text;
                }
                false
            }
            Self::Text => self.opens(line),
        }
    }

    fn opens(&mut self, line: &str) -> bool {
        if line.starts_with("    ") || line.starts_with('\t') || line.trim_start().starts_with('>') {
            return false;
        }
        if let Some((mark, length)) = fence(line) {
            *self = Self::Fence(mark, length);
            return false;
        }
        if let Some((_, rest)) = line.rsplit_once("<!--")
            && !rest.contains("-->")
        {
            *self = Self::Hidden;
            return false;
        }
        true
    }
}

/// The character and length of a fence that begins the line.
fn fence(line: &str) -> Option<(char, usize)> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.chars().take_while(|c| *c == mark).count();
    // A backtick behind it makes it code within a line.
    let within = mark == '`' && line.chars().skip(length).any(|c| c == '`');
    (length >= 3 && !within).then_some((mark, length))
}
