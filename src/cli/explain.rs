//! `restow explain`: what a tag means, where it could move, and why not elsewhere.

use super::lookup::{AdvisoryArgs, KnownImage, LookupArgs, known_images, tags_of};
use super::{DONE, FAILED, Outcome, USAGE, output};
use crate::clock::Clock;
use crate::image::{Digest, ImageName, Reference, Tag};
use crate::plan::{Completeness, Lookup, Subject, TagList};
use crate::report::{Choice, Fullness, Markup, choices, vulnerabilities, vulnerability_change};
use crate::tag::Scheme;
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
    /// Show how many known vulnerabilities each image has that it could move to, and its other variants
    #[arg(long, conflicts_with = "to")]
    alternatives: bool,
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
    if args.alternatives {
        return alternatives(args, &current);
    }
    if args.to.is_some() || args.vulnerabilities {
        return compare(args);
    }
    if args.advisories.is_used() {
        eprintln!(
            "restow: --platform, --vex and --scanner are about known vulnerabilities: add --vulnerabilities, --to TAG or \
             --alternatives"
        );
        return Ok(USAGE);
    }
    if args.image.tag().is_none() && args.image.digest().is_some() {
        eprintln!(
            "restow: a digest alone does not say which tag it follows; write the tag before it, as in image:tag@sha256:…"
        );
        return Ok(USAGE);
    }
    explain(args.image.image(), &current, &args.lookup)
}

/// Prints what is known of the image's vulnerabilities, and of those of the image that it would become.
fn compare(args: &Args) -> Outcome {
    let image = args.image.image();
    let present = Subject::of(&args.image);
    let new = args.to.as_ref().map(|tag| Subject { image: image.clone(), tag: Some(tag.clone()), digest: None });
    let subjects: Vec<Subject> = std::iter::once(present).chain(new).collect();
    let mut found =
        known_images(&args.lookup, &args.advisories, &subjects, args.advisories.scales_of(image)?)?.into_iter();
    let Some(before) = found.next() else { return Ok(FAILED) };
    let after = found.next();
    match &args.to {
        Some(to) => output::line(&format!("{} -> {to}\n", args.image))?,
        None => output::line(&format!("{}\n", args.image))?,
    }
    let is_whole = |one: &Determination| one.assessment().is_some_and(|one| one.is_whole);
    let Some(after) = after else {
        output::line(&vulnerabilities(&before.vulnerabilities, Markup::Plain))?;
        return Ok(if is_whole(&before.vulnerabilities) { DONE } else { FAILED });
    };
    let packages = before.packages.zip(after.packages).map(|(before, after)| package_changes(&before, &after));
    let change = Change { before: before.vulnerabilities, after: after.vulnerabilities, packages };
    output::line(&vulnerability_change(&change, Fullness::Whole, Markup::Plain))?;
    Ok(if is_whole(&change.before) && is_whole(&change.after) { DONE } else { FAILED })
}

/// Other variants of the same version that are looked at.
const MOST_VARIANTS: usize = 3;

/// Prints what is known of everything that could stand there.
fn alternatives(args: &Args, current: &Tag) -> Outcome {
    let image = args.image.image();
    let list = match tags_of(&args.lookup, image)? {
        Lookup::Known(list) => list,
        Lookup::Unavailable { reason, .. } => {
            eprintln!("restow: {reason}");
            return Ok(FAILED);
        }
    };
    let pinned = args.image.digest().map(|digest| ("stands there".to_owned(), current.clone(), Some(digest.clone())));
    let moves = moves(image, current, &list).into_iter().map(|(how, tag)| (how, tag, None));
    let named: Vec<_> = pinned.into_iter().chain(moves).collect();
    let subject = |(_, tag, digest): &(String, Tag, Option<Digest>)| Subject {
        image: image.clone(),
        tag: Some(tag.clone()),
        digest: digest.clone(),
    };
    let subjects: Vec<Subject> = named.iter().map(subject).collect();
    let found = known_images(&args.lookup, &args.advisories, &subjects, args.advisories.scales_of(image)?)?;
    let choice = |((how, tag, _), one): (&(String, Tag, Option<Digest>), &KnownImage)| Choice {
        how: how.clone(),
        tag: tag.to_string(),
        known: one.vulnerabilities.clone(),
    };
    let all: Vec<Choice> = named.iter().zip(&found).map(choice).collect();
    output::line(&format!("{}\n\n{}", image.familiar(), choices(&all, Markup::Plain)))?;
    let whole = found.iter().all(|one| one.vulnerabilities.assessment().is_some_and(|one| one.is_whole));
    Ok(if whole { DONE } else { FAILED })
}

/// The tag that stands there, what it could move to, and other variants of its version; each once.
fn moves(image: &ImageName, current: &Tag, list: &TagList) -> Vec<(String, Tag)> {
    let scheme = Scheme::learn_for(list.known_as.as_ref().unwrap_or(image), &list.tags);
    let picks = scheme.pick(current, Clock::System.now());
    let picked = [("patch", picks.patch), ("minor", picks.minor), ("major", picks.major), ("variant", picks.variant)];
    let picked = picked.into_iter().filter_map(|(kind, pick)| Some((kind.to_owned(), pick?.tag)));
    let version = scheme.version_of(current);
    let is_sibling = |tag: &&Tag| !version.is_empty() && scheme.version_of(tag) == version && *tag != current;
    let mut siblings: Vec<&Tag> = list.tags.iter().map(|one| &one.name).filter(is_sibling).collect();
    siblings.sort_by_key(|tag| (tag.as_str().len(), tag.as_str()));
    let siblings = siblings.into_iter().take(MOST_VARIANTS).map(|tag| ("other variant".to_owned(), tag.clone()));
    let mut all: Vec<(String, Tag)> = vec![("as it is now".to_owned(), current.clone())];
    for (how, tag) in picked.chain(siblings) {
        if !all.iter().any(|(_, one)| *one == tag) {
            all.push((how, tag));
        }
    }
    all
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
