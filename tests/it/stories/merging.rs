//! What is proven is merged where the rules want it, and nothing else is.

use std::time::Duration;

use world::github::PullView;

use super::house::House;

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";
const RULES: &str = ".github/restow.yml";

/// A house whose rules merge by themselves, with one open pull request.
async fn merging(rules: &str) -> (House, PullView) {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, rules)]).await;
    house.settle().await;
    // One check that passes early is not believed to be all.
    minutes(&house, 3).await;
    let pull = house.only_pull();
    (house, pull)
}

async fn minutes(house: &House, minutes: u64) {
    house.world.clock().advance(Duration::from_secs(minutes * 60));
    house.settle().await;
}

#[tokio::test]
async fn what_passed_is_merged_and_its_branch_is_gone() {
    let (house, pull) = merging("automerge: true\n").await;
    assert_eq!(pull.state, "open", "its checks have not ended");
    assert!(
        pull.body.contains("merges it by itself") && pull.body.contains(".github/restow.yml, line 1"),
        "{}",
        pull.body
    );
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    assert_eq!(house.repo.branches(), ["main"]);
    assert!(house.repo.read_file("main", "Dockerfile").expect("a file").contains("1.27-alpine"));
    let everything = restow::store::AuditFilter { limit: 10, ..Default::default() };
    let audit = house.app.services().store.audit(&everything).await.expect("the audit");
    let acts: Vec<&str> = audit.iter().map(|entry| entry.act.as_str()).collect();
    assert_eq!(acts, ["open", "merge"], "{audit:#?}");
    assert_eq!((audit[0].from.as_str(), audit[0].to.as_str()), ("1.25-alpine", "1.27-alpine"));
    assert_eq!(audit[1].rule, ".github/restow.yml, line 1");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn without_the_rule_a_person_merges() {
    let (house, pull) = merging("automerge: false\n").await;
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    minutes(&house, 30).await;
    assert_eq!(house.only_pull().state, "open");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_failed_is_not_merged_and_runs_once_more_where_allowed() {
    let (house, pull) = merging("automerge: {rerun: true}\n").await;
    house.repo.conclude_checks(&pull.head_sha, "failure");
    house.settle().await;
    assert_eq!(house.repo.reruns().len(), 1, "once more");
    house.repo.conclude_checks(&pull.head_sha, "failure");
    house.settle().await;
    minutes(&house, 30).await;
    assert_eq!(house.repo.reruns().len(), 1, "and no more");
    assert_eq!(house.only_pull().state, "open");
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("ci fails"), "{said:?}");
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_failing_status_counts_as_much_as_a_check() {
    let (house, pull) = merging("automerge: true\n").await;
    house.repo.set_status(&pull.head_sha, "deploy/preview", "failure");
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "open");
    assert!(house.repo.read_comments(pull.number)[0].contains("deploy/preview fails"));
    house.repo.set_status(&pull.head_sha, "deploy/preview", "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_repository_that_checks_nothing_is_not_merged_and_told_so_once() {
    let house = House::with(&[("README.md", "x"), (RULES, "automerge: true\n")]).await;
    house.repo.ci_off();
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert!(house.repo.read_comments(pull.number).is_empty(), "checks may yet begin");
    minutes(&house, 11).await;
    let said = house.repo.read_comments(pull.number);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("checks: none-required") && said[0].contains(".github/restow.yml, line 1"), "{said:?}");
    minutes(&house, 60).await;
    assert!(house.repo.read_comments(pull.number).is_empty(), "said once");
    house.push(RULES, "automerge: {checks: none-required}\n");
    house.settle().await;
    // That push moved the base branch: it is brought onto it, and checks may begin again.
    minutes(&house, 11).await;
    minutes(&house, 11).await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn only_required_checks_count_where_there_are_some() {
    let (house, pull) = merging("automerge: true\n").await;
    house.repo.require_checks(&["ci"]);
    house.repo.set_status(&pull.head_sha, "optional", "failure");
    house.settle().await;
    assert_eq!(house.only_pull().state, "open", "ci has not ended");
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn reviews_are_waited_for_and_refusals_respected() {
    let (house, pull) = merging("automerge: true\n").await;
    house.repo.require_reviews(1);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "open");
    house.repo.review(pull.number, "mona", "CHANGES_REQUESTED");
    house.repo.review(pull.number, "hubot-owner", "APPROVED");
    house.settle().await;
    assert_eq!(house.only_pull().state, "open", "mona wants changes");
    house.repo.review(pull.number, "mona", "APPROVED");
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn one_at_a_time_and_the_others_are_brought_up_to_date() {
    let house = House::with(&[("README.md", "x"), (RULES, "automerge: true\nrebase: always\n")]).await;
    house.world.registry.push_all("library/redis", &["1.0", "1.1"]);
    house.push("Dockerfile", "FROM REGISTRY/library/nginx:1.25-alpine\nFROM REGISTRY/library/redis:1.0\n");
    house.settle().await;
    minutes(&house, 3).await;
    let both = house.open();
    assert_eq!(both.len(), 2);
    for pull in &both {
        house.repo.conclude_checks(&pull.head_sha, "success");
    }
    house.settle().await;
    let open = house.open();
    assert_eq!(open.len(), 1, "one was merged, the other is checked again upon it: {open:?}");
    assert!(both.iter().all(|pull| pull.head_sha != open[0].head_sha), "it stands upon the new base");
    minutes(&house, 3).await;
    house.repo.conclude_checks(&open[0].head_sha, "success");
    house.settle().await;
    assert!(house.open().is_empty());
    let merged = house.repo.read_file("main", "Dockerfile").expect("a file");
    assert!(merged.contains("1.27-alpine") && merged.contains("redis:1.1"), "{merged}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_conflict_is_solved_by_a_new_branch() {
    let (house, pull) = merging("automerge: true\n").await;
    house.push("Dockerfile", "FROM REGISTRY/library/nginx:1.25-alpine AS web\n");
    house.settle().await;
    minutes(&house, 3).await;
    let again = house.only_pull();
    assert_ne!(again.head_sha, pull.head_sha);
    house.repo.conclude_checks(&again.head_sha, "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_merge_queue_and_githubs_auto_merge_are_used() {
    let (house, pull) = merging("automerge: true\n").await;
    house.repo.merge_queue_on();
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.repo.queued(), [pull.number]);
    minutes(&house, 30).await;
    assert_eq!(house.repo.queued(), [pull.number], "once");
    house.repo.run_merge_queue();
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();

    let (house, pull) = merging("automerge: {method: squash}\n").await;
    house.repo.auto_merge_on();
    house.repo.require_reviews(1);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.repo.auto_merges(), [pull.number]);
    house.repo.review(pull.number, "mona", "APPROVED");
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_a_person_committed_to_is_never_merged_by_itself() {
    let (house, pull) = merging("automerge: true\n").await;
    let theirs = house.repo.commit_as_person(&pull.head, &[("fix.txt", "mine")], "fix");
    house.settle().await;
    house.repo.conclude_checks(&theirs, "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "open");
    assert_eq!(house.repo.read_comments(pull.number).len(), 1, "said that the branch is left alone");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn lost_events_are_made_up_for() {
    let (house, pull) = merging("automerge: true\n").await;
    house.world.github.lose_next(10);
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    assert_eq!(house.only_pull().state, "open", "nobody told");
    minutes(&house, 15).await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_lost_push_is_asked_for_again() {
    let house = House::with(&[("README.md", "x")]).await;
    house.settle().await;
    house.world.github.lose_next(1);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    assert!(house.repo.pulls().is_empty());
    minutes(&house, 11).await;
    assert_eq!(house.only_pull().state, "open");
    assert_eq!(house.world.github.count("POST", "/attempts"), 1);
    house.world.github.assert_clean();
}
