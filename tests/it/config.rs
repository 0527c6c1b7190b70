//! `restow check` as a person runs it: what is printed, and the exit code.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join(".github")).expect("a folder");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("written");
    }
    folder
}

fn restow_check(folder: &TempDir, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restow"));
    command.current_dir(folder).arg("check").args(more).output().expect("restow runs")
}

/// Runs it on one configuration file; the exit code and what was printed.
fn checked(text: &[u8], more: &[&str]) -> (i32, String) {
    let output = restow_check(&folder(&[(".github/restow.yml", text)]), more);
    let shown = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    (output.status.code().expect("an exit code"), String::from_utf8(shown.clone()).expect("UTF-8"))
}

#[test]
fn without_a_file_the_defaults_apply() {
    let output = restow_check(&folder(&[]), &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.starts_with("no configuration file (.github/restow.yml): the defaults apply\n"), "{text}");
}

#[test]
fn a_valid_file_shows_the_rules_in_force() {
    let text =
        b"ignore:\n  paths: [legacy/]\nallow: [patch, minor]\npin: true\nrules:\n  - match: {image: nginx}\n    \
                 allow: [major]\n    reason: tested by hand\n";
    let (code, shown) = checked(text, &[]);
    assert_eq!(code, 0, "{shown}");
    let lines: Vec<String> = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "./.github/restow.yml is valid",
            "",
            "for says where",
            "path legacy/ ignored .github/restow.yml",
            "nginx allow: major (tested by hand) .github/restow.yml, line 6",
            "everything allow: patch, minor; pin: true .github/restow.yml, line 1",
            "test, example group: tests and examples (what only tests and examples use comes together) restow:default, \
             line 12",
            "digest, pin schedule: on monday (UTC); group: digests (new builds of the same tags come together, once a week) \
             restow:default, line 8",
            "everything cooldown: 3d restow:default, line 1",
            "all pull requests open: 10; per hour: 2 restow:default, line 5",
        ]
    );
}

#[test]
fn a_mistake_is_drawn_and_the_exit_code_is_two() {
    let (code, shown) = checked(b"pin: true\nignroe:\n  paths: []\n", &[]);
    assert_eq!(code, 2, "{shown}");
    insta::assert_snapshot!(shown, @r"
    error: there is no setting `ignroe` here
     --> ./.github/restow.yml:2:1
      |
    2 | ignroe:
      | ^^^^^^
      |
      = help: did you mean `ignore`?
    ");
}

#[test]
fn scripts_get_every_mistake_with_its_place() {
    let (code, shown) = checked(b"allow: [minr]\n", &["--format", "json"]);
    assert_eq!(code, 2);
    let json: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(json["valid"], false);
    assert_eq!(
        json["mistakes"][0],
        serde_json::json!({
            "line": 1, "column": 9, "message": "`minr` is no kind of update", "help": "did you mean `minor`?"
        })
    );
}

#[test]
fn two_files_are_a_mistake_for_neither_says_which_holds() {
    let output = restow_check(&folder(&[(".github/restow.yml", b""), (".github/restow.yaml", b"")]), &[]);
    assert_eq!(output.status.code(), Some(2));
    let shown = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(shown.contains("both .github/restow.yml and .github/restow.yaml are there"), "{shown}");
}

#[test]
fn a_file_that_cannot_be_read_is_no_mistake_of_its_text() {
    let (code, shown) = checked(b"\xff\xfe", &[]);
    assert_eq!(code, 3, "{shown}");
    assert!(shown.contains("restow.yml"), "{shown}");
    let output = restow_check(&folder(&[]), &["no/such/folder"]);
    assert_eq!(output.status.code(), Some(3));
}

/// Nothing that a repository can write makes the reader slow, and none of it is taken for rules.
#[test]
fn hostile_files_are_refused() {
    let deep = format!("ignore: {}", "{a: ".repeat(20_000));
    let wide = format!("allow: [{}]", "patch, ".repeat(30_000));
    let long = format!("# {}", "x".repeat(1024 * 1024));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    for text in [deep, wide, long, bomb, "pin: &p true\npin: *p\n".to_owned(), "\0".repeat(100)] {
        let mistakes = restow::config::parse(&text).expect_err("refused");
        assert!(!mistakes.is_empty() && mistakes.iter().all(|mistake| mistake.line > 0 && mistake.column > 0));
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let (code, said) =
        checked(b"allow: [pach]\npin: maybe\nignroe: {}\nrules:\n- match: {imagse: [a]}\nenabled: 7\n", &[]);
    assert_eq!(code, 2);
    for part in [":1:9", ":2:6", ":3:1", ":5:", ":6:10", "did you mean `ignore`?", "did you mean `images`?"] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn what_holds_is_explained_with_its_places() {
    let rules = "extends: [restow:strict]\ntimezone: Europe/Berlin\nschedule: before 6am on weekdays\nrules:\n  - match: \
                 {image: postgres}\n    allow: [patch, \"<17\"]\n    automerge: true\n";
    let folder = folder(&[
        (".github/restow.yml", rules.as_bytes()),
        ("Dockerfile", b"FROM nginx:1.25\nFROM redis:7\nFROM postgres:15\n"),
    ]);
    let output = restow_check(&folder, &["--explain"]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8(output.stdout).expect("UTF-8"));
}

#[test]
fn every_value_says_where_it_comes_from_and_what_was_not_read_is_named() {
    let rules = "extends: [\"acme/.github:team.yml\"]\nlabels: [images]\nsecurity: critical\ncommit: {prefix: chore, scope: deps}\n\
                 rules:\n  - match: {images: [nginx]}\n    reviewers: [mona]\n    draft: true\n    rebase: always\n    \
                 platforms: [linux/arm64]\n";
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join(".github")).expect("a folder");
    fs::write(folder.path().join(".github/restow.yml"), rules).expect("written");
    fs::write(folder.path().join("Dockerfile"), "FROM nginx:1.25\n").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_restow"))
        .args(["check", "--explain"])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for (name, value, line) in [
        ("labels", "images", 2),
        ("security", "critical", 3),
        ("commit", "chore(deps)", 4),
        ("reviewers", "mona", 7),
        ("draft", "true", 8),
        ("rebase", "always", 9),
        ("platforms", "linux/arm64", 10),
    ] {
        let row = format!("  {name:<10} {value}  (.github/restow.yml, line {line})");
        assert!(text.contains(&row), "{row}\n{text}");
    }
    assert!(text.contains("Not read here, and taken for empty: acme/.github:team.yml, the organisation's"), "{text}");
}
