//! Container registries: which tags an image has, and what a tag points at now.
//!
//! Registry hosts come out of repository content, so everything about them is hostile: where a name leads is checked
//! after its resolution and on every redirect, credentials go to the host they were configured for, every answer is
//! bounded. One registry's trouble is that registry's alone: limits and concurrency are kept per host.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use restow::image::{ImageName, Tag};
//! use restow::registry::{Registries, RegistrySettings};
//! let registries = Registries::new(RegistrySettings::default())?;
//! let nginx = ImageName::parse("nginx")?;
//! let list = registries.tags(&nginx).await?;
//! let digest = registries.digest(&nginx, &Tag::parse("1.25")?).await?;
//! # Ok(()) }
//! ```

mod address;
mod challenge;
mod client;
mod docker_config;
mod error;
mod host;
mod manifest;
mod probe;
mod subscription;
mod tags;
mod token;

pub use address::{AllowedAddress, InvalidAddress};
pub use client::{Credential, RealmPair, Registries, RegistrySettings, Secret, Timeouts};
pub use error::RegistryError;
pub use manifest::Manifest;
pub use probe::{Probe, Quota, Referrers};
pub use tags::{Completeness, TagList};
