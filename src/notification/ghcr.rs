//! GitHub's container registry: the events `registry_package` and `package`, which differ in one key.
//!
//! ```json
//! {"action": "published", "registry_package": {"name": "shop", "package_type": "CONTAINER", "owner": {"login": "acme"},
//!   "package_version": {"version": "sha256:…", "package_url": "ghcr.io/acme/shop:1.2",
//!     "container_metadata": {"tag": {"name": "1.2", "digest": "sha256:…"}}}}}
//! ```
//!
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads#registry_package>

use serde::Deserialize;

use super::{Host, Push, Told, Unreadable, digest, host, image, json, tag};
use crate::image::ImageName;

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    action: String,
    registry_package: Option<Package>,
    package: Option<Package>,
    /// GitHub tries the address.
    zen: Option<String>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    package_type: String,
    owner: Option<Owner>,
    package_version: Option<Version>,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

#[derive(Deserialize)]
struct Version {
    version: Option<String>,
    package_url: Option<String>,
    container_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    tag: Option<MetadataTag>,
}

#[derive(Deserialize)]
struct MetadataTag {
    name: Option<String>,
    digest: Option<String>,
}

pub(super) fn read(body: &[u8], registry: Option<&Host>) -> Result<Told, Unreadable> {
    let body: Body = json(body)?;
    let Some(package) = body.registry_package.or(body.package) else {
        return match body.zen {
            Some(_) => Ok(Told::nothing(None)),
            None => Err(Unreadable::because("neither registry_package nor package is there")),
        };
    };
    let is_image = package.package_type.eq_ignore_ascii_case("container");
    if !is_image || !matches!(body.action.as_str(), "published" | "updated") {
        return Ok(Told::nothing(None));
    }
    let image = name(&package, registry)?;
    let version = package.package_version;
    let named = version.as_ref().and_then(|version| version.container_metadata.as_ref()?.tag.as_ref());
    let tag = tag(named.and_then(|named| named.name.as_deref()));
    let digest = digest(named.and_then(|named| named.digest.as_deref()))
        .or_else(|| digest(version.as_ref().and_then(|version| version.version.as_deref())));
    Ok(Told::pushed(None, [Push { image, tag, digest }], 0))
}

/// The name in `package_url`, which says the host of an Enterprise Server too; else that of the owner's package.
fn name(package: &Package, registry: Option<&Host>) -> Result<ImageName, Unreadable> {
    let address = package.package_version.as_ref().and_then(|version| version.package_url.as_deref());
    let path = address.and_then(|address| address.split_once('/'));
    if let Some((told, path)) = path {
        let path = path.split(['@', ':']).next().unwrap_or_default();
        return image(&host(registry, told)?, &path.to_ascii_lowercase());
    }
    let owner = package.owner.as_ref().ok_or_else(|| Unreadable::because("the package has no owner"))?;
    let path = format!("{}/{}", owner.login, package.name);
    image(&host(registry, "ghcr.io")?, &path.to_ascii_lowercase())
}
