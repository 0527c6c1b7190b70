//! What is known of the vulnerabilities of what a repository runs, and of what its plan would have it run.

use std::collections::BTreeMap;

use super::lookups::{AdvisorySources, Lookups, Part, VexChoice};
use super::prints::{PartPrint, Print};
use super::{JobError, Services};
use crate::formats::Inventory;
use crate::image::{Digest, ImageName, Platform, Tag};
use crate::plan::{ChangeSet, ContentPair, Depth, EvidenceMap, Lookup, Plan, Standing, Subject, allowed_sites};
use crate::policy::{Rules, UpdateKind};
use crate::repo::RepoId;
use crate::store::Weighed;
use crate::vulnerability::{Assessment, Change, Determination, PackageList, across, package_changes};

/// Images that one plan examines which nobody examined before: each may cost the reading of its layers. The next plan
/// goes on.
const MOST_NEW: usize = 20;

/// Alternatives of one update that are looked at, and those of one change set that nobody examined before.
const MOST_ALTERNATIVES: usize = 4;

/// Platforms of one image that are looked at; each is examined by itself.
const MOST_PLATFORMS: usize = 8;

/// What is known of a content, and in which texts.
#[derive(Debug, Clone)]
struct WeighedContent {
    known: Determination,
    print: Print,
}

/// What one plan weighed.
#[derive(Debug)]
pub struct Scales {
    known: BTreeMap<(ImageName, Digest), WeighedContent>,
    examined: usize,
    most: usize,
    vex: VexChoice,
    platforms: BTreeMap<ImageName, Vec<Platform>>,
}

impl Scales {
    /// Scales that believe whose VEX statements the rules trust.
    pub(super) fn of(rules: &Rules) -> Self {
        Self::examining(MOST_NEW, VexChoice { trust: rules.vex.clone(), ..VexChoice::default() })
    }

    /// Scales that examine so many images at most which nobody examined before.
    pub(crate) fn examining(most: usize, vex: VexChoice) -> Self {
        Self { known: BTreeMap::new(), examined: 0, most, vex, platforms: BTreeMap::new() }
    }

    /// Looks at the images of these sites for the platforms that the rules want them to have.
    pub(crate) fn look_for(&mut self, inventory: &Inventory, rules: &Rules) {
        for site in allowed_sites(inventory, rules) {
            let wanted = rules.terms(site, UpdateKind::Patch).platforms;
            let platforms = self.platforms.entry(site.reference.image().clone()).or_default();
            add_new(platforms, wanted.into_iter().flat_map(|said| said.value));
        }
    }

    /// Looks at an image for these platforms.
    pub(crate) fn look_at(&mut self, image: &ImageName, platforms: &[Platform]) {
        let mut each = Vec::new();
        add_new(&mut each, platforms.iter().cloned());
        self.platforms.insert(image.clone(), each);
    }

    /// The platforms that an image is looked at for, and those that are too many.
    fn platforms_of(&self, image: &ImageName) -> (&[Platform], &[Platform]) {
        let all = self.platforms.get(image).map_or(&[][..], Vec::as_slice);
        all.split_at(all.len().min(MOST_PLATFORMS))
    }

    /// Compares what stands there with what would, for each update.
    ///
    /// # Errors
    /// The database fails.
    pub async fn compare(
        &mut self,
        (lookups, sources): (&Lookups, &AdvisorySources),
        plan: &Plan,
        evidence: &EvidenceMap,
    ) -> Result<BTreeMap<ContentPair, Change>, JobError> {
        let mut changes = BTreeMap::new();
        for pair in plan.content_pairs(evidence) {
            let (image, before, after) = &pair;
            let tags = plan.tags_between(&pair, evidence);
            let known = self.weigh((lookups, sources), (image, before, tags.0)).await?;
            let becomes = self.weigh((lookups, sources), (image, after, tags.1)).await?;
            let lists = self.packages(lookups, image, before).await?.zip(self.packages(lookups, image, after).await?);
            let packages = lists.map(|(before, after)| package_changes(&before, &after));
            changes.insert(pair, Change { before: known, after: becomes, packages });
        }
        Ok(changes)
    }

    /// What is known of each image that the repository names and the rules do not leave alone.
    pub(super) async fn standing(
        &mut self,
        (lookups, sources): (&Lookups, &AdvisorySources),
        inventory: &Inventory,
        rules: &Rules,
    ) -> Result<Standing, JobError> {
        let subjects: BTreeMap<Subject, Depth> =
            allowed_sites(inventory, rules).map(|site| (Subject::of(&site.reference), Depth::Platforms)).collect();
        let mut standing = Standing::new();
        for (subject, evidence) in lookups.evidence(subjects, || ()).await? {
            let Lookup::Known(evidence) = evidence else { continue };
            let known =
                self.weigh((lookups, sources), (&subject.image, &evidence.digest, subject.tag.as_ref())).await?;
            standing.insert(subject, known);
        }
        Ok(standing)
    }

    /// Looks at what else the images of these change sets could move to, within bounds: it is nice to know.
    pub(super) async fn look_at_alternatives(
        &mut self,
        (lookups, sources): (&Lookups, &AdvisorySources),
        set: &mut ChangeSet,
    ) -> Result<(), JobError> {
        let most = self.most;
        self.most = most.min(self.examined + MOST_ALTERNATIVES);
        for update in &mut set.updates {
            let image = update.site.reference.image().clone();
            for one in update.alternatives.iter_mut().take(MOST_ALTERNATIVES) {
                let subject = Subject { image: image.clone(), tag: Some(one.tag.clone()), digest: None };
                let asked = BTreeMap::from([(subject, Depth::Platforms)]);
                let found = lookups.evidence(asked, || ()).await?.into_values().next();
                let Some(Lookup::Known(evidence)) = found else { continue };
                let known = self.weigh((lookups, sources), (&image, &evidence.digest, Some(&one.tag))).await?;
                one.vulnerabilities = Some(Box::new(known));
            }
        }
        self.most = most;
        Ok(())
    }

    /// The packages of an image that was weighed, for each platform; `None` where one of them is not known.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn packages(
        &self,
        lookups: &Lookups,
        image: &ImageName,
        digest: &Digest,
    ) -> Result<Option<Vec<PackageList>>, JobError> {
        let mut lists = Vec::new();
        for part in Part::all(image, digest, self.platforms_of(image).0) {
            let Some(list) = lookups.kept_packages(&part).await? else { return Ok(None) };
            lists.push(list);
        }
        Ok(Some(lists))
    }

    /// What is known of a content.
    ///
    /// # Errors
    /// The database fails.
    pub(crate) async fn weigh(
        &mut self,
        (lookups, sources): (&Lookups, &AdvisorySources),
        (image, digest, tag): (&ImageName, &Digest, Option<&Tag>),
    ) -> Result<Determination, JobError> {
        let key = (image.clone(), digest.clone());
        if let Some(weighed) = self.known.get(&key) {
            return Ok(weighed.known.clone());
        }
        let (mut parts, mut prints, mut is_new) = (Vec::new(), Vec::new(), false);
        for part in &Part::all(image, digest, self.platforms_of(image).0) {
            let mut known = match lookups.vulnerabilities_of_kept(part, sources).await? {
                Some(known) => known,
                None if !is_new && self.examined >= self.most => {
                    return Ok(Determination::Not("too many images are new here; the next look goes on".to_owned()));
                }
                None => {
                    is_new = true;
                    lookups.vulnerabilities(part, sources).await?
                }
            };
            let found = fingerprint(&known);
            let statements = lookups.complete((part, tag), &mut known, sources, &self.vex).await?;
            prints.push(PartPrint { platform: part.platform_name(), found, statements });
            parts.push((part.platform_name(), known));
        }
        self.examined += usize::from(is_new);
        parts.extend(self.platforms_of(image).1.iter().map(|one| (one.to_string(), too_many_platforms())));
        let known = across(parts);
        self.known.insert(key, WeighedContent { known: known.clone(), print: Print(prints) });
        Ok(known)
    }

    /// Keeps what was weighed, so that an advisory alone leads back here.
    pub(super) async fn keep(&self, services: &Services, repo: RepoId) -> Result<(), JobError> {
        let weighed = |(key, weighed): (&(ImageName, Digest), &WeighedContent)| {
            let platforms = self.platforms_of(&key.0).0.to_vec();
            (key.clone(), Weighed { platforms, fingerprint: weighed.print.to_string() })
        };
        let weighed = self.known.iter().map(weighed).collect();
        Ok(services.store.save_weighed(repo, &weighed).await?)
    }
}

/// Adds what is not there yet.
fn add_new(platforms: &mut Vec<Platform>, more: impl Iterator<Item = Platform>) {
    for platform in more {
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
}

fn too_many_platforms() -> Determination {
    Determination::Not(format!("an image is looked at for {MOST_PLATFORMS} platforms at most"))
}

/// What is known, in a text that changes when it does; empty where nothing is.
fn fingerprint(known: &Determination) -> String {
    known.assessment().map(Assessment::fingerprint).unwrap_or_default()
}
