//! `restow explain`: what a tag means, where it could move, and why not elsewhere.

use super::lookup::{AdvisoryArgs, LookupArgs, tags_of, vulnerabilities_of};
use super::{DONE, FAILED, Outcome, output};
use crate::clock::Clock;
use crate::image::{ImageName, Reference, Tag};
use crate::plan::{Completeness, Lookup, Subject};
use crate::report::{Markup, vulnerabilities};
use crate::vulnerability::Determination;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image and its tag: nginx:1.25-alpine; without a tag, latest
    #[arg(value_name = "IMAGE", value_parser = read_reference)]
    image: Reference,
    /// Compare its known vulnerabilities with those of this tag of the image
    #[arg(long, value_name = "TAG", value_parser = read_tag)]
    to: Option<Tag>,
    /// Show its known vulnerabilities; the names of its packages go to OSV
    #[arg(long)]
    vulnerabilities: bool,
    #[command(flatten)]
    advisories: AdvisoryArgs,
    #[command(flatten)]
    lookup: LookupArgs,
}

fn read_tag(text: &str) -> Result<Tag, String> {
    Tag::parse(text).map_err(|error| error.to_string())
}

fn read_reference(text: &str) -> Result<Reference, String> {
    Reference::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(args: &Args) -> Outcome {
    let current =
        args.image.tag().cloned().unwrap_or_else(|| Tag::parse("latest").expect("impossible: latest is a tag"));
    if args.to.is_some() || args.vulnerabilities {
        return compare(args, &current);
    }
    explain(args.image.image(), &current, &args.lookup)
}

/// Prints what is known of the image's vulnerabilities, and of those of the image that it would become.
fn compare(args: &Args, current: &Tag) -> Outcome {
    let image = args.image.image();
    let present = Subject { image: image.clone(), tag: Some(current.clone()), digest: args.image.digest().cloned() };
    let new = args.to.as_ref().map(|tag| Subject { image: image.clone(), tag: Some(tag.clone()), digest: None });
    let subjects: Vec<Subject> = std::iter::once(present).chain(new).collect();
    let found = vulnerabilities_of(&args.lookup, &args.advisories, &subjects, Vec::new())?;
    let Some((before, after)) = found.split_first() else { return Ok(FAILED) };
    match &args.to {
        Some(to) => output::line(&format!("{}:{current} -> {to}\n", image.familiar()))?,
        None => output::line(&format!("{}:{current}\n", image.familiar()))?,
    }
    output::line(&vulnerabilities(before, after.first(), Markup::Plain))?;
    let known = found.iter().all(|one| matches!(one, Determination::Known(_)));
    Ok(if known { DONE } else { FAILED })
}

/// Asks the registry and prints what it has for someone on `current`.
pub(super) fn explain(image: &ImageName, current: &Tag, lookup: &LookupArgs) -> Outcome {
    match tags_of(lookup, image)? {
        Lookup::Known(list) => {
            output::line(crate::tag::explain(image, current, &list.tags, Clock::System.now()).trim_end())?;
            if !list.tags.iter().any(|tag| tag.name == *current) {
                eprintln!("restow: the registry lists no tag {current}: what is said is read from the tag's form");
            }
            if let Completeness::Cut { reason } = list.completeness {
                eprintln!("restow: the list of tags is not whole: {reason}");
            }
            Ok(DONE)
        }
        Lookup::Unavailable { reason, .. } => {
            eprintln!("restow: {reason}");
            Ok(FAILED)
        }
    }
}
