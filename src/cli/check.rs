//! `restow check`.

use super::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Outcome {
    anyhow::bail!("not built yet")
}
