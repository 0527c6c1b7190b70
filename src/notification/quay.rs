//! Quay: `{"docker_url": "quay.io/acme/shop", "updated_tags": ["latest"], …}`; no id, no time, no digest.
//!
//! <https://docs.quay.io/guides/notifications.html>

use serde::Deserialize;

use super::{Bounded, Host, Push, Told, Unreadable, host, image, json, tag};

#[derive(Deserialize)]
struct Body {
    docker_url: String,
    updated_tags: Bounded<String>,
}

pub(super) fn read(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let body: Body = json(body)?;
    let (told, path) =
        body.docker_url.split_once('/').ok_or_else(|| Unreadable::because("docker_url names no repository"))?;
    let image = image(&host(registry, told)?, path)?;
    let pushes = body.updated_tags.items.into_iter().map(|name| Push {
        image: image.clone(),
        tag: tag(Some(&name)),
        digest: None,
    });
    Ok(Told::pushed(None, pushes, body.updated_tags.left_out))
}
