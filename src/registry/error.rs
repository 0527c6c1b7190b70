//! What can go wrong with a registry, in words for a person.

use std::time::Duration;

/// A registry that did not do what it should. `host` is the registry as images name it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It refuses the credentials, or wants some.
    #[error("{host}: {reason}")]
    Unauthorized {
        /// The registry.
        host: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// It has no such image, tag or digest.
    #[error("{what}: not found in the registry")]
    NotFound {
        /// The image with its tag or digest.
        what: String,
    },
    /// It asks to wait.
    #[error("{host}: too many requests, the registry asks to wait {} s", after.as_secs())]
    RateLimited {
        /// The registry.
        host: String,
        /// How long.
        after: Duration,
    },
    /// It cannot be reached, or is out of order.
    #[error("{host}: {reason}")]
    Unavailable {
        /// The registry.
        host: String,
        /// What happened.
        reason: String,
    },
    /// Restow does not ask it: its address, scheme or redirect is not allowed.
    #[error("{host}: {reason}")]
    Refused {
        /// The registry.
        host: String,
        /// What is not allowed, and who may allow it.
        reason: String,
    },
    /// Its answer is not what the protocol says.
    #[error("{host}: {reason}")]
    Invalid {
        /// The registry.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RegistryError {
    /// How long to wait before the next try; zero where it may work at any time; `None` where no try helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { after, .. } => Some(*after),
            Self::Unavailable { .. } => Some(Duration::ZERO),
            Self::Unauthorized { .. } | Self::NotFound { .. } | Self::Refused { .. } | Self::Invalid { .. } => None,
        }
    }

    pub(super) fn unauthorized(host: &str, reason: impl Into<String>) -> Self {
        Self::Unauthorized { host: host.to_owned(), reason: reason.into() }
    }

    pub(super) fn unavailable(host: &str, reason: impl Into<String>) -> Self {
        Self::Unavailable { host: host.to_owned(), reason: reason.into() }
    }

    pub(super) fn refused(host: &str, reason: impl Into<String>) -> Self {
        Self::Refused { host: host.to_owned(), reason: reason.into() }
    }

    pub(crate) fn invalid(host: &str, reason: impl Into<String>) -> Self {
        Self::Invalid { host: host.to_owned(), reason: reason.into() }
    }
}
