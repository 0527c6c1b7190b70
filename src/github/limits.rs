//! Politeness: a rate limit that GitHub named once is obeyed without asking again, and an installation writes one
//! thing after the other, and no more than GitHub takes within a minute and an hour. Source: GitHub documentation, "Best practices for using the REST API".

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::error::GitHubError;
use super::transport::Call;
use crate::repo::{InstallationId, Moment};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// GitHub takes 80 writes of content within a minute and 500 within an hour. What begins something (a tree: a commit, a
/// branch and a pull request follow) stops earlier, so that what is begun can be ended.
const BEGIN: Budget = Budget { minute: 60, hour: 420 };
const ANY: Budget = Budget { minute: 78, hour: 490 };

struct Budget {
    minute: usize,
    hour: usize,
}

/// Until when each installation (`None`: the App itself) must not be asked.
#[derive(Default)]
pub(super) struct Limits {
    until: Mutex<HashMap<Option<InstallationId>, Moment>>,
    writers: Mutex<HashMap<InstallationId, Arc<AsyncMutex<()>>>>,
    /// When each installation wrote within the last hour, the oldest first.
    written: Mutex<HashMap<InstallationId, VecDeque<Moment>>>,
}

impl Limits {
    /// Refuses a call while its limit lasts, without sending it.
    pub(super) fn check(&self, who: Option<InstallationId>, now: Moment, call: &Call) -> Result<(), GitHubError> {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(end) = until.get(&who).copied() else { return Ok(()) };
        let left = u64::try_from(end.0.saturating_sub(now.0)).unwrap_or(0);
        if left == 0 {
            until.remove(&who);
            return Ok(());
        }
        let reason = "waiting for the end of GitHub's rate limit".to_owned();
        Err(GitHubError::Retry { call: call.name(), after: Some(Duration::from_millis(left)), reason })
    }

    /// Counts a write, or says how long to wait with it.
    pub(super) fn spend(&self, who: InstallationId, now: Moment, call: &Call) -> Result<(), GitHubError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let written = written.entry(who).or_default();
        while written.front().is_some_and(|at| now.0 - at.0 >= HOUR_MS) {
            written.pop_front();
        }
        let budget = if call.begins() { BEGIN } else { ANY };
        let within_minute = written.iter().rev().take_while(|at| now.0 - at.0 < MINUTE_MS).count();
        let oldest = |count: usize| written.get(written.len().saturating_sub(count)).copied().unwrap_or(now);
        let until = if written.len() >= budget.hour {
            oldest(budget.hour).plus_ms(HOUR_MS)
        } else if within_minute >= budget.minute {
            oldest(budget.minute).plus_ms(MINUTE_MS)
        } else {
            written.push_back(now);
            return Ok(());
        };
        let after = Duration::from_millis(u64::try_from(until.0 - now.0).unwrap_or(0));
        let reason = "waiting, so that GitHub's limit of writes is not met".to_owned();
        Err(GitHubError::Retry { call: call.name(), after: Some(after), reason })
    }

    /// Waits until no other write of this installation is on its way.
    pub(super) async fn turn_to_write(&self, who: InstallationId) -> OwnedMutexGuard<()> {
        let writer = {
            let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(writers.entry(who).or_default())
        };
        writer.lock_owned().await
    }

    /// Remembers a limit; a longer one stays.
    pub(super) fn note(&self, who: Option<InstallationId>, now: Moment, wait: Duration) {
        let end = now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let held = until.entry(who).or_insert(end);
        *held = (*held).max(end);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn an_installation_writes_one_thing_after_the_other() {
        use futures::FutureExt;

        let limits = Limits::default();
        let first = limits.turn_to_write(InstallationId(1)).await;
        assert!(limits.turn_to_write(InstallationId(2)).now_or_never().is_some());
        assert!(limits.turn_to_write(InstallationId(1)).now_or_never().is_none());
        drop(first);
        assert!(limits.turn_to_write(InstallationId(1)).now_or_never().is_some());
    }

    #[test]
    fn writes_stay_below_githubs_limits_and_what_is_begun_is_ended() {
        let limits = Limits::default();
        let (tree, other) =
            (Call::post("/repos/a/b/git/trees".to_owned(), Value::Null), Call::post("/x".to_owned(), Value::Null));
        let spend =
            |installation: u64, at: i64, call: &Call| limits.spend(InstallationId(installation), Moment(at), call);
        for _ in 0..60 {
            assert_eq!(spend(1, 0, &tree), Ok(()));
        }
        let error = spend(1, 20_000, &tree).expect_err("a wait");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(40)));
        assert_eq!(spend(1, 20_000, &other), Ok(()), "what is begun goes on");
        assert_eq!(spend(2, 20_000, &tree), Ok(()), "another installation");
        assert_eq!(spend(1, 60_000, &tree), Ok(()));
        for minute in 2..60 {
            for _ in 0..7 {
                let _ = spend(1, minute * 60_000, &tree);
            }
        }
        let error = spend(1, 3_540_000, &tree).expect_err("the hour's");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
        assert_eq!(spend(1, 3_600_000, &tree), Ok(()));
    }

    #[test]
    fn one_installation_waits_and_the_others_do_not() {
        let limits = Limits::default();
        let call = Call::get("/x".to_owned());
        let (mine, other) = (Some(InstallationId(1)), Some(InstallationId(2)));
        limits.note(mine, Moment(0), Duration::from_secs(60));
        limits.note(mine, Moment(0), Duration::from_secs(5));
        let error = limits.check(mine, Moment(10_000), &call).expect_err("a wait");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(50)));
        assert_eq!(limits.check(other, Moment(10_000), &call), Ok(()));
        assert_eq!(limits.check(mine, Moment(60_000), &call), Ok(()));
    }
}
