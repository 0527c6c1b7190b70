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
mod alias;
mod attestation;
mod authorize;
mod blob;
mod challenge;
mod client;
mod cloud;
mod content;
mod credentials;
mod dates;
mod docker_config;
mod error;
mod exchange;
mod host;
mod manifest;
mod probe;
mod quirks;
mod referrers;
mod settings;
mod subscription;
mod tags;
mod token;
mod transport;

pub use address::{AllowedAddress, InvalidAddress, NameLookup};
pub use alias::{Alias, InvalidAlias};
pub use attestation::{Attestation, Carrier, Layer, Part, Wanted, attestations_tag, referrers_tag};
pub use client::{PackageToken, Registries};
pub use cloud::{AwsIdentity, AwsKeys, AzureIdentity, Endpoints, Provider};
pub use content::{CONFIG_LIMIT, Content, Description};
pub use dates::TagStory;
pub use error::RegistryError;
pub use host::{Limit, Quota};
pub use manifest::{Manifest, Pointed};
pub use probe::Probe;
pub use referrers::Referrers;
pub use settings::{
    ClientCertificate, Credential, DockerHelpers, InvalidPair, Proxy, RealmPair, RegistrySettings, Secret, Timeouts,
};
pub use tags::{Completeness, TagList, Upload};
