//! What tags mean: the table of `docs/tags.md`, the schemes of well-known images, properties.

use proptest::prelude::{
    ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof, proptest,
};
use restow::image::{ImageName, Tag};
use restow::repo::{BranchName, Moment};
use restow::tag::{ListedTag, Pick, Picks, Scheme, explain};

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

/// A list that hangs together: a few versions, a few suffixes.
fn tag_names() -> impl Strategy<Value = Vec<String>> {
    let version = prop::collection::vec(0_u64..4, 1..4)
        .prop_map(|numbers| numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("."));
    let suffix = prop::sample::select(vec![
        "",
        "",
        "",
        "-alpine",
        "-alpine3.18",
        "-alpine3.19",
        "-alpine3.20",
        "-slim-bookworm",
        "-slim-trixie",
        "-rc1",
        "-rc.2",
        "-r1",
        "-r2",
        "-ls7",
        "-ls8",
        "-20240131",
        "-20240229",
        "-php8.1-alpine3.18",
        "-php8.2-alpine3.18",
        "-php8.2-alpine3.19",
        "_1-jre",
        "-nightly",
        "-8f36c34",
        "-1234567",
    ]);
    let made = (prop::sample::select(vec!["", "", "v", "jdk-"]), version, suffix)
        .prop_map(|(prefix, version, suffix)| format!("{prefix}{version}{suffix}"));
    let other = "[a-z0-9_][a-z0-9._-]{0,14}";
    prop::collection::vec(prop_oneof![9 => made, 1 => other], 1..40)
}

fn all(picks: &Picks) -> [(&'static str, &Option<Pick>); 4] {
    [("patch", &picks.patch), ("minor", &picks.minor), ("major", &picks.major), ("variant", &picks.variant)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn picks_do_not_depend_on_the_order_of_the_list(names in tag_names(), turn in 0_usize..40) {
        let mut tags = listed(&names);
        let picks = Scheme::learn(&tags).pick(&tags[0].name, now());
        let current = tags[0].name.clone();
        let turn = turn % tags.len();
        tags.rotate_left(turn);
        prop_assert_eq!(&Scheme::learn(&tags).pick(&current, now()), &picks);
        tags.reverse();
        prop_assert_eq!(&Scheme::learn(&tags).pick(&current, now()), &picks);
    }

    #[test]
    fn picks_are_listed_and_are_not_the_current_tag(names in tag_names()) {
        let tags = listed(&names);
        let current = &tags[0].name;
        for (kind, pick) in all(&Scheme::learn(&tags).pick(current, now())) {
            if let Some(pick) = pick {
                prop_assert!(names.iter().any(|name| name == pick.tag.as_str()), "{}", kind);
                prop_assert_ne!(&pick.tag, current);
            }
        }
    }

    /// From where a move arrives, no move of its kind goes on. The one exception: a pre-release that moves along its track
    /// may then leave it for the release.
    #[test]
    fn proposals_settle(names in tag_names()) {
        let tags = listed(&names);
        let scheme = Scheme::learn(&tags);
        for (kind, pick) in all(&scheme.pick(&tags[0].name, now())) {
            let Some(pick) = pick else { continue };
            let again = scheme.pick(&pick.tag, now());
            for (next_kind, next) in all(&again) {
                let Some(next) = next else { continue };
                let leaves_track = kind == "patch" && pick.tag.as_str().contains("-rc") && !next.tag.as_str().contains("-rc");
                prop_assert!(next_kind != kind || leaves_track, "{}: {} to {} to {}", kind, tags[0].name, pick.tag, next.tag);
            }
        }
    }

    #[test]
    fn patch_minor_and_major_stay_on_the_line(names in tag_names()) {
        let tags = listed(&names);
        let scheme = Scheme::learn(&tags);
        let picks = scheme.pick(&tags[0].name, now());
        for (kind, pick) in all(&picks) {
            if let Some(pick) = pick && kind != "variant" {
                let there = scheme.pick(&pick.tag, now());
                prop_assert_eq!(&there.line, &picks.line);
            }
        }
    }

    /// Any tag that a registry may list, and any current one: no panic, and a line that names a branch.
    #[test]
    fn any_tag_is_answered(names in prop::collection::vec("[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", 1..20)) {
        let tags = listed(&names);
        let scheme = Scheme::learn(&tags);
        for current in &tags {
            let line = scheme.pick(&current.name, now()).line;
            prop_assert!(BranchName::parse(&format!("restow/image-{line}")).is_ok(), "{}", line);
        }
    }
}

#[track_caller]
fn explained(image: &str, current: &str, tags: &str) -> String {
    explain(&ImageName::parse(image).expect("an image"), &tag(current), &listed(tags.split_whitespace()), now())
}

#[test]
fn explanations_name_the_rule_and_the_near_misses() {
    insta::assert_snapshot!(
        "variant",
        explained(
            "golang",
            "1.21.0-alpine3.18",
            "1.21.0-alpine3.18 1.21.13-alpine3.18 1.22.1-alpine3.19 1.23.0-alpine3.20 1.23.0-alpine 1.23.0 1.23 1.24rc1-alpine3.20 \
             latest tip-20260103-alpine3.22"
        )
    );
    insta::assert_snapshot!(
        "long-support",
        explained("node", "20.1.0", "20.1.0 20.2.0 20 21.0.0 22.3.0 23.0.0 25.0.0 v26.0.0 25.0.0-slim")
    );
    insta::assert_snapshot!(
        "left-scheme",
        explained(
            "lscr.io/linuxserver/qbittorrent",
            "5.0.1",
            "5.0.1 5.0.2 5.1.0 5.0.2-r0-ls391 4.6.0 4.5.0 4.4.0 4.3.9 4.3.8 4.3.7 4.3.6 14.3.9 20.04.1 latest"
        )
    );
    insta::assert_snapshot!("channel", explained("example.com/shop", "latest", "latest 1.0.0 1.1.0"));
}
