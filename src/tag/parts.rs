//! How a tag is read, part by part, for a person.

use std::ops::Range;

use super::form::{Form, Role, RunKind, runs};
use super::parse::{Kind, Token};

/// The parts of a tag in its order, each with what it is: `version 1.25.3`, `variant alpine3.20`.
pub(super) fn parts(tokens: &[Token<'_>], form: &Form) -> Vec<(&'static str, String)> {
    let mut groups: Vec<(Range<usize>, &'static str)> = Vec::new();
    if !form.stage_tokens.is_empty() {
        groups.push((form.stage_tokens.clone(), "pre-release"));
    }
    for run in runs(tokens) {
        let is_version = form.version.as_ref().is_some_and(|version| version.tokens == run.tokens);
        let start = if is_version { run.tokens.start } else { run.word.unwrap_or(run.tokens.start) };
        groups.push((start..run.tokens.end, what(form.roles.get(run.numbers.start), run.kind)));
    }
    for (place, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Word => groups.push((place..place + 1, "word")),
            Kind::Commit => groups.push((place..place + 1, "commit")),
            Kind::Separator | Kind::Number(_) | Kind::Stamp(..) | Kind::Release(_) => {}
        }
    }
    // Of groups that overlap, the longer one counts: it comes first.
    groups.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut done = 0;
    groups.retain(|(range, _)| {
        let is_new = range.start >= done;
        done = done.max(range.end);
        is_new
    });
    groups.into_iter().map(|(range, what)| (what, text(&tokens[range]))).collect()
}

fn what(role: Option<&Role>, kind: RunKind) -> &'static str {
    match (role, kind) {
        (Some(Role::Version), RunKind::Numbers) => "version",
        (Some(Role::Version), RunKind::Moment) => "date",
        (_, RunKind::Release) => "release",
        (Some(Role::Variant), _) => "variant",
        (_, RunKind::Moment) => "built",
        (Some(Role::Step), _) => "pre-release",
        (Some(Role::Build) | None, RunKind::Numbers) => "build",
    }
}

/// The text of the tokens, without a separator before.
fn text(tokens: &[Token<'_>]) -> String {
    let begin = usize::from(tokens.first().is_some_and(|token| token.kind == Kind::Separator));
    tokens[begin..].iter().map(|token| token.text).collect()
}

#[cfg(test)]
mod tests {
    use crate::tag::{ListedTag, Scheme};

    /// The parts of `tag` among `others`, as `what text`.
    #[track_caller]
    fn check(tag: &str, others: &str, expected: &[&str]) {
        let listed = |name: &str| ListedTag { name: name.parse().expect("a tag"), digest: None, created: None };
        let tags: Vec<ListedTag> = std::iter::once(tag).chain(others.split_whitespace()).map(listed).collect();
        let scheme = Scheme::learn(&tags);
        let reading = scheme.read(tag);
        let parts: Vec<String> =
            super::parts(&reading.tokens, &reading.form).iter().map(|(what, text)| format!("{what} {text}")).collect();
        assert_eq!(parts, expected, "{tag}");
    }

    #[test]
    fn parts_of_tags() {
        check("1.25.3-alpine3.20", "", &["version 1.25.3", "variant alpine3.20"]);
        check("v1.2.3-rc.1", "", &["word v", "version 1.2.3", "pre-release rc.1"]);
        check("8.4-php8.3-fpm", "", &["version 8.4", "variant php8.3", "word fpm"]);
        check("17.0.8_7-jre", "17.0.9_2-jre", &["version 17.0.8_7", "word jre"]);
        check("bookworm-slim", "", &["release bookworm", "word slim"]);
        check("2024-01-31", "", &["date 2024-01-31"]);
        check("main-abc1234-1700000000", "", &["word main", "commit abc1234", "date 1700000000"]);
        check("latest", "", &["word latest"]);
    }
}
