//! Known vulnerabilities of an image: its packages, read once for each digest, held against advisories of now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Lookups;
use super::pulls::Need;
use crate::advisory::{AdvisoryError, Named, Osv};
use crate::image::{Digest, ImageName};
use crate::jobs::JobError;
use crate::plan::Lookup;
use crate::registry::{Attestation, Carrier, Content, Layer, Manifest, RegistryError};
use crate::store::{AdvisoryRow, rpm_headers};
use crate::vulnerability::{
    Advisory, DataSource, Determination, LayerSearch, PackageList, PackageQuery, Predicate, assess, packages_of_sbom,
    statements,
};

/// Rises when lists are read in another way: what was read before is read again.
const READER: i64 = 1;
/// Packed bytes of one layer.
const LARGEST_LAYER: u64 = 512 << 20;
/// Packed bytes of all layers of one image that are read.
const MOST_BYTES: u64 = 1 << 30;

/// Distributions without releases.
const ROLLING: [&str; 2] = ["Wolfi", "Chainguard"];

/// What an image holds on one platform, or why that is not known.
type Held = Result<Examined, String>;

/// The advisories for each question.
type Known = BTreeMap<PackageQuery, Vec<Advisory>>;

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
        image: &ImageName,
        digest: &Digest,
        osv: &Osv,
    ) -> Result<Determination, JobError> {
        let mut examined = match self.examined(image, digest).await? {
            Ok(examined) => examined,
            Err(reason) => return Ok(Determination::Not(reason)),
        };
        let distribution = examined.list.distribution.as_ref();
        let questions = examined.list.packages.iter().flat_map(|package| package.queries(distribution)).collect();
        let as_of = self.clock.now();
        let (known, unreadable) = match self.advisories(&questions, osv).await? {
            Ok(answer) => answer,
            Err(error) => return Ok(Determination::Not(error.to_string())),
        };
        // What cannot be read might be about this image.
        examined.list.gaps.extend(unreadable.iter().map(|id| format!("the advisory {id}, which cannot be read")));
        match uncovered(&questions, &known, osv).await {
            Ok(None) => {}
            Ok(Some(ecosystem)) => {
                let reason = format!("{} shows no advisory at all for {ecosystem}", osv.host());
                return Ok(Determination::Not(reason));
            }
            Err(error) => return Ok(Determination::Not(error.to_string())),
        }
        let data = DataSource { name: format!("OSV ({})", osv.host()), as_of };
        let of = |query: &PackageQuery| known.get(query).into_iter().flatten();
        Ok(assess(&examined.list, &examined.platform, data, of))
    }

    /// The advisories for each question, and the names of those that cannot be read; a record is read once, and again only when it changed.
    async fn advisories(
        &self,
        questions: &BTreeSet<PackageQuery>,
        osv: &Osv,
    ) -> Result<Result<(Known, BTreeSet<String>), AdvisoryError>, JobError> {
        let named = match osv.query(questions).await {
            Ok(named) => named,
            Err(error) => return Ok(Err(error)),
        };
        let all: BTreeSet<&Named> = named.values().flatten().collect();
        let ids: Vec<&str> = all.iter().map(|named| named.id.as_str()).collect();
        let mut rows = self.store.advisories(&ids).await?;
        let is_current = |named: &&&Named| rows.get(&named.id).is_some_and(|row| row.modified == named.modified);
        let missing: Vec<&&Named> = all.iter().filter(|named| !is_current(named)).collect();
        let wanted: Vec<&str> = missing.iter().map(|named| named.id.as_str()).collect();
        let mut told = match osv.records(&wanted).await {
            Ok(told) => told,
            Err(error) => return Ok(Err(error)),
        };
        let new: Vec<AdvisoryRow> = missing
            .iter()
            .filter_map(|named| {
                let body = told.remove(&named.id)?;
                // What cannot be read is asked for again.
                Advisory::read(&body).ok()?;
                let body = String::from_utf8(body).ok()?;
                Some(AdvisoryRow { id: named.id.clone(), modified: named.modified.clone(), body })
            })
            .collect();
        self.store.save_advisories(&new).await?;
        rows.extend(new.into_iter().map(|row| (row.id.clone(), row)));
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
        Ok(Ok((known, unreadable)))
    }

    /// What an image holds: kept for ever, unless a registry did not answer.
    async fn examined(&self, image: &ImageName, digest: &Digest) -> Result<Held, JobError> {
        let audience = self.audience(image);
        let kept = self.store.package_list(&audience, digest, READER).await?;
        if let Some(kept) = kept.and_then(|body| serde_json::from_str::<Held>(&body).ok()) {
            return Ok(kept);
        }
        let examined = match self.examine(image, digest).await? {
            Lookup::Known(examined) => examined,
            Lookup::Unavailable { reason, .. } => return Ok(Err(reason)),
        };
        let body = serde_json::to_string(&examined).unwrap_or_default();
        self.store.save_package_list(&audience, digest, READER, &body).await?;
        Ok(examined)
    }

    async fn examine(&self, image: &ImageName, digest: &Digest) -> Result<Lookup<Held>, JobError> {
        let top = match self.manifest_of(image, digest, Need::Informs).await? {
            Lookup::Known(manifest) => manifest,
            Lookup::Unavailable { reason, may_pass } => return Ok(Lookup::Unavailable { reason, may_pass }),
        };
        let (index, digest, manifest) = match top.content(image) {
            Ok(content @ Content::Index(_)) => {
                let Some(usual) = content.usual().cloned() else {
                    return Ok(Lookup::Known(Err("its index names no platform".to_owned())));
                };
                match self.manifest_of(image, &usual, Need::Informs).await? {
                    Lookup::Known(manifest) => (Some(top), usual, manifest),
                    Lookup::Unavailable { reason, may_pass } => return Ok(Lookup::Unavailable { reason, may_pass }),
                }
            }
            Ok(Content::Image { .. }) => (None, digest.clone(), top),
            Ok(Content::Other) | Err(_) => {
                return Ok(Lookup::Known(Err("it is no image that the OCI specification describes".to_owned())));
            }
        };
        let platform = self.platform_of(image, &manifest).await?;
        let attestations = match self.registries.attestations(image, index.as_ref(), &digest).await {
            Ok(attestations) => attestations,
            Err(error) => return Ok(super::unavailable(&error)),
        };
        if let Some(list) = sbom(&attestations, &digest) {
            return Ok(Lookup::Known(Ok(Examined { platform, list })));
        }
        Ok(match self.search_layers(image, manifest.layers()).await {
            Ok(Ok(list)) => Lookup::Known(Ok(Examined { platform, list })),
            Ok(Err(reason)) => Lookup::Known(Err(reason)),
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
    async fn search_layers(
        &self,
        image: &ImageName,
        layers: Vec<Layer>,
    ) -> Result<Result<PackageList, String>, RegistryError> {
        let mut search = LayerSearch::default();
        let mut bytes = 0;
        for layer in layers.into_iter().rev() {
            bytes += layer.size;
            if layer.size > LARGEST_LAYER || bytes > MOST_BYTES {
                return Ok(Err(format!("its layers have more than the {} MiB that are read", MOST_BYTES >> 20)));
            }
            let limit = usize::try_from(layer.size).unwrap_or(usize::MAX);
            let body = self.registries.blob(image, &layer.digest, limit).await?;
            let unpacking = tokio::task::spawn_blocking(move || {
                let added = search.add(&body, &layer.media_type);
                (search, added)
            });
            let Ok((back, added)) = unpacking.await else { return Ok(Err("a layer could not be unpacked".to_owned())) };
            search = back;
            if let Err(error) = added {
                return Ok(Err(error.to_string()));
            }
            if search.is_complete() {
                break;
            }
        }
        let headers = match search.rpm_database() {
            Some(database) => match rpm_headers(database).await {
                Ok(headers) => headers,
                Err(reason) => return Ok(Err(reason)),
            },
            None => Vec::new(),
        };
        Ok(search.packages(&headers))
    }
}

/// A distribution's release of which the source has nothing, not even of other versions of the same packages: that
/// nothing was found there says nothing.
async fn uncovered(
    questions: &BTreeSet<PackageQuery>,
    known: &Known,
    osv: &Osv,
) -> Result<Option<String>, AdvisoryError> {
    let has_release =
        |query: &&PackageQuery| query.ecosystem.contains(':') || ROLLING.contains(&query.ecosystem.as_str());
    let of_distribution: Vec<&PackageQuery> = questions.iter().filter(has_release).collect();
    let Some(first) = of_distribution.first() else { return Ok(None) };
    let has_some = |query: &&PackageQuery| known.get(*query).is_some_and(|found| !found.is_empty());
    if of_distribution.iter().any(has_some) {
        return Ok(None);
    }
    let any_version = |query: &&PackageQuery| PackageQuery { version: String::new(), ..(*query).clone() };
    let probe = of_distribution.iter().map(any_version).collect();
    let told = osv.query(&probe).await?;
    Ok(told.values().all(BTreeSet::is_empty).then(|| first.ecosystem.clone()))
}

/// The first list of packages that is about this image. A document without a statement around it counts only where the
/// registry's own manifest ties it to the image, which every carrier but the bare tag does.
fn sbom(attestations: &[Attestation], digest: &Digest) -> Option<PackageList> {
    attestations.iter().find_map(|attestation| {
        let statements = statements(&attestation.body);
        let carrier = attestation.carrier.to_string();
        if statements.is_empty() {
            let tied = attestation.carrier != Carrier::CosignTag;
            return tied.then(|| packages_of_sbom(&attestation.body, &carrier).ok())?;
        }
        let about = statements.iter().filter(|one| one.predicate == Predicate::Sbom && one.is_of(digest));
        about.into_iter().find_map(|statement| statement.packages(&carrier).ok())
    })
}
