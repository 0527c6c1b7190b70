//! Asks GitHub for the webhooks that did not arrive: it sends each once.

use std::collections::BTreeMap;

use super::kind::redeliver_job;
use super::{JobError, Services};
use crate::github::HookDelivery;
use crate::repo::Moment;
use crate::store::NewJob;

/// How often is looked.
const EVERY_MS: i64 = 10 * 60_000;
/// What is older was found by the comparison with GitHub.
const OLDEST_MS: i64 = 60 * 60_000;
/// Tries of one delivery: what cannot be read does not get better.
const MOST_TRIES: usize = 3;

/// Runs the job, and queues the next.
pub(super) async fn run(services: &Services) -> Result<Vec<NewJob>, JobError> {
    let now = services.clock.now();
    let tries = services.github.deliveries(now.plus_ms(-OLDEST_MS)).await?;
    for id in missed(&tries, now) {
        services.github.redeliver(id).await?;
        tracing::info!(id, "a webhook did not arrive: asked for again");
    }
    Ok(vec![redeliver_job(now.plus_ms(EVERY_MS))])
}

/// Of each delivery that never arrived, its newest try.
fn missed(tries: &[HookDelivery], now: Moment) -> Vec<u64> {
    let mut deliveries: BTreeMap<&str, Vec<&HookDelivery>> = BTreeMap::new();
    for one in tries.iter().filter(|one| one.at.is_some_and(|at| now.0 - at.0 <= OLDEST_MS)) {
        deliveries.entry(&one.guid).or_default().push(one);
    }
    let missed = deliveries
        .into_values()
        .filter(|tries| tries.len() < MOST_TRIES && !tries.iter().any(|one| (200..300).contains(&one.status)));
    missed.filter_map(|tries| tries.iter().map(|one| one.id).max()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_never_arrived_is_asked_for() {
        let now = Moment(10 * OLDEST_MS);
        let one = |id: u64, guid: &str, status: u16, ago: i64| HookDelivery {
            id,
            guid: guid.to_owned(),
            at: Some(now.plus_ms(-ago)),
            status,
            event: "push".to_owned(),
        };
        let tries = [
            one(1, "arrived", 202, 10),
            one(2, "lost", 0, 20),
            one(3, "lost", 502, 10),
            one(4, "late", 500, 30),
            one(5, "late", 202, 5),
            one(6, "old", 500, OLDEST_MS + 1),
            one(7, "hopeless", 400, 9),
            one(8, "hopeless", 400, 8),
            one(9, "hopeless", 400, 7),
        ];
        assert_eq!(missed(&tries, now), [3]);
    }
}
