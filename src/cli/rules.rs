//! The repository's own rules, for the subcommands that obey them.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::ConfigurationError;
use crate::config;
use crate::policy::Rules;

/// Which configuration files are there.
pub(super) enum Found {
    None,
    One(PathBuf),
    Both,
}

/// The configuration file of a folder, or the file that the path itself is.
pub(super) fn find(path: &Path) -> anyhow::Result<Found> {
    let metadata = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    if metadata.is_file() {
        return Ok(Found::One(path.to_owned()));
    }
    let mut there = config::PATHS.iter().map(|name| path.join(name)).filter(|path| path.symlink_metadata().is_ok());
    Ok(match (there.next(), there.next()) {
        (None, _) => Found::None,
        (Some(one), None) => Found::One(one),
        (Some(_), Some(_)) => Found::Both,
    })
}

/// The rules of the folder; the defaults where it has no file, or where `root` is a single file to be read.
///
/// # Errors
/// [`ConfigurationError`] where the file has mistakes: rules that cannot be read are never taken for none.
pub(super) fn of_folder(root: &Path) -> anyhow::Result<Rules> {
    if root.is_file() {
        return Ok(config::defaults());
    }
    let path = match find(root)? {
        Found::None => return Ok(config::defaults()),
        Found::One(path) => path,
        Found::Both => return Err(ConfigurationError(config::both_there().to_string()).into()),
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    config::parse(&text).map_err(|mistakes| {
        let shown = config::render(&text, &path.display().to_string(), &mistakes);
        ConfigurationError(format!("the configuration is wrong\n{shown}")).into()
    })
}
