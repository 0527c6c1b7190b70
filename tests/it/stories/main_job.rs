//! The main job: a push ends in a pull request.

use world::registry::{Behaviour, Credentials, Links};

use super::house::House;

const DOCKERFILE: &str = "# the shop\nFROM REGISTRY/library/nginx:1.25-alpine\nCOPY . /\n";

#[tokio::test]
async fn a_push_ends_in_a_verified_pull_request_whose_checks_start() {
    let house = House::with(&[("README.md", "hello")]).await;
    house.settle().await;
    assert!(house.repo.pulls().is_empty());
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert_eq!(house.plain(&pull.title), "Update registry.example/library/nginx from 1.25-alpine to 1.27-alpine");
    assert_eq!((pull.state, pull.base.as_str(), pull.verified), ("open", "main", true));
    let changed = house.repo.read_file(&pull.head_sha, "Dockerfile").expect("the file");
    assert_eq!(house.plain(&changed), "# the shop\nFROM registry.example/library/nginx:1.27-alpine\nCOPY . /\n");
    assert!(house.repo.conclude_checks(&pull.head_sha, "success") > 0, "the repository's own CI has started");
    house.settle().await;
    insta::assert_snapshot!("pull-request-body", house.plain(&pull.body));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_no_webhook_told_is_found_at_start_and_once_a_day() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.world.github.drop_waiting();
    house.settle().await;
    assert!(house.plain(&house.only_pull().title).ends_with("to 1.27-alpine"), "found at start");
    house.push("compose.yaml", "services: {web: {image: 'REGISTRY/library/nginx:1.25-alpine'}}");
    house.world.github.drop_waiting();
    house.later(25).await;
    let pull = house.only_pull();
    let compose = house.repo.read_file(&pull.head_sha, "compose.yaml").expect("the file");
    assert!(compose.contains("nginx:1.27-alpine"), "the push that nobody told is found a day later: {compose}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn all_sites_of_an_image_move_together_and_keep_their_bytes() {
    let compose = "services:\r\n  web:\r\n    image: 'REGISTRY/library/nginx:1.25-alpine' # 1.25-alpine\r\n";
    let house = House::with(&[]).await;
    house.push("Dockerfile", DOCKERFILE);
    house.push("deploy/compose.yaml", compose);
    house.push(
        "k8s/app.yaml",
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: REGISTRY/library/nginx:1.25-alpine",
    );
    house.settle().await;
    let pull = house.only_pull();
    let read = |path| house.plain(&house.repo.read_file(&pull.head_sha, path).expect("the file"));
    assert_eq!(
        read("deploy/compose.yaml"),
        "services:\r\n  web:\r\n    image: 'registry.example/library/nginx:1.27-alpine' # 1.27-alpine\r\n"
    );
    assert!(read("k8s/app.yaml").ends_with("- image: registry.example/library/nginx:1.27-alpine"));
    assert!(read("Dockerfile").contains("nginx:1.27-alpine"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_same_plan_again_does_nothing_and_unread_files_cost_nothing() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.only_pull();
    house.world.github.clear_requests();
    house.world.registry.clear_requests();
    house.push("src/main.rs", "fn main() {}");
    house.settle().await;
    let github = &house.world.github;
    for method in ["POST", "PATCH", "PUT", "DELETE"] {
        assert_eq!(github.count(method, "/repos/"), 0, "no {method}: {:?}", github.requests());
    }
    assert_eq!(github.count("GET", "/git/blobs/"), 0, "no file that could name an image was touched");
    assert_eq!(house.world.registry.count("GET", "tags/list"), 0, "the list of tags is still good");
    github.assert_clean();
}

#[tokio::test]
async fn a_newer_tag_updates_the_same_pull_request() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.world.registry.push("library/nginx", "1.28-alpine");
    house.later(7).await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("to 1.28-alpine"), "{}", pull.title);
    let changed = house.repo.read_file(&pull.head_sha, "Dockerfile").expect("the file");
    assert!(changed.contains("nginx:1.28-alpine"));
    assert_eq!(
        house.repo.messages(&pull.head).len(),
        house.repo.messages("main").len() + 1,
        "one commit on the branch"
    );
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_update_no_longer_wanted_is_closed_with_a_sentence() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let pull = house.only_pull();
    house.push("Dockerfile", &DOCKERFILE.replace("1.25", "1.27"));
    house.settle().await;
    assert_eq!(house.only_pull().state, "closed");
    let comments = house.repo.read_comments(pull.number);
    assert_eq!(comments.len(), 1);
    assert!(comments[0].starts_with("Restow closes this"), "{comments:?}");
    assert!(!house.repo.branches().contains(&pull.head));
    // It is not taken for a person's refusal: wanted again, it is proposed again.
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    assert_eq!(house.open().len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_digest_moves_with_its_tag_and_a_rebuilt_tag_is_refreshed() {
    let house = House::with(&[]).await;
    let old = house.world.registry.push("library/nginx", "1.27");
    house.push("Dockerfile", &format!("FROM REGISTRY/library/nginx:1.27@{old}\n"));
    house.settle().await;
    assert!(house.repo.pulls().is_empty(), "it is the newest");
    let new = house.world.registry.push("library/nginx", "1.27");
    house.later(7).await;
    let pull = house.only_pull();
    let changed = house.repo.read_file(&pull.head_sha, "Dockerfile").expect("the file");
    assert!(changed.ends_with(&format!("nginx:1.27@{new}\n")), "{changed}");
    assert!(pull.title.contains("newest build"), "{}", pull.title);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn rules_are_obeyed_and_wrong_rules_change_nothing() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), (".github/restow.yml", "ignroe: {}\n")]).await;
    house.settle().await;
    assert!(house.repo.pulls().is_empty(), "without valid rules nothing is done");
    house.push(".github/restow.yml", "allow: [patch, digest]\n");
    house.settle().await;
    assert!(house.repo.pulls().is_empty(), "a minor update is not allowed");
    house.push(".github/restow.yml", "pin: true\n");
    house.settle().await;
    let pull = house.only_pull();
    let changed = house.repo.read_file(&pull.head_sha, "Dockerfile").expect("the file");
    assert!(changed.contains("nginx:1.27-alpine@sha256:"), "{changed}");
    house.push(".github/restow.yml", "enabled: false\n");
    house.settle().await;
    assert_eq!(house.only_pull().state, "closed");
    house.repo.read_comments(pull.number);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn many_unknown_files_are_read_as_one_tarball_and_modes_are_kept() {
    let world_files: Vec<(String, String)> =
        (0..60).map(|n| (format!("images/{n}/Dockerfile"), format!("{DOCKERFILE}# {n}\n"))).collect();
    let files: Vec<(&str, &str)> = world_files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let house = House::with(&files).await;
    house.settle().await;
    assert_eq!(house.world.github.count("GET", "/tarball/"), 1);
    let pull = house.only_pull();
    assert_eq!(house.repo.diff(pull.number).matches("\n+FROM ").count(), 60);
    assert_eq!(house.repo.file_mode(&pull.head_sha, "images/7/Dockerfile").as_deref(), Some("100644"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_registry_that_does_not_answer_holds_only_its_own_images() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), ("b/Dockerfile", "FROM 127.0.0.1:1/x:1\n")]).await;
    house.settle().await;
    assert_eq!(house.open().len(), 1);
    // Nor is what is open closed because its registry is away for a while.
    house.world.registry.behave(|behaviour| behaviour.refusals = vec![(503, None); 200]);
    house.later(7).await;
    assert_eq!(house.open().len(), 1);
    house.world.github.assert_clean();
}

/// The whole way through a registry of one behaviour: a pinned image, moved to the newest tag with its digest.
async fn check_registry(behaviour: Behaviour) {
    let label = format!("{behaviour:?}");
    let house = House::with(&[]).await;
    let old = house.world.registry.push("library/nginx", "1.25-alpine");
    let new = house.world.registry.push("library/nginx", "1.27-alpine");
    house.world.registry.behave(|now| *now = behaviour);
    house.push("Dockerfile", &format!("FROM REGISTRY/library/nginx:1.25-alpine@{old}\n"));
    house.settle().await;
    let pulls = house.repo.pulls();
    let [pull] = pulls.as_slice() else { panic!("{label}: {pulls:?}") };
    let changed = house.repo.read_file(&pull.head_sha, "Dockerfile").expect("the file");
    assert!(changed.ends_with(&format!("nginx:1.27-alpine@{new}\n")), "{label}: {changed}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn registries_as_they_really_are() {
    let usual = Behaviour::default();
    for links in [Links::Relative, Links::Absolute, Links::QueryOnly] {
        check_registry(Behaviour { page_size: Some(2), links, ..usual.clone() }).await;
    }
    let odd = vec![("www-authenticate", "Nonsense"), ("link", "garbage"), ("x-empty", "")];
    check_registry(Behaviour { with_headers: odd, ..usual.clone() }).await;
    check_registry(Behaviour { without_headers: vec!["docker-content-digest", "content-type"], ..usual.clone() }).await;
    for token_seconds in [0, 1, 300] {
        let paged = Behaviour { page_size: Some(2), token_seconds, ..usual.clone() };
        check_registry(Behaviour { asks_for: Credentials::Bearer, ..paged }).await;
    }
}

#[tokio::test]
async fn a_registry_that_is_away_for_a_moment_is_asked_again_soon() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.world.registry.behave(|behaviour| behaviour.refusals = vec![(503, None), (503, None)]);
    house.settle().await;
    assert!(house.repo.pulls().is_empty());
    house.later(1).await;
    assert_eq!(house.open().len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn workflow_files_are_left_alone_without_the_permission() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.world.registry.push_all("library/redis", &["7.0", "7.2"]);
    house.world.github.set_permission(house.installation, "workflows", "");
    let workflow = "env:\n  # restow: image=REGISTRY/library/redis\n  REDIS: \"7.0\"\n";
    house.push(".github/workflows/ci.yml", workflow);
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.contains("nginx"), "{}", pull.title);
    let everything = restow::store::AuditFilter { limit: 50, ..Default::default() };
    let audit = house.app.services().store.audit(&everything).await.expect("the audit");
    let told = audit.iter().any(|one| one.act == "hold" && one.rule.contains("\"Workflows: read and write\""));
    assert!(told, "what to do stands with the hold: {audit:#?}");
    house.world.github.set_permission(house.installation, "workflows", "write");
    house.later(7).await;
    assert_eq!(house.open().len(), 2, "{:?}", house.open());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_place_that_cannot_be_rewritten_keeps_no_other_back_and_is_said() {
    let house = House::with(&[("README.md", "x")]).await;
    house.world.registry.push_all("library/other", &["1.25-alpine"]);
    house.settle().await;
    let shared = "ARG V=1.25-alpine\nFROM REGISTRY/library/nginx:${V}\nFROM REGISTRY/library/other:${V}\n";
    house.push("shared/Dockerfile", shared);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    let diff = house.repo.diff(pull.number);
    assert!(diff.contains("+FROM") && !diff.contains("shared/Dockerfile"), "{diff}");
    assert!(pull.body.contains("**Left as they are**") && pull.body.contains("shared/Dockerfile"), "{}", pull.body);
    house.world.github.clear_requests();
    house.later(7).await;
    assert_eq!(house.world.github.count("POST", "/git/"), 0, "nothing is pushed again");
    assert_eq!(house.world.github.count("PATCH", "/pulls/"), 0, "nor written again");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_unchanged_repository_costs_one_request_a_day() {
    let house = House::with(&[("Dockerfile", "FROM REGISTRY/library/nginx:1.27-alpine\n")]).await;
    house.settle().await;
    house.later(1).await;
    house.world.github.clear_requests();
    for _ in 0..72 {
        house.later(1).await;
    }
    let asked = house.world.github.requests();
    let about_it: Vec<_> = asked.iter().filter(|one| one.path.starts_with("/repos/acme/shop")).collect();
    assert!(about_it.len() <= 3, "{about_it:?}");
    // Two a day are the organisation's: the list of its repositories, and its file.
    let others: Vec<_> = asked.iter().filter(|one| !one.path.starts_with("/app")).collect();
    assert!(others.len() <= 9, "{others:?}");
    house.world.github.assert_clean();
}
