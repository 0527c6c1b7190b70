//! Directions in comments: `# restow: ignore`, `# restow: allow=patch,minor`, `# restow: image=ghcr.io/acme/tool`, on the
//! line of the image or the one above it.

/// What a comment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Direction {
    /// This is no site.
    Ignore,
    /// Only these kinds.
    Allow(Vec<String>),
    /// The version on this line, or the next, is one of this image.
    Image(String),
}

/// The lines of a file, for looking beside a site.
pub(super) struct Lines<'a> {
    lines: Vec<&'a str>,
    any: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let any = text.contains("restow:");
        Self { lines: if any { text.lines().collect() } else { Vec::new() }, any }
    }

    /// The direction for a site on `line` (from 1).
    pub(super) fn direction(&self, line: u32) -> Option<Direction> {
        if !self.any {
            return None;
        }
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        let above = index.checked_sub(1).and_then(|above| self.lines.get(above));
        let comment = |line: &str| {
            let text = line.trim_start_matches('\u{feff}').trim_start();
            COMMENTS.iter().any(|sign| text.starts_with(sign))
        };
        let above = above.filter(|above| comment(above));
        self.lines.get(index).and_then(|line| read(line)).or_else(|| above.and_then(|line| read(line)))
    }
}

/// A comment longer than this is none of ours, and lines may be very long.
const LONGEST_COMMENT: usize = 1000;

/// Signs that begin a comment in some language.
const COMMENTS: [&str; 6] = ["#", "//", "<!--", "/*", "--", ";"];

/// What stands behind `word` in a line, where a comment begins with it.
pub(super) fn commented<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let line = &line[line.floor_char_boundary(line.len().saturating_sub(LONGEST_COMMENT))..];
    let mut places = line.match_indices(word).map(|(at, _)| (line[..at].trim_end(), &line[at + word.len()..]));
    let found = places.find(|(before, _)| COMMENTS.iter().any(|sign| before.ends_with(sign)));
    found.map(|(_, said)| said.trim().trim_end_matches("-->").trim_end_matches("*/").trim_end())
}

/// The direction in one line's comment.
pub(super) fn read(line: &str) -> Option<Direction> {
    let word = commented(line, "restow:")?.split_whitespace().next()?;
    match word.split_once('=') {
        None if word == "ignore" => Some(Direction::Ignore),
        Some(("image", image)) if !image.is_empty() => Some(Direction::Image(image.to_owned())),
        Some(("allow", kinds)) => Some(Direction::Allow(kinds.split(',').map(str::to_owned).collect())),
        _ => None,
    }
}

/// The kinds that `allow=` may name.
const KINDS: [&str; 6] = ["digest", "pin", "patch", "minor", "major", "variant"];

/// Directions that are none: the line (from 1) and what to write instead. A slip of the pen would otherwise be obeyed
/// by nobody and noticed by nobody.
pub(super) fn mistakes(text: &str) -> Vec<(u32, String)> {
    if !text.contains("restow:") {
        return Vec::new();
    }
    let lines = (1..).zip(text.lines()).filter(|(_, line)| line.contains("restow:"));
    lines.filter_map(|(number, line)| Some((number, mistake(commented(line, "restow:")?)?))).collect()
}

fn mistake(said: &str) -> Option<String> {
    let word = said.split_whitespace().next().unwrap_or("");
    let shown: String = word.chars().take(60).collect();
    match word.split_once('=') {
        // Restow's own hidden block in a text that was copied.
        _ if word.starts_with('{') => None,
        None if word == "ignore" => None,
        Some(("image", image)) if !image.is_empty() => None,
        Some(("allow", kinds)) => {
            let wrong = kinds.split(',').find(|kind| !KINDS.contains(kind))?;
            let wrong: String = wrong.chars().take(60).collect();
            Some(format!("`# restow: allow=`: {wrong:?} is no kind of update; the kinds are {}", KINDS.join(", ")))
        }
        _ => Some(format!(
            "`# restow: {shown}` means nothing; it may be `ignore`, `allow=patch,minor` or `image=ghcr.io/acme/tool`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "the expectation reads better as a value")]
    fn check(text: &str, line: u32, expected: Option<Direction>) {
        assert_eq!(Lines::new(text).direction(line), expected);
    }

    #[test]
    fn on_the_line_or_above() {
        check("image: x # restow: ignore", 1, Some(Direction::Ignore));
        check("# restow: ignore\nFROM x\nFROM y", 2, Some(Direction::Ignore));
        check("# restow: ignore\nFROM x\nFROM y", 3, None);
        check("a: b # restow: ignore\nimage: y", 2, None);
        let kinds = vec!["patch".to_owned(), "minor".to_owned()];
        check("  # restow: allow=patch,minor (until June)\nimage: y", 2, Some(Direction::Allow(kinds)));
        check("image: x#y  #restow: ignore", 1, Some(Direction::Ignore));
        check("# restow: dance\nFROM x", 2, None);
        let told: Vec<u32> = mistakes("# restow: dance\n# restow: ignore\n# restow: allow=pach\nrestow: x\n")
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        assert_eq!(told, [1, 3]);
    }
}
