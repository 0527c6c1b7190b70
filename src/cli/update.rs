//! `restow update`: moves images in the files of a folder, in place.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use similar::TextDiff;

use super::lookup::{LookupArgs, look_up};
use super::output::counted;
use super::walk::walk;
use super::{DONE, FAILED, Outcome, output, rules};
use crate::formats::{self, EditRefusal, Inventory, Rewritten, Site};
use crate::image::{Digest, ImageName, Reference, Tag};
use crate::plan::HoldCode;
use crate::policy::{PathPattern, UpdateKind};
use crate::repo::FilePath;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder whose files are changed
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Move only this image, in any spelling of its name
    #[arg(long)]
    image: Option<ImageName>,
    /// Move every place that names the image to just this tag, TAG or TAG@sha256:…; needs --image, asks no registry,
    /// and the repository's rules do not matter
    #[arg(long, value_name = "TAG", requires = "image")]
    to: Option<Target>,
    /// Change only files that match this glob
    #[arg(long = "path", value_name = "GLOB", id = "glob", value_parser = PathPattern::parse)]
    paths: Vec<PathPattern>,
    /// Only updates of this kind: digest, pin, patch, minor, major or variant
    #[arg(long, value_name = "KIND", conflicts_with = "to", value_parser = kind)]
    kind: Option<UpdateKind>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    lookup: LookupArgs,
}

/// What `--to` names.
#[derive(Debug, Clone)]
struct Target {
    tag: Tag,
    digest: Option<Digest>,
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (tag, digest) = text.split_once('@').map_or((text, None), |(tag, digest)| (tag, Some(digest)));
        Ok(Self { tag: Tag::parse(tag)?, digest: digest.map(Digest::parse).transpose()? })
    }
}

fn kind(text: &str) -> anyhow::Result<UpdateKind> {
    let known = || UpdateKind::ALL.into_iter();
    known().find(|kind| kind.as_str() == text).with_context(|| {
        let names: Vec<&str> = known().map(UpdateKind::as_str).collect();
        format!("the kinds are {}", names.join(", "))
    })
}

type Moves = Vec<(Site, Reference)>;

pub(super) fn run(args: &Args) -> Outcome {
    if !args.path.is_dir() {
        bail!("{} is no folder", args.path.display());
    }
    let inventory = walk(&args.path)?.inventory;
    for problem in &inventory.problems {
        eprintln!("not read: {}:{}: {}", problem.path, problem.line, problem.message);
    }
    let mut moves = match &args.to {
        Some(to) => given_moves(&inventory, args.image.as_ref(), to),
        None => planned_moves(args, &inventory)?,
    };
    moves.retain(|(site, _)| args.paths.is_empty() || args.paths.iter().any(|pattern| pattern.matches(&site.path)));
    let Outcomes { changed, left } = rewrite(&args.path, &inventory, &moves)?;
    for (path, (old, new)) in &changed {
        match args.dry_run {
            true => output::line(&diff(path, old, new))?,
            false => replace(&args.path, path, new)?,
        }
    }
    for (site, refusal) in &left {
        eprintln!("left as it is: {}: {refusal}", site.reference);
    }
    let verb = if args.dry_run { "would change" } else { "changed" };
    let references = counted(moves.len() - left.len(), "reference");
    eprintln!("{verb} {references} in {}", counted(changed.len(), "file"));
    // What was asked for by name and could not be done is no success.
    Ok(if args.to.is_some() && !left.is_empty() { FAILED } else { DONE })
}

/// Every site of the image goes to one tag.
fn given_moves(inventory: &Inventory, image: Option<&ImageName>, to: &Target) -> Moves {
    let sites: Vec<&Site> = inventory.sites.iter().filter(|site| Some(site.reference.image()) == image).collect();
    if let Some(image) = image.filter(|_| sites.is_empty()) {
        eprintln!("nothing here names {image}");
    }
    let moves =
        sites.into_iter().map(|site| (site.clone(), site.reference.with(Some(to.tag.clone()), to.digest.clone())));
    moves.filter(|(site, to)| site.reference != *to).collect()
}

/// What `restow scan` proposes.
fn planned_moves(args: &Args, inventory: &Inventory) -> anyhow::Result<Moves> {
    let is_meant = |site: &Site| args.image.as_ref().is_none_or(|image| site.reference.image() == image);
    let mut plan = look_up(&args.lookup, None, inventory, &rules::of_folder(&args.path)?)?;
    for hold in plan.holds.iter().filter(|hold| hold.code == HoldCode::RegistryUnavailable && is_meant(&hold.site)) {
        let Site { path, line, reference, .. } = &hold.site;
        eprintln!("held: {path}:{line}: {reference}: {}", hold.reason);
    }
    plan.updates.retain(|update| args.kind.is_none_or(|kind| update.kind == kind) && is_meant(&update.site));
    Ok(plan.leading().updates.into_iter().map(|update| (update.site, update.to)).collect())
}

/// Old and new content of each file that changes.
type Changed = BTreeMap<FilePath, (Vec<u8>, Vec<u8>)>;

/// What became of the moves.
struct Outcomes {
    changed: Changed,
    left: Vec<(Site, EditRefusal)>,
}

fn rewrite(root: &Path, inventory: &Inventory, moves: &Moves) -> anyhow::Result<Outcomes> {
    if moves.is_empty() {
        return Ok(Outcomes { changed: Changed::new(), left: Vec::new() });
    }
    let mut files = BTreeMap::new();
    let paths: BTreeSet<&FilePath> = inventory.sites.iter().flat_map(Site::files).collect();
    for path in paths {
        let full = root.join(path.as_str());
        if full.is_file() {
            let bytes = std::fs::read(&full).with_context(|| format!("reading {}", full.display()))?;
            files.insert(path.clone(), bytes);
        }
    }
    let Rewritten { files: changed, left } = formats::rewrite_possible(&files, moves)?;
    let both = changed.into_iter().filter_map(|(path, new)| {
        let old = files.remove(&path)?;
        Some((path, (old, new)))
    });
    Ok(Outcomes { changed: both.collect(), left })
}

fn diff(path: &FilePath, old: &[u8], new: &[u8]) -> String {
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
    let text = diff.unified_diff().context_radius(3).header(&format!("a/{path}"), &format!("b/{path}")).to_string();
    text.trim_end_matches('\n').to_owned()
}

/// Writes beside the file and renames, so that no reader ever sees half of it; its mode is kept, links are not
/// followed.
fn replace(root: &Path, path: &FilePath, content: &[u8]) -> anyhow::Result<()> {
    let full = root.join(path.as_str());
    let context = || format!("writing {}", full.display());
    let root = root.canonicalize().with_context(context)?;
    let folder = full.parent().map_or(Ok(root.clone()), Path::canonicalize).with_context(context)?;
    if !folder.starts_with(&root) {
        bail!("{} lies outside {}: nothing was written", full.display(), root.display());
    }
    let metadata = std::fs::symlink_metadata(&full).with_context(context)?;
    if !metadata.is_file() {
        bail!("{} is a link: nothing was written", full.display());
    }
    let mut file = tempfile::NamedTempFile::new_in(&folder).with_context(context)?;
    file.write_all(content).with_context(context)?;
    std::fs::set_permissions(file.path(), metadata.permissions()).with_context(context)?;
    file.persist(&full).with_context(context)?;
    Ok(())
}
