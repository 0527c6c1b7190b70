//! Blobs: configurations, attestations, layers; proven to be what they are named by.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::client::{Question, Reading, Registries};
use super::error::RegistryError;
use super::exchange::{Open, unreached};
use crate::image::{Digest, ImageName};

/// Bytes in a second below which a large blob is given up.
const SLOWEST: u64 = 512 * 1024;

impl Registries {
    /// A blob of at most `limit` bytes. Storage on another host is followed without credentials.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] where the registry has none; [`RegistryError::Invalid`] where it is larger, or not
    /// what its digest says.
    pub async fn blob(&self, image: &ImageName, digest: &Digest, limit: usize) -> Result<Bytes, RegistryError> {
        let url = self.url(image, &format!("blobs/{digest}"))?;
        let answer = self.ask(&Question::get(image, url, "*/*", limit)).await;
        let answer = answer.map_err(|error| named(error, image, digest))?;
        if !digest.matches(&answer.body) {
            return Err(lie(image));
        }
        Ok(answer.body)
    }

    /// Writes a large blob, of at most `limit` bytes, to `file` while it comes; returns its size. It may take a minute,
    /// and a second more for each half mebibyte. A body that breaks off says nothing against the registry itself.
    ///
    /// # Errors
    /// As [`Registries::blob`]; what was written then is to be thrown away.
    pub async fn blob_to<W: AsyncWrite + Unpin>(
        &self,
        image: &ImageName,
        digest: &Digest,
        limit: u64,
        file: &mut W,
    ) -> Result<u64, RegistryError> {
        let url = self.url(image, &format!("blobs/{digest}"))?;
        let question = Question { reading: Reading::Open, ..Question::get(image, url, "*/*", 0) };
        let answer = self.ask(&question).await.map_err(|error| named(error, image, digest))?;
        let host = image.registry();
        let open = answer.open.ok_or_else(|| RegistryError::invalid(host, "the registry sends no blob"))?;
        let longest = self.inner.total + Duration::from_secs(limit / SLOWEST);
        let poured = tokio::time::timeout(longest, pour(open, image, digest, limit, file)).await;
        poured.unwrap_or_else(|_| Err(RegistryError::unavailable(host, "a layer did not come in time")))
    }
}

/// Writes what comes, and holds it against the digest; the turn at the registry ends with it.
async fn pour<W: AsyncWrite + Unpin>(
    open: Open,
    image: &ImageName,
    digest: &Digest,
    limit: u64,
    file: &mut W,
) -> Result<u64, RegistryError> {
    let host = image.registry();
    let unwritten = |error: std::io::Error| RegistryError::unavailable(host, format!("a blob cannot be kept: {error}"));
    let Open { response, turn } = open;
    let (mut check, mut size) = (digest.check(), 0_u64);
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| unreached(host, &error))?;
        size = size.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if size > limit {
            return Err(RegistryError::invalid(host, format!("the registry's answer has more than {limit} bytes")));
        }
        check.update(&piece);
        file.write_all(&piece).await.map_err(unwritten)?;
    }
    drop(turn);
    file.flush().await.map_err(unwritten)?;
    if check.is_met() { Ok(size) } else { Err(lie(image)) }
}

fn named(error: RegistryError, image: &ImageName, digest: &Digest) -> RegistryError {
    match error {
        RegistryError::NotFound { .. } => RegistryError::NotFound { what: format!("{image}@{digest}") },
        other => other,
    }
}

fn lie(image: &ImageName) -> RegistryError {
    RegistryError::invalid(image.registry(), format!("a blob of {image} does not have the digest it is named by"))
}
