//! Politeness: a rate limit that GitHub named once is obeyed without asking again, and an installation writes one
//! thing after the other. Source: GitHub documentation, "Best practices for using the REST API".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::error::GitHubError;
use super::transport::Call;
use crate::repo::{InstallationId, Moment};

/// Until when each installation (`None`: the App itself) must not be asked.
#[derive(Default)]
pub(super) struct Limits {
    until: Mutex<HashMap<Option<InstallationId>, Moment>>,
    writers: Mutex<HashMap<InstallationId, Arc<AsyncMutex<()>>>>,
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
