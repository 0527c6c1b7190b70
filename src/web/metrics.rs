//! `GET /metrics`, in the text format of Prometheus.

use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use super::WebState;

const DELIVERIES: &str = "restow_webhook_deliveries_total";
const JOBS: &str = "restow_jobs";

/// Makes this process count, and returns what renders the counts. Call it once, before anything is counted; call
/// `run_upkeep` of the handle every few seconds.
///
/// # Errors
/// The process counts elsewhere already.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    // The recorder is the process's; a second server in it counts into the same one.
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = installed.as_ref() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().install_recorder()?;
    *installed = Some(handle.clone());
    describe_counter!(DELIVERIES, Unit::Count, "Webhook deliveries received, by what became of them");
    describe_counter!(
        "restow_registry_pulls_total",
        Unit::Count,
        "Requests that a registry counts as pulls, by its host"
    );
    describe_gauge!(JOBS, Unit::Count, "Jobs in the queue, by their state");
    Ok(handle)
}

/// Counts a delivery by what became of it. Labels are words of this program, never of a request.
pub(super) fn count_delivery(outcome: &'static str) {
    counter!(DELIVERIES, "outcome" => outcome).increment(1);
}

/// All counts, with the queue as it stands now. A database that does not answer leaves the queue out of date, not the
/// counts unanswered.
pub(super) async fn render(State(state): State<WebState>) -> Response {
    match state.store.job_counts().await {
        Ok(jobs) => {
            for (name, count) in [("ready", jobs.ready), ("running", jobs.running), ("dead", jobs.dead)] {
                gauge!(JOBS, "state" => name).set(as_gauge(count));
            }
        }
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the jobs could not be counted"),
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], state.metrics.render()).into_response()
}

/// Gauges are floating-point numbers; no queue is longer than they count exactly.
fn as_gauge(count: u64) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
