//! `GET /healthz` and `GET /readyz`.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::WebState;

/// A database that takes longer is not ready.
const PING: Duration = Duration::from_secs(2);

/// The process is alive; says nothing about the database, for a restart would not mend that.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether deliveries can be stored now.
pub(super) async fn ready(State(state): State<WebState>) -> (StatusCode, &'static str) {
    match tokio::time::timeout(PING, state.store.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
        Err(_) => {
            tracing::warn!("not ready: the database took longer than {} s", PING.as_secs());
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}
