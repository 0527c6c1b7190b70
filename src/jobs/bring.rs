//! Brings VEX repositories, the ends of support, and what Debian's security team decided.

use std::fs::File;
use std::io::BufReader;

use futures::StreamExt;
use futures::stream;

use super::advisories::{BringError, Brought};
use crate::advisory::{AdvisoryError, Feeds, VexRepository};
use crate::store::{SourceRow, Store, TRIAGE};
use crate::vulnerability::{VexStatement, read_ends, read_triage, read_vex};

/// Documents asked for at once.
const AT_ONCE: usize = 8;
/// Statements of one repository.
const MOST_STATEMENTS: usize = 500_000;
/// The feed's name as a source.
pub(super) const ENDS: &str = "endoflife.date";

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
    let source = ENDS.to_owned();
    Ok(Some(Brought { source, records: ends.len(), changed: ends.len(), gone: 0, unreadable: 0 }))
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
    let source = TRIAGE.to_owned();
    Ok(Some(Brought { source, records: decided.len(), changed: decided.len(), gone: 0, unreadable: 0 }))
}
