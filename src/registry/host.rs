//! What is kept per registry: how many requests are on their way, until when it wants none, what is left of its limit.
//!
//! A registry in trouble is asked less: each failure halves the requests at a time, each success in a row brings them
//! back; one that does not answer at all is left alone for a while, which doubles.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::RegistryError;
use crate::repo::Moment;

/// Requests to one registry at a time, where all is well.
const AT_A_TIME: u32 = 6;
/// Successes in a row that bring one step back.
const STEADY: u32 = 20;
/// Failures in a row after which a registry is left alone.
const DEAD: u32 = 3;
/// The first time for which a registry is left alone; it doubles.
const FIRST_REST_MS: i64 = 30_000;
/// The longest.
const LONGEST_REST_MS: i64 = 10 * 60_000;
/// The wait where a registry names none.
const UNNAMED_WAIT: Duration = Duration::from_secs(60);
/// No registry makes Restow wait longer; Docker Hub's window is six hours.
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// Hosts come out of repository content: more than this are forgotten where they are idle.
const MAX_HOSTS: usize = 2000;

/// What is left of a limit on pulls. Source: Docker's documentation of Docker Hub's pull limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Pulls in a window.
    pub limit: u64,
    /// The window's length.
    pub window: Duration,
    /// Pulls that are left.
    pub remaining: u64,
    /// When the registry said so.
    pub read_at: Moment,
}

impl Quota {
    /// Reads `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`.
    fn read(headers: &HeaderMap, now: Moment) -> Option<Self> {
        let get = |name: &str| headers.get(name)?.to_str().ok();
        let number = |text: &str| text.split(';').next()?.trim().parse::<u64>().ok();
        let limit = get("ratelimit-limit")?;
        let window = limit.split(';').find_map(|part| part.trim().strip_prefix("w=")?.parse().ok());
        Some(Self {
            limit: number(limit)?,
            window: Duration::from_secs(window.unwrap_or(21_600)),
            remaining: number(get("ratelimit-remaining")?)?,
            read_at: now,
        })
    }
}

/// What a registry says of a limit on pulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Nothing was heard yet.
    Untold,
    /// It answered without naming one: pulls are not limited.
    Unlimited,
    /// What is left of it.
    Left(Quota),
}

/// What is heard with an answer.
pub(super) struct Heard<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// To whom it was said.
    pub(super) audience: Option<String>,
    /// Whether the registry would name its limit here, if it had one.
    pub(super) tells_quota: bool,
}

struct HostState {
    permits: Arc<Semaphore>,
    /// Permits that one request takes: 1 where all is well, up to all of them.
    weight: u32,
    steady: u32,
    failures: u32,
    /// It asked to wait.
    limited_until: Moment,
    /// It does not answer, and is left alone.
    resting_until: Moment,
    /// By who heard it.
    limits: HashMap<Option<String>, Limit>,
}

impl HostState {
    fn fresh() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(AT_A_TIME as usize)),
            weight: 1,
            steady: 0,
            failures: 0,
            limited_until: Moment(i64::MIN),
            resting_until: Moment(i64::MIN),
            limits: HashMap::new(),
        }
    }

    fn is_idle(&self, now: Moment) -> bool {
        Arc::strong_count(&self.permits) == 1 && self.limited_until <= now && self.resting_until <= now
    }

    fn slow_down(&mut self) {
        self.steady = 0;
        self.weight = match self.weight {
            1 => 2,
            2 => 3,
            _ => AT_A_TIME,
        };
    }

    fn speed_up(&mut self) {
        self.steady += 1;
        if self.steady < STEADY {
            return;
        }
        self.steady = 0;
        self.weight = match self.weight {
            AT_A_TIME => 3,
            3 => 2,
            _ => 1,
        };
    }
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
    /// At once, where the registry asked to wait or does not answer, and the time is not over.
    pub(super) async fn turn(&self, host: &str, now: Moment) -> Result<OwnedSemaphorePermit, RegistryError> {
        let (permits, weight) = self.permits(host, now)?;
        let turn = permits.acquire_many_owned(weight).await;
        let turn = turn.map_err(|_| RegistryError::unavailable(host, "Restow is stopping"))?;
        // Whoever was before may have been asked to wait.
        self.permits(host, now)?;
        Ok(turn)
    }

    fn permits(&self, host: &str, now: Moment) -> Result<(Arc<Semaphore>, u32), RegistryError> {
        self.with(host, now, |state| {
            if let Some(left) = left(state.limited_until, now) {
                return Err(RegistryError::RateLimited { host: host.to_owned(), after: left });
            }
            if let Some(left) = left(state.resting_until, now) {
                let (times, seconds) = (state.failures, left.as_secs());
                let reason = format!("the registry failed {times} times in a row; it is asked again in {seconds} s");
                return Err(RegistryError::unavailable(host, reason));
            }
            Ok((Arc::clone(&state.permits), state.weight))
        })
    }

    fn with<T>(&self, host: &str, now: Moment, act: impl FnOnce(&mut HostState) -> T) -> T {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= MAX_HOSTS && !states.contains_key(host) {
            states.retain(|_, state| !state.is_idle(now));
        }
        act(states.entry(host.to_owned()).or_insert_with(HostState::fresh))
    }

    /// Remembers how `host` answered: what it says of its limit, and whether it is in trouble.
    pub(super) fn answered(&self, host: &str, now: Moment, heard: &Heard<'_>) {
        let status = heard.status;
        self.with(host, now, |state| {
            let good = status.is_success() || status == StatusCode::NOT_MODIFIED;
            match Quota::read(heard.headers, now) {
                Some(quota) => drop(state.limits.insert(heard.audience.clone(), Limit::Left(quota))),
                None if good && heard.tells_quota => {
                    state.limits.insert(heard.audience.clone(), Limit::Unlimited);
                }
                None => {}
            }
            if status == StatusCode::TOO_MANY_REQUESTS {
                state.slow_down();
            } else if is_trouble(status) {
                Self::failure(state, now);
            } else {
                state.failures = 0;
                state.speed_up();
            }
        });
    }

    /// Remembers that `host` did not answer.
    pub(super) fn silent(&self, host: &str, now: Moment) {
        self.with(host, now, |state| Self::failure(state, now));
    }

    fn failure(state: &mut HostState, now: Moment) {
        state.slow_down();
        state.failures = state.failures.saturating_add(1);
        if let Some(beyond) = state.failures.checked_sub(DEAD) {
            let rest = FIRST_REST_MS.saturating_mul(1 << beyond.min(10)).min(LONGEST_REST_MS);
            state.resting_until = now.plus_ms(rest);
        }
    }

    /// What `host` last said of its limit to an audience.
    pub(super) fn limit(&self, host: &str, audience: Option<&str>) -> Limit {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = states.get(host).map(|state| &state.limits);
        limits.and_then(|limits| limits.get(&audience.map(str::to_owned)).copied()).unwrap_or(Limit::Untold)
    }

    /// Remembers that `host` wants no requests for a while, and says so as an error.
    pub(super) fn limited(&self, host: &str, now: Moment, headers: &HeaderMap) -> RegistryError {
        let after = wait(headers, now);
        let until = now.plus_ms(i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        self.with(host, now, |state| state.limited_until = state.limited_until.max(until));
        RegistryError::RateLimited { host: host.to_owned(), after }
    }
}

/// 501 says that the method is unknown, which is no trouble.
pub(super) fn is_trouble(status: StatusCode) -> bool {
    status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED
}

fn left(until: Moment, now: Moment) -> Option<Duration> {
    let left = u64::try_from(until.0.checked_sub(now.0)?).ok().filter(|left| *left > 0)?;
    Some(Duration::from_millis(left))
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

    fn heard(status: StatusCode, headers: &HeaderMap) -> Heard<'_> {
        Heard { status, headers, audience: None, tells_quota: true }
    }

    #[test]
    fn what_one_owner_has_left_is_not_anothers() {
        let hosts = Hosts::default();
        let mut named = HeaderMap::new();
        named.insert("ratelimit-limit", "100;w=21600".parse().expect("a header"));
        named.insert("ratelimit-remaining", "7;w=21600".parse().expect("a header"));
        hosts.answered("a", Moment(0), &heard(StatusCode::OK, &named));
        let left = |audience: Option<&str>| match hosts.limit("a", audience) {
            Limit::Left(quota) => format!("{} left", quota.remaining),
            other => format!("{other:?}"),
        };
        assert_eq!((left(None), left(Some("acme"))), ("7 left".to_owned(), "Untold".to_owned()));
        let paid = Heard { audience: Some("acme".to_owned()), ..heard(StatusCode::OK, &named) };
        hosts.answered("a", Moment(1), &Heard { headers: &HeaderMap::new(), ..paid });
        assert_eq!((left(None), left(Some("acme"))), ("7 left".to_owned(), "Unlimited".to_owned()));
        // What names no limit because it failed says nothing; what was bought since then does.
        hosts.answered("a", Moment(2), &heard(StatusCode::UNAUTHORIZED, &HeaderMap::new()));
        assert_eq!(left(None), "7 left");
        hosts.answered("a", Moment(3), &heard(StatusCode::OK, &HeaderMap::new()));
        assert_eq!(left(None), "Unlimited");
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

    #[tokio::test]
    async fn a_dead_host_is_left_alone_for_a_while() {
        let hosts = Hosts::default();
        for _ in 0..2 {
            hosts.silent("a", Moment(0));
        }
        assert!(hosts.turn("a", Moment(0)).await.is_ok());
        hosts.silent("a", Moment(0));
        let error = hosts.turn("a", Moment(0)).await.expect_err("it rests").to_string();
        assert_eq!(error, "a: the registry failed 3 times in a row; it is asked again in 30 s");
        assert!(hosts.turn("b", Moment(0)).await.is_ok());
        // One try after the rest: it fails, and the next rest is longer.
        drop(hosts.turn("a", Moment(30_000)).await.expect("a try"));
        hosts.answered("a", Moment(30_000), &heard(StatusCode::BAD_GATEWAY, &HeaderMap::new()));
        assert!(hosts.turn("a", Moment(80_000)).await.is_err());
        assert!(hosts.turn("a", Moment(90_000)).await.is_ok());
        hosts.answered("a", Moment(90_000), &heard(StatusCode::OK, &HeaderMap::new()));
        hosts.silent("a", Moment(90_000));
        assert!(hosts.turn("a", Moment(90_000)).await.is_ok(), "one success forgives");
    }

    #[tokio::test]
    async fn trouble_slows_down_and_success_speeds_up() {
        let hosts = Hosts::default();
        let at_once = async |hosts: &Hosts| {
            let mut turns = Vec::new();
            while let Ok(turn) = tokio::time::timeout(Duration::from_millis(1), hosts.turn("a", Moment(0)))
                .await
                .unwrap_or_else(|_| Err(RegistryError::unavailable("a", "no turn")))
            {
                turns.push(turn);
            }
            turns.len()
        };
        assert_eq!(at_once(&hosts).await, 6);
        let trouble = |hosts: &Hosts| {
            hosts.answered("a", Moment(0), &heard(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new()));
        };
        let mut seen = Vec::new();
        for _ in 0..3 {
            trouble(&hosts);
            seen.push(at_once(&hosts).await);
        }
        assert_eq!(seen, [3, 2, 1]);
        for _ in 0..60 {
            hosts.answered("a", Moment(0), &heard(StatusCode::OK, &HeaderMap::new()));
        }
        assert_eq!(at_once(&hosts).await, 6);
    }

    #[test]
    fn what_is_left_of_the_limit() {
        let check = |limit: &str, remaining: &str, expected: Option<(u64, u64, u64)>| {
            let mut headers = HeaderMap::new();
            headers.insert("ratelimit-limit", limit.parse().expect("a header"));
            headers.insert("ratelimit-remaining", remaining.parse().expect("a header"));
            let found = Quota::read(&headers, Moment(7));
            assert_eq!(found.map(|q| (q.limit, q.window.as_secs(), q.remaining)), expected, "{limit} {remaining}");
        };
        check("100;w=21600", "76;w=21600", Some((100, 21_600, 76)));
        check("200", "0", Some((200, 21_600, 0)));
        check("many", "76", None);
        check("100;w=x", "-1", None);
        assert_eq!(Quota::read(&HeaderMap::new(), Moment(7)), None);
    }
}
