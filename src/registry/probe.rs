//! What works with a registry, for a person who wonders.

use http::header::WWW_AUTHENTICATE;

use super::challenge;
use super::client::{Question, Registries};
use super::error::RegistryError;
use crate::image::ImageName;

/// An answer to `/v2/` needs no more.
const LIMIT: usize = 64 * 1024;

/// What a registry says to somebody whom it does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The status of its answer.
    pub status: u16,
    /// What it wants to see: `basic`, or `bearer` with the token server's address. Nothing: it answers everybody.
    pub wants: Vec<String>,
    /// Whether there are credentials for it.
    pub has_credentials: bool,
}

impl Registries {
    /// Asks a registry's front door, without credentials.
    ///
    /// # Errors
    /// It cannot be reached, or may not be; its credential helper fails.
    pub async fn probe(&self, host: &str) -> Result<Probe, RegistryError> {
        let image = probed(host)?;
        let url = self.front_door(host)?;
        let question = Question::get(&image, url.clone(), "application/json", LIMIT);
        let answer = self.plain(&question).await?;
        let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter().take(10);
        let challenges = headers.filter_map(|header| header.to_str().ok()).flat_map(challenge::parse);
        let wants = challenges.map(|one| match one.parameter("realm").filter(|_| one.scheme == "bearer") {
            Some(realm) => format!("bearer, a token of {realm}"),
            None => one.scheme.clone(),
        });
        let has_credentials = self.has_credentials(host).await?;
        Ok(Probe { status: answer.status.as_u16(), wants: wants.collect(), has_credentials })
    }

    /// Shows a registry's front door what it asks for: the credentials, or a token that they, or nobody, can buy.
    ///
    /// # Errors
    /// It lets nobody in like this, or cannot be reached.
    pub async fn enter(&self, host: &str) -> Result<(), RegistryError> {
        let image = probed(host)?;
        self.ask(&Question::get(&image, self.front_door(host)?, "application/json", LIMIT)).await.map(|_| ())
    }
}

/// An image that nobody has, where only its registry matters.
fn probed(host: &str) -> Result<ImageName, RegistryError> {
    ImageName::parse(&format!("{host}/restow/probe"))
        .map_err(|_| RegistryError::invalid(host, "this is no registry's host"))
}
