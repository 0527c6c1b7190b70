//! People say what they want in comments, and are obeyed if they may push.

use world::github::PullView;

use super::house::House;

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";

/// Comments, and how the comment was answered.
async fn say(house: &House, pull: &PullView, login: &str, text: &str) -> Vec<String> {
    let comment = house.repo.comment(pull.number, login, text);
    house.settle().await;
    house.repo.reactions(comment)
}

#[tokio::test]
async fn who_may_not_push_is_not_obeyed() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    assert_eq!(say(&house, &pull, "stranger", "/restow close").await, ["-1"]);
    assert_eq!(house.only_pull().state, "open");
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("may push"), "{said:?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn merge_waits_for_the_checks() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    assert_eq!(say(&house, &pull, "mona", "Fine.\n\n/restow merge").await, ["+1"]);
    assert_eq!(house.only_pull().state, "open");
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    house.later(1).await;
    assert_eq!(house.only_pull().state, "merged");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn held_is_left_as_it_is_until_the_time_is_over() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    say(&house, &pull, "mona", "/restow hold 14d").await;
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(24 * 7).await;
    assert!(house.only_pull().title.ends_with("1.27-alpine"), "{}", house.only_pull().title);
    house.later(24 * 8).await;
    assert!(house.only_pull().title.ends_with("1.28-alpine"), "{}", house.only_pull().title);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn ignored_is_closed_and_comes_again_when_it_is_wanted() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    assert_eq!(say(&house, &pull, "mona", "/restow ignore minor").await, ["+1"]);
    let open = house.open();
    assert_eq!(open.len(), 1, "1.26 is another minor version");
    assert!(open[0].title.ends_with("to 1.26-alpine"), "{}", open[0].title);
    say(&house, &open[0], "mona", "/restow ignore image").await;
    assert!(house.open().is_empty());
    let said = house.repo.read_comments(open[0].number).join("\n");
    assert!(said.contains("@mona said") && said.contains("/restow ignore image"), "{said}");
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(24).await;
    assert!(house.open().is_empty());
    say(&house, &pull, "mona", "/restow unignore").await;
    assert!(house.open()[0].title.ends_with("to 1.28-alpine"));
    house.repo.read_comments(pull.number);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn closed_without_a_time_stays_closed_until_something_newer_is_there() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    assert_eq!(say(&house, &pull, "mona", "/restow close").await, ["+1"]);
    house.later(24 * 60).await;
    assert_eq!(house.only_pull().state, "closed");
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(24).await;
    assert!(house.open()[0].title.ends_with("to 1.28-alpine"), "{:?}", house.open());
    house.repo.read_comments(pull.number);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_ignored_major_version_is_not_proposed_again_and_the_next_one_is() {
    let house = House::with(&[("README.md", "x")]).await;
    house.world.registry.push_all("library/redis", &["6.0", "7.2"]);
    house.repo.collaborator("mona", "write");
    house.push("Dockerfile", "FROM REGISTRY/library/redis:6.0\n");
    house.settle().await;
    let pull = house.only_pull();
    assert_eq!(say(&house, &pull, "mona", "/restow ignore major").await, ["+1"]);
    house.world.registry.push("library/redis", "7.4");
    house.later(24).await;
    assert!(house.open().is_empty(), "7.4 is of the same major version: {:?}", house.open());
    house.world.registry.push("library/redis", "8.0");
    house.later(24).await;
    assert!(house.open()[0].title.ends_with("to 8.0"), "{:?}", house.open());
    house.repo.read_comments(pull.number);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn closed_for_a_time_comes_again() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    say(&house, &pull, "mona", "/restow close 30d").await;
    assert_eq!(house.only_pull().state, "closed");
    assert_eq!(house.repo.read_comments(pull.number).len(), 1);
    house.later(24 * 29).await;
    assert!(house.open().is_empty());
    house.later(24 * 2).await;
    assert_eq!(house.open().len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn recreate_takes_the_branch_back() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    house.repo.commit_as_person(&pull.head, &[("fix.txt", "mine")], "fix");
    house.settle().await;
    house.repo.read_comments(pull.number);
    assert_eq!(say(&house, &pull, "mona", "/restow recreate").await, ["+1"]);
    let again = house.only_pull();
    assert!(house.repo.read_file(&again.head, "fix.txt").is_none());
    assert!(again.verified);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn rebase_and_refresh_bring_it_up_to_date() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    let base = house.repo.head("main").expect("a head");
    house.push("other.txt", "x");
    house.settle().await;
    assert_eq!(house.only_pull().head_sha, pull.head_sha, "it does not conflict");
    say(&house, &pull, "mona", "/restow rebase").await;
    let again = house.only_pull();
    assert_ne!(again.head_sha, pull.head_sha);
    assert_eq!(house.repo.read_file(&again.head, "other.txt").as_deref(), Some("x"));
    let new_base = house.repo.head("main").expect("a head");
    assert!(pull.body.contains("for linux/amd64"), "it tells on what it runs: {}", pull.body);
    assert_eq!(again.body, pull.body.replace(&base, &new_base), "what is known of the image is still told");
    house.world.registry.push("library/nginx", "1.28-alpine");
    say(&house, &pull, "mona", "/restow refresh").await;
    assert!(house.only_pull().title.ends_with("1.28-alpine"), "{}", house.only_pull().title);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn help_explanations_and_slips_are_answered_once() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    assert_eq!(say(&house, &pull, "mona", "/restow rebsae").await, ["confused"]);
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("Did you mean `/restow rebase`?"), "{said:?}");
    say(&house, &pull, "mona", "/restow explain").await;
    let said = house.repo.read_comments(pull.number);
    assert!(said.len() == 1 && said[0].contains("its checks have not ended"), "{said:?}");
    house.world.github.double_next(5);
    say(&house, &pull, "mona", "/restow help").await;
    assert_eq!(house.repo.read_comments(pull.number).len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_edited_comment_and_a_quoted_one_do_nothing() {
    let (house, pull) = House::opened(DOCKERFILE).await;
    let comment = house.repo.comment(pull.number, "mona", "> /restow close\n\nNo!");
    house.settle().await;
    house.repo.edit_comment(comment, "/restow close");
    house.settle().await;
    assert_eq!(house.only_pull().state, "open");
    assert!(house.repo.reactions(comment).is_empty());
    house.world.github.assert_clean();
}
