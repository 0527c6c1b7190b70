//! Amazon ECR: EventBridge's event, bare (an API destination) or as the `Message` of an SNS notification.
//!
//! ```json
//! {"id": "…", "detail-type": "ECR Image Action", "account": "123456789012", "region": "eu-central-1",
//!   "detail": {"result": "SUCCESS", "action-type": "PUSH", "repository-name": "shop", "image-tag": "1.2",
//!     "image-digest": "sha256:…"}}
//! {"Type": "Notification", "MessageId": "…", "Message": "{…}"}
//! {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.eu-central-1.amazonaws.com/?…"}
//! ```
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Host, Notification, Push, Told, Unreadable, digest, host, image, json, tag};

/// Where SNS wants a subscription to be confirmed: `https://sns.REGION.amazonaws.com/…`, and nowhere else. It holds the
/// subscription's token, so only its host is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubscribeUrl(Url);

/// An address that is not SNS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SubscribeURL does not lead to https://sns.REGION.amazonaws.com/")]
pub struct InvalidSubscribeUrl;

impl SubscribeUrl {
    /// Reads an address of SNS.
    pub fn parse(text: &str) -> Result<Self, InvalidSubscribeUrl> {
        let url = Url::parse(text).map_err(|_| InvalidSubscribeUrl)?;
        let plain =
            url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.password().is_none();
        let host = url.host_str().unwrap_or_default();
        let domain = host.strip_suffix(".cn").unwrap_or(host);
        let region = domain.strip_prefix("sns.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
        if plain && region.is_some_and(is_region) { Ok(Self(url)) } else { Err(InvalidSubscribeUrl) }
    }

    /// The address itself.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Its host.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl fmt::Debug for SubscribeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubscribeUrl").field(&self.host()).finish()
    }
}

impl TryFrom<String> for SubscribeUrl {
    type Error = InvalidSubscribeUrl;
    fn try_from(text: String) -> Result<Self, InvalidSubscribeUrl> {
        Self::parse(&text)
    }
}

impl From<SubscribeUrl> for String {
    fn from(url: SubscribeUrl) -> String {
        url.0.into()
    }
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The two envelopes' fields; which one it is, `Type` says.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "MessageId")]
    id: Option<String>,
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    id: Option<String>,
    #[serde(rename = "detail-type")]
    kind: String,
    account: String,
    region: String,
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    result: Option<String>,
    action_type: Option<String>,
    repository_name: Option<String>,
    image_tag: Option<String>,
    image_digest: Option<String>,
}

pub(super) fn read(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let envelope: Envelope = json(body)?;
    match envelope.kind.as_deref() {
        None => event(body, registry),
        Some("Notification") => {
            let message = envelope.message.ok_or_else(|| Unreadable::because("Message is missing"))?;
            Ok(with_id(event(message.as_bytes(), registry)?, envelope.id))
        }
        Some("SubscriptionConfirmation") => {
            let url = SubscribeUrl::parse(envelope.subscribe_url.as_deref().unwrap_or_default());
            url.map(Told::Subscription).map_err(|error| Unreadable(error.to_string()))
        }
        Some("UnsubscribeConfirmation") => Ok(Told::nothing(envelope.id)),
        Some(_) => Err(Unreadable::because("its Type is none of SNS")),
    }
}

/// SNS's own id stays the same when SNS sends a message again.
fn with_id(told: Told, id: Option<String>) -> Told {
    match told {
        Told::Pushed(notification) => Told::Pushed(Notification { id: id.or(notification.id), ..notification }),
        Told::Subscription(url) => Told::Subscription(url),
    }
}

fn event(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let event: Event = json(body)?;
    let detail = &event.detail;
    let pushed = event.kind == "ECR Image Action"
        && detail.action_type.as_deref() == Some("PUSH")
        && detail.result.as_deref() == Some("SUCCESS");
    if !pushed {
        return Ok(Told::nothing(event.id));
    }
    let image = image(&host(registry, &ecr_host(&event)?)?, detail.repository_name.as_deref().unwrap_or_default())?;
    let push = Push { image, tag: tag(detail.image_tag.as_deref()), digest: digest(detail.image_digest.as_deref()) };
    Ok(Told::pushed(event.id, [push], 0))
}

fn ecr_host(event: &Event) -> Result<String, Unreadable> {
    let is_account = event.account.len() == 12 && event.account.bytes().all(|b| b.is_ascii_digit());
    if !is_account || !is_region(&event.region) {
        return Err(Unreadable::because("account or region is none of AWS"));
    }
    let china = if event.region.starts_with("cn-") { ".cn" } else { "" };
    Ok(format!("{}.dkr.ecr.{}.amazonaws.com{china}", event.account, event.region))
}
