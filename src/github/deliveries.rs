//! The webhooks that GitHub sent, and asking for one again.

use serde::Deserialize;
use serde_json::json;

use super::client::{GitHub, Identity, read_json};
use super::error::GitHubError;
use super::paging::next_link;
use super::transport::Call;
use crate::repo::Moment;

/// Pages of a hundred tries: more than an hour of a busy App has.
const MOST_PAGES: usize = 100;

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
    /// The tries of deliveries to the App since a moment, and a page of older ones; the newest first.
    pub async fn deliveries(&self, since: Moment) -> Result<Vec<HookDelivery>, GitHubError> {
        let delivery = |body: DeliveryBody| HookDelivery {
            id: body.id,
            guid: body.guid,
            at: Moment::parse_rfc3339(&body.delivered_at),
            status: body.status_code,
            event: body.event,
        };
        let mut all = Vec::new();
        let mut call = Call::get("/app/hook/deliveries?per_page=100".to_owned());
        for _ in 0..MOST_PAGES {
            let answer = self.call(&Identity::App, &call).await?;
            let page: Vec<DeliveryBody> = read_json(&call, &answer)?;
            all.extend(page.into_iter().map(delivery));
            let older = all.last().is_none_or(|last| last.at.is_some_and(|at| at < since));
            let next = next_link(&answer).and_then(|link| self.transport().path_of(&link));
            match next.filter(|_| !older) {
                Some(next) => call = call.page(next),
                None => break,
            }
        }
        Ok(all)
    }

    /// Has a delivery sent again.
    pub async fn redeliver(&self, id: u64) -> Result<(), GitHubError> {
        let call = Call::post(format!("/app/hook/deliveries/{id}/attempts"), json!({}));
        self.call(&Identity::App, &call).await?;
        Ok(())
    }
}
