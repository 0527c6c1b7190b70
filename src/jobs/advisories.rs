//! Brings exports and feeds, holds the images in use against them again, and plans the repositories whose images are
//! affected in another way than before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;

use super::bring::{ENDS, bring_ends, bring_triage, bring_vex};
use super::kind::{advisories_job, plan_job};
use super::lookups::{AdvisorySources, Allowance, Lookups, Part};
use super::prints::{PartPrint, Print};
use super::{JobError, Services};
use crate::advisory::{AdvisoryError, Archive, Exports, Feeds, Named};
use crate::image::{Digest, Platform};
use crate::repo::{Moment, RepoId};
use crate::store::{ImageKey, MirroredAffected, MirroredRecord, NewJob, RepositoryState, Store, TRIAGE, WeighedRow};
use crate::vulnerability::{Advisory, Determination, epss_date, kev_date, read_epss, read_kev};

/// Rises when records are taken apart in another way: what was brought before is brought again.
const FORM: &str = "2 ";
/// What stands behind the time of a record that cannot be read: it is brought again when it changes, not before.
const UNREADABLE: &str = " unreadable";
/// Records that are asked for one by one; more are taken out of the archive.
const FEW: usize = 500;
/// Records asked for at once.
const AT_ONCE: usize = 16;
/// Digests that registries are asked about in one run for what is attached to them.
const MOST_ASKED: usize = 1000;
/// Records that are saved at once.
const CHUNK: usize = 1000;
/// So many records are seldom gone at once: where they are half of all, the list may be cut.
const MANY_GONE: usize = 100;
/// When it is tried again where a source did not answer.
const SOON_MS: i64 = 30 * 60_000;
/// What is large is brought once in this time.
const DAY_MS: i64 = 24 * HOUR_MS;
const HOUR_MS: i64 = 3_600_000;

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

/// How far a source is brought: what is done, and the part of it.
pub(crate) type Progress<'a> = &'a (dyn Fn(&str, u64, Option<u64>) + Send + Sync);

/// Runs the job.
pub(super) async fn run(services: &Services) -> Result<Vec<NewJob>, JobError> {
    let Some(sources) = &services.advisories else { return Ok(Vec::new()) };
    let mut whole = true;
    for ecosystem in &sources.mirrored {
        whole &= told(ecosystem, bring(&services.store, &sources.exports, ecosystem, &|_, _, _| ()).await)?;
    }
    for (name, brought) in [
        ("KEV", bring_kev(&services.store, &sources.feeds).await),
        ("EPSS", bring_epss(&services.store, &sources.feeds).await),
        (ENDS, bring_ends(&services.store, &sources.feeds).await),
    ] {
        whole &= told(name, brought.map(|brought| brought.unwrap_or_else(|| nothing(name))))?;
    }
    if is_due(&services.store, TRIAGE, services.clock.now()).await? {
        let brought = bring_triage(&services.store, &sources.feeds).await;
        if matches!(brought, Ok(None)) {
            services.store.forget_advisory_source(TRIAGE).await?;
        }
        // It is large: where it fails it is tried again in the usual time, not soon.
        told(TRIAGE, brought.map(|brought| brought.unwrap_or_else(|| nothing(TRIAGE))))?;
    }
    for repository in &sources.vex {
        whole &= told(repository.address(), bring_vex(&services.store, repository).await)?;
    }
    let mut jobs = affected(services, sources).await?;
    let interval = i64::try_from(services.times.advisories.as_millis()).unwrap_or(i64::MAX);
    let next = if whole { interval } else { interval.min(SOON_MS) };
    jobs.push(advisories_job(services.clock.now().plus_ms(next)));
    Ok(jobs)
}

/// Whether a source that is large was not brought for a day.
async fn is_due(store: &Store, name: &str, now: Moment) -> Result<bool, JobError> {
    let row = store.advisory_sources().await?.into_iter().find(|row| row.name == name);
    Ok(row.is_none_or(|row| row.synced_at.plus_ms(DAY_MS) <= now))
}

fn nothing(source: &str) -> Brought {
    Brought { source: source.to_owned(), records: 0, changed: 0, gone: 0, unreadable: 0 }
}

/// Whether a source was brought; a database that fails is another matter than a source that does.
fn told(source: &str, brought: Result<Brought, BringError>) -> Result<bool, JobError> {
    match brought {
        Ok(brought) => {
            tracing::info!(
                source,
                records = brought.records,
                changed = brought.changed,
                gone = brought.gone,
                "brought"
            );
            Ok(true)
        }
        Err(BringError::Source(reason)) => {
            tracing::warn!(source, reason, "not brought; what was known of it holds");
            Ok(false)
        }
        Err(BringError::Store(error)) => Err(error),
    }
}

/// The plans of the repositories that weighed something of which other things are known now.
async fn affected(services: &Services, sources: &AdvisorySources) -> Result<Vec<NewJob>, JobError> {
    let mut repositories: BTreeMap<RepoId, Vec<WeighedRow>> = BTreeMap::new();
    for weighed in services.store.weighed().await? {
        repositories.entry(weighed.repo).or_default().push(weighed);
    }
    let mut news = KnownNow { prints: BTreeMap::new(), allowance: Allowance::of(MOST_ASKED) };
    let (mut jobs, now) = (Vec::new(), services.clock.now());
    let mut repositories: Vec<(RepoId, Vec<WeighedRow>)> = repositories.into_iter().collect();
    // Others come first each time, since there is an end to what registries are asked.
    let turn = usize::try_from(now.0 / HOUR_MS).unwrap_or_default();
    let first = turn.checked_rem(repositories.len()).unwrap_or_default();
    repositories.rotate_left(first);
    for (repo, weighed) in repositories {
        let row = services.store.repository(repo).await?.filter(|row| row.state == RepositoryState::Active);
        let Some(row) = row else { continue };
        if news.is_news((&services.lookups_for(&row), sources), &weighed).await? {
            jobs.push(plan_job(row.installation, row.id, &row.name, now));
        }
    }
    tracing::info!(repositories = jobs.len(), "affected by advisories");
    Ok(jobs)
}

/// What is known now of each content for some platforms, by who reads it.
struct KnownNow {
    prints: BTreeMap<(ImageKey, Digest, Vec<Platform>), Print>,
    /// How often registries may still be asked for attached statements; what is not asked for now is the next time.
    allowance: Allowance,
}

impl KnownNow {
    /// Whether other things are known now of what was weighed.
    async fn is_news(
        &mut self,
        (lookups, sources): (&Lookups, &AdvisorySources),
        weighed: &[WeighedRow],
    ) -> Result<bool, JobError> {
        for WeighedRow { image, digest, known, .. } in weighed {
            let key = (lookups.key(image), digest.clone(), known.platforms.clone());
            if !self.prints.contains_key(&key) {
                let parts = Part::all(image, digest, &known.platforms);
                let print = self.print_of((lookups, sources), &parts).await?;
                self.prints.insert(key.clone(), print);
            }
            if self.prints.get(&key).is_some_and(|print| print.is_news_to(&Print::read(&known.fingerprint))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is known now of a content, as far as it was examined; which VEX statements there are, too.
    async fn print_of(
        &mut self,
        (lookups, sources): (&Lookups, &AdvisorySources),
        parts: &[Part],
    ) -> Result<Print, JobError> {
        let mut print = Print::default();
        for part in parts {
            let Some(Determination::Known(mut assessment)) = lookups.vulnerabilities_of_kept(part, sources).await?
            else {
                continue;
            };
            let found = assessment.fingerprint();
            let told = lookups.statements(part, &mut assessment, sources, &mut self.allowance).await?;
            print.0.push(PartPrint { platform: part.platform_name(), found, statements: told.print });
        }
        Ok(print)
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
    Ok(Some(Brought { records: catalogue.len(), changed: catalogue.len(), ..nothing("KEV") }))
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
    Ok(Some(Brought { records: scores.len(), changed: scores.len(), ..nothing("EPSS") }))
}

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
    let mut brought = Brought { records: list.len(), changed: changed.len(), ..nothing(ecosystem) };
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
    let file = tempfile::NamedTempFile::new().map_err(|error| BringError::Source(error.to_string()))?;
    exports.archive(ecosystem, file.path(), |_, _| ()).await?;
    let archive = Archive::open(file.path()).map_err(BringError::Source)?;
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
    let failed = |error: &dyn std::fmt::Display| BringError::Source(format!("reading the archive: {error}"));
    let file = tempfile::NamedTempFile::new().map_err(|error| failed(&error))?;
    exports.archive(ecosystem, file.path(), |has, of| progress("downloading", has, of)).await?;
    let mut archive = Archive::open(file.path()).map_err(BringError::Source)?;
    let (mut next, all) = (0, archive.len());
    let wanted = Arc::new(left.clone());
    while next < all {
        let wanted = Arc::clone(&wanted);
        let ecosystem_of_chunk = ecosystem.to_owned();
        let reading = tokio::task::spawn_blocking(move || {
            let chunk = read_chunk(&mut archive, next, &wanted, &ecosystem_of_chunk);
            (archive, chunk)
        });
        let (back, chunk) = reading.await.map_err(|error| failed(&error))?;
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
