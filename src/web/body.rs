//! Receiving a body within its bounds.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Limits, WebState};

/// Bodies larger than this are read on a thread of their own: hashing and parsing them would hold up other requests.
pub(super) const LARGE: usize = 128 * 1024;

/// Why a body was not received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body took too long to arrive")]
    TooSlow,
    #[error("the body broke off")]
    Broken,
}

/// A received body, and the room that it takes until it is dropped.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Room for the bytes of all bodies together.
pub(super) fn room(limits: &Limits) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limits.all_bodies_bytes.min(Semaphore::MAX_PERMITS)))
}

/// Receives a whole body. A body that says that it is too large is refused unread.
pub(super) async fn receive(state: &WebState, headers: &HeaderMap, body: Body) -> Result<Received, BodyError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.unwrap_or_default() > state.limits.body_bytes as u64 {
        return Err(BodyError::TooLarge);
    }
    let collected = tokio::time::timeout(state.limits.body_time, collect(state, body));
    collected.await.unwrap_or(Err(BodyError::TooSlow))
}

/// Takes room frame by frame: what was only announced takes none from other requests.
async fn collect(state: &WebState, mut body: Body) -> Result<Received, BodyError> {
    let capacity = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(64 * 1024);
    let mut bytes = BytesMut::with_capacity(capacity);
    let mut taken: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > state.limits.body_bytes {
            return Err(BodyError::TooLarge);
        }
        let length = u32::try_from(data.len()).map_err(|_| BodyError::TooLarge)?;
        let more = Arc::clone(&state.room).acquire_many_owned(length).await.map_err(|_| BodyError::TooSlow)?;
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Received { bytes: bytes.freeze(), _room: taken })
}
