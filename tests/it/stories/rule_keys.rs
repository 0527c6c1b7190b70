//! What the keys of the rules do, one story for each that nothing else tells.

use super::house::House;

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";
const RULES: &str = ".github/restow.yml";

#[tokio::test]
async fn a_major_version_has_a_pull_request_of_its_own() {
    let house = House::with(&[("README.md", "x")]).await;
    house.world.registry.push_all("library/redis", &["6.0.1", "6.0.2", "6.2.0", "7.0.0", "7.2.0"]);
    house.push("Dockerfile", "FROM REGISTRY/library/redis:6.0.1\n");
    house.settle().await;
    let title = |pull: &world::github::PullView| pull.title.rsplit("from ").next().unwrap_or_default().to_owned();
    let mut open = house.open();
    open.sort_by_key(|pull| pull.head.clone());
    assert_eq!(open.iter().map(title).collect::<Vec<_>>(), ["6.0.1 to 6.2.0", "6.0.1 to 7.2.0"]);
    assert!(open[1].head.starts_with("restow/major/"), "{}", open[1].head);
    // Merging the smaller one brings the larger one upon it.
    house.repo.merge_pull(open[0].number);
    house.settle().await;
    let left = house.open();
    assert_eq!(left.iter().map(title).collect::<Vec<_>>(), ["6.2.0 to 7.2.0"]);
    assert_eq!(left[0].number, open[1].number, "the same pull request");
    assert!(house.repo.diff(left[0].number).contains("-FROM") && house.repo.diff(left[0].number).contains("6.2.0"));
    // Refusing the larger one leaves the smaller ones alone.
    house.repo.close_pull(left[0].number);
    house.world.registry.push("library/redis", "6.2.1");
    house.later(7).await;
    assert_eq!(house.open().iter().map(title).collect::<Vec<_>>(), ["6.2.0 to 6.2.1"]);
    house.world.registry.push("library/redis", "7.4.0");
    house.later(7).await;
    let mut open = house.open();
    open.sort_by_key(|pull| pull.head.clone());
    assert_eq!(open.iter().map(title).collect::<Vec<_>>(), ["6.2.0 to 6.2.1", "6.2.0 to 7.4.0"]);
    // Merging the larger one makes an end of the smaller one.
    house.repo.merge_pull(open[1].number);
    house.settle().await;
    assert!(house.open().is_empty(), "{:?}", house.open());
    let said = house.repo.read_comments(open[0].number).join("\n");
    assert!(said.contains("no longer wanted") && !said.contains("now moves in"), "{said}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_group_takes_one_step_at_a_time() {
    let house = House::with(&[("README.md", "x"), (RULES, "group: everything\n")]).await;
    house.world.registry.push_all("library/redis", &["6.0.1", "6.2.0", "7.2.0"]);
    house.push("Dockerfile", "FROM REGISTRY/library/redis:6.0.1\n");
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("from 6.0.1 to 6.2.0"), "{}", pull.title);
    house.repo.merge_pull(pull.number);
    house.settle().await;
    assert!(house.open()[0].title.ends_with("from 6.2.0 to 7.2.0"), "{:?}", house.open());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_reason_of_an_ignore_and_who_closed_are_kept_and_one_answer_is_given() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "dashboard: true\nrebase: never\n")]).await;
    house.repo.collaborator("mona", "write");
    house.settle().await;
    let pull = house.only_pull();
    let comment = house.repo.comment(pull.number, "mona", "/restow explain\n/restow help\n/restow explain");
    house.settle().await;
    let said = house.repo.read_comments(pull.number);
    assert_eq!(said.len(), 1, "one answer: {said:?}");
    assert!(said[0].contains("| A comment that says |"), "{said:?}");
    assert!(said[0].contains("rebase: never (.github/restow.yml, line 2)"), "which rules hold: {said:?}");
    assert_eq!(house.repo.reactions(comment), ["+1"]);
    house.repo.comment(pull.number, "mona", "/restow ignore this version because we tested it: TLS breaks");
    house.settle().await;
    assert!(house.open().is_empty(), "the version alone, and no older one in its place: {:?}", house.open());
    house.repo.read_comments(pull.number);
    let text = house.repo.issues()[0].1.clone();
    assert!(text.contains("@mona said") && text.contains("because we tested it: TLS breaks"), "{text}");
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    let next = house.open()[0].clone();
    house.repo.close_pull(next.number);
    house.settle().await;
    let text = house.repo.issues()[0].1.clone();
    assert!(text.contains("@octocat said"), "who closed it: {text}");
    let image = format!("{}/library/nginx", house.world.registry.address());
    let filter = restow::store::AuditFilter { image: Some(image), limit: 50, ..Default::default() };
    let audit = house.app.services().store.audit(&filter).await.expect("the audit");
    let acts: Vec<_> = audit.iter().map(|one| (one.act.as_str(), one.actor.as_str(), one.to.as_str())).collect();
    assert!(acts.contains(&("close", "restow", "1.27-alpine")), "{acts:?}");
    assert!(acts.contains(&("refuse", "octocat", "1.28-alpine")), "{acts:?}");
    assert!(acts.iter().any(|one| one.0 == "command" && one.1 == "mona"), "{acts:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_audit_tells_who_merged_and_what() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "automerge: true\n")]).await;
    house.settle().await;
    let pull = house.only_pull();
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    house.minutes(3).await;
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    house.repo.merge_pull(house.open()[0].number);
    house.settle().await;
    let everything = restow::store::AuditFilter { limit: 50, ..Default::default() };
    let audit = house.app.services().store.audit(&everything).await.expect("the audit");
    let merges: Vec<_> = audit.iter().filter(|one| one.act == "merge").collect();
    let told: Vec<_> = merges.iter().map(|one| (one.actor.as_str(), one.from.as_str(), one.to.as_str())).collect();
    let expected = [("restow", "1.25-alpine", "1.27-alpine"), ("octocat", "1.27-alpine", "1.28-alpine")];
    assert_eq!(told, expected, "{audit:#?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_schedule_holds_until_it_opens_in_its_own_time_zone() {
    // It is Monday, 9:00 in UTC and 18:00 in Tokyo.
    for (rules, hours) in [
        ("schedule: before 7am on tuesday\ntimezone: Asia/Tokyo\n", 7),
        ("schedule: \"* 3-5 * * 2\"\n", 19),
        ("schedule: \"* 3-5 * * 2\"\ntimezone: Asia/Tokyo\n", 10),
    ] {
        let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, rules)]).await;
        house.settle().await;
        house.later(hours - 2).await;
        assert!(house.repo.pulls().is_empty(), "{rules}");
        house.later(2).await;
        assert_eq!(house.open().len(), 1, "{rules}");
        house.world.github.assert_clean();
    }
}

#[tokio::test]
async fn new_builds_come_together_on_mondays_by_default() {
    let house = House::with_settings(&[], |settings| settings.default_rules = "onboarding: false\n".to_owned()).await;
    let nginx = house.world.registry.push("library/nginx", "1.27");
    let redis = house.world.registry.push("library/redis", "7.2");
    house.push("a/Dockerfile", &format!("FROM REGISTRY/library/nginx:1.27@{nginx}\n"));
    house.push("b/Dockerfile", &format!("FROM REGISTRY/library/redis:7.2@{redis}\n"));
    house.settle().await;
    house.later(24).await;
    house.world.registry.push("library/nginx", "1.27");
    house.world.registry.push("library/redis", "7.2");
    for _ in 0..5 {
        house.later(24).await;
        assert!(house.repo.pulls().is_empty(), "it is not Monday");
    }
    house.later(24).await;
    let pull = house.only_pull();
    assert_eq!(pull.head, "restow/group/digests");
    let diff = house.repo.diff(pull.number);
    assert!(diff.contains("a/Dockerfile") && diff.contains("b/Dockerfile"), "{diff}");
    house.world.github.assert_clean();
}

/// The titles of what is open: behind the image.
fn moves(house: &House) -> Vec<String> {
    let of = |title: String| title.rsplit("library/").next().unwrap_or_default().to_owned();
    let mut moves: Vec<String> = house.open().into_iter().map(|pull| of(pull.title)).collect();
    moves.sort();
    moves
}

#[tokio::test]
async fn a_rule_matches_by_everything_that_it_names() {
    let house = House::with(&[("README.md", "x")]).await;
    house.world.registry.push_all("library/redis", &["7.0", "7.2", "7.0-alpine", "7.2-alpine"]);
    house.push("Dockerfile", "FROM REGISTRY/library/redis:7.0\n");
    house.push("tests/Dockerfile", "FROM REGISTRY/library/redis:7.0-alpine\n");
    house.push("deploy/compose.yaml", "services: {a: {image: \"REGISTRY/library/nginx:1.25-alpine\"}}\n");
    let all = ["nginx from 1.25-alpine to 1.27-alpine", "redis from 7.0 to 7.2", "redis from 7.0-alpine to 7.2-alpine"];
    let address = house.world.registry.address();
    for (matching, left_out) in [
        ("path: deploy/".to_owned(), vec![0]),
        ("formats: [dockerfile]".to_owned(), vec![1, 2]),
        ("classes: [test]".to_owned(), vec![2]),
        ("registries: [docker.io]".to_owned(), vec![]),
        (format!("registries: [\"{address}\"]"), vec![0, 1, 2]),
        ("current: [\"*-alpine\"]".to_owned(), vec![0, 2]),
        ("{formats: [dockerfile], current: [\"7.0\"]}".trim_matches(['{', '}']).to_owned(), vec![1]),
    ] {
        house.push(RULES, &format!("rules:\n  - match: {{{matching}}}\n    allow: []\n"));
        house.settle().await;
        let expected: Vec<_> = (0..3).filter(|one| !left_out.contains(one)).map(|one| all[one]).collect();
        assert_eq!(moves(&house), expected, "{matching}");
        for pull in house.repo.pulls() {
            house.repo.read_comments(pull.number);
        }
    }
    house.world.github.assert_clean();
}

#[tokio::test]
async fn tags_and_cooldowns_by_kind() {
    let house = House::with(&[("README.md", "x")]).await;
    house.world.registry.push_all("library/redis", &["7.0.1", "7.0.2", "7.2.0", "7.4.0"]);
    house.push("Dockerfile", "FROM REGISTRY/library/redis:7.0.1\nFROM REGISTRY/library/nginx:1.25-alpine\n");
    let nginx = "nginx from 1.25-alpine to 1.27-alpine";
    for (rules, expected) in [
        ("tags: {exclude: [\"7.4*\"]}\n", vec![nginx, "redis from 7.0.1 to 7.2.0"]),
        ("tags: {include: [\"*-alpine\"]}\n", vec![nginx]),
        (
            "rules:\n  - match: {image: \"**/redis\"}\n    cooldown: {minor: 14d}\n",
            vec![nginx, "redis from 7.0.1 to 7.0.2"],
        ),
    ] {
        house.push(RULES, rules);
        house.settle().await;
        assert_eq!(moves(&house), expected, "{rules}");
        for pull in house.repo.pulls() {
            house.repo.read_comments(pull.number);
        }
    }
    house.world.github.assert_clean();
}

#[tokio::test]
async fn one_plan_opens_no_more_than_the_rules_want() {
    let house = House::with(&[("README.md", "x"), (RULES, "limits: {per_run: 1}\n")]).await;
    house.world.registry.push_all("library/redis", &["7.0.1", "7.0.2"]);
    house.push("Dockerfile", "FROM REGISTRY/library/redis:7.0.1\nFROM REGISTRY/library/nginx:1.25-alpine\n");
    house.settle().await;
    assert_eq!(moves(&house), ["redis from 7.0.1 to 7.0.2"], "a patch comes first");
    house.later(7).await;
    assert_eq!(moves(&house).len(), 2, "the next plan opens another");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_texts_are_as_they_are() {
    let house = House::with(&[("README.md", "x"), (RULES, "group: everything\n")]).await;
    house.world.registry.push_all("library/redis", &["6.0.1", "6.2.0", "7.2.0"]);
    house.push("Dockerfile", "FROM REGISTRY/library/redis:6.0.1\nFROM REGISTRY/library/nginx:1.25-alpine\n");
    house.settle().await;
    let group = house.only_pull();
    insta::assert_snapshot!("group-body", house.plain(&group.body));
    let message = house.repo.messages(&group.head)[0].clone();
    let (message, _) = message.split_once("Restow-Fingerprint").expect("the trailer");
    insta::assert_snapshot!("group-commit", house.plain(message));
    house.push(RULES, "allow: [major]\n");
    house.settle().await;
    insta::assert_snapshot!("withdrawn-comment", house.plain(&house.repo.read_comments(group.number).join("\n")));
    let major = house.open()[0].clone();
    insta::assert_snapshot!("major-body", house.plain(&major.body));
    house.repo.commit_as_person(&major.head, &[("notes.md", "mine")], "mine");
    house.push("Dockerfile", "FROM REGISTRY/library/redis:6.2.0\n");
    house.settle().await;
    insta::assert_snapshot!("left-alone-comment", house.plain(&house.repo.read_comments(major.number).join("\n")));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_text_of_a_new_build_names_both_digests() {
    let house = House::with(&[]).await;
    let old = house.world.registry.push("library/nginx", "1.27");
    house.push("Dockerfile", &format!("FROM REGISTRY/library/nginx:1.27@{old}\n"));
    house.settle().await;
    let new = house.world.registry.push("library/nginx", "1.27");
    house.later(7).await;
    let pull = house.only_pull();
    let short = |digest: &str| digest["sha256:".len()..].chars().take(7).collect::<String>();
    assert!(pull.title.contains(&short(&old)) && pull.title.contains(&short(&new)), "{}", pull.title);
    assert!(pull.body.contains("**Roll back**") && pull.body.contains(&old), "{}", pull.body);
    insta::assert_snapshot!("digest-body", house.plain(&pull.body));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_draft_is_opened_where_the_rules_want_one() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "draft: true\n")]).await;
    house.settle().await;
    assert!(house.only_pull().draft);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn quiet_is_once_a_month_and_all_together() {
    let house = House::with(&[("README.md", "x"), (RULES, "extends: [\"restow:quiet\"]\n")]).await;
    house.world.registry.push_all("library/redis", &["7.0", "7.2"]);
    house.push("Dockerfile", "FROM REGISTRY/library/nginx:1.25-alpine\nFROM REGISTRY/library/redis:7.0\n");
    house.settle().await;
    for _ in 0..26 {
        house.later(24).await;
    }
    assert!(house.open().is_empty(), "it is the end of January: {:?}", house.open());
    house.later(24).await;
    let pull = house.only_pull();
    assert!(pull.title.contains("2 images: monthly updates"), "{}", pull.title);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn strict_pins_and_waits_for_two_weeks() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "extends: [\"restow:strict\"]\n")]).await;
    house.settle().await;
    house.later(24 * 13).await;
    let minor = |house: &House| house.open().iter().any(|pull| pull.title.contains("to 1.27-alpine"));
    assert!(!minor(&house), "{:?}", house.open());
    house.later(24 * 2).await;
    assert!(minor(&house), "{:?}", house.open());
    assert!(house.open().iter().all(|pull| pull.body.contains("@sha256:")), "{:?}", house.open());
    house.world.github.assert_clean();
}
