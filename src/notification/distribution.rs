//! CNCF Distribution, and GitLab's registry, which is one: `{"events": [{"id", "action", "target", …}]}`.
//!
//! Blobs are told too, and each platform's manifest by its digest alone; only what has a tag matters here.
//!
//! <https://distribution.github.io/distribution/about/notifications/>

use serde::Deserialize;

use super::{Bounded, Host, Push, Told, Unreadable, digest, image, json, tag};

#[derive(Deserialize)]
struct Envelope {
    events: Bounded<Event>,
}

#[derive(Deserialize)]
struct Event {
    id: Option<String>,
    action: Option<String>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

pub(super) fn read(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let Bounded { items, left_out } = json::<Envelope>(body)?.events;
    let registry = registry.ok_or_else(|| Unreadable::because("the hook has no registry"))?;
    let id = own_id(&items, left_out);
    let pushed = items.into_iter().filter(|event| event.action.as_deref() == Some("push"));
    let manifests = pushed.filter_map(|event| event.target).filter(is_manifest);
    let pushes: Result<Vec<Push>, Unreadable> = manifests.map(|target| push(registry, &target)).collect();
    Ok(Told::pushed(id, pushes?, left_out))
}

/// An envelope has no id of its own; it is named by all of its events, or not at all.
fn own_id(events: &[Event], left_out: usize) -> Option<String> {
    let ids: Option<Vec<&str>> = events.iter().map(|event| event.id.as_deref().filter(|id| !id.is_empty())).collect();
    ids.filter(|ids| !ids.is_empty() && left_out == 0).map(|ids| ids.join(" "))
}

fn is_manifest(target: &Target) -> bool {
    let media_type = target.media_type.as_deref().unwrap_or_default();
    media_type.contains(".manifest.") || media_type.contains(".image.index.")
}

fn push(registry: &Host, target: &Target) -> Result<Push, Unreadable> {
    let image = image(registry, target.repository.as_deref().unwrap_or_default())?;
    Ok(Push { image, tag: tag(target.tag.as_deref()), digest: digest(target.digest.as_deref()) })
}
