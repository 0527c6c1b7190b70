//! Harbor: its own payload format, and CloudEvents.
//!
//! ```json
//! {"type": "PUSH_ARTIFACT", "event_data": {"repository": {"repo_full_name": "acme/shop"},
//!   "resources": [{"digest": "sha256:…", "tag": "1.2", "resource_url": "harbor.example.com/acme/shop:1.2"}]}}
//! ```
//!
//! <https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/>

use serde::Deserialize;

use super::{Bounded, Host, Push, Told, Unreadable, digest, image, json, tag};

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    /// Of CloudEvents.
    id: Option<String>,
    #[serde(alias = "data")]
    event_data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
    #[serde(default)]
    resources: Bounded<Resource>,
}

#[derive(Deserialize)]
struct Repository {
    repo_full_name: String,
}

#[derive(Deserialize)]
struct Resource {
    digest: Option<String>,
    tag: Option<String>,
}

pub(super) fn read(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let body: Body = json(body)?;
    if !matches!(body.kind.as_str(), "PUSH_ARTIFACT" | "harbor.artifact.pushed") {
        return Ok(Told::nothing(body.id));
    }
    let registry = registry.ok_or_else(|| Unreadable::because("the hook has no registry"))?;
    let data = body.event_data.ok_or_else(|| Unreadable::because("event_data is missing"))?;
    let repository = data.repository.ok_or_else(|| Unreadable::because("the repository is missing"))?;
    let image = image(registry, &repository.repo_full_name)?;
    let pushes = data.resources.items.into_iter().map(|resource| Push {
        image: image.clone(),
        tag: tag(resource.tag.as_deref()),
        digest: digest(resource.digest.as_deref()),
    });
    Ok(Told::pushed(body.id, pushes, data.resources.left_out))
}
