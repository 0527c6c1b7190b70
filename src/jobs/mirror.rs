//! Mirrors the exports of ecosystems: what changed is brought, what is gone is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use super::bring::{BringError, Brought};
use crate::advisory::{Archive, Exports, Named};
use crate::repo::Moment;
use crate::store::{MirroredAffected, MirroredRecord, Store};
use crate::vulnerability::Advisory;

/// Rises when records are taken apart in another way: what was brought before is brought again.
const FORM: &str = "2 ";
/// What stands behind the time of a record that cannot be read: it is brought again when it changes, not before.
const UNREADABLE: &str = " unreadable";
/// Records that are asked for one by one; more are taken out of the archive.
const FEW: usize = 500;
/// Records asked for at once.
const AT_ONCE: usize = 16;
/// Records that are saved at once.
const CHUNK: usize = 1000;
/// So many records are seldom gone at once: where they are half of all, the list may be cut.
const MANY_GONE: usize = 100;

/// How far a source is brought: what is done, and the part of it.
pub(crate) type Progress<'a> = &'a (dyn Fn(&str, u64, Option<u64>) + Send + Sync);

/// Brings what changed of an ecosystem's export. What an earlier, broken run saved is not brought again; the source
/// counts as there only when all of it is.
///
/// # Errors
/// It cannot be had, or lacks what its own list names.
pub async fn bring(
    store: &Store,
    exports: &Exports,
    ecosystem: &str,
    progress: Progress<'_>,
) -> Result<Brought, BringError> {
    let list = exports.list(ecosystem).await?;
    let known = store.mirrored_records(ecosystem).await?;
    let is_known = |named: &&Named| {
        let was = known.get(&named.id).map(|form| form.strip_suffix(UNREADABLE).unwrap_or(form));
        was.is_some_and(|was| was.strip_prefix(FORM) == Some(&named.modified))
    };
    let changed: BTreeMap<String, Named> =
        list.iter().filter(|named| !is_known(named)).map(|named| (named.id.clone(), named.clone())).collect();
    let mut brought = Brought { records: list.len(), changed: changed.len(), ..Brought::none(ecosystem) };
    let absent = take(store, exports, (ecosystem, list.len()), changed, progress).await?;
    let there: BTreeSet<&str> = list.iter().map(|named| named.id.as_str()).collect();
    let gone: Vec<&str> = known.keys().map(String::as_str).filter(|id| !there.contains(id)).collect();
    if gone.len() > MANY_GONE && gone.len() * 2 > known.len() {
        refuse_cut_list(exports, ecosystem, &gone).await?;
    }
    store.forget_mirrored(ecosystem, &gone).await?;
    brought.gone = gone.len();
    let now = store.mirrored_records(ecosystem).await?;
    // What the list names and nobody has is not known either.
    brought.unreadable = now.values().filter(|form| form.ends_with(UNREADABLE)).count() + absent;
    let newest = list.iter().filter_map(|named| Moment::parse_rfc3339(&named.modified)).max();
    store.save_advisory_source(ecosystem, (list.len(), brought.unreadable), newest).await?;
    Ok(brought)
}

/// Refuses a list that lacks what its archive has: what it does not name is not gone.
async fn refuse_cut_list(exports: &Exports, ecosystem: &str, gone: &[&str]) -> Result<(), BringError> {
    let archive = open_archive(exports, ecosystem, &|_, _, _| ()).await?;
    let there: BTreeSet<String> = archive.names().collect();
    match gone.iter().filter(|id| there.contains(**id)).count() {
        0 => Ok(()),
        count => Err(BringError::Source(format!(
            "the list of {ecosystem} lacks {count} records that its archive has: it is cut, and what was known holds"
        ))),
    }
}

/// Saves the records that changed of `all`: few one by one, many out of the archive. How many nobody has, which are asked
/// for again the next time; what was known of them stays.
async fn take(
    store: &Store,
    exports: &Exports,
    (ecosystem, all): (&str, usize),
    mut changed: BTreeMap<String, Named>,
    progress: Progress<'_>,
) -> Result<usize, BringError> {
    let few = changed.len() <= FEW;
    if !few {
        take_archive(store, exports, ecosystem, &mut changed, progress).await?;
        // The list may be a little newer than the archive, never much.
        if changed.len() > FEW.max(all / 20) {
            let reason = format!("the archive of {ecosystem} lacks {} records that its list names", changed.len());
            return Err(BringError::Source(reason));
        }
    }
    let wanted = changed.into_values().collect();
    let mut absent = take_one_by_one(store, exports, ecosystem, wanted, progress).await?;
    // A copy may hold the archive alone.
    if few && !absent.is_empty() {
        take_archive(store, exports, ecosystem, &mut absent, progress).await?;
    }
    Ok(absent.len())
}

/// Saves those records of the archive that are wanted, and takes them from what is left.
async fn take_archive(
    store: &Store,
    exports: &Exports,
    ecosystem: &str,
    left: &mut BTreeMap<String, Named>,
    progress: Progress<'_>,
) -> Result<(), BringError> {
    let mut archive = open_archive(exports, ecosystem, progress).await?;
    let (mut next, all) = (0, archive.len());
    let wanted = Arc::new(left.clone());
    while next < all {
        let wanted = Arc::clone(&wanted);
        let ecosystem_of_chunk = ecosystem.to_owned();
        let reading = tokio::task::spawn_blocking(move || {
            let chunk = read_chunk(&mut archive, next, &wanted, &ecosystem_of_chunk);
            (archive, chunk)
        });
        let (back, chunk) = reading.await.map_err(|error| unread_archive(&error))?;
        archive = back;
        let chunk = chunk.map_err(BringError::Source)?;
        for record in &chunk.records {
            left.remove(&record.id);
        }
        store.save_mirrored(ecosystem, &chunk.records).await?;
        next = chunk.next;
        progress("reading", next as u64, Some(all as u64));
    }
    Ok(())
}

/// Downloads an archive; its file is gone from the disk when the archive is dropped.
async fn open_archive(exports: &Exports, ecosystem: &str, progress: Progress<'_>) -> Result<Archive, BringError> {
    let file = tempfile::NamedTempFile::new().map_err(|error| unread_archive(&error))?;
    exports.archive(ecosystem, file.path(), |has, of| progress("downloading", has, of)).await?;
    Archive::open(file.path()).map_err(BringError::Source)
}

fn unread_archive(error: &dyn std::fmt::Display) -> BringError {
    BringError::Source(format!("reading the archive: {error}"))
}

/// Some records out of an archive.
#[derive(Default)]
struct Chunk {
    records: Vec<MirroredRecord>,
    next: usize,
}

fn read_chunk(
    archive: &mut Archive,
    from: usize,
    wanted: &BTreeMap<String, Named>,
    ecosystem: &str,
) -> Result<Chunk, String> {
    let mut chunk = Chunk { next: from, ..Chunk::default() };
    while chunk.next < archive.len() && chunk.records.len() < CHUNK {
        let (id, body) = archive.record(chunk.next)?;
        chunk.next += 1;
        let Some(named) = wanted.get(&id) else { continue };
        match Advisory::read(&body) {
            // The archive is older than the list: this one is asked for.
            Ok(advisory) if is_older(&advisory, named) => {}
            Ok(advisory) => chunk.records.push(taken_apart(&advisory, named, ecosystem)),
            Err(_) => chunk.records.push(unreadable(named)),
        }
    }
    Ok(chunk)
}

/// By more than the second that one of the two may not name.
fn is_older(advisory: &Advisory, named: &Named) -> bool {
    let (Some(has), Some(wanted)) = (Moment::parse_rfc3339(&advisory.modified), Moment::parse_rfc3339(&named.modified))
    else {
        return false;
    };
    has.plus_ms(1000) < wanted
}

fn taken_apart(advisory: &Advisory, named: &Named, ecosystem: &str) -> MirroredRecord {
    let part = |part: Advisory| {
        let affected = part.affected.first()?;
        let (release, package) = (affected.ecosystem.clone(), affected.name.clone());
        Some(MirroredAffected { release, package, body: serde_json::to_string(&part).ok()? })
    };
    MirroredRecord {
        id: named.id.clone(),
        modified: format!("{FORM}{}", named.modified),
        affected: advisory.parts(ecosystem).into_iter().filter_map(part).collect(),
    }
}

/// A record of which nothing can be told.
fn unreadable(named: &Named) -> MirroredRecord {
    let modified = format!("{FORM}{}{UNREADABLE}", named.modified);
    MirroredRecord { id: named.id.clone(), modified, affected: Vec::new() }
}

/// Saves records that are asked for alone; those that are not there are told.
async fn take_one_by_one(
    store: &Store,
    exports: &Exports,
    ecosystem: &str,
    left: Vec<Named>,
    progress: Progress<'_>,
) -> Result<BTreeMap<String, Named>, BringError> {
    let (mut done, all, mut absent) = (0, left.len() as u64, BTreeMap::new());
    let ask = |named: Named| async move { (exports.record(ecosystem, &named.id).await, named) };
    let mut answers = stream::iter(left).map(ask).buffer_unordered(AT_ONCE).chunks(CHUNK);
    while let Some(some) = answers.next().await {
        let mut records = Vec::new();
        for (body, named) in some {
            let body = match body {
                Ok(body) => body,
                Err(error) if error.is_absent() => {
                    absent.insert(named.id.clone(), named);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let read = Advisory::read(&body);
            records.push(read.map_or_else(|_| unreadable(&named), |one| taken_apart(&one, &named, ecosystem)));
        }
        done += records.len() as u64;
        store.save_mirrored(ecosystem, &records).await?;
        progress("reading", done, Some(all));
    }
    Ok(absent)
}
