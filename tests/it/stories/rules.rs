//! When, how many and together with what: what the rules say of pull requests.

use super::house::{EAGER, House};

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";
const RULES: &str = ".github/restow.yml";

/// A Dockerfile of one stage for each image.
fn stages(images: &[&str]) -> String {
    images.iter().map(|image| format!("FROM REGISTRY/{image}\n")).collect()
}

fn titles(house: &House) -> Vec<String> {
    let mut titles: Vec<String> = house.open().into_iter().map(|pull| pull.title).collect();
    titles.sort();
    titles
}

#[tokio::test]
async fn what_is_too_young_waits_and_what_is_old_enough_goes_first() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "cooldown: 3d\n")]).await;
    house.settle().await;
    assert!(house.open().is_empty(), "nobody knows how old 1.27 is: it counts from the first look");
    house.later(24).await;
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(24).await;
    assert!(house.open().is_empty(), "{:?}", titles(&house));
    house.later(25).await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("from 1.25-alpine to 1.27-alpine"), "1.28 is two days old: {}", pull.title);
    house.later(48).await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("from 1.25-alpine to 1.28-alpine"), "updated in its place: {}", pull.title);
    let everything = restow::store::AuditFilter { limit: 50, ..Default::default() };
    let audit = house.app.services().store.audit(&everything).await.expect("the audit");
    let acts: Vec<(&str, &str)> = audit.iter().map(|entry| (entry.act.as_str(), entry.result.as_str())).collect();
    assert_eq!(
        acts,
        [("hold", "cool-down"), ("hold", "cool-down"), ("open", "minor"), ("update", "minor")],
        "each hold is told once, whatever the hour: {audit:#?}"
    );
    house.world.github.assert_clean();
}

#[tokio::test]
async fn no_more_are_open_than_the_rules_want() {
    let house = House::with(&[("README.md", "x"), (RULES, "limits: {open: 2, per_hour: 100}\n")]).await;
    for image in ["library/redis", "library/caddy", "library/memcached"] {
        house.world.registry.push_all(image, &["1.0", "1.1"]);
    }
    house.push("Dockerfile", &stages(&["library/redis:1.0", "library/caddy:1.0", "library/memcached:1.0"]));
    house.settle().await;
    let open = house.open();
    assert_eq!(open.len(), 2, "{:?}", titles(&house));
    house.repo.merge_pull(open[0].number);
    house.settle().await;
    assert_eq!(house.open().len(), 2, "the third takes the place of the merged one");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_hours_share_is_kept_and_the_rest_follows_by_itself() {
    let house = House::with(&[("README.md", "x"), (RULES, "limits: {open: 100, per_hour: 1}\n")]).await;
    for image in ["library/redis", "library/caddy"] {
        house.world.registry.push_all(image, &["1.0", "1.1"]);
    }
    house.push("Dockerfile", &stages(&["library/redis:1.0", "library/caddy:1.0"]));
    house.settle().await;
    assert_eq!(house.open().len(), 1);
    // A plan in between opens none, although the first was made by another one.
    house.push("notes.md", "x");
    house.settle().await;
    assert_eq!(house.open().len(), 1);
    house.later(1).await;
    assert_eq!(house.open().len(), 2, "long before the next regular plan");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn tests_and_examples_share_one_pull_request() {
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        settings.default_rules = "onboarding: false\ncooldown: 0d\nlimits: {per_hour: 100}\n".to_owned();
    })
    .await;
    house.world.registry.push_all("library/redis", &["1.0", "1.1"]);
    house.push("tests/Dockerfile", DOCKERFILE);
    house.push("examples/Dockerfile", &stages(&["library/redis:1.0"]));
    house.push("Dockerfile", &stages(&["library/redis:1.0"]));
    house.settle().await;
    let open = house.open();
    assert_eq!(open.len(), 2, "{:?}", titles(&house));
    let group = open.iter().find(|pull| pull.head == "restow/group/tests-and-examples").expect("the group's");
    assert_eq!(group.title, "Update 2 images: tests and examples");
    let diff = house.repo.diff(group.number);
    assert!(diff.contains("tests/Dockerfile") && diff.contains("examples/Dockerfile"), "{diff}");
    assert!(group.body.contains("what only tests and examples use comes together"), "{}", group.body);
    // One of the two is refused with the group: neither comes again, until there is something newer.
    house.repo.close_pull(group.number);
    house.settle().await;
    house.later(7).await;
    assert_eq!(house.open().len(), 1, "{:?}", titles(&house));
    house.world.registry.push("library/redis", "1.2");
    house.later(7).await;
    let again: Vec<_> = house.open().into_iter().filter(|pull| pull.head.starts_with("restow/group/")).collect();
    assert_eq!(again.len(), 1);
    let diff = house.repo.diff(again[0].number);
    assert!(diff.contains("examples/Dockerfile") && !diff.contains("tests/Dockerfile"), "{diff}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_nearest_rule_decides_what_is_allowed() {
    let rules = "allow: [patch]\nrules:\n  - match: {image: \"**/nginx\"}\n    allow: [minor, \"<1.27\"]\n";
    let house = House::with(&[("README.md", "x"), (RULES, rules)]).await;
    house.world.registry.push_all("library/redis", &["1.0.0", "1.0.1", "1.1.0"]);
    house.push("Dockerfile", &stages(&["library/nginx:1.25-alpine", "library/redis:1.0.0"]));
    house.settle().await;
    let titles = titles(&house);
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(titles[0].ends_with("library/nginx from 1.25-alpine to 1.26-alpine"), "{titles:?}");
    assert!(titles[1].ends_with("library/redis from 1.0.0 to 1.0.1"), "{titles:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_day_to_wait_for_is_waited_for() {
    let until = "rules:\n  - match: {image: \"**/nginx\"}\n    hold_until: 2999-01-01\n    reason: frozen\n";
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, until)]).await;
    house.settle().await;
    house.later(24 * 30).await;
    assert!(house.open().is_empty());
    house.push(RULES, "commit: {prefix: build, scope: images}\n");
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.starts_with("build(images): update "), "{}", pull.title);
    assert!(house.repo.messages(&pull.head)[0].starts_with("build(images): update "));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn turned_off_closes_what_is_open_and_says_why() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let pull = house.only_pull();
    house.push(RULES, "# not now\nenabled: false\n");
    house.settle().await;
    assert_eq!(house.only_pull().state, "closed");
    let comments = house.repo.read_comments(pull.number);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains(".github/restow.yml, line 2"), "{comments:?}");
    assert!(EAGER.contains("onboarding: false"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_repository_without_a_file_is_asked_first() {
    let house = House::with_settings(&[("Dockerfile", DOCKERFILE)], |settings| {
        settings.default_rules = "cooldown: 0d\n".to_owned();
    })
    .await;
    house.settle().await;
    let asked = house.only_pull();
    assert_eq!(asked.head, "restow/onboarding");
    assert!(asked.body.contains("Restow found 1 image in 1 place"), "{}", asked.body);
    assert!(asked.body.contains("from 1.25-alpine to 1.27-alpine`"), "{}", asked.body);
    insta::assert_snapshot!("onboarding-body", house.plain(&asked.body));
    house.later(24).await;
    house.push("notes.md", "x");
    house.settle().await;
    house.only_pull();
    house.repo.merge_pull(asked.number);
    house.settle().await;
    let open = house.open();
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].title.ends_with("to 1.27-alpine"));
    assert!(restow::config::parse(&house.repo.read_file("main", RULES).expect("the file")).is_ok());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn whoever_closes_the_question_is_left_alone() {
    let house = House::with_settings(&[("Dockerfile", DOCKERFILE)], |settings| {
        settings.default_rules = "cooldown: 0d\n".to_owned();
    })
    .await;
    house.settle().await;
    house.repo.close_pull(house.only_pull().number);
    house.settle().await;
    house.later(24 * 7).await;
    assert!(house.open().is_empty());
    // A file is a yes, whenever it comes.
    house.push(RULES, "{}\n");
    house.settle().await;
    assert_eq!(house.open().len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_organisations_file_holds_where_the_repositorys_says_nothing() {
    let house = House::with_settings(&[("Dockerfile", DOCKERFILE)], |settings| {
        settings.default_rules = String::new();
    })
    .await;
    let shared = "onboarding: false\ncooldown: 0d\nextends: [\"acme/.github:presets/team.yml\"]\nlabels: [images]\n";
    let team = "reviewers: [mona, acme/platform]\nassignees: [mona]\n";
    house.world.repository("acme/.github").file("restow.yml", shared).file("presets/team.yml", team).create();
    house.world.github.add_repository(house.installation, "acme/.github");
    house.settle().await;
    let pull = house.only_pull();
    assert_eq!(pull.labels, ["images"]);
    assert_eq!(house.repo.requested(pull.number), ["mona", "team:platform"]);
    assert_eq!(house.repo.assigned(pull.number), ["mona"]);
    let writes = house.world.github.requests();
    let writes = writes.iter().filter(|one| one.method != "GET" && one.path.starts_with("/repos/acme/shop/")).count();
    assert_eq!(writes, 6, "tree, commit, branch, pull request, labels with assignees, reviewers");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn mistakes_are_told_at_the_commit_and_the_last_valid_rules_hold() {
    let house = House::with(&[("README.md", "x"), (RULES, "allow: [patch]\n")]).await;
    house.settle().await;
    house.push(RULES, "allow: [patch]\nlabls: [x]\n");
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    assert!(house.open().is_empty(), "minor is still not allowed");
    let runs = house.repo.own_runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0].conclusion, "failure");
    let (path, line, message) = &runs[0].annotations[0];
    assert_eq!((path.as_str(), *line), (RULES, 2));
    assert!(message.contains("did you mean `labels`?"), "{message}");
    insta::assert_snapshot!("mistakes-check", format!("{}\n\n{}\n\n{message}", runs[0].title, runs[0].summary));
    house.push("notes.md", "x");
    house.settle().await;
    assert_eq!(house.repo.own_runs().len(), 1, "told once");
    let everything = restow::store::AuditFilter { limit: 50, ..Default::default() };
    let audit = house.app.services().store.audit(&everything).await.expect("the audit");
    let refused: Vec<&str> =
        audit.iter().filter(|one| one.act == "configuration").map(|one| one.rule.as_str()).collect();
    assert!(refused.len() == 1 && refused[0].contains("labels"), "recorded once: {audit:#?}");
    house.push(RULES, "{}\n");
    house.settle().await;
    assert_eq!(house.repo.own_runs().last().expect("one").conclusion, "success");
    assert_eq!(house.open().len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn without_the_permission_for_checks_an_issue_tells() {
    let house = House::with(&[("README.md", "x")]).await;
    house.world.github.set_permission(house.installation, "checks", "read");
    house.push(RULES, "labls: [x]\n");
    house.settle().await;
    house.push(RULES, "labls: [y]\nlables: 7\n");
    house.settle().await;
    let issues = house.repo.issues();
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert!(issues[0].1.contains("there is no setting"), "{issues:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_pull_request_that_changes_the_rules_is_told_what_they_would_do() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "allow: [patch]\n")]).await;
    house.settle().await;
    assert!(house.open().is_empty());
    house.repo.commit_as_person("rules", &[(RULES, "allow: [minor]\n")], "more");
    house.repo.open_pull("rules", "main", "More updates");
    house.settle().await;
    let runs = house.repo.own_runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!((runs[0].conclusion.as_str(), runs[0].title.as_str()), ("success", "1 pull request would open"));
    assert!(runs[0].summary.contains("to 1.27-alpine"), "{}", runs[0].summary);
    house.repo.commit_as_person("rules", &[(RULES, "alow: [minor]\n")], "slip");
    house.settle().await;
    assert_eq!(house.repo.own_runs().last().expect("one").conclusion, "failure");
    house.repo.commit_as_person("other", &[("notes.md", "x")], "notes");
    house.repo.open_pull("other", "main", "Notes");
    house.settle().await;
    assert_eq!(house.repo.own_runs().len(), 2, "the file is as it was");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_dashboard_shows_everything_in_its_place_and_its_boxes_act() {
    let rules = "dashboard: true\nlimits: {open: 1}\n";
    let house = House::with(&[("README.md", "x"), (RULES, rules)]).await;
    house.world.registry.push_all("library/redis", &["1.0", "1.1"]);
    house.push("Dockerfile", &stages(&["library/nginx:1.25-alpine", "library/redis:1.0"]));
    house.push("other/Dockerfile", "FROM nginx:${TAG}\n");
    house.settle().await;
    let issues = house.repo.issues();
    let [(number, text, _)] = &issues[..] else { panic!("{issues:?}") };
    assert!(text.contains("### Open: 1") && text.contains("which is the limit"), "{text}");
    insta::assert_snapshot!("dashboard", house.plain(text));
    house.later(7).await;
    let edits = house.repo.issues()[0].2;
    house.later(7).await;
    assert_eq!(house.repo.issues()[0].2, edits, "nothing new, nothing edited");
    house.repo.close_pull(house.open()[0].number);
    house.settle().await;
    let text = house.repo.issues()[0].1.clone();
    assert!(text.contains("### Ignored: 1") && text.contains("propose it again"), "{text}");
    let ticked = text.replace("[ ] propose it again", "[x] propose it again");
    house.repo.edit_issue(*number, "mona", &ticked);
    house.settle().await;
    let text = house.repo.issues()[0].1.clone();
    assert!(!text.contains("### Ignored") && !text.contains("[x]"), "{text}");
    house.push("other.txt", "x");
    house.settle().await;
    let before = house.open()[0].head_sha.clone();
    let text = house.repo.issues()[0].1.replacen("[ ] rebase it", "[x] rebase it", 1);
    house.repo.edit_issue(*number, "mona", &text);
    house.settle().await;
    assert_ne!(house.open()[0].head_sha, before);
    assert_eq!(house.repo.issues().len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_historys_convention_is_followed() {
    let house = House::with(&[("README.md", "x")]).await;
    let world = &house.world;
    let repo = world.repository("acme/conventional").file("README.md", "x").create();
    for subject in ["feat: a", "fix(web): b", "docs: c", "build(deps): d", "ci: e", "test: f"] {
        repo.commit_as_person("main", &[("notes.md", subject)], subject);
    }
    let dockerfile = DOCKERFILE.replace("REGISTRY", &world.registry.address());
    repo.commit_as_person("main", &[("Dockerfile", &dockerfile)], "feat: g");
    world.github.add_repository(house.installation, "acme/conventional");
    house.settle().await;
    let pulls = repo.pulls();
    assert_eq!(pulls.len(), 1);
    assert!(pulls[0].title.starts_with("build(deps): update "), "{}", pulls[0].title);
    world.github.assert_clean();
}

#[tokio::test]
async fn what_a_file_builds_upon_may_be_wrong_and_only_that_is_told() {
    let rules = "extends: [\"acme/.github:team.yml\"]\n";
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, rules)]).await;
    let shared = house.world.repository("acme/.github").file("team.yml", "secret_word: 1\n").create();
    house.world.github.add_repository(house.installation, "acme/.github");
    house.settle().await;
    assert!(house.repo.pulls().is_empty());
    let runs = house.repo.own_runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert!(runs[0].summary.contains("acme/.github:team.yml") && runs[0].summary.contains("line 1"), "{runs:?}");
    assert!(!runs[0].summary.contains("secret_word"), "{runs:?}");
    house.later(1).await;
    assert_eq!(house.repo.own_runs().len(), 1, "told once");
    shared.commit_as_person("main", &[("team.yml", "labels: [team]\n")], "mended");
    house.later(1).await;
    assert_eq!(house.only_pull().labels, ["team"]);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_moves_elsewhere_is_closed_with_a_link() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let alone = house.only_pull();
    house.push(RULES, "group: everything\n");
    house.settle().await;
    let open = house.open();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].head, "restow/group/everything");
    let said = house.repo.read_comments(alone.number);
    assert!(said.len() == 1 && said[0].contains(&format!("now moves in #{}", open[0].number)), "{said:?}");
    house.world.github.assert_clean();
}
