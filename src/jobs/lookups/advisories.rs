//! The advisories for packages: of a mirrored ecosystem from the database, of others from OSV's API.

use std::collections::{BTreeMap, BTreeSet};

use super::Lookups;
use crate::advisory::{AdvisoryError, Exports, Feeds, Named, Osv, Scanner, VexRepository};
use crate::jobs::JobError;
use crate::repo::Moment;
use crate::store::{AdvisoryRow, Store, StoreError};
use crate::vulnerability::{Advisory, DataSource, PackageQuery, is_of_release};

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

/// The advisories for each question.
type Known = BTreeMap<PackageQuery, Vec<Advisory>>;

/// What advisories are known.
pub(super) struct Answer {
    pub(super) known: Known,
    pub(super) source: DataSource,
    /// What is not known, each for a person.
    pub(super) gaps: Vec<String>,
}

/// An answer, or for a person why there is none.
type Told = Result<Answer, String>;

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
        let mut answers = Vec::new();
        if !mirrored.is_empty() {
            answers.push(self.mirrored(&mirrored).await?);
        }
        if !asked.is_empty() {
            answers.push(match &sources.osv {
                Some(osv) => self.asked(&asked, osv).await?,
                None => {
                    Err(format!("nobody is asked for advisories of {}, and they are not mirrored", ecosystems(&asked)))
                }
            });
        }
        Ok(joined(answers))
    }

    /// Of the database alone.
    async fn mirrored(&self, questions: &BTreeSet<PackageQuery>) -> Result<Told, JobError> {
        let wanted: BTreeSet<&str> = questions.iter().map(|query| export_of(&query.ecosystem)).collect();
        let rows = self.store.advisory_sources().await?;
        let there: BTreeMap<&str, Moment> = rows.iter().map(|row| (row.name.as_str(), row.synced_at)).collect();
        let Some(as_of) = wanted.iter().map(|one| there.get(one).copied()).collect::<Option<Vec<_>>>() else {
            return Ok(Err(format!("the mirror of advisories of {} is not there yet", ecosystems(questions))));
        };
        let releases: BTreeSet<&str> =
            questions.iter().map(|query| query.ecosystem.as_str()).filter(|one| is_of_release(one)).collect();
        if !releases.is_empty() && !has_any(&self.store, &releases).await? {
            let first = releases.first().copied().unwrap_or_default();
            return Ok(Err(format!("the mirror shows no advisory at all for {first}")));
        }
        let packages = questions.iter().map(|query| (query.ecosystem.as_str(), query.name.as_str())).collect();
        let rows = self.store.mirrored_matching(&packages).await?;
        let mut found: BTreeMap<(String, String), Vec<Advisory>> = BTreeMap::new();
        let mut unreadable = 0;
        for row in rows {
            match serde_json::from_str::<Advisory>(&row.body) {
                Ok(advisory) => found.entry((row.release, row.package)).or_default().push(advisory),
                Err(_) => unreadable += 1,
            }
        }
        let of = |query: &PackageQuery| {
            let key = (query.ecosystem.clone(), query.name.clone());
            (query.clone(), found.get(&key).cloned().unwrap_or_default())
        };
        let name = format!("OSV's exports ({})", wanted.iter().copied().collect::<Vec<_>>().join(", "));
        let as_of = as_of.into_iter().min().unwrap_or_else(|| self.clock.now());
        let gaps = (unreadable > 0).then(|| format!("{unreadable} mirrored advisories, which cannot be read"));
        let known = questions.iter().map(of).collect();
        Ok(Ok(Answer { known, source: DataSource { name, as_of }, gaps: gaps.into_iter().collect() }))
    }

    /// Of OSV's API; a record is read once, and again only when it changed.
    async fn asked(&self, questions: &BTreeSet<PackageQuery>, osv: &Osv) -> Result<Told, JobError> {
        let as_of = self.clock.now();
        let named = match osv.query(questions).await {
            Ok(named) => named,
            Err(error) => return Ok(Err(error.to_string())),
        };
        match uncovered(questions, &named, osv).await {
            Ok(None) => {}
            Ok(Some(release)) => return Ok(Err(format!("{} shows no advisory at all for {release}", osv.host()))),
            Err(error) => return Ok(Err(error.to_string())),
        }
        let all: BTreeSet<&Named> = named.values().flatten().collect();
        let rows = match self.records(&all, osv).await? {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut unreadable = BTreeSet::new();
        let mut read = |named: &Named| {
            let read = rows.get(&named.id).and_then(|row| Advisory::read(row.body.as_bytes()).ok());
            if read.is_none() {
                unreadable.insert(named.id.clone());
            }
            read
        };
        let known =
            named.iter().map(|(query, named)| (query.clone(), named.iter().filter_map(&mut read).collect())).collect();
        // What cannot be read might be about this image.
        let gaps = unreadable.iter().map(|id| format!("the advisory {id}, which cannot be read")).collect();
        let source = DataSource { name: format!("OSV ({})", osv.host()), as_of };
        Ok(Ok(Answer { known, source, gaps }))
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

async fn has_any(store: &Store, releases: &BTreeSet<&str>) -> Result<bool, StoreError> {
    for release in releases {
        if store.is_mirrored_release(release).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One answer of several; what one of them does not know is a gap of the others.
fn joined(answers: Vec<Told>) -> Told {
    let mut gaps = Vec::new();
    let mut whole: Option<Answer> = None;
    for answer in answers {
        match (answer, &mut whole) {
            (Err(reason), _) => gaps.push(reason),
            (Ok(answer), None) => whole = Some(answer),
            (Ok(answer), Some(whole)) => {
                whole.known.extend(answer.known);
                whole.gaps.extend(answer.gaps);
                whole.source.name = format!("{}, {}", whole.source.name, answer.source.name);
                whole.source.as_of = whole.source.as_of.min(answer.source.as_of);
            }
        }
    }
    match whole {
        Some(mut whole) => {
            whole.gaps.extend(gaps);
            Ok(whole)
        }
        None => Err(gaps.join("; ")),
    }
}

/// A distribution's release of which the source has nothing, not even of other versions of the same packages: that
/// nothing was found there says nothing.
async fn uncovered(
    questions: &BTreeSet<PackageQuery>,
    named: &BTreeMap<PackageQuery, BTreeSet<Named>>,
    osv: &Osv,
) -> Result<Option<String>, AdvisoryError> {
    let of_distribution: Vec<&PackageQuery> =
        questions.iter().filter(|query| is_of_release(&query.ecosystem)).collect();
    let Some(first) = of_distribution.first() else { return Ok(None) };
    let has_some = |query: &&PackageQuery| named.get(*query).is_some_and(|found| !found.is_empty());
    if of_distribution.iter().any(has_some) {
        return Ok(None);
    }
    let any_version = |query: &&PackageQuery| PackageQuery { version: String::new(), ..(*query).clone() };
    let probe = of_distribution.iter().map(any_version).collect();
    let told = osv.query(&probe).await?;
    Ok(told.values().all(BTreeSet::is_empty).then(|| first.ecosystem.clone()))
}
