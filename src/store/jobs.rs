//! The queue, seen from outside: enqueue, list, count, retry the dead. `claims.rs` is its other half.
//!
//! The rules, which the two partial unique indexes of the table keep:
//!
//! - At most one **ready** row per `(kind, dedupe_key)`. Enqueueing what is ready already coalesces: the newer payload
//!   wins, the more urgent priority and the earlier moment are kept, and the tries start afresh, for it is new work.
//!   Whatever a job must not lose when payloads are replaced belongs in the tables, not in its payload.
//! - At most one **running** row per `serial_key`. An event that comes while its job runs makes one ready row more, the
//!   twin. A running job that would have to become ready again gives way to its twin.
//! - Finished jobs leave no row; dead ones stay until they are retried, one per `(kind, dedupe_key)`.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::database::{Row, Sql, Transaction, over_rows, retry_conflicts, values};
use super::{Store, StoreError};
use crate::repo::Moment;

/// A job to be enqueued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// What is to be done.
    pub kind: String,
    /// Jobs with equal serial keys never run at the same time; usually the repository.
    pub serial_key: String,
    /// Jobs of one kind with equal dedupe keys are one job while they wait.
    pub dedupe_key: String,
    /// What the job needs to know; the newest wins when jobs coalesce.
    pub payload: Json,
    /// Smaller is more urgent.
    pub priority: i32,
    /// Not to be started before.
    pub run_at: Moment,
    /// After this many failed tries the job is dead; at least one try is made.
    pub max_attempts: u32,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for a worker or for its moment.
    Ready,
    /// A worker holds it.
    Running,
    /// Failed too often, or for good; only a person retries it.
    Dead,
}

impl JobState {
    /// The state's one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Ready, Self::Running, Self::Dead]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of ready, running, dead"))
    }
}

/// A job as the queue holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// The number by which people name it.
    pub id: i64,
    /// What is to be done.
    pub kind: String,
    /// See [`NewJob::serial_key`].
    pub serial_key: String,
    /// See [`NewJob::dedupe_key`].
    pub dedupe_key: String,
    /// What the job needs to know.
    pub payload: Json,
    /// Smaller is more urgent.
    pub priority: i32,
    /// Where it stands.
    pub state: JobState,
    /// Not to be started before.
    pub run_at: Moment,
    /// Tries begun so far.
    pub attempts: u32,
    /// Tries allowed.
    pub max_attempts: u32,
    /// Who runs it.
    pub worker: Option<String>,
    /// Until when its worker holds it.
    pub lease_until: Option<Moment>,
    /// Why the last try failed.
    pub error: Option<String>,
    /// When it was first enqueued.
    pub created_at: Moment,
    /// When it last changed; for a dead job, when it died.
    pub changed_at: Moment,
}

/// Which jobs to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// Only those in this state.
    pub state: Option<JobState>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl Default for JobFilter {
    fn default() -> Self {
        Self { state: None, kind: None, limit: 1_000 }
    }
}

/// How many jobs stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobCounts {
    /// Waiting for a worker or for their moment.
    pub ready: u64,
    /// Held by a worker.
    pub running: u64,
    /// Dead.
    pub dead: u64,
}

const ENQUEUE: Sql = over_rows!(
    "enqueue jobs",
    "INSERT INTO jobs (kind, serial_key, dedupe_key, payload, priority, state, run_at, attempts, max_attempts, fence,
        created_at, changed_at)
     SELECT given.value ->> 'kind', given.value ->> 'serial_key', given.value ->> 'dedupe_key',
        given.value ->> 'payload', CAST(given.value ->> 'priority' AS BIGINT), 'ready',
        CAST(given.value ->> 'run_at' AS BIGINT), 0, CAST(given.value ->> 'max_attempts' AS BIGINT), 0, $2, $2
     FROM",
    "WHERE true
     ON CONFLICT (kind, dedupe_key) WHERE state = 'ready' DO UPDATE SET
        serial_key = excluded.serial_key,
        payload = excluded.payload,
        priority = CASE WHEN excluded.priority < jobs.priority THEN excluded.priority ELSE jobs.priority END,
        run_at = CASE WHEN excluded.run_at < jobs.run_at THEN excluded.run_at ELSE jobs.run_at END,
        attempts = 0,
        max_attempts = excluded.max_attempts,
        changed_at = excluded.changed_at"
);

macro_rules! job_columns {
    () => {
        "id, kind, serial_key, dedupe_key, payload, priority, state, run_at, attempts, max_attempts, worker, \
         lease_until, error, created_at, changed_at"
    };
}

const LIST: Sql = Sql::new(
    "list the jobs",
    concat!(
        "SELECT ",
        job_columns!(),
        " FROM jobs
         WHERE ($1 IS NULL OR state = $1) AND ($2 IS NULL OR kind = $2)
         ORDER BY CASE state WHEN 'running' THEN 0 WHEN 'ready' THEN 1 ELSE 2 END, priority, run_at, id
         LIMIT $3"
    ),
);

const COUNT: Sql = Sql::new("count the jobs", "SELECT state, count(*) AS jobs FROM jobs GROUP BY state");

const NEXT_RUN_AT: Sql = Sql::new(
    "look for the next job",
    "SELECT min(run_at) AS next_run_at FROM jobs AS waiting
     WHERE state = 'ready' AND NOT EXISTS (
        SELECT 1 FROM jobs AS held WHERE held.state = 'running' AND held.serial_key = waiting.serial_key)",
);

const DROP_DEAD_FOR_TWIN: Sql = Sql::new(
    "retry a dead job",
    "DELETE FROM jobs WHERE id = $1 AND state = 'dead' AND EXISTS (
        SELECT 1 FROM jobs AS twin
        WHERE twin.state = 'ready' AND twin.kind = jobs.kind AND twin.dedupe_key = jobs.dedupe_key)",
);

const REVIVE: Sql = Sql::new(
    "retry a dead job",
    "UPDATE jobs SET state = 'ready', attempts = 0, run_at = $2, changed_at = $2 WHERE id = $1 AND state = 'dead'",
);

impl Store {
    /// Enqueues a job, or coalesces it with the one that waits already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn enqueue(&self, job: &NewJob) -> Result<(), StoreError> {
        self.enqueue_all(std::slice::from_ref(job)).await
    }

    /// Enqueues all of them or, on an error, none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn enqueue_all(&self, jobs: &[NewJob]) -> Result<(), StoreError> {
        retry_conflicts(|| self.try_enqueue(jobs)).await?;
        self.announce_work();
        Ok(())
    }

    async fn try_enqueue(&self, jobs: &[NewJob]) -> Result<(), StoreError> {
        let mut open = self.database.begin(ENQUEUE.doing).await?;
        enqueue_in(&mut open, jobs, self.now()).await?;
        open.commit(ENQUEUE.doing).await
    }

    /// Lists jobs: running, then ready in the order in which they will run, then dead.
    ///
    /// # Errors
    /// The database fails.
    pub async fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, StoreError> {
        let state = filter.state.map(JobState::as_str);
        let wanted = values![state, filter.kind.as_deref(), i64::from(filter.limit)];
        self.database.read(LIST, wanted).await?.iter().map(job_row).collect()
    }

    /// Counts the jobs by their state.
    ///
    /// # Errors
    /// The database fails.
    pub async fn job_counts(&self) -> Result<JobCounts, StoreError> {
        let mut counts = JobCounts::default();
        for row in self.database.read(COUNT, &[]).await? {
            let jobs = row.number("jobs")?;
            match row.parsed("state")? {
                JobState::Ready => counts.ready = jobs,
                JobState::Running => counts.running = jobs,
                JobState::Dead => counts.dead = jobs,
            }
        }
        Ok(counts)
    }

    /// Makes a dead job ready again, with all its tries; `false` where no dead job has this id. Where the same work
    /// waits already, the dead job gives way to it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn retry_dead(&self, id: i64) -> Result<bool, StoreError> {
        let found = retry_conflicts(|| self.try_retry_dead(id)).await?;
        self.announce_work();
        Ok(found)
    }

    async fn try_retry_dead(&self, id: i64) -> Result<bool, StoreError> {
        let mut open = self.database.begin(REVIVE.doing).await?;
        let found = open.execute(DROP_DEAD_FOR_TWIN, values![id]).await? == 1
            || open.execute(REVIVE, values![id, self.now().0]).await? == 1;
        open.commit(REVIVE.doing).await?;
        Ok(found)
    }

    /// The moment, past or to come, of the earliest ready job whose serial key is free; `None` where there is none.
    ///
    /// # Errors
    /// The database fails.
    pub async fn next_run_at(&self) -> Result<Option<Moment>, StoreError> {
        let row = self.database.read_one(NEXT_RUN_AT, &[]).await?;
        Ok(row.map(|row| row.maybe_int("next_run_at")).transpose()?.flatten().map(Moment))
    }
}

/// Enqueues jobs in a transaction of the caller.
pub(super) async fn enqueue_in(open: &mut Transaction<'_>, jobs: &[NewJob], now: Moment) -> Result<(), StoreError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let rows = Json::from(coalesced(jobs).iter().map(as_json).collect::<Vec<_>>()).to_string();
    open.execute(ENQUEUE, values![&rows, now.0]).await.map(|_| ())
}

/// Coalesces the jobs among themselves: one statement cannot touch a row twice.
fn coalesced(jobs: &[NewJob]) -> Vec<NewJob> {
    let mut merged: Vec<NewJob> = Vec::with_capacity(jobs.len());
    let mut places: HashMap<(&str, &str), usize> = HashMap::with_capacity(jobs.len());
    for job in jobs {
        let place = *places.entry((&job.kind, &job.dedupe_key)).or_insert(merged.len());
        match merged.get_mut(place) {
            None => merged.push(job.clone()),
            Some(earlier) => {
                let (priority, run_at) = (earlier.priority.min(job.priority), earlier.run_at.min(job.run_at));
                *earlier = NewJob { priority, run_at, ..job.clone() };
            }
        }
    }
    merged
}

/// The payload goes as text inside the text: it is stored as it was written.
fn as_json(job: &NewJob) -> Json {
    json!({
        "kind": job.kind,
        "serial_key": job.serial_key,
        "dedupe_key": job.dedupe_key,
        "payload": job.payload.to_string(),
        "priority": job.priority,
        "run_at": job.run_at.0,
        "max_attempts": job.max_attempts.max(1),
    })
}

fn job_row(row: &Row) -> Result<JobRow, StoreError> {
    Ok(JobRow {
        id: row.int("id")?,
        kind: row.text("kind")?,
        serial_key: row.text("serial_key")?,
        dedupe_key: row.text("dedupe_key")?,
        payload: row.parsed("payload")?,
        priority: row.number("priority")?,
        state: row.parsed("state")?,
        run_at: Moment(row.int("run_at")?),
        attempts: row.number("attempts")?,
        max_attempts: row.number("max_attempts")?,
        worker: row.maybe_text("worker")?,
        lease_until: row.maybe_int("lease_until")?.map(Moment),
        error: row.maybe_text("error")?,
        created_at: Moment(row.int("created_at")?),
        changed_at: Moment(row.int("changed_at")?),
    })
}
