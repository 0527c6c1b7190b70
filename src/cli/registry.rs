//! `restow registry check`: what works with a registry.

use std::time::Instant;

use anyhow::Context;

use super::lookup::LookupArgs;
use super::output::{self, counted};
use super::{DONE, FAILED, Outcome};
use crate::clock::Clock;
use crate::image::{Reference, Tag};
use crate::registry::{Completeness, Probe, Referrers, Registries, RegistryError};

#[derive(Debug, clap::Subcommand)]
pub(super) enum RegistryCommand {
    /// Say what works with a registry: whether it is reached, what it asks for, and, of one image, tags and digests
    Check {
        /// The registry, as images name it: ghcr.io, registry.example.com:5000
        host: String,
        /// An image there, whose tags and digests are read: acme/web, or acme/web:1.2
        #[arg(long)]
        image: Option<String>,
        #[command(flatten)]
        lookup: LookupArgs,
    },
}

pub(super) fn run(command: &RegistryCommand) -> Outcome {
    let RegistryCommand::Check { host, image, lookup } = command;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let registries = lookup.registries(&Clock::System)?;
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
        let wants = if wants.is_empty() { "nothing: it answers everybody".to_owned() } else { wants.join("; ") };
        row("asks for", &wants)?;
        row("credentials", if has_credentials { "there are some for it" } else { "none are configured" })?;
        match image {
            Some(image) => self.image(image).await,
            None => Ok(row("tags", "not asked for; name an image there: --image acme/web")?),
        }
    }

    async fn image(&self, image: &str) -> Result<(), Stopped> {
        let wrong = |error| RegistryError::invalid(self.host, format!("{image:?} names no image: {error}"));
        let reference = Reference::parse(&format!("{}/{image}", self.host)).map_err(wrong)?;
        let name = reference.image();
        let begun = Instant::now();
        let list = self.registries.tags(name).await?;
        let whole = match &list.complete {
            Completeness::Whole => String::new(),
            Completeness::Cut { reason } => format!("; not all: {reason}"),
        };
        row("tags", &format!("{} in {} ms{whole}", counted(list.tags.len(), "tag"), begun.elapsed().as_millis()))?;
        let first = list.tags.last().cloned();
        let latest = || Tag::parse("latest").ok().filter(|latest| list.tags.contains(latest));
        let Some(tag) = reference.tag().cloned().or_else(latest).or(first) else { return Ok(()) };
        let digest = self.registries.digest(name, &tag).await?;
        row("digest", &format!("{tag} is {}", digest.short()))?;
        let referrers = self.registries.referrers_by(name, &digest).await?;
        row(
            "referrers",
            match referrers {
                Referrers::Api => "by OCI 1.1's API",
                Referrers::TagsOnly => "no API: by tags named after the digest",
            },
        )?;
        let quota = self.registries.quota(name.registry());
        let quota = quota.map(|quota| {
            let hours = quota.window.as_secs().div_ceil(3600);
            format!("{} of {} pulls left, in {hours} hours", quota.remaining, quota.limit)
        });
        Ok(row("limit", quota.as_deref().unwrap_or("none is named"))?)
    }
}

fn row(what: &str, says: &str) -> std::io::Result<()> {
    output::line(&format!("  {what:<12} {says}"))
}
