//! Rules in words.

use crate::formats::Site;
use crate::policy::{
    Allowed, Automerge, CommitStyle, Decision, Group, Matching, Method, NamePattern, Pin, Rebase, Rules, Said,
    Settings, TagFilter, Terms, UpdateKind, Urgency,
};
use crate::vulnerability::Severity;

/// What a rule says: name and value, in the order of the documentation.
pub(super) fn settings(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut said = Vec::new();
    let mut add = |name: &'static str, value: Option<String>| said.extend(value.map(|value| (name, value)));
    add("allow", settings.allow.as_ref().map(kinds));
    add("versions", settings.versions.as_ref().map(|range| range.as_str().to_owned()));
    add("tags", settings.tags.as_ref().map(filter));
    add("pin", settings.pin.map(|pin| (pin == Pin::Digest).to_string()));
    add("platforms", settings.platforms.as_ref().map(|all| joined(all.iter().map(ToString::to_string))));
    add("schedule", settings.schedule.as_ref().map(|schedule| schedule.written()));
    add("cooldown", Some(&settings.cooldown).filter(|all| !all.is_empty()).map(|all| cooldowns(all.iter())));
    add("group", settings.group.as_ref().map(group));
    add("automerge", settings.automerge.map(automerge));
    add("branch", settings.branch.as_ref().map(|all| joined(all.iter().map(|one| one.as_str().to_owned()))));
    add("rebase", settings.rebase.map(|rebase| rebase_word(rebase).to_owned()));
    add("labels", settings.labels.as_ref().map(|all| joined(all.iter().cloned())));
    add("reviewers", settings.reviewers.as_ref().map(|all| joined(all.iter().cloned())));
    add("assignees", settings.assignees.as_ref().map(|all| joined(all.iter().cloned())));
    add("commit", settings.commit.as_ref().map(commit));
    add("draft", settings.draft.map(|draft| draft.to_string()));
    add("security", settings.security.map(|urgency| urgency_word(urgency).to_owned()));
    add("hold_until", settings.hold_until.map(|until| until.to_string()));
    said
}

/// Whom a rule is for.
pub(super) fn matching(matching: &Matching) -> String {
    let images = matching.images.iter().map(|pattern| pattern.as_str().to_owned());
    let paths = matching.paths.iter().map(|pattern| pattern.as_str().to_owned());
    let names = [&matching.formats, &matching.registries, &matching.current];
    let names = names.into_iter().flatten().map(|pattern| pattern.as_str().to_owned());
    let classes = matching.classes.iter().map(|class| format!("{class:?}").to_lowercase());
    let kinds = matching.kinds.iter().map(ToString::to_string);
    let branches = matching.branches.iter().map(|pattern| format!("branch {}", pattern.as_str()));
    let whom = joined(images.chain(paths).chain(branches).chain(names).chain(classes).chain(kinds));
    if whom.is_empty() { "everything".to_owned() } else { whom }
}

/// A limit.
pub(super) fn count(limit: u32) -> String {
    if limit == u32::MAX { "no limit".to_owned() } else { limit.to_string() }
}

/// What holds for a site: one line for each setting and where it is said; of kinds that differ, one line each.
pub(super) fn site(rules: &Rules, site: &Site) -> String {
    let allowed = match rules.decide(site) {
        Decision::Ignored { reason } => return format!("  ignored    {reason}"),
        Decision::Allowed(allowed) => allowed,
    };
    let Allowed { kinds: all, versions, tags, pin } = &allowed;
    let mut rows = vec![("allow", kinds(&all.value), all.place())];
    rows.extend(versions.as_ref().map(|range| ("versions", range.value.as_str().to_owned(), range.place())));
    rows.extend(tags.as_ref().map(|tags| ("tags", filter(&tags.value), tags.place())));
    if pin.value == Pin::Digest {
        rows.push(("pin", "true".to_owned(), pin.place()));
    }
    let shown = [UpdateKind::Digest, UpdateKind::Patch, UpdateKind::Minor, UpdateKind::Major, UpdateKind::Variant];
    let shown: Vec<UpdateKind> = shown.into_iter().filter(|kind| all.value.contains(kind)).collect();
    let mut by_kind: Vec<(&'static str, String, String, Vec<UpdateKind>)> = Vec::new();
    for kind in &shown {
        for (name, value, place) in terms(rules, site, *kind) {
            match by_kind.iter_mut().find(|row| (row.0, &row.1, &row.2) == (name, &value, &place)) {
                Some(row) => row.3.push(*kind),
                None => by_kind.push((name, value, place, vec![*kind])),
            }
        }
    }
    by_kind.sort_by_key(|row| ORDER.iter().position(|name| *name == row.0));
    rows.extend(by_kind.into_iter().map(|(name, value, place, of)| match of.len() == shown.len() {
        true => (name, value, place),
        false => (name, format!("{}: {value}", joined(of.iter().map(ToString::to_string))), place),
    }));
    let line = |(name, value, place): (&str, String, String)| format!("  {name:<10} {value}  ({place})");
    rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The settings that depend on the kind, in the order in which they are shown.
const ORDER: [&str; 13] = [
    "platforms",
    "cooldown",
    "schedule",
    "hold_until",
    "group",
    "automerge",
    "rebase",
    "labels",
    "reviewers",
    "assignees",
    "draft",
    "security",
    "commit",
];

/// What holds for one kind of update, with the places.
fn terms(rules: &Rules, site: &Site, kind: UpdateKind) -> Vec<(&'static str, String, String)> {
    let terms = rules.terms(site, kind);
    let mut said = of_pulls(&terms);
    let platforms = terms.platforms.as_ref();
    said.extend(platforms.map(|all| ("platforms", joined(all.value.iter().map(ToString::to_string)), all.place())));
    if terms.cooldown.value > 0 {
        said.push(("cooldown", duration(terms.cooldown.value), terms.cooldown.place()));
    }
    said.extend(terms.schedule.map(|schedule| ("schedule", schedule.value.written(), schedule.place())));
    said.extend(terms.hold_until.map(|until| ("hold_until", until.value.to_string(), until.place())));
    if let Group::Named(name) = &terms.group.value {
        said.push(("group", name.clone(), terms.group.place()));
    }
    said.push(("automerge", automerge(terms.automerge.value), terms.automerge.place()));
    said
}

/// What is said of the pull request itself, where somebody says it.
fn of_pulls(terms: &Terms) -> Vec<(&'static str, String, String)> {
    let list = |name: &'static str, said: &Said<Vec<String>>| row(name, said, |all| joined(all.iter().cloned()));
    let rows = [
        row("rebase", &terms.rebase, |rebase| rebase_word(*rebase).to_owned()),
        list("labels", &terms.labels),
        list("reviewers", &terms.reviewers),
        list("assignees", &terms.assignees),
        row("draft", &terms.draft, ToString::to_string),
        row("security", &terms.security, |urgency| urgency_word(*urgency).to_owned()),
        row("commit", &terms.commit, commit),
    ];
    rows.into_iter().flatten().collect()
}

/// Nothing where nobody says it.
fn row<T>(name: &'static str, said: &Said<T>, shown: impl Fn(&T) -> String) -> Option<(&'static str, String, String)> {
    said.source.as_ref().map(|_| (name, shown(&said.value), said.place()))
}

/// `chore(deps)`.
fn commit(style: &CommitStyle) -> String {
    let prefix = style.prefix.as_deref().unwrap_or("as the history has it");
    let scope = style.scope.as_deref().filter(|scope| !scope.is_empty());
    joined(std::iter::once(scope.map_or_else(|| prefix.to_owned(), |scope| format!("{prefix}({scope})"))))
}

fn urgency_word(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::From(Severity::Critical) => "critical",
        Urgency::From(Severity::High) => "high",
        Urgency::From(Severity::Medium) => "medium",
        Urgency::From(_) => "low",
        Urgency::Never => "never",
    }
}

fn filter(tags: &TagFilter) -> String {
    let (include, exclude) = (patterns(&tags.include), patterns(&tags.exclude));
    match (include.is_empty(), exclude.is_empty()) {
        (false, true) => include,
        (true, _) => format!("not {exclude}"),
        (false, false) => format!("{include}, not {exclude}"),
    }
}

fn kinds(kinds: &std::collections::BTreeSet<UpdateKind>) -> String {
    match kinds.len() {
        0 => "none".to_owned(),
        all if all == UpdateKind::ALL.len() => "every kind".to_owned(),
        _ => joined(kinds.iter().map(ToString::to_string)),
    }
}

/// `3d`, or `patch 1d, major 14d` where kinds differ.
fn cooldowns<'a>(all: impl Iterator<Item = (&'a UpdateKind, &'a i64)>) -> String {
    let all: Vec<_> = all.collect();
    match all.first() {
        Some((_, first)) if all.len() == UpdateKind::ALL.len() && all.iter().all(|(_, ms)| ms == first) => {
            duration(**first)
        }
        _ => joined(all.into_iter().map(|(kind, ms)| format!("{kind} {}", duration(*ms)))),
    }
}

fn duration(ms: i64) -> String {
    let hours = ms / 3_600_000;
    if hours % 24 == 0 { format!("{}d", hours / 24) } else { format!("{hours}h") }
}

fn group(group: &Group) -> String {
    match group {
        Group::Own => "false".to_owned(),
        Group::Named(name) => name.clone(),
    }
}

fn automerge(automerge: Automerge) -> String {
    if !automerge.on {
        return "false".to_owned();
    }
    let method = automerge.method.map(|method| match method {
        Method::Merge => "merge",
        Method::Squash => "squash",
        Method::Rebase => "rebase",
    });
    let checks = automerge.without_checks.then_some("checks none-required");
    let rerun = automerge.rerun.then_some("rerun");
    let how = joined([method, checks, rerun].into_iter().flatten().map(str::to_owned));
    if how.is_empty() { "true".to_owned() } else { format!("true ({how})") }
}

fn rebase_word(rebase: Rebase) -> &'static str {
    match rebase {
        Rebase::Conflicted => "conflicted",
        Rebase::Always => "always",
        Rebase::Never => "never",
    }
}

fn patterns(patterns: &[NamePattern]) -> String {
    joined(patterns.iter().map(|pattern| pattern.as_str().to_owned()))
}

/// The file may be anybody's: no line breaks and no escape sequences reach the terminal.
fn joined(texts: impl Iterator<Item = String>) -> String {
    let plain = |text: String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    texts.map(plain).collect::<Vec<_>>().join(", ")
}
