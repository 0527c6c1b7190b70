//! What a person sees of a right and of a wrong file.

use super::extends::Base;
use super::*;
use crate::policy::Pin;
use crate::policy::Rules;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let mistakes = parse(text).expect_err("a mistake");
    let shown: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected);
}

#[test]
fn an_empty_file_means_the_defaults() {
    for text in ["", "\u{feff}", "# nothing yet\n", "---\n", "{}"] {
        let rules = parse(text).expect("valid");
        assert!(rules.enabled.value, "{text:?}");
        assert_eq!(rules.limits.open.value, 10);
        assert_eq!(rules.limits.open.place(), "restow:default, line 5");
    }
}

#[test]
fn everything_that_can_be_said() {
    let text = "\u{feff}enabled: true\r\nignore:\r\n  paths: [\"legacy/\"]\r\n  images: [redis]\r\nallow: [patch, minor, digest]\r\n\
                pin: true\r\nrules:\r\n  - match: {images: [nginx], paths: [\"deploy/**\"]}\r\n    allow: [major]\r\n    pin: false\r\n";
    let rules = parse(text).expect("valid");
    let [.., for_all, rule] = &rules.rules[..] else { panic!("{rules:?}") };
    assert_eq!(for_all.settings.pin, Some(Pin::Digest));
    assert_eq!(rule.settings.pin, Some(Pin::Keep));
    assert_eq!(rule.source.to_string(), ".github/restow.yml, line 8");
}

#[test]
fn mistakes_name_their_place_and_the_likely_intention() {
    check("ignroe:\n  paths: []\n", &["1:1: there is no setting `ignroe` here (did you mean `ignore`?)"]);
    check("enabled: 7\n", &["1:10: expected true or false"]);
    check("allow: [minr, patch]\n", &["1:9: `minr` is no kind of update (did you mean `minor`?)"]);
    check(
        "ignore:\n  images: [\"a[\"]\n  paths: [\"\"]\n",
        &["2:12: \"a[\" is not a glob: unclosed character class; missing ']'", "3:11: \"\" is not a glob: it is empty"],
    );
    check("pin: true\npin: false\n", &["2:1: `pin` is set twice (keep one of the two)"]);
    check(
        "rules:\n  - match: {images: [nginx]}\n",
        &["2:5: this rule says nothing (give it `allow`, `pin`, `group` …, or remove it)"],
    );
}

#[test]
fn hostile_files_are_cheap_and_refused() {
    let deep = "[".repeat(100_000);
    let bomb =
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nignore: {paths: [*b,*b,*b,*b,*b,*b,*b]}\n";
    for text in [deep.as_str(), bomb, "\u{0}", "a: b: c", "- x", "%YAML 9\n---\n", &"x".repeat(300 * 1024)] {
        assert!(!parse(text).expect_err("a mistake").is_empty());
    }
}

#[test]
fn a_mistake_is_drawn_into_the_file() {
    let text = "# rules\nallow: [minr]\n";
    let mistakes = parse(text).expect_err("a mistake");
    insta::assert_snapshot!(render(text, ".github/restow.yml", &mistakes));
}

#[test]
fn a_byte_order_mark_and_windows_lines_move_no_arrow() {
    let plain = "allow: [minr]\npin: maybe\n";
    let odd = format!("\u{feff}{}", plain.replace('\n', "\r\n"));
    let shown = |text: &str| render(text, "f", &parse(text).expect_err("a mistake"));
    assert_eq!(shown(&odd), shown(plain));
}

#[test]
fn one_image_and_one_path_need_no_list() {
    let text =
        "rules:\n  - match: {image: nginx, images: [redis], path: deploy/}\n    pin: true\n    reason: audited\n";
    let rule = parse(text).expect("valid").rules.pop().expect("a rule");
    let images: Vec<&str> = rule.matching.images.iter().map(|pattern| pattern.as_str()).collect();
    let paths: Vec<&str> = rule.matching.paths.iter().map(|pattern| pattern.as_str()).collect();
    assert_eq!((images, paths, rule.reason.as_deref()), (vec!["nginx", "redis"], vec!["deploy/"], Some("audited")));
    check(
        "rules:\n  - match: {image: \"a[\", path: \"\"}\n    pin: true\n",
        &["2:20: \"a[\" is not a glob: unclosed character class; missing ']'", "2:32: \"\" is not a glob: it is empty"],
    );
}

#[test]
fn several_mistakes_are_told_at_once() {
    check(
        "allow: [minr, pach]\nrules:\n  - match: {image: \"b[\"}\n",
        &[
            "1:9: `minr` is no kind of update (did you mean `minor`?)",
            "1:15: `pach` is no kind of update (did you mean `patch`?)",
            "3:5: this rule says nothing (give it `allow`, `pin`, `group` …, or remove it)",
            "3:20: \"b[\" is not a glob: unclosed character class; missing ']'",
        ],
    );
}

fn resolved(repository: &str, files: &[(&str, Option<&str>)]) -> Result<Rules, Unresolved> {
    let file = |name: &str| match Base::parse(name) {
        Ok(Base::File(file)) => file,
        _ => panic!("{name}"),
    };
    let files: RemoteFiles = files.iter().map(|(name, text)| (file(name), text.map(str::to_owned))).collect();
    let place = |name: &str, text: &str| Place { name: Arc::from(name), text: text.to_owned() };
    let places = [place("the organisation", "pin: true\nlimits: {open: 5}\n"), place("the repository", repository)];
    resolve(&places, &files)
}

#[track_caller]
fn check_wrong(repository: &str, files: &[(&str, Option<&str>)], expected: &str) {
    match resolved(repository, files) {
        Err(Unresolved::Wrong(place, mistakes)) => {
            let shown = format!("{place}: {}", mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "));
            assert!(shown.contains(expected), "{shown}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_nearest_place_wins_and_is_named() {
    let rules = resolved("limits: {open: 7}\n", &[]).expect("valid");
    assert_eq!((rules.limits.open.value, rules.limits.open.place().as_str()), (7, "the repository, line 1"));
    assert_eq!((rules.limits.per_hour.value, rules.limits.per_hour.place().as_str()), (2, "restow:default, line 6"));
    let rules = resolved("extends: [\"acme/.github:a.yml\"]\n", &[("acme/.github:a.yml", Some("limits: {open: 9}\n"))]);
    assert_eq!(rules.expect("valid").limits.open.place(), "acme/.github:a.yml, line 1");
}

#[test]
fn what_a_file_builds_upon_is_asked_for_and_bounded() {
    let needs = resolved("extends: [restow:quiet, \"acme/.github:a.yml\"]\n", &[]);
    assert!(
        matches!(&needs, Err(Unresolved::Needs(files)) if files[0].to_string() == "acme/.github:a.yml"),
        "{needs:?}"
    );
    let circle: [(&str, Option<&str>); 2] = [
        ("acme/x:a.yml", Some("extends: [\"acme/x:b.yml\"]\n")),
        ("acme/x:b.yml", Some("extends: [\"acme/x:a.yml\"]\n")),
    ];
    check_wrong("extends: [\"acme/x:a.yml\"]\n", &circle, "leads back to where it began");
    let deep: Vec<(String, String)> =
        (0..9).map(|n| (format!("acme/x:{n}.yml"), format!("extends: [\"acme/x:{}.yml\"]\n", n + 1))).collect();
    let deep: Vec<(&str, Option<&str>)> =
        deep.iter().map(|(name, text)| (name.as_str(), Some(text.as_str()))).collect();
    check_wrong("extends: [\"acme/x:0.yml\"]\n", &deep, "goes deeper than 5 files");
    check_wrong("extends: [\"acme/x:a.yml\"]\n", &[("acme/x:a.yml", None)], "which is not there");
    check_wrong("extends: [\"acme/x:a.yml\"]\n", &[("acme/x:a.yml", Some("pin: maybe\n"))], "acme/x:a.yml: 1:6");
    check(
        "extends: [restow:stric]\n",
        &["1:11: `restow:stric` is nothing to build upon (did you mean `restow:strict`?)"],
    );
    check(
        "extends: acme/x:../secret\n",
        &[
            "1:10: `acme/x:../secret` is nothing to build upon (write a preset, as in `restow:strict`, or a file, as in \
           `acme/.github:web.yml`)",
        ],
    );
}

#[test]
fn every_setting_is_checked() {
    check(
        "cooldown: soon\n",
        &["1:11: \"soon\" is no duration of up to a year: write, for example, 3d, 12h or 2 weeks"],
    );
    check("cooldown: {minr: 3d}\n", &["1:11: `minr` is no kind of update (did you mean `minor`?)"]);
    check("cooldown: -3d\n", &["1:11: \"-3d\" is no duration of up to a year: write, for example, 3d, 12h or 2 weeks"]);
    check("hold_until: tomorrow\n", &["1:13: \"tomorrow\" is no day: write, for example, 2026-12-24"]);
    check("branch: [\"rel[\"]\n", &["1:10: \"rel[\" is not a glob: unclosed character class; missing ']'"]);
    check(
        "rules:\n  - match: {branch: main}\n    branch: main\n",
        &[
            "2:5: `branch` cannot depend on the branch (it decides which branches there are; remove `branch` from `match`)",
        ],
    );
    check("platforms: [linux]\n", &["1:13: \"linux\" is no platform: write, for example, linux/arm64"]);
    check("automerge: {checks: none}\n", &["1:12: `none` is no setting of `checks` (did you mean `none-required`?)"]);
    check("rebase: sometimes\n", &["1:9: `sometimes` is no way to rebase (known are conflicted, always, never)"]);
    check(
        "timezone: Europe/Berln\n",
        &["1:11: there is no time zone \"Europe/Berln\"; did you mean \"Europe/Berlin\"?"],
    );
    check(
        "rules:\n  - match: {kinds: [digest]}\n    allow: [digest]\n",
        &[
            "2:5: `allow` cannot depend on the kind of update (it decides which kinds there are; remove `kinds` from `match`)",
        ],
    );
    check(
        "rules:\n  - match: {formats: [dockerfil], classes: [tests]}\n    draft: true\n",
        &[
            "2:23: `dockerfil` is no format (did you mean `dockerfile`?)",
            "2:45: `tests` is no class of path (did you mean `test`?)",
        ],
    );
}

#[test]
fn whose_vex_statements_count_is_checked_and_adds_up() {
    check("vex: [{author: Acme}]\n", &["1:7: `image` is missing: about which images the statements may be, as a glob"]);
    check("vex: [{image: nginx}]\n", &["1:7: `author` is missing: whose statements count, as a glob"]);
    check(
        "vex: [{image: nginx, author: \"[\"}]\n",
        &["1:30: \"[\" is not a glob: unclosed character class; missing ']'"],
    );
    let base = "vex: [{image: nginx, repository: \"https://vex.example\"}]\n";
    let own = "extends: [\"acme/x:a.yml\"]\nvex: [{image: redis, author: Acme}]\n";
    let rules = resolved(own, &[("acme/x:a.yml", Some(base))]).expect("valid");
    let images: Vec<&str> = rules.vex.iter().map(|one| one.images.as_str()).collect();
    assert_eq!(images, ["nginx", "redis"]);
}
