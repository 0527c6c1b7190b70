//! How a job ends that does not end well.

use std::time::Duration;

use crate::github::{Disposition, GitHubError};
use crate::registry::RegistryError;
use crate::store::StoreError;

/// Why a job stopped.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It may work later.
    #[error("{reason}")]
    Retry {
        /// How long to wait at least; `None` backs off.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// Trying again does not help.
    #[error("{0}")]
    Permanent(String),
    /// Another worker has the job now: this one must stop writing.
    #[error("the lease passed to another worker")]
    LeaseLost,
}

impl From<GitHubError> for JobError {
    fn from(error: GitHubError) -> Self {
        match error.disposition() {
            Disposition::Retry(after) => Self::Retry { after, reason: error.to_string() },
            // What a person has to change is tried again a few times, then the job is dead and listed.
            Disposition::User => Self::Retry { after: None, reason: error.to_string() },
            Disposition::Permanent => Self::Permanent(error.to_string()),
        }
    }
}

impl From<RegistryError> for JobError {
    fn from(error: RegistryError) -> Self {
        match error.retry_after() {
            Some(after) => Self::Retry { after: (!after.is_zero()).then_some(after), reason: error.to_string() },
            None => Self::Permanent(error.to_string()),
        }
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Retry { after: None, reason: error.to_string() }
    }
}

impl JobError {
    /// Whether the rest of the job would meet the same: GitHub asks to wait, or the job is another worker's.
    pub(super) fn stops_all(&self) -> bool {
        matches!(self, Self::LeaseLost | Self::Retry { after: Some(_), .. })
    }

    /// A kept text that this program cannot read: a bug, or a database of another version.
    pub(super) fn unreadable(what: &str, error: &serde_json::Error) -> Self {
        Self::Permanent(format!("the stored {what} cannot be read: {error}"))
    }
}
