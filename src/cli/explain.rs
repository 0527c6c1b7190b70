//! `restow explain`: what a tag means, where it could move, and why not elsewhere.

use super::lookup::{LookupArgs, tags_of};
use super::{DONE, FAILED, Outcome, output};
use crate::clock::Clock;
use crate::image::{ImageName, Reference, Tag};
use crate::plan::{Completeness, Lookup};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The image and its tag: nginx:1.25-alpine; without a tag, latest
    #[arg(value_name = "IMAGE", value_parser = read_reference)]
    image: Reference,
    #[command(flatten)]
    lookup: LookupArgs,
}

fn read_reference(text: &str) -> Result<Reference, String> {
    Reference::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(args: &Args) -> Outcome {
    let current =
        args.image.tag().cloned().unwrap_or_else(|| Tag::parse("latest").expect("impossible: latest is a tag"));
    explain(args.image.image(), &current, &args.lookup)
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
