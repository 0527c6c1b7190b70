//! Brings what comes whole: feeds of exploitation, VEX repositories, the ends of support, and what Debian's security
//! team decided.

use std::fs::File;
use std::io::BufReader;

use futures::StreamExt;
use futures::stream;

use super::JobError;
use crate::advisory::{AdvisoryError, Feeds, VexRepository};
use crate::store::{SourceRow, Store, TRIAGE};
use crate::vulnerability::{VexStatement, epss_date, kev_date, read_ends, read_epss, read_kev, read_triage, read_vex};

/// Documents asked for at once.
const AT_ONCE: usize = 8;
/// Statements of one repository.
const MOST_STATEMENTS: usize = 500_000;
/// The feed's name as a source.
pub(super) const ENDS: &str = "endoflife.date";

/// What was brought of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// `Debian`, `KEV`.
    pub source: String,
    /// Records that there are.
    pub records: usize,
    /// Those of them that are new or have changed.
    pub changed: usize,
    /// Records that are no more.
    pub gone: usize,
    /// Records that cannot be read: what they are about is not known.
    pub unreadable: usize,
}

impl Brought {
    /// Of a source of which nothing was brought.
    pub(super) fn none(source: &str) -> Self {
        Self { source: source.to_owned(), records: 0, changed: 0, gone: 0, unreadable: 0 }
    }
}

/// Why a source was not brought.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// The source does not answer, or not as it should.
    #[error("{0}")]
    Source(String),
    /// The database fails.
    #[error(transparent)]
    Store(JobError),
}

impl From<AdvisoryError> for BringError {
    fn from(error: AdvisoryError) -> Self {
        Self::Source(error.to_string())
    }
}

impl From<crate::store::StoreError> for BringError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Store(error.into())
    }
}

/// Brings CISA's catalogue; `None` where it is not wanted.
///
/// # Errors
/// It cannot be had.
pub async fn bring_kev(store: &Store, feeds: &Feeds) -> Result<Option<Brought>, BringError> {
    let Some(body) = feeds.kev().await? else { return Ok(None) };
    let catalogue = read_kev(&body).map_err(|error| BringError::Source(error.to_string()))?;
    store.save_kev(&catalogue).await?;
    store.save_advisory_source("KEV", (catalogue.len(), 0), kev_date(&body)).await?;
    Ok(Some(Brought { records: catalogue.len(), changed: catalogue.len(), ..Brought::none("KEV") }))
}

/// Brings FIRST's scores; `None` where they are not wanted.
///
/// # Errors
/// They cannot be had.
pub async fn bring_epss(store: &Store, feeds: &Feeds) -> Result<Option<Brought>, BringError> {
    let Some(body) = feeds.epss().await? else { return Ok(None) };
    let scores = read_epss(&body).map_err(|error| BringError::Source(error.to_string()))?;
    store.save_epss(&scores).await?;
    store.save_advisory_source("EPSS", (scores.len(), 0), epss_date(&body)).await?;
    Ok(Some(Brought { records: scores.len(), changed: scores.len(), ..Brought::none("EPSS") }))
}

/// Brings a VEX repository, whole: its statements take the place of what it had. A document that cannot be read is
/// counted and left out; one that does not come leaves all as it was.
///
/// # Errors
/// It cannot be had, or says more than Restow keeps.
pub async fn bring_vex(store: &Store, repository: &VexRepository) -> Result<Brought, BringError> {
    let locations = repository.locations().await?;
    let ask = |location: String| async move { repository.document(&location).await };
    let mut documents = stream::iter(locations.clone()).map(ask).buffered(AT_ONCE);
    let (mut statements, mut unreadable): (Vec<VexStatement>, usize) = (Vec::new(), 0);
    while let Some(document) = documents.next().await {
        let body: Result<Vec<u8>, AdvisoryError> = document;
        match read_vex(&body?) {
            Ok(read) => statements.extend(read),
            Err(_) => unreadable += 1,
        }
        if statements.len() > MOST_STATEMENTS {
            let reason = format!("{} says more than Restow keeps", repository.address());
            return Err(BringError::Source(reason));
        }
    }
    store.save_vex(repository.address(), &statements).await?;
    let source = SourceRow::of_vex(repository.address());
    store.save_advisory_source(&source, (statements.len(), 0), None).await?;
    Ok(Brought { source, records: statements.len(), changed: statements.len(), gone: 0, unreadable })
}

/// Brings when the support of products ends; `None` where it is not wanted.
///
/// # Errors
/// It cannot be had.
pub async fn bring_ends(store: &Store, feeds: &Feeds) -> Result<Option<Brought>, BringError> {
    let Some(body) = feeds.ends().await? else { return Ok(None) };
    let ends = read_ends(&body).map_err(|error| BringError::Source(error.to_string()))?;
    store.save_ends(&ends).await?;
    store.save_advisory_source(ENDS, (ends.len(), 0), None).await?;
    Ok(Some(Brought { records: ends.len(), changed: ends.len(), ..Brought::none(ENDS) }))
}

/// Brings what Debian's security team decided; `None` where it is not wanted.
///
/// # Errors
/// It cannot be had.
pub async fn bring_triage(store: &Store, feeds: &Feeds) -> Result<Option<Brought>, BringError> {
    let failed = |error: &dyn std::fmt::Display| BringError::Source(error.to_string());
    let file = tempfile::NamedTempFile::new().map_err(|error| failed(&error))?;
    if !feeds.triage(file.path()).await? {
        return Ok(None);
    }
    let read = move || -> Result<_, BringError> {
        let file = File::open(file.path()).map_err(|error| failed(&error))?;
        read_triage(BufReader::new(file)).map_err(|error| failed(&error))
    };
    let decided = tokio::task::spawn_blocking(read).await.map_err(|error| failed(&error))??;
    store.save_triage(&decided).await?;
    store.save_advisory_source(TRIAGE, (decided.len(), 0), None).await?;
    Ok(Some(Brought { records: decided.len(), changed: decided.len(), ..Brought::none(TRIAGE) }))
}
