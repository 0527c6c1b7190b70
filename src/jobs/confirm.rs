//! Confirms to SNS that its messages are wanted.

use super::kind::ConfirmPayload;
use super::{JobError, Services};
use crate::store::NewJob;

/// Runs the job.
pub(super) async fn run(services: &Services, payload: &ConfirmPayload) -> Result<Vec<NewJob>, JobError> {
    services.lookups.registries().confirm_subscription(payload.url.url()).await?;
    tracing::info!(hook = payload.hook, host = payload.url.host(), "the subscription is confirmed");
    Ok(Vec::new())
}
