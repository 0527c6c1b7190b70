//! Claims jobs, runs them, and says how they ended.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::kind::{
    ConfirmPayload, JobKind, LookUpPayload, OrderPayload, PreviewPayload, ReopenPayload, RepoPayload, ScanPayload,
    SyncPayload,
};
use super::{
    JobError, Services, advisories, confirm, installation, look_up, order, plan, preview, reconcile, redeliver, reopen,
    scan, watch,
};
use crate::clock::Clock;
use crate::store::{Claim, Held, NewJob, Retry, StoreError};

/// How long a worker without work waits before it looks again: for expired leases and for other processes' jobs.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How long a worker waits after an error of the database.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// Tells a running job whether its lease still holds: it must before every write to the outside.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    clock: Clock,
    /// Milliseconds since the epoch; behind it another worker may have the job.
    held_until: Arc<AtomicI64>,
}

impl Guard {
    fn new(clock: Clock, lease: Duration) -> Self {
        let guard = Self { clock, held_until: Arc::default() };
        guard.keep(lease);
        guard
    }

    /// Fails where another worker may have the job.
    pub(super) fn check(&self) -> Result<(), JobError> {
        let holds = self.clock.now().0 < self.held_until.load(Ordering::SeqCst);
        if holds { Ok(()) } else { Err(JobError::LeaseLost) }
    }

    fn keep(&self, lease: Duration) {
        let until = self.clock.now().plus_ms(i64::try_from(lease.as_millis()).unwrap_or(i64::MAX));
        self.held_until.store(until.0, Ordering::SeqCst);
    }

    fn lose(&self) {
        self.held_until.store(i64::MIN, Ordering::SeqCst);
    }
}

/// One worker.
#[derive(Debug, Clone)]
pub struct Worker {
    services: Services,
    name: String,
}

/// What [`Worker::drain`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Jobs that were run, whatever came of them.
    pub jobs: u32,
}

impl Worker {
    /// A worker; `name` tells it from all others that share the database.
    pub fn new(services: Services, name: String) -> Self {
        Self { services, name }
    }

    /// Works until `shutdown`; a job that is then running is given back.
    pub async fn run(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.services.store.claim(&self.name, self.services.times.lease).await {
                Ok(Some(claim)) => self.work(claim, shutdown).await,
                Ok(None) => self.wait(shutdown).await,
                Err(error) => {
                    tracing::error!(%error, "no job could be claimed");
                    let pause = tokio::time::sleep(DATABASE_PAUSE);
                    shutdown.run_until_cancelled(pause).await;
                }
            }
        }
    }

    /// Runs every job that is due, and those that they queue, until none is left.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn drain(&self) -> Result<Drained, StoreError> {
        let mut jobs = 0;
        while let Some(claim) = self.services.store.claim(&self.name, self.services.times.lease).await? {
            jobs += 1;
            self.work(claim, &CancellationToken::new()).await;
        }
        Ok(Drained { jobs })
    }

    async fn wait(&self, shutdown: &CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.services.store.work_available() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }

    async fn work(&self, claim: Claim, shutdown: &CancellationToken) {
        let span = tracing::info_span!("job", id = claim.id, kind = %claim.kind, key = %claim.serial_key);
        async {
            let guard = Guard::new(self.services.clock.clone(), self.services.times.lease);
            let outcome = tokio::select! {
                outcome = self.dispatch_safely(&claim, &guard) => Some(outcome),
                () = self.renew(&claim, &guard) => Some(Err(JobError::LeaseLost)),
                () = shutdown.cancelled() => None,
            };
            let ended = match outcome {
                Some(outcome) => self.conclude(&claim, outcome).await,
                None => self.services.store.release(&claim).await,
            };
            match ended {
                Ok(Held::Yes) => {}
                Ok(Held::Lost) => tracing::warn!("the lease had passed to another worker"),
                Err(error) => tracing::error!(%error, "the end of the job could not be stored; its lease will expire"),
            }
        }
        .instrument(span)
        .await;
    }

    /// Keeps the lease; returns when it is lost.
    async fn renew(&self, claim: &Claim, guard: &Guard) {
        loop {
            tokio::time::sleep(self.services.times.lease / 3).await;
            match self.services.store.renew(claim, self.services.times.lease).await {
                Ok(Held::Yes) => guard.keep(self.services.times.lease),
                Ok(Held::Lost) => break guard.lose(),
                Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
            }
        }
    }

    /// A panic is a bug, and one repository's: it costs its job, not the worker.
    async fn dispatch_safely(&self, claim: &Claim, guard: &Guard) -> Result<Vec<NewJob>, JobError> {
        let outcome = AssertUnwindSafe(self.dispatch(claim, guard)).catch_unwind().await;
        outcome.unwrap_or_else(|_| Err(JobError::Permanent("the job panicked: this is a bug, see the log".to_owned())))
    }

    async fn dispatch(&self, claim: &Claim, guard: &Guard) -> Result<Vec<NewJob>, JobError> {
        match JobKind::parse(&claim.kind) {
            Some(JobKind::Reconcile) => reconcile::run(&self.services).await,
            Some(JobKind::Sync) => installation::run(&self.services, &payload::<SyncPayload>(claim)?, guard).await,
            Some(JobKind::Scan) => scan::run(&self.services, &payload::<ScanPayload>(claim)?, guard).await,
            Some(JobKind::Watch) => watch::run(&self.services, &payload::<RepoPayload>(claim)?, guard).await,
            Some(JobKind::Preview) => preview::run(&self.services, &payload::<PreviewPayload>(claim)?).await,
            Some(JobKind::Advisories) => advisories::run(&self.services).await,
            Some(JobKind::Redeliver) => redeliver::run(&self.services).await,
            Some(JobKind::Reopen) => reopen::run(&self.services, &payload::<ReopenPayload>(claim)?).await,
            Some(JobKind::Order) => order::run(&self.services, &payload::<OrderPayload>(claim)?, guard).await,
            Some(JobKind::Plan) => plan::run(&self.services, &payload::<RepoPayload>(claim)?, guard).await,
            Some(JobKind::LookUp) => look_up::run(&self.services, &payload::<LookUpPayload>(claim)?).await,
            Some(JobKind::Confirm) => confirm::run(&self.services, &payload::<ConfirmPayload>(claim)?).await,
            None => Err(JobError::Permanent(format!("no job is called {:?}", claim.kind))),
        }
    }

    async fn conclude(&self, claim: &Claim, outcome: Result<Vec<NewJob>, JobError>) -> Result<Held, StoreError> {
        let store = &self.services.store;
        let result = if outcome.is_ok() { "done" } else { "failed" };
        metrics::counter!("restow_jobs_total", "kind" => claim.kind.clone(), "result" => result).increment(1);
        match outcome {
            Ok(then) => store.finish(claim, then).await,
            Err(JobError::LeaseLost) => Ok(Held::Lost),
            Err(JobError::Retry { after, reason }) => {
                tracing::warn!(%reason, attempt = claim.attempt, "the job will be tried again");
                let retry = after.map_or(Retry::Backoff, |after| {
                    Retry::Uncounted(self.services.clock.now().plus_ms(after.as_millis().try_into().unwrap_or(0)))
                });
                store.fail(claim, &reason, retry).await
            }
            Err(JobError::Permanent(reason)) => {
                tracing::error!(%reason, "the job is dead");
                store.fail(claim, &reason, Retry::Never).await
            }
        }
    }
}

fn payload<T: DeserializeOwned>(claim: &Claim) -> Result<T, JobError> {
    serde_json::from_value(claim.payload.clone()).map_err(|error| JobError::unreadable("payload of the job", &error))
}
