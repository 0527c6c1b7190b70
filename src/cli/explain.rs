//! `restow explain`: what a tag means, where it could move, and why not elsewhere.

use super::lookup::{AdvisoryArgs, LookupArgs, known_images, tags_of};
use super::{DONE, FAILED, Outcome, output};
use crate::clock::Clock;
use crate::image::{ImageName, Reference, Tag};
use crate::plan::{Completeness, Lookup, Subject};
use crate::report::{Markup, vulnerabilities, vulnerability_change};
use crate::vulnerability::{Change, Determination, package_changes};

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
    let mut found = known_images(&args.lookup, &args.advisories, &subjects, Vec::new())?.into_iter();
    let Some(before) = found.next() else { return Ok(FAILED) };
    let after = found.next();
    match &args.to {
        Some(to) => output::line(&format!("{}:{current} -> {to}\n", image.familiar()))?,
        None => output::line(&format!("{}:{current}\n", image.familiar()))?,
    }
    let is_whole = |one: &Determination| one.assessment().is_some_and(|one| one.is_whole);
    let Some(after) = after else {
        output::line(&vulnerabilities(&before.vulnerabilities, Markup::Plain))?;
        return Ok(if is_whole(&before.vulnerabilities) { DONE } else { FAILED });
    };
    let packages = before.packages.zip(after.packages).map(|(before, after)| package_changes(&before, &after));
    let change = Change { before: before.vulnerabilities, after: after.vulnerabilities, packages };
    output::line(&vulnerability_change(&change, Markup::Plain))?;
    Ok(if is_whole(&change.before) && is_whole(&change.after) { DONE } else { FAILED })
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
