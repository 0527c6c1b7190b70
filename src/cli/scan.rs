//! `restow scan`: lists the images that a folder names, and what they could move to.

mod findings;
mod json;
mod render;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;

use super::lookup::{AdvisoryArgs, LookupArgs, known_images, look_up};
use super::output::{self, ColorChoice};
use super::walk::{Walked, walk};
use super::{DONE, FAILED, FINDINGS, Outcome, rules};
use crate::plan::{HoldCode, Plan, Standing, Subject};
use crate::vulnerability::Determination;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to read, or one file
    #[arg(default_value = ".")]
    path: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Ask no registry
    #[arg(long)]
    offline: bool,
    /// Show the known vulnerabilities of each image; the names of its packages go to OSV
    #[arg(long, conflicts_with = "offline")]
    vulnerabilities: bool,
    #[command(flatten)]
    advisories: AdvisoryArgs,
    /// Exit with 1 where an update or, with --vulnerabilities, a vulnerability is found (with --offline: where an image
    /// is found), and with 3 where none is found but something could not be determined
    #[arg(long)]
    exit_code: bool,
    /// When to colour
    #[arg(long, value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
    #[command(flatten)]
    lookup: LookupArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Human,
    /// For scripts
    Json,
    /// For a job summary or a comment
    Markdown,
    /// For code scanning
    Sarif,
}

/// A whole scan.
pub(super) struct Scan {
    pub(super) root: String,
    pub(super) walked: Walked,
    /// `None` where no registry was asked.
    pub(super) plan: Option<Plan>,
    /// What is known of each image's vulnerabilities; `None` where nobody asked.
    pub(super) vulnerabilities: Option<Standing>,
    pub(super) elapsed_ms: u128,
}

impl Scan {
    /// Sites of which nothing is known, since their registry gave no answer.
    pub(super) fn unanswered(&self) -> usize {
        let holds = self.plan.iter().flat_map(|plan| &plan.holds);
        holds.filter(|hold| hold.code == HoldCode::RegistryUnavailable).count()
    }

    /// The exit code. Where a registry gave no answer, it is never said that nothing was found.
    fn exit_code(&self, asked: ExitCodes) -> u8 {
        let sites = self.walked.inventory.sites.len();
        let vulnerable = |known: &Determination| known.assessment().is_some_and(|one| !one.findings.is_empty());
        let known = || self.vulnerabilities.iter().flat_map(|all| all.values());
        let found = self.plan.as_ref().map_or(sites > 0, |plan| !plan.updates.is_empty()) || known().any(vulnerable);
        let undetermined = known().filter(|known| known.assessment().is_none_or(|one| !one.is_whole)).count();
        let unanswered = self.unanswered();
        match asked {
            ExitCodes::Findings if found => FINDINGS,
            ExitCodes::Findings if unanswered + undetermined > 0 => FAILED,
            ExitCodes::Done if unanswered > 0 && unanswered == sites => FAILED,
            ExitCodes::Findings | ExitCodes::Done => DONE,
        }
    }
}

/// Whether findings have an exit code of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExitCodes {
    Findings,
    Done,
}

pub(super) fn run(args: &Args) -> Outcome {
    let start = Instant::now();
    let walked = walk(&args.path)?;
    let plan = match args.offline {
        true => None,
        false => {
            let advisories = args.vulnerabilities.then_some(&args.advisories);
            let rules = rules::of_folder(&args.path)?;
            Some(look_up(&args.lookup, advisories, &walked.inventory, &rules)?.leading())
        }
    };
    let vulnerabilities = match args.vulnerabilities {
        true => Some(standing(args, &walked)?),
        false => None,
    };
    let root = args.path.display().to_string();
    let scan = Scan { root, walked, plan, vulnerabilities, elapsed_ms: start.elapsed().as_millis() };
    let text = match args.format {
        Format::Human => render::human(&scan, args.color.paint()),
        Format::Json => serde_json::to_string_pretty(&json::scan(&scan))?,
        Format::Markdown => render::markdown(&scan),
        Format::Sarif => serde_json::to_string_pretty(&json::sarif(&scan))?,
    };
    output::line(&text)?;
    Ok(scan.exit_code(if args.exit_code { ExitCodes::Findings } else { ExitCodes::Done }))
}

/// What is known of the vulnerabilities of each image that the folder names.
fn standing(args: &Args, walked: &Walked) -> anyhow::Result<Standing> {
    let subjects: BTreeSet<Subject> = walked.inventory.sites.iter().map(|site| Subject::of(&site.reference)).collect();
    let subjects: Vec<Subject> = subjects.into_iter().collect();
    let scales = args.advisories.scales(&walked.inventory, &rules::of_folder(&args.path)?)?;
    let found = known_images(&args.lookup, &args.advisories, &subjects, scales)?;
    Ok(subjects.into_iter().zip(found.into_iter().map(|one| one.vulnerabilities)).collect())
}
