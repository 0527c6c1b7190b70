//! Google Artifact Registry: Pub/Sub's push envelope, whose `data` is base64 of the message.
//!
//! ```json
//! {"message": {"messageId": "…", "data": "…"}, "subscription": "projects/acme/subscriptions/restow"}
//! {"action": "INSERT", "digest": "europe-docker.pkg.dev/acme/web/shop@sha256:…", "tag": "europe-docker.pkg.dev/acme/web/shop:1.2"}
//! ```
//!
//! <https://cloud.google.com/artifact-registry/docs/configure-notifications>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Host, Push, Told, Unreadable, image, json};
use crate::image::Reference;

#[derive(Deserialize)]
struct Envelope {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    data: String,
    #[serde(rename = "messageId")]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    action: String,
    digest: Option<String>,
    tag: Option<String>,
}

pub(super) fn read(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let message = json::<Envelope>(body)?.message;
    let data = STANDARD.decode(message.data).map_err(|_| Unreadable::because("the message's data is not base64"))?;
    let data: Data = json(&data)?;
    if data.action != "INSERT" {
        return Ok(Told::nothing(message.id));
    }
    let (tagged, content) = (reference(data.tag.as_deref())?, reference(data.digest.as_deref())?);
    let named = tagged.as_ref().or(content.as_ref()).ok_or_else(|| Unreadable::because("it names no image"))?;
    let image = match registry {
        Some(registry) => image(registry, named.image().repository())?,
        None => named.image().clone(),
    };
    let tag = tagged.as_ref().and_then(|reference| reference.tag().cloned());
    let digest = content.as_ref().and_then(|reference| reference.digest().cloned());
    Ok(Told::pushed(message.id, [Push { image, tag, digest }], 0))
}

fn reference(text: Option<&str>) -> Result<Option<Reference>, Unreadable> {
    let wrong = |_| Unreadable::because("what it names is no image");
    text.filter(|text| !text.is_empty()).map(Reference::parse).transpose().map_err(wrong)
}
