//! What a person sees of a right and of a wrong file.

use super::*;
use crate::policy::Pin;

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
        assert_eq!(rules.limits.open.place(), "restow:default, line 1");
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
