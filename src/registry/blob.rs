//! Blobs: configurations, attestations, layers; proven to be what they are named by, piece by piece.

use bytes::Bytes;
use http::Method;

use super::client::{Question, Registries};
use super::error::RegistryError;
use crate::image::{Digest, ImageName};

impl Registries {
    /// A blob of at most `limit` bytes. Storage on another host is followed without credentials.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] where the registry has none; [`RegistryError::Invalid`] where it is larger, or not
    /// what its digest says.
    pub async fn blob(&self, image: &ImageName, digest: &Digest, limit: usize) -> Result<Bytes, RegistryError> {
        let question = Question {
            image,
            method: Method::GET,
            url: self.url(image, &format!("blobs/{digest}"))?,
            accept: "*/*",
            etag: None,
            limit,
            form: None,
        };
        let answer = self.ask(&question).await.map_err(|error| match error {
            RegistryError::NotFound { .. } => RegistryError::NotFound { what: format!("{image}@{digest}") },
            other => other,
        })?;
        if !digest.matches(&answer.body) {
            let reason = format!("a blob of {image} does not have the digest it is named by");
            return Err(RegistryError::invalid(image.registry(), reason));
        }
        Ok(answer.body)
    }
}
