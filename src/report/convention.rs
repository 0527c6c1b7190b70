//! How a repository calls its commits, read from its history.

use std::collections::BTreeMap;

use crate::policy::CommitStyle;

/// The types of Conventional Commits 1.0.0 and of the Angular convention.
const TYPES: [&str; 11] =
    ["build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test"];
/// Fewer commits tell nothing.
const FEWEST: usize = 5;

/// The style of commits that move dependencies, where at least seven of ten commits follow the convention: what the
/// history has for them, else `chore(deps)`, without the scope where the history has no scopes.
pub fn conventional(messages: &[String]) -> Option<CommitStyle> {
    let subjects: Vec<&str> = messages.iter().filter_map(|message| message.lines().next()).collect();
    let own: Vec<&&str> =
        subjects.iter().filter(|subject| !subject.starts_with("Merge ") && !subject.starts_with("Revert \"")).collect();
    let read: Vec<(&str, Option<&str>)> = own.iter().filter_map(|subject| convention(subject)).collect();
    if own.len() < FEWEST || read.len() * 10 < own.len() * 7 {
        return None;
    }
    let of_dependencies =
        |scope: &Option<&str>| scope.is_some_and(|scope| scope.starts_with("deps") || scope == "docker");
    let mut types: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
    for (kind, scope) in read.iter().filter(|(_, scope)| of_dependencies(scope)) {
        *types.entry((kind, *scope)).or_default() += 1;
    }
    if let Some(((kind, scope), _)) = types.into_iter().max_by_key(|(_, count)| *count) {
        return Some(CommitStyle { prefix: Some(kind.to_owned()), scope: scope.map(str::to_owned) });
    }
    let scoped = read.iter().any(|(_, scope)| scope.is_some());
    Some(CommitStyle { prefix: Some("chore".to_owned()), scope: scoped.then(|| "deps".to_owned()) })
}

/// Type and scope of `fix(web)!: …`.
fn convention(subject: &str) -> Option<(&str, Option<&str>)> {
    let (head, text) = subject.split_once(": ")?;
    let head = head.strip_suffix('!').unwrap_or(head);
    let (kind, scope) = match head.strip_suffix(')').and_then(|head| head.split_once('(')) {
        Some((kind, scope)) => (kind, Some(scope)),
        None => (head, None),
    };
    (TYPES.contains(&kind) && !text.is_empty()).then_some((kind, scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: &[&str], expected: Option<(&str, Option<&str>)>) {
        let messages: Vec<String> = messages.iter().map(|text| (*text).to_owned()).collect();
        let style = conventional(&messages);
        let found = style.as_ref().map(|style| (style.prefix.as_deref().unwrap_or_default(), style.scope.as_deref()));
        assert_eq!(found, expected);
    }

    #[test]
    fn the_history_tells() {
        check(&["Fix it", "Add that", "Third", "Fourth", "Fifth"], None);
        check(&["fix: a", "feat: b"], None);
        check(&["fix: a", "feat: b", "docs: c", "Merge branch 'x'", "chore: d", "ci: e"], Some(("chore", None)));
        check(&["fix(web): a", "feat: b", "docs: c", "chore!: d", "Oops", "ci: e"], Some(("chore", Some("deps"))));
        check(
            &["build(deps): bump a\n\nmore", "build(deps): bump b", "chore(deps): c", "fix: d", "feat(x)!: e"],
            Some(("build", Some("deps"))),
        );
        check(&["note: a", "todo: b", "wip: c", "hm: d", "x: e"], None);
    }
}
