//! What tags mean: the table of `docs/tags.md`, the schemes of well-known images, properties.

use std::io::Write;
use std::process::{Command, Stdio};

use proptest::prelude::{
    ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof, proptest,
};
use restow::image::{Digest, ImageName, Tag};
use restow::repo::{BranchName, Moment};
use restow::tag::{ListedTag, Pick, Picks, Scheme, explain};

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("a tag")
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

#[track_caller]
fn check(current: &str, others: &str, expected: [&str; 4]) {
    let tags = listed(std::iter::once(current).chain(others.split_whitespace()));
    assert_eq!(shown(&Scheme::learn(&tags).pick(&tags[0].name, now())), expected, "{current} among {others}");
}

#[test]
fn a_variant_is_followed_to_where_nothing_moves_on() {
    check("jdk-0-alpine3.18", "jdk-0-alpine3.19 jdk-1-alpine3.20", ["-", "-", "-", "jdk-1-alpine3.20"]);
    check("jdk-0-alpine3.19", "jdk-0-alpine3.18 jdk-1-alpine3.20", ["-", "-", "-", "jdk-1-alpine3.20"]);
}

/// With the times at which tags were made, an `edge` that comes once a year is a variant, not the track of a nightly.
#[test]
fn times_tell_variants_from_nightlies() {
    let made = |name: &str, days: i64| ListedTag {
        name: tag(name),
        digest: None,
        created: Some(Moment(1_600_000_000_000 + days * 86_400_000)),
    };
    let picks = |days: i64| {
        let tags = [made("1.0-edge", 0), made("1.1-edge", days), made("1.2-edge", 2 * days), made("1.3", 2 * days)];
        Scheme::learn(&tags).pick(&tag("1.0-edge"), now()).line
    };
    assert_eq!(picks(1), "x.y");
    assert_eq!(picks(365), "x.y-edge");
}

/// Where the content tells what `latest` is, what lies beyond it is not the newest stable version.
#[test]
fn nothing_is_proposed_beyond_latest() {
    let with = |name: &str, content: &str| ListedTag {
        name: tag(name),
        digest: Some(Digest::sha256_of(content.as_bytes())),
        created: None,
    };
    let tags =
        [with("43", "a"), with("44", "b"), with("latest", "b"), with("45", "c"), with("46", "d"), with("rawhide", "d")];
    assert_eq!(shown(&Scheme::learn(&tags).pick(&tag("43"), now())), ["-", "-", "44", "-"]);
    assert_eq!(shown(&Scheme::learn(&tags).pick(&tag("45"), now())), ["-", "-", "46", "-"]);
}

/// What a floating tag stands for: by its content where that is known, else the newest version that it begins.
#[test]
fn a_floating_tag_is_pinned_to_a_precise_one() {
    let pin = |current: &str, others: &str| {
        let tags = listed(std::iter::once(current).chain(others.split_whitespace()));
        Scheme::learn(&tags).pick(&tags[0].name, now()).pin.map(|pick| pick.tag.to_string())
    };
    assert_eq!(pin("1.25", "1.25.3 1.25.10 1.26.1 1.26 1.25.11-rc1 1.25.12-alpine").as_deref(), Some("1.25.10"));
    assert_eq!(
        pin("1-alpine", "1.25.3-alpine 1.26.1-alpine 1.27.0 2.0.0-alpine 2-alpine").as_deref(),
        Some("1.26.1-alpine")
    );
    assert_eq!(pin("1.25.3", "1.25.10"), None, "it is precise");
    assert_eq!(pin("latest", "1.25.3 1.25.10"), None, "only its content tells");
    let with = |name: &str, content: &str| ListedTag {
        name: tag(name),
        digest: Some(Digest::sha256_of(content.as_bytes())),
        created: None,
    };
    let tags = [with("latest", "b"), with("1.25", "b"), with("1.25.3", "a"), with("1.25.4", "b"), with("1.25.5", "c")];
    let scheme = Scheme::learn(&tags);
    for current in ["latest", "1.25"] {
        assert_eq!(scheme.pick(&tag(current), now()).pin.map(|pick| pick.tag), Some(tag("1.25.4")), "{current}");
    }
}

#[test]
fn a_pre_release_becomes_a_release_of_the_same_separators() {
    check("0.0-rc1", "0_0", ["-"; 4]);
    check("0.0-rc1", "0_0 0.0", ["0.0", "-", "-", "-"]);
    check("0_0-rc1", "0_0 0.0", ["0_0", "-", "-", "-"]);
    check("1.21rc2", "1.20 1.20.1 1.21.0", ["1.21.0", "-", "-", "-"]);
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

/// What is picked from a realistic list: the list's file, the image or `any`, the current tag, the picks.
#[track_caller]
fn from_list(list: &str, image: &str, current: &str, expected: [&str; 4]) {
    let path = format!("{}/fixtures/tags/{list}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("a list of tags");
    let tags = listed(text.lines());
    let scheme = match image {
        "any" => Scheme::learn(&tags),
        image => Scheme::learn_for(&ImageName::parse(image).expect("an image"), &tags),
    };
    let picks = scheme.pick(&tag(current), now());
    assert_eq!(shown(&picks), expected, "{list}: {current}: {:?}", picks.reasons);
}

/// Each row: list, image, current tag, then the patch, minor, major and variant picks.
#[rustfmt::skip]
const FROM_LISTS: &[(&str, &str, &str, [&str; 4])] = &[
    ("linuxserver", "any", "4.0.9-ls254", ["4.0.12-ls260", "4.1.0-ls261", "-", "-"]),
    ("linuxserver", "any", "amd64-4.0.10-ls257", ["amd64-4.0.11-ls259", "amd64-4.1.0-ls261", "-", "-"]),
    ("linuxserver", "any", "version-4.0.9.2244", ["version-4.0.11.2680", "version-4.1.0.2811", "-", "-"]),
    ("linuxserver", "any", "4.0.9", ["4.0.12", "4.1.0", "-", "-"]),
    ("bitnami", "any", "16.2.0-debian-12-r3", ["16.2.0-debian-12-r11", "16.4.0-debian-12-r11", "17.0.0-debian-12-r1", "-"]),
    ("bitnami", "any", "15.6.0-debian-11-r2", ["15.6.0-debian-11-r4", "15.8.0-debian-11-r4", "-", "-"]),
    ("bitnami", "any", "15.8.0-debian-11-r4", ["-", "-", "-", "15.8.0-debian-12-r2"]),
    ("bitnami", "any", "16.2.0", ["-", "16.4.0", "17.0.0", "-"]),
    ("minio", "any", "RELEASE.2023-10-25T06-33-25Z", ["RELEASE.2025-04-22T22-12-26Z", "-", "-", "-"]),
    ("minio", "any", "RELEASE.2023-10-25T06-33-25Z-cpuv1", ["RELEASE.2025-04-22T22-12-26Z-cpuv1", "-", "-", "-"]),
    ("grafana", "any", "10.4.1", ["10.4.2", "-", "12.0.1", "-"]),
    ("grafana", "any", "11.1.0-ubuntu", ["11.1.4-ubuntu", "11.2.0-ubuntu", "12.0.1-ubuntu", "-"]),
    ("grafana", "any", "11.1", ["-", "11.2", "12.0", "-"]),
    ("hashicorp", "any", "1.15.2-ent", ["1.15.6-ent", "1.17.0-ent", "-", "-"]),
    ("hashicorp", "any", "1.15.2-ent.fips1402", ["1.15.6-ent.fips1402", "1.17.0-ent.fips1402", "-", "-"]),
    ("hashicorp", "any", "1.16.3", ["-", "1.17.0", "-", "-"]),
    ("temurin", "eclipse-temurin", "17.0.8_7-jre", ["17.0.10_7-jre", "-", "21.0.2_13-jre", "-"]),
    ("temurin", "eclipse-temurin", "8u382-b05-jre-alpine", ["8u402-b06-jre-alpine", "-", "-", "-"]),
    ("temurin", "eclipse-temurin", "17.0.8_7-jdk-focal", ["17.0.10_7-jdk-focal", "-", "21.0.2_13-jdk-focal", "17.0.10_7-jdk-jammy"]),
    ("temurin", "eclipse-temurin", "17-jre", ["-", "-", "21-jre", "-"]),
    ("temurin", "any", "21_35-jdk", ["-", "-", "23_37-jdk", "-"]),
    ("cuda", "any", "12.2.2-base-ubuntu20.04", ["-", "12.6.3-base-ubuntu20.04", "-", "12.2.2-base-ubuntu22.04"]),
    ("cuda", "any", "12.6.3-base-ubuntu22.04", ["-", "-", "-", "12.6.3-base-ubuntu24.04"]),
    ("cuda", "any", "12.2.2-cudnn8-devel-ubuntu22.04", ["-", "-", "-", "12.3.2-cudnn9-devel-ubuntu22.04"]),
    ("cuda", "any", "12.4.1-cudnn-devel-ubuntu22.04", ["-", "12.6.3-cudnn-devel-ubuntu22.04", "-", "-"]),
    ("dotnet", "any", "8.0.300-alpine3.18-amd64", ["8.0.303-alpine3.18-amd64", "-", "-", "8.0.400-alpine3.20-amd64"]),
    ("dotnet", "any", "8.0-alpine3.20-amd64", ["-", "-", "10.0-alpine3.20-amd64", "-"]),
    ("dotnet", "mcr.microsoft.com/dotnet/sdk", "8.0.100", ["8.0.303", "-", "10.0.100", "-"]),
    ("dotnet", "any", "10.0.100-preview.1", ["10.0.100", "-", "-", "-"]),
    ("windows-kb", "any", "ltsc2022-KB5033118", ["ltsc2022-KB5035857", "-", "ltsc2025-KB5046617", "-"]),
    ("windows-kb", "any", "10.0.20348.2113", ["10.0.20348.2322", "-", "-", "-"]),
    ("windows-kb", "any", "ltsc2019-amd64", ["-", "-", "ltsc2025-amd64", "-"]),
    ("ubi", "any", "9.4-1214.1726694543", ["-", "9.5-1736404036", "-", "-"]),
    ("ubi", "any", "9.4-1214.1725849297", ["9.4-1214.1726694543", "9.5-1736404036", "-", "-"]),
    ("ubi", "any", "9.4-949", ["9.4-1214", "9.5-1736404036", "-", "-"]),
    ("jenkins", "any", "2.426.1-lts", ["2.426.3-lts", "2.462.3-lts", "-", "-"]),
    ("jenkins", "any", "2.426.1-lts-jdk17", ["2.426.3-lts-jdk17", "2.462.3-lts-jdk17", "-", "2.426.3-lts-jdk21"]),
    ("jenkins", "any", "2.440", ["-", "2.480", "-", "-"]),
    ("immich-build", "any", "1763560095-8f36c34", ["1763600000-9876543", "-", "-", "-"]),
    ("immich-build", "any", "1763560195-1234567", ["1763600000-9876543", "-", "-", "-"]),
    ("k8s", "any", "v1.29.0-rc.0", ["v1.29.10", "v1.31.0", "-", "-"]),
    ("k8s", "any", "v1.32.0-alpha.3", ["v1.32.0-rc.1", "-", "-", "-"]),
    ("k8s", "any", "v1.28.0", ["v1.28.15", "v1.31.0", "-", "-"]),
    ("cimg", "any", "2024.05.1", ["2025.01.1", "-", "-", "-"]),
    ("cimg", "any", "2024.05.1-node", ["2025.01.1-node", "-", "-", "-"]),
    ("dashed-dates", "any", "2024-01-01", ["2025-01-01", "-", "-", "-"]),
    ("serial", "any", "r12", ["r13", "-", "-", "-"]),
    ("llama", "any", "b1234", ["b4500", "-", "-", "-"]),
    ("llama", "any", "server-b1234", ["server-b4500", "-", "-", "-"]),
    ("llama", "any", "server-cuda-b1234", ["server-cuda-b4500", "-", "-", "-"]),
    ("version-prefix", "any", "version-1.2.3", ["version-1.2.4", "version-1.3.0", "version-2.0.0", "-"]),
    ("branch-builds", "any", "main-abc1234-1700000000", ["main-9f8e7d6-1700000300", "-", "-", "-"]),
    ("branch-builds", "any", "dev-0a1b2c3-1700000400", ["dev-1111111-1700000500", "-", "-", "-"]),
    ("branch-builds", "any", "main-1234567-1700000200", ["main-9f8e7d6-1700000300", "-", "-", "-"]),
    ("chainguard", "any", "3.12.1-dev", ["3.12.2-dev", "3.13.0-dev", "-", "-"]),
    ("chainguard", "any", "3.12.2-r0", ["3.12.2-r1", "3.13.1-r0", "-", "-"]),
    ("wordpress", "any", "6.3.1-php8.1-fpm-alpine", ["6.3.2-php8.1-fpm-alpine", "6.5.0-php8.1-fpm-alpine", "-", "6.3.2-php8.2-fpm-alpine"]),
    ("wordpress", "any", "beta-6.4-RC1", ["beta-6.4-RC2", "-", "-", "-"]),
    ("wordpress", "any", "cli-2.8-php8.1", ["-", "cli-2.9-php8.1", "-", "-"]),
    ("python", "any", "3.9.1-slim-bullseye", ["3.9.18-slim-bullseye", "3.12.1-slim-bullseye", "-", "3.9.18-slim-bookworm"]),
    ("python", "any", "3.9-alpine3.18", ["-", "3.12-alpine3.18", "-", "3.9-alpine3.19"]),
    ("python", "any", "3.13.0a1-slim", ["3.13.0rc1-slim", "-", "-", "-"]),
    ("python", "any", "3.12.0", ["3.12.1", "-", "-", "-"]),
    ("python", "any", "slim-bullseye", ["-", "-", "-", "slim-bookworm"]),
    ("clojure", "any", "temurin-17-tools-deps-1.11.1.1405-bullseye-slim", ["-", "-", "temurin-21-tools-deps-1.11.1.1405-bullseye-slim", "temurin-17-tools-deps-1.11.1.1429-bullseye-slim"]),
    ("archlinux", "any", "base-20231112.0.191179", ["base-20240101.0.204096", "-", "-", "-"]),
    ("archlinux", "any", "base-devel-20231126.0.194880", ["base-devel-20240101.0.204095", "-", "-", "-"]),
    ("rockylinux", "any", "9.2.20230513-minimal", ["-", "9.5.20241118-minimal", "-", "-"]),
];

#[test]
fn schemes_of_well_known_images() {
    for (list, image, current, expected) in FROM_LISTS {
        from_list(list, image, current, *expected);
    }
}

/// What `restow tag pick` answers to these lines: its output, its complaints, its exit code.
fn tag_pick(arguments: &[&str], input: &str) -> (String, String, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_restow"))
        .args(["tag", "pick"])
        .args(arguments)
        .env("XDG_CACHE_HOME", "not/absolute")
        .env_remove("HOME")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("the program reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr), output.status.code().expect("an exit code"))
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).expect("JSON")
}

#[test]
fn json_lines_are_answered_one_for_one() {
    let input = concat!(
        r#"{"id": 7, "image": "nginx", "current": "1.25-alpine", "tags": ["1.25-alpine", "1.27-alpine", "latest"], "now": "2026-11-23T00:00:00Z", "more": true}"#,
        "\n",
        r#"{"id": {"any": "thing"}, "current": "bookworm", "tags": [{"name": "bookworm"}, {"name": "trixie", "digest": null, "created": 1750000000000, "size": 1}], "now": 1435858707}"#,
        "\n",
    );
    let (output, complaints, code) = tag_pick(&[], input);
    assert_eq!((complaints.as_str(), code), ("", 0));
    let [first, second] = output.lines().map(json).collect::<Vec<_>>().try_into().expect("two lines");
    assert_eq!(first["id"], 7);
    assert_eq!(first["minor"], "1.27-alpine");
    assert!(first["patch"].is_null() && first["major"].is_null() && first["variant"].is_null());
    assert_eq!(first["line"], "x.y-alpine");
    assert_eq!(first["precision"], "precise");
    assert_eq!(first["reasons"]["minor"], "the newest tag on the line within the same major version");
    assert_eq!(second["id"]["any"], "thing");
    assert!(second["major"].is_null(), "in 2015, trixie was not released");
    assert_eq!(second["reasons"]["major"], "trixie is not proposed: trixie is not released yet");
}

#[test]
fn a_bad_line_is_told_and_the_others_are_answered() {
    let input = "{\"id\": 1, \"current\": \"1\", \"tags\": [\"2\"]}\n\nnot json\n{\"id\": 2, \"current\": \"1\", \"tags\": [\"3\"]}";
    let (output, complaints, code) = tag_pick(&[], input);
    assert_eq!(code, 2);
    assert!(complaints.starts_with("restow: line 3: "), "{complaints}");
    let majors: Vec<_> = output.lines().map(|line| json(line)["major"].clone()).collect();
    assert_eq!(majors, ["2", "3"]);
}

#[test]
fn names_that_are_no_tags_are_in_no_registry() {
    let (output, _, code) = tag_pick(&[], r#"{"current": "1.0", "tags": ["1.0", "1.1", "1.2+x", "", "é", "1.1 "]}"#);
    assert_eq!((code, &json(&output)["minor"]), (0, &serde_json::Value::from("1.1")));
}

/// Where tags truly are semantic versions, the order is that of the `semver` crate.
#[test]
fn strict_versions_are_ordered_as_semver_orders_them() {
    use restow::image::Tag;
    use restow::repo::Moment;
    use restow::tag::{ListedTag, Scheme};
    let versions: Vec<semver::Version> = (1..4)
        .flat_map(|major| {
            (0..12).flat_map(move |minor| (0..3).map(move |patch| semver::Version::new(major, minor * 9, patch * 5)))
        })
        .collect();
    let listed = |version: &semver::Version| ListedTag {
        name: Tag::parse(&version.to_string()).expect("a tag"),
        digest: None,
        created: None,
    };
    let scheme = Scheme::learn(&versions.iter().map(listed).collect::<Vec<_>>());
    for current in &versions {
        let best = |fits: &dyn Fn(&semver::Version) -> bool| {
            versions.iter().filter(|one| *one > current && fits(one)).max().map(ToString::to_string)
        };
        let picks = scheme.pick(&Tag::parse(&current.to_string()).expect("a tag"), Moment(0));
        let tag = |pick: &Option<Pick>| pick.as_ref().map(|pick| pick.tag.to_string());
        assert_eq!(
            tag(&picks.patch),
            best(&|one| (one.major, one.minor) == (current.major, current.minor)),
            "{current}"
        );
        assert_eq!(tag(&picks.major), best(&|one| one.major > current.major), "{current}");
    }
}
