//! What is kept per registry: how many requests are on their way, and until when it wants none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::RegistryError;
use crate::repo::Moment;

/// Requests to one registry at a time.
const AT_A_TIME: usize = 6;
/// The wait where a registry names none.
const UNNAMED_WAIT: Duration = Duration::from_secs(60);
/// No registry makes Restow wait longer; Docker Hub's window is six hours.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// Hosts come out of repository content: more than this are forgotten where they are idle.
const MAX_HOSTS: usize = 2000;

struct HostState {
    permits: Arc<Semaphore>,
    limited_until: Moment,
}

/// All registries that were asked.
#[derive(Default)]
pub(super) struct Hosts {
    states: Mutex<HashMap<String, HostState>>,
}

impl Hosts {
    /// Waits for a turn at `host`.
    ///
    /// # Errors
    /// At once, where the registry asked to wait and the time is not over.
    pub(super) async fn turn(&self, host: &str, now: Moment) -> Result<OwnedSemaphorePermit, RegistryError> {
        let permits = self.permits(host, now)?;
        let turn = permits.acquire_owned().await.map_err(|_| RegistryError::unavailable(host, "Restow is stopping"))?;
        // Whoever was before may have been asked to wait.
        self.permits(host, now)?;
        Ok(turn)
    }

    fn permits(&self, host: &str, now: Moment) -> Result<Arc<Semaphore>, RegistryError> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= MAX_HOSTS {
            states.retain(|_, state| Arc::strong_count(&state.permits) > 1 || state.limited_until > now);
        }
        let fresh = || HostState { permits: Arc::new(Semaphore::new(AT_A_TIME)), limited_until: Moment(i64::MIN) };
        let state = states.entry(host.to_owned()).or_insert_with(fresh);
        if state.limited_until > now {
            let left = u64::try_from(state.limited_until.0 - now.0).unwrap_or(0);
            return Err(RegistryError::RateLimited { host: host.to_owned(), after: Duration::from_millis(left) });
        }
        Ok(Arc::clone(&state.permits))
    }

    /// Remembers that `host` wants no requests for a while, and says so as an error.
    pub(super) fn limited(&self, host: &str, now: Moment, headers: &HeaderMap) -> RegistryError {
        let after = wait(headers, now);
        let until = now.plus_ms(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get_mut(host) {
            state.limited_until = state.limited_until.max(until);
        }
        RegistryError::RateLimited { host: host.to_owned(), after }
    }
}

/// `Retry-After`: seconds or a date. Source: RFC 9110, section 10.2.3.
fn wait(headers: &HeaderMap, now: Moment) -> Duration {
    let text = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let Some(text) = text.map(str::trim) else { return UNNAMED_WAIT };
    let named = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => jiff::fmt::rfc2822::parse(text).ok().map(|date| {
            let left = date.timestamp().as_millisecond().saturating_sub(now.0);
            Duration::from_millis(u64::try_from(left).unwrap_or(0))
        }),
    };
    named.unwrap_or(UNNAMED_WAIT).clamp(Duration::from_secs(1), LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(retry_after: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::RETRY_AFTER, retry_after.parse().expect("a header"))])
    }

    #[test]
    fn the_wait_is_seconds_or_a_date() {
        let now = Moment::parse_rfc3339("2026-11-23T17:40:00Z").expect("a date");
        let check =
            |text: &str, seconds: u64| assert_eq!(wait(&headers(text), now), Duration::from_secs(seconds), "{text}");
        check("7", 7);
        check("0", 1);
        check("Mon, 23 Nov 2026 17:41:30 GMT", 90);
        check("Mon, 23 Nov 2020 17:41:30 GMT", 1);
        check("99999999999", 6 * 3600);
        check("soon", 60);
        assert_eq!(wait(&HeaderMap::new(), now), Duration::from_secs(60));
    }

    #[tokio::test]
    async fn one_host_waits_and_the_others_do_not() {
        let hosts = Hosts::default();
        drop(hosts.turn("a", Moment(0)).await.expect("a turn"));
        let error = hosts.limited("a", Moment(0), &headers("30"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
        let error = hosts.turn("a", Moment(10_000)).await.expect_err("a wait");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(20)));
        assert!(hosts.turn("b", Moment(10_000)).await.is_ok());
        assert!(hosts.turn("a", Moment(30_000)).await.is_ok());
    }
}
