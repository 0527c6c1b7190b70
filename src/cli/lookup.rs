//! Asks registries on behalf of a person at a terminal.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use futures::stream::{self, StreamExt};

use super::output;
use crate::clock::Clock;
use crate::formats::Inventory;
use crate::image::{Digest, ImageName, Tag};
use crate::plan::{self, Candidates, Completeness, Lookup, Plan, TagList};
use crate::policy::Rules;
use crate::registry::{self, AllowedAddress, Registries, RegistrySettings};
use crate::tag::ListedTag;

const AT_ONCE: usize = 16;

/// Which registries may be asked, and how.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LookupArgs {
    /// Ask this registry by plain HTTP: HOST[:PORT]
    #[arg(long, value_name = "HOST")]
    insecure_registry: Vec<String>,
    /// Allow registries at this private address: host, address or network
    #[arg(long, value_name = "ADDRESS")]
    allow_private: Vec<AllowedAddress>,
}

impl LookupArgs {
    /// A client for these registries; call it inside the runtime.
    pub(super) fn registries(&self, clock: &Clock) -> anyhow::Result<Registries> {
        let settings = RegistrySettings {
            insecure: self.insecure_registry.clone(),
            allowed: self.allow_private.clone(),
            clock: clock.clone(),
            ..RegistrySettings::default()
        };
        Registries::new(settings).context("preparing the registry client")
    }
}

/// The plan of an inventory, with what the registries say now.
pub(super) fn look_up(args: &LookupArgs, inventory: &Inventory, rules: &Rules) -> anyhow::Result<Plan> {
    let clock = Clock::System;
    let now = clock.now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let candidates = runtime.block_on(async {
        let registries = args.registries(&clock)?;
        let tags = tags(&registries, plan::wanted_images(inventory, rules)).await;
        let mut candidates = Candidates { tags, digests: BTreeMap::new() };
        let wanted = plan::wanted_digests(inventory, &candidates, rules, now);
        candidates.digests = digests(&registries, wanted).await;
        anyhow::Ok(candidates)
    })?;
    Ok(plan::plan(inventory, &candidates, rules, now))
}

/// The tags of one image.
pub(super) fn tags_of(args: &LookupArgs, image: &ImageName) -> anyhow::Result<Lookup<TagList>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let registries = args.registries(&Clock::System)?;
        Ok(ask(&registries, image).await)
    })
}

async fn tags(registries: &Registries, images: BTreeSet<ImageName>) -> BTreeMap<ImageName, Lookup<TagList>> {
    let bar = output::progress("asking registries for tags");
    let answers = stream::iter(images)
        .map(async |image| {
            let answer = ask(registries, &image).await;
            bar.inc(1);
            (image, answer)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    bar.finish_and_clear();
    answers
}

async fn ask(registries: &Registries, image: &ImageName) -> Lookup<TagList> {
    match registries.tags(image).await {
        Ok(list) => Lookup::Known(TagList {
            tags: list.tags.into_iter().map(|name| ListedTag { name, digest: None, created: None }).collect(),
            completeness: match list.complete {
                registry::Completeness::Whole => Completeness::Whole,
                registry::Completeness::Cut { reason } => Completeness::Cut { reason },
            },
        }),
        Err(error) => Lookup::Unavailable { reason: error.to_string(), may_pass: error.retry_after().is_some() },
    }
}

async fn digests(
    registries: &Registries,
    wanted: BTreeSet<(ImageName, Tag)>,
) -> BTreeMap<(ImageName, Tag), Lookup<Digest>> {
    stream::iter(wanted)
        .map(async |(image, tag)| {
            let answer = match registries.digest(&image, &tag).await {
                Ok(digest) => Lookup::Known(digest),
                Err(error) => {
                    Lookup::Unavailable { reason: error.to_string(), may_pass: error.retry_after().is_some() }
                }
            };
            ((image, tag), answer)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}
