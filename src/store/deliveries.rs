//! The webhook deliveries seen, each stored once, together with the jobs it asks for.
//!
//! A delivery is durable when [`Store::record_delivery`] returns: GitHub is then told that it was accepted. On SQLite
//! one task takes all deliveries that wait and stores them in one transaction that is synced to the disk (a group
//! commit); every other transaction is only written, and a power loss may take the last of them: they can be done again.

use std::collections::HashSet;

use serde_json::{Value as Json, json};
use sqlx::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use super::database::{Database, Sql, Transaction, over_rows, retry_conflicts, values};
use super::jobs::enqueue_in;
use super::{NewJob, Store, StoreError};
use crate::clock::Clock;
use crate::repo::{InstallationId, Moment, PullNumber, RepoId};

/// One webhook delivery, without its payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// GitHub's GUID of it, from `X-GitHub-Delivery`; a registry's hook makes one that begins with `hook:`.
    pub id: String,
    /// What happened, from `X-GitHub-Event`; `registry-push` by a registry's hook.
    pub event: String,
    /// The payload's `action`.
    pub action: Option<String>,
    /// The installation that it concerns.
    pub installation: Option<InstallationId>,
    /// The repository that it concerns.
    pub repo: Option<RepoId>,
    /// A few words of the payload for people; never the payload.
    pub summary: Json,
}

/// Whether a delivery was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It was, with its jobs.
    New,
    /// Its id was seen before: nothing was changed.
    Seen,
}

/// Deliveries that may wait for the disk before the next sender has to.
const WAITING: usize = 1_024;
/// Deliveries in one transaction.
const BATCH: usize = 512;

const RECORD: Sql = over_rows!(
    "store a delivery",
    "INSERT INTO deliveries (id, event, action, installation_id, repo_id, summary, received_at)
     SELECT given.value ->> 'id', given.value ->> 'event', given.value ->> 'action',
        CAST(given.value ->> 'installation' AS BIGINT), CAST(given.value ->> 'repo' AS BIGINT),
        given.value ->> 'summary', $2
     FROM",
    "WHERE true ON CONFLICT (id) DO NOTHING RETURNING id"
);

const FORGET: Sql = Sql::new("forget old deliveries", "DELETE FROM deliveries WHERE received_at < $1");

/// A delivery with its jobs.
#[derive(Debug)]
pub(super) struct Parcel {
    delivery: Delivery,
    jobs: Vec<NewJob>,
}

pub(super) type Answer = oneshot::Sender<Result<Recorded, StoreError>>;

/// Where deliveries go in.
#[derive(Debug, Clone)]
pub(super) enum Intake {
    /// To the task that writes them together.
    Grouped(mpsc::Sender<(Parcel, Answer)>),
    /// Each in its own transaction: PostgreSQL groups their commits itself.
    Direct,
}

impl Intake {
    pub(super) fn start(database: &Database, clock: &Clock) -> Self {
        match database {
            Database::Sqlite { writer, .. } => {
                let (sender, receiver) = mpsc::channel(WAITING);
                tokio::spawn(write_groups(writer.clone(), clock.clone(), receiver));
                Self::Grouped(sender)
            }
            Database::Postgres(_) => Self::Direct,
        }
    }
}

/// Who closed a pull request, by the webhooks that told of it.
const CLOSED: Sql = Sql::new(
    "read who closed a pull request",
    "SELECT summary FROM deliveries WHERE repo_id = $1 AND event = 'pull_request' AND action = 'closed'
     ORDER BY received_at DESC LIMIT 100",
);

impl Store {
    /// Who closed a pull request or merged it, where a webhook told.
    ///
    /// # Errors
    /// The database fails, or a row is unreadable.
    pub async fn closed_by(&self, repo: RepoId, pull: PullNumber) -> Result<Option<String>, StoreError> {
        for row in self.database.read(CLOSED, values![repo.0.cast_signed()]).await? {
            let summary: Json = row.parsed("summary")?;
            if summary["number"].as_u64() == Some(pull.0) {
                return Ok(summary["sender"].as_str().map(str::to_owned));
            }
        }
        Ok(None)
    }

    /// Stores a delivery and enqueues its jobs, both or neither; both are on disk when this returns
    /// [`Recorded::New`]. An id that was seen before changes nothing.
    ///
    /// # Errors
    /// The database fails; nothing was stored.
    pub async fn record_delivery(&self, delivery: Delivery, jobs: Vec<NewJob>) -> Result<Recorded, StoreError> {
        let parcel = Parcel { delivery, jobs };
        let recorded = match &self.intake {
            Intake::Direct => retry_conflicts(|| self.record_directly(&parcel)).await?,
            Intake::Grouped(sender) => {
                let (answer, answered) = oneshot::channel();
                sender.send((parcel, answer)).await.map_err(|_| StoreError::Closed)?;
                answered.await.map_err(|_| StoreError::Closed)??
            }
        };
        if recorded == Recorded::New {
            self.announce_work();
        }
        Ok(recorded)
    }

    async fn record_directly(&self, parcel: &Parcel) -> Result<Recorded, StoreError> {
        let mut open = self.database.begin(RECORD.doing).await?;
        let new = record_in(&mut open, &[parcel], self.now()).await?;
        open.commit(RECORD.doing).await?;
        Ok(if new.is_empty() { Recorded::Seen } else { Recorded::New })
    }

    /// Forgets deliveries received before `moment`, and returns how many: their ids are no longer recognised.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_deliveries(&self, moment: Moment) -> Result<u64, StoreError> {
        self.database.write(FORGET, values![moment.0]).await
    }
}

/// Takes what waits, writes it in one synced transaction, answers; until the last sender is gone.
async fn write_groups(writer: SqlitePool, clock: Clock, mut waiting: mpsc::Receiver<(Parcel, Answer)>) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, BATCH).await > 0 {
        let (parcels, answers): (Vec<Parcel>, Vec<Answer>) = group.drain(..).unzip();
        for (recorded, answer) in write_group(&writer, &parcels, clock.now()).await.into_iter().zip(answers) {
            // A sender that no longer waits will send the delivery again, and be told that it was seen.
            let _gone = answer.send(recorded);
        }
    }
}

/// One result for each parcel. Where the group fails each parcel is tried alone, so that one cannot spoil the others.
async fn write_group(writer: &SqlitePool, parcels: &[Parcel], now: Moment) -> Vec<Result<Recorded, StoreError>> {
    let all: Vec<&Parcel> = parcels.iter().collect();
    match write_synced(writer, &all, now).await {
        Ok(recorded) => recorded.into_iter().map(Ok).collect(),
        Err(error) if parcels.len() <= 1 => vec![Err(error)],
        Err(_) => {
            let mut results = Vec::with_capacity(parcels.len());
            for parcel in &all {
                let alone = write_synced(writer, &[parcel], now).await;
                results.push(alone.map(|recorded| recorded.first().copied().unwrap_or(Recorded::Seen)));
            }
            results
        }
    }
}

/// Writes the parcels in one transaction with `synchronous` FULL: its commit waits for the disk.
async fn write_synced(writer: &SqlitePool, parcels: &[&Parcel], now: Moment) -> Result<Vec<Recorded>, StoreError> {
    let failed = |source| StoreError::Statement { doing: RECORD.doing, source };
    let mut connection = writer.acquire().await.map_err(failed)?;
    sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await.map_err(failed)?;
    let written = write_together(&mut connection, parcels, now).await;
    sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await.map_err(failed)?;
    written
}

async fn write_together(
    connection: &mut sqlx::SqliteConnection,
    parcels: &[&Parcel],
    now: Moment,
) -> Result<Vec<Recorded>, StoreError> {
    let mut open = Transaction::on(connection, RECORD.doing).await?;
    let mut new = record_in(&mut open, parcels, now).await?;
    open.commit(RECORD.doing).await?;
    let first = |parcel: &&Parcel| if new.remove(&parcel.delivery.id) { Recorded::New } else { Recorded::Seen };
    Ok(parcels.iter().map(first).collect())
}

/// Stores the deliveries that are new, and the jobs of those; returns the new ids. Of two with one id the first counts.
async fn record_in(
    open: &mut Transaction<'_>,
    parcels: &[&Parcel],
    now: Moment,
) -> Result<HashSet<String>, StoreError> {
    let mut ids = HashSet::with_capacity(parcels.len());
    let firsts: Vec<&Parcel> = parcels.iter().copied().filter(|parcel| ids.insert(&parcel.delivery.id)).collect();
    let rows = Json::from(firsts.iter().map(|parcel| as_json(&parcel.delivery)).collect::<Vec<_>>()).to_string();
    let mut new = HashSet::with_capacity(firsts.len());
    for row in open.rows(RECORD, values![&rows, now.0]).await? {
        new.insert(row.text("id")?);
    }
    let wanted = firsts.into_iter().filter(|parcel| new.contains(&parcel.delivery.id));
    let jobs: Vec<NewJob> = wanted.flat_map(|parcel| parcel.jobs.iter().cloned()).collect();
    enqueue_in(open, &jobs, now).await?;
    Ok(new)
}

fn as_json(delivery: &Delivery) -> Json {
    json!({
        "id": delivery.id,
        "event": delivery.event,
        "action": delivery.action,
        "installation": delivery.installation.map(|id| id.0.cast_signed()),
        "repo": delivery.repo.map(|id| id.0.cast_signed()),
        "summary": delivery.summary.to_string(),
    })
}
