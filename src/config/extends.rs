//! What a configuration builds upon: presets of Restow's own, and files in repositories of the organisation.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::mistake::{Mistake, did_you_mean};
use super::{layer_of, mistake};
use crate::policy::{Layer, Rules};
use crate::repo::RepoName;

/// Restow's own presets: name and text.
const PRESETS: [(&str, &str); 3] = [
    ("restow:default", include_str!("presets/default.yml")),
    ("restow:quiet", include_str!("presets/quiet.yml")),
    ("restow:strict", include_str!("presets/strict.yml")),
];
/// Files that build upon files, at most so many in a row.
const DEEPEST: usize = 5;
/// All files that one configuration builds upon.
const MOST: usize = 20;

/// What a configuration builds upon.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// One of Restow's own presets.
    Preset(&'static str),
    /// A file in a repository, on its default branch.
    File(RemoteFile),
}

/// A file in a repository, on its default branch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemoteFile {
    /// The repository.
    pub repo: RepoName,
    /// The file's path.
    pub path: String,
}

impl std::fmt::Display for RemoteFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.repo, self.path)
    }
}

/// Why a text names nothing to build upon.
pub(super) struct NoBase {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Base {
    pub(super) fn parse(text: &str) -> Result<Self, NoBase> {
        let text = text.trim();
        if let Some((name, _)) = PRESETS.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Preset(name));
        }
        let file = text.split_once(':').filter(|(owner, _)| *owner != "restow").and_then(|(repo, path)| {
            let path = path.trim_start_matches('/');
            let climbs = path.split('/').any(|part| part.is_empty() || part == "." || part == "..");
            let repo = RepoName::parse(repo).ok()?;
            (!climbs && path.len() <= 200).then(|| Self::File(RemoteFile { repo, path: path.to_owned() }))
        });
        file.ok_or_else(|| NoBase {
            message: format!("`{}` is nothing to build upon", text.chars().take(100).collect::<String>()),
            help: match text.starts_with("restow") {
                true => did_you_mean(text, PRESETS.map(|(name, _)| name)),
                false => {
                    Some("write a preset, as in `restow:strict`, or a file, as in `acme/.github:web.yml`".to_owned())
                }
            },
        })
    }
}

/// What is known of the files of other repositories: their text, `None` for one that is not there.
pub type RemoteFiles = BTreeMap<RemoteFile, Option<String>>;

/// One of the places that speak, the farthest first: the server's defaults, the organisation's file, the repository's.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name, for people.
    pub name: Arc<str>,
    /// Its text.
    pub text: String,
}

/// Why there are no rules yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// These files must be read first.
    Needs(Vec<RemoteFile>),
    /// A place has mistakes; which one, and they.
    Wrong(Arc<str>, Vec<Mistake>),
}

/// Composes what the places say, below them what they build upon, and below all `restow:default`.
///
/// # Errors
/// A file is not read yet, or a place has mistakes.
pub fn resolve(places: &[Place], files: &RemoteFiles) -> Result<Rules, Unresolved> {
    let mut resolver = Resolver { files, layers: Vec::new(), needs: Vec::new(), read: 0 };
    resolver.preset("restow:default")?;
    for place in places {
        resolver.place(&place.name, &place.text, &mut Vec::new())?;
    }
    match resolver.needs.is_empty() {
        true => Ok(Rules::compose(resolver.layers)),
        false => Err(Unresolved::Needs(resolver.needs)),
    }
}

struct Resolver<'a> {
    files: &'a RemoteFiles,
    layers: Vec<Layer>,
    needs: Vec<RemoteFile>,
    read: usize,
}

impl Resolver<'_> {
    fn preset(&mut self, name: &'static str) -> Result<(), Unresolved> {
        let text = PRESETS.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text);
        self.place(&Arc::from(name), text, &mut Vec::new())
    }

    /// Adds what a text builds upon, then what it says. `within` names the files that build upon it.
    fn place(&mut self, name: &Arc<str>, text: &str, within: &mut Vec<Base>) -> Result<(), Unresolved> {
        let (layer, bases) = layer_of(text, name).map_err(|mistakes| Unresolved::Wrong(Arc::clone(name), mistakes))?;
        let wrong = |message: String| Unresolved::Wrong(Arc::clone(name), vec![mistake::at_start(message)]);
        for base in bases {
            self.read += 1;
            if within.contains(&base) {
                return Err(wrong("`extends` leads back to where it began".to_owned()));
            }
            if within.len() >= DEEPEST || self.read > MOST {
                return Err(wrong(format!("`extends` goes deeper than {DEEPEST} files or names more than {MOST}")));
            }
            match &base {
                Base::Preset(name) => self.preset(name)?,
                Base::File(file) => match self.files.get(file) {
                    None => self.needs.push(file.clone()),
                    Some(None) => return Err(wrong(format!("`extends` names {file}, which is not there"))),
                    Some(Some(text)) => {
                        within.push(base.clone());
                        self.place(&Arc::from(file.to_string()), text, within)?;
                        within.pop();
                    }
                },
            }
        }
        self.layers.push(layer);
        Ok(())
    }
}
