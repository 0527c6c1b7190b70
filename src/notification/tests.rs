//! Payloads as the vendors document them, and as an enemy would send them.

use base64::Engine;
use serde_json::{Value, json};

use super::*;

const DIGEST: &str = "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd12345678";

fn sender(kind: Kind) -> Sender {
    let registry = kind.needs_registry().then(|| Host::parse("registry.example.com").expect("a host"));
    Sender::new(kind, registry).expect("a sender")
}

/// What is read, a line each: `id | image:tag@digest`.
fn told(sender: &Sender, body: &[u8]) -> Result<Vec<String>, NotOfKind> {
    let Told::Pushed(notification) = sender.read(body)? else { return Ok(vec!["subscription".to_owned()]) };
    let line = |push: &Push| {
        let tag = push.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = push.digest.as_ref().map(|digest| format!("@{}", digest.short())).unwrap_or_default();
        format!("{} | {}{tag}{digest}", notification.id.as_deref().unwrap_or("-"), push.image)
    };
    assert!(notification.pushes.len() <= MOST_PUSHES);
    Ok(notification.pushes.iter().map(line).collect())
}

#[track_caller]
fn check(kind: Kind, body: &Value, expected: &[&str]) {
    assert_eq!(told(&sender(kind), body.to_string().as_bytes()).expect("readable"), expected, "{body}");
}

#[track_caller]
fn check_refused(kind: Kind, body: &Value, says: &str) {
    let error = told(&sender(kind), body.to_string().as_bytes()).expect_err("refused").to_string();
    assert!(error.contains(says) && error.contains(kind.as_str()), "{body}: {error}");
}

fn docker_hub() -> Value {
    json!({
        "callback_url": "https://registry.hub.docker.com/u/svendowideit/testhook/hook/2141b5bi5i5b02bec211i4eeih0242eg11000a/",
        "push_data": { "pushed_at": 1_417_566_161, "pusher": "trustedbuilder", "tag": "latest", "images": ["imagehash1"] },
        "repository": { "comment_count": 0, "date_created": 1_417_494_799, "is_official": false, "is_private": true,
            "name": "testhook", "namespace": "svendowideit", "repo_name": "svendowideit/testhook", "status": "Active" },
    })
}

fn ghcr(key: &str) -> Value {
    json!({
        "action": "published",
        key: { "id": 10696, "name": "shop", "namespace": "Acme/shop", "package_type": "CONTAINER", "ecosystem": "CONTAINER",
            "owner": { "login": "Acme", "id": 1 },
            "package_version": { "id": 24147, "version": DIGEST, "package_url": "ghcr.io/acme/shop:1.2",
                "container_metadata": { "tag": { "name": "1.2", "digest": DIGEST }, "labels": {}, "manifest": {} } },
            "registry": { "name": "GitHub CONTAINER registry", "url": "https://ghcr.io/acme/shop", "vendor": "GitHub Inc" } },
        "repository": { "id": 1, "full_name": "acme/shop" },
    })
}

fn harbor() -> Value {
    json!({
        "type": "PUSH_ARTIFACT", "occur_at": 1_586_922_308, "operator": "admin",
        "event_data": {
            "resources": [{ "digest": DIGEST, "tag": "1.2", "resource_url": "hub.internal/acme/shop:1.2" }],
            "repository": { "date_created": 1_586_922_308, "name": "shop", "namespace": "acme",
                "repo_full_name": "acme/shop", "repo_type": "private" } },
    })
}

fn quay() -> Value {
    json!({
        "name": "shop", "repository": "acme/shop", "namespace": "acme", "docker_url": "quay.io/acme/shop",
        "homepage": "https://quay.io/repository/acme/shop", "updated_tags": ["latest", "1.2"],
    })
}

fn acr() -> Value {
    json!({
        "id": "cb8c3971-9adc-488b-bdd8-43cbb4974ff5", "timestamp": "2017-11-17T16:52:01.343145347Z", "action": "push",
        "target": { "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "size": 524, "digest": DIGEST,
            "length": 524, "repository": "shop", "tag": "v1" },
        "request": { "id": "3cbb6949", "host": "acme.azurecr.io", "method": "PUT", "useragent": "docker" },
    })
}

fn gar(data: &Value) -> Value {
    json!({
        "message": { "attributes": {}, "data": base64::engine::general_purpose::STANDARD.encode(data.to_string()),
            "messageId": "2070443601311540", "message_id": "2070443601311540", "publishTime": "2021-02-26T19:13:55.749Z" },
        "subscription": "projects/acme/subscriptions/restow",
    })
}

fn gar_insert() -> Value {
    gar(&json!({
        "action": "INSERT",
        "digest": format!("europe-docker.pkg.dev/acme/web/shop@{DIGEST}"),
        "tag": "europe-docker.pkg.dev/acme/web/shop:1.1",
    }))
}

fn ecr() -> Value {
    json!({
        "version": "0", "id": "13cde686-328b-6117-af20-0e5566167482", "detail-type": "ECR Image Action", "source": "aws.ecr",
        "account": "123456789012", "time": "2019-11-16T01:54:34Z", "region": "us-west-2", "resources": [],
        "detail": { "result": "SUCCESS", "repository-name": "acme/shop", "image-digest": DIGEST, "action-type": "PUSH",
            "image-tag": "latest" },
    })
}

fn sns(kind: &str, message: &str) -> Value {
    json!({
        "Type": kind, "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "Token": "2336412f37",
        "TopicArn": "arn:aws:sns:us-west-2:123456789012:pushes", "Message": message, "Timestamp": "2012-05-02T00:54:06.655Z",
        "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
    })
}

fn distribution(events: &[Value]) -> Value {
    json!({ "events": events })
}

fn pushed(id: &str, repository: &str, tag: Option<&str>) -> Value {
    json!({
        "id": id, "timestamp": "2006-01-02T15:04:05Z", "action": "push",
        "target": { "mediaType": "application/vnd.oci.image.index.v1+json", "length": 1, "digest": DIGEST,
            "repository": repository, "tag": tag, "url": "http://10.0.0.1:5000/v2/acme/shop/manifests/x" },
        "request": { "host": "10.0.0.1:5000" }, "actor": { "name": "ci" },
    })
}

/// One valid notification of each kind.
fn examples() -> Vec<(Kind, Value)> {
    vec![
        (Kind::DockerHub, docker_hub()),
        (Kind::Ghcr, ghcr("registry_package")),
        (Kind::Harbor, harbor()),
        (Kind::Quay, quay()),
        (Kind::Acr, acr()),
        (Kind::Gar, gar_insert()),
        (Kind::Ecr, ecr()),
        (Kind::Ecr, sns("Notification", &ecr().to_string())),
        (Kind::Gitlab, distribution(&[pushed("a", "acme/shop", Some("1"))])),
        (Kind::Distribution, distribution(&[pushed("a", "acme/shop", Some("1"))])),
    ]
}

#[test]
fn docker_hub_names_image_and_tag() {
    check(Kind::DockerHub, &docker_hub(), &["- | docker.io/svendowideit/testhook:latest"]);
    let mut official = docker_hub();
    official["repository"]["repo_name"] = json!("nginx");
    check(Kind::DockerHub, &official, &["- | docker.io/library/nginx:latest"]);
}

#[test]
fn github_tells_of_packages_under_two_names() {
    for key in ["registry_package", "package"] {
        check(Kind::Ghcr, &ghcr(key), &["- | ghcr.io/acme/shop:1.2@sha256:7f5b264"]);
    }
    let mut untagged = ghcr("package");
    untagged["package"]["package_version"]["container_metadata"]["tag"] = json!({ "name": "", "digest": "" });
    untagged["package"]["package_version"]["package_url"] = Value::Null;
    check(Kind::Ghcr, &untagged, &["- | ghcr.io/acme/shop@sha256:7f5b264"]);
    let mut library = ghcr("package");
    library["package"]["package_type"] = json!("npm");
    check(Kind::Ghcr, &library, &[]);
    check(Kind::Ghcr, &json!({ "zen": "Keep it logically awesome.", "hook_id": 7 }), &[]);
    check_refused(Kind::Ghcr, &json!({ "action": "published" }), "neither");
}

#[test]
fn harbor_speaks_two_formats() {
    check(Kind::Harbor, &harbor(), &["- | registry.example.com/acme/shop:1.2@sha256:7f5b264"]);
    let event = json!({ "specversion": "1.0", "id": "66b1", "source": "/projects/1/webhook/policies/1",
        "type": "harbor.artifact.pushed", "datacontenttype": "application/json", "data": harbor()["event_data"] });
    check(Kind::Harbor, &event, &["66b1 | registry.example.com/acme/shop:1.2@sha256:7f5b264"]);
    let mut untagged = harbor();
    untagged["event_data"]["resources"][0]["tag"] = json!(DIGEST);
    check(Kind::Harbor, &untagged, &["- | registry.example.com/acme/shop@sha256:7f5b264"]);
    check(Kind::Harbor, &json!({ "type": "SCANNING_COMPLETED", "event_data": {} }), &[]);
}

#[test]
fn quay_tells_several_tags() {
    check(Kind::Quay, &quay(), &["- | quay.io/acme/shop:1.2", "- | quay.io/acme/shop:latest"]);
    let own = Sender::new(Kind::Quay, Host::parse("quay.example.com:8443").ok()).expect("a sender");
    let lines = told(&own, quay().to_string().as_bytes()).expect("readable");
    assert_eq!(lines[0], "- | quay.example.com:8443/acme/shop:1.2", "the setting wins over the payload");
}

#[test]
fn azure_tells_more_than_pushes() {
    let line = "cb8c3971-9adc-488b-bdd8-43cbb4974ff5 | acme.azurecr.io/shop:v1@sha256:7f5b264";
    check(Kind::Acr, &acr(), &[line]);
    check(Kind::Acr, &json!({ "id": "1", "action": "ping" }), &[]);
    check(Kind::Acr, &json!({ "id": "1", "action": "delete", "target": {}, "request": {} }), &[]);
    check_refused(Kind::Acr, &json!({ "action": "push" }), "target");
}

#[test]
fn google_wraps_its_message() {
    check(Kind::Gar, &gar_insert(), &["2070443601311540 | europe-docker.pkg.dev/acme/web/shop:1.1@sha256:7f5b264"]);
    let untagged = gar(&json!({ "action": "INSERT", "digest": format!("gcr.io/acme/shop@{DIGEST}") }));
    check(Kind::Gar, &untagged, &["2070443601311540 | gcr.io/acme/shop@sha256:7f5b264"]);
    check(Kind::Gar, &gar(&json!({ "action": "DELETE", "tag": "gcr.io/acme/shop:1" })), &[]);
    check_refused(Kind::Gar, &gar(&json!({ "action": "INSERT" })), "names no image");
    check_refused(Kind::Gar, &json!({ "message": { "data": "%" } }), "base64");
}

#[test]
fn amazon_comes_bare_or_through_sns() {
    let image = "123456789012.dkr.ecr.us-west-2.amazonaws.com/acme/shop:latest@sha256:7f5b264";
    check(Kind::Ecr, &ecr(), &[&format!("13cde686-328b-6117-af20-0e5566167482 | {image}")]);
    let wrapped = sns("Notification", &ecr().to_string());
    check(Kind::Ecr, &wrapped, &[&format!("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324 | {image}")]);
    let mut china = ecr();
    china["region"] = json!("cn-north-1");
    china["id"] = Value::Null;
    check(Kind::Ecr, &china, &["- | 123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/acme/shop:latest@sha256:7f5b264"]);
    let mut failed = ecr();
    failed["detail"]["result"] = json!("FAILURE");
    check(Kind::Ecr, &failed, &[]);
    let mut odd = ecr();
    odd["region"] = json!("evil.example/");
    check_refused(Kind::Ecr, &odd, "account or region");
}

#[test]
fn a_subscription_is_confirmed_at_sns_only() {
    check(Kind::Ecr, &sns("SubscriptionConfirmation", "You have chosen …"), &["subscription"]);
    check(Kind::Ecr, &sns("UnsubscribeConfirmation", "You have chosen …"), &[]);
    for host in ["sns.eu-central-1.amazonaws.com", "sns.cn-north-1.amazonaws.com.cn"] {
        let url = SubscribeUrl::parse(&format!("https://{host}/?Token=hunter2")).expect("an address of SNS");
        assert_eq!(url.host(), host);
        assert!(!format!("{url:?}").contains("hunter2"));
    }
    for wrong in [
        "",
        "http://sns.us-west-2.amazonaws.com/",
        "https://sns.us-west-2.amazonaws.com:8443/",
        "https://user@sns.us-west-2.amazonaws.com/",
        "https://sns.us-west-2.amazonaws.com.evil.example/",
        "https://sns.evil.example/.amazonaws.com/",
        "https://sns.a.b.amazonaws.com/",
        "https://sns..amazonaws.com/",
        "https://sns.amazonaws.com/",
        "https://169.254.169.254/",
    ] {
        let mut message = sns("SubscriptionConfirmation", "");
        message["SubscribeURL"] = json!(wrong);
        check_refused(Kind::Ecr, &message, "SubscribeURL");
    }
}

#[test]
fn distribution_tells_blobs_and_pulls_too() {
    let mut blob = pushed("b", "acme/shop", None);
    blob["target"]["mediaType"] = json!("application/octet-stream");
    let mut pull = pushed("c", "acme/shop", Some("0.9"));
    pull["action"] = json!("pull");
    let events = [pushed("a", "acme/shop", Some("1.2")), blob, pull, pushed("d", "acme/shop", None)];
    for kind in [Kind::Distribution, Kind::Gitlab] {
        let lines = [
            "a b c d | registry.example.com/acme/shop@sha256:7f5b264",
            "a b c d | registry.example.com/acme/shop:1.2@sha256:7f5b264",
        ];
        check(kind, &distribution(&events), &lines);
    }
    check(Kind::Distribution, &distribution(&[]), &[]);
    check_refused(Kind::Distribution, &distribution(&[pushed("a", "Acme Shop", None)]), "no image's name");
    assert!(
        Sender::new(Kind::Distribution, None).is_err(),
        "the host that a registry has for itself is none for others"
    );
}

#[test]
fn what_is_told_twice_counts_once_and_a_flood_is_cut() {
    let twice = [pushed("a", "acme/shop", Some("1")), pushed("a", "acme/shop", Some("1"))];
    check(Kind::Distribution, &distribution(&twice), &["a a | registry.example.com/acme/shop:1@sha256:7f5b264"]);
    let many: Vec<Value> = (0..20_000).map(|n| pushed("x", &format!("acme/shop{n}"), Some("1"))).collect();
    let told = sender(Kind::Distribution).read(distribution(&many).to_string().as_bytes()).expect("readable");
    let Told::Pushed(notification) = told else { panic!("a subscription") };
    assert_eq!((notification.pushes.len(), notification.left_out, notification.id), (100, 19_900, None));
    let mut tags = quay();
    tags["updated_tags"] = (0..5_000).map(|n| json!(format!("{n}"))).collect();
    let told = sender(Kind::Quay).read(tags.to_string().as_bytes()).expect("readable");
    assert!(matches!(told, Told::Pushed(one) if one.pushes.len() == 100 && one.left_out == 4_900));
}

#[test]
fn garbage_is_refused_and_never_repeated() {
    let deep = "[".repeat(100_000);
    for (kind, _) in examples() {
        for garbage in ["", "{", "[]", "null", "{}", "\u{0}", "\"hunter2\"", "{\"hunter2\": 1}", deep.as_str()] {
            let error = told(&sender(kind), garbage.as_bytes()).expect_err(garbage).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(told(&sender(kind), b"\xff\xfe").is_err());
    }
}

#[test]
fn a_broken_off_notification_is_refused() {
    for (kind, example) in examples() {
        let text = example.to_string();
        for end in 0..text.len() {
            assert!(sender(kind).read(&text.as_bytes()[..end]).is_err(), "{kind}: the first {end} bytes");
        }
    }
}

/// The value with each of its parts in turn replaced.
fn spoiled(value: &Value, by: &Value) -> Vec<Value> {
    let mut all = vec![by.clone()];
    match value {
        Value::Object(map) => {
            for (key, part) in map {
                for other in spoiled(part, by) {
                    let mut map = map.clone();
                    map.insert(key.clone(), other);
                    all.push(Value::Object(map));
                }
            }
        }
        Value::Array(list) => {
            for (at, part) in list.iter().enumerate() {
                all.extend(spoiled(part, by).into_iter().map(|other| {
                    let mut list = list.clone();
                    list[at] = other;
                    Value::Array(list)
                }));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    all
}

#[test]
fn every_field_may_hold_anything() {
    let anything =
        [json!(null), json!(-1), json!([]), json!({}), json!(""), json!("a:b@c/../\u{0}\n"), json!("x".repeat(9_000))];
    for (kind, example) in examples() {
        for by in &anything {
            for body in spoiled(&example, by) {
                // Whatever is read is a name by its type; a mistake says nothing of the sender's.
                if let Err(error) = told(&sender(kind), body.to_string().as_bytes()) {
                    assert!(error.to_string().len() < 300, "{error}");
                }
            }
        }
    }
}
