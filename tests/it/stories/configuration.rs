//! What becomes of the files that hold the rules: read or not, mistaken, changed by a pull request.

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

#[tokio::test]
async fn a_pull_request_is_told_what_itself_would_change_and_no_more() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "allow: [patch]\n")]).await;
    house.settle().await;
    house.repo.commit_as_person("older", &[("notes.md", "x")], "notes");
    // The rules change on main after the branch was made.
    house.push(RULES, "allow: [minor]\n");
    house.settle().await;
    house.repo.open_pull("older", "main", "Notes");
    house.settle().await;
    assert!(house.repo.own_runs().is_empty(), "{:?}", house.repo.own_runs());
    let open = house.open().into_iter().find(|pull| pull.head.starts_with("restow/")).expect("one");
    house.repo.commit_as_person("off", &[(RULES, "enabled: false\n")], "off");
    house.repo.open_pull("off", "main", "Off");
    house.settle().await;
    let runs = house.repo.own_runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!((runs[0].conclusion.as_str(), runs[0].title.as_str()), ("success", "1 pull request would close"));
    assert!(runs[0].summary.contains(&open.head), "{}", runs[0].summary);
    assert_eq!(house.repo.pull(open.number).state, "open", "it is only foreseen");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_is_foreseen_leaves_nothing_behind() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "dashboard: true\n")]).await;
    house.settle().await;
    let pull = house.only_pull();
    // Nobody tells Restow that it was closed, and a box is ticked while a change of the rules is looked at.
    house.repo.close_pull(pull.number);
    let (number, text, _) = house.repo.issues()[0].clone();
    house.repo.edit_issue(number, "mona", &text.replacen("[ ] rebase it", "[x] rebase it", 1));
    house.world.github.drop_waiting();
    house.repo.commit_as_person("rules", &[(RULES, "dashboard: true\nallow: [patch]\n")], "less");
    house.repo.open_pull("rules", "main", "Less");
    house.settle().await;
    assert_eq!(house.repo.own_runs().len(), 1);
    let id = restow::repo::RepoId(house.repo.id());
    let store = &house.app.services().store;
    assert!(store.ignores(id, house.app.services().clock.now()).await.expect("ignores").is_empty());
    let rows = store.pulls(id).await.expect("pulls");
    let row = rows.iter().find(|row| row.number.is_some_and(|one| one.0 == pull.number)).expect("its row");
    assert_eq!((row.state.as_str(), row.notes.get("rebase")), ("open", None));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_mistake_is_told_at_the_commit_that_brought_it_in_its_own_file() {
    let yaml = ".github/restow.yaml";
    let house = House::with(&[("README.md", "x"), (yaml, "allow: [patch]\n")]).await;
    house.settle().await;
    let brought = house.repo.commit_as_person("main", &[(yaml, "allow: [patch]\nrebase: sometimes\n")], "slip");
    house.push("notes.md", "later");
    house.settle().await;
    let runs = house.repo.own_runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(runs[0].sha, brought, "not the newest commit");
    assert_eq!((runs[0].annotations[0].0.as_str(), runs[0].annotations[0].1, runs[0].columns[0]), (yaml, 2, 9));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_issue_of_mistakes_follows_them_and_is_closed_when_they_are_mended() {
    let house = House::with(&[("README.md", "x")]).await;
    house.world.github.set_permission(house.installation, "checks", "read");
    house.push(RULES, "labls: [x]\n");
    house.settle().await;
    assert!(house.repo.issues()[0].1.contains("did you mean `labels`?"), "{:?}", house.repo.issues());
    house.push(RULES, "rebase: sometimes\n");
    house.settle().await;
    let issues = house.repo.issues();
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert!(issues[0].1.contains("no way to rebase") && !issues[0].1.contains("labls"), "{issues:?}");
    house.push(RULES, "rebase: never\n");
    house.settle().await;
    assert!(house.repo.issues().is_empty(), "{:?}", house.repo.issues());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn without_the_permission_for_checks_a_comment_tells_what_a_pull_request_would_change() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, "allow: [patch]\n")]).await;
    house.world.github.set_permission(house.installation, "checks", "read");
    house.settle().await;
    house.repo.commit_as_person("rules", &[(RULES, "alow: [minor]\n")], "slip");
    let number = house.repo.open_pull("rules", "main", "More updates");
    house.settle().await;
    let said = house.repo.read_comments(number);
    assert!(said.len() == 1 && said[0].contains("did you mean `allow`?"), "{said:?}");
    assert!(house.repo.issues().is_empty(), "a pull request's mistake is not the repository's");
    house.repo.commit_as_person("rules", &[(RULES, "allow: [minor]\n")], "mended");
    house.settle().await;
    let said = house.repo.read_comments(number);
    assert!(said.len() == 1 && said[0].contains("1 pull request would open"), "the same comment: {said:?}");
    house.world.github.assert_clean();
}
