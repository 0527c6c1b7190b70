//! Why a newer tag on the line is not proposed.

use super::knowledge::{self, Release};
use super::order::{Key, Level, Levels};
use super::pick::Question;
use super::scheme::{Entry, Shape};

impl<'a> Question<'a> {
    /// Why `entry`, newer and on the line, is not proposed; `None`: it may be.
    pub(super) fn refusal(&self, shape: &Shape, entry: &Entry) -> Option<String> {
        self.not_admitted(entry)
            .or_else(|| self.unreleased(shape, entry))
            .or_else(|| self.other_windows(&entry.key))
            .or_else(|| self.not_out(&entry.key))
            .or_else(|| self.beyond_latest(entry))
            .or_else(|| self.left_scheme(&entry.key))
            .or_else(|| self.other_support(&entry.key))
            .or_else(|| self.unproven(shape, entry))
    }

    /// A tag that the rules or a person exclude.
    fn not_admitted(&self, entry: &Entry) -> Option<String> {
        (!(self.admits)(self.name(entry), &entry.key.version)).then(|| "it is excluded".to_owned())
    }

    /// A distribution's release that is not out, or without long support where the current one has it.
    fn unreleased(&self, shape: &Shape, entry: &Entry) -> Option<String> {
        let from = releases(&self.reading.releases, &self.reading.values);
        let to = releases(&shape.releases, &entry.values);
        from.zip(to).filter(|(from, to)| from != to).find_map(|(from, to)| {
            let (from, to) = (knowledge::facts(from)?, knowledge::facts(to)?);
            if !to.released_by(self.now) {
                Some(format!("{} is not released yet", to.name))
            } else if from.lts == Some(true) && to.lts == Some(false) {
                Some(format!("{} ({}) has no long support", to.name, to.version))
            } else {
                None
            }
        })
    }

    /// A release of the distribution that the image holds, by its number, before its day.
    fn not_out(&self, to: &Key) -> Option<String> {
        let name = self.scheme.product?.name.to_ascii_lowercase();
        let facts = knowledge::release_of(&name, &to.version)?;
        (!facts.released_by(self.now)).then(|| format!("{} is not released yet", facts.version))
    }

    /// Another major version beyond the one that `latest` stands at, where the content says which that is.
    fn beyond_latest(&self, entry: &Entry) -> Option<String> {
        let latest = self.scheme.versions(&self.reading.form.prefix)?.latest.as_ref()?;
        let beyond = entry.key.version.first() > latest.first()
            && self.reading.key.version.first() <= latest.first()
            && self.level(entry) == Level::Major;
        let dotted: Vec<String> = latest.iter().map(u64::to_string).collect();
        beyond.then(|| format!("latest stands at {}, before it", dotted.join(".")))
    }

    /// Another release of Windows, whose versions are `10.0.BUILD.REVISION`: containers run on hosts of their own release.
    /// Source: Microsoft, "Windows container version compatibility".
    fn other_windows(&self, to: &Key) -> Option<String> {
        let build = |version: &[u64]| match version {
            [10, 0, build @ 10_000..100_000, ..] => Some(*build),
            _ => None,
        };
        let (from, to) = (build(&self.reading.key.version)?, build(&to.version)?);
        (from != to).then(|| "it is of another release of Windows, which needs hosts of that release".to_owned())
    }

    /// A version far beyond all others, with few tags: the remains of an older scheme (`20.04.1` beside `5.2.3`).
    fn left_scheme(&self, to: &Key) -> Option<String> {
        let (low, high) = (*self.scheme_end.get_or_init(|| self.find_scheme_end()))?;
        (*to.version.first()? >= high).then(|| {
            format!("versions from {high} on are of a scheme that was left: {low} was never followed by {}", low + 1)
        })
    }

    fn find_scheme_end(&self) -> Option<(u64, u64)> {
        if self.reading.levels == Levels::One {
            return None;
        }
        let from = self.reading.key.version.first()?;
        let versions = self.scheme.versions(&self.reading.form.prefix)?;
        let majors = versions.majors.keys().skip_while(|major| *major < from);
        let mut gaps = majors.clone().zip(majors.skip(1)).map(|(low, high)| (*low, *high));
        gaps.find(|(low, high)| *high / 2 >= *low && *high - *low >= 6 && versions.left(*low, *high, self.now))
    }

    /// A release line without long support, or with another rhythm, where the current one has long support.
    fn other_support(&self, to: &Key) -> Option<String> {
        let of_prefix = || {
            let word = self.reading.form.version.as_ref()?.word?;
            knowledge::java(self.reading.tokens.get(word)?.text)
        };
        let product = self.scheme.product.or_else(of_prefix)?;
        product.refusal(&self.reading.key.version, &to.version, self.now)
    }

    /// Some publish the full version early, as another name of its newest pre-release: while the track goes on, a release
    /// counts where its content differs from the pre-releases, or where a later version exists. A floating release
    /// counts where a full version stands behind it.
    fn unproven(&self, shape: &Shape, entry: &Entry) -> Option<String> {
        if self.reading.form.stage.is_none() || shape.form.stage.is_some() {
            return None;
        }
        let version = &entry.key.version;
        let versions = self.scheme.versions(&self.reading.form.prefix)?;
        let full = self.scheme.full_length(&self.reading.form.prefix);
        if version.len() < full && !versions.continues(version) {
            return Some("no full version of it is published yet".to_owned());
        }
        if !version.starts_with(&self.reading.key.version) {
            return None;
        }
        let track = self.track();
        let digest = |entry: &Entry| self.scheme.tags[entry.tag].digest.as_ref();
        let same_version = |step: &&Entry| {
            version.strip_prefix(step.key.version.as_slice()).is_some_and(|rest| rest.iter().all(|number| *number == 0))
        };
        if let Some(content) = digest(entry)
            && let Some(alias) = track.iter().filter(same_version).find(|step| digest(step) == Some(content))
        {
            return Some(format!("it is another name of the pre-release {}", self.name(alias)));
        }
        let newer: Vec<&Entry> = track.iter().filter(same_version).filter(|step| step.key > self.reading.key).collect();
        let differs = digest(entry).is_some() && newer.iter().all(|step| digest(step).is_some());
        let later = versions.was_followed(version, full);
        let newest = newer.last()?;
        (!differs && !later).then(|| format!("it may be another name of {}, which comes first", self.name(newest)))
    }
}

/// The releases that a tag names.
fn releases(places: &[(usize, u8)], values: &[u64]) -> impl Iterator<Item = Release> {
    places.iter().filter_map(|(number, family)| {
        Some(Release { family: *family, ordinal: u16::try_from(*values.get(*number)?).ok()? })
    })
}
