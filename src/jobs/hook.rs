//! A registry's notification → what is stored of it, and the jobs it asks for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::kind::{confirm_job, look_up_job};
use crate::image::{Digest, ImageName, Tag};
use crate::notification::{Notification, Push, Sender, Told};
use crate::repo::Moment;
use crate::store::{Delivery, NewJob};
use crate::web::Malformed;

/// The event under which a hook's deliveries are stored.
const EVENT: &str = "registry-push";
/// A longer id of a sender's is hashed.
const LONGEST_ID: usize = 100;
/// Images that a delivery's summary names.
const IMAGES_SHOWN: usize = 10;
const MINUTE_MS: i64 = 60_000;

/// Reads what a registry sent to the hook of this name; its secret was checked before.
///
/// # Errors
/// The body is not what the hook's kind sends.
pub fn hook_intake(
    hook: &str,
    sender: &Sender,
    body: &[u8],
    now: Moment,
) -> Result<(Delivery, Vec<NewJob>), Malformed> {
    match sender.read(body).map_err(|error| Malformed::new(error.to_string()))? {
        Told::Pushed(notification) => {
            let id = delivery_id(hook, notification.id.as_deref(), body, now);
            let jobs = look_up_jobs(&notification, now);
            let images: BTreeSet<&ImageName> = notification.pushes.iter().map(|push| &push.image).collect();
            let images: Vec<_> = images.into_iter().take(IMAGES_SHOWN).collect();
            Ok((delivery(id, json!({ "hook": hook, "images": images })), jobs))
        }
        Told::Subscription(url) => {
            let id = delivery_id(hook, None, body, now);
            tracing::warn!(host = url.host(), "SNS asks whether its messages are wanted; a job confirms it");
            Ok((delivery(id, json!({ "hook": hook, "subscription": url.host() })), vec![confirm_job(hook, &url, now)]))
        }
    }
}

/// One job for each image, with the tags that were pushed.
pub(super) fn look_up_jobs(notification: &Notification, now: Moment) -> Vec<NewJob> {
    if notification.left_out > 0 {
        tracing::warn!(left_out = notification.left_out, "the notification names more than is taken from one");
    }
    let mut images: BTreeMap<&ImageName, BTreeSet<Tag>> = BTreeMap::new();
    for push in notification.pushes.iter().filter(|push| may_matter(push)) {
        images.entry(&push.image).or_default().extend(push.tag.clone());
    }
    images.into_iter().map(|(image, tags)| look_up_job(image, &tags, now)).collect()
}

/// A manifest that is only told by its digest is a part of another, which has the tag.
fn may_matter(push: &Push) -> bool {
    push.tag.is_some() || push.digest.is_none()
}

fn delivery(id: String, summary: serde_json::Value) -> Delivery {
    Delivery { id, event: EVENT.to_owned(), action: None, installation: None, repo: None, summary }
}

/// The sender's id, so that what it sends again does nothing. Without one, equal bodies within a minute are one: a
/// later push of the same tag counts.
fn delivery_id(hook: &str, id: Option<&str>, body: &[u8], now: Moment) -> String {
    let hashed = |bytes: &[u8]| Digest::sha256_of(bytes).hex().to_owned();
    match id.filter(|id| !id.is_empty()) {
        Some(id) if id.len() <= LONGEST_ID && id.bytes().all(|b| b.is_ascii_graphic()) => format!("hook:{hook}:{id}"),
        Some(id) => format!("hook:{hook}:{}", hashed(id.as_bytes())),
        None => format!("hook:{hook}:{}:{}", hashed(body), now.0.div_euclid(MINUTE_MS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::{Host, Kind};

    const NOW: Moment = Moment(1_800_000_000_000);

    fn quay(tags: &[&str]) -> String {
        json!({ "docker_url": "quay.io/acme/shop", "updated_tags": tags }).to_string()
    }

    fn taken(kind: Kind, body: &str, now: Moment) -> (Delivery, Vec<NewJob>) {
        let sender = Sender::new(kind, Host::parse("registry.example.com").ok()).expect("a sender");
        hook_intake("main", &sender, body.as_bytes(), now).expect("readable")
    }

    #[track_caller]
    fn check_same(one: (&str, Moment), other: (&str, Moment), same: bool) {
        let id = |(body, now)| taken(Kind::Quay, body, now).0.id;
        assert_eq!(id(one) == id(other), same, "{one:?} {other:?}");
    }

    #[test]
    fn without_an_id_the_body_and_the_minute_are_one() {
        let (latest, other) = (quay(&["latest"]), quay(&["1.2"]));
        check_same((&latest, NOW), (&latest, NOW.plus_ms(59_999)), true);
        check_same((&latest, NOW), (&latest, NOW.plus_ms(60_000)), false);
        check_same((&latest, NOW), (&other, NOW), false);
    }

    #[test]
    fn an_id_of_the_senders_own_counts_for_ever_and_for_its_hook() {
        let check = |id: &str, expected: &str| {
            let body = json!({ "action": "ping", "id": id }).to_string();
            assert_eq!(taken(Kind::Acr, &body, NOW).0.id, expected);
        };
        check("cb8c3971", "hook:main:cb8c3971");
        let hash = Digest::sha256_of(b"a b");
        check("a b", &format!("hook:main:{}", hash.hex()));
    }

    #[test]
    fn the_tags_of_an_image_are_one_job() {
        let (delivery, jobs) = taken(Kind::Quay, &quay(&["1.2", "latest", "1.2"]), NOW);
        assert_eq!(delivery.summary["images"], json!(["registry.example.com/acme/shop"]));
        let keys: Vec<_> = jobs.iter().map(|job| (job.kind.as_str(), job.dedupe_key.as_str())).collect();
        assert_eq!(keys, [("look-up", "registry.example.com/acme/shop 1.2 latest")]);
        let many: Vec<String> = (0..90).map(|n| format!("{}{n}", "x".repeat(100))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(taken(Kind::Quay, &quay(&many), NOW).1[0].dedupe_key.len() < 400);
    }

    #[test]
    fn a_manifest_without_a_tag_asks_for_nothing() {
        let target = json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "repository": "acme/shop",
            "digest": Digest::sha256_of(b"x") });
        let body = json!({ "events": [{ "id": "a", "action": "push", "target": target }] }).to_string();
        assert_eq!(taken(Kind::Distribution, &body, NOW).1, []);
    }

    #[test]
    fn a_subscription_is_confirmed_by_a_job() {
        let body = json!({ "Type": "SubscriptionConfirmation", "MessageId": "m",
            "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Token=t" });
        let (delivery, jobs) = taken(Kind::Ecr, &body.to_string(), NOW);
        assert_eq!(delivery.summary["subscription"], "sns.eu-central-1.amazonaws.com");
        assert!(!delivery.summary.to_string().contains("Token"));
        assert_eq!(jobs.iter().map(|job| job.kind.as_str()).collect::<Vec<_>>(), ["confirm"]);
    }
}
