//! Several base branches: each is read, planned and watched for itself.

use super::house::House;

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";
const RULES: &str = ".github/restow.yml";
const TWO: &str = "branch: [\"~default\", \"release/*\"]\n";

/// The open pull requests: base, head and title.
fn open(house: &House) -> Vec<(String, String, String)> {
    let mut open: Vec<_> = house.open().into_iter().map(|pull| (pull.base, pull.head, pull.title)).collect();
    open.sort();
    open
}

fn bases(house: &House) -> Vec<String> {
    open(house).into_iter().map(|(base, ..)| base).collect()
}

#[tokio::test]
async fn each_branch_gets_pull_requests_of_its_own() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, TWO)]).await;
    house.world.registry.push("library/nginx", "1.23-alpine");
    let older = DOCKERFILE.replace("REGISTRY", &house.world.registry.address()).replace("1.25", "1.23");
    house.repo.commit_as_person("release/1.0", &[("Dockerfile", &older)], "released");
    house.settle().await;
    let all = open(&house);
    let [main, release] = &all[..] else { panic!("{all:?}") };
    assert_eq!((main.0.as_str(), release.0.as_str()), ("main", "release/1.0"));
    assert!(main.1.starts_with("restow/") && !main.1.starts_with("restow/on/"), "{main:?}");
    assert!(release.1.starts_with("restow/on/release+1.0/"), "{release:?}");
    assert!(main.2.ends_with("from 1.25-alpine to 1.27-alpine"), "{main:?}");
    assert!(release.2.ends_with("from 1.23-alpine to 1.27-alpine (release/1.0)"), "{release:?}");
    // What is refused on one branch is still wanted on the other.
    let number = house.open().into_iter().find(|pull| pull.base == "release/1.0").expect("one").number;
    house.repo.close_pull(number);
    house.settle().await;
    house.later(24).await;
    assert_eq!(bases(&house), ["main"]);
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(24).await;
    assert_eq!(bases(&house), ["main", "release/1.0"], "the next version is offered");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_push_to_a_branch_is_read_and_one_that_nobody_named_is_not() {
    let house = House::with(&[("README.md", "x"), (RULES, TWO)]).await;
    house.repo.commit_as_person("release/1.0", &[("notes.md", "x")], "released");
    house.settle().await;
    house.world.github.clear_requests();
    let dockerfile = DOCKERFILE.replace("REGISTRY", &house.world.registry.address());
    house.repo.commit_as_person("feature/x", &[("Dockerfile", &dockerfile)], "work");
    house.settle().await;
    assert_eq!(house.world.github.count("", "/repos/"), 0, "{:?}", house.world.github.requests());
    house.repo.commit_as_person("release/1.0", &[("Dockerfile", &dockerfile)], "an image");
    house.settle().await;
    assert_eq!(bases(&house), ["release/1.0"]);
    // The configuration of another branch than the default one is nobody's.
    house.repo.commit_as_person("release/1.0", &[(RULES, "enabled: false\n")], "off");
    house.settle().await;
    assert_eq!(bases(&house), ["release/1.0"]);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_branch_that_leaves_the_rules_or_the_repository_takes_its_pull_requests_with_it() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, TWO)]).await;
    for branch in ["release/1", "release/2"] {
        house.repo.commit_as_person(branch, &[("notes.md", branch)], "released");
    }
    house.settle().await;
    assert_eq!(bases(&house), ["main", "release/1", "release/2"]);
    house.push(RULES, "branch: [main, \"release/2\"]\n");
    house.settle().await;
    assert_eq!(bases(&house), ["main", "release/2"]);
    let closed = house.repo.pulls().into_iter().find(|pull| pull.base == "release/1").expect("one");
    let said = house.repo.read_comments(closed.number).join("\n");
    assert!(said.contains("`release/1` is no longer among the branches"), "{said}");
    house.push(RULES, "branch: [\"release/*\"]\n");
    house.settle().await;
    assert_eq!(bases(&house), ["release/1", "release/2"], "withdrawn is not refused: it comes again");
    let main = house.repo.pulls().into_iter().find(|pull| pull.base == "main").expect("one");
    let said = house.repo.read_comments(main.number).join("\n");
    assert!(said.contains("none of the branches that are kept up to date (.github/restow.yml, line 1)"), "{said}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn limits_count_over_all_branches_and_rules_may_name_one() {
    let rules = format!(
        "{TWO}limits: {{open: 1}}\nrules:\n  - match: {{branch: \"release/*\"}}\n    allow: [patch]\n    labels: [backport]\n"
    );
    let house = House::with(&[("Dockerfile", DOCKERFILE), (RULES, &rules)]).await;
    house.world.registry.push_all("library/redis", &["7.0.1", "7.0.2", "7.2.0"]);
    let redis = format!("FROM {}/library/redis:7.0.1\n", house.world.registry.address());
    house.repo.commit_as_person("release/1.0", &[("Dockerfile", &redis)], "released");
    house.settle().await;
    assert_eq!(bases(&house), ["release/1.0"], "one is the limit, and a patch comes first");
    let pull = &house.open()[0];
    assert!(pull.title.ends_with("from 7.0.1 to 7.0.2 (release/1.0)"), "{}", pull.title);
    assert_eq!(pull.labels, ["backport"]);
    house.repo.merge_pull(pull.number);
    house.settle().await;
    assert_eq!(bases(&house), ["main"]);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn more_than_ten_branches_are_left_out_and_named() {
    let house = House::with(&[("README.md", "x"), (RULES, &format!("{TWO}dashboard: true\n"))]).await;
    let dockerfile = DOCKERFILE.replace("REGISTRY", &house.world.registry.address());
    for number in 1..=12 {
        house.repo.commit_as_person(&format!("release/{number}"), &[("Dockerfile", &dockerfile)], "released");
    }
    house.settle().await;
    assert_eq!(bases(&house).len(), 10);
    assert!(!bases(&house).contains(&"release/2".to_owned()), "the newest are kept: {:?}", bases(&house));
    let dashboard = house.repo.issues()[0].1.clone();
    assert!(dashboard.contains("`release/2`: `more branches match"), "{dashboard}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_branchs_own_checks_merge_it() {
    let house = House::with(&[("README.md", "x"), (RULES, &format!("{TWO}automerge: true\n"))]).await;
    house.repo.commit_as_person("release/1.0", &[("notes.md", "x")], "released");
    let dockerfile = DOCKERFILE.replace("REGISTRY", &house.world.registry.address());
    house.repo.commit_as_person("release/1.0", &[("Dockerfile", &dockerfile)], "an image");
    house.settle().await;
    let pull = house.only_pull();
    house.repo.conclude_checks(&pull.head_sha, "success");
    house.settle().await;
    house.minutes(3).await;
    assert_eq!(house.only_pull().state, "merged");
    assert!(house.world.github.count("GET", "/rules/branches/release/1.0") > 0);
    house.world.github.assert_clean();
}
