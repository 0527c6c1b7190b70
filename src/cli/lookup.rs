//! Asks registries on behalf of a person at a terminal.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use secrecy::SecretString;

use super::output;
use crate::clock::Clock;
use crate::formats::Inventory;
use crate::image::ImageName;
use crate::jobs::Lookups;
use crate::plan::{self, Candidates, Lookup, Plan, TagList};
use crate::policy::Rules;
use crate::registry::{AllowedAddress, Registries, RegistrySettings};
use crate::settings::variable;
use crate::store::Store;

/// Which registries may be asked, and how.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LookupArgs {
    /// Ask this registry by plain HTTP: HOST[:PORT]
    #[arg(long, value_name = "HOST")]
    insecure_registry: Vec<String>,
    /// Allow registries at this private address: host, address or network
    #[arg(long, value_name = "ADDRESS")]
    allow_private: Vec<AllowedAddress>,
    /// Ask registries again for what they said within the last ten minutes, and keep nothing of what they say
    #[arg(long)]
    no_cache: bool,
}

/// What registries said is asked again after this time.
const CACHE_TIME: Duration = Duration::from_secs(600);

impl LookupArgs {
    /// A client for these registries; call it inside the runtime.
    pub(super) fn registries(&self, clock: &Clock) -> anyhow::Result<Registries> {
        let settings = RegistrySettings {
            insecure: self.insecure_registry.clone(),
            allowed: self.allow_private.clone(),
            docker_config: docker_config(),
            clock: clock.clone(),
            ..RegistrySettings::default()
        };
        Registries::new(settings).context("preparing the registry client")
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
        let lookups = Lookups::new(store.clone(), self.registries(clock)?, clock.clone(), CACHE_TIME);
        Ok((lookups, store))
    }
}

/// Docker's own file: what the user logged in to, Restow may read. Source: Docker's documentation of `DOCKER_CONFIG`.
fn docker_config() -> Option<PathBuf> {
    let folder = variable("DOCKER_CONFIG").map(PathBuf::from);
    Some(folder.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".docker")))?.join("config.json"))
}

/// `$XDG_CACHE_HOME/restow/registries.db`, or below `~/.cache`. Source: XDG Base Directory Specification 0.8.
fn cache_file() -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let named = variable("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
    let folder = named.or_else(|| Some(absolute(PathBuf::from(variable("HOME")?))?.join(".cache")))?;
    Some(folder.join("restow").join("registries.db"))
}

async fn cached(file: &Path, clock: &Clock) -> anyhow::Result<Store> {
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

/// The plan of an inventory, with what the registries say now.
pub(super) fn look_up(args: &LookupArgs, inventory: &Inventory, rules: &Rules) -> anyhow::Result<Plan> {
    let clock = Clock::System;
    let now = clock.now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let candidates = runtime.block_on(async {
        let (lookups, store) = args.lookups(&clock).await?;
        let bar = output::progress("asking registries for tags");
        let tags = lookups.tags(plan::wanted_images(inventory, rules), || bar.inc(1)).await?;
        bar.finish_and_clear();
        let mut candidates = Candidates { tags, digests: BTreeMap::new() };
        let wanted = plan::wanted_digests(inventory, &candidates, rules, now);
        let bar = output::progress("asking registries for digests");
        candidates.digests = lookups.digests(wanted, || bar.inc(1)).await?;
        bar.finish_and_clear();
        store.close().await;
        anyhow::Ok(candidates)
    })?;
    Ok(plan::plan(inventory, &candidates, rules, now))
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
