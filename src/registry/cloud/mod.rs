//! Short-lived credentials of the clouds, by their own exchange: Amazon ECR, Google Artifact Registry, Azure Container
//! Registry. No SDK: each needs one to three small requests.
//!
//! What is asked here are addresses of the clouds' own that are built in, never one that repository content names; so
//! the metadata addresses, which are refused everywhere else, may be asked.

mod acr;
mod ecr;
mod gar;
mod sign;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use futures::StreamExt;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::Url;

pub use acr::AzureIdentity;
pub use ecr::{AwsIdentity, AwsKeys};

use super::error::RegistryError;
use super::settings::{Credential, Secret};
use crate::repo::Moment;

/// An answer holds one token.
const LIMIT: usize = 64 * 1024;
/// A token is renewed this long before its end.
const EARLY_MS: i64 = 5 * 60 * 1000;
/// A failure is not tried again within this time.
const FAILED_MS: i64 = 30 * 1000;

/// Whose registry it is, and who Restow is there.
#[derive(Debug, Clone)]
pub enum Provider {
    /// Amazon ECR, private or public.
    Ecr(AwsIdentity),
    /// Google Artifact Registry: the service account of the machine or workload.
    Gar,
    /// Azure Container Registry.
    Acr(AzureIdentity),
}

impl Provider {
    /// Whether a host is one of the provider's: credentials of a cloud go nowhere else.
    pub fn serves(&self, host: &str) -> bool {
        match self {
            Self::Ecr(_) => ecr::Registry::of(host).is_some(),
            Self::Gar => gar::serves(host),
            Self::Acr(_) => acr::serves(host),
        }
    }
}

/// The clouds' own addresses.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The machine's metadata service of Amazon and Azure.
    pub metadata: Url,
    /// Google's.
    pub google_metadata: Url,
    /// Where Amazon's container credentials are, below which a relative address leads.
    pub containers: Url,
    /// Amazon's token service; `None`: that of the region.
    pub sts: Option<Url>,
    /// Amazon's registry interface; `None`: that of the region.
    pub ecr: Option<Url>,
    /// Microsoft Entra; `None`: that of the registry's cloud.
    pub entra: Option<Url>,
    /// Azure's registries; `None`: each at its own host.
    pub acr: Option<Url>,
}

impl Default for Endpoints {
    /// The clouds as they are.
    fn default() -> Self {
        let url = |text: &str| Url::parse(text).expect("impossible: a constant address");
        Self {
            metadata: url("http://169.254.169.254/"),
            google_metadata: url("http://metadata.google.internal/"),
            containers: url("http://169.254.170.2/"),
            sts: None,
            ecr: None,
            entra: None,
            acr: None,
        }
    }
}

/// A credential that was got, and until when it is used.
pub(super) struct Gained {
    user: String,
    secret: Secret,
    until: Moment,
}

/// What is held for a registry: a credential, or the last failure.
enum Held {
    Gained(Gained),
    Failed(RegistryError, Moment),
}

type Slot = Arc<Mutex<Option<Held>>>;

/// The clouds, and what was got from them.
pub(super) struct Clouds {
    /// For the clouds' public addresses, through the proxy where there is one.
    public: reqwest::Client,
    /// For metadata, which no proxy knows.
    direct: reqwest::Client,
    endpoints: Endpoints,
    slots: PlainMutex<HashMap<String, Slot>>,
}

impl fmt::Debug for Clouds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clouds").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Clouds {
    /// `public` knows the proxy, `direct` does not.
    pub(super) fn new(endpoints: Endpoints, public: reqwest::Client, direct: reqwest::Client) -> Self {
        Self { public, direct, endpoints, slots: PlainMutex::default() }
    }

    /// The credential for a registry; one asks, the others wait.
    pub(super) async fn credential(
        &self,
        provider: &Provider,
        host: &str,
        now: Moment,
    ) -> Result<Credential, RegistryError> {
        let slot = self.slot(host);
        let mut held = slot.lock().await;
        match held.as_ref() {
            Some(Held::Gained(gained)) if now < gained.until => return Ok(gained.credential(host)),
            Some(Held::Failed(error, until)) if now < *until => return Err(error.clone()),
            Some(_) | None => {}
        }
        match self.gain(provider, host, now).await {
            Ok(gained) => {
                let credential = gained.credential(host);
                *held = Some(Held::Gained(gained));
                Ok(credential)
            }
            Err(error) => {
                *held = Some(Held::Failed(error.clone(), now.plus_ms(FAILED_MS)));
                Err(error)
            }
        }
    }

    async fn gain(&self, provider: &Provider, host: &str, now: Moment) -> Result<Gained, RegistryError> {
        let mut gained = match provider {
            Provider::Ecr(identity) => ecr::gain(self, identity, host, now).await,
            Provider::Gar => gar::gain(self, host, now).await,
            Provider::Acr(identity) => acr::gain(self, identity, host, now).await,
        }?;
        gained.until = gained.until.plus_ms(-EARLY_MS);
        Ok(gained)
    }

    /// Drops what a registry refused.
    pub(super) async fn refused(&self, host: &str) {
        *self.slot(host).lock().await = None;
    }

    fn slot(&self, host: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(host.to_owned()).or_default())
    }

    /// Sends a question, and reads its JSON answer. An error names the step, and nothing that was sent.
    pub(super) async fn ask<T: DeserializeOwned>(
        host: &str,
        step: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<T, RegistryError> {
        let body = Self::ask_text(host, step, request).await?;
        let unreadable = || failed(host, step, "the answer cannot be read");
        serde_json::from_slice(&body).map_err(|_| unreadable())
    }

    pub(super) async fn ask_text(
        host: &str,
        step: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Vec<u8>, RegistryError> {
        let silent = |error: reqwest::Error| {
            let what = if error.is_timeout() { "no answer in time" } else { "it cannot be reached" };
            failed(host, step, what)
        };
        let answer = request.send().await.map_err(silent)?;
        let status = answer.status();
        let mut body = BytesMut::new();
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(silent)?);
            if body.len() > LIMIT {
                return Err(failed(host, step, "the answer is too large"));
            }
        }
        if !status.is_success() {
            return Err(failed(host, step, &format!("it answers {status}")));
        }
        Ok(body.to_vec())
    }
}

impl Gained {
    fn credential(&self, host: &str) -> Credential {
        let (user, secret) = (self.user.clone(), self.secret.clone());
        Credential { host: host.to_owned(), owners: Vec::new(), user, secret }
    }
}

fn failed(host: &str, step: &str, what: &str) -> RegistryError {
    RegistryError::unauthorized(host, format!("no credential of the cloud: {step}: {what}"))
}

/// Reads a token that the cloud keeps in a file and renews there.
async fn token_file(host: &str, path: &std::path::Path) -> Result<SecretString, RegistryError> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(SecretString::from(text.trim().to_owned())),
        Err(error) => Err(failed(host, "reading the token file", &format!("{}: {error}", path.display()))),
    }
}

/// Clients that follow no redirect and wait for nobody long.
///
/// # Errors
/// The system's certificates cannot be read.
pub(super) fn client(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, reqwest::Error> {
    builder
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(10))
        .build()
}
