//! What must be proven before a merge, and how a merge is left to GitHub and taken back from it.

use world::github::{Fault, Matcher, PullView};

use super::house::House;

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";
const RULES: &str = ".github/restow.yml";

/// A house whose rules say this, with one open pull request that is old enough to be merged.
async fn opened(rules: &str) -> (House, PullView) {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, rules)]).await;
    house.repo.collaborator("mona", "write");
    house.settle().await;
    house.minutes(3).await;
    let pull = house.only_pull();
    (house, pull)
}

fn state(house: &House) -> &'static str {
    house.only_pull().state
}

#[tokio::test]
async fn an_early_status_is_not_all_of_ci() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "automerge: true\n")]).await;
    house.repo.ci_off();
    house.settle().await;
    let pull = house.only_pull();
    house.repo.set_status(&pull.head_sha, "licence", "success");
    house.settle().await;
    assert_eq!(state(&house), "open", "nothing else has begun yet");
    house.repo.start_suite(&pull.head, &pull.head_sha, "github-actions", &[]);
    house.minutes(15).await;
    assert_eq!(state(&house), "open", "Actions has announced itself");
    house.repo.start_suite(&pull.head, &pull.head_sha, "github-actions", &["test"]);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn one_job_of_two_is_not_enough() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "automerge: true\n")]).await;
    house.repo.ci_off();
    house.settle().await;
    let pull = house.only_pull();
    house.repo.start_suite(&pull.head, &pull.head_sha, "github-actions", &["build", "test"]);
    house.repo.conclude_run(&pull.head_sha, "build", "success");
    house.minutes(15).await;
    assert_eq!(state(&house), "open");
    house.repo.conclude_run(&pull.head_sha, "test", "success");
    house.settle().await;
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_app_that_never_checks_anything_is_waited_for_no_longer_than_the_grace_time() {
    let (house, pull) = opened("automerge: true\n").await;
    house.repo.start_suite(&pull.head, &pull.head_sha, "idle-app", &[]);
    house.repo.conclude_run(&pull.head_sha, "ci", "success");
    house.settle().await;
    assert_eq!(state(&house), "open", "it may yet begin");
    house.minutes(11).await;
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_required_check_that_never_starts_is_said() {
    let (house, pull) = opened("automerge: true\n").await;
    house.repo.require_checks(&["ci", "deploy"]);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert!(house.repo.read_comments(pull.number).is_empty(), "it may yet begin");
    house.minutes(11).await;
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("deploy must pass, and has not started"), "{said:?}");
    house.minutes(11).await;
    assert!(house.repo.read_comments(pull.number).is_empty(), "once");
    house.repo.set_status(&pull.head_sha, "deploy", "success");
    house.settle().await;
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_failed_on_the_base_already_is_told_apart() {
    let (house, pull) = opened("automerge: false\n").await;
    let base = house.repo.head("main").expect("a head");
    house.repo.set_status(&base, "links", "failure");
    house.repo.set_status(&pull.head_sha, "links", "failure");
    house.settle().await;
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("failed on the base branch before: it is not this update"), "{said:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_persons_wish_to_merge_outlives_the_rebase_that_it_needs() {
    let (house, pull) = opened("automerge: false\n").await;
    house.repo.require_up_to_date();
    house.push("notes.md", "x");
    house.settle().await;
    house.repo.comment(pull.number, "mona", "/restow merge");
    house.settle().await;
    house.minutes(3).await;
    let again = house.only_pull();
    assert_ne!(again.head_sha, pull.head_sha, "it was behind");
    house.repo.conclude_checks(&again.head_sha, "success");
    house.settle().await;
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_was_proven_upon_another_base_is_proven_again_unless_the_rules_say_never() {
    for (rules, moved) in [("automerge: true\n", true), ("automerge: true\nrebase: never\n", false)] {
        let (house, pull) = opened(rules).await;
        house.push("notes.md", "x");
        house.settle().await;
        house.repo.conclude_checks(&pull.head_sha, "success");
        house.settle().await;
        let now = house.only_pull();
        assert_eq!(
            (now.state, now.head_sha != pull.head_sha),
            (if moved { "open" } else { "merged" }, moved),
            "{rules}"
        );
        house.world.github.assert_clean();
    }
}

#[tokio::test]
async fn never_rebased_stays_behind_until_somebody_asks() {
    let (house, pull) = opened("automerge: true\nrebase: never\n").await;
    house.repo.require_up_to_date();
    house.push("notes.md", "x");
    house.settle().await;
    let before = house.only_pull();
    house.repo.conclude_checks(&before.head_sha, "success");
    house.minutes(30).await;
    assert_eq!((state(&house), &house.only_pull().head_sha), ("open", &before.head_sha));
    house.repo.comment(pull.number, "mona", "/restow rebase");
    house.settle().await;
    house.minutes(3).await;
    house.repo.conclude_checks(&house.only_pull().head_sha, "success");
    house.settle().await;
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_head_that_moved_under_the_merge_is_looked_at_again() {
    let (house, pull) = opened("automerge: true\n").await;
    house.world.github.fail_next(Matcher::new("PUT", "/merge"), Fault::Status(409), 1);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.world.github.count("PUT", "/merge"), 2, "not taken, looked at again, taken");
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

/// What GitHub was given to merge by itself, by auto-merge.
async fn handed_over(rules: &str) -> (House, PullView) {
    let (house, pull) = opened(rules).await;
    house.repo.auto_merge_on();
    house.repo.require_reviews(1);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.repo.auto_merges(), [pull.number]);
    (house, pull)
}

#[tokio::test]
async fn auto_merge_is_taken_back_on_a_hold() {
    let (house, pull) = handed_over("automerge: true\n").await;
    house.repo.comment(pull.number, "mona", "/restow hold 2d");
    house.settle().await;
    assert!(house.repo.auto_merges().is_empty());
    house.repo.review(pull.number, "mona", "APPROVED");
    house.settle().await;
    assert_eq!(state(&house), "open");
    house.later(49).await;
    assert_eq!(state(&house), "merged", "the hold is over");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn auto_merge_is_taken_back_where_the_rules_no_longer_want_it() {
    let (house, pull) = handed_over("automerge: true\n").await;
    house.push(RULES, "automerge: false\n");
    house.settle().await;
    assert!(house.repo.auto_merges().is_empty());
    house.repo.review(pull.number, "mona", "APPROVED");
    house.settle().await;
    assert_eq!(state(&house), "open");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn auto_merge_is_taken_back_from_a_persons_commit() {
    let (house, pull) = handed_over("automerge: true\n").await;
    house.repo.commit_as_person(&pull.head, &[("fix.txt", "mine")], "fix");
    house.settle().await;
    assert!(house.repo.auto_merges().is_empty());
    assert_eq!(house.repo.read_comments(pull.number).len(), 1, "left to them");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_merge_queue_gives_up_what_is_held_and_what_failed_in_it_is_not_put_in_again() {
    let (house, pull) = opened("automerge: true\n").await;
    house.repo.merge_queue_on();
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.repo.queued(), [pull.number]);
    house.repo.comment(pull.number, "mona", "/restow hold 1d");
    house.settle().await;
    assert!(house.repo.queued().is_empty());
    house.later(25).await;
    assert_eq!(house.repo.queued(), [pull.number]);
    house.repo.fail_merge_queue();
    house.settle().await;
    house.minutes(30).await;
    assert!(house.repo.queued().is_empty(), "not again by itself");
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("/restow merge"), "{said:?}");
    house.repo.comment(pull.number, "mona", "/restow merge");
    house.settle().await;
    assert_eq!(house.repo.queued(), [pull.number]);
    house.repo.run_merge_queue();
    house.settle().await;
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_queue_is_asked_only_once_reviews_are_there() {
    let (house, pull) = opened("automerge: true\n").await;
    house.repo.merge_queue_on();
    house.repo.require_reviews(1);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    house.minutes(11).await;
    assert_eq!(house.world.github.count("POST", "/graphql"), 0, "GitHub would refuse it");
    house.repo.review(pull.number, "mona", "APPROVED");
    house.settle().await;
    assert_eq!(house.repo.queued(), [pull.number]);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_plan_without_rulesets_merges_all_the_same() {
    let (house, pull) = opened("automerge: true\n").await;
    house.world.github.fail_next(Matcher::new("GET", "/rules/branches"), Fault::Status(403), 1000);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(state(&house), "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_pull_request_that_cannot_be_looked_at_keeps_no_other_back() {
    let house = House::with(&[("README.md", "x"), (RULES, "automerge: true\n")]).await;
    house.world.registry.push_all("library/redis", &["1.0", "1.1"]);
    house.push("Dockerfile", "FROM REGISTRY/library/nginx:1.25-alpine\nFROM REGISTRY/library/redis:1.0\n");
    house.settle().await;
    house.minutes(3).await;
    let both = house.open();
    let broken = both.iter().find(|pull| pull.title.contains("nginx")).expect("nginx's");
    let other = both.iter().find(|pull| pull.title.contains("redis")).expect("redis's");
    let reviews = format!("/pulls/{}/reviews", broken.number);
    house.world.github.fail_next(Matcher::new("GET", &reviews), Fault::Status(404), 1000);
    house.repo.conclude_checks(&other.head_sha, "success");
    house.settle().await;
    assert_eq!(house.repo.pull(other.number).state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn patches_go_before_major_versions() {
    let house = House::with(&[("README.md", "x"), (RULES, "automerge: true\n")]).await;
    house.world.registry.push_all("library/aaa", &["1.0.0", "2.0.0"]);
    house.world.registry.push_all("library/zzz", &["1.0.0", "1.0.1"]);
    house.push("Dockerfile", "FROM REGISTRY/library/aaa:1.0.0\nFROM REGISTRY/library/zzz:1.0.0\n");
    house.settle().await;
    house.minutes(3).await;
    let both = house.open();
    assert_eq!(both.len(), 2);
    for pull in &both {
        house.repo.conclude_run(&pull.head_sha, "ci", "success");
    }
    house.settle().await;
    let merged: Vec<PullView> = house.repo.pulls().into_iter().filter(|pull| pull.state == "merged").collect();
    assert_eq!(merged.len(), 1, "one at a time");
    assert!(merged[0].title.contains("zzz"), "{}", merged[0].title);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_job_that_cannot_run_again_is_said() {
    let (house, pull) = opened("automerge: {rerun: true}\n").await;
    house.world.github.set_permission(house.installation, "actions", "read");
    house.settle().await;
    house.repo.conclude_checks(&pull.head_sha, "failure");
    house.settle().await;
    house.minutes(11).await;
    assert!(house.repo.reruns().is_empty());
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("could not be started again"), "{said:?}");
    assert!(said[0].contains("Actions: write"), "{said:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn another_apps_check_is_not_asked_to_run_again() {
    let (house, pull) = opened("automerge: {rerun: true}\n").await;
    house.repo.start_suite(&pull.head, &pull.head_sha, "other-ci", &["scan"]);
    house.repo.conclude_run(&pull.head_sha, "ci", "success");
    house.repo.conclude_run(&pull.head_sha, "scan", "failure");
    house.settle().await;
    house.minutes(11).await;
    assert_eq!(house.world.github.count("POST", "/rerequest") + house.world.github.count("POST", "/rerun"), 0);
    assert!(house.repo.read_comments(pull.number)[0].contains("scan fails"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_github_does_not_take_now_waits_says_so_and_follows() {
    let images: Vec<String> = (10..30).map(|number| format!("library/app{number}")).collect();
    let house = House::with(&[("README.md", "x"), (RULES, "dashboard: true\n")]).await;
    for image in &images {
        house.world.registry.push_all(image, &["1.0", "1.1"]);
    }
    let dockerfile: String = images.iter().map(|image| format!("FROM REGISTRY/{image}:1.0\n")).collect();
    house.push("Dockerfile", &dockerfile);
    house.settle().await;
    let first = house.open().len();
    assert!((10..20).contains(&first), "as many as GitHub takes within a minute: {first}");
    let text = house.repo.issues()[0].1.clone();
    assert!(text.contains("GitHub takes so many writes") && text.contains("### Waits: "), "{text}");
    house.minutes(2).await;
    assert_eq!(house.open().len(), 20, "by itself");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn another_process_knows_what_was_written() {
    let (house, _) = opened("automerge: false\n").await;
    let (store, installation) = (&house.app.services().store, restow::repo::InstallationId(house.installation));
    let written = store.writes(installation, restow::repo::Moment(0)).await.expect("writes");
    assert_eq!(written.len(), 4, "tree, commit, branch, pull request: {written:?}");
    assert!(written.iter().all(|(repo, _)| *repo == Some(restow::repo::RepoId(house.repo.id()))));
}
