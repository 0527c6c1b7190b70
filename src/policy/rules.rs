//! The valid rules of one repository, composed of what several places say, and what they say about one site or update.
//!
//! Every place (the defaults, presets, the organisation's file, the repository's) is a [`Layer`]. What a layer says for
//! all is a rule that matches all, before its other rules; of several rules that say something, the last one counts. So
//! the nearest place wins, and each value knows the place that it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::settings::{Automerge, CommitStyle, Group, Pin, Rebase, Settings, TagFilter, Urgency};
use super::{
    Base, BranchPattern, ImagePattern, NamePattern, PathPattern, Schedule, UpdateKind, VersionRange, VexTrust,
};
use crate::formats::{PathClass, Site};
use crate::image::{Platform, Tag};
use crate::repo::Moment;

/// Where something is said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The file or preset, as people know it: `.github/restow.yml`, `restow:default`.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.file, self.line)
    }
}

/// A value and where it is said; `None` where nobody says it and the program's own default holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    /// The value.
    pub value: T,
    /// Where it is said.
    pub source: Option<Source>,
}

impl<T: Default> Default for Said<T> {
    fn default() -> Self {
        Self { value: T::default(), source: None }
    }
}

impl<T> Said<T> {
    /// A value that nobody says.
    pub fn by_nobody(value: T) -> Self {
        Self { value, source: None }
    }

    /// `.github/restow.yml, line 3`, or `the default`.
    pub fn place(&self) -> String {
        self.source.as_ref().map_or_else(|| "the default".to_owned(), ToString::to_string)
    }
}

/// Whom a rule is for; each list that is not empty must match.
#[derive(Debug, Clone, Default)]
pub struct Matching {
    /// Images.
    pub images: Vec<ImagePattern>,
    /// Paths.
    pub paths: Vec<PathPattern>,
    /// Formats: `dockerfile`, `helm`.
    pub formats: Vec<NamePattern>,
    /// Classes of path.
    pub classes: Vec<PathClass>,
    /// Registries: `docker.io`, `*.example.com`.
    pub registries: Vec<NamePattern>,
    /// The tags that stand there now: `*-alpine*`.
    pub current: Vec<NamePattern>,
    /// The branches that are brought up to date.
    pub branches: Vec<BranchPattern>,
    /// The kinds of update.
    pub kinds: BTreeSet<UpdateKind>,
}

impl Matching {
    /// Where nobody knows the branch, a rule for some branches is for none.
    fn on(&self, base: Option<&Base>) -> bool {
        self.branches.is_empty() || base.is_some_and(|base| any(&self.branches, |pattern| pattern.matches(base)))
    }

    fn site(&self, site: &Site) -> bool {
        let image = site.reference.image();
        let current = site.reference.tag().map_or("latest", Tag::as_str);
        any(&self.images, |pattern| pattern.matches(image))
            && any(&self.paths, |pattern| pattern.matches(&site.path))
            && any(&self.formats, |pattern| pattern.matches(&site.format))
            && any(&self.classes, |class| *class == site.class)
            && any(&self.registries, |pattern| pattern.matches(image.registry()))
            && any(&self.current, |pattern| pattern.matches(current))
    }

    fn update(&self, site: &Site, kind: UpdateKind) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind)) && self.site(site)
    }
}

/// An empty list is for all.
fn any<T>(list: &[T], matches: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(matches)
}

/// One entry of `rules`, or what a layer says for all.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Whom it is for.
    pub matching: Matching,
    /// What it says.
    pub settings: Settings,
    /// Why it is there, in the words of whoever wrote it.
    pub reason: Option<String>,
    /// Where it stands.
    pub source: Source,
    /// Where its single settings stand: their lines, by name.
    pub lines: BTreeMap<&'static str, u32>,
}

impl Rule {
    fn said<T>(&self, name: &'static str, value: T) -> Said<T> {
        let line = self.lines.get(name).copied().unwrap_or(self.source.line);
        Said { value, source: Some(Source { file: Arc::clone(&self.source.file), line }) }
    }
}

/// How many pull requests there may be, each with its line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerLimits {
    /// Open at a time.
    pub open: Option<(u32, u32)>,
    /// Opened within an hour.
    pub per_hour: Option<(u32, u32)>,
    /// Opened by one plan.
    pub per_run: Option<(u32, u32)>,
    /// Open at a time beyond the others, because they are urgent.
    pub security: Option<(u32, u32)>,
}

/// What one place says.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name.
    pub file: Arc<str>,
    /// Whether Restow works on the repository.
    pub enabled: Option<(bool, u32)>,
    /// Whether a repository without a file is asked first.
    pub onboarding: Option<(bool, u32)>,
    /// Whether an issue shows what stands where.
    pub dashboard: Option<(bool, u32)>,
    /// Paths that are left alone.
    pub ignore_paths: Vec<PathPattern>,
    /// Images that are left alone.
    pub ignore_images: Vec<ImagePattern>,
    /// Whose VEX statements count.
    pub vex: Vec<VexTrust>,
    /// How many pull requests there may be.
    pub limits: LayerLimits,
    /// In their order; what is said for all comes first.
    pub rules: Vec<Rule>,
}

/// How many pull requests there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open at a time.
    pub open: Said<u32>,
    /// Opened within an hour.
    pub per_hour: Said<u32>,
    /// Opened by one plan.
    pub per_run: Said<u32>,
    /// Open at a time beyond the others, because they are urgent.
    pub security: Said<u32>,
}

/// The valid rules of one repository.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether Restow works on the repository at all.
    pub enabled: Said<bool>,
    /// Whether a repository without a file is asked first.
    pub onboarding: Said<bool>,
    /// Whether an issue shows what stands where.
    pub dashboard: Said<bool>,
    /// Paths that are left alone.
    pub ignore_paths: Vec<(PathPattern, Arc<str>)>,
    /// Images that are left alone.
    pub ignore_images: Vec<(ImagePattern, Arc<str>)>,
    /// Whose VEX statements count, of all layers.
    pub vex: Vec<VexTrust>,
    /// How many pull requests there may be.
    pub limits: Limits,
    /// Of all layers, the farthest first; the last one that matches wins.
    pub rules: Vec<Rule>,
    /// The branch that is brought up to date; `None` where nobody knows it, as on a command line.
    pub base: Option<Base>,
}

impl Default for Rules {
    /// Where nobody says anything: every kind, nothing ignored, nothing pinned, no limit.
    fn default() -> Self {
        Self {
            enabled: Said::by_nobody(true),
            onboarding: Said::by_nobody(false),
            dashboard: Said::by_nobody(false),
            ignore_paths: Vec::new(),
            ignore_images: Vec::new(),
            vex: Vec::new(),
            limits: Limits {
                open: Said::by_nobody(u32::MAX),
                per_hour: Said::by_nobody(u32::MAX),
                per_run: Said::by_nobody(u32::MAX),
                security: Said::by_nobody(5),
            },
            rules: Vec::new(),
            base: None,
        }
    }
}

/// What the rules say about one site before it is known where it could move.
#[derive(Debug, Clone)]
pub enum Decision {
    /// The site is left alone, and why.
    Ignored {
        /// For a person: which setting.
        reason: String,
    },
    /// The site may be moved.
    Allowed(Allowed),
}

/// How a site may be moved.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// By these kinds.
    pub kinds: Said<BTreeSet<UpdateKind>>,
    /// To these versions.
    pub versions: Option<Said<VersionRange>>,
    /// To these tags.
    pub tags: Option<Said<TagFilter>>,
    /// With the digest, or as it stands.
    pub pin: Said<Pin>,
}

impl Allowed {
    /// Whether a tag may be proposed, by its name and the numbers of its version.
    pub fn admits(&self, tag: &Tag, version: &[u64]) -> bool {
        self.excludes(tag, version).is_none()
    }

    /// Why a tag may not be proposed.
    pub fn excludes(&self, tag: &Tag, version: &[u64]) -> Option<String> {
        if let Some(range) = self.versions.as_ref().filter(|range| !range.value.contains(version)) {
            return Some(format!("{tag} is outside {} ({})", range.value.as_str(), range.place()));
        }
        let filter = self.tags.as_ref().filter(|filter| !filter.value.admits(tag))?;
        Some(format!("{tag} is not among the tags that the rules admit ({})", filter.place()))
    }
}

/// What the rules say about one update.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How old the image must be, in milliseconds.
    pub cooldown: Said<i64>,
    /// When the pull request is opened.
    pub schedule: Option<Said<Schedule>>,
    /// Nothing is proposed before.
    pub hold_until: Option<Said<Moment>>,
    /// The platforms that the image must have.
    pub platforms: Option<Said<Vec<Platform>>>,
    /// With what it shares a pull request.
    pub group: Said<Group>,
    /// Whether it is merged without a person.
    pub automerge: Said<Automerge>,
    /// When it is rebased.
    pub rebase: Said<Rebase>,
    /// Labels.
    pub labels: Said<Vec<String>>,
    /// Who is asked for a review.
    pub reviewers: Said<Vec<String>>,
    /// Who is assigned.
    pub assignees: Said<Vec<String>>,
    /// How commits and pull requests are called.
    pub commit: Said<CommitStyle>,
    /// Whether it is a draft.
    pub draft: Said<bool>,
    /// What known vulnerabilities are urgent.
    pub security: Said<Urgency>,
    /// Why the rules are as they are, in the words of whoever wrote them.
    pub reasons: Vec<String>,
}

impl Rules {
    /// Composes layers, the farthest first.
    pub fn compose(layers: impl IntoIterator<Item = Layer>) -> Self {
        let mut rules = Self::default();
        for layer in layers {
            rules.add(layer);
        }
        rules
    }

    fn add(&mut self, layer: Layer) {
        let Layer { file, enabled, onboarding, dashboard, ignore_paths, ignore_images, vex, limits, rules } = layer;
        let at = |line: u32| Some(Source { file: Arc::clone(&file), line });
        let set = |to: &mut Said<bool>, said: Option<(bool, u32)>| {
            if let Some((value, line)) = said {
                *to = Said { value, source: at(line) };
            }
        };
        set(&mut self.enabled, enabled);
        set(&mut self.onboarding, onboarding);
        set(&mut self.dashboard, dashboard);
        let limit = |to: &mut Said<u32>, said: Option<(u32, u32)>| {
            if let Some((value, line)) = said {
                *to = Said { value, source: at(line) };
            }
        };
        limit(&mut self.limits.open, limits.open);
        limit(&mut self.limits.per_hour, limits.per_hour);
        limit(&mut self.limits.per_run, limits.per_run);
        limit(&mut self.limits.security, limits.security);
        self.ignore_paths.extend(ignore_paths.into_iter().map(|pattern| (pattern, Arc::clone(&file))));
        self.ignore_images.extend(ignore_images.into_iter().map(|pattern| (pattern, Arc::clone(&file))));
        self.vex.extend(vex);
        self.rules.extend(rules);
    }

    /// The same for another branch.
    #[must_use]
    pub fn on(&self, base: Base) -> Self {
        Self { base: Some(base), ..self.clone() }
    }

    /// The branches that any rule names.
    pub fn branches(&self) -> impl Iterator<Item = &BranchPattern> {
        self.rules.iter().filter_map(|rule| rule.settings.branch.as_ref()).flatten()
    }

    /// The rules for `site`, whatever the kind of update, the nearest first.
    fn matching<'a>(&'a self, site: &'a Site) -> impl Iterator<Item = &'a Rule> {
        let base = self.base.as_ref();
        let general = self.rules.iter().rev().filter(|rule| rule.matching.kinds.is_empty());
        general.filter(move |rule| rule.matching.on(base) && rule.matching.site(site))
    }

    /// What the rules say about `site`.
    pub fn decide(&self, site: &Site) -> Decision {
        if let Some(reason) = self.ignored(site).or_else(|| self.elsewhere(site)) {
            return Decision::Ignored { reason };
        }
        let matching = || self.matching(site);
        let kinds = matching().find_map(|rule| Some(rule.said("allow", rule.settings.allow.clone()?)));
        let versions = matching().find_map(|rule| Some(rule.said("allow", rule.settings.versions.clone()?)));
        let tags = matching().find_map(|rule| Some(rule.said("tags", rule.settings.tags.clone()?)));
        let pin = matching().find_map(|rule| Some(rule.said("pin", rule.settings.pin?))).unwrap_or_default();
        let kinds = kinds.unwrap_or_else(|| Said::by_nobody(UpdateKind::ALL.into_iter().collect()));
        Decision::Allowed(Allowed { kinds, versions, tags, pin })
    }

    fn ignored(&self, site: &Site) -> Option<String> {
        let image = site.reference.image();
        let path = self.ignore_paths.iter().find(|(pattern, _)| pattern.matches(&site.path));
        if let Some((pattern, file)) = path {
            return Some(format!("the path matches {:?} of ignore.paths in {file}", pattern.as_str()));
        }
        let (pattern, file) = self.ignore_images.iter().find(|(pattern, _)| pattern.matches(image))?;
        Some(format!("the image matches {:?} of ignore.images in {file}", pattern.as_str()))
    }

    /// Why the site is not brought up to date on this branch.
    fn elsewhere(&self, site: &Site) -> Option<String> {
        let base = self.base.as_ref()?;
        let said = self.matching(site).find_map(|rule| Some(rule.said("branch", rule.settings.branch.as_ref()?)));
        let Some(said) = said else {
            let name = base.other()?;
            return Some(format!("only the default branch is kept up to date, not {name}"));
        };
        let kept = said.value.iter().any(|pattern| pattern.matches(base));
        (!kept).then(|| format!("{} is none of the branches that are kept up to date ({})", base.name(), said.place()))
    }

    /// What the rules say about a move of `site` of this kind.
    pub fn terms(&self, site: &Site, kind: UpdateKind) -> Terms {
        let rules: Vec<&Rule> = self
            .rules
            .iter()
            .rev()
            .filter(|rule| rule.matching.on(self.base.as_ref()) && rule.matching.update(site, kind))
            .collect();
        let said = Matched { rules: &rules };
        Terms {
            cooldown: said.find("cooldown", |settings| settings.cooldown.get(&kind).copied()).unwrap_or_default(),
            schedule: said.find("schedule", |settings| settings.schedule.clone()),
            hold_until: said.find("hold_until", |settings| settings.hold_until),
            platforms: said.find("platforms", |settings| settings.platforms.clone()),
            group: said.find("group", |settings| settings.group.clone()).unwrap_or_else(|| Said::by_nobody(Group::Own)),
            automerge: said.find("automerge", |settings| settings.automerge).unwrap_or_default(),
            rebase: said.find("rebase", |settings| settings.rebase).unwrap_or_default(),
            labels: said.find("labels", |settings| settings.labels.clone()).unwrap_or_default(),
            reviewers: said.find("reviewers", |settings| settings.reviewers.clone()).unwrap_or_default(),
            assignees: said.find("assignees", |settings| settings.assignees.clone()).unwrap_or_default(),
            commit: said.find("commit", |settings| settings.commit.clone()).unwrap_or_default(),
            draft: said.find("draft", |settings| settings.draft).unwrap_or_default(),
            security: said.find("security", |settings| settings.security).unwrap_or_default(),
            reasons: rules.iter().rev().filter_map(|rule| rule.reason.clone()).collect(),
        }
    }
}

/// The rules that match, the nearest first.
struct Matched<'a> {
    rules: &'a [&'a Rule],
}

impl Matched<'_> {
    fn find<T>(&self, name: &'static str, of: impl Fn(&Settings) -> Option<T>) -> Option<Said<T>> {
        self.rules.iter().find_map(|rule| Some(rule.said(name, of(&rule.settings)?)))
    }
}
