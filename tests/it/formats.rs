//! Second opinions on what the formats read, hostile input, and the fixtures.

mod fixtures;
mod peers;

use std::collections::BTreeMap;

use proptest::prelude::*;
use restow::formats::{self, extract, link, path_key};
use restow::image::{Reference, Tag};
use restow::repo::FilePath;

fn path(text: &str) -> FilePath {
    FilePath::parse(text).expect("a path")
}

const DOCKERFILES: [&str; 4] = [
    "FROM nginx:1.25-alpine\nRUN true\n",
    "ARG V=1\nFROM --platform=linux/amd64 golang:1.22 AS build\nFROM build\nFROM localhost:5000/a/b:1\n",
    "FROM ghcr.io/acme/shop@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
    "# a comment\nFROM \\\n  debian:bookworm-slim AS base\nCOPY . /\n",
];

/// Where dockerfile-parser reads a file at all, it sees the same images in the same bytes.
#[test]
fn from_spans_are_those_of_dockerfile_parser() {
    for text in DOCKERFILES {
        let theirs: Vec<(usize, usize, String)> = dockerfile_parser::Dockerfile::parse(text)
            .expect("it parses these")
            .iter_stages()
            .filter_map(|stage| {
                let from = stage.instructions.first()?.as_from()?;
                Some((from.image.span.start, from.image.span.end, from.image.content.clone()))
            })
            .filter(|(_, _, image)| image != "build")
            .collect();
        let ours = extract("dockerfile", text.as_bytes());
        let ours: BTreeMap<String, String> = BTreeMap::from([("x".to_owned(), format!("{:?}", ours.sites))]);
        let inventory = link([(&path("Dockerfile"), &extract("dockerfile", text.as_bytes()))]);
        let seen: Vec<(usize, usize, String)> = inventory
            .sites
            .iter()
            .map(|site| (site.spans[0].start, site.spans[0].end, site.reference.to_string()))
            .collect();
        assert_eq!(seen, theirs, "{ours:?}");
    }
}

/// Every move of every site changes that site only, with LF, CRLF and a byte order mark.
#[test]
fn each_single_edit_changes_only_its_bytes() {
    let compose = "x-i: &i nginx:1.25\nservices:\n  a: {image: *i}\n  b:\n    image: \"redis:7\" # 7\n";
    let kubernetes = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a/b:1.0\n    args: [--image=c/d:2]";
    let files = [("Dockerfile", DOCKERFILES[1]), ("compose.yaml", compose), ("k8s.yaml", kubernetes)];
    for (name, text) in files {
        for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
            let files = BTreeMap::from([(path(name), text.clone().into_bytes())]);
            let read = |bytes: &[u8]| link([(&path(name), &extract(&path_key(&path(name)).expect("a key"), bytes))]);
            let sites = read(text.as_bytes()).sites;
            assert!(!sites.is_empty(), "{name}");
            for site in &sites {
                let to = site.reference.with(Some(Tag::parse("9.9.9-restow").expect("a tag")), None);
                let changed = formats::rewrite(&files, &[(site.clone(), to.clone())]).expect("it can be moved");
                let new = String::from_utf8(changed[&path(name)].clone()).expect("UTF-8");
                let old_tag = site.reference.tag().expect("a tag").as_str();
                let undone = new.replacen("9.9.9-restow", old_tag, 2);
                assert_eq!(undone, text, "only the tag has changed");
                let moved = read(new.as_bytes()).sites;
                let expected: Vec<String> = sites
                    .iter()
                    .map(|one| if one == site { to.to_string() } else { one.reference.to_string() })
                    .collect();
                assert_eq!(moved.iter().map(|one| one.reference.to_string()).collect::<Vec<_>>(), expected);
            }
        }
    }
}

#[test]
fn two_images_that_share_a_version_are_not_moved_apart() {
    let text = "ARG V=1\nFROM a:${V}\nFROM b:${V}\n";
    let inventory = link([(&path("Dockerfile"), &extract("dockerfile", text.as_bytes()))]);
    let files = BTreeMap::from([(path("Dockerfile"), text.as_bytes().to_vec())]);
    let to = inventory.sites[0].reference.with(Some(Tag::parse("2").expect("a tag")), None);
    let refused = formats::rewrite(&files, &[(inventory.sites[0].clone(), to)]);
    assert!(refused.is_err(), "the other image would move too");
}

proptest! {
    /// Any text: no panic, and every span lies in the text.
    #[test]
    fn hostile_text_is_survived(text in "[ -~\n\r\t\u{feff}é]{0,200}", parts in proptest::collection::vec(
        prop_oneof![Just("FROM "), Just("ARG V="), Just("${"), Just("}"), Just("image: "), Just("services:\n"), Just("  "),
            Just("apiVersion: v1\nkind: Pod\n"), Just("- "), Just("&a "), Just("*a"), Just("<<EOF\n"), Just("\\\n"), Just("nginx:1")], 0..30)) {
        let joined = format!("{}{text}", parts.concat());
        for name in ["Dockerfile", "compose.yaml", "a.yaml", ".env"] {
            let file = path(name);
            let extraction = extract(&path_key(&file).expect("a key"), joined.as_bytes());
            for site in link([(&file, &extraction)]).sites {
                for span in &site.spans {
                    prop_assert!(joined.get(span.start..span.end).is_some());
                }
            }
        }
    }

    /// References are read as the other implementation of the grammar reads them.
    #[test]
    fn references_agree_with_oci_spec(text in "[a-z0-9]{1,5}([._-][a-z0-9]{1,3})?(/[a-z0-9]{1,6}){0,2}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,8})?") {
        let theirs = text.parse::<oci_spec::distribution::Reference>();
        let ours = Reference::parse(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(ours.image().registry(), theirs.registry());
            prop_assert_eq!(ours.image().repository(), theirs.repository());
        }
    }
}
