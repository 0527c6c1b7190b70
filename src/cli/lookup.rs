//! Asks registries on behalf of a person at a terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;
use url::Url;

use super::output;
use crate::advisory::{Exports, FeedAddresses, Feeds, Osv, Scanner, VexRepository};
use crate::clock::Clock;
use crate::formats::Inventory;
use crate::image::{ImageName, Platform};
use crate::jobs::{AdvisorySources, Lookups, Scales, VexChoice};
use crate::plan::{self, Candidates, Constraints, Depth, EvidenceMap, Lookup, Plan, Subject, TagList};
use crate::policy::{Rules, VexTrust};
use crate::registry::{Alias, AllowedAddress, RealmPair, Registries, RegistrySettings};
use crate::settings::{ScannerSettings, environment, proxy, variable};
use crate::store::Store;
use crate::vulnerability::{Determination, PackageList, ScannerKind, VexDocument, VexOrigin, read_vex};

/// Which registries may be asked, and how.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LookupArgs {
    /// Ask this registry by plain HTTP: HOST[:PORT]
    #[arg(long, value_name = "HOST")]
    insecure_registry: Vec<String>,
    /// Allow registries at this private address: host, address or network
    #[arg(long, value_name = "ADDRESS")]
    allow_private: Vec<AllowedAddress>,
    /// Names below MIRROR are images of UPSTREAM: mirror.example.com/hub=docker.io
    #[arg(long, value_name = "MIRROR=UPSTREAM")]
    alias: Vec<Alias>,
    /// The credentials of REGISTRY may go to the token server HOST
    #[arg(long, value_name = "REGISTRY=HOST")]
    token_server: Vec<RealmPair>,
    /// Trust the certificate authorities in this PEM file too
    #[arg(long, value_name = "FILE")]
    ca_file: Vec<PathBuf>,
    /// Whether to ask what the new images are: for which platforms, since when
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    evidence: EvidenceWish,
    /// Ask registries again for what they said within the last ten minutes, and keep nothing of what they say
    #[arg(long)]
    no_cache: bool,
}

/// Who tells of vulnerabilities.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct AdvisoryArgs {
    /// Ask this server, which answers as OSV's does; `mirror`: nobody, but what `restow advisories sync` brought
    #[arg(long, value_name = "URL", default_value = Osv::PUBLIC, value_parser = read_source)]
    advisories: AdvisorySource,
    /// Look at images for this platform, each where several are named; without it for linux/amd64, else the first
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<Platform>,
    /// A VEX document whose statements count: OpenVEX, CSAF or CycloneDX
    #[arg(long, value_name = "FILE")]
    vex: Vec<PathBuf>,
    /// Have images scanned by this program, which must be installed, in the place of Restow's own look
    #[arg(long, value_name = "PROGRAM", value_parser = ["trivy", "grype"])]
    scanner: Option<String>,
    /// The address of Trivy's server
    #[arg(long, value_name = "URL", requires = "scanner")]
    scanner_server: Option<String>,
    /// A variable of the environment that the scanner gets besides PATH, HOME and the proxies
    #[arg(long = "scanner-environment", value_name = "NAME", requires = "scanner")]
    scanner_environment: Vec<String>,
}

/// Where advisories are looked for.
#[derive(Debug, Clone)]
enum AdvisorySource {
    Api(Url),
    Mirror,
}

fn read_source(text: &str) -> Result<AdvisorySource, String> {
    match text {
        "mirror" => Ok(AdvisorySource::Mirror),
        _ => Url::parse(text)
            .map(AdvisorySource::Api)
            .map_err(|_| format!("{text} is no address; write one as in {}, or mirror", Osv::PUBLIC)),
    }
}

impl AdvisoryArgs {
    /// The sources, of which the store holds the mirrored ones.
    async fn sources(&self, store: &Store) -> anyhow::Result<AdvisorySources> {
        let exports = Exports::new(Exports::PUBLIC.parse()?)?;
        let feeds = Feeds::new(FeedAddresses::default())?;
        let rows = store.advisory_sources().await?;
        let addresses = rows.iter().filter_map(|row| Url::parse(row.vex_repository()?).ok());
        let vex = addresses.map(VexRepository::new).collect::<Result<_, _>>()?;
        let scanner = self.scanner()?;
        Ok(match &self.advisories {
            AdvisorySource::Api(url) => {
                let osv = Some(Osv::new(url.clone())?);
                AdvisorySources { osv, exports, mirrored: BTreeSet::new(), feeds, vex, scanner }
            }
            AdvisorySource::Mirror => {
                let mirrored = rows.into_iter().filter(|row| row.is_ecosystem()).map(|row| row.name).collect();
                AdvisorySources { osv: None, exports, mirrored, feeds, vex, scanner }
            }
        })
    }

    /// Scales for the images of a folder: for the platforms that are named, else those of its rules.
    pub(super) fn scales(&self, inventory: &Inventory, rules: &Rules) -> anyhow::Result<Scales> {
        let mut scales = self.scales_by(rules.vex.clone())?;
        scales.look_for(inventory, rules);
        for site in &inventory.sites {
            if !self.platform.is_empty() {
                scales.look_at(site.reference.image(), &self.platform);
            }
        }
        Ok(scales)
    }

    /// Scales for one image, which nobody made rules for.
    pub(super) fn scales_of(&self, image: &ImageName) -> anyhow::Result<Scales> {
        let mut scales = self.scales_by(Vec::new())?;
        scales.look_at(image, &self.platform);
        Ok(scales)
    }

    fn scales_by(&self, trust: Vec<VexTrust>) -> anyhow::Result<Scales> {
        Ok(Scales::examining(usize::MAX, self.vex(trust)?))
    }

    /// Names the VEX documents that take nothing away: whoever named them expects something of them.
    fn say_what_fits_nothing(&self, found: &[KnownImage]) {
        let taken: BTreeSet<String> = found
            .iter()
            .filter_map(|one| one.vulnerabilities.assessment())
            .flat_map(|one| &one.suppressed)
            .filter_map(|one| match &one.origin {
                VexOrigin::File { path } => Some(path.clone()),
                VexOrigin::Attached | VexOrigin::Repository { .. } => None,
            })
            .collect();
        for file in self.vex.iter().map(|file| file.display().to_string()).filter(|file| !taken.contains(file)) {
            eprintln!(
                "restow: {file} takes nothing away: none of its statements is about what was found, with a product that \
                 fits (docs/vulnerabilities.md says which do)"
            );
        }
    }

    /// Whether anything is named that only a look for vulnerabilities needs.
    pub(super) fn is_used(&self) -> bool {
        !self.platform.is_empty() || !self.vex.is_empty() || self.scanner.is_some()
    }

    /// The scanner that was asked for.
    fn scanner(&self) -> anyhow::Result<Option<Scanner>> {
        let Some(kind) = self.scanner.as_deref().and_then(ScannerKind::of_word) else { return Ok(None) };
        let (server, named) = (self.scanner_server.as_deref(), &self.scanner_environment);
        let settings = ScannerSettings::new(kind, server, named, &environment()).map_err(anyhow::Error::msg)?;
        Ok(Some(Scanner::new(kind, settings.server, settings.environment, Scanner::USUAL_LIMIT)))
    }

    /// The VEX statements that count: those of the files that were named, and whose the rules trust.
    fn vex(&self, trust: Vec<VexTrust>) -> anyhow::Result<VexChoice> {
        let read = |file: &PathBuf| {
            let path = file.display().to_string();
            let reading = || format!("reading {path}");
            let statements = read_vex(&std::fs::read(file).with_context(reading)?).with_context(reading)?;
            anyhow::Ok(VexDocument { origin: VexOrigin::File { path: path.clone() }, statements })
        };
        Ok(VexChoice { trust, files: self.vex.iter().map(read).collect::<Result<_, _>>()? })
    }
}

/// When registries are asked what the images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum EvidenceWish {
    /// Where there are at most 200 images to ask about
    Auto,
    /// Always
    All,
    /// Never
    None,
}

/// Images that are asked about without being told to: each costs up to four requests the first time.
const MOST_SUBJECTS: usize = 200;

/// Manifests and configurations that the cache keeps; the least used leave first.
const CACHE_BYTES: i64 = 128 * 1024 * 1024;
/// Lists that nobody asked for in so many days leave the cache.
const CACHE_DAYS: i64 = 30;
/// What registries said is asked again after this time.
const CACHE_TIME: Duration = Duration::from_secs(600);

impl LookupArgs {
    /// A client for these registries; call it inside the runtime.
    pub(super) fn registries(&self, clock: &Clock) -> anyhow::Result<Registries> {
        let settings = RegistrySettings {
            insecure: self.insecure_registry.clone(),
            allowed: self.allow_private.clone(),
            docker_config: docker_config(),
            aliases: self.alias.clone(),
            realms: self.token_server.clone(),
            authorities: self.authorities()?,
            proxy: proxy(),
            clock: clock.clone(),
            ..RegistrySettings::default()
        };
        Registries::new(settings).context("preparing the registry client")
    }

    fn authorities(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let read = |file: &PathBuf| std::fs::read(file).with_context(|| format!("reading {}", file.display()));
        self.ca_file.iter().map(read).collect()
    }

    /// Look-ups that remember in the user's cache; where that cannot be used, only for now.
    async fn lookups(&self, clock: &Clock) -> anyhow::Result<(Lookups, Store)> {
        let store = match cache_file().filter(|_| !self.no_cache) {
            Some(file) => match cached(&file, clock).await {
                Ok(store) => store,
                Err(error) => {
                    eprintln!("restow: going on without the cache: {error:#}");
                    in_memory(clock).await?
                }
            },
            None => in_memory(clock).await?,
        };
        store.trim_contents(CACHE_BYTES).await?;
        store.forget_unused(clock.now().plus_ms(-CACHE_DAYS * 86_400_000)).await?;
        let lookups = Lookups::new(store.clone(), self.registries(clock)?, clock.clone(), CACHE_TIME);
        Ok((lookups, store))
    }

    /// The same, and the database into which advisories were brought: that of the cache, whether or not it is to hold
    /// what registries say.
    async fn lookups_and_brought(&self, clock: &Clock) -> anyhow::Result<(Lookups, Vec<Store>)> {
        let (lookups, store) = self.lookups(clock).await?;
        let Some(file) = cache_file().filter(|file| self.no_cache && file.exists()) else {
            return Ok((lookups, vec![store]));
        };
        match cached(&file, clock).await {
            Ok(brought) => Ok((lookups.with_brought(brought.clone()), vec![brought, store])),
            Err(error) => {
                eprintln!("restow: going on without what `restow advisories sync` brought: {error:#}");
                Ok((lookups, vec![store]))
            }
        }
    }
}

impl LookupArgs {
    /// What the images of the plan's updates are, as far as it is wished.
    async fn ask_evidence(&self, lookups: &Lookups, plan: &Plan) -> anyhow::Result<EvidenceMap> {
        let subjects = plan::wanted_evidence(&plan.updates);
        match self.evidence {
            EvidenceWish::None => return Ok(EvidenceMap::new()),
            EvidenceWish::Auto if subjects.len() > MOST_SUBJECTS => {
                let count = subjects.len();
                eprintln!("restow: the platforms of {count} images were not asked for; --evidence all asks for them");
                return Ok(EvidenceMap::new());
            }
            EvidenceWish::Auto | EvidenceWish::All => {}
        }
        let bar = output::progress("asking registries what the images are");
        let evidence = lookups.evidence(subjects, || bar.inc(1)).await?;
        bar.finish_and_clear();
        Ok(evidence)
    }
}

/// Docker's own file: what the user logged in to, Restow may read. Source: Docker's documentation of `DOCKER_CONFIG`.
fn docker_config() -> Option<PathBuf> {
    let folder = variable("DOCKER_CONFIG").map(PathBuf::from);
    Some(folder.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".docker")))?.join("config.json"))
}

/// `$XDG_CACHE_HOME/restow/registries.db`, or below `~/.cache`. Source: XDG Base Directory Specification 0.8.
pub(super) fn cache_file() -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let named = variable("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
    let folder = named.or_else(|| Some(absolute(PathBuf::from(variable("HOME")?))?.join(".cache")))?;
    Some(folder.join("restow").join("registries.db"))
}

pub(super) async fn cached(file: &Path, clock: &Clock) -> anyhow::Result<Store> {
    let folder = file.parent().context("the cache has no folder")?;
    // What private registries hold concerns nobody else.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("making {}", folder.display()))?;
    let url = SecretString::from(format!("sqlite:{}", file.display()));
    Store::open(&url, clock.clone()).await.with_context(|| format!("opening {}", file.display()))
}

async fn in_memory(clock: &Clock) -> anyhow::Result<Store> {
    Store::open(&SecretString::from("sqlite::memory:"), clock.clone()).await.context("opening a database in memory")
}

/// The plan of an inventory, with what the registries say now, and what is known of vulnerabilities where `advisories`
/// are asked.
pub(super) fn look_up(
    args: &LookupArgs,
    advisories: Option<&AdvisoryArgs>,
    inventory: &Inventory,
    rules: &Rules,
) -> anyhow::Result<Plan> {
    let clock = Clock::System;
    let now = clock.now();
    // What people refused, and when and how many, is the server's to know.
    let nothing = Constraints::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let (lookups, stores) = args.lookups_and_brought(&clock).await?;
        let bar = output::progress("asking registries for tags");
        let tags = lookups.tags(plan::wanted_images(inventory, rules), || bar.inc(1)).await?;
        bar.finish_and_clear();
        let mut candidates = Candidates { tags, digests: BTreeMap::new() };
        let wanted = plan::wanted_digests(inventory, &candidates, rules, &nothing, now);
        let bar = output::progress("asking registries for digests");
        candidates.digests = lookups.digests(wanted, || bar.inc(1)).await?;
        bar.finish_and_clear();
        let mut plan = plan::plan(inventory, &candidates, rules, &nothing, now);
        let evidence = args.ask_evidence(&lookups, &plan).await?;
        plan.weigh(&evidence, rules);
        if let Some(advisories) = advisories {
            let sources = advisories.sources(brought(&stores)?).await?;
            let bar = output::progress("comparing what the images hold");
            bar.enable_steady_tick(Duration::from_millis(200));
            let mut scales = advisories.scales(inventory, rules)?;
            let changes = scales.compare((&lookups, &sources), &plan, &evidence).await?;
            bar.finish_and_clear();
            plan.compare(&evidence, &changes, rules);
        }
        close(stores).await;
        anyhow::Ok(plan)
    })
}

/// The tags of one image.
pub(super) fn tags_of(args: &LookupArgs, image: &ImageName) -> anyhow::Result<Lookup<TagList>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let (lookups, store) = args.lookups(&Clock::System).await?;
        let answer = lookups.tags(BTreeSet::from([image.clone()]), || ()).await?.remove(image);
        store.close().await;
        answer.context("the registry was not asked")
    })
}

/// What is known of an image.
pub(super) struct KnownImage {
    /// Its vulnerabilities.
    pub(super) vulnerabilities: Determination,
    /// Its packages for each platform, where a list of them was found.
    pub(super) packages: Option<Vec<PackageList>>,
}

impl KnownImage {
    fn not(reason: String) -> Self {
        Self { vulnerabilities: Determination::Not(reason), packages: None }
    }
}

/// What is known of each subject, weighed by `scales`.
pub(super) fn known_images(
    args: &LookupArgs,
    advisories: &AdvisoryArgs,
    subjects: &[Subject],
    mut scales: Scales,
) -> anyhow::Result<Vec<KnownImage>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let (lookups, stores) = args.lookups_and_brought(&Clock::System).await?;
        let sources = advisories.sources(brought(&stores)?).await?;
        let bar = output::progress("reading what the images hold");
        let mut found = Vec::new();
        for subject in subjects {
            let known = lookups.evidence(BTreeMap::from([(subject.clone(), Depth::Platforms)]), || ()).await?;
            found.push(match known.into_values().next() {
                Some(Lookup::Known(evidence)) => {
                    let (image, digest) = (&subject.image, &evidence.digest);
                    let content = (image, digest, subject.tag.as_ref());
                    let vulnerabilities = scales.weigh((&lookups, &sources), content).await?;
                    KnownImage { vulnerabilities, packages: scales.packages(&lookups, image, digest).await? }
                }
                Some(Lookup::Unavailable { reason, .. }) => KnownImage::not(reason),
                None => KnownImage::not("the registry was not asked".to_owned()),
            });
            bar.inc(1);
        }
        bar.finish_and_clear();
        close(stores).await;
        advisories.say_what_fits_nothing(&found);
        anyhow::Ok(found)
    })
}

fn brought(stores: &[Store]) -> anyhow::Result<&Store> {
    stores.first().context("there is no database")
}

async fn close(stores: Vec<Store>) {
    for store in stores {
        store.close().await;
    }
}
