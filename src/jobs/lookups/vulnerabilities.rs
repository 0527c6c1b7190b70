//! Known vulnerabilities of an image: its packages, read once for each digest, held against advisories of now.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::AsyncSeekExt;

use super::Lookups;
use super::advisories::AdvisorySources;
use super::attestations::{Attested, Enough};
use super::evidence::known;
use super::part::{Part, PartImage};
use crate::image::{Digest, ImageName};
use crate::jobs::JobError;
use crate::plan::Lookup;
use crate::registry::{Attestation, Carrier, Content, Layer, Manifest, RegistryError, Wanted};
use crate::store::{RpmDatabaseError, TRIAGE, rpm_headers};
use crate::vulnerability::{
    Assessment, DataSource, Determination, InvalidSbom, LayerBlob, LayerError, LayerSearch, PackageList, PackageQuery,
    Predicate, Triages, assess, packages_of_sbom, statements,
};

/// Rises when lists are read in another way: what was read before is read again.
const READER: i64 = 4;
/// Packed bytes of one layer.
const LARGEST_LAYER: u64 = 512 << 20;
/// Packed bytes of all layers of one image that are read.
const MOST_BYTES: u64 = 1 << 30;

/// When an image is examined again of which no list of packages was found.
const LOOK_AGAIN_MS: i64 = 7 * 24 * 3_600_000;
/// What Debian's security team decided is good for this long where it cannot be brought anew.
const DECISIONS_GOOD_MS: i64 = 30 * 24 * 3_600_000;
/// How long one layer may take to be unpacked.
const UNPACKING: Duration = Duration::from_secs(120);
/// Stands before a digest that is being examined, where a digest alone stands for its manifest.
const EXAMINED: &str = "examined";

/// What an image holds on one platform, or why that is not known.
type Held = Result<Examined, String>;

/// What is kept of an image.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Examined {
    platform: String,
    list: PackageList,
}

impl Lookups {
    /// The known vulnerabilities of an image, of now.
    ///
    /// # Errors
    /// The database fails. What a registry or the source of advisories does not tell is [`Determination::Not`].
    pub(crate) async fn vulnerabilities(
        &self,
        part: &Part,
        sources: &AdvisorySources,
    ) -> Result<Determination, JobError> {
        if let Some(scanner) = &sources.scanner {
            return self.scanned(part, scanner).await;
        }
        match self.examined(part).await? {
            Ok(examined) => self.determine(&examined, sources).await,
            Err(reason) => Ok(Determination::Not(reason)),
        }
    }

    /// The same where it is kept what the image holds; `None` where it is not: no registry is asked.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn vulnerabilities_of_kept(
        &self,
        part: &Part,
        sources: &AdvisorySources,
    ) -> Result<Option<Determination>, JobError> {
        if let Some(scanner) = &sources.scanner {
            return self.kept_scan(part, scanner).await;
        }
        match self.kept(part).await? {
            Some(Ok(examined)) => self.determine(&examined, sources).await.map(Some),
            Some(Err(reason)) => Ok(Some(Determination::Not(reason))),
            None => Ok(None),
        }
    }

    /// The packages of an image that was examined; no registry is asked.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn kept_packages(&self, part: &Part) -> Result<Option<PackageList>, JobError> {
        let kept = self.kept(part).await?;
        Ok(kept.and_then(Result::ok).map(|examined| examined.list))
    }

    /// Holds what an image holds against the advisories of now.
    async fn determine(&self, examined: &Examined, sources: &AdvisorySources) -> Result<Determination, JobError> {
        let distribution = examined.list.distribution.as_ref();
        let questions: BTreeSet<PackageQuery> =
            examined.list.packages.iter().flat_map(|package| package.queries(distribution)).collect();
        let mut told = self.advisories(&questions, sources).await?;
        if let Some((triages, of)) = self.triages(&questions).await? {
            (told.triages, told.triages_of) = (Some(triages), Some(of));
        }
        let mut determination = assess(&examined.list, &examined.platform, &told);
        if let Determination::Known(assessment) = &mut determination {
            self.rank(assessment).await?;
        }
        Ok(determination)
    }

    /// What Debian's security team decided about these packages; `None` where its tracker was not brought, or not for long.
    async fn triages(&self, questions: &BTreeSet<PackageQuery>) -> Result<Option<(Triages, DataSource)>, JobError> {
        let of_debian = questions.iter().filter(|query| query.ecosystem.starts_with("Debian:"));
        let packages: BTreeSet<(&str, &str)> =
            of_debian.map(|query| (query.ecosystem.as_str(), query.name.as_str())).collect();
        if packages.is_empty() {
            return Ok(None);
        }
        let oldest = self.clock.now().plus_ms(-DECISIONS_GOOD_MS);
        let row = self.brought.advisory_sources().await?.into_iter().find(|row| row.name == TRIAGE);
        let Some(row) = row.filter(|row| row.synced_at >= oldest) else { return Ok(None) };
        let of = DataSource { name: "Debian's security tracker".to_owned(), as_of: row.as_of() };
        Ok(Some((self.brought.triage_of(&packages).await?, of)))
    }

    /// Says which findings are exploited, and puts them in order.
    pub(super) async fn rank(&self, assessment: &mut Assessment) -> Result<(), JobError> {
        let ids: Vec<&str> = assessment.findings.iter().map(|finding| finding.id.as_str()).collect();
        let rows = self.brought.advisory_sources().await?;
        let is_brought = rows.iter().any(|row| row.name == "KEV");
        let exploited = if is_brought { Some(self.brought.exploitation(&ids).await?) } else { None };
        assessment.rank(exploited.as_ref());
        let feeds = rows.iter().filter(|row| row.name == "KEV" || row.name == "EPSS");
        let of = feeds.map(|row| DataSource { name: row.name.clone(), as_of: row.as_of() });
        assessment.beside.extend(of.filter(|_| !assessment.findings.is_empty()).collect::<Vec<_>>());
        Ok(())
    }

    /// What an image holds: kept for ever, unless a registry did not answer.
    async fn examined(&self, part: &Part) -> Result<Held, JobError> {
        // What is attached under another name says nothing of this one.
        let key = self.key(&part.image);
        let platform = part.platform_name();
        let what = format!("{EXAMINED} {} {platform}", part.digest);
        let turn = self.turn(&key, &what);
        let _held = turn.lock().await;
        if let Some(kept) = self.kept(part).await? {
            return Ok(kept);
        }
        if let Some(Lookup::<()>::Unavailable { reason, .. }) = self.failed_before(&key, &what) {
            return Ok(Err(reason));
        }
        let examined = match self.examine(part).await? {
            Lookup::Known(examined) => examined,
            Lookup::Unavailable { reason, may_pass } => {
                self.remember_failure(&key, &what, (&reason, may_pass));
                return Ok(Err(reason));
            }
        };
        let body = serde_json::to_string(&examined).unwrap_or_default();
        self.store.save_package_list(&key, (&part.digest, &platform), READER, &body).await?;
        Ok(examined)
    }

    async fn kept(&self, part: &Part) -> Result<Option<Held>, JobError> {
        let (key, platform) = (self.key(&part.image), part.platform_name());
        let kept = self.store.package_list(&key, (&part.digest, &platform), READER).await?;
        let Some((body, since)) = kept else { return Ok(None) };
        let held = serde_json::from_str::<Held>(&body).ok();
        // What was not found may have been attached since.
        let is_good = |held: &Held| held.is_ok() || self.clock.now() < since.plus_ms(LOOK_AGAIN_MS);
        Ok(held.filter(is_good))
    }

    async fn examine(&self, part: &Part) -> Result<Lookup<Held>, JobError> {
        let image = &part.image;
        let PartImage { index, digest, manifest } = match known!(self.image_of(part).await?) {
            Ok(found) => found,
            Err(reason) => return Ok(Lookup::Known(Err(reason))),
        };
        let platform = match &part.platform {
            Some(platform) => platform.to_string(),
            None => self.platform_of(image, &manifest).await?,
        };
        let of = Attested { image, index: index.as_ref(), digest: &digest };
        let (about, refused) = (digest.clone(), Arc::new(Mutex::new(None)));
        let noted = Arc::clone(&refused);
        let judge = move |one: &Attestation| match sbom(one, &about)? {
            Ok(list) => Some(list),
            Err(error) => {
                noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                None
            }
        };
        let lists = known!(self.attestations(of, (Wanted::SBOM, Enough::One), judge).await?);
        if let Some(list) = lists.into_iter().next() {
            return Ok(Lookup::Known(Ok(Examined { platform, list })));
        }
        Ok(match self.search_layers(image, manifest.layers()).await {
            Ok(Searched::List(list)) => Lookup::Known(Ok(Examined { platform, list })),
            Ok(Searched::Nothing(reason)) => {
                let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
                let sbom = refused.map(|error| format!("{error}; "));
                Lookup::Known(Err(format!("{}{reason}", sbom.unwrap_or_default())))
            }
            Ok(Searched::NotNow(reason)) => Lookup::Unavailable { reason, may_pass: true },
            Err(error) => super::unavailable(&error),
        })
    }

    async fn platform_of(&self, image: &ImageName, manifest: &Manifest) -> Result<String, JobError> {
        let Ok(Content::Image { config, .. }) = manifest.content(image) else { return Ok(String::new()) };
        let told = match self.config_of(image, &config).await? {
            Lookup::Known(description) => description.platform,
            Lookup::Unavailable { .. } => None,
        };
        Ok(told.map_or_else(|| "an unnamed platform".to_owned(), |platform| platform.to_string()))
    }

    /// Reads layers from the top down, until the list is known.
    async fn search_layers(&self, image: &ImageName, layers: Vec<Layer>) -> Result<Searched, RegistryError> {
        let mut search = LayerSearch::default();
        let mut bytes = 0;
        for layer in layers.into_iter().rev() {
            bytes += layer.size;
            if layer.size > LARGEST_LAYER || bytes > MOST_BYTES {
                let reason = format!("its layers have more than the {} MiB that are read", MOST_BYTES >> 20);
                return Ok(Searched::Nothing(reason));
            }
            let file = self.layer(image, &layer).await?;
            let begun = Instant::now();
            let unpacking = tokio::task::spawn_blocking(move || {
                let (bytes, size) = (BufReader::new(file), layer.size);
                let blob = LayerBlob { bytes, size, media_type: &layer.media_type };
                let added = search.add(blob, &|| begun.elapsed() > UNPACKING);
                (search, added)
            });
            let Ok((back, added)) = unpacking.await else {
                return Ok(Searched::NotNow("a layer could not be unpacked".to_owned()));
            };
            search = back;
            match added {
                Ok(()) => {}
                Err(error @ LayerError::TooSlow) => return Ok(Searched::NotNow(error.to_string())),
                Err(error) => return Ok(Searched::Nothing(error.to_string())),
            }
            if search.is_complete() {
                break;
            }
        }
        let headers = match search.rpm_database() {
            Some(database) => match rpm_headers(database).await {
                Ok(headers) => headers,
                Err(error @ RpmDatabaseError::Malformed(_)) => return Ok(Searched::Nothing(error.to_string())),
                Err(error @ RpmDatabaseError::Passing(_)) => return Ok(Searched::NotNow(error.to_string())),
            },
            None => Vec::new(),
        };
        let listing = tokio::task::spawn_blocking(move || search.packages(&headers)).await;
        Ok(match listing {
            Ok(Ok(list)) => Searched::List(list),
            Ok(Err(reason)) => Searched::Nothing(reason),
            Err(_) => Searched::NotNow("its package database could not be read".to_owned()),
        })
    }

    /// A layer in a file that is gone when it is closed.
    async fn layer(&self, image: &ImageName, layer: &Layer) -> Result<File, RegistryError> {
        let host = image.registry();
        let unkept = |error: std::io::Error| RegistryError::Unavailable {
            host: host.to_owned(),
            reason: format!("a layer cannot be kept for reading: {error}"),
        };
        let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(unkept)?);
        self.registries.blob_to(image, &layer.digest, layer.size, &mut file).await?;
        file.rewind().await.map_err(unkept)?;
        Ok(file.into_std().await)
    }
}

/// What came of looking through layers.
enum Searched {
    List(PackageList),
    /// There is no list, and there will be none; the reason is for a person.
    Nothing(String),
    /// It could not be told this time.
    NotNow(String),
}

/// The list of packages of an attestation, where it is about this image, or why it gives none. A document without a
/// statement around it counts only where the registry's own manifest ties it to the image, which every carrier but the
/// bare tag does.
fn sbom(attestation: &Attestation, digest: &Digest) -> Option<Result<PackageList, InvalidSbom>> {
    let statements = statements(&attestation.body);
    let carrier = attestation.carrier.to_string();
    if statements.is_empty() {
        let tied = attestation.carrier != Carrier::CosignTag;
        return tied.then(|| packages_of_sbom(&attestation.body, &carrier));
    }
    let about = statements.iter().filter(|one| one.predicate == Predicate::Sbom && one.is_of(digest));
    let mut lists = about.map(|statement| statement.packages(&carrier));
    let first = lists.next()?;
    Some(first.or_else(|error| lists.find_map(Result::ok).ok_or(error)))
}
