//! The webhooks that GitHub sent, and asking for one again.

use serde::Deserialize;
use serde_json::json;

use super::client::GitHub;
use super::client::Identity;
use super::error::GitHubError;
use super::transport::Call;
use crate::repo::Moment;

/// One try of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookDelivery {
    /// The try's id.
    pub id: u64,
    /// The delivery's id, the same for each try.
    pub guid: String,
    /// When it was tried.
    pub at: Option<Moment>,
    /// The status of the answer; 0 where there was none.
    pub status: u16,
    /// The event.
    pub event: String,
}

#[derive(Deserialize)]
struct DeliveryBody {
    id: u64,
    guid: String,
    delivered_at: String,
    #[serde(default)]
    status_code: u16,
    #[serde(default)]
    event: String,
}

impl GitHub {
    /// The newest hundred tries of deliveries to the App.
    pub async fn deliveries(&self) -> Result<Vec<HookDelivery>, GitHubError> {
        let call = Call::get("/app/hook/deliveries?per_page=100".to_owned());
        let all: Vec<DeliveryBody> = self.json(&Identity::App, &call).await?;
        let delivery = |body: DeliveryBody| HookDelivery {
            id: body.id,
            guid: body.guid,
            at: Moment::parse_rfc3339(&body.delivered_at),
            status: body.status_code,
            event: body.event,
        };
        Ok(all.into_iter().map(delivery).collect())
    }

    /// Has a delivery sent again.
    pub async fn redeliver(&self, id: u64) -> Result<(), GitHubError> {
        let call = Call::post(format!("/app/hook/deliveries/{id}/attempts"), json!({}));
        self.call(&Identity::App, &call).await?;
        Ok(())
    }
}
