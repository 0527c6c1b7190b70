//! Which repositories weighed something of which other things are known now: they are planned again.

use std::collections::BTreeMap;

use super::kind::plan_job;
use super::lookups::{AdvisorySources, Allowance, Lookups, Part};
use super::prints::{PartPrint, Print};
use super::{JobError, Services};
use crate::image::{Digest, Platform};
use crate::repo::RepoId;
use crate::store::{ImageKey, NewJob, RepositoryState, WeighedRow};
use crate::vulnerability::Determination;

/// Digests that registries are asked about in one run for what is attached to them.
const MOST_ASKED: usize = 1000;
const HOUR_MS: i64 = 3_600_000;

/// The plans of the repositories that weighed something of which other things are known now.
pub(super) async fn affected(services: &Services, sources: &AdvisorySources) -> Result<Vec<NewJob>, JobError> {
    let mut repositories: BTreeMap<RepoId, Vec<WeighedRow>> = BTreeMap::new();
    for weighed in services.store.weighed().await? {
        repositories.entry(weighed.repo).or_default().push(weighed);
    }
    let mut known = KnownNow { prints: BTreeMap::new(), allowance: Allowance::of(MOST_ASKED) };
    let (mut jobs, now) = (Vec::new(), services.clock.now());
    let mut repositories: Vec<(RepoId, Vec<WeighedRow>)> = repositories.into_iter().collect();
    // Others come first each time, since there is an end to what registries are asked.
    let turn = usize::try_from(now.0 / HOUR_MS).unwrap_or_default();
    let first = turn.checked_rem(repositories.len()).unwrap_or_default();
    repositories.rotate_left(first);
    for (repo, weighed) in repositories {
        let row = services.store.repository(repo).await?.filter(|row| row.state == RepositoryState::Active);
        let Some(row) = row else { continue };
        if known.is_news((&services.lookups_for(&row), sources), &weighed).await? {
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
