//! Politeness: a rate limit that GitHub named once is obeyed without asking again, and an installation writes one
//! thing after the other, and no more than GitHub takes within a minute and an hour. Source: GitHub documentation, "Best practices for using the REST API".

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::error::GitHubError;
use super::transport::Call;
use crate::repo::{InstallationId, Moment, RepoId};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// GitHub takes 80 writes of content within a minute and 500 within an hour. What begins something (a tree: a commit, a
/// branch and a pull request follow) stops earlier, so that what is begun can be ended.
const BEGIN: Budget = Budget { minute: 60, hour: 420 };
const ANY: Budget = Budget { minute: 78, hour: 490 };

/// So many writes of an hour every repository may begin, however many share the installation: one pull request.
const LEAST_SHARE: usize = 6;

struct Budget {
    minute: usize,
    hour: usize,
}

/// A write of the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// In which repository.
    pub repo: Option<RepoId>,
    /// When.
    pub at: Moment,
}

/// Where writes are kept, so that every process that works for an installation knows those of the others.
pub trait WriteLedger: Debug + Send + Sync {
    /// The writes of an installation after a moment, the oldest first; or what went wrong.
    fn since(&self, installation: InstallationId, after: Moment) -> BoxFuture<'_, Result<Vec<Written>, String>>;

    /// Keeps a write, and forgets those until `forgotten`; or what went wrong.
    fn note(
        &self,
        installation: InstallationId,
        repo: Option<RepoId>,
        at: Moment,
        forgotten: Moment,
    ) -> BoxFuture<'_, Result<(), String>>;
}

/// Keeps them in memory, for one process alone.
#[derive(Debug, Default)]
pub struct WritesInMemory {
    written: Mutex<HashMap<InstallationId, Vec<Written>>>,
}

impl WriteLedger for WritesInMemory {
    fn since(&self, installation: InstallationId, after: Moment) -> BoxFuture<'_, Result<Vec<Written>, String>> {
        let all = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let here = all.get(&installation).into_iter().flatten().filter(|one| one.at > after).copied().collect();
        std::future::ready(Ok(here)).boxed()
    }

    fn note(
        &self,
        installation: InstallationId,
        repo: Option<RepoId>,
        at: Moment,
        forgotten: Moment,
    ) -> BoxFuture<'_, Result<(), String>> {
        let mut all = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let here = all.entry(installation).or_default();
        here.retain(|one| one.at > forgotten);
        here.push(Written { repo, at });
        std::future::ready(Ok(())).boxed()
    }
}

/// What a write is among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Others follow that belong to it.
    Begins,
    /// It belongs to what has been begun, or stands alone.
    Follows,
}

impl Part {
    fn of(call: &Call) -> Self {
        if call.begins() { Self::Begins } else { Self::Follows }
    }
}

/// How long a write must wait; `None` where it may be made now. `written` are those of the last hour, the oldest first.
fn waits_until(written: &[Written], repo: Option<RepoId>, part: Part, now: Moment) -> Option<Moment> {
    let budget = match part {
        Part::Begins => BEGIN,
        Part::Follows => ANY,
    };
    let freed = |all: &[Moment], most: usize, span: i64| {
        let index = all.len().checked_sub(most)?;
        all.get(index).map(|at| at.plus_ms(span))
    };
    let all: Vec<Moment> = written.iter().map(|one| one.at).collect();
    let minute: Vec<Moment> = all.iter().copied().filter(|at| now.0 - at.0 < MINUTE_MS).collect();
    let hour = freed(&all, budget.hour, HOUR_MS);
    let minute = freed(&minute, budget.minute, MINUTE_MS);
    let share = repo.filter(|_| part == Part::Begins).and_then(|repo| {
        let own: Vec<Moment> = written.iter().filter(|one| one.repo == Some(repo)).map(|one| one.at).collect();
        freed(&own, fair_share(written, repo), HOUR_MS)
    });
    [hour, minute, share].into_iter().flatten().max()
}

/// What one repository may write within an hour: an equal part, of which one is left for whoever comes next.
fn fair_share(written: &[Written], repo: RepoId) -> usize {
    let others: BTreeSet<RepoId> = written.iter().filter_map(|one| one.repo).filter(|other| *other != repo).collect();
    (BEGIN.hour / (others.len() + 2)).max(LEAST_SHARE)
}

/// Until when each installation (`None`: the App itself) must not be asked.
pub(super) struct Limits {
    until: Mutex<HashMap<Option<InstallationId>, Moment>>,
    writers: Mutex<HashMap<InstallationId, Arc<AsyncMutex<()>>>>,
    ledger: Arc<dyn WriteLedger>,
    /// The least time between two writes of an installation.
    spacing: Duration,
}

impl Limits {
    pub(super) fn new(ledger: Arc<dyn WriteLedger>, spacing: Duration) -> Self {
        Self { until: Mutex::default(), writers: Mutex::default(), ledger, spacing }
    }

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

    /// Counts a write, or says how long to wait with it. What comes too close behind another waits here.
    pub(super) async fn spend(
        &self,
        (who, repo): (InstallationId, Option<RepoId>),
        now: Moment,
        call: &Call,
    ) -> Result<(), GitHubError> {
        let hour_ago = now.plus_ms(-HOUR_MS);
        let failed = |reason: String| GitHubError::Retry { call: call.name(), after: None, reason };
        let written = self.ledger.since(who, hour_ago).await.map_err(failed)?;
        if let Some(until) = waits_until(&written, repo, Part::of(call), now) {
            let after = Duration::from_millis(u64::try_from(until.0 - now.0).unwrap_or(0));
            let reason = "waiting, so that GitHub's limit of writes is not met".to_owned();
            return Err(GitHubError::Retry { call: call.name(), after: Some(after), reason });
        }
        if let Some(last) = written.last() {
            let since = Duration::from_millis(u64::try_from(now.0 - last.at.0).unwrap_or(0));
            tokio::time::sleep(self.spacing.saturating_sub(since)).await;
        }
        self.ledger.note(who, repo, now, hour_ago).await.map_err(failed)
    }

    /// Until when a repository must wait before it begins something new; `None` where it may now.
    pub(super) async fn begins_at(
        &self,
        who: InstallationId,
        repo: RepoId,
        now: Moment,
    ) -> Result<Option<Moment>, GitHubError> {
        let reason =
            |reason: String| GitHubError::Retry { call: "the limit of writes".to_owned(), after: None, reason };
        let written = self.ledger.since(who, now.plus_ms(-HOUR_MS)).await.map_err(reason)?;
        Ok(waits_until(&written, Some(repo), Part::Begins, now))
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

        let limits = limits();
        let first = limits.turn_to_write(InstallationId(1)).await;
        assert!(limits.turn_to_write(InstallationId(2)).now_or_never().is_some());
        assert!(limits.turn_to_write(InstallationId(1)).now_or_never().is_none());
        drop(first);
        assert!(limits.turn_to_write(InstallationId(1)).now_or_never().is_some());
    }

    fn limits() -> Limits {
        Limits::new(Arc::new(WritesInMemory::default()), Duration::ZERO)
    }

    async fn spend(limits: &Limits, who: u64, repo: u64, at: i64, call: &Call) -> Option<Duration> {
        let spent = limits.spend((InstallationId(who), Some(RepoId(repo))), Moment(at), call).await;
        spent.err().map(|error| error.retry_after().expect("a wait"))
    }

    #[tokio::test]
    async fn writes_stay_below_githubs_limits_and_what_is_begun_is_ended() {
        let limits = limits();
        let (tree, other) =
            (Call::post("/repos/a/b/git/trees".to_owned(), Value::Null), Call::post("/x".to_owned(), Value::Null));
        for repo in 0..60 {
            assert_eq!(spend(&limits, 1, repo, 0, &tree).await, None);
        }
        assert_eq!(spend(&limits, 1, 60, 20_000, &tree).await, Some(Duration::from_secs(40)));
        assert_eq!(spend(&limits, 1, 60, 20_000, &other).await, None, "what is begun goes on");
        assert_eq!(spend(&limits, 2, 60, 20_000, &tree).await, None, "another installation");
        assert_eq!(spend(&limits, 1, 60, 60_000, &tree).await, None);
        for minute in 2..60_i64 {
            for _ in 0..7 {
                spend(&limits, 1, 1000 + minute.unsigned_abs(), minute * 60_000, &other).await;
            }
        }
        assert_eq!(spend(&limits, 1, 61, 3_540_000, &tree).await, Some(Duration::from_secs(60)), "the hour's");
        assert_eq!(spend(&limits, 1, 61, 3_600_000, &tree).await, None);
    }

    #[tokio::test]
    async fn one_repository_leaves_room_for_the_others() {
        let limits = limits();
        let tree = Call::post("/repos/a/b/git/trees".to_owned(), Value::Null);
        let mut taken = 0;
        for second in 0..600 {
            taken += usize::from(spend(&limits, 1, 7, second * 2_000, &tree).await.is_none());
        }
        assert_eq!(taken, BEGIN.hour / 2, "alone it takes a half");
        assert!(spend(&limits, 1, 8, 1_200_000, &tree).await.is_none(), "another one begins at once");
        let wait = spend(&limits, 1, 7, 1_200_000, &tree).await.expect("a wait");
        assert!(wait > Duration::from_secs(1_800), "{wait:?}");
        let until = limits.begins_at(InstallationId(1), RepoId(7), Moment(1_200_000)).await;
        assert_eq!(until.map(|until| until.is_some()), Ok(true));
    }

    #[test]
    fn mutations_of_graphql_are_writes() {
        let call = |query: &str| Call::graphql(serde_json::json!({ "query": query }));
        assert!(call("mutation M { x }").writes());
        assert!(!call("query Q { x }").writes());
    }

    #[test]
    fn one_installation_waits_and_the_others_do_not() {
        let limits = limits();
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
