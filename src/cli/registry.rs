//! `restow registry check`: what works with a registry.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;

use super::lookup::LookupArgs;
use super::output::{self, counted};
use super::{DONE, FAILED, Outcome};
use crate::app::registry_settings;
use crate::clock::Clock;
use crate::image::{Digest, ImageName, Reference, Tag};
use crate::registry::{
    CONFIG_LIMIT, Completeness, Content, Description, Limit, Probe, Referrers, Registries, RegistryError, TagList,
};
use crate::settings::{Overrides, Settings};

#[derive(Debug, clap::Subcommand)]
pub(super) enum RegistryCommand {
    /// Say what works with a registry: whether it is reached, what it asks for, and, of one image, tags, digests and dates
    Check {
        /// The registry, as images name it: ghcr.io, registry.example.com:5000
        host: String,
        /// An image there, whose tags and digests are read: acme/web, or acme/web:1.2
        #[arg(long)]
        image: Option<String>,
        /// Ask as the server would, by its settings: credentials, mirrors, certificates, addresses
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
        #[command(flatten)]
        lookup: LookupArgs,
    },
}

pub(super) fn run(command: &RegistryCommand) -> Outcome {
    let RegistryCommand::Check { host, image, settings, lookup } = command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let registries = match settings {
            Some(file) => of_server(file)?,
            None => lookup.registries(&Clock::System)?,
        };
        let report = Report { registries, host };
        match report.all(image.as_deref()).await {
            Ok(()) => Ok(DONE),
            Err(Stopped::Registry(error)) => {
                output::line(&format!("  failed       {error}"))?;
                Ok(FAILED)
            }
            Err(Stopped::Output(error)) => Err(error.into()),
        }
    })
}

/// The server's own client.
fn of_server(file: &Path) -> anyhow::Result<Registries> {
    let settings = Settings::load(Some(file), &Overrides::default())?;
    Registries::new(registry_settings(&settings, &Clock::System)).context("preparing the registry client")
}

/// Why the report ends.
enum Stopped {
    Registry(RegistryError),
    Output(std::io::Error),
}

impl From<RegistryError> for Stopped {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

struct Report<'a> {
    registries: Registries,
    host: &'a str,
}

impl Report<'_> {
    async fn all(&self, image: Option<&str>) -> Result<(), Stopped> {
        output::line(self.host)?;
        let begun = Instant::now();
        let Probe { status, wants, has_credentials } = self.registries.probe(self.host).await?;
        row("reached", &format!("it answers {status} in {} ms", begun.elapsed().as_millis()))?;
        let asks = !wants.is_empty();
        let wants = if wants.is_empty() { "nothing: it answers everybody".to_owned() } else { wants.join("; ") };
        row("asks for", &wants)?;
        row("credentials", if has_credentials { "there are some for it" } else { "none are configured" })?;
        if asks {
            self.entry(has_credentials).await?;
        }
        match image {
            Some(image) => self.image(image).await,
            None => Ok(row("tags", "not asked for; name an image there: --image acme/web")?),
        }
    }

    /// Whether what it asks for opens it; who has no credentials may still read public images.
    async fn entry(&self, has_credentials: bool) -> Result<(), Stopped> {
        match self.registries.enter(self.host).await {
            Ok(()) if has_credentials => row("entry", "open to these credentials")?,
            Ok(()) => row("entry", "open to everybody, with a token that needs no credentials")?,
            Err(RegistryError::Unauthorized { reason, .. }) if !has_credentials => {
                row("entry", &format!("not open without an image's name: {reason}"))?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn image(&self, image: &str) -> Result<(), Stopped> {
        let wrong = |error| RegistryError::invalid(self.host, format!("{image:?} names no image: {error}"));
        let reference = Reference::parse(&format!("{}/{image}", self.host)).map_err(wrong)?;
        let name = reference.image();
        let begun = Instant::now();
        let list = self.registries.tags(name).await?;
        row("tags", &format!("{} in {} ms", counted(list.tags.len(), "tag"), begun.elapsed().as_millis()))?;
        row("paging", &paging(&list))?;
        let first = list.tags.last().cloned();
        let latest = || Tag::parse("latest").ok().filter(|latest| list.tags.contains(latest));
        let Some(tag) = reference.tag().cloned().or_else(latest).or(first) else { return Ok(()) };
        let digest = self.registries.digest(name, &tag).await?;
        row("digest", &format!("{tag} is {}", digest.short()))?;
        row("dates", &self.dates(name, &tag, &digest, &list).await?)?;
        let referrers = self.registries.referrers_by(name, &digest).await?;
        row(
            "referrers",
            match referrers {
                Referrers::Api => "by OCI 1.1's API",
                Referrers::TagsOnly => "no API: by tags named after the digest",
            },
        )?;
        let limit = match self.registries.limit(name) {
            Limit::Left(quota) => {
                let hours = quota.window.as_secs().div_ceil(3600);
                format!("{} of {} pulls left, in {hours} hours", quota.remaining, quota.limit)
            }
            Limit::Untold | Limit::Unlimited => "none is named".to_owned(),
        };
        Ok(row("limit", &limit)?)
    }

    /// Who says how old an image is, and what is said.
    async fn dates(
        &self,
        image: &ImageName,
        tag: &Tag,
        digest: &Digest,
        list: &TagList,
    ) -> Result<String, RegistryError> {
        if let Some(upload) = list.uploads.get(tag) {
            return Ok(format!("the list of tags says that {tag} was uploaded {}", upload.at));
        }
        let story = self.registries.tag_story(image, tag).await?;
        if let Some((pushed, source)) = story.and_then(|story| Some((story.pushed?, story.source))) {
            return Ok(format!("{source} says that {tag} was pushed {pushed}"));
        }
        let built = self.description(image, digest).await?.and_then(|description| description.created);
        Ok(match built {
            Some(built) => format!("the registry says none; {tag} says that it was built {built}"),
            None => format!("the registry says none, nor does {tag}"),
        })
    }

    /// What an image says of itself; `None` where it says nothing that can be read.
    async fn description(&self, image: &ImageName, digest: &Digest) -> Result<Option<Description>, RegistryError> {
        let mut content = self.registries.manifest(image, digest).await?.content(image)?;
        if let Some(usual) = content.usual() {
            content = self.registries.manifest(image, usual).await?.content(image)?;
        }
        let Content::Image { config, .. } = content else { return Ok(None) };
        let config = self.registries.blob(image, &config, CONFIG_LIMIT).await?;
        Ok(Description::read(&config))
    }
}

fn paging(list: &TagList) -> String {
    let version = if list.etag.is_some() { "; asked again only if it changed" } else { "" };
    match &list.complete {
        Completeness::Whole => format!("{}, read to the end{version}", counted(list.pages, "page")),
        Completeness::Cut { reason } => format!("{}, not all: {reason}", counted(list.pages, "page")),
    }
}

fn row(what: &str, says: &str) -> std::io::Result<()> {
    output::line(&format!("  {what:<12} {says}"))
}
