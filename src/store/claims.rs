//! The queue, seen by a worker: claim a job, hold it, give it back.
//!
//! A claim lasts as long as its lease. Each claim of a row raises the row's fence, and everything that a worker does to
//! its job is fenced by worker *and* fence: the number of tries alone would not do, for it goes back when a job is
//! released, retried or coalesced. A worker that has lost its lease is told [`Held::Lost`] and must stop writing.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use serde_json::Value as Json;

use super::database::{Row, Sql, Transaction, Value, retry_conflicts, values};
use super::jobs::enqueue_in;
use super::{NewJob, Store, StoreError};
use crate::repo::Moment;

/// A job that a worker holds; only [`Store::claim`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The job's number.
    pub id: i64,
    /// What is to be done.
    pub kind: String,
    /// No other job with this key runs now.
    pub serial_key: String,
    /// What the job needs to know.
    pub payload: Json,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Tries allowed.
    pub max_attempts: u32,
    /// Who holds it.
    pub worker: String,
    /// Until when, unless renewed.
    pub lease_until: Moment,
    fence: i64,
}

/// Whether the worker still held the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a worker that has lost its job must stop writing"]
pub enum Held {
    /// It did, and what was asked is done.
    Yes,
    /// The lease had passed to somebody else; nothing was changed.
    Lost,
}

/// When to try a failed job again, while it has tries left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// At this moment, when somebody said so.
    At(Moment),
    /// Within seconds after this moment; the try is not counted, for nothing was tried: GitHub asks to wait.
    Uncounted(Moment),
    /// Later and later: 5 s, doubled with each try, at most an hour, less up to half of it by chance.
    Backoff,
    /// Never: it would fail again.
    Never,
}

const FIRST_BACKOFF_MS: i64 = 5_000;
const LONGEST_BACKOFF_MS: i64 = 3_600_000;
/// An error text is for a person to read; it may quote hostile input.
const LONGEST_ERROR: usize = 4_000;
/// Jobs that wait for the same moment are spread over this time behind it.
const SPREAD_MS: i64 = 20_000;
const EXPIRED: &str = "the worker stopped before it had finished: its lease expired";

macro_rules! claim_before {
    () => {
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, fence = fence + 1, worker = $1, lease_until = $2,
            changed_at = $3
         WHERE id = (
            SELECT waiting.id FROM jobs AS waiting
            WHERE waiting.state = 'ready' AND waiting.run_at <= $3 AND NOT EXISTS (
                SELECT 1 FROM jobs AS held WHERE held.state = 'running' AND held.serial_key = waiting.serial_key)
            ORDER BY waiting.priority, waiting.run_at, waiting.id
            LIMIT 1"
    };
}
macro_rules! claim_after {
    () => {
        ") RETURNING id, kind, serial_key, payload, attempts, max_attempts, worker, lease_until, fence"
    };
}

const CLAIM: Sql = Sql {
    doing: "claim a job",
    sqlite: concat!(claim_before!(), claim_after!()),
    postgres: concat!(claim_before!(), " FOR UPDATE SKIP LOCKED", claim_after!()),
};

const EXPIRE: Sql = Sql::new(
    "take back jobs whose lease expired",
    "UPDATE jobs SET error = $2, changed_at = $1 WHERE state = 'running' AND lease_until <= $1
     RETURNING id, kind, dedupe_key, priority, attempts, max_attempts, error",
);

const RENEW: Sql = Sql::new(
    "renew a lease",
    "UPDATE jobs SET lease_until = $4 WHERE id = $1 AND worker = $2 AND fence = $3 AND state = 'running'",
);

const FINISH: Sql =
    Sql::new("finish a job", "DELETE FROM jobs WHERE id = $1 AND worker = $2 AND fence = $3 AND state = 'running'");

/// Also locks the row until the transaction ends.
const TAKE_BACK: Sql = Sql::new(
    "give a job back",
    "UPDATE jobs SET error = COALESCE($4, error), changed_at = $5
     WHERE id = $1 AND worker = $2 AND fence = $3 AND state = 'running'
     RETURNING id, kind, dedupe_key, priority, attempts, max_attempts, error",
);

const MARK_TWIN: Sql = Sql::new(
    "give a job back",
    "UPDATE jobs SET priority = CASE WHEN $3 < priority THEN $3 ELSE priority END, error = $4, changed_at = $5
     WHERE state = 'ready' AND kind = $1 AND dedupe_key = $2",
);

const REMOVE: Sql = Sql::new("give a job back", "DELETE FROM jobs WHERE id = $1");

const MAKE_READY: Sql = Sql::new(
    "give a job back",
    "UPDATE jobs SET state = 'ready', worker = NULL, lease_until = NULL, run_at = $2, attempts = $3 WHERE id = $1",
);

const BURY: Sql =
    Sql::new("give a job back", "UPDATE jobs SET state = 'dead', worker = NULL, lease_until = NULL WHERE id = $1");

const FORGET_OLDER_DEAD: Sql =
    Sql::new("give a job back", "DELETE FROM jobs WHERE state = 'dead' AND kind = $1 AND dedupe_key = $2 AND id <> $3");

impl Store {
    /// Takes the most urgent job that is due and whose serial key is free, for `lease`. Before it looks, jobs whose lease
    /// has expired are put back. `None` where there is nothing, or where other workers were faster.
    ///
    /// # Errors
    /// The database fails.
    pub async fn claim(&self, worker: &str, lease: Duration) -> Result<Option<Claim>, StoreError> {
        match retry_conflicts(|| self.try_claim(worker, lease)).await {
            Err(error) if error.is_conflict() => Ok(None),
            Ok(Some(claim)) => {
                // One wake-up may stand for many jobs: pass it on.
                self.announce_work();
                Ok(Some(claim))
            }
            other => other,
        }
    }

    async fn try_claim(&self, worker: &str, lease: Duration) -> Result<Option<Claim>, StoreError> {
        let now = self.now();
        let mut open = self.database.begin(CLAIM.doing).await?;
        for row in open.rows(EXPIRE, values![now.0, EXPIRED]).await? {
            let job = Returned::read(&row)?;
            let fate = if job.tries_left() { Fate::Ready { run_at: now, attempts: job.attempts } } else { Fate::Dead };
            job.put_back(&mut open, fate, now).await?;
        }
        let lease_until = after(now, lease);
        let claimed = open.row(CLAIM, values![worker, lease_until.0, now.0]).await?;
        open.commit(CLAIM.doing).await?;
        claimed.as_ref().map(read_claim).transpose()
    }

    /// Holds the job for `lease` from now.
    ///
    /// # Errors
    /// The database fails.
    pub async fn renew(&self, claim: &Claim, lease: Duration) -> Result<Held, StoreError> {
        let [id, worker, fence] = claim.key();
        let touched = self.database.write(RENEW, &[id, worker, fence, after(self.now(), lease).0.into()]).await?;
        Ok(held(touched))
    }

    /// Removes the job, which is done, and enqueues what follows from it, both or neither.
    ///
    /// # Errors
    /// The database fails.
    pub async fn finish(&self, claim: &Claim, then: Vec<NewJob>) -> Result<Held, StoreError> {
        let finished = retry_conflicts(|| self.try_finish(claim, &then)).await?;
        self.announce_work();
        Ok(finished)
    }

    async fn try_finish(&self, claim: &Claim, then: &[NewJob]) -> Result<Held, StoreError> {
        let mut open = self.database.begin(FINISH.doing).await?;
        let finished = held(open.execute(FINISH, &claim.key()).await?);
        if finished == Held::Yes {
            enqueue_in(&mut open, then, self.now()).await?;
        }
        open.commit(FINISH.doing).await?;
        Ok(finished)
    }

    /// Gives the job back as failed: to be tried again as `retry` says, or dead when its tries are used up. Where the
    /// same work waits already, the failed job gives way to it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn fail(&self, claim: &Claim, error: &str, retry: Retry) -> Result<Held, StoreError> {
        let error = readable(error);
        let now = self.now();
        let again_at = match retry {
            Retry::At(moment) => Some(moment),
            Retry::Backoff => Some(now.plus_ms(backoff_ms(claim.attempt))),
            // Many jobs that were told to wait must not all come back in the same moment.
            Retry::Uncounted(moment) => Some(moment.plus_ms(chance(claim.attempt, SPREAD_MS))),
            Retry::Never => None,
        };
        let fate = match again_at {
            Some(run_at) if matches!(retry, Retry::Uncounted(_)) => {
                Fate::Ready { run_at, attempts: claim.attempt.saturating_sub(1) }
            }
            Some(run_at) if claim.attempt < claim.max_attempts => Fate::Ready { run_at, attempts: claim.attempt },
            Some(_) | None => Fate::Dead,
        };
        self.give_back(claim, Some(&error), fate).await
    }

    /// Gives the job back unharmed, to be claimed at once; the try is not counted. For a worker that must stop.
    ///
    /// # Errors
    /// The database fails.
    pub async fn release(&self, claim: &Claim) -> Result<Held, StoreError> {
        let attempts = claim.attempt.saturating_sub(1);
        self.give_back(claim, None, Fate::Ready { run_at: self.now(), attempts }).await
    }

    async fn give_back(&self, claim: &Claim, error: Option<&str>, fate: Fate) -> Result<Held, StoreError> {
        let given = retry_conflicts(|| self.try_give_back(claim, error, fate)).await?;
        self.announce_work();
        Ok(given)
    }

    async fn try_give_back(&self, claim: &Claim, error: Option<&str>, fate: Fate) -> Result<Held, StoreError> {
        let now = self.now();
        let [id, worker, fence] = claim.key();
        let mut open = self.database.begin(TAKE_BACK.doing).await?;
        let Some(row) = open.row(TAKE_BACK, &[id, worker, fence, error.into(), now.0.into()]).await? else {
            return Ok(Held::Lost);
        };
        Returned::read(&row)?.put_back(&mut open, fate, now).await?;
        open.commit(TAKE_BACK.doing).await?;
        Ok(Held::Yes)
    }
}

impl Claim {
    /// What tells this claim from every other one, ever.
    fn key(&self) -> [Value<'_>; 3] {
        [self.id.into(), (&self.worker).into(), self.fence.into()]
    }
}

/// What becomes of a job that is given back.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Ready { run_at: Moment, attempts: u32 },
    Dead,
}

/// A running job on its way back.
struct Returned {
    id: i64,
    kind: String,
    dedupe_key: String,
    priority: i64,
    attempts: u32,
    max_attempts: u32,
    error: Option<String>,
}

impl Returned {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.int("id")?,
            kind: row.text("kind")?,
            dedupe_key: row.text("dedupe_key")?,
            priority: row.int("priority")?,
            attempts: row.number("attempts")?,
            max_attempts: row.number("max_attempts")?,
            error: row.maybe_text("error")?,
        })
    }

    fn tries_left(&self) -> bool {
        self.attempts < self.max_attempts
    }

    /// A waiting twin takes the job's place, its urgency and its error; without one the job itself goes back.
    async fn put_back(&self, open: &mut Transaction<'_>, fate: Fate, now: Moment) -> Result<(), StoreError> {
        let twin = values![&self.kind, &self.dedupe_key, self.priority, self.error.as_deref(), now.0];
        if open.execute(MARK_TWIN, twin).await? > 0 {
            open.execute(REMOVE, values![self.id]).await?;
            return Ok(());
        }
        match fate {
            Fate::Ready { run_at, attempts } => {
                open.execute(MAKE_READY, values![self.id, run_at.0, i64::from(attempts)]).await?;
            }
            Fate::Dead => {
                open.execute(BURY, values![self.id]).await?;
                open.execute(FORGET_OLDER_DEAD, values![&self.kind, &self.dedupe_key, self.id]).await?;
            }
        }
        Ok(())
    }
}

fn read_claim(row: &Row) -> Result<Claim, StoreError> {
    Ok(Claim {
        id: row.int("id")?,
        kind: row.text("kind")?,
        serial_key: row.text("serial_key")?,
        payload: row.parsed("payload")?,
        attempt: row.number("attempts")?,
        max_attempts: row.number("max_attempts")?,
        worker: row.text("worker")?,
        lease_until: Moment(row.int("lease_until")?),
        fence: row.int("fence")?,
    })
}

fn held(touched: u64) -> Held {
    if touched > 0 { Held::Yes } else { Held::Lost }
}

fn after(now: Moment, time: Duration) -> Moment {
    now.plus_ms(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// The wait after the given try: equal jitter, so that jobs that failed together do not come back together.
fn backoff_ms(attempt: u32) -> i64 {
    let doublings = attempt.saturating_sub(1).min(20);
    let longest = (FIRST_BACKOFF_MS << doublings).min(LONGEST_BACKOFF_MS);
    longest / 2 + chance(attempt, longest) / 2
}

/// A number from 0 to below `limit`. Each `RandomState` has keys of its own: chance enough, and no crate.
fn chance(seed: u32, limit: i64) -> i64 {
    (RandomState::new().hash_one(seed) % limit.cast_unsigned()).cast_signed()
}

/// Without NUL, which PostgreSQL cannot store, and bounded.
fn readable(error: &str) -> String {
    error.chars().filter(|&c| c != '\0').take(LONGEST_ERROR).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_an_hour_and_is_never_less_than_half() {
        for (attempt, longest) in
            [(0, 5_000), (1, 5_000), (2, 10_000), (5, 80_000), (11, 3_600_000), (u32::MAX, 3_600_000)]
        {
            for _ in 0..50 {
                let wait = backoff_ms(attempt);
                assert!((longest / 2..=longest).contains(&wait), "try {attempt}: {wait} ms");
            }
        }
    }

    #[test]
    fn jobs_that_failed_together_come_back_apart() {
        let waits: std::collections::HashSet<i64> = (0..20).map(|_| backoff_ms(8)).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
