//! Which keys of a map together name an image: `repository` and `tag`, `imageName` and `imageTag`, `sideImage` and
//! `sideTag`. Keys are compared in lower case without `_` and `-`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Within;
use crate::formats::collector::{Collector, PartText, Parts, is_file, is_plain};
use crate::formats::yaml::{Document, NodeId};
use crate::formats::yaml_sites::is_filled;
use crate::image::Reference;

/// A map that is merged into another (`<<: *base`) is read up to this size.
const MAX_MERGED: usize = 64;
/// No key that says something is longer.
const LONGEST_KEY: usize = 100;

/// The keys of a map, those merged into it too.
pub(super) struct Keys<'d> {
    document: &'d Document,
    values: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy)]
struct Value {
    id: NodeId,
    /// It stands in the map itself.
    own: bool,
}

/// A filled text of a map, and where it is used: nowhere where it was merged from elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Text<'d> {
    text: Cow<'d, str>,
    start: Option<usize>,
    place: Option<usize>,
}

impl Text<'_> {
    fn part(&self) -> PartText<'_> {
        PartText { text: &self.text, start: self.start }
    }
}

/// The parts of one image.
#[derive(Debug)]
pub(super) struct Pair<'d> {
    registry: Option<Text<'d>>,
    repository: Text<'d>,
    tag: Option<Text<'d>>,
    digest: Option<Text<'d>>,
}

impl Pair<'_> {
    /// Reports the site that the parts make, if they make one.
    pub(super) fn report(&self, collector: &mut Collector<'_>) {
        let texts = [Some(&self.repository), self.tag.as_ref(), self.digest.as_ref()];
        // What was merged in whole is reported where it stands.
        let Some(offset) = texts.into_iter().flatten().find_map(|text| text.place) else { return };
        let parts = Parts {
            registry: self.registry.as_ref().map(Text::part),
            repository: Some(self.repository.part()),
            tag: self.tag.as_ref().map(Text::part),
            digest: self.digest.as_ref().map(Text::part),
        };
        collector.parts(offset, &parts);
    }
}

/// The names of the keys beside the one that holds the repository; of several, the first that is filled.
struct Beside {
    registries: Vec<String>,
    tags: Vec<String>,
    digests: Vec<String>,
}

impl Beside {
    fn of(stems: &[&str], tags: &[&str]) -> Self {
        let all = |ends: &[&str]| {
            let of_stem = |stem: &&str| ends.iter().map(|end| format!("{stem}{end}")).collect::<Vec<_>>();
            stems.iter().flat_map(of_stem).collect()
        };
        Self { registries: all(&["registry"]), tags: all(tags), digests: all(&["digest", "sha"]) }
    }

    /// What may stand beside a key; `None` where the key names no repository.
    fn key(key: &str, within: Within) -> Option<Self> {
        const WITH_VERSION: [&str; 2] = ["tag", "version"];
        let stem = ["repository", "repo", "name"].iter().find_map(|end| key.strip_suffix(end));
        match (stem, key.strip_suffix("image")) {
            (Some(stem), _) if stem.ends_with("image") => Some(Self::of(&[stem], &WITH_VERSION)),
            (Some(""), _) if within.is_image() => Some(Self::of(&[""], &WITH_VERSION)),
            (Some(stem), _) if !key.ends_with("name") && within != Within::Source => Some(Self::of(&[stem], &["tag"])),
            (_, Some(stem)) => {
                let mut beside = Self::of(&[key, stem], &["tag"]);
                beside.tags.insert(1, format!("{key}version"));
                Some(beside)
            }
            _ => None,
        }
    }
}

impl<'d> Keys<'d> {
    pub(super) fn of(document: &'d Document, id: NodeId) -> Self {
        let mut keys = Self { document, values: BTreeMap::new() };
        keys.merge(id);
        for (key, value) in document.entries(id) {
            if let Some(name) = document.text(*key).filter(|name| name.len() <= LONGEST_KEY) {
                keys.values.insert(normal(name), Value { id: *value, own: true });
            }
        }
        keys
    }

    /// The names in a list of `{name, value}`.
    pub(super) fn of_parameters(document: &'d Document, list: &[NodeId]) -> Self {
        let mut keys = Self { document, values: BTreeMap::new() };
        for item in list {
            let name = document.get(*item, "name").and_then(|name| document.text(name));
            if let (Some(name), Some(id)) = (name, document.get(*item, "value")) {
                keys.values.insert(normal(name), Value { id, own: true });
            }
        }
        keys
    }

    /// The keys of the maps that `<<` names, the first before the others.
    fn merge(&mut self, id: NodeId) {
        let Some(merged) = self.document.get(id, "<<") else { return };
        let several = self.document.items(merged);
        let maps = if several.is_empty() { std::slice::from_ref(&merged) } else { several };
        for map in maps.iter().take(MAX_MERGED) {
            let entries = self.document.entries(self.document.resolved(*map));
            for (key, value) in entries.iter().take(MAX_MERGED) {
                let name = self.document.text(*key).filter(|name| name.len() <= LONGEST_KEY);
                if let Some(name) = name {
                    self.values.entry(normal(name)).or_insert(Value { id: *value, own: false });
                }
            }
        }
    }

    /// The keys that stand elsewhere.
    pub(super) fn merged(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter(|(_, value)| !value.own).map(|(name, _)| name.as_str())
    }

    fn filled(&self, key: &str) -> Option<Text<'d>> {
        let value = self.values.get(key)?;
        let scalar = self.document.scalar(value.id).filter(|scalar| is_filled(&scalar.text))?;
        let aliased = self.document.resolved(value.id) != value.id;
        let here = scalar.start.filter(|_| !aliased).unwrap_or(self.document.node(value.id).offset);
        Some(Text { text: Cow::Borrowed(&scalar.text), start: scalar.start, place: value.own.then_some(here) })
    }

    fn first(&self, keys: &[String]) -> Option<Text<'d>> {
        keys.iter().find_map(|key| self.filled(key))
    }

    /// The image whose repository stands under `key`.
    pub(super) fn pair(&self, key: &str, within: Within) -> Option<Pair<'d>> {
        let beside = Beside::key(key, within)?;
        let repository = self.repository(key, within)?;
        let (tag, digest) = (self.first(&beside.tags), self.first(&beside.digests).map(with_algorithm));
        if (tag.is_none() && digest.is_none()) || !is_repository(&repository.text) {
            return None;
        }
        let registry = self.first(&beside.registries).map(without_slash);
        Some(Pair { registry, repository, tag, digest })
    }

    /// The repository under a key. Of `repository`, `image` and `name` in one map the first counts, perhaps with the
    /// others behind it.
    fn repository(&self, key: &str, within: Within) -> Option<Text<'d>> {
        let whole = self.filled("repository").or_else(|| self.filled("repo"));
        match key {
            "repository" | "repo" => {}
            "image" | "name" if whole.is_some() => return None,
            "name" if self.filled("image").is_some() => return None,
            _ => return self.filled(key),
        }
        let whole = whole?;
        let below =
            self.filled("image").or_else(|| self.filled("name").filter(|_| self.is_namespace(&whole.text, within)));
        match below.filter(|below| is_path(&below.text) && !is_end(&below.text, &whole.text)) {
            Some(below) => {
                let text = Cow::Owned(format!("{}/{}", whole.text.trim_end_matches('/'), below.text));
                Some(Text { text, start: None, place: whole.place })
            }
            None => Some(whole),
        }
    }

    /// Whether a `name` beside the repository is its last part, and no label.
    fn is_namespace(&self, repository: &str, within: Within) -> bool {
        let segments = repository.split('/').filter(|segment| !segment.contains(['.', ':'])).count();
        segments < 2 && (self.values.contains_key("registry") || within == Within::Image)
    }
}

fn is_end(end: &str, repository: &str) -> bool {
    repository.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// A key in lower case, without `_` and `-`.
pub(super) fn normal(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Whether a text can be a repository, not one of source code and no file.
fn is_repository(text: &str) -> bool {
    is_plain(text) && !text.contains("://") && !text.ends_with(".git") && !is_file(text)
}

fn is_path(text: &str) -> bool {
    Reference::parse(text).is_ok_and(|reference| reference.tag().is_none() && reference.digest().is_none())
}

/// Some charts write `sha256:` themselves. Then the digest has no bytes of its own.
fn with_algorithm(digest: Text<'_>) -> Text<'_> {
    let bare = digest.text.len() == 64 && digest.text.bytes().all(|b| b.is_ascii_hexdigit());
    match bare {
        true => Text { text: Cow::Owned(format!("sha256:{}", digest.text)), start: None, place: digest.place },
        false => digest,
    }
}

fn without_slash(registry: Text<'_>) -> Text<'_> {
    match registry.text {
        Cow::Borrowed(text) => Text { text: Cow::Borrowed(text.trim_end_matches('/')), ..registry },
        Cow::Owned(_) => registry,
    }
}
