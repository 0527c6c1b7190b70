//! `POST /webhook`: verify, read, store, answer.
//!
//! | answer | when |
//! |---|---|
//! | 202 | stored now, or seen before |
//! | 400 | signed, but the headers or the payload are not what GitHub sends |
//! | 401 | the signature is missing or wrong |
//! | 408 | the body took too long |
//! | 413 | the body is too large |
//! | 500 | it could not be stored; GitHub shows the delivery as failed and it can be sent again |

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::body::{self, BodyError, LARGE, Received};
use super::hook::UnknownHook;
use super::{BadSignature, Malformed, WebState, metrics, verify_signature};
use crate::store::{Delivery, NewJob, Recorded, StoreError};

/// The longest event name or delivery id; GitHub's are about 40 bytes at most.
const LONGEST_NAME: usize = 100;

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Signature(#[from] BadSignature),
    #[error(transparent)]
    Hook(#[from] UnknownHook),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the delivery could not be stored")]
    Store(#[from] StoreError),
    #[error("the delivery could not be read")]
    Crashed(#[from] tokio::task::JoinError),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Body(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyError::Broken) | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Signature(_) | Self::Hook(_) => StatusCode::UNAUTHORIZED,
            Self::Store(_) | Self::Crashed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word under which it is counted.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Body(BodyError::TooLarge) => "too-large",
            Self::Body(BodyError::TooSlow) => "too-slow",
            Self::Body(BodyError::Broken) => "broken",
            Self::Malformed(_) => "malformed",
            Self::Signature(_) | Self::Hook(_) => "unsigned",
            Self::Store(_) | Self::Crashed(_) => "failed",
        }
    }

    /// Logs it, once: here it is handled.
    fn log(&self) {
        let error: &dyn std::error::Error = self;
        if self.status().is_server_error() {
            tracing::error!(error, "delivery failed");
        } else {
            tracing::warn!(error, "delivery refused");
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.status() {
            StatusCode::INTERNAL_SERVER_ERROR => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal error\n").into_response()
            }
            status => (status, format!("{self}\n")).into_response(),
        }
    }
}

/// Takes a delivery; the log's span carries its id and event, never its payload.
pub(super) async fn receive(State(state): State<WebState>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let shown = |name| header_name(&parts.headers, name).unwrap_or("-");
    let span = tracing::info_span!("webhook", delivery = shown("x-github-delivery"), event = shown("x-github-event"));
    async { answer(take(&state, parts.headers, body).await) }.instrument(span).await
}

/// Logs and counts what became of a delivery, and answers.
pub(super) fn answer(taken: Result<Recorded, Refusal>) -> Response {
    match taken {
        Ok(recorded) => {
            let outcome = outcome(recorded);
            tracing::info!(outcome, "delivery taken");
            metrics::count_delivery(outcome);
            StatusCode::ACCEPTED.into_response()
        }
        Err(refusal) => {
            refusal.log();
            metrics::count_delivery(refusal.outcome());
            refusal.into_response()
        }
    }
}

fn outcome(recorded: Recorded) -> &'static str {
    match recorded {
        Recorded::New => "new",
        Recorded::Seen => "seen",
    }
}

async fn take(state: &WebState, headers: HeaderMap, body: Body) -> Result<Recorded, Refusal> {
    if one(&headers, "x-hub-signature-256").is_none() {
        return Err(BadSignature.into());
    }
    let received = body::receive(state, &headers, body).await?;
    let (delivery, jobs) = examine(state, headers, received).await?;
    Ok(state.store.record_delivery(delivery, jobs).await?)
}

async fn examine(state: &WebState, headers: HeaderMap, received: Received) -> Result<(Delivery, Vec<NewJob>), Refusal> {
    if received.bytes.len() <= LARGE {
        return read(state, &headers, &received.bytes);
    }
    let (state, span) = (state.clone(), tracing::Span::current());
    tokio::task::spawn_blocking(move || span.in_scope(|| read(&state, &headers, &received.bytes))).await?
}

/// The signature first: nothing is believed, or said, about what is not signed.
fn read(state: &WebState, headers: &HeaderMap, body: &[u8]) -> Result<(Delivery, Vec<NewJob>), Refusal> {
    let signature = one(headers, "x-hub-signature-256").ok_or(BadSignature)?;
    verify_signature(&state.webhook_secrets, signature, body)?;
    let named = |name| {
        header_name(headers, name).ok_or_else(|| Malformed::new(format!("the header {name} is missing or malformed")))
    };
    let (event, delivery) = (named("x-github-event")?, named("x-github-delivery")?);
    if one(headers, header::CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("application/x-www-form")) {
        return Err(Malformed::new("the content type must be application/json: change it in the App's settings").into());
    }
    Ok((state.intake)(event, delivery, body)?)
}

/// The header's text, where it stands exactly once.
pub(super) fn one<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// The header's text, where it is a name that may stand in a log and in the database.
fn header_name<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let plain = |text: &&str| {
        (1..=LONGEST_NAME).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    one(headers, name).filter(plain)
}
