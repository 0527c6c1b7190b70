//! What the tags of one image mean, learned from the whole list.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::ListedTag;
use super::form::{self, Form, Run, RunKind};
use super::knowledge::{self, Product};
use super::order::{self, Key, Levels};
use super::parse::{Kind, Token};
use super::sketch::{CommitForms, Sketch, Sketches};
use super::versions::Versions;
use super::words::{self, Words, names_trunk};
use crate::image::{Digest, ImageName};

/// What the tags of one image repository mean, learned from the whole list.
#[derive(Debug, Clone)]
pub struct Scheme {
    pub(super) tags: Vec<ListedTag>,
    words: Words,
    commits: CommitForms,
    pub(super) shapes: Vec<Shape>,
    by_skeleton: HashMap<String, usize>,
    /// Shapes that differ only in how a pre-release is marked.
    families: HashMap<(String, String), Vec<usize>>,
    /// For what stands before the version: its numbers.
    versions: HashMap<String, Versions>,
    /// Forms and versions of which builds are published under longer tags: `1.2.3` beside `1.2.3-r1`.
    built: HashSet<(String, Vec<u64>)>,
    /// The content of the tag `latest`, where the registry says so.
    latest: Option<Digest>,
    /// What is known of the product, where the image's name says which.
    pub(super) product: Option<&'static Product>,
    /// For what stands before the version: how many numbers a full version has.
    full_lengths: HashMap<String, usize>,
}

/// All tags of one form.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) form: Form,
    pub(super) levels: Levels,
    /// The distribution's releases among the variants' and the version's numbers: which number, which family.
    pub(super) releases: Vec<(usize, u8)>,
    /// The variants whose versions the tags name, in order.
    pub(super) variants: Vec<Variant>,
    /// By the numbers of the variants: the tags, in order.
    pub(super) lines: BTreeMap<Vec<u64>, Vec<Entry>>,
}

/// A variant with a version of its own.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    /// How many numbers its version has.
    pub(super) length: usize,
    /// Whether it is a distribution.
    pub(super) distribution: bool,
    /// Whether it is neither that nor a language's version, but a full version of something else.
    pub(super) product: bool,
    /// Its name.
    pub(super) word: Option<String>,
}

/// A tag at its place on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) values: Vec<u64>,
    pub(super) tag: usize,
}

/// A tag, read by the scheme.
pub(super) struct Reading<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) skeleton: String,
    pub(super) form: Form,
    pub(super) levels: Levels,
    pub(super) key: Key,
    pub(super) variants: Vec<u64>,
    pub(super) values: Vec<u64>,
    pub(super) releases: Vec<(usize, u8)>,
    pub(super) shape: Option<usize>,
}

impl Scheme {
    /// Learns from all tags of an image, in any order; nothing is known of the product.
    pub fn learn(tags: &[ListedTag]) -> Self {
        Self::learn_product(tags, None)
    }

    /// Learns from all tags of the image, in any order, with what is known of the product behind the image's name: which
    /// of its release lines have long support. An unknown image is read from its tags alone.
    pub fn learn_for(image: &ImageName, tags: &[ListedTag]) -> Self {
        Self::learn_product(tags, knowledge::product(image))
    }

    fn learn_product(tags: &[ListedTag], product: Option<&'static Product>) -> Self {
        let Sketches { forms, by_skeleton, commits, words } = Sketches::of(tags);
        let mut scheme = Self {
            tags: tags.to_vec(),
            words,
            commits,
            shapes: Vec::with_capacity(forms.len()),
            by_skeleton,
            families: HashMap::new(),
            versions: HashMap::new(),
            built: HashSet::new(),
            latest: tags.iter().find(|tag| tag.name.as_str() == "latest").and_then(|tag| tag.digest.clone()),
            product,
            full_lengths: HashMap::new(),
        };
        for form in forms {
            scheme.add(form);
        }
        scheme.full_lengths =
            scheme.versions.iter().map(|(prefix, versions)| (prefix.clone(), versions.full_length())).collect();
        scheme
    }

    fn add(&mut self, sketch: Sketch) {
        let (mut tokens, mut skeleton) = (Vec::new(), String::new());
        self.commits.tokenize(self.tags[sketch.example].name.as_str(), &mut tokens, &mut skeleton);
        let form = Form::of(&tokens, &self.words);
        let levels = levels(&tokens, &form, &sketch);
        let mut shape = Shape {
            levels,
            releases: releases(&tokens),
            variants: variants(&tokens, &form),
            lines: BTreeMap::new(),
            form,
        };
        let unbuilt = unbuilt(&tokens, &shape.form);
        let versions = self.versions.entry(shape.form.prefix.clone()).or_default();
        for (values, tag) in sketch.rows {
            let key = Key::new(&shape.form, &values);
            if shape.form.version.as_ref().is_some_and(|run| run.kind == RunKind::Numbers) {
                versions.note(self.tags[tag].name.as_str(), &key, self.tags[tag].created);
                if self.latest.is_some() && self.tags[tag].digest == self.latest {
                    versions.note_latest(&key);
                }
            }
            self.built.extend(unbuilt.iter().map(|skeleton| (skeleton.clone(), key.version.clone())));
            shape.lines.entry(order::variants(&shape.form, &values)).or_default().push(Entry { key, values, tag });
        }
        let tags = &self.tags;
        for line in shape.lines.values_mut() {
            line.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| tags[a.tag].name.cmp(&tags[b.tag].name)));
        }
        let family = (shape.form.prefix.clone(), shape.form.suffix.clone());
        self.families.entry(family).or_default().push(self.shapes.len());
        self.shapes.push(shape);
    }

    /// Reads a tag, listed or not.
    pub(super) fn read<'a>(&self, tag: &'a str) -> Reading<'a> {
        let (mut tokens, mut skeleton) = (Vec::new(), String::new());
        self.commits.tokenize(tag, &mut tokens, &mut skeleton);
        let values: Vec<u64> = tokens.iter().filter_map(form::value).collect();
        let shape = self.by_skeleton.get(&skeleton).copied();
        let (form, levels) = match shape {
            Some(shape) => (self.shapes[shape].form.clone(), self.shapes[shape].levels),
            None => {
                let form = Form::of(&tokens, &self.words);
                let alone =
                    Sketch { example: 0, rows: vec![(values.clone(), 0)], dotted_dates: form::dotted_date(&tokens) };
                let levels = levels(&tokens, &form, &alone);
                (form, levels)
            }
        };
        let key = Key::new(&form, &values);
        let variants = order::variants(&form, &values);
        let releases = releases(&tokens);
        Reading { tokens, skeleton, form, levels, key, variants, values, releases, shape }
    }

    /// The shapes a tag may move to: its own; those whose builds have more or fewer numbers; for a pre-release also later
    /// stages and the release.
    pub(super) fn courses(&self, reading: &Reading<'_>) -> Vec<&Shape> {
        if reading.form.stage.is_none() && !reading.form.bare_build {
            return reading.shape.map(|shape| &self.shapes[shape]).into_iter().collect();
        }
        let family = (reading.form.prefix.clone(), reading.form.suffix.clone());
        let related = self.families.get(&family).map_or(&[][..], Vec::as_slice);
        let mut courses: Vec<&Shape> = Vec::new();
        for place in related {
            let shape = &self.shapes[*place];
            let follows = Some(*place) == reading.shape
                || match (reading.form.stage, shape.form.stage) {
                    (Some(stage), Some(later)) => later > stage && shape.form.same_precision(&reading.form),
                    (_, None) => self.releases_from(&shape.form, &reading.form),
                    (None, Some(_)) => false,
                };
            if follows {
                courses.push(shape);
            }
        }
        courses
    }

    /// Whether tags of the form `release` are what pre-releases of the form `from` become: a pre-release that names its
    /// step becomes a full version (`1.21rc2`: `1.21.0`), one that floats becomes a tag of the same precision
    /// (`1.21-rc`: `1.21`).
    fn releases_from(&self, release: &Form, from: &Form) -> bool {
        release.same_kind(from) && release.lengthens(from) && release.version_length() == self.release_length(from)
    }

    /// How many numbers the version of a release has that tags of this form become.
    pub(super) fn release_length(&self, form: &Form) -> usize {
        let precise = form.stage.is_some() && form.steps() > 0;
        let full = if precise { self.full_length(&form.prefix) } else { 0 };
        form.version_length().max(full)
    }

    /// How many numbers a full version behind the prefix has; 0 where there is none.
    pub(super) fn full_length(&self, prefix: &str) -> usize {
        self.full_lengths.get(prefix).copied().unwrap_or(0)
    }

    /// Whether builds of the tag's version are published under longer tags.
    pub(super) fn has_builds(&self, reading: &Reading<'_>) -> bool {
        self.built.contains(&(reading.skeleton.clone(), reading.key.version.clone()))
    }

    /// What is known of the versions that stand behind the prefix.
    pub(super) fn versions(&self, prefix: &str) -> Option<&Versions> {
        self.versions.get(prefix)
    }
}

/// Whether the version counts on without levels: a date, a serial number, none at all.
fn levels(tokens: &[Token<'_>], form: &Form, sketch: &Sketch) -> Levels {
    let Some(version) = &form.version else { return Levels::One };
    let one = match version.kind {
        RunKind::Moment => true,
        RunKind::Release => false,
        RunKind::Numbers => sketch.dotted_dates || serial(tokens, version, sketch),
    };
    if one { Levels::One } else { Levels::Three }
}

/// Whether a single number counts builds: behind a word that says so (`b1234`, `r12`), or of four digits and more. Years
/// are no serial numbers: `2022` to `2025` is a new major version.
fn serial(tokens: &[Token<'_>], version: &Run, sketch: &Sketch) -> bool {
    let counts = |word: &str| (Words::default().counts_builds(word) && word != "v") || names_trunk(word);
    let counter = |word: usize| counts(tokens[word].text);
    let mut values = sketch.rows.iter().map(|(values, _)| values[version.numbers.start]);
    version.numbers.len() == 1
        && (version.word.is_some_and(counter)
            || (values.clone().all(|value| value >= 1000) && !values.all(|value| (1990..2100).contains(&value))))
}

/// The forms of the shorter tags under which builds of this form are published too: without the build at the end, and
/// the version alone. A tag with a commit is no build of the version that it names.
fn unbuilt(tokens: &[Token<'_>], form: &Form) -> Vec<String> {
    let runs = form::runs(tokens);
    let is_build = |run: &Run| form.roles.get(run.numbers.start) == Some(&form::Role::Build);
    let commit = tokens.iter().any(|token| token.kind == Kind::Commit);
    let (Some(version), false, true) = (&form.version, commit, runs.iter().any(is_build)) else { return Vec::new() };
    let mut ends = vec![version.tokens.end];
    if let Some(last) = runs.last().filter(|run| is_build(run) && run.tokens.end == tokens.len()) {
        let start = last.word.unwrap_or(last.tokens.start);
        ends.push(start.checked_sub(1).filter(|before| tokens[*before].kind == Kind::Separator).unwrap_or(start));
    }
    ends.dedup();
    let skeleton = |end: &usize| {
        let mut skeleton = String::new();
        form::write_skeleton(&tokens[..*end], &mut skeleton);
        skeleton
    };
    ends.iter().map(skeleton).collect()
}

fn releases(tokens: &[Token<'_>]) -> Vec<(usize, u8)> {
    let numbers = tokens.iter().filter(|token| form::value(token).is_some());
    let family = |(place, token): (usize, &Token<'_>)| match token.kind {
        Kind::Release(release) => Some((place, release.family)),
        _ => None,
    };
    numbers.enumerate().filter_map(family).collect()
}

fn variants(tokens: &[Token<'_>], form: &Form) -> Vec<Variant> {
    let of_variant = |run: &Run| form.roles.get(run.numbers.start) == Some(&form::Role::Variant);
    let variant = |run: Run| {
        let word = run.word.map(|word| tokens[word].text);
        Variant {
            length: run.numbers.len(),
            distribution: run.kind == RunKind::Release || word.is_some_and(words::names_distribution),
            product: run.numbers.len() > 2 && word.is_some_and(|word| !words::is_of_the_trade(word)),
            word: word.map(str::to_owned),
        }
    };
    form::runs(tokens).into_iter().filter(of_variant).map(variant).collect()
}
