//! What registries tell by themselves: notifications that an image was pushed, one file per kind.
//!
//! Pure, and everything in a notification is hostile: sizes are bounded, what cannot be a name is refused. A
//! notification is a hint where to look, never a fact: what a tag points at is asked of the registry.

mod acr;
mod bounded;
mod distribution;
mod docker_hub;
mod ecr;
mod gar;
mod ghcr;
mod harbor;
mod host;
mod quay;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::image::{Digest, ImageName, Tag};

pub use ecr::{InvalidSubscribeUrl, SubscribeUrl};
pub use host::{Host, InvalidHost};

use bounded::Bounded;

/// The most pushes that are taken from one notification.
pub const MOST_PUSHES: usize = 100;

/// Who sends a notification, and so what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Docker Hub's webhooks.
    DockerHub,
    /// GitHub's events `registry_package` and `package`.
    Ghcr,
    /// Harbor's webhooks, in either payload format.
    Harbor,
    /// Quay's repository notifications.
    Quay,
    /// Azure Container Registry's webhooks.
    Acr,
    /// Google Artifact Registry, by a push subscription of Pub/Sub.
    Gar,
    /// Amazon ECR, by EventBridge, bare or through SNS.
    Ecr,
    /// GitLab's registry, which speaks as [`Kind::Distribution`] does.
    Gitlab,
    /// CNCF Distribution (`registry:2`).
    Distribution,
}

impl Kind {
    /// The kind's name in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DockerHub => "docker-hub",
            Self::Ghcr => "ghcr",
            Self::Harbor => "harbor",
            Self::Quay => "quay",
            Self::Acr => "acr",
            Self::Gar => "gar",
            Self::Ecr => "ecr",
            Self::Gitlab => "gitlab",
            Self::Distribution => "distribution",
        }
    }

    /// Whether its notifications do not say by which host images name the registry.
    fn needs_registry(self) -> bool {
        match self {
            Self::Harbor | Self::Gitlab | Self::Distribution => true,
            Self::DockerHub | Self::Ghcr | Self::Quay | Self::Acr | Self::Gar | Self::Ecr => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One that sends notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    kind: Kind,
    registry: Option<Host>,
}

/// A sender of this kind does not say which registry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} does not say by which host images name it: set registry")]
pub struct MissingRegistry(Kind);

impl Sender {
    /// GitHub, through the App's own webhook.
    pub const GITHUB: Self = Self { kind: Kind::Ghcr, registry: None };

    /// A sender whose images belong to `registry`, whatever it says itself.
    ///
    /// # Errors
    /// Where `registry` is missing and this kind's notifications do not name it.
    pub fn new(kind: Kind, registry: Option<Host>) -> Result<Self, MissingRegistry> {
        if registry.is_none() && kind.needs_registry() {
            Err(MissingRegistry(kind))
        } else {
            Ok(Self { kind, registry })
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Reads what it sent.
    ///
    /// # Errors
    /// The body is not what this kind sends.
    pub fn read(&self, body: &[u8]) -> Result<Told, NotOfKind> {
        let registry = self.registry.as_ref();
        let told = match self.kind {
            Kind::DockerHub => docker_hub::read(body, registry),
            Kind::Ghcr => ghcr::read(body, registry),
            Kind::Harbor => harbor::read(body, registry),
            Kind::Quay => quay::read(body, registry),
            Kind::Acr => acr::read(body, registry),
            Kind::Gar => gar::read(body, registry),
            Kind::Ecr => ecr::read(body, registry),
            Kind::Gitlab | Kind::Distribution => distribution::read(body, registry),
        };
        told.map_err(|Unreadable(reason)| NotOfKind { kind: self.kind, reason })
    }
}

/// What a sender says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Images were pushed, or nothing that matters happened.
    Pushed(Notification),
    /// SNS asks whether its messages are wanted.
    Subscription(SubscribeUrl),
}

/// Pushes that one message tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notification {
    /// The message's own id, the same when it is sent again.
    pub id: Option<String>,
    /// What was pushed, each once; at most [`MOST_PUSHES`].
    pub pushes: Vec<Push>,
    /// How many more it told.
    pub left_out: usize,
}

/// A manifest that was pushed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Push {
    /// The image.
    pub image: ImageName,
    /// The tag it was pushed under, where there is one and it is told.
    pub tag: Option<Tag>,
    /// Its digest, where it is told.
    pub digest: Option<Digest>,
}

/// A body that is not what its sender's kind sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no notification of kind {kind}: {reason}; is the hook's kind that of the registry? docs/operations.md lists them"
)]
pub struct NotOfKind {
    kind: Kind,
    reason: String,
}

/// Why a body cannot be read; quotes nothing of it.
#[derive(Debug, PartialEq, Eq)]
struct Unreadable(String);

impl Unreadable {
    fn because(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

impl Told {
    /// A message about something else.
    fn nothing(id: Option<String>) -> Self {
        Self::Pushed(Notification { id, ..Notification::default() })
    }

    /// A message about these, of which `left_out` more were not read.
    fn pushed(id: Option<String>, pushes: impl IntoIterator<Item = Push>, left_out: usize) -> Self {
        let pushes: BTreeSet<Push> = pushes.into_iter().collect();
        let left_out = left_out + pushes.len().saturating_sub(MOST_PUSHES);
        Self::Pushed(Notification { id, pushes: pushes.into_iter().take(MOST_PUSHES).collect(), left_out })
    }
}

/// Reads JSON; of serde's words only the place and the missing field, which are not the sender's.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        let what = match error.classify() {
            serde_json::error::Category::Data if text.starts_with("missing field") => {
                text.split(" at line").next().unwrap_or_default().to_owned()
            }
            serde_json::error::Category::Data => "a field has an unexpected form".to_owned(),
            _ => "not JSON".to_owned(),
        };
        Unreadable(format!("{what}, at line {} column {}", error.line(), error.column()))
    })
}

/// The image of a repository's path at a host.
fn image(host: &Host, repository: &str) -> Result<ImageName, Unreadable> {
    let name = ImageName::parse(&format!("{host}/{repository}"));
    name.map_err(|_| Unreadable::because("the repository's name is no image's name"))
}

/// The host, where `registry` does not say it.
fn host(registry: Option<&Host>, told: &str) -> Result<Host, Unreadable> {
    match registry {
        Some(registry) => Ok(registry.clone()),
        None => Host::parse(told).map_err(|_| Unreadable::because("the registry's name is no host")),
    }
}

/// A tag; registries write digests and nothing there, too.
fn tag(text: Option<&str>) -> Option<Tag> {
    Tag::parse(text?).ok()
}

fn digest(text: Option<&str>) -> Option<Digest> {
    Digest::parse(text?).ok()
}
