//! What is said of a repository's configuration.

use super::markdown::code;

/// The title of the issue that tells of mistakes where no check may be written.
pub const MISTAKES_ISSUE_TITLE: &str = "Restow's configuration has mistakes";
/// Titles that are shown of each list.
const MOST: usize = 30;

/// `3 pull requests would open, 1 closes`.
pub fn foresight_title(opens: usize, closes: usize) -> String {
    let pulls = |count: usize| if count == 1 { "1 pull request".to_owned() } else { format!("{count} pull requests") };
    match (opens, closes) {
        (0, 0) => "Nothing would open or close".to_owned(),
        (opens, 0) => format!("{} would open", pulls(opens)),
        (0, closes) => format!("{} would close", pulls(closes)),
        (opens, closes) => format!("{} would open, {closes} would close", pulls(opens)),
    }
}

/// Which ones.
pub fn foresight_summary(opens: &[String], closes: &[String]) -> String {
    let list = |title: &str, names: &[String]| {
        let mut text = format!("**{title}**\n\n");
        for name in names.iter().take(MOST) {
            text.push_str(&format!("- {}\n", code(name)));
        }
        if let Some(more) = names.len().checked_sub(MOST).filter(|more| *more > 0) {
            text.push_str(&format!("- and {more} more\n"));
        }
        text
    };
    let mut text = "The configuration is valid. With it, and with what registries say now:\n\n".to_owned();
    if opens.is_empty() && closes.is_empty() {
        text.push_str("Nothing would open or close.\n");
    }
    if !opens.is_empty() {
        text.push_str(&list("Would open", opens));
    }
    if !closes.is_empty() {
        text.push_str(&list("Would close", closes));
    }
    text
}

/// Marks the comment that says what a changed configuration would do, where no check may be written.
pub const CONFIGURATION_MARKER: &str = "<!-- restow-comment: configuration -->";

/// What a changed configuration would do, or what is wrong with it, as a comment.
pub fn configuration_comment(title: &str, summary: &str) -> String {
    format!("**{title}**\n\n{}\n\n{CONFIGURATION_MARKER}\n", summary.trim_end())
}

/// Every mistake; the last valid rules stay in force.
pub fn mistakes_summary(mistakes: &[String]) -> String {
    let mut text = "The last valid configuration stays in force until these are mended. `restow check` shows them in \
                    the file.\n\n"
        .to_owned();
    for mistake in mistakes.iter().take(MOST) {
        text.push_str(&format!("- {}\n", code(mistake)));
    }
    text
}
