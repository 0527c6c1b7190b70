//! Docker Hub: `{"push_data": {"tag": "latest", …}, "repository": {"repo_name": "acme/shop", …}}`.
//!
//! <https://docs.docker.com/docker-hub/repos/manage/webhooks/>

use serde::Deserialize;

use super::{Host, Push, Told, Unreadable, host, image, json, tag};

#[derive(Deserialize)]
struct Body {
    push_data: PushData,
    repository: Repository,
}

#[derive(Deserialize)]
struct PushData {
    tag: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    repo_name: String,
}

pub(super) fn read(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let body: Body = json(body)?;
    let image = image(&host(registry, "docker.io")?, &body.repository.repo_name)?;
    let push = Push { image, tag: tag(body.push_data.tag.as_deref()), digest: None };
    Ok(Told::pushed(None, [push], 0))
}
