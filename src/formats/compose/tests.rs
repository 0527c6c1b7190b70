//! What is found in Compose files, and what is not.

use super::*;
use crate::formats::{extract, link, path_key};
use std::collections::BTreeMap;

/// Each site of a `compose.yaml` beside a `.env`, with the text of its spans.
fn found(text: &str, dotenv: &str) -> (Vec<(String, Vec<String>)>, Vec<ProblemCode>) {
    let files: BTreeMap<FilePath, &str> = [("app/compose.yaml", text), ("app/.env", dotenv)]
        .into_iter()
        .map(|(path, text)| (FilePath::parse(path).expect("a path"), text))
        .collect();
    let read =
        |(path, text): (&FilePath, &&str)| (path.clone(), extract(&path_key(path).expect("a key"), text.as_bytes()));
    let read: BTreeMap<_, _> = files.iter().map(read).collect();
    let inventory = link(read.iter());
    let shown = |span: &crate::formats::Span| {
        let path = span.path.clone().unwrap_or_else(|| FilePath::parse("app/compose.yaml").expect("a path"));
        files[&path][span.start..span.end].to_owned()
    };
    let sites = inventory.sites.iter();
    let sites = sites.map(|site| (site.reference.to_string(), site.spans.iter().map(shown).collect())).collect();
    (sites, inventory.problems.iter().map(|problem| problem.code).collect())
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    for variant in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        let (sites, problems) = found(&variant, "");
        let references: Vec<String> = sites.iter().map(|(reference, _)| reference.clone()).collect();
        assert_eq!(references, expected, "{variant:?}");
        assert_eq!(problems, [], "{variant:?}");
        for (reference, spans) in sites {
            assert!(spans.contains(&reference), "{reference} in {spans:?}");
        }
    }
}

#[test]
fn services_in_every_style() {
    check(
        "services:\n  a:\n    image: nginx:1.25\n  b: {\"image\": 'redis:7'}\n  c: {build: ., image: mine:1}\n",
        &["nginx:1.25", "redis:7"],
    );
    check("web:\n  image: nginx:1\nown:\n  build: .\n  image: x:1\n", &["nginx:1"]);
    check(
        "services:\n  a:\n    image: |-\n      nginx:1.25\n  b:\n    image: >\n      redis:7\n",
        &["nginx:1.25", "redis:7"],
    );
    check("services: {a: {image: !!str nginx:1}}\n---\nservices:\n  b: {image: b:2}", &["nginx:1", "b:2"]);
}

#[test]
fn anchors_are_edited_once_and_aliases_never() {
    check("x-img: &img nginx:1\nservices:\n  a: {image: *img}\n  b: {image: *img}\n", &["nginx:1"]);
    check("x-base: &base\n  image: nginx:1\nservices:\n  a:\n    <<: *base\n", &["nginx:1"]);
    check("services:\n  a: &a {image: &i nginx:1}\n  b: {image: *i}\n  c: *a\n", &["nginx:1"]);
}

#[test]
fn variables_come_from_the_env_file_or_their_default() {
    let text =
        "services:\n  a: {image: \"nginx:${TAG:-1.25}\"}\n  b: {image: \"${REDIS-redis:7}\"}\n  c: {image: \"x:$V\"}\n";
    let (sites, problems) = found(text, "V=3.1\nTAG=\n");
    let shown: Vec<(&str, Vec<&str>)> = sites
        .iter()
        .map(|(reference, spans)| (reference.as_str(), spans.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        shown,
        [("nginx:1.25", vec!["nginx", "1.25"]), ("redis:7", vec!["redis:7"]), ("x:3.1", vec!["x", "3.1"])]
    );
    assert_eq!(problems, []);
    assert_eq!(found("services: {a: {image: \"x:$V\"}}", "").1, [ProblemCode::UnresolvedVariable]);
    assert_eq!(found("services: {a: {image: \"${A:-${B:-y:2}}\"}}", "").0[0].0, "y:2");
}

#[test]
fn an_inline_dockerfile_is_read_in_place() {
    check(
        "services:\n  a:\n    build:\n      dockerfile_inline: |\n        FROM nginx:1.25\n        RUN true\n",
        &["nginx:1.25"],
    );
}

#[test]
fn broken_and_hostile_files_are_problems() {
    assert_eq!(
        found("services: {a: {image: x:1}}\n---\nservices: [\n---\nservices: {b: {image: y:1}}\n", "").0.len(),
        2
    );
    assert_eq!(found("services: {a: {image: \"not an image\"}}", "").1, [ProblemCode::InvalidReference]);
    for text in
        ["[".repeat(10_000), "services: {a: {image: {b: c}}}".to_owned(), "\u{0}".to_owned(), "- image: x".to_owned()]
    {
        assert_eq!(found(&text, "").0, []);
    }
}
