//! `restow tag`.

use super::Outcome;

#[derive(Debug, clap::Subcommand)]
pub(super) enum TagCommand {
    /// Read JSON lines of tags, write the pick of each kind
    Pick {},
}

pub(super) fn run(_command: &TagCommand) -> Outcome {
    anyhow::bail!("not built yet")
}
