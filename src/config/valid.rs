//! Raw → valid: every text is read, and each that is wrong is a mistake at its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_saphyr::{Location, Spanned};

use super::extends::Base;
use super::mistake::{Mistake, did_you_mean};
use super::raw::{Raw, RawMatch, RawRule, RawSettings, RawTags, RawVex, place};
use super::shapes::{RawAutomerge, RawCooldown, RawGroup, Text, Texts};
use crate::formats::{FORMATS, PathClass};
use crate::image::Platform;
use crate::policy::{
    Automerge, BranchPattern, CommitStyle, Group, ImagePattern, Layer, LayerLimits, Matching, Method, NamePattern,
    PathPattern, Pin, Rebase, Rule, Schedule, Settings, Source, TagFilter, UpdateKind, Urgency, VersionRange, VexTrust,
};
use crate::repo::Moment;
use crate::vulnerability::Severity;

/// More entries than this in one list are refused.
const MOST_ENTRIES: usize = 500;
/// The longest cool-down, in milliseconds: a year.
const LONGEST_COOLDOWN: i64 = 366 * 86_400_000;
const CLASSES: [(&str, PathClass); 4] = [
    ("ordinary", PathClass::Ordinary),
    ("example", PathClass::Example),
    ("test", PathClass::Test),
    ("vendored", PathClass::Vendored),
];
const METHODS: [(&str, Method); 3] = [("squash", Method::Squash), ("merge", Method::Merge), ("rebase", Method::Rebase)];
const REBASES: [(&str, Rebase); 3] =
    [("conflicted", Rebase::Conflicted), ("always", Rebase::Always), ("never", Rebase::Never)];
const URGENCIES: [(&str, Urgency); 5] = [
    ("critical", Urgency::From(Severity::Critical)),
    ("high", Urgency::From(Severity::High)),
    ("medium", Urgency::From(Severity::Medium)),
    ("low", Urgency::From(Severity::Low)),
    ("never", Urgency::Never),
];
const CHECKS: [(&str, bool); 2] = [("required", false), ("none-required", true)];

/// What a file says, and upon what it builds; or every mistake in it.
pub(super) fn layer(mut raw: Raw, file: &Arc<str>) -> Result<(Layer, Vec<Base>), Vec<Mistake>> {
    let mut reader = Reader { file: Arc::clone(file), zone: None, mistakes: Vec::new() };
    reader.zone = raw.timezone.as_ref().map(|zone| zone.value.clone());
    let bases = reader.bases(raw.extends.take());
    let common = raw.settings();
    let (settings, lines) = reader.settings(common);
    let for_all = Rule {
        matching: Matching::default(),
        settings,
        reason: None,
        source: Source { file: Arc::clone(file), line: 1 },
        lines,
    };
    let layer = Layer {
        file: Arc::clone(file),
        enabled: switch(raw.enabled),
        onboarding: switch(raw.onboarding),
        dashboard: switch(raw.dashboard),
        ignore_paths: reader.list(&raw.ignore.paths, PathPattern::parse),
        ignore_images: reader.list(&raw.ignore.images, ImagePattern::parse),
        vex: reader.vex(&raw.vex),
        limits: LayerLimits {
            open: number(raw.limits.open),
            per_hour: number(raw.limits.per_hour),
            per_run: number(raw.limits.per_run),
            security: number(raw.limits.security),
        },
        rules: std::iter::once(for_all).chain(raw.rules.into_iter().map(|rule| reader.rule(rule))).collect(),
    };
    reader.zone(raw.timezone.as_ref());
    let mut mistakes = reader.mistakes;
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    if mistakes.is_empty() { Ok((layer, bases)) } else { Err(mistakes) }
}

fn number(said: Option<Spanned<u32>>) -> Option<(u32, u32)> {
    said.map(|said| (said.value, place(&said.referenced).0))
}

fn switch(said: Option<Spanned<bool>>) -> Option<(bool, u32)> {
    said.map(|said| (said.value, place(&said.referenced).0))
}

/// Reads values, and gathers what is wrong.
struct Reader {
    file: Arc<str>,
    zone: Option<String>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn wrong(&mut self, at: &Location, message: impl Into<String>) {
        let (line, column) = place(at);
        self.mistakes.push(Mistake::new(line, column, message));
    }

    fn wrong_word<'a>(&mut self, at: &Location, message: String, word: &str, known: impl IntoIterator<Item = &'a str>) {
        let (line, column) = place(at);
        self.mistakes.push(Mistake::new(line, column, message).help(did_you_mean(word, known)));
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, at: &Location, word: &str, what: &str, known: &[(&'static str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            self.wrong_word(at, format!("`{word}` is no {what}"), word, known.iter().map(|(name, _)| *name));
        }
        found
    }

    fn list<T, E: ToString>(&mut self, written: &[Spanned<String>], parse: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        if let Some(beyond) = written.get(MOST_ENTRIES) {
            self.wrong(&beyond.referenced, format!("more than {MOST_ENTRIES} patterns in one list"));
        }
        let mut values = Vec::new();
        for one in written.iter().take(MOST_ENTRIES) {
            match parse(&one.value) {
                Ok(value) => values.push(value),
                Err(error) => self.wrong(&one.referenced, error.to_string()),
            }
        }
        values
    }

    fn bases(&mut self, extends: Option<Spanned<Texts>>) -> Vec<Base> {
        let Some(extends) = extends else { return Vec::new() };
        let mut bases = Vec::new();
        for Text { text, at } in extends.value.0 {
            match Base::parse(&text) {
                Ok(base) => bases.push(base),
                Err(error) => {
                    let (line, column) = place(&at.unwrap_or(extends.referenced));
                    self.mistakes.push(Mistake::new(line, column, error.message).help(error.help));
                }
            }
        }
        bases
    }

    fn vex(&mut self, written: &[Spanned<RawVex>]) -> Vec<VexTrust> {
        if let Some(beyond) = written.get(MOST_ENTRIES) {
            self.wrong(&beyond.referenced, format!("more than {MOST_ENTRIES} entries in one list"));
        }
        written.iter().take(MOST_ENTRIES).filter_map(|one| self.trust(one)).collect()
    }

    fn trust(&mut self, written: &Spanned<RawVex>) -> Option<VexTrust> {
        let RawVex { image, author, repository } = &written.value;
        let Some(image) = image else {
            self.wrong(&written.referenced, "`image` is missing: about which images the statements may be, as a glob");
            return None;
        };
        if author.is_none() && repository.is_none() {
            self.wrong(&written.referenced, "`author` is missing: whose statements count, as a glob");
            return None;
        }
        let images = self.list(std::slice::from_ref(image), ImagePattern::parse).pop()?;
        let author = match author {
            Some(author) => self.list(std::slice::from_ref(author), NamePattern::parse).pop()?,
            None => NamePattern::parse("**").ok()?,
        };
        let repository = repository.as_ref().map(|repository| repository.value.clone());
        Some(VexTrust { images, author, repository })
    }

    fn zone(&mut self, zone: Option<&Spanned<String>>) {
        if let Some(zone) = zone
            && let Err(error) = Schedule::parse(&["at any time"], Some(&zone.value))
        {
            self.wrong(&zone.referenced, error.to_string());
        }
    }

    fn rule(&mut self, raw: Spanned<RawRule>) -> Rule {
        let (line, column) = place(&raw.referenced);
        let mut raw = raw.value;
        let (settings, lines) = {
            let common = raw.settings();
            self.settings(common)
        };
        if lines.is_empty() {
            self.mistakes.push(
                Mistake::new(line, column, "this rule says nothing")
                    .help(Some("give it `allow`, `pin`, `group` …, or remove it".to_owned())),
            );
        }
        let matching = self.matching(raw.matching);
        let early = ["allow", "tags", "pin", "branch"].into_iter().find(|name| lines.contains_key(name));
        if let Some(name) = early.filter(|_| !matching.kinds.is_empty()) {
            self.mistakes.push(
                Mistake::new(line, column, format!("`{name}` cannot depend on the kind of update"))
                    .help(Some("it decides which kinds there are; remove `kinds` from `match`".to_owned())),
            );
        }
        if lines.contains_key("branch") && !matching.branches.is_empty() {
            self.mistakes.push(
                Mistake::new(line, column, "`branch` cannot depend on the branch")
                    .help(Some("it decides which branches there are; remove `branch` from `match`".to_owned())),
            );
        }
        let source = Source { file: Arc::clone(&self.file), line };
        Rule { matching, settings, reason: raw.reason, source, lines }
    }

    fn matching(&mut self, raw: RawMatch) -> Matching {
        let images: Vec<_> = raw.image.into_iter().chain(raw.images).collect();
        let paths: Vec<_> = raw.path.into_iter().chain(raw.paths).collect();
        let branches: Vec<_> = raw.branch.into_iter().chain(raw.branches).collect();
        Matching {
            images: self.list(&images, ImagePattern::parse),
            paths: self.list(&paths, PathPattern::parse),
            formats: self.formats(&raw.formats),
            classes: raw
                .classes
                .iter()
                .filter_map(|class| self.word(&class.referenced, &class.value, "class of path", &CLASSES))
                .collect(),
            registries: self.list(&raw.registries, NamePattern::parse),
            current: self.list(&raw.current, NamePattern::parse),
            branches: self.list(&branches, BranchPattern::parse),
            kinds: raw.kinds.iter().filter_map(|kind| self.kind(&kind.referenced, &kind.value)).collect(),
        }
    }

    fn formats(&mut self, written: &[Spanned<String>]) -> Vec<NamePattern> {
        for format in written {
            if !FORMATS.iter().any(|known| known.name() == format.value) {
                let known = FORMATS.iter().map(|format| format.name());
                self.wrong_word(&format.referenced, format!("`{}` is no format", format.value), &format.value, known);
            }
        }
        self.list(written, NamePattern::parse)
    }

    fn kind(&mut self, at: &Location, name: &str) -> Option<UpdateKind> {
        let kinds = UpdateKind::ALL.map(|kind| (kind.as_str(), kind));
        self.word(at, name, "kind of update", &kinds)
    }

    /// The settings, and the lines of those that are there.
    fn settings(&mut self, raw: RawSettings) -> (Settings, BTreeMap<&'static str, u32>) {
        let mut lines = BTreeMap::new();
        let mut note = |name: &'static str, at: Option<&Location>| {
            if let Some(at) = at {
                lines.insert(name, place(at).0);
            }
        };
        note("allow", raw.allow.as_ref().map(|it| &it.referenced));
        note("pin", raw.pin.as_ref().map(|it| &it.referenced));
        note("platforms", raw.platforms.as_ref().map(|it| &it.referenced));
        note("schedule", raw.schedule.as_ref().map(|it| &it.referenced));
        note("cooldown", raw.cooldown.as_ref().map(|it| &it.referenced));
        note("group", raw.group.as_ref().map(|it| &it.referenced));
        note("automerge", raw.automerge.as_ref().map(|it| &it.referenced));
        note("branch", raw.branch.as_ref().map(|it| &it.referenced));
        note("rebase", raw.rebase.as_ref().map(|it| &it.referenced));
        note("labels", raw.labels.as_ref().map(|it| &it.referenced));
        note("reviewers", raw.reviewers.as_ref().map(|it| &it.referenced));
        note("assignees", raw.assignees.as_ref().map(|it| &it.referenced));
        note("draft", raw.draft.as_ref().map(|it| &it.referenced));
        note("security", raw.security.as_ref().map(|it| &it.referenced));
        note("hold_until", raw.hold_until.as_ref().map(|it| &it.referenced));
        let tags = raw.tags.as_ref().and_then(|tags| tags.include.first().or(tags.exclude.first()));
        note("tags", tags.map(|it| &it.referenced));
        let commit = raw.commit.as_ref().and_then(|commit| commit.prefix.as_ref().or(commit.scope.as_ref()));
        note("commit", commit.map(|it| &it.referenced));
        let (allow, versions) = self.allow(raw.allow);
        let settings = Settings {
            allow,
            versions,
            tags: raw.tags.map(|tags| self.tags(&tags)),
            pin: raw.pin.map(|pin| if pin.value { Pin::Digest } else { Pin::Keep }),
            platforms: raw.platforms.map(|platforms| self.platforms(&platforms)),
            schedule: raw.schedule.and_then(|schedule| self.schedule(&schedule)),
            cooldown: raw.cooldown.map(|cooldown| self.cooldown(&cooldown)).unwrap_or_default(),
            group: raw.group.and_then(|group| self.group(&group)),
            automerge: raw.automerge.map(|automerge| self.automerge(&automerge)),
            branch: raw.branch.map(|branch| self.branches(&branch)),
            rebase: raw.rebase.and_then(|word| self.word(&word.referenced, &word.value, "way to rebase", &REBASES)),
            labels: raw.labels.map(|labels| self.names(labels, 50)),
            reviewers: raw.reviewers.map(|reviewers| self.names(reviewers, 80)),
            assignees: raw.assignees.map(|assignees| self.names(assignees, 40)),
            commit: raw.commit.map(|commit| CommitStyle {
                prefix: commit.prefix.map(|prefix| self.subject(&prefix)),
                scope: commit.scope.map(|scope| self.subject(&scope)),
            }),
            draft: raw.draft.map(|draft| draft.value),
            security: raw.security.and_then(|word| self.word(&word.referenced, &word.value, "severity", &URGENCIES)),
            hold_until: raw.hold_until.and_then(|until| self.moment(&until)),
        };
        (settings, lines)
    }

    /// Kinds of update and ranges of versions, in one list.
    fn allow(&mut self, raw: Option<Spanned<Texts>>) -> (Option<BTreeSet<UpdateKind>>, Option<VersionRange>) {
        let Some(raw) = raw else { return (None, None) };
        let (mut kinds, mut ranges) = (BTreeSet::new(), Vec::new());
        let nothing = raw.value.0.is_empty();
        for Text { text, at } in &raw.value.0 {
            match (UpdateKind::ALL.into_iter().find(|kind| kind.as_str() == text), VersionRange::parse(text)) {
                (Some(kind), _) => {
                    kinds.insert(kind);
                }
                (None, Ok(_)) => ranges.push(text.as_str()),
                (None, Err(_)) => {
                    self.kind(&at.unwrap_or(raw.referenced), text);
                }
            }
        }
        let range = VersionRange::parse(&ranges.join(" || ")).ok().filter(|_| !ranges.is_empty());
        ((nothing || !kinds.is_empty()).then_some(kinds), range)
    }

    fn tags(&mut self, raw: &RawTags) -> TagFilter {
        TagFilter {
            include: self.list(&raw.include, NamePattern::parse),
            exclude: self.list(&raw.exclude, NamePattern::parse),
        }
    }

    fn platforms(&mut self, raw: &Spanned<Texts>) -> Vec<Platform> {
        let mut platforms = Vec::new();
        for Text { text, at } in &raw.value.0 {
            match text.parse() {
                Ok(platform) => platforms.push(platform),
                Err(_) => self.wrong(
                    &at.unwrap_or(raw.referenced),
                    format!("{text:?} is no platform: write, for example, linux/arm64"),
                ),
            }
        }
        platforms
    }

    fn branches(&mut self, raw: &Spanned<Texts>) -> Vec<BranchPattern> {
        let mut patterns = Vec::new();
        for Text { text, at } in &raw.value.0 {
            match BranchPattern::parse(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.wrong(&at.unwrap_or(raw.referenced), error.to_string()),
            }
        }
        if patterns.len() > MOST_ENTRIES {
            self.wrong(&raw.referenced, format!("more than {MOST_ENTRIES} branches in one list"));
        }
        patterns
    }

    fn schedule(&mut self, raw: &Spanned<Texts>) -> Option<Schedule> {
        let windows: Vec<&str> = raw.value.0.iter().map(|one| one.text.as_str()).collect();
        // A wrong zone is told once, at its own place.
        let zone = self.zone.as_deref().filter(|zone| Schedule::parse(&["at any time"], Some(zone)).is_ok());
        match Schedule::parse(&windows, zone) {
            Ok(schedule) => Some(schedule),
            Err(error) => {
                self.wrong(&raw.referenced, error.to_string());
                None
            }
        }
    }

    fn cooldown(&mut self, raw: &Spanned<RawCooldown>) -> BTreeMap<UpdateKind, i64> {
        match &raw.value {
            RawCooldown::All(text) => {
                let duration = self.duration(&raw.referenced, text);
                duration.map(|ms| UpdateKind::ALL.into_iter().map(|kind| (kind, ms)).collect()).unwrap_or_default()
            }
            RawCooldown::ByKind(kinds) => kinds
                .iter()
                .filter_map(|(kind, text)| {
                    Some((self.kind(&raw.referenced, kind)?, self.duration(&raw.referenced, text)?))
                })
                .collect(),
        }
    }

    fn duration(&mut self, at: &Location, text: &str) -> Option<i64> {
        let read = duration_ms(text).filter(|ms| (0..=LONGEST_COOLDOWN).contains(ms));
        if read.is_none() {
            self.wrong(at, format!("{text:?} is no duration of up to a year: write, for example, 3d, 12h or 2 weeks"));
        }
        read
    }

    fn group(&mut self, raw: &Spanned<RawGroup>) -> Option<Group> {
        let RawGroup::Named(name) = &raw.value else { return Some(Group::Own) };
        let name = name.trim();
        let fits = !name.is_empty() && name.chars().count() <= 60 && !name.chars().any(char::is_control);
        if !fits {
            self.wrong(&raw.referenced, "a group's name has 1 to 60 characters on one line");
        }
        fits.then(|| Group::Named(name.to_owned()))
    }

    fn automerge(&mut self, raw: &Spanned<RawAutomerge>) -> Automerge {
        let how = match &raw.value {
            RawAutomerge::Switch(on) => return Automerge { on: *on, ..Automerge::default() },
            RawAutomerge::How(how) => how,
        };
        let at = &raw.referenced;
        let checks = how.checks.as_ref().and_then(|word| self.word(at, word, "setting of `checks`", &CHECKS));
        let method = how.method.as_ref().and_then(|word| self.word(at, word, "way to merge", &METHODS));
        Automerge { on: true, without_checks: checks.unwrap_or(false), method, rerun: how.rerun }
    }

    fn names(&mut self, raw: Spanned<Texts>, longest: usize) -> Vec<String> {
        let fits = |name: &String| {
            !name.trim().is_empty() && name.chars().count() <= longest && !name.chars().any(char::is_control)
        };
        let (names, wrong): (Vec<_>, Vec<_>) =
            raw.value.0.into_iter().map(|name| name.text.trim().to_owned()).partition(fits);
        for name in wrong.iter().take(3) {
            self.wrong(&raw.referenced, format!("{name:?} has not 1 to {longest} characters on one line"));
        }
        names.into_iter().take(MOST_ENTRIES).collect()
    }

    fn subject(&mut self, raw: &Spanned<String>) -> String {
        if raw.value.chars().count() > 50 || raw.value.chars().any(char::is_control) {
            self.wrong(&raw.referenced, "a prefix has at most 50 characters on one line");
        }
        raw.value.trim().trim_end_matches(':').to_owned()
    }

    fn moment(&mut self, raw: &Spanned<String>) -> Option<Moment> {
        let day = || Moment::parse_rfc3339(&format!("{}T00:00:00Z", raw.value));
        let moment = Moment::parse_rfc3339(&raw.value).or_else(day);
        if moment.is_none() {
            self.wrong(&raw.referenced, format!("{:?} is no day: write, for example, 2026-12-24", raw.value));
        }
        moment
    }
}

/// `3d`, `12h`, `2 weeks` in milliseconds; a day has 24 hours.
fn duration_ms(text: &str) -> Option<i64> {
    let span: jiff::Span = text.trim().parse().ok()?;
    let relative = jiff::SpanRelativeTo::days_are_24_hours();
    let ms = span.total((jiff::Unit::Millisecond, relative)).ok()?;
    // Whole milliseconds of at most a few years fit exactly.
    (ms.is_finite() && ms.abs() < 1e15).then_some(ms.round() as i64)
}
