//! Confirming to Amazon SNS that its messages are wanted.

use http::StatusCode;
use url::Url;

use super::client::{Question, Registries};
use super::error::RegistryError;
use crate::image::ImageName;

/// SNS answers with the subscription's name.
const LIMIT: usize = 64 * 1024;

impl Registries {
    /// Opens the address that SNS sent, without credentials and under the same rules as a registry's. The caller has
    /// made sure that it is SNS's.
    ///
    /// # Errors
    /// It cannot be reached, may not be, or does not confirm.
    pub async fn confirm_subscription(&self, url: &Url) -> Result<(), RegistryError> {
        let host = url.host_str().unwrap_or_default();
        let image = ImageName::parse(&format!("{host}/restow/subscription"))
            .map_err(|_| RegistryError::invalid(host, "this is no host"))?;
        let question = Question::get(&image, url.clone(), "application/xml", LIMIT);
        match self.plain(&question).await?.status {
            StatusCode::OK => Ok(()),
            status if status.is_server_error() => {
                Err(RegistryError::unavailable(host, format!("SNS answers {status}")))
            }
            status => {
                Err(RegistryError::invalid(host, format!("SNS answers {status}: the subscription is not confirmed")))
            }
        }
    }
}
