//! What tags mean: the table of `docs/tags.md`, the schemes of well-known images, properties.

use restow::image::{ImageName, Tag};
use restow::repo::Moment;
use restow::tag::{ListedTag, Pick, Picks, Scheme};

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn listed(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<ListedTag> {
    let bare = |name: &str| ListedTag { name: tag(name), digest: None, created: None };
    names.into_iter().map(|name| bare(name.as_ref())).collect()
}

fn now() -> Moment {
    Moment::parse_rfc3339("2026-11-23T00:00:00Z").expect("a moment")
}

/// The picks as patch, minor, major, variant; `-` for none.
fn shown(picks: &Picks) -> [&str; 4] {
    [&picks.patch, &picks.minor, &picks.major, &picks.variant]
        .map(|pick| pick.as_ref().map_or("-", |pick| pick.tag.as_str()))
}

/// The cells of the rows of all tables whose header begins with `| image |`.
fn rows(document: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let mut in_table = false;
    let mut rows = Vec::new();
    for line in document.lines() {
        if line.starts_with("| image |") {
            in_table = true;
        } else if !line.starts_with('|') {
            in_table = false;
        } else if in_table && !line.starts_with("|---") {
            rows.push(cells(line));
        }
    }
    rows
}

#[test]
fn every_row_of_the_document_holds() {
    let rows = rows(include_str!("../../docs/tags.md"));
    assert!(rows.len() > 60, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let [image, current, others, expected @ .., _rule] = row.as_slice() else { panic!("{row:?}") };
        let tags = listed(std::iter::once(current.as_str()).chain(others.split_whitespace()));
        let scheme = match image.as_str() {
            "any" => Scheme::learn(&tags),
            image => Scheme::learn_for(&ImageName::parse(image).expect("an image"), &tags),
        };
        let picks = scheme.pick(&tag(current), now());
        if shown(&picks).as_slice() != expected {
            wrong.push(format!(
                "{current} of {others}:\n  expected {expected:?}\n  picked   {:?} {:?}",
                shown(&picks),
                picks.reasons
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
