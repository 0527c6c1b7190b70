//! `restow advisories`: mirrors advisories, so that images are held against them without asking anybody.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use comfy_table::{Table, presets};
use indicatif::ProgressBar;
use url::Url;

use super::jobs::open_existing;
use super::lookup::{cache_file, cached};
use super::{DONE, FAILED, Outcome, USAGE, output};
use crate::advisory::{Exports, FeedAddresses, Feeds, VexRepository};
use crate::clock::Clock;
use crate::jobs::{BringError, Brought, bring, bring_ends, bring_epss, bring_kev, bring_triage, bring_vex};
use crate::store::{SourceRow, Store, TRIAGE};

#[derive(Debug, clap::Subcommand)]
pub(super) enum AdvisoriesCommand {
    /// Bring what changed of OSV's exports, of KEV, of EPSS and of what else is named
    Sync(Box<SyncArgs>),
    /// List what is mirrored, and of when it is
    List(DatabaseArgs),
}

/// Where the mirror is.
#[derive(Debug, clap::Args)]
pub(super) struct DatabaseArgs {
    /// A server's database in the place of your own cache: sqlite:FILE or postgres://…
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Where a feed is; `None` where it is not to be brought.
#[derive(Debug, Clone)]
struct FeedAddress(Option<Url>);

fn read_address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
    url.ok_or_else(|| format!("{text} is no address; write one as in {}", Exports::PUBLIC))
}

fn read_feed(text: &str) -> Result<FeedAddress, String> {
    match text {
        "none" => Ok(FeedAddress(None)),
        _ => read_address(text).map(Some).map(FeedAddress).map_err(|error| format!("{error}, or none")),
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct SyncArgs {
    /// An ecosystem of OSV: Debian, Alpine, "Rocky Linux"; without any, those that are mirrored already
    #[arg(long = "ecosystem", value_name = "NAME")]
    ecosystems: Vec<String>,
    /// Where OSV's exports are, or a copy of them
    #[arg(long, value_name = "URL", default_value = Exports::PUBLIC, value_parser = read_address)]
    exports: Url,
    /// CISA's catalogue of what is exploited, or a copy of it; none
    #[arg(long, value_name = "URL", default_value = Feeds::KEV, value_parser = read_feed)]
    kev: FeedAddress,
    /// FIRST's scores, or a copy of them; none
    #[arg(long, value_name = "URL", default_value = Feeds::EPSS, value_parser = read_feed)]
    epss: FeedAddress,
    /// When the support of products ends: endoflife.date's list, or a copy of it; none
    #[arg(long, value_name = "URL", default_value = "none", value_parser = read_feed)]
    endoflife: FeedAddress,
    /// What Debian's security team decided, or a copy of it, brought with the ecosystem Debian; none
    #[arg(long, value_name = "URL", default_value = Feeds::TRIAGE, value_parser = read_feed)]
    debian_tracker: FeedAddress,
    /// A VEX repository: the address below which its index.json is; without any, those that are mirrored already
    #[arg(long = "vex-repository", value_name = "URL")]
    vex_repositories: Vec<Url>,
    #[command(flatten)]
    database: DatabaseArgs,
}

pub(super) fn run(command: &AdvisoriesCommand) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let database = match command {
            AdvisoriesCommand::Sync(args) => &args.database,
            AdvisoriesCommand::List(args) => args,
        };
        let Some(store) = database.open().await? else { return Ok(USAGE) };
        let outcome = match command {
            AdvisoriesCommand::Sync(args) => sync(&store, args).await,
            AdvisoriesCommand::List(_) => list(&store).await,
        };
        store.close().await;
        outcome
    })
}

impl DatabaseArgs {
    async fn open(&self) -> anyhow::Result<Option<Store>> {
        if let Some(url) = &self.database {
            return open_existing(url).await;
        }
        let file = cache_file().context("there is no cache: set HOME, or name a database with --database")?;
        cached(&file, &Clock::System).await.map(Some)
    }
}

/// Brings everything that was asked for; what fails costs nothing of the rest.
async fn sync(store: &Store, args: &SyncArgs) -> Outcome {
    let mirrored = store.advisory_sources().await?;
    let repositories: Vec<Url> = match args.vex_repositories.is_empty() {
        true => mirrored.iter().filter_map(|row| Url::parse(row.vex_repository()?).ok()).collect(),
        false => args.vex_repositories.clone(),
    };
    let ecosystems: Vec<String> = match args.ecosystems.is_empty() {
        true => mirrored.into_iter().filter(SourceRow::is_ecosystem).map(|row| row.name).collect(),
        false => args.ecosystems.clone(),
    };
    if ecosystems.is_empty() && repositories.is_empty() && args.endoflife.0.is_none() {
        eprintln!(
            "restow: nothing is mirrored yet; name what your images are made of: --ecosystem Debian --ecosystem Alpine"
        );
        return Ok(USAGE);
    }
    let has_debian = ecosystems.iter().any(|one| one == "Debian");
    let feeds = Feeds::new(FeedAddresses {
        kev: args.kev.0.clone(),
        epss: args.epss.0.clone(),
        ends: args.endoflife.0.clone(),
        triage: args.debian_tracker.0.clone().filter(|_| has_debian),
    })?;
    let exports = Exports::new(args.exports.clone())?;
    let (mut brought, mut failed) = (BTreeMap::new(), false);
    for ecosystem in &ecosystems {
        let bar = output::progress("");
        let progress = |what: &str, has: u64, of: Option<u64>| show(&bar, ecosystem, (what, has, of));
        bar.enable_steady_tick(Duration::from_millis(200));
        let done = bring(store, &exports, ecosystem, &progress).await;
        bar.finish_and_clear();
        failed |= note(&mut brought, ecosystem, done);
    }
    for address in &repositories {
        let done = bring_vex(store, &VexRepository::new(address.clone())?).await;
        failed |= note(&mut brought, &format!("VEX {address}"), done);
    }
    for (name, done) in [
        ("KEV", bring_kev(store, &feeds).await),
        ("EPSS", bring_epss(store, &feeds).await),
        ("endoflife.date", bring_ends(store, &feeds).await),
        (TRIAGE, bring_triage(store, &feeds).await),
    ] {
        if let Some(done) = done.transpose() {
            failed |= note(&mut brought, name, done);
        }
    }
    if !brought.is_empty() {
        output::line(&table(&brought))?;
    }
    Ok(if failed { FAILED } else { DONE })
}

fn show(bar: &ProgressBar, ecosystem: &str, (what, has, of): (&str, u64, Option<u64>)) {
    let part = of.filter(|of| *of > 0).map(|of| format!(" {} %", has.min(of) * 100 / of));
    bar.set_message(format!("{ecosystem}: {what}{}", part.unwrap_or_default()));
}

/// Whether it failed.
fn note(brought: &mut BTreeMap<String, Brought>, source: &str, done: Result<Brought, BringError>) -> bool {
    match done {
        Ok(done) => {
            brought.insert(source.to_owned(), done);
            false
        }
        Err(error) => {
            eprintln!("restow: {source}: {error}");
            true
        }
    }
}

fn table(brought: &BTreeMap<String, Brought>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["source", "records", "new or changed", "gone", "unreadable"]);
    for (source, one) in brought {
        let counts = [one.records, one.changed, one.gone, one.unreadable].map(|count| count.to_string());
        table.add_row(std::iter::once(source.clone()).chain(counts));
    }
    table.trim_fmt()
}

async fn list(store: &Store) -> Outcome {
    let sources = store.advisory_sources().await?;
    if sources.is_empty() {
        output::line("Nothing is mirrored; `restow advisories sync --ecosystem Debian` begins.")?;
        return Ok(DONE);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["source", "records", "data of", "brought"]);
    for source in sources {
        let of = source.data_of.map(|at| at.to_string()).unwrap_or_default();
        table.add_row([source.name, source.records.to_string(), of, source.synced_at.to_string()]);
    }
    output::line(&table.trim_fmt())?;
    Ok(DONE)
}
