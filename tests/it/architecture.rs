//! Who uses whom, read from the code and held against the table in docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const CORE: [&str; 12] = [
    "repo",
    "image",
    "tag",
    "command",
    "formats",
    "policy",
    "config",
    "notification",
    "vulnerability",
    "plan",
    "pull",
    "report",
];
const OUTSIDE: [&str; 11] = [
    "tokio",
    "async fn",
    "reqwest",
    "octocrab",
    "sqlx",
    "axum",
    "std::env",
    "std::fs",
    "SystemTime",
    "Instant",
    "Timestamp::now",
];

/// The table: room → rooms that it may use.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string("docs/architecture.md").expect("the document");
    let section = text.split_once("## Who may use whom").expect("the section").1;
    let rows =
        section.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    let names = |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    rows.map(|row| {
        let (room, uses) = row[1..].split_once('|').expect("two cells");
        (names(room).pop_first().expect("a room"), names(uses))
    })
    .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// Room → production code, comments left out.
fn rooms() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut rooms: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for path in files {
        let room = path.iter().nth(1).expect("below src").to_string_lossy().trim_end_matches(".rs").to_owned();
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a file");
        rooms.entry(room).or_default().push((path, production(&text)));
    }
    rooms
}

fn production(text: &str) -> String {
    let code = text.split_once("#[cfg(test)]\nmod tests").map_or(text, |(code, _)| code);
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// What is wrong with a room's code.
fn violations(room: &str, code: &str, table: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    let allowed = &table[room];
    for (at, _) in code.match_indices("crate::") {
        let name: String = code[at + 7..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        if room != "cli" && name != room && table.contains_key(&name) && !allowed.contains(&name) {
            found.push(format!("{room} uses {name}"));
        }
    }
    if CORE.contains(&room) {
        found.extend(OUTSIDE.iter().filter(|word| code.contains(**word)).map(|word| format!("{room} names {word}")));
    }
    // A group hides from this test which rooms it names.
    found.extend(
        ["crate::{", "std::{"]
            .iter()
            .filter(|group| code.contains(**group))
            .map(|group| format!("{room} groups {group}")),
    );
    if room != "settings" && code.contains("std::env") {
        found.push(format!("{room} reads the environment"));
    }
    found
}

/// Whether a chain of `super::` is long enough to reach beyond the room.
fn leaves_by_super(path: &Path, code: &str) -> bool {
    let folders = path.iter().count() - 2;
    let depth = if path.ends_with("mod.rs") { folders } else { folders + 1 };
    code.contains(&"super::".repeat(depth))
}

#[test]
fn every_arrow_is_in_the_table() {
    let table = table();
    let rooms = rooms();
    assert_eq!(rooms.keys().collect::<Vec<_>>(), table.keys().collect::<Vec<_>>(), "the table has every room");
    for (room, files) in &rooms {
        for (path, code) in files {
            assert_eq!(violations(room, code, &table), Vec::<String>::new(), "{}", path.display());
            assert!(!leaves_by_super(path, code), "{} names another room by super::", path.display());
        }
    }
}

#[test]
fn a_wrong_arrow_is_noticed() {
    let table = table();
    assert_eq!(violations("tag", "use crate::formats::Site;", &table), ["tag uses formats"]);
    assert_eq!(violations("plan", "pub async fn x() {}", &table), ["plan names async fn"]);
    assert_eq!(violations("jobs", "std::env::var(x)", &table), ["jobs reads the environment"]);
    assert_eq!(violations("jobs", "use crate::store::Store;", &table), Vec::<String>::new());
    assert_eq!(violations("jobs", "use crate::{store::Store};", &table), ["jobs groups crate::{"]);
    assert!(leaves_by_super(Path::new("src/tag/pick.rs"), "use super::super::formats::Site;"));
    assert!(!leaves_by_super(Path::new("src/tag/pick.rs"), "use super::line::Line;"));
    assert!(leaves_by_super(Path::new("src/repo.rs"), "use super::image::Tag;"));
}
