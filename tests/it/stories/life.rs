//! What becomes of pull requests that people close, open again, work on, or let go elsewhere, and of those of
//! repositories that change hands.

use world::github::{Fault, Matcher};

use super::house::House;

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";
const RULES: &str = ".github/restow.yml";

async fn newer(house: &House, tag: &str) {
    house.world.registry.push("library/nginx", tag);
    house.later(7).await;
}

#[tokio::test]
async fn what_is_opened_again_is_wanted_again() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    house.repo.close_pull(pull.number);
    house.settle().await;
    house.repo.reopen_pull(pull.number);
    house.settle().await;
    assert!(house.app.services().store.ignores(id(&house), now(&house)).await.expect("ignores").is_empty());
    newer(&house, "1.28-alpine").await;
    let again = house.only_pull();
    assert!(again.state == "open" && again.title.ends_with("to 1.28-alpine"), "{again:?}");
    house.repo.comment(again.number, "mona", "/restow merge");
    house.settle().await;
    house.repo.conclude_checks(&again.head_sha, "success");
    house.settle().await;
    house.minutes(11).await;
    assert_eq!(house.only_pull().state, "merged", "it is watched again");
    house.world.github.assert_clean();
}

fn id(house: &House) -> restow::repo::RepoId {
    restow::repo::RepoId(house.repo.id())
}

fn now(house: &House) -> restow::repo::Moment {
    restow::repo::Moment(house.world.clock().now_ms())
}

#[tokio::test]
async fn what_restow_closed_and_a_person_opened_again_is_not_closed_again() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    house.push(RULES, "ignore: {images: [\"**/nginx\"]}\n");
    house.settle().await;
    assert_eq!(house.only_pull().state, "closed");
    house.repo.read_comments(pull.number);
    house.repo.force_push(&pull.head, &pull.head_sha);
    house.repo.reopen_pull(pull.number);
    house.settle().await;
    house.later(24).await;
    assert_eq!(house.only_pull().state, "open");
    house.repo.close_pull(pull.number);
    house.settle().await;
    assert_eq!(house.only_pull().state, "closed");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_branch_with_a_persons_work_is_theirs_also_when_its_pull_request_has_ended() {
    for merged in [true, false] {
        let (house, pull) = House::opened(DOCKERFILE).await;
        let theirs = house.repo.commit_as_person(&pull.head, &[("fix.txt", "mine")], "fix");
        house.settle().await;
        house.repo.read_comments(pull.number);
        match merged {
            // As one commit: the branch's own are not in the base branch.
            true => house.repo.squash_pull(pull.number),
            false => house.repo.close_pull(pull.number),
        }
        house.settle().await;
        newer(&house, "1.28-alpine").await;
        let open = house.open();
        assert_eq!(open.len(), 1, "merged: {merged}, {open:?}");
        assert!(open[0].head != pull.head && open[0].title.ends_with("to 1.28-alpine"), "{open:?}");
        assert_eq!(house.repo.head(&pull.head).as_deref(), Some(theirs.as_str()), "it is left to them");
        newer(&house, "1.29-alpine").await;
        let again = house.open();
        assert_eq!((again.len(), &again[0].head), (1, &open[0].head), "in its place: {again:?}");
        house.world.github.assert_clean();
    }
}

#[tokio::test]
async fn what_a_bot_closed_was_refused_by_nobody() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    house.repo.close_pull_as(pull.number, "stale[bot]");
    house.later(7).await;
    let open = house.open();
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].number != pull.number && open[0].title == pull.title, "{open:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_person_may_let_it_go_to_another_branch() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "automerge: true\n")]).await;
    house.settle().await;
    house.minutes(3).await;
    let pull = house.only_pull();
    house.repo.commit_as_person("next", &[("next.txt", "x")], "next");
    house.repo.retarget(pull.number, "next");
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    house.minutes(11).await;
    assert_eq!(house.only_pull().state, "open");
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("the branch `next`"), "{said:?}");
    newer(&house, "1.28-alpine").await;
    let now = house.only_pull();
    assert_eq!((now.base.as_str(), &now.head_sha), ("next", &pull.head_sha), "left as it is");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn pull_requests_follow_the_default_branch() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    house.repo.commit_as_person("trunk", &[("trunk.txt", "x")], "trunk");
    house.repo.switch_default_branch("trunk");
    house.settle().await;
    let now = house.only_pull();
    assert_eq!((now.base.as_str(), now.number), ("trunk", pull.number));
    let diff = house.repo.diff(now.number);
    assert!(diff.contains("+FROM") && !diff.contains("trunk.txt"), "only the image moves: {diff}");
    assert!(house.repo.read_comments(pull.number).is_empty());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_repository_that_changes_hands_goes_on() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    let github = &house.world.github;
    house.world.repository("globex/other").file("README.md", "x").create();
    let new = github.install("globex", &["globex/other"]);
    house.settle().await;
    github.remove_repository(house.installation, "acme/shop");
    house.repo.transfer("globex");
    house.settle().await;
    github.add_repository(new, "globex/shop");
    house.settle().await;
    newer(&house, "1.28-alpine").await;
    let now = house.only_pull();
    assert!(now.number == pull.number && now.title.ends_with("to 1.28-alpine"), "{now:?}");
    github.assert_clean();
}

#[tokio::test]
async fn what_is_known_of_a_removed_installation_is_erased_after_the_grace_time() {
    let (house, _) = House::opened(DOCKERFILE).await;
    let store = house.app.services().store.clone();
    house.world.github.uninstall(house.installation);
    house.settle().await;
    house.later(24 * 29).await;
    assert!(!store.pulls(id(&house)).await.expect("rows").is_empty(), "it may come back");
    house.later(24 * 2).await;
    assert!(store.pulls(id(&house)).await.expect("rows").is_empty());
    assert!(store.repository(id(&house)).await.expect("a row").is_none());
    let everything = restow::store::AuditFilter { limit: 10, ..Default::default() };
    assert!(store.audit(&everything).await.expect("the audit").is_empty());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_hours_share_counts_what_is_merged_already() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "limits: {open: 10, per_hour: 2}\n")]).await;
    house.repo.collaborator("mona", "write");
    house.settle().await;
    for (number, tag) in [(1, "1.28-alpine"), (2, "1.30-alpine")] {
        house.repo.merge_pull(number);
        house.settle().await;
        house.world.registry.push("library/nginx", tag);
        house.minutes(1).await;
        house.repo.comment(number, "mona", "/restow refresh");
        house.settle().await;
    }
    assert_eq!(house.repo.pulls().len(), 2, "{:?}", house.open());
    house.later(1).await;
    let everything = restow::store::AuditFilter { limit: 50, ..Default::default() };
    let audit = house.app.services().store.audit(&everything).await.expect("the audit");
    assert_eq!(house.repo.pulls().len(), 3, "{audit:#?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn labels_that_were_not_set_are_set_later() {
    let rules = "labels: [images]\nreviewers: [mona, nobody]\n";
    let house = House::with(&[("README.md", "x"), (RULES, rules)]).await;
    house.repo.unknown_reviewers(&["nobody"]);
    house.settle().await;
    house.push("Dockerfile", DOCKERFILE);
    house.world.github.fail_next(Matcher::new("PATCH", "/issues/"), Fault::Status(502), 1);
    house.world.github.deliver_all().await;
    house.app.drain().await.expect("a queue");
    let pull = house.only_pull();
    assert!(pull.labels.is_empty());
    house.world.clock().advance(std::time::Duration::from_secs(600));
    house.app.drain().await.expect("a queue");
    house.settle().await;
    assert_eq!(house.only_pull().labels, ["images"]);
    assert_eq!(house.repo.requested(pull.number), ["mona"], "one unknown costs only itself");
    // What the rules say later reaches it too; what it has stays.
    house.push(RULES, "labels: [images, urgent]\nreviewers: [mona, nobody]\n");
    house.settle().await;
    assert_eq!(house.only_pull().labels, ["images", "urgent"]);
    assert_eq!(house.repo.requested(pull.number), ["mona"], "nobody is asked twice");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_group_that_is_dissolved_is_closed_with_the_true_reason() {
    let house = House::with(&[("README.md", "x"), (RULES, "group: everything\n")]).await;
    house.world.registry.push_all("library/redis", &["1.0", "1.1"]);
    house.push("Dockerfile", "FROM REGISTRY/library/nginx:1.25-alpine\nFROM REGISTRY/library/redis:1.0\n");
    house.settle().await;
    let group = house.only_pull();
    house.push(RULES, "group: false\n");
    house.settle().await;
    let said = house.repo.read_comments(group.number);
    assert!(said.len() == 1 && said[0].contains("what it moved now moves in #"), "{said:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_lost_push_is_found_behind_a_hundred_other_lost_events() {
    let house = House::with(&[("README.md", "x")]).await;
    house.settle().await;
    house.world.github.lose_next(130);
    house.push("Dockerfile", DOCKERFILE);
    let head = house.repo.head("main").expect("a head");
    for number in 0..129 {
        house.repo.set_status(&head, &format!("status {number}"), "success");
    }
    house.settle().await;
    assert!(house.repo.pulls().is_empty());
    house.minutes(11).await;
    assert_eq!(house.only_pull().state, "open");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_deleted_dashboard_comes_back() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "dashboard: true\n")]).await;
    house.settle().await;
    let number = house.repo.issues()[0].0;
    house.repo.delete_issue(number);
    // Its boxes are read once a day where nothing is told of them.
    house.later(25).await;
    let issues = house.repo.issues();
    assert!(issues.len() == 1 && issues[0].0 != number, "{issues:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn strangers_are_answered_once_however_much_they_say() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    for _ in 0..5 {
        house.repo.comment(pull.number, "stranger", "/restow close");
        house.settle().await;
    }
    assert_eq!(house.repo.read_comments(pull.number).len(), 1);
    assert_eq!(house.world.github.count("POST", "/reactions"), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_command_to_the_question_is_answered() {
    let house = House::with_settings(&[("Dockerfile", DOCKERFILE)], |settings| {
        settings.default_rules = "cooldown: 0d\n".to_owned();
    })
    .await;
    house.repo.collaborator("mona", "write");
    house.settle().await;
    let asked = house.only_pull();
    house.repo.comment(asked.number, "mona", "/restow merge");
    house.settle().await;
    let said = house.repo.read_comments(asked.number);
    assert!(said.len() == 1 && said[0].contains("Merge it to say yes"), "{said:?}");
    house.world.github.assert_clean();
}
