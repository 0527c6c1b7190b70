//! What Restow remembers, on SQLite or PostgreSQL: deliveries, jobs, installations, repositories, what was read from
//! each blob, tag lists, and the pull requests it opened.
//!
//! One file per table. `database.rs` is the only place that knows that there are two databases; the contract tests in
//! `tests/it/store.rs` run on both. Moments are milliseconds since the Unix epoch.

mod audit;
mod claims;
mod contents;
mod database;
mod deliveries;
mod error;
mod extractions;
mod holds;
mod ignores;
mod image_key;
mod installations;
mod jobs;
mod ledger;
mod mirror;
mod missing_tags;
mod new_tags;
mod open;
mod pulls;
mod quotas;
mod repositories;
mod repository_images;
mod rpm_database;
mod stories;
mod tag_lists;
mod triage;
mod upkeep;
mod vex;
mod vulnerabilities;
mod weighed;
mod writes;

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::repo::Moment;

pub use audit::{AuditEntry, AuditFilter};
pub use claims::{Claim, Held, Retry};
pub use contents::ContentRow;
pub use deliveries::{Delivery, Recorded};
pub use error::StoreError;
pub use extractions::Extractions;
pub use holds::HeldRow;
pub use ignores::Ignore;
pub use image_key::ImageKey;
pub use installations::{InstallationRow, InstallationState};
pub use jobs::{JobCounts, JobFilter, JobRow, JobState, NewJob};
pub use ledger::Sighting;
pub use mirror::{MirroredAffected, MirroredRecord, SourceRow, TRIAGE};
pub use pulls::PullRow;
pub use quotas::QuotaRow;
pub use repositories::{RepositoryRow, RepositoryState};
pub use rpm_database::{RpmDatabaseError, rpm_headers};
pub use stories::StoryRow;
pub use tag_lists::TagListRow;
pub use vulnerabilities::AdvisoryRow;
pub use weighed::{Weighed, WeighedRow};

use database::{Database, Sql};
use deliveries::Intake;
use open::IfMissing;

/// The database; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    database: Database,
    clock: Clock,
    work: Arc<Notify>,
    intake: Intake,
}

impl Store {
    /// Opens `sqlite:FILE` (made where there is none), `sqlite::memory:` or `postgres://…`, and brings its tables up to
    /// date. Call it inside the runtime that will use the store.
    ///
    /// # Errors
    /// An unknown URL, a database that cannot be reached, tables that are newer than this program. No error holds the
    /// URL's password.
    pub async fn open(url: &SecretString, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self::over(open::open(url, IfMissing::Create).await?, clock))
    }

    /// Like [`Store::open`], but refuses to make an SQLite file: for tools that look at a server's database.
    ///
    /// # Errors
    /// As [`Store::open`], and [`StoreError::Missing`].
    pub async fn open_existing(url: &SecretString, clock: Clock) -> Result<Self, StoreError> {
        Ok(Self::over(open::open(url, IfMissing::Refuse).await?, clock))
    }

    fn over(database: Database, clock: Clock) -> Self {
        let intake = Intake::start(&database, &clock);
        Self { database, clock, work: Arc::new(Notify::new()), intake }
    }

    /// Asks the database whether it answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        const PING: Sql = Sql::new("ask for an answer", "SELECT 1");
        self.database.read(PING, &[]).await.map(|_| ())
    }

    /// Waits for what is being written and closes the connections; every clone is closed with it.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Completes when this process may have made a job claimable. Jobs that other processes make, that become due, or
    /// whose lease expires, wake nobody: claim every few seconds too.
    ///
    /// It may complete for nothing; a wake-up is kept for the next call when nobody waits.
    pub async fn work_available(&self) {
        self.work.notified().await;
    }

    /// Wakes one waiting worker; that worker's successful claim wakes the next.
    fn announce_work(&self) {
        self.work.notify_one();
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }
}
