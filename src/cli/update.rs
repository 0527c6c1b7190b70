//! `restow update`: moves images in the files of a folder, in place.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use similar::TextDiff;

use super::lookup::{LookupArgs, look_up};
use super::walk::walk;
use super::{DONE, Outcome, output, rules};
use crate::formats::{self, Inventory, Site};
use crate::image::{Digest, ImageName, Reference, Tag};
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
    /// Move to this tag, TAG or TAG@sha256:…; with --image, and no registry is asked
    #[arg(long, value_name = "TAG", requires = "image")]
    to: Option<String>,
    /// Change only files that match this glob
    #[arg(long = "path", value_name = "GLOB", id = "glob")]
    paths: Vec<String>,
    /// Only updates of this kind: digest, pin, patch, minor, major or variant
    #[arg(long, value_name = "KIND", conflicts_with = "to")]
    kind: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    lookup: LookupArgs,
}

type Moves = Vec<(Site, Reference)>;

pub(super) fn run(args: &Args) -> Outcome {
    if !args.path.is_dir() {
        bail!("{} is no folder", args.path.display());
    }
    let inventory = walk(&args.path)?.inventory;
    let mut moves = match &args.to {
        Some(to) => given_moves(&inventory, args.image.as_ref(), to)?,
        None => planned_moves(args, &inventory)?,
    };
    let patterns = args.paths.iter().map(|glob| PathPattern::parse(glob)).collect::<Result<Vec<_>, _>>()?;
    moves.retain(|(site, _)| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&site.path)));
    let changed = rewrite(&args.path, &inventory, &moves)?;
    for (path, (old, new)) in &changed {
        match args.dry_run {
            true => output::line(&diff(path, old, new))?,
            false => replace(&args.path, path, new)?,
        }
    }
    let verb = if args.dry_run { "would change" } else { "changed" };
    eprintln!("{verb} {} references in {} files", moves.len(), changed.len());
    Ok(DONE)
}

/// Every site of the image goes to one tag.
fn given_moves(inventory: &Inventory, image: Option<&ImageName>, to: &str) -> anyhow::Result<Moves> {
    let (tag, digest) = match to.split_once('@') {
        Some((tag, digest)) => (tag, Some(Digest::parse(digest).context("reading --to")?)),
        None => (to, None),
    };
    let tag = Tag::parse(tag).context("reading --to")?;
    let sites = inventory.sites.iter().filter(|site| Some(site.reference.image()) == image);
    let moves = sites.map(|site| (site.clone(), site.reference.with(Some(tag.clone()), digest.clone())));
    Ok(moves.filter(|(site, to)| site.reference != *to).collect())
}

/// What `restow scan` proposes.
fn planned_moves(args: &Args, inventory: &Inventory) -> anyhow::Result<Moves> {
    let kind = match &args.kind {
        None => None,
        Some(text) => match UpdateKind::ALL.into_iter().find(|kind| kind.as_str() == text) {
            Some(kind) => Some(kind),
            None => bail!("{text:?} is no kind of update"),
        },
    };
    let plan = look_up(&args.lookup, inventory, &rules::of_folder(&args.path)?)?;
    for hold in plan.holds.iter().filter(|hold| hold.code == crate::plan::HoldCode::RegistryUnavailable) {
        eprintln!("held: {}:{}: {}", hold.site.path, hold.site.line, hold.reason);
    }
    let wanted = plan.updates.into_iter().filter(|update| {
        kind.is_none_or(|kind| update.kind == kind)
            && args.image.as_ref().is_none_or(|image| update.site.reference.image() == image)
    });
    Ok(wanted.map(|update| (update.site, update.to)).collect())
}

/// Old and new content of each file that changes.
type Changed = BTreeMap<FilePath, (Vec<u8>, Vec<u8>)>;

fn rewrite(root: &Path, inventory: &Inventory, moves: &Moves) -> anyhow::Result<Changed> {
    if moves.is_empty() {
        return Ok(Changed::new());
    }
    let mut files = BTreeMap::new();
    let beside = |path: &FilePath| FilePath::join(path.folder(), ".env");
    let sites = inventory.sites.iter();
    let paths = sites.flat_map(|site| [Some(site.path.clone()), beside(&site.path)]).flatten();
    for path in paths {
        let full = root.join(path.as_str());
        if full.is_file() {
            let bytes = std::fs::read(&full).with_context(|| format!("reading {}", full.display()))?;
            files.insert(path, bytes);
        }
    }
    let changed = formats::rewrite(&files, moves)?;
    let both = changed.into_iter().filter_map(|(path, new)| {
        let old = files.remove(&path)?;
        Some((path, (old, new)))
    });
    Ok(both.collect())
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
