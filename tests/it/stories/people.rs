//! What people do wins; what GitHub does twice, late or not at all changes nothing.

use world::github::{Fault, Matcher, Order};

use super::house::House;

/// What was asked beside the App's own affairs.
fn requests_of_installations(house: &House) -> Vec<world::github::Request> {
    house.world.github.requests().into_iter().filter(|request| !request.path.starts_with("/app")).collect()
}

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";

#[tokio::test]
async fn what_was_refused_stays_refused_while_something_newer_is_too_young() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (".github/restow.yml", "cooldown: 3d\n")]).await;
    house.world.registry.push("library/nginx", "1.26-alpine");
    house.settle().await;
    house.later(4 * 24).await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("to 1.27-alpine"), "{}", pull.title);
    house.repo.close_pull(pull.number);
    house.settle().await;
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    assert_eq!(house.open().len(), 0, "nobody asked for an older one");
    house.later(4 * 24).await;
    assert!(house.open()[0].title.ends_with("to 1.28-alpine"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_closed_pull_request_stays_closed_for_that_tag_only() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let pull = house.only_pull();
    house.repo.close_pull(pull.number);
    house.settle().await;
    house.push("notes.md", "x");
    house.settle().await;
    house.later(7).await;
    assert_eq!(house.only_pull().state, "closed");
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    let open = house.open();
    assert_eq!(open.len(), 1, "the next version is offered");
    assert!(open[0].title.ends_with("to 1.28-alpine"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_persons_commit_is_left_alone_and_said_so_once() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let pull = house.only_pull();
    let theirs = house.repo.commit_as_person(&pull.head, &[("fix.txt", "mine")], "fix");
    house.settle().await;
    house.later(7).await;
    house.later(7).await;
    assert_eq!(house.only_pull().state, "open");
    let comments = house.repo.read_comments(pull.number);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("leaves the branch to you"));
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    house.later(7).await;
    assert_eq!(house.repo.head(&pull.head).as_deref(), Some(theirs.as_str()), "nothing was pushed over it");
    let open = house.open();
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].title.ends_with("to 1.28-alpine"), "{open:?}");
    let comments = house.repo.read_comments(pull.number);
    assert!(comments.len() == 1 && comments[0].contains(&format!("in #{}", open[0].number)), "{comments:?}");
    // Whoever opens it again keeps it: the other one goes.
    house.repo.reopen_pull(pull.number);
    house.settle().await;
    house.later(7).await;
    let kept = house.open();
    assert_eq!((kept.len(), kept[0].number), (1, pull.number), "{kept:?}");
    assert_eq!(house.repo.head(&pull.head).as_deref(), Some(theirs.as_str()));
    assert!(house.repo.read_comments(open[0].number)[0].contains(&format!("now moves in #{}", pull.number)));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_amended_commit_is_a_persons() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let pull = house.only_pull();
    let theirs = house.repo.amend_as_person(&pull.head, &[("Dockerfile", "FROM mine:1\n")]);
    house.settle().await;
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    assert_eq!(house.repo.head(&pull.head).as_deref(), Some(theirs.as_str()), "nothing was pushed over it");
    assert_eq!(house.repo.read_comments(pull.number).len(), 2, "left to them, and a newer one elsewhere");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_refusal_holds_when_newer_tags_have_come_and_gone() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.repo.close_pull(house.only_pull().number);
    house.settle().await;
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    house.repo.close_pull(house.open()[0].number);
    house.settle().await;
    house.world.registry.delete_tag("library/nginx", "1.28-alpine");
    house.later(7).await;
    assert!(house.open().is_empty(), "1.27 was refused before: {:?}", house.open());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_merge_that_is_told_before_its_push_opens_nothing_again() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.world.github.deliver_in(Order::Reversed);
    house.repo.merge_pull(house.only_pull().number);
    while let Some(_told) = house.world.github.deliver_one().await {
        house.app.drain().await.expect("a queue");
    }
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn one_image_that_cannot_be_published_keeps_no_other_back() {
    let house = House::with(&[("README.md", "x")]).await;
    house.world.registry.push_all("library/redis", &["7.0", "7.2"]);
    house.settle().await;
    house.world.github.fail_next(Matcher::new("POST", "/pulls"), Fault::Status(422), 1);
    house.push("Dockerfile", &format!("{DOCKERFILE}COPY --from=REGISTRY/library/redis:7.0 / /\n"));
    house.settle().await;
    assert_eq!(house.open().len(), 1, "the other image");
    house.later(7).await;
    assert_eq!(house.open().len(), 2, "the next plan tries again");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_merged_update_is_done() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.repo.merge_pull(house.only_pull().number);
    house.settle().await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    assert_eq!(house.open().len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn doubled_deliveries_change_nothing() {
    let house = House::with(&[("README.md", "x")]).await;
    house.settle().await;
    house.world.github.double_next(10);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    house.only_pull();
    house.world.github.assert_clean();
}

#[tokio::test]
async fn errors_of_github_are_tried_again_until_it_works() {
    let house = House::with(&[("README.md", "x")]).await;
    house.settle().await;
    house.push("Dockerfile", DOCKERFILE);
    house.world.github.deliver_all().await;
    for (method, path) in [("POST", "/git/trees"), ("POST", "/git/refs"), ("POST", "/pulls")] {
        house.world.github.fail_next(Matcher::new(method, path), Fault::Status(502), 1);
    }
    house.world.github.fail_next(Matcher::new("GET", "/git/trees"), Fault::SecondaryRateLimit { retry_after: 90 }, 1);
    for _ in 0..12 {
        house.app.drain().await.expect("a queue");
        house.world.clock().advance(std::time::Duration::from_secs(120));
    }
    house.settle().await;
    house.only_pull();
    assert_eq!(house.repo.branches().len(), 2, "main and one of Restow's");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_uninstalled_app_does_nothing_more() {
    let house = House::with(&[("README.md", "x")]).await;
    house.settle().await;
    let installation = house.app.services().store.installations().await.expect("installations")[0].id;
    house.world.github.uninstall(installation.0);
    house.settle().await;
    house.world.github.clear_requests();
    house.later(7).await;
    assert_eq!(requests_of_installations(&house), []);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_suspended_app_waits_and_goes_on_afterwards() {
    let house = House::with(&[("README.md", "x")]).await;
    house.settle().await;
    let installation = house.app.services().store.installations().await.expect("installations")[0].id;
    house.world.github.suspend(installation.0);
    house.settle().await;
    house.world.github.clear_requests();
    house.push("Dockerfile", DOCKERFILE);
    house.later(7).await;
    assert_eq!(requests_of_installations(&house), []);
    house.world.github.unsuspend(installation.0);
    house.settle().await;
    house.only_pull();
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_base_branch_that_is_pushed_over_moves_the_pull_request_with_it() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let first = house.repo.head("main").expect("a head");
    house.push("Dockerfile", &format!("{DOCKERFILE}RUN true\n"));
    house.settle().await;
    let before = house.only_pull();
    // The last commit never was.
    house.repo.force_push("main", &first);
    house.push("Dockerfile", &format!("{DOCKERFILE}RUN false\n"));
    house.settle().await;
    house.later(1).await;
    let after = house.only_pull();
    assert_eq!(after.state, "open");
    let diff = house.repo.diff(after.number);
    assert!(diff.contains("+FROM") && !diff.contains("+RUN"), "only the image moves: {diff}");
    assert_eq!(after.number, before.number);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_renamed_repository_goes_on_and_an_archived_one_stops() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.repo.rename("store");
    house.settle().await;
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    assert!(house.only_pull().title.ends_with("to 1.28-alpine"));
    house.repo.archive();
    house.settle().await;
    house.world.github.clear_requests();
    house.world.registry.push("library/nginx", "1.29-alpine");
    house.later(7).await;
    let asked = house.world.github.requests();
    assert!(asked.iter().all(|one| !one.path.starts_with("/repos/")), "{asked:?}");
    house.repo.unarchive();
    house.settle().await;
    assert!(house.only_pull().title.ends_with("to 1.29-alpine"));
    house.world.github.assert_clean();
}
