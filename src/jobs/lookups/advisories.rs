//! The advisories for packages: of a mirrored ecosystem from the database, of others from OSV's API.

use std::collections::{BTreeMap, BTreeSet};

use super::Lookups;
use crate::advisory::{AdvisoryError, Exports, Feeds, Named, Osv, Scanner, VexRepository};
use crate::jobs::JobError;
use crate::repo::Moment;
use crate::store::{AdvisoryRow, SourceRow, Store, StoreError};
use crate::vulnerability::{Advisory, DataSource, PackageQuery, Told, is_of_release};

/// Who tells of vulnerabilities.
#[derive(Debug, Clone)]
pub struct AdvisorySources {
    /// Asked for what is not mirrored; `None` where nobody is to be asked.
    pub osv: Option<Osv>,
    /// OSV's exports, which are mirrored.
    pub exports: Exports,
    /// The ecosystems that are mirrored (`Debian`), and never asked for.
    pub mirrored: BTreeSet<String>,
    /// What is exploited.
    pub feeds: Feeds,
    /// VEX repositories, which are mirrored.
    pub vex: Vec<VexRepository>,
    /// Asked in the place of all advisories, where there is one.
    pub scanner: Option<Scanner>,
}

/// Every ecosystem has newer records than this.
const OLD_MS: i64 = 30 * 24 * 3_600_000;

/// What was told, or for a person why nothing was.
type Answer = Result<Told, String>;

impl Lookups {
    /// The advisories for each question, of a source that has some for the distribution that is asked about.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn advisories(
        &self,
        questions: &BTreeSet<PackageQuery>,
        sources: &AdvisorySources,
    ) -> Result<Told, JobError> {
        let is_mirrored = |query: &&PackageQuery| sources.mirrored.contains(export_of(&query.ecosystem));
        let (mirrored, asked): (BTreeSet<PackageQuery>, BTreeSet<PackageQuery>) =
            questions.iter().cloned().partition(|query| is_mirrored(&query));
        let now = self.clock.now();
        let mut told = Vec::new();
        if !mirrored.is_empty() {
            told.push(answered(mirrored_advisories(&self.brought, &mirrored, now).await?, &mirrored, now));
        }
        if !asked.is_empty() {
            let answer = match &sources.osv {
                Some(osv) => self.asked(&asked, osv).await?,
                None => {
                    let of = ecosystems(&asked);
                    Err(format!(
                        "nobody is asked for advisories of {of}, and they are not mirrored: restow advisories sync \
                         --ecosystem, or the setting advisories_mirror, brings them"
                    ))
                }
            };
            // Who is not to be asked is not missed.
            let told_of = answered(answer, &asked, now);
            told.push(Told { is_silent: told_of.is_silent && sources.osv.is_some(), ..told_of });
        }
        Ok(told.into_iter().reduce(joined).unwrap_or_else(|| nobody(now)))
    }

    /// Of OSV's API; a record is read once, and again only when it changed.
    async fn asked(&self, questions: &BTreeSet<PackageQuery>, osv: &Osv) -> Result<Answer, JobError> {
        let as_of = self.clock.now();
        let named = match osv.query(questions).await {
            Ok(named) => named,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let uncovered = match uncovered(questions, &named, osv).await {
            Ok(uncovered) => uncovered,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let all: BTreeSet<&Named> = named.values().flatten().collect();
        let rows = match self.records(&all, osv).await? {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut told = Told::nothing(DataSource { name: format!("OSV ({})", osv.host()), as_of });
        told.gaps
            .extend(uncovered.iter().map(|release| format!("{} shows no advisory at all for {release}", osv.host())));
        told.unanswered = uncovered;
        let read = |named: &Named| Advisory::read(rows.get(&named.id)?.body.as_bytes()).ok();
        told.unreadable = all.iter().filter(|named| read(named).is_none()).count();
        for (query, named) in &named {
            let known = told.known.entry((query.ecosystem.clone(), query.name.clone())).or_default();
            known.extend(named.iter().filter_map(read));
        }
        Ok(Ok(told))
    }

    /// The records of these names, from the database where they did not change.
    async fn records(
        &self,
        all: &BTreeSet<&Named>,
        osv: &Osv,
    ) -> Result<Result<BTreeMap<String, AdvisoryRow>, AdvisoryError>, JobError> {
        let ids: Vec<&str> = all.iter().map(|named| named.id.as_str()).collect();
        let mut rows = self.store.advisories(&ids).await?;
        let is_current = |named: &&&Named| rows.get(&named.id).is_some_and(|row| row.modified == named.modified);
        let missing: Vec<&&Named> = all.iter().filter(|named| !is_current(named)).collect();
        let wanted: Vec<&str> = missing.iter().map(|named| named.id.as_str()).collect();
        let mut told = match osv.records(&wanted).await {
            Ok(told) => told,
            Err(error) => return Ok(Err(error)),
        };
        let row = |named: &&&Named| {
            let body = told.remove(&named.id)?;
            // What cannot be read is asked for again.
            Advisory::read(&body).ok()?;
            let body = String::from_utf8(body).ok()?;
            Some(AdvisoryRow { id: named.id.clone(), modified: named.modified.clone(), body })
        };
        let new: Vec<AdvisoryRow> = missing.iter().filter_map(row).collect();
        self.store.save_advisories(&new).await?;
        rows.extend(new.into_iter().map(|row| (row.id.clone(), row)));
        Ok(Ok(rows))
    }
}

/// The export that an ecosystem's records are in: `Debian` of `Debian:12`.
fn export_of(ecosystem: &str) -> &str {
    ecosystem.split(':').next().unwrap_or(ecosystem)
}

fn ecosystems(questions: &BTreeSet<PackageQuery>) -> String {
    let all: BTreeSet<&str> = questions.iter().map(|query| export_of(&query.ecosystem)).collect();
    all.into_iter().collect::<Vec<_>>().join(", ")
}

/// What the mirror tells of packages, without asking anybody.
///
/// # Errors
/// The database fails; the inner text says why the mirror does not tell.
pub async fn mirrored_advisories(
    store: &Store,
    questions: &BTreeSet<PackageQuery>,
    now: Moment,
) -> Result<Result<Told, String>, StoreError> {
    let wanted: BTreeSet<&str> = questions.iter().map(|query| export_of(&query.ecosystem)).collect();
    let rows: Vec<SourceRow> =
        store.advisory_sources().await?.into_iter().filter(|row| wanted.contains(row.name.as_str())).collect();
    if rows.len() < wanted.len() {
        return Ok(Err(format!("the mirror of advisories of {} is not there yet", ecosystems(questions))));
    }
    let name = format!("OSV's exports ({})", wanted.iter().copied().collect::<Vec<_>>().join(", "));
    let as_of = rows.iter().map(known_of).min().unwrap_or(now);
    let mut told = Told::nothing(DataSource { name, as_of });
    for release in empty_releases(store, questions).await? {
        told.gaps.push(format!("the mirror shows no advisory at all for {release}"));
        told.unanswered.insert(release);
    }
    told.unreadable = rows.iter().map(|row| usize::try_from(row.unreadable).unwrap_or_default()).sum();
    let packages = questions.iter().map(|query| (query.ecosystem.as_str(), query.name.as_str())).collect();
    for row in store.mirrored_matching(&packages).await? {
        match serde_json::from_str::<Advisory>(&row.body) {
            Ok(advisory) => told.known.entry((row.release, row.package)).or_default().push(advisory),
            Err(_) => told.unreadable += 1,
        }
    }
    Ok(Ok(told))
}

/// Of when a mirror is: when it was brought, unless it is a copy that was old by then.
fn known_of(row: &SourceRow) -> Moment {
    let is_old = row.as_of().plus_ms(OLD_MS) < row.synced_at;
    if is_old { row.as_of() } else { row.synced_at }
}

/// The distributions' releases that are asked about, and of which the mirror has nothing: that nothing was found there
/// says nothing. A release that goes by several names needs one.
async fn empty_releases(store: &Store, questions: &BTreeSet<PackageQuery>) -> Result<BTreeSet<String>, StoreError> {
    let releases: BTreeSet<&str> =
        questions.iter().map(|query| query.ecosystem.as_str()).filter(|one| is_of_release(one)).collect();
    for release in &releases {
        if store.is_mirrored_release(release).await? {
            return Ok(BTreeSet::new());
        }
    }
    Ok(releases.into_iter().map(str::to_owned).collect())
}

/// What nobody told, with the reason beside it.
fn answered(answer: Answer, questions: &BTreeSet<PackageQuery>, now: Moment) -> Told {
    answer.unwrap_or_else(|reason| Told {
        is_silent: true,
        unanswered: questions.iter().map(|query| query.ecosystem.clone()).collect(),
        gaps: vec![reason],
        ..nobody(now)
    })
}

fn nobody(now: Moment) -> Told {
    Told::nothing(DataSource { name: String::new(), as_of: now })
}

/// One of two; of when the older is.
fn joined(mut one: Told, other: Told) -> Told {
    if one.source.name.is_empty() || other.source.name.is_empty() {
        one.source = if one.source.name.is_empty() { other.source } else { one.source };
    } else {
        one.source.name = format!("{}, {}", one.source.name, other.source.name);
        one.source.as_of = one.source.as_of.min(other.source.as_of);
    }
    one.known.extend(other.known);
    one.unanswered.extend(other.unanswered);
    one.is_silent |= other.is_silent;
    one.unreadable += other.unreadable;
    one.gaps.extend(other.gaps);
    one
}

/// The distribution's releases of which the source has nothing, not even of other versions of the same packages: that
/// nothing was found there says nothing.
async fn uncovered(
    questions: &BTreeSet<PackageQuery>,
    named: &BTreeMap<PackageQuery, BTreeSet<Named>>,
    osv: &Osv,
) -> Result<BTreeSet<String>, AdvisoryError> {
    let of_distribution: Vec<&PackageQuery> =
        questions.iter().filter(|query| is_of_release(&query.ecosystem)).collect();
    let has_some = |query: &&PackageQuery| named.get(*query).is_some_and(|found| !found.is_empty());
    if of_distribution.is_empty() || of_distribution.iter().any(has_some) {
        return Ok(BTreeSet::new());
    }
    let any_version = |query: &&PackageQuery| PackageQuery { version: String::new(), ..(*query).clone() };
    let probe = of_distribution.iter().map(any_version).collect();
    let told = osv.query(&probe).await?;
    let is_empty = told.values().all(BTreeSet::is_empty);
    let releases = of_distribution.iter().filter(|_| is_empty).map(|query| query.ecosystem.clone());
    Ok(releases.collect())
}
