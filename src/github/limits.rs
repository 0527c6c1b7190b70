//! Politeness: a rate limit that GitHub named once is obeyed without asking again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::error::GitHubError;
use super::transport::Call;
use crate::repo::{InstallationId, Moment};

/// Until when each installation (`None`: the App itself) must not be asked.
#[derive(Default)]
pub(super) struct Limits {
    until: Mutex<HashMap<Option<InstallationId>, Moment>>,
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
    use super::*;

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
