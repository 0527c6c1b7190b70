//! Every folder in `fixtures/formats` is a small repository: what is found in it is what its `sites.txt` says, and
//! every single edit changes its own bytes only, with LF and CRLF, with and without a byte order mark.
//!
//! After a change that is meant, `UPDATE_FIXTURES=1` writes the `sites.txt` anew; read what `git diff` then shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use restow::formats::{self, EditRefusal, Inventory, Site, extract, link, path_key};
use restow::image::{Digest, Tag};
use restow::repo::FilePath;

type Files = BTreeMap<FilePath, Vec<u8>>;

const EXPECTED: &str = "sites.txt";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/formats")
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let name = format!("{prefix}{}", entry.file_name().into_string().expect("a UTF-8 name"));
        if entry.path().is_dir() {
            read_folder(&entry.path(), &format!("{name}/"), files);
        } else if name != EXPECTED {
            files.insert(FilePath::parse(&name).expect("a path"), fs::read(entry.path()).expect("a readable file"));
        }
    }
}

/// The fixtures: name and files.
fn fixtures() -> Vec<(String, Files)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root()).expect("fixtures/formats") {
        let entry = entry.expect("a readable entry");
        let mut files = Files::new();
        read_folder(&entry.path(), "", &mut files);
        found.push((entry.file_name().into_string().expect("a UTF-8 name"), files));
    }
    found.sort();
    found
}

fn inventory(files: &Files) -> Inventory {
    let read: Vec<_> =
        files.iter().filter_map(|(path, bytes)| Some((path, extract(&path_key(path)?, bytes)))).collect();
    link(read.iter().map(|(path, extraction)| (*path, extraction)))
}

/// One line a site and a problem, as a person would check them.
fn shown(files: &Files, inventory: &Inventory) -> String {
    let mut text = String::new();
    for site in &inventory.sites {
        let spans = site.spans.iter().map(|span| {
            let path = span.path.as_ref().unwrap_or(&site.path);
            let bytes = String::from_utf8_lossy(&files[path][span.start..span.end]).into_owned();
            let elsewhere = span.path.as_ref().map_or(String::new(), |path| format!(" in {path}"));
            format!("{:?} {bytes:?}{elsewhere}", span.part).replacen("Reference \"", "\"", 1)
        });
        let spans: Vec<String> = spans.collect();
        let Site { path, line, column, format, reference, .. } = site;
        let _ = write!(text, "{path}:{line}:{column} {format} {reference} <- {}", spans.join(", "));
        let marks = [
            (site.confidence != formats::Confidence::Parsed).then(|| "scanned".to_owned()),
            site.allow.as_ref().map(|kinds| format!("allow {}", kinds.join(","))),
            site.comment.as_ref().map(|comment| format!("comment {:?}", comment.text)),
            (site.class != formats::PathClass::Ordinary).then(|| format!("{:?}", site.class).to_lowercase()),
        ];
        for mark in marks.into_iter().flatten() {
            let _ = write!(text, " [{mark}]");
        }
        text.push('\n');
    }
    for problem in &inventory.problems {
        let _ = writeln!(text, "problem {}:{} {:?}: {}", problem.path, problem.line, problem.code, problem.message);
    }
    text
}

#[test]
fn what_is_found_is_what_each_folder_says() {
    let mut wrong = Vec::new();
    for (name, files) in fixtures() {
        let place = root().join(&name).join(EXPECTED);
        let shown = shown(&files, &inventory(&files));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&place, &shown).expect("a writable fixture");
        }
        let expected = fs::read_to_string(&place).unwrap_or_default();
        if shown != expected {
            wrong.push(format!("── {name}: expected\n{expected}── found\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same repository with other line ends or a byte order mark.
fn variants(files: &Files) -> Vec<Files> {
    let with = |change: &dyn Fn(&str) -> String| -> Files {
        let changed = files.iter().map(|(path, bytes)| match std::str::from_utf8(bytes) {
            Ok(text) => (path.clone(), change(text).into_bytes()),
            Err(_) => (path.clone(), bytes.clone()),
        });
        changed.collect()
    };
    let crlf = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
    vec![
        files.clone(),
        with(&crlf),
        with(&|text| format!("\u{feff}{}", text.trim_start_matches('\u{feff}'))),
        with(&|text| text.trim_end_matches('\n').to_owned()),
    ]
}

fn references(inventory: &Inventory) -> Vec<String> {
    inventory.sites.iter().map(|site| format!("{} {}", site.path, site.reference)).collect()
}

#[test]
fn line_ends_and_marks_change_nothing_that_is_found() {
    for (name, files) in fixtures() {
        let expected = references(&inventory(&files));
        for variant in variants(&files) {
            assert_eq!(references(&inventory(&variant)), expected, "{name}");
        }
    }
}

/// Bytes that an edit may touch: the site's spans and the version in its comment.
fn may_change(site: &Site, path: &FilePath) -> Vec<(usize, usize)> {
    let spans = site.spans.iter().filter(|span| span.path.as_ref().unwrap_or(&site.path) == path);
    let comment = site.comment.iter().filter(|_| *path == site.path).map(|one| (one.start, one.end));
    let mut ranges: Vec<(usize, usize)> = spans.map(|span| (span.start, span.end)).chain(comment).collect();
    ranges.sort_unstable();
    ranges
}

/// The text outside the ranges of the old file must stand in the new one in the same order, and begin and end it.
#[track_caller]
fn assert_only_inside(old: &[u8], new: &[u8], ranges: &[(usize, usize)], name: &str) {
    let first = ranges.first().map_or(old.len(), |range| range.0);
    let last = ranges.last().map_or(0, |range| range.1);
    assert_eq!(&new[..first], &old[..first], "{name}: what stands before the site");
    assert!(new.ends_with(&old[last..]), "{name}: what stands behind the site");
    let mut at = first;
    for pair in ranges.windows(2) {
        let between = &old[pair[0].1.min(pair[1].0)..pair[1].0];
        let found = new[at..].windows(between.len().max(1)).position(|window| window == between || between.is_empty());
        at += found.unwrap_or_else(|| panic!("{name}: bytes between two parts were changed")) + between.len();
    }
}

#[test]
fn each_single_edit_changes_only_its_bytes() {
    let tag = Tag::parse("9.9.9-restow").expect("a tag");
    let digest = Digest::parse(&format!("sha256:{}", "ab".repeat(32))).expect("a digest");
    for (name, files) in fixtures() {
        for files in variants(&files) {
            let before = inventory(&files);
            assert_eq!(formats::rewrite(&files, &[]).expect("no edit"), Files::new(), "{name}");
            for site in &before.sites {
                let files = involved(&files, site);
                let before = inventory(&files);
                let new_digest = site.reference.digest().map(|_| digest.clone());
                let to = site.reference.with(Some(tag.clone()), new_digest);
                let label = format!("{name}: {}:{} {}", site.path, site.line, site.reference);
                match formats::rewrite(&files, &[(site.clone(), to.clone())]) {
                    Ok(changed) => check_edit(&files, &before, site, (&to.to_string(), &changed), &label),
                    Err(
                        EditRefusal::NotWritten { .. } | EditRefusal::Unintended { .. } | EditRefusal::Disagree { .. },
                    ) => {}
                    Err(other) => panic!("{label}: {other}"),
                }
            }
        }
    }
}

/// The site's own files: those of its bytes, and those that define its variables.
fn involved(files: &Files, site: &Site) -> Files {
    let named = files.iter().filter(|(path, _)| site.files().any(|one| one == *path));
    named.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
}

#[track_caller]
fn check_edit(files: &Files, before: &Inventory, site: &Site, after: (&str, &Files), label: &str) {
    let (to, changed) = after;
    assert!(!changed.is_empty(), "{label}: something changes");
    for (path, new) in changed {
        assert_only_inside(&files[path], new, &may_change(site, path), label);
    }
    let mut now = files.clone();
    now.extend(changed.clone());
    let moved = inventory(&now);
    assert_eq!(moved.problems.len(), before.problems.len(), "{label}: no new problem");
    assert_eq!(moved.sites.len(), before.sites.len(), "{label}: as many sites");
    let at_place =
        moved.sites.iter().any(|one| one.path == site.path && one.line == site.line && one.reference.to_string() == to);
    assert!(at_place, "{label}: the site names {to}");
}

/// What may stand where it should not.
const INTRUDERS: [&str; 22] = [
    "{", "}", "[", "]", "\"", "'", "`", "${", "$(", "{{", "}}", "<<EOF\n", "\\\n", "\t", "\r", "\u{feff}", "é", "&a ",
    "*a", ": ", "@sha256:", "/*",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Each fixture with bytes gone and others in their place: no panic, every span is text of the file, and a site that
    /// can be moved says afterwards what it was to say.
    #[test]
    fn spoiled_fixtures_are_survived(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, prop::sample::select(INTRUDERS.to_vec())), 1..6),
    ) {
        let all: Vec<(FilePath, Vec<u8>)> = fixtures().into_iter().flat_map(|(_, files)| files).collect();
        let (path, mut bytes) = all[which.index(all.len())].clone();
        for (at, length, intruder) in cuts {
            let start = at.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, intruder.bytes());
        }
        let files = Files::from([(path, bytes)]);
        let found = inventory(&files);
        for site in &found.sites {
            for span in &site.spans {
                let text = files[&site.path].get(span.start..span.end).map(std::str::from_utf8);
                prop_assert!(matches!(text, Some(Ok(_))), "{:?}", site);
            }
            let to = site.reference.with(Some(Tag::parse("9.9.9-restow").expect("a tag")), site.reference.digest().cloned());
            if let Ok(changed) = formats::rewrite(&files, &[(site.clone(), to.clone())]) {
                let mut now = files.clone();
                now.extend(changed);
                prop_assert!(inventory(&now).sites.iter().any(|one| one.reference == to), "{:?}", site);
            }
        }
    }
}
