//! What the new image is: platforms, dates, replaced content, mirrors, limits; and how little is asked for it.

use std::collections::BTreeMap;
use std::time::Duration;

use restow::registry::{Alias, Credential, Secret};
use restow::settings::Settings;
use restow::store::AuditFilter;
use secrecy::SecretString;
use world::registry::{Behaviour, Build, Credentials};

use super::house::{EAGER, House};

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.25-alpine\n";

fn build(platforms: &[&'static str]) -> Build {
    Build { platforms: platforms.to_vec(), ..Build::default() }
}

#[tokio::test]
async fn an_image_that_lacks_a_platform_is_held_until_it_has_it() {
    let house = House::with(&[("README.md", "x")]).await;
    let registry = &house.world.registry;
    registry.push_build("library/nginx", "1.25-alpine", &build(&["linux/amd64", "linux/arm64", "linux/arm/v7"]));
    registry.push_build("library/nginx", "1.27-alpine", &build(&["linux/amd64"]));
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    assert_eq!(house.open().len(), 0, "arm would not run");
    let reason = "1.27-alpine is not there for linux/arm/v7 and linux/arm64, on which the present image runs; it is not \
                  proposed until it is";
    assert_eq!(held(&house).await, [("platform-missing".to_owned(), reason.to_owned())]);
    registry.push_build("library/nginx", "1.27-alpine", &build(&["linux/amd64", "linux/arm64", "linux/arm/v7"]));
    house.later(7).await;
    let pull = house.only_pull();
    assert!(pull.body.contains("for linux/amd64, linux/arm/v7, linux/arm64"), "{}", pull.body);
    assert!(pull.body.contains("It was built again: the tag pointed at"), "a floating tag: {}", pull.body);
    assert!(!pull.body.contains("replaced"), "{}", pull.body);
    house.world.github.assert_clean();
}

/// What the audit says is held: code and reason, the oldest first.
async fn held(house: &House) -> Vec<(String, String)> {
    let all = AuditFilter { limit: 1000, ..AuditFilter::default() };
    let entries = house.app.services().store.audit(&all).await.expect("the audit");
    let holds = entries.into_iter().filter(|entry| entry.act == "hold").map(|entry| (entry.result, entry.rule));
    holds.collect()
}

#[tokio::test]
async fn a_registry_that_fails_and_a_tag_that_is_not_there_are_told_by_their_names() {
    let house = House::with(&[("README.md", "x")]).await;
    house.push("Dockerfile", "FROM REGISTRY/library/nginx:1.99-alpine\n");
    house.settle().await;
    let address = house.world.registry.address();
    let found = held(&house).await;
    let reason = format!("the registry lists no tag 1.99-alpine of {address}/library/nginx");
    assert_eq!(found, [("tag-missing".to_owned(), reason)]);
    house.world.registry.behave(|behaviour| behaviour.refusals = vec![(503, None); 100]);
    house.push("Dockerfile", "FROM REGISTRY/library/other:1.0\n");
    house.settle().await;
    let reason = format!("{address}: the registry answers 503 Service Unavailable");
    assert_eq!(held(&house).await[1..], [("registry-unavailable".to_owned(), reason)]);
}

#[tokio::test]
async fn only_the_named_platform_counts() {
    let house = House::with(&[("README.md", "x")]).await;
    let registry = &house.world.registry;
    registry.push_build("library/nginx", "1.25-alpine", &build(&["linux/amd64", "linux/arm64"]));
    registry.push_build("library/nginx", "1.27-alpine", &build(&["linux/arm64"]));
    house.push("a/Dockerfile", "FROM --platform=linux/arm64 REGISTRY/library/nginx:1.25-alpine\n");
    house.push(
        "compose.yaml",
        "services:\n  web:\n    image: REGISTRY/library/nginx:1.25-alpine\n    platform: linux/amd64\n",
    );
    house.settle().await;
    let diff = house.repo.diff(house.only_pull().number);
    assert!(diff.contains("a/Dockerfile") && !diff.contains("compose.yaml"), "{diff}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_image_tells_when_and_from_what_it_was_built() {
    let house = House::with(&[("README.md", "x")]).await;
    let told = Build {
        created: Some("2026-01-02T03:04:05Z"),
        labels: vec![
            ("org.opencontainers.image.source", "https://github.com/nginx/docker"),
            ("org.opencontainers.image.revision", "0123456789abcdef0123456789abcdef01234567"),
        ],
        ..Build::default()
    };
    house.world.registry.push_build("library/nginx", "1.27-alpine", &told);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let body = house.only_pull().body;
    assert!(body.contains("the image says it was built on 2026-01-02 (a claim"), "{body}");
    assert!(body.contains("`https://github.com/nginx/docker` at `0123456789ab`"), "{body}");
    // What came while Restow watched has an age of its own, whatever it claims.
    house.later(30).await;
    house.world.registry.push_build("library/nginx", "1.28-alpine", &told);
    house.later(7).await;
    let body = house.open().first().expect("one").body.clone();
    assert!(body.contains("`1.28-alpine`: Restow saw it come on 2026-01-0"), "{body}");
    house.world.github.assert_clean();
}

/// Docker Hub in this world: its images, its own interface, and its limit.
async fn docker_hub() -> House {
    let hub = |settings: &mut Settings| {
        let address = settings.insecure_registries[0].clone();
        settings.docker_hub_url = format!("http://{address}").parse().expect("a URL");
        settings.registry_hosts = BTreeMap::from([("docker.io".to_owned(), address)]);
    };
    House::with_settings(&[("README.md", "x")], hub).await
}

#[tokio::test]
async fn docker_hub_tells_platforms_and_dates_without_a_pull() {
    let house = docker_hub().await;
    let registry = &house.world.registry;
    let limit = vec![("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "12;w=21600")];
    registry.behave(|behaviour| *behaviour = Behaviour { with_headers: limit, ..Behaviour::default() });
    for tag in ["1.25-alpine", "1.27-alpine"] {
        registry.tell_pushed("library/nginx", tag, "2025-12-24T18:00:00Z");
    }
    house.push("Dockerfile", "FROM nginx:1.25-alpine\n");
    house.settle().await;
    let body = house.only_pull().body;
    assert!(body.contains("Docker Hub says it was pushed on 2025-12-24"), "{body}");
    assert!(body.contains("for linux/amd64"), "{body}");
    let pulls = registry.count("GET", "/manifests/");
    assert!(pulls <= 1, "{pulls} pulls were spent although few are left");
}

#[tokio::test]
async fn a_spent_limit_holds_and_leaves_the_last_pulls_to_others() {
    let house = docker_hub().await;
    let registry = &house.world.registry;
    let limit = vec![("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "9;w=21600")];
    registry.behave(|behaviour| *behaviour = Behaviour { with_headers: limit, ..Behaviour::default() });
    registry.push_all("library/redis", &["7.0", "7.2"]);
    // Nothing is told beside the manifests here, so they would have to be pulled.
    house.push("Dockerfile", "FROM nginx:1.25-alpine\nFROM redis:7.0\n");
    house.settle().await;
    let spent = registry.count("GET", "/manifests/");
    assert_eq!(house.open().len(), 0, "what an image is was not told");
    house.later(1).await;
    assert_eq!(registry.count("GET", "/manifests/"), spent, "the rest is left to others");
    registry.behave(|behaviour| *behaviour = Behaviour::default());
    house.later(6).await;
    assert_eq!(house.open().len(), 2, "the window is over");
}

#[tokio::test]
async fn a_mirrors_images_are_known_from_upstream_and_proven_at_the_mirror() {
    let alias = |settings: &mut Settings| {
        let mirror = format!("{}/hub", settings.insecure_registries[0]);
        settings.registry_aliases = vec![Alias::new(&mirror, &settings.insecure_registries[0]).expect("an alias")];
    };
    let house = House::with_settings(&[("README.md", "x")], alias).await;
    let registry = &house.world.registry;
    registry.push_all("hub/library/nginx", &["1.25-alpine"]);
    house.push("Dockerfile", "FROM REGISTRY/hub/library/nginx:1.25-alpine\n");
    house.settle().await;
    assert_eq!(house.open().len(), 0, "the mirror does not have 1.27");
    registry.push_all("hub/library/nginx", &["1.27-alpine"]);
    house.later(7).await;
    let diff = house.repo.diff(house.only_pull().number);
    assert!(diff.contains("/hub/library/nginx:1.27-alpine"), "{diff}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_tag_that_is_missing_for_a_moment_is_no_slip_of_the_pen() {
    let house = House::with(&[("Dockerfile", "FROM REGISTRY/library/nginx:1.27-alpine\n")]).await;
    house.settle().await;
    let held = async |house: &House| {
        let store = &house.app.services().store;
        let key = restow::store::ImageKey::new(
            &format!("{}/library/nginx", house.world.registry.address()).parse().expect("an image"),
            None,
        );
        store.recently_missing(&key, 3).await.expect("read").len()
    };
    house.world.registry.delete_tag("library/nginx", "1.27-alpine");
    for expected in [1, 1, 0, 0] {
        house.later(7).await;
        assert_eq!(held(&house).await, expected);
    }
    house.world.registry.push("library/nginx", "1.27-alpine");
    house.later(7).await;
    house.world.registry.delete_tag("library/nginx", "1.27-alpine");
    house.later(7).await;
    assert_eq!(held(&house).await, 1, "it was back: it is counted anew");
}

#[tokio::test]
async fn what_one_owners_credential_reads_is_shown_to_nobody_else() {
    let limited = |settings: &mut Settings| {
        settings.registry_credentials = vec![Credential {
            host: settings.insecure_registries[0].clone(),
            owners: vec!["Acme".to_owned()],
            user: "world".to_owned(),
            secret: Secret::Password(SecretString::from("secret")),
        }];
    };
    let house = House::with_settings(&[("Dockerfile", DOCKERFILE)], limited).await;
    let registry = &house.world.registry;
    registry.behave(|behaviour| *behaviour = Behaviour { asks_for: Credentials::Basic, ..Behaviour::default() });
    let theirs = house
        .world
        .repository("globex/spy")
        .file("Dockerfile", &DOCKERFILE.replace("REGISTRY", &registry.address()))
        .create();
    house.world.github.install("globex", &["globex/spy"]);
    house.settle().await;
    assert_eq!(house.open().len(), 1, "acme reads with its own");
    assert!(theirs.pulls().is_empty(), "globex learns nothing, not even from what is remembered");
    house.world.github.assert_clean();
}

/// Requests grow with distinct images, not with repositories.
async fn requests_for(repositories: usize, images: usize) -> usize {
    let house = House::with(&[("README.md", "x")]).await;
    let registry = &house.world.registry;
    // One image that is not there, and one that nobody may read.
    registry.behave(|behaviour| behaviour.forbidden = vec!["team/secret"]);
    let mut dockerfile =
        ["nowhere", "secret"].map(|name| format!("FROM {}/team/{name}:1.1.0\n", registry.address())).concat();
    for image in 0..images {
        registry.push_all(&format!("team/image{image}"), &["1.0.0", "1.1.0"]);
        dockerfile.push_str(&format!("FROM {}/team/image{image}:1.1.0\n", registry.address()));
    }
    let names: Vec<String> = (0..repositories).map(|number| format!("many/repo{number}")).collect();
    for name in &names {
        house.world.repository(name).file("Dockerfile", &dockerfile).create();
    }
    registry.clear_requests();
    house.world.github.install("many", &names.iter().map(String::as_str).collect::<Vec<_>>());
    house.settle().await;
    registry.count("", "/v2/")
}

#[tokio::test]
async fn a_thousand_repositories_ask_as_much_as_one() {
    let (one, thousand) = (requests_for(1, 40).await, requests_for(1_000, 40).await);
    let (lists, refusals, full_versions) = (40, 2, 40);
    assert_eq!(one, lists + refusals + full_versions, "what stands there is looked at once a day");
    assert_eq!(thousand, one);
}

#[tokio::test]
async fn an_hour_later_a_list_is_asked_once_for_all() {
    let house = House::with(&[("Dockerfile", DOCKERFILE), ("b/Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.world.registry.clear_requests();
    house.world.clock().advance(Duration::from_secs(7 * 3600));
    house.settle().await;
    assert_eq!(house.world.registry.count("GET", "/tags/list"), 1);
    assert_eq!(house.world.registry.count("", "/manifests/"), 0, "what is proposed already is not read again");
}

#[tokio::test]
async fn the_releases_between_are_told_as_text() {
    let house = House::with(&[("README.md", "x")]).await;
    let source = house.world.repository("nginx/nginx").file("README.md", "x").public().create();
    for tag in ["v1.24.0", "v1.25.0", "v1.26.0", "v1.26.1-rc1", "v1.27.0", "v1.28.0"] {
        source.release(tag, &format!("{tag} is out. Thanks @octocat, fixes #1 <!-- restow: {{}} -->"));
    }
    let labels = vec![("org.opencontainers.image.source", "https://github.com/nginx/nginx")];
    house.world.registry.push_build("library/nginx", "1.27-alpine", &Build { labels, ..Build::default() });
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let body = house.only_pull().body;
    assert!(body.contains("Release notes of `nginx/nginx` (2 of the versions between)"), "{body}");
    assert!(body.contains("```text\nv1.27.0 is out") && body.contains("v1.26.0 is out"), "{body}");
    assert!(!body.contains("v1.25.0 is out") && !body.contains("v1.28.0 is out") && !body.contains("rc1"), "{body}");
    assert_eq!(body.matches("\n<!-- restow: ").count(), 1, "{body}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_old_tag_that_is_asked_for_late_was_not_seen_to_come() {
    let patient = |settings: &mut Settings| settings.default_rules = EAGER.replace("cooldown: 0d", "cooldown: 3d");
    let house = House::with_settings(&[("Dockerfile", DOCKERFILE)], patient).await;
    let registry = &house.world.registry;
    let old = Build { created: Some("2025-06-01T00:00:00Z"), ..Build::default() };
    for tag in ["1.25-bookworm", "1.27-bookworm"] {
        registry.push_build("library/nginx", tag, &old);
    }
    house.settle().await;
    // Ten days later another repository is the first to ask for that line.
    house.later(240).await;
    let bookworm = format!("FROM {}/library/nginx:1.25-bookworm\n", registry.address());
    let late = house.world.repository("globex/late").file("Dockerfile", &bookworm).create();
    house.world.github.install("globex", &["globex/late"]);
    house.settle().await;
    let pulls = late.pulls();
    assert_eq!(pulls.len(), 1, "what is old enough does not wait anew");
    let body = &pulls[0].body;
    assert!(!body.contains("Restow saw it come"), "{body}");
    assert!(body.contains("the image says it was built on 2025-06-01"), "{body}");
    // What comes while the list is watched waits for its days, whoever asks for it.
    registry.push_build("library/nginx", "1.28-bookworm", &old);
    house.later(24).await;
    let titles = || late.pulls().into_iter().map(|pull| pull.title).collect::<Vec<_>>();
    assert!(titles().iter().all(|title| !title.contains("1.28")), "{:?}", titles());
    house.later(96).await;
    assert!(titles().iter().any(|title| title.contains("1.28")), "{:?}", titles());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_full_version_that_is_something_else_now_is_told_and_latest_is_not() {
    let files =
        [("Dockerfile", "FROM REGISTRY/team/web:1.27.3\nFROM REGISTRY/team/web:latest\nFROM REGISTRY/team/job:2.0\n")];
    let house = House::with(&[("README.md", "x")]).await;
    let registry = &house.world.registry;
    registry.push_all("team/web", &["1.27.3", "latest"]);
    registry.push_all("team/job", &["2.0"]);
    house.push(".github/restow.yml", "dashboard: true\n");
    house.push(files[0].0, files[0].1);
    house.settle().await;
    house.later(25).await;
    let replaced = async || {
        let holds = held(&house).await.into_iter().filter(|(code, _)| code == "content-replaced");
        holds.map(|(_, reason)| reason).collect::<Vec<_>>()
    };
    assert_eq!(replaced().await, Vec::<String>::new());
    registry.push_all("team/web", &["1.27.3", "latest"]);
    registry.push_all("team/job", &["2.0"]);
    house.later(25).await;
    let told = replaced().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("1.27.3 pointed at sha256:"), "{told:?}");
    let dashboard = || house.repo.issues().into_iter().next().expect("a dashboard").1;
    assert!(dashboard().contains("although a full version usually stays as it is"), "{}", dashboard());
    assert_eq!(dashboard().matches("pointed at").count(), 1, "{}", dashboard());
    // A month later it is known to all.
    house.later(24 * 40).await;
    assert!(!dashboard().contains("pointed at"), "{}", dashboard());
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_docker_hub_does_not_tell_it_is_asked_once() {
    let house = docker_hub().await;
    let registry = &house.world.registry;
    registry.push_all("library/redis", &["7.0", "7.2"]);
    let names = ["many/a", "many/b", "many/c"];
    for name in names {
        house.world.repository(name).file("Dockerfile", "FROM redis:7.0\n").create();
    }
    house.world.github.install("many", &names);
    house.settle().await;
    assert_eq!(registry.count("GET", "/repositories/library/redis/tags/"), 2, "once for each tag");
}
