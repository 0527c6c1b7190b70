//! Azure Container Registry.
//!
//! ```json
//! {"id": "…", "action": "push", "target": {"repository": "shop", "tag": "1.2", "digest": "sha256:…"},
//!   "request": {"host": "acme.azurecr.io"}}
//! ```
//!
//! <https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference>

use serde::Deserialize;

use super::{Host, Push, Told, Unreadable, digest, host, image, json, tag};

#[derive(Deserialize)]
struct Body {
    id: Option<String>,
    action: String,
    target: Option<Target>,
    request: Option<Request>,
}

#[derive(Deserialize)]
struct Target {
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    host: Option<String>,
}

pub(super) fn read(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let body: Body = json(body)?;
    // `ping` tries the address; `delete`, `quarantine` and charts bring no image.
    if body.action != "push" {
        return Ok(Told::nothing(body.id));
    }
    let target = body.target.ok_or_else(|| Unreadable::because("target is missing"))?;
    let told = body.request.and_then(|request| request.host).unwrap_or_default();
    let image = image(&host(registry, &told)?, target.repository.as_deref().unwrap_or_default())?;
    let push = Push { image, tag: tag(target.tag.as_deref()), digest: digest(target.digest.as_deref()) };
    Ok(Told::pushed(body.id, [push], 0))
}
