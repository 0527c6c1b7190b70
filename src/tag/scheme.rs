//! What the tags of one image mean, learned from the whole list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use super::ListedTag;
use super::form::{self, Form, Run, RunKind};
use super::knowledge::{self, Product};
use super::order::{self, Key, Levels, Maturity};
use super::parse::{self, Kind, Token};
use super::words::Words;
use crate::image::ImageName;
use crate::repo::Moment;

/// What the tags of one image repository mean, learned from the whole list.
#[derive(Debug, Clone)]
pub struct Scheme {
    pub(super) tags: Vec<ListedTag>,
    words: Words,
    pub(super) shapes: Vec<Shape>,
    by_skeleton: HashMap<String, usize>,
    /// Shapes that differ only in how a pre-release is marked.
    families: HashMap<(String, String), Vec<usize>>,
    /// For what stands before the version: its numbers.
    versions: HashMap<String, Versions>,
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
    /// How the variants' numbers are divided among the variants.
    pub(super) variant_lengths: Vec<usize>,
    /// By the numbers of the variants: the tags, in order.
    pub(super) lines: BTreeMap<Vec<u64>, Vec<Entry>>,
}

/// A tag at its place on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) values: Vec<u64>,
    pub(super) tag: usize,
}

/// The versions that stand behind one prefix, in tags of any suffix.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions {
    /// By how many numbers they have: how many versions.
    lengths: BTreeMap<usize, BTreeSet<Vec<u64>>>,
    /// By first number: the versions of two numbers or more, and the newest creation time.
    pub(super) majors: MajorVersions,
    /// The versions that are no pre-releases.
    pub(super) released: BTreeSet<Vec<u64>>,
}

/// By first number: the versions of two numbers or more, and the newest creation time.
pub(super) type MajorVersions = BTreeMap<u64, (BTreeSet<Vec<u64>>, Option<Moment>)>;

impl Versions {
    fn note(&mut self, key: &Key, created: Option<Moment>) {
        let version = &key.version;
        let Some(first) = version.first() else { return };
        self.lengths.entry(version.len()).or_default().insert(version.clone());
        if key.maturity == Maturity::Release && !self.released.contains(version) {
            self.released.insert(version.clone());
        }
        if version.len() > 1 {
            let (known, newest) = self.majors.entry(*first).or_default();
            known.insert(version.clone());
            *newest = (*newest).max(created);
        }
    }

    /// Whether a longer version begins with this one, and is no pre-release.
    pub(super) fn continues(&self, version: &[u64]) -> bool {
        let after = (Bound::Excluded(version), Bound::Unbounded);
        self.released.range::<[u64], _>(after).next().is_some_and(|next| next.starts_with(version))
    }

    /// The greatest version of two numbers or more.
    pub(super) fn newest(&self) -> Option<&[u64]> {
        self.majors.values().next_back().and_then(|(versions, _)| versions.last()).map(Vec::as_slice)
    }

    /// How many numbers a full version has: the least length whose versions are mostly not continued by longer ones.
    /// `1.25` is short where `1.25.3` exists, and so is `1.26` beside it; one `3.12.10.1` makes no `3.12.10` short.
    pub(super) fn full_length(&self) -> usize {
        let lengths = || self.lengths.iter();
        let continued = |length: usize, version: &[u64]| {
            let after = (Bound::Excluded(version), Bound::Unbounded);
            let longer = |longer: &BTreeSet<Vec<u64>>| {
                longer.range::<[u64], _>(after).next().is_some_and(|next| next.starts_with(version))
            };
            self.lengths.range(length + 1..).any(|(_, versions)| longer(versions))
        };
        let full = lengths().find(|(length, versions)| {
            let continued: Vec<bool> = versions.iter().map(|version| continued(**length, version)).collect();
            let judged = continued.iter().rposition(|continued| *continued).map_or(0, |last| last + 1);
            2 * continued.iter().filter(|continued| **continued).count() < judged.max(1)
        });
        full.map_or(0, |(length, _)| *length)
    }
}

/// The tags of one form, before their words are understood.
struct Sketch {
    example: usize,
    rows: Vec<(Vec<u64>, usize)>,
    /// Whether the version of every tag begins like a dotted date.
    dotted_dates: bool,
}

/// A tag, read by the scheme.
pub(super) struct Reading<'a> {
    pub(super) tokens: Vec<Token<'a>>,
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
        let (sketches, by_skeleton) = sketch(tags);
        let words = learn_words(tags, &sketches);
        let mut scheme = Self {
            tags: tags.to_vec(),
            words,
            shapes: Vec::with_capacity(sketches.len()),
            by_skeleton,
            families: HashMap::new(),
            versions: HashMap::new(),
            product,
            full_lengths: HashMap::new(),
        };
        for sketch in sketches {
            scheme.add(sketch);
        }
        scheme.full_lengths =
            scheme.versions.iter().map(|(prefix, versions)| (prefix.clone(), versions.full_length())).collect();
        scheme
    }

    fn add(&mut self, sketch: Sketch) {
        let tokens = parse::tokens(self.tags[sketch.example].name.as_str());
        let form = Form::of(&tokens, &self.words);
        let levels = levels(&tokens, &form, &sketch);
        let mut shape = Shape {
            levels,
            releases: releases(&tokens),
            variant_lengths: variant_lengths(&tokens, &form),
            lines: BTreeMap::new(),
            form,
        };
        let versions = self.versions.entry(shape.form.prefix.clone()).or_default();
        for (values, tag) in sketch.rows {
            let key = Key::new(&shape.form, &values);
            if shape.form.version.as_ref().is_some_and(|run| run.kind == RunKind::Numbers) {
                versions.note(&key, self.tags[tag].created);
            }
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
        let tokens = parse::tokens(tag);
        let mut skeleton = String::new();
        form::write_skeleton(&tokens, &mut skeleton);
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
        Reading { tokens, form, levels, key, variants, values, releases, shape }
    }

    /// The shapes a tag may move to: its own; for a pre-release also later stages and the release.
    pub(super) fn courses(&self, reading: &Reading<'_>) -> Vec<&Shape> {
        let Some(stage) = reading.form.stage else {
            return reading.shape.map(|shape| &self.shapes[shape]).into_iter().collect();
        };
        let family = (reading.form.prefix.clone(), reading.form.suffix.clone());
        let related = self.families.get(&family).map_or(&[][..], Vec::as_slice);
        let mut courses: Vec<&Shape> = Vec::new();
        for place in related {
            let shape = &self.shapes[*place];
            let follows = Some(*place) == reading.shape
                || match shape.form.stage {
                    Some(later) => later > stage && shape.form.same_precision(&reading.form),
                    None => self.releases_from(&shape.form, &reading.form),
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
        let full = self.full_length(&from.prefix);
        let length = if from.steps() > 0 { from.version_length().max(full) } else { from.version_length() };
        release.same_kind(from) && release.version_length() == length
    }

    /// How many numbers a full version behind the prefix has; 0 where there is none.
    pub(super) fn full_length(&self, prefix: &str) -> usize {
        self.full_lengths.get(prefix).copied().unwrap_or(0)
    }

    /// What is known of the versions that stand behind the prefix.
    pub(super) fn versions(&self, prefix: &str) -> Option<&Versions> {
        self.versions.get(prefix)
    }
}

fn sketch(tags: &[ListedTag]) -> (Vec<Sketch>, HashMap<String, usize>) {
    let mut sketches: Vec<Sketch> = Vec::new();
    let mut by_skeleton: HashMap<String, usize> = HashMap::new();
    let mut tokens = Vec::new();
    let mut skeleton = String::new();
    for (place, tag) in tags.iter().enumerate() {
        parse::tokenize(tag.name.as_str(), &mut tokens);
        skeleton.clear();
        form::write_skeleton(&tokens, &mut skeleton);
        let row = (tokens.iter().filter_map(form::value).collect(), place);
        let dotted = form::dotted_date(&tokens);
        if let Some(sketch) = by_skeleton.get(&skeleton) {
            let sketch = &mut sketches[*sketch];
            sketch.rows.push(row);
            sketch.dotted_dates &= dotted;
        } else {
            by_skeleton.insert(skeleton.clone(), sketches.len());
            sketches.push(Sketch { example: place, rows: vec![row], dotted_dates: dotted });
        }
    }
    (sketches, by_skeleton)
}

fn learn_words(tags: &[ListedTag], sketches: &[Sketch]) -> Words {
    let mut words = Words::default();
    for sketch in sketches {
        let tokens = parse::tokens(tags[sketch.example].name.as_str());
        let runs = form::runs(&tokens);
        let Some((first, later)) = runs.split_first() else { continue };
        for run in later.iter().filter(|run| run.kind == RunKind::Numbers) {
            let Some(word) = run.word else { continue };
            let rows =
                sketch.rows.iter().map(|(values, _)| (&values[first.numbers.clone()], &values[run.numbers.clone()]));
            words.note(tokens[word].text, rows);
        }
    }
    words
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

/// Whether a single number counts builds: behind a word that says so (`b1234`, `r12`), or of four digits and more.
fn serial(tokens: &[Token<'_>], version: &Run, sketch: &Sketch) -> bool {
    let counter = |word: usize| Words::default().counts_builds(tokens[word].text) && tokens[word].text != "v";
    version.numbers.len() == 1
        && (version.word.is_some_and(counter)
            || sketch.rows.iter().all(|(values, _)| values[version.numbers.start] >= 1000))
}

fn releases(tokens: &[Token<'_>]) -> Vec<(usize, u8)> {
    let numbers = tokens.iter().filter(|token| form::value(token).is_some());
    let family = |(place, token): (usize, &Token<'_>)| match token.kind {
        Kind::Release(release) => Some((place, release.family)),
        _ => None,
    };
    numbers.enumerate().filter_map(family).collect()
}

fn variant_lengths(tokens: &[Token<'_>], form: &Form) -> Vec<usize> {
    form::runs(tokens)
        .iter()
        .filter(|run| form.roles.get(run.numbers.start) == Some(&form::Role::Variant))
        .map(|run| run.numbers.len())
        .collect()
}
