//! The web edge: GitHub's webhook, the hooks of registries, and what an operator's machines ask: health, readiness, metrics.
//!
//! A request ends as soon as its delivery is stored; the work is done by jobs. Everything is bounded: the size and time
//! of a body, the bytes of all bodies together, header sizes, connections, and the time of a whole request.

mod body;
mod health;
mod hook;
mod metrics;
mod serve;
mod signature;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutLayer;

use crate::store::{Delivery, NewJob, Store};

pub use hook::{HookIntake, Hooks};
pub use metrics::install_metrics;
pub use serve::serve;
pub use signature::{BadSignature, verify_signature};

/// A delivery that cannot be read: its headers or its payload are not what GitHub sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    reason: String,
}

impl Malformed {
    /// `reason` is sent back and logged: it must not quote the payload.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Reads an authentic delivery (event, delivery id, body) into what is stored of it and the jobs it asks for.
pub type Intake = Arc<dyn Fn(&str, &str, &[u8]) -> Result<(Delivery, Vec<NewJob>), Malformed> + Send + Sync>;

/// The bounds of a webhook request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes; GitHub sends at most 25 MiB.
    pub body_bytes: usize,
    /// The largest sum of all bodies that are being received or read, in bytes.
    pub all_bodies_bytes: usize,
    /// How long a body may take to arrive; GitHub itself gives up after 10 s.
    pub body_time: Duration,
    /// How long a request may take as a whole.
    pub request_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 25 * 1024 * 1024,
            all_bodies_bytes: 128 * 1024 * 1024,
            body_time: Duration::from_secs(10),
            request_time: Duration::from_secs(20),
        }
    }
}

/// What the routes work with.
#[derive(Clone)]
pub struct WebState {
    store: Store,
    webhook_secrets: Arc<[SecretString]>,
    intake: Intake,
    hooks: Hooks,
    metrics: PrometheusHandle,
    limits: Limits,
    room: Arc<Semaphore>,
}

impl WebState {
    /// A delivery is taken when it is signed with any of `webhook_secrets`: give the new one and the old one while a
    /// secret is being changed. With none, every delivery is refused.
    pub fn new(store: Store, webhook_secrets: Vec<SecretString>, intake: Intake, metrics: PrometheusHandle) -> Self {
        let limits = Limits::default();
        let room = body::room(&limits);
        let hooks = Hooks::default();
        Self { store, webhook_secrets: webhook_secrets.into(), intake, hooks, metrics, limits, room }
    }

    /// The same with hooks of registries.
    #[must_use]
    pub fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// The same with other bounds.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, room: body::room(&limits), ..self }
    }
}

/// `POST /webhook`, `POST /hooks/registry/{name}`, `GET /healthz`, `GET /readyz`, `GET /metrics`.
pub fn router(state: WebState) -> Router {
    let time = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, state.limits.request_time);
    Router::new()
        .route("/webhook", post(webhook::receive))
        .route("/hooks/registry/{name}", post(hook::receive))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::render))
        .fallback(async || (StatusCode::NOT_FOUND, "not found\n"))
        .layer(time)
        .with_state(state)
}
