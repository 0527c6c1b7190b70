//! What the rules say, one story for each sentence that nothing else tells.

use std::time::Duration;

use world::github::{Fault, Matcher};

use super::house::House;

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";
const RULES: &str = ".github/restow.yml";

/// Works on, two minutes at a time: what fails is tried again.
async fn work_on(house: &House) {
    for _ in 0..12 {
        house.world.github.deliver_all().await;
        house.app.drain().await.expect("a queue");
        house.world.clock().advance(Duration::from_secs(120));
    }
    house.settle().await;
}

#[tokio::test]
async fn what_could_not_be_read_is_not_taken_for_nothing() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.world.repository("acme/.github").file("restow.yml", "enabled: false\n").create();
    house.world.github.add_repository(house.installation, "acme/.github");
    house.world.github.fail_next(Matcher::new("GET", "/repos/acme/.github/contents/restow.yml"), Fault::Status(502), 3);
    work_on(&house).await;
    assert!(house.repo.pulls().is_empty(), "a bad gateway is no leave: {:?}", house.repo.pulls());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_file_that_could_not_be_read_is_no_mistake_of_the_repositorys() {
    let rules = "extends: [\"acme/.github:team.yml\"]\n";
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, rules)]).await;
    house.world.repository("acme/.github").file("team.yml", "labels: [team]\n").create();
    house.world.github.add_repository(house.installation, "acme/.github");
    house.world.github.fail_next(Matcher::new("GET", "/repos/acme/.github/contents/team.yml"), Fault::Status(502), 3);
    work_on(&house).await;
    assert!(house.repo.own_runs().is_empty(), "{:?}", house.repo.own_runs());
    assert_eq!(house.only_pull().labels, ["team"]);
    house.world.github.assert_clean();
}
