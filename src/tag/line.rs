//! The name of a line: equal for all tags that one user follows, and good as part of a branch's name.

use super::form::{self, Form, Role, Run, RunKind};
use super::parse::{Kind, Token};

/// The name of the line: the version's numbers as `x.y.z`, builds and steps as `n`, the rest as written, without what
/// marks a pre-release. `1.25-alpine` is on `x.y-alpine`, `v1.2.3` on `vx.y.z`, `bookworm-slim` on `codename-slim`. A
/// pre-release is on the line of the release that it becomes, whose version has `length` numbers.
pub(super) fn name(tokens: &[Token<'_>], form: &Form, length: usize) -> String {
    let mut name = String::new();
    let builds: Vec<Run> = form::runs(tokens).into_iter().filter(|run| run.word.is_none()).collect();
    let mut number = 0;
    let mut of_version = 0;
    for (place, token) in tokens.iter().enumerate() {
        let counts = form::value(token).is_some();
        let role = if counts { form.roles.get(number) } else { None };
        number += usize::from(counts);
        if form.stage_tokens.contains(&place) {
            continue;
        }
        match role {
            Some(Role::Version) => {
                name.push_str(sign(form, of_version));
                of_version += 1;
                if of_version == form.version_length() {
                    for place in of_version..length {
                        name.push('.');
                        name.push_str(sign(form, place));
                    }
                }
            }
            Some(Role::Build) if builds.iter().any(|run| run.tokens.start < place && place < run.tokens.end) => {
                // Builds of more and of fewer numbers are on one line.
                name.pop();
            }
            Some(Role::Build | Role::Step) => name.push('n'),
            Some(Role::Variant) => name.push_str(token.text),
            None if token.kind == Kind::Commit => name.push_str("commit"),
            None => name.push_str(token.text),
        }
    }
    branch_safe(&name)
}

fn sign(form: &Form, place: usize) -> &'static str {
    const SIGNS: [&str; 3] = ["x", "y", "z"];
    match form.version.as_ref().map(|run| run.kind) {
        Some(RunKind::Release) => "codename",
        Some(RunKind::Moment) if place == 0 => "date",
        _ => SIGNS.get(place).copied().unwrap_or("n"),
    }
}

/// Changes what a tag may hold and a branch's name may not: two dots in a row, a dot or `.lock` at the end.
fn branch_safe(name: &str) -> String {
    let mut safe = name.replace("..", "._");
    if safe.ends_with('.') || safe.ends_with(".lock") {
        safe.push('_');
    }
    if safe.is_empty() { "pre-release".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use crate::repo::Moment;
    use crate::tag::{ListedTag, Scheme};

    #[track_caller]
    fn check(tag: &str, others: &str, line: &str) {
        let listed = |name: &str| ListedTag { name: name.parse().expect("a tag"), digest: None, created: None };
        let tags: Vec<ListedTag> = std::iter::once(tag).chain(others.split_whitespace()).map(listed).collect();
        assert_eq!(Scheme::learn(&tags).pick(&tags[0].name, Moment(1_790_000_000_000)).line, line);
    }

    #[test]
    fn names_of_lines() {
        check("1.25-alpine", "", "x.y-alpine");
        check("1.25.3-alpine3.20", "", "x.y.z-alpine3.20");
        check("v1.2.3", "", "vx.y.z");
        check("latest", "", "latest");
        check("1.2.3.4.5", "", "x.y.z.n.n");
        check("7.0.0-debian-12-r3", "", "x.y.z-debian-12-rn");
        check("9.4-1214.1726694543", "", "x.y-n");
        check("bookworm-slim", "", "codename-slim");
        check("20240131", "", "date");
        check("main-abc1234-1700000000", "", "main-commit-date");
    }

    #[test]
    fn a_pre_release_is_on_the_line_of_its_release() {
        check("1.2.3-rc.1", "", "x.y.z");
        check("1.21rc2-alpine", "1.20 1.20.1 1.20.1-alpine", "x.y.z-alpine");
    }

    #[test]
    fn a_line_names_a_branch() {
        check("1..2", "", "x._n");
        check("1.2.", "", "x.y._");
        check("a.lock", "", "a.lock_");
    }
}
