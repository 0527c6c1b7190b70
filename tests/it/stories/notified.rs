//! A registry tells that an image was pushed, and nobody waits for an interval.

use std::collections::BTreeSet;
use std::time::Duration;

use restow::image::{Digest, ImageName};
use restow::registry::Alias;
use restow::settings::Settings;
use restow::store::{JobFilter, NewJob};
use serde_json::{Value, json};
use world::github::{Repository, signature};

use super::house::{HOOK_SECRET, House, SECRET};

const DOCKERFILE: &str = "FROM REGISTRY/library/nginx:1.27-alpine\n";
const HOOK: &str = "/hooks/registry/main";

/// What the registry sends when this was pushed; the event's id is made of it.
fn pushed(repository: &str, tag: &str, digest: &str) -> Value {
    json!({ "events": [{ "id": format!("{repository} {tag} {digest}"), "action": "push",
        "target": { "mediaType": "application/vnd.oci.image.index.v1+json", "repository": repository, "tag": tag,
            "digest": digest } }] })
}

impl House {
    /// A minute later somebody posts this to the server; the answer's status.
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> u16 {
        self.world.clock().advance(Duration::from_secs(60));
        let request = reqwest::Client::new().post(format!("http://{}{path}", self.app.address()));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(body.to_string()).send().await.expect("an answer").status().as_u16()
    }

    async fn notify(&self, body: &Value) {
        assert_eq!(self.post(HOOK, &[("authorization", &format!("Bearer {HOOK_SECRET}"))], body).await, 202);
    }

    /// The same for a tag that is pushed now.
    async fn push_image(&self, repository: &str, tag: &str) -> Value {
        let digest = self.world.registry.push(repository, tag);
        let body = pushed(repository, tag, &digest);
        self.notify(&body).await;
        body
    }

    fn forget_requests(&self) {
        self.world.github.clear_requests();
        self.world.registry.clear_requests();
    }

    /// Requests to the registry: lists of tags, what tags point at, and manifests.
    fn asked(&self) -> (usize, usize, usize) {
        let registry = &self.world.registry;
        let manifests = (registry.count("HEAD", "/manifests/"), registry.count("GET", "/manifests/"));
        (registry.count("GET", "/tags/list"), manifests.0, manifests.1)
    }

    /// Another repository on which the App is installed.
    fn another(&self, name: &str, dockerfile: &str) -> Repository {
        let content = dockerfile.replace("REGISTRY", &self.world.registry.address());
        let repo = self.world.repository(name).file("Dockerfile", &content).create();
        self.world.github.add_repository(self.installation, name);
        repo
    }

    async fn ready(&self, kind: &str) -> usize {
        let jobs = self.app.services().store.jobs(&JobFilter::default()).await.expect("jobs");
        jobs.iter().filter(|job| job.kind == kind).count()
    }
}

#[tokio::test]
async fn a_pushed_tag_is_proposed_at_once_and_costs_few_requests() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    assert!(house.repo.pulls().is_empty(), "it is the newest");
    house.forget_requests();
    house.push_image("library/nginx", "1.28-alpine").await;
    house.settle().await;
    assert!(house.only_pull().title.ends_with("to 1.28-alpine"));
    // The list; what the new and the old tag point at; their indexes, and the image in the new one.
    assert_eq!(house.asked(), (1, 2, 3));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_rebuilt_tag_moves_the_digest_at_once() {
    let house = House::with(&[]).await;
    let old = house.world.registry.push("library/nginx", "1.27");
    house.push("Dockerfile", &format!("FROM REGISTRY/library/nginx:1.27@{old}\n"));
    house.settle().await;
    house.forget_requests();
    let body = house.push_image("library/nginx", "1.27").await;
    house.settle().await;
    let changed = house.repo.read_file(&house.only_pull().head_sha, "Dockerfile").expect("the file");
    let new = body["events"][0]["target"]["digest"].as_str().expect("a digest");
    assert!(changed.ends_with(&format!("nginx:1.27@{new}\n")), "{changed}");
    assert_eq!(house.asked(), (1, 1, 3));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_is_sent_again_does_nothing_and_what_changed_nothing_plans_nothing() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let body = house.push_image("library/nginx", "1.28-alpine").await;
    house.settle().await;
    house.only_pull();
    house.forget_requests();
    house.notify(&body).await;
    assert_eq!(house.ready("look-up").await, 0);
    house.settle().await;
    assert_eq!((house.asked(), house.world.github.requests().len()), ((0, 0, 0), 0), "its id was seen before");
    let mut other_id = body.clone();
    other_id["events"][0]["id"] = json!("another");
    house.notify(&other_id).await;
    house.settle().await;
    assert_eq!((house.asked(), house.world.github.requests().len()), ((1, 1, 0), 0), "asked, found as it was");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn two_tags_that_wait_are_both_looked_up() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.forget_requests();
    house.push_image("library/nginx", "1.27-alpine").await;
    house.push_image("library/nginx", "1.28-alpine").await;
    assert_eq!(house.ready("look-up").await, 2);
    house.settle().await;
    for tag in ["1.27-alpine", "1.28-alpine"] {
        assert_eq!(house.world.registry.count("HEAD", &format!("/manifests/{tag}")), 1, "{tag}");
    }
    house.only_pull();
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_stranger_is_told_nothing_and_changes_nothing() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.forget_requests();
    house.world.registry.push("library/nginx", "1.28-alpine");
    let body = pushed("library/nginx", "1.28-alpine", "");
    for (path, secret) in [(HOOK, "a guess"), (HOOK, ""), ("/hooks/registry/other", HOOK_SECRET)] {
        assert_eq!(house.post(path, &[("authorization", secret)], &body).await, 401, "{path} {secret}");
    }
    assert_eq!(house.post(HOOK, &[("authorization", HOOK_SECRET)], &json!({ "hello": 1 })).await, 400);
    assert_eq!(house.ready("look-up").await, 0);
    house.settle().await;
    assert!(house.repo.pulls().is_empty());
    assert_eq!(house.asked(), (0, 0, 0));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_image_that_nobody_uses_asks_nothing() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.forget_requests();
    house.push_image("library/redis", "7.2").await;
    assert_eq!(house.ready("look-up").await, 1);
    house.settle().await;
    assert_eq!((house.asked(), house.world.github.requests().len()), ((0, 0, 0), 0));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn only_those_that_use_the_image_are_planned() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.world.registry.push_all("library/redis", &["7.2"]);
    let web = house.another("acme/web", DOCKERFILE);
    let api = house.another("acme/api", "FROM REGISTRY/library/redis:7.2\n");
    house.settle().await;
    house.forget_requests();
    house.push_image("library/nginx", "1.28-alpine").await;
    house.settle().await;
    assert_eq!((house.repo.pulls().len(), web.pulls().len(), api.pulls().len()), (1, 1, 0));
    assert!(house.world.github.count("GET", "/repos/acme/web/") > 0);
    assert_eq!(house.world.github.count("GET", "/repos/acme/api/"), 0, "{:?}", house.world.github.requests());
    assert_eq!(house.asked(), (1, 2, 3), "once for both");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn githubs_own_packages_come_by_the_apps_webhook() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let digest = house.world.registry.push("library/nginx", "1.28-alpine");
    let address = format!("{}/library/nginx:1.28-alpine", house.world.registry.address());
    // The port of the simulated registry stands before the path, where an Enterprise Server's host stands.
    let body = json!({ "action": "published", "registry_package": { "name": "nginx", "package_type": "CONTAINER",
        "owner": { "login": "library" }, "package_version": { "version": digest, "package_url": address,
            "container_metadata": { "tag": { "name": "1.28-alpine", "digest": digest } } } } });
    let signed = signature(SECRET, body.to_string().as_bytes());
    for (delivery, signature, status) in [("p1", "sha256=00", 401), ("p1", &signed, 202), ("p1", &signed, 202)] {
        let headers = [
            ("x-github-event", "registry_package"),
            ("x-github-delivery", delivery),
            ("x-hub-signature-256", signature),
        ];
        assert_eq!(house.post("/webhook", &headers, &body).await, status);
    }
    assert_eq!(house.ready("look-up").await, 1);
    house.settle().await;
    assert!(house.only_pull().title.ends_with("to 1.28-alpine"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_registry_that_is_away_is_asked_again() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    house.world.registry.behave(|behaviour| behaviour.refusals = vec![(503, None), (503, None)]);
    house.push_image("library/nginx", "1.28-alpine").await;
    house.app.drain().await.expect("a queue");
    assert!(house.repo.pulls().is_empty());
    house.world.clock().advance(Duration::from_secs(600));
    house.settle().await;
    house.only_pull();
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_look_up_that_is_done_again_tells_its_news_again() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let since = house.world.clock().now_ms();
    let digest = house.world.registry.push("library/nginx", "1.27-alpine");
    house.notify(&pushed("library/nginx", "1.27-alpine", &digest)).await;
    house.settle().await;
    house.forget_requests();
    // The server had died between what it saved and the end of its job.
    let image = format!("{}/library/nginx", house.world.registry.address());
    let again = NewJob {
        kind: "look-up".to_owned(),
        serial_key: image.clone(),
        dedupe_key: image.clone(),
        payload: json!({ "image": image, "tags": ["1.27-alpine"], "since": since }),
        priority: 1,
        run_at: restow::repo::Moment(since),
        max_attempts: 3,
    };
    let next_plan = async || {
        let jobs = house.app.services().store.jobs(&JobFilter::default()).await.expect("jobs");
        jobs.iter().filter(|job| job.kind == "plan").map(|job| job.run_at).min().expect("a plan")
    };
    let before = next_plan().await;
    house.world.clock().advance(Duration::from_secs(60));
    house.app.services().store.enqueue(&again).await.expect("enqueued");
    house.settle().await;
    assert_eq!(house.asked(), (0, 0, 0));
    assert!(next_plan().await > before, "the repository was planned");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_database_that_does_not_know_who_uses_what_learns_it_without_a_push() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let store = &house.app.services().store;
    let image = ImageName::parse(&format!("{}/library/nginx", house.world.registry.address())).expect("an image");
    let row = store.repositories_using(&image).await.expect("listed").pop().expect("one");
    store.save_repository_images(row.id, &BTreeSet::new()).await.expect("saved");
    house.later(25).await;
    assert_eq!(store.repositories_using(&image).await.expect("listed").len(), 1);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_the_notification_says_of_the_digest_is_not_believed() {
    let house = House::with(&[("Dockerfile", DOCKERFILE)]).await;
    house.settle().await;
    let invented = Digest::sha256_of(b"invented");
    house.notify(&pushed("library/nginx", "1.28-alpine", invented.as_str())).await;
    house.settle().await;
    assert!(house.repo.pulls().is_empty(), "the registry has no such tag");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_upstream_publishes_wakes_those_that_name_a_mirror() {
    let alias = |settings: &mut Settings| {
        let mirror = format!("{}/hub", settings.insecure_registries[0]);
        settings.registry_aliases = vec![Alias::new(&mirror, &settings.insecure_registries[0]).expect("an alias")];
    };
    let dockerfile = "FROM REGISTRY/hub/library/nginx:1.27-alpine\n";
    let house = House::with_settings(&[("Dockerfile", dockerfile)], alias).await;
    house.world.registry.push_all("hub/library/nginx", &["1.27-alpine"]);
    house.settle().await;
    assert!(house.repo.pulls().is_empty(), "it is the newest");
    house.world.registry.push("hub/library/nginx", "1.28-alpine");
    house.push_image("library/nginx", "1.28-alpine").await;
    house.settle().await;
    assert!(house.only_pull().title.ends_with("to 1.28-alpine"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_was_missing_is_asked_for_again_once_it_is_pushed() {
    let house = House::with(&[("Dockerfile", "FROM REGISTRY/team/new:1.0\n")]).await;
    house.settle().await;
    assert!(house.repo.pulls().is_empty(), "there is no such image");
    house.world.registry.push("team/new", "1.0");
    house.push_image("team/new", "1.1").await;
    house.settle().await;
    assert!(house.only_pull().title.ends_with("to 1.1"), "a failure is not remembered against the registry's own word");
}
