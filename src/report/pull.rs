//! The pull request: title, body and commit message.

use std::collections::BTreeSet;

use url::Url;

use super::markdown::{code, url_path};
use super::notes::{self, ReleaseNote, release_source, releases_between};
use super::verdict;
use super::vulnerabilities::{Fullness, Markup, vulnerability_change};
use super::{alternatives, evidence};
use crate::image::{Digest, Reference};
use crate::plan::{ChangeSet, Topic, Update};
use crate::policy::{CommitStyle, UpdateKind};
use crate::pull::{FINGERPRINT_TRAILER, MachineBlock};
use crate::repo::{CommitSha, RepoName};

/// GitHub takes 65,536 characters; a table of this many rows stays below.
const MOST_ROWS: usize = 100;

/// Comparisons of images that one body shows.
/// Bytes of comparisons that are told whole: GitHub takes 65,536 characters of a body.
const LONGEST_COMPARED: usize = 25_000;
const MOST_COMPARED: usize = 5;

/// Where the change set's files can be looked at.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    /// GitHub's web address.
    pub github: &'a Url,
    /// The repository.
    pub repo: &'a RepoName,
    /// The commit that the change set was made from.
    pub commit: &'a CommitSha,
}

/// The title: what moves, from where to where, called as the rules want.
pub fn pull_title(set: &ChangeSet) -> String {
    let mark = if set.is_security() { " [security]" } else { "" };
    let base = set.base.as_ref().map(|base| format!(" ({base})")).unwrap_or_default();
    let subject = format!("{}{base}{mark}", subject(set));
    match prefix(&set.terms.commit) {
        Some(prefix) => format!("{prefix}: {}", lowered(&subject)),
        None => subject,
    }
}

/// `chore(deps)`; nothing where the rules want none.
fn prefix(style: &CommitStyle) -> Option<String> {
    let prefix = style.prefix.as_ref().filter(|prefix| !prefix.is_empty())?;
    Some(match style.scope.as_ref().filter(|scope| !scope.is_empty()) {
        Some(scope) => format!("{prefix}({scope})"),
        None => prefix.clone(),
    })
}

/// A subject behind a prefix begins with a small letter.
fn lowered(subject: &str) -> String {
    let mut chars = subject.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn subject(set: &ChangeSet) -> String {
    let images = set.images();
    let Some(image) = images.first().filter(|_| images.len() == 1) else { return several(set, images.len()) };
    let image = image.familiar();
    let from = tags(set, |update| &update.site.reference);
    let to = tags(set, |update| &update.to);
    let digest = || set.updates.iter().find_map(|update| update.to.digest()).map(Digest::short).unwrap_or_default();
    match set.kind() {
        UpdateKind::Digest => format!("Update {image} {to} to its newest build ({}{})", build(set), digest()),
        UpdateKind::Pin => format!("Pin {image} {to} to {}", digest()),
        UpdateKind::Patch
        | UpdateKind::Minor
        | UpdateKind::Major
        | UpdateKind::Variant
        | UpdateKind::Replacement
        | UpdateKind::Centralise
        | UpdateKind::Rollback => format!("Update {image} from {from} to {to}"),
    }
}

/// `27.1.2, 1234567 -> `: the version that the new build calls itself, and the digest that it takes the place of.
fn build(set: &ChangeSet) -> String {
    let evidence = set.updates.iter().find_map(|update| update.evidence.as_ref());
    let version = evidence.and_then(evidence::readable_version).map(|version| format!("{version}, "));
    let from: BTreeSet<String> =
        set.updates.iter().filter_map(|update| update.site.reference.digest()).map(Digest::short).collect();
    let from = from.first().filter(|_| from.len() == 1).map(|from| format!("{from} -> "));
    format!("{}{}", version.unwrap_or_default(), from.unwrap_or_default())
}

fn several(set: &ChangeSet, images: usize) -> String {
    match &set.topic {
        Topic::Group(name) => format!("Update {images} images: {name}"),
        Topic::Image { .. } => format!("Update {images} images"),
    }
}

/// The distinct tags on one side of the moves.
fn tags(set: &ChangeSet, side: impl Fn(&Update) -> &Reference) -> String {
    let tags: BTreeSet<&str> =
        set.updates.iter().map(|update| side(update).tag().map_or("latest", |tag| tag.as_str())).collect();
    match tags.len() {
        0..=2 => tags.into_iter().collect::<Vec<_>>().join(" and "),
        more => format!("{more} tags"),
    }
}

/// The commit's message, with the fingerprint by which Restow knows its own work.
pub fn commit_message(set: &ChangeSet) -> String {
    let mut message = format!("{}\n\n", pull_title(set));
    for update in set.updates.iter().take(MOST_ROWS) {
        let path: String = update.site.path.as_str().chars().filter(|c| !c.is_control()).collect();
        message.push_str(&format!(
            "{path}:{}: {} -> {}\n",
            update.site.line,
            readable(&update.site.reference),
            readable(&update.to)
        ));
    }
    message.push_str(&format!("\n{FINGERPRINT_TRAILER}: {}\n", set.fingerprint()));
    message
}

/// The body: what moves, why, what is not known, how to change it, and the hidden block.
pub fn pull_body(set: &ChangeSet, place: &Place<'_>, releases: &[ReleaseNote]) -> String {
    let between = releases_between(releases, set);
    let sections = [
        verdict::verdict(set),
        summary(set),
        table(set, place),
        left(set),
        reasons(set),
        vulnerability_section(set),
        evidence::section(set),
        release_source(set).and_then(|source| notes::section(&between, &source)),
        alternatives::section(set),
        next(set),
        verdict::roll_back(set),
        advice(set),
    ];
    let body = sections.into_iter().flatten().collect::<Vec<_>>().join("\n\n");
    MachineBlock::of(set).write_into(&body)
}

fn summary(set: &ChangeSet) -> Option<String> {
    let places = match set.updates.len() {
        1 => "1 place".to_owned(),
        more => format!("{more} places"),
    };
    let what = match set.kind() {
        UpdateKind::Digest => "to its newest build".to_owned(),
        UpdateKind::Pin => "to a digest".to_owned(),
        UpdateKind::Patch
        | UpdateKind::Minor
        | UpdateKind::Major
        | UpdateKind::Variant
        | UpdateKind::Replacement
        | UpdateKind::Centralise
        | UpdateKind::Rollback => format!("to {}", code(&tags(set, |update| &update.to))),
    };
    let images = set.images();
    let Some(image) = images.first().filter(|_| images.len() == 1) else {
        return Some(format!(
            "Moves {} images in {places}; the largest step is a **{}** update.",
            images.len(),
            set.kind()
        ));
    };
    Some(format!("Moves {} {what} in {places}: a **{}** update.", code(&image.familiar()), set.kind()))
}

fn table(set: &ChangeSet, place: &Place<'_>) -> Option<String> {
    let mut rows = vec!["| Where | From | To | Kind | Platforms |".to_owned(), "|---|---|---|---|---|".to_owned()];
    rows.extend(set.updates.iter().take(MOST_ROWS).map(|update| row(update, place)));
    if let Some(more) = set.updates.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        rows.push(format!("| and {more} more, in the diff | | | | |"));
    }
    Some(rows.join("\n"))
}

fn row(update: &Update, place: &Place<'_>) -> String {
    let site = &update.site;
    let base = place.github.as_str().trim_end_matches('/');
    let link = format!("{base}/{}/blob/{}/{}#L{}", place.repo, place.commit, url_path(site.path.as_str()), site.line);
    let shown = code(&format!("{}:{}", site.path, site.line));
    let from = code(&readable(&site.reference));
    let to = code(&readable(&update.to));
    format!("| [{shown}]({link}) | {from} | {to} | {} | {} |", update.kind, verdict::platforms(update))
}

/// What was meant and is not in the diff.
fn left(set: &ChangeSet) -> Option<String> {
    if set.left.is_empty() {
        return None;
    }
    let shown = set.left.iter().take(MOST_ROWS).map(|left| format!("- {}", code(&left.reason)));
    Some(format!("**Left as they are**: move these by hand\n\n{}", shown.collect::<Vec<_>>().join("\n")))
}

/// A reference with a digest of seven digits.
fn readable(reference: &Reference) -> String {
    let tagged = reference.with(reference.tag().cloned(), None);
    match reference.digest() {
        Some(digest) => format!("{tagged}@{}", digest.short()),
        None => tagged.to_string(),
    }
}

fn reasons(set: &ChangeSet) -> Option<String> {
    let reasons: BTreeSet<&str> = set.updates.iter().map(|update| update.reason.as_str()).collect();
    let mut lines: Vec<String> = reasons.into_iter().take(10).map(|reason| format!("- {reason}")).collect();
    lines.extend(set.terms.reasons.iter().take(5).map(|reason| format!("- The rules say: {}", code(reason))));
    Some(format!("**Why**\n\n{}", lines.join("\n")))
}

/// What the move does to the known vulnerabilities, image by image.
fn vulnerability_section(set: &ChangeSet) -> Option<String> {
    let mut told = BTreeSet::new();
    let mut texts: Vec<String> = Vec::new();
    for update in &set.updates {
        let Some(change) = &update.vulnerabilities else { continue };
        let name = format!("{} to {}", readable(&update.site.reference), readable(&update.to));
        if told.len() < MOST_COMPARED && told.insert(name.clone()) {
            let told: usize = texts.iter().map(String::len).sum();
            let whole = vulnerability_change(change, Fullness::Whole, Markup::Markdown);
            let text = match told + whole.len() > LONGEST_COMPARED {
                true => vulnerability_change(change, Fullness::Brief, Markup::Markdown),
                false => whole,
            };
            texts.push(format!("{}\n\n{text}", code(&name)));
        }
    }
    (!texts.is_empty()).then(|| format!("**Known vulnerabilities**\n\n{}", texts.join("\n\n")))
}

/// What becomes of the pull request by itself.
fn next(set: &ChangeSet) -> Option<String> {
    let terms = &set.terms;
    let merge = match (terms.automerge.on, terms.automerge.without_checks) {
        (false, _) => "It waits for a person: nobody else merges it.".to_owned(),
        (true, false) => format!(
            "Restow merges it by itself once the checks of this repository have passed ({}).",
            code(&terms.automerge_place)
        ),
        (true, true) => format!(
            "Restow merges it by itself as soon as nothing is against it, even where this repository checks nothing: \
             `checks: none-required` ({}).",
            code(&terms.automerge_place)
        ),
    };
    Some(format!("**What happens next**\n\n{merge}"))
}

fn advice(set: &ChangeSet) -> Option<String> {
    let images = set.images();
    let never = match images.first().filter(|_| images.len() == 1) {
        Some(image) => format!(
            " **Never this image?** Put this into `.github/restow.yml`:\n\n```yaml\nignore:\n  images: [\"{}\"]\n```",
            image.familiar()
        ),
        None => String::new(),
    };
    Some(format!(
        "---\n**Not this one?** Close the pull request: the same move is not proposed again, a newer version is. \
         **Not now?** `/restow hold 14d` waits, `/restow ignore major because …` says what else is not wanted, `/restow \
         rebase` brings it up to date, `/restow explain` says how it stands; `/restow help` tells the rest.{never}"
    ))
}
