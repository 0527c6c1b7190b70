//! The form of a tag: what stays when its numbers move, and what part each number plays.
//!
//! Tags of one form differ in their numbers only: `1.25.3-alpine3.20` and `1.26.0-alpine3.21` are both
//! `#.#.#-alpine#.#`. Numbers joined by dots are a run; the first run is usually the version, a run behind a word is the
//! version of a variant (`alpine3.20`), a step of a pre-release (`rc.1`) or a build (`-r3`).

use std::ops::Range;

use super::parse::{Kind, Stamp, Token};
use super::words::{Stage, Words};

/// What part a number plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Of the version itself.
    Version,
    /// Counts pre-releases of one version.
    Step,
    /// Counts builds of one version, or says when it was built.
    Build,
    /// Of a variant's own version.
    Variant,
}

/// Numbers that stand together, joined by dots: their places among the tag's numbers, and the word before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Which of the tag's numbers.
    pub(super) numbers: Range<usize>,
    /// The tokens from the first number to the last.
    pub(super) tokens: Range<usize>,
    /// The token of the word that stands before, with at most one separator between.
    pub(super) word: Option<usize>,
    /// How many words stand before in the tag.
    pub(super) words_before: usize,
    /// What the numbers are.
    pub(super) kind: RunKind,
}

/// What the numbers of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunKind {
    /// Numbers of a version.
    Numbers,
    /// A date or a moment.
    Moment,
    /// The codename of a release.
    Release,
}

/// The value of a token that is ordered.
pub(super) fn value(token: &Token<'_>) -> Option<u64> {
    match token.kind {
        Kind::Number(value) | Kind::Stamp(_, value) => Some(value),
        Kind::Release(release) => Some(u64::from(release.ordinal)),
        Kind::Separator | Kind::Word | Kind::Commit => None,
    }
}

/// Writes the form of the tokens: words and separators stay, numbers become signs that no tag holds.
pub(super) fn write_skeleton(tokens: &[Token<'_>], skeleton: &mut String) {
    for (place, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Separator | Kind::Word => skeleton.push_str(token.text),
            Kind::Number(_) if dashed_date(tokens, place) => skeleton.push('!'),
            Kind::Number(_) if day_of_date(tokens, place) => skeleton.push('?'),
            Kind::Number(_) => skeleton.push('#'),
            Kind::Stamp(Stamp::Date, _) => skeleton.push('%'),
            // Behind a version, builds may be counted first and timed later: `9.4-1214`, `9.5-1732804088`.
            Kind::Stamp(Stamp::UnixSeconds, _) if place > 1 && word_before(tokens, place).is_none() => {
                skeleton.push('#')
            }
            Kind::Stamp(Stamp::UnixSeconds, _) => skeleton.push('&'),
            Kind::Stamp(Stamp::DateTime, _) => skeleton.push('='),
            Kind::Commit => skeleton.push('@'),
            Kind::Release(release) => {
                skeleton.push('*');
                skeleton.push(char::from(b'a' + release.family));
            }
        }
    }
}

/// The runs of a tag, in order.
pub(super) fn runs(tokens: &[Token<'_>]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut number = 0;
    let mut words = 0;
    for (place, token) in tokens.iter().enumerate() {
        if token.kind == Kind::Word {
            words += 1;
        }
        if value(token).is_none() {
            continue;
        }
        match runs.last_mut() {
            Some(run) if joins(run, tokens, place) => {
                run.numbers.end = number + 1;
                run.tokens.end = place + 1;
            }
            _ => runs.push(Run {
                numbers: number..number + 1,
                tokens: place..place + 1,
                word: word_before(tokens, place),
                words_before: words,
                kind: run_kind(tokens, place),
            }),
        }
        number += 1;
    }
    runs
}

fn run_kind(tokens: &[Token<'_>], place: usize) -> RunKind {
    match tokens[place].kind {
        Kind::Release(_) => RunKind::Release,
        Kind::Stamp(..) => RunKind::Moment,
        _ if dashed_date(tokens, place) => RunKind::Moment,
        _ => RunKind::Numbers,
    }
}

/// Whether the number at `place` goes on with the run: behind a dot or `_`, or as month or day of a dashed date.
fn joins(run: &Run, tokens: &[Token<'_>], place: usize) -> bool {
    if run.kind == RunKind::Release || run.tokens.end + 1 != place || matches!(tokens[place].kind, Kind::Release(_)) {
        return false;
    }
    match tokens[run.tokens.end].text {
        "." | "_" => true,
        "-" if !dashed_date(tokens, run.tokens.start) => false,
        "-" => place == run.tokens.start + 2 || (place == run.tokens.start + 4 && day_of_date(tokens, place)),
        _ => false,
    }
}

/// Whether a date with dashes begins at `place`: `2024-01-31`, `2024-01`.
fn dashed_date(tokens: &[Token<'_>], place: usize) -> bool {
    let year = matches!(tokens[place].kind, Kind::Number(1990..2100)) && tokens[place].text.len() == 4;
    let month = |token: &Token<'_>| matches!(token.kind, Kind::Number(1..=12)) && token.text.len() == 2;
    year && tokens.get(place + 1).is_some_and(|token| token.text == "-") && tokens.get(place + 2).is_some_and(month)
}

/// Whether the number at `place` is the day of a date with dashes.
fn day_of_date(tokens: &[Token<'_>], place: usize) -> bool {
    let behind = |before: usize| tokens.get(place - before).is_some_and(|token| token.text == "-");
    place >= 4 && behind(1) && behind(3) && dashed_date(tokens, place - 4) && tokens[place].text.len() == 2
}

fn word_before(tokens: &[Token<'_>], place: usize) -> Option<usize> {
    let is_word = |place: &usize| tokens[*place].kind == Kind::Word;
    let before = place.checked_sub(1)?;
    if tokens[before].kind == Kind::Separator {
        before.checked_sub(1).filter(is_word)
    } else {
        Some(before).filter(is_word)
    }
}

/// Whether the version begins like a date with dots: a year, then a month of two digits.
pub(super) fn dotted_date(tokens: &[Token<'_>]) -> bool {
    let Some(first) = tokens.iter().position(|token| value(token).is_some()) else { return false };
    let year = matches!(tokens[first].kind, Kind::Number(1990..2100));
    let month = |token: &Token<'_>| matches!(token.kind, Kind::Number(1..=12)) && token.text.len() == 2;
    year && tokens.get(first + 1).is_some_and(|token| token.text == ".") && tokens.get(first + 2).is_some_and(month)
}

/// What the parts of all tags of one form mean.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// The part that each number plays.
    pub(super) roles: Vec<Role>,
    /// The run that is the version.
    pub(super) version: Option<Run>,
    /// The separators between the version's numbers.
    pub(super) separators: String,
    /// The stage of a pre-release.
    pub(super) stage: Option<Stage>,
    /// The tokens that write the stage and its step, with the separator before; empty where there is none.
    pub(super) stage_tokens: Range<usize>,
    /// The skeleton up to the version.
    pub(super) prefix: String,
    /// The skeleton behind the version, without what marks a pre-release; builds behind no word are one sign each.
    pub(super) suffix: String,
    /// Whether a build stands behind no word.
    pub(super) bare_build: bool,
}

impl Form {
    /// Reads the parts of the form that `tokens` are an example of.
    pub(super) fn of(tokens: &[Token<'_>], words: &Words) -> Self {
        let runs = runs(tokens);
        let version = version_run(tokens, &runs, words);
        let mut roles = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            let role = if Some(index) == version { Role::Version } else { role(tokens, &runs, index, words) };
            roles.extend(run.numbers.clone().map(|_| role));
        }
        let version = version.map(|index| runs[index].clone());
        let staged = stage(tokens, &runs, version.as_ref(), words);
        let version_tokens = version.as_ref().map_or(0..0, |run| run.tokens.clone());
        let mut prefix = String::new();
        write_skeleton(&tokens[..version_tokens.start], &mut prefix);
        let stage_tokens =
            staged.as_ref().map_or(version_tokens.end..version_tokens.end, |(_, written)| written.clone());
        let builds: Vec<&Run> = runs.iter().filter(|run| bare_build(run, &roles)).collect();
        let behind: Vec<Range<usize>> =
            vec![version_tokens.end..stage_tokens.start, stage_tokens.end.max(version_tokens.end)..tokens.len()];
        let suffix = behind.into_iter().map(|range| suffix(tokens, range, &builds)).collect();
        let stage = staged.map(|(stage, _)| stage);
        let separators = separators(&tokens[version_tokens]);
        Self { roles, version, separators, stage, stage_tokens, prefix, suffix, bare_build: !builds.is_empty() }
    }
}

impl Form {
    /// How many numbers the version has.
    pub(super) fn version_length(&self) -> usize {
        self.version.as_ref().map_or(0, |run| run.numbers.len())
    }

    /// How many numbers count the steps of a pre-release.
    pub(super) fn steps(&self) -> usize {
        self.roles.iter().filter(|role| **role == Role::Step).count()
    }

    /// Whether the versions of both are written in one kind.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        let kind = |form: &Self| form.version.as_ref().map(|run| run.kind);
        kind(self) == kind(other)
    }

    /// Whether both are as precise: in the version, and in the step of a pre-release.
    pub(super) fn same_precision(&self, other: &Self) -> bool {
        self.same_kind(other)
            && self.version_length() == other.version_length()
            && self.separators == other.separators
            && self.steps() == other.steps()
    }

    /// Whether the version is written as that of `shorter`, with dots before what it adds.
    pub(super) fn lengthens(&self, shorter: &Self) -> bool {
        let added = self.separators.strip_prefix(&shorter.separators);
        added.is_some_and(|added| added.bytes().all(|byte| byte == b'.'))
    }
}

/// What stands between the numbers of a version.
fn separators(version: &[Token<'_>]) -> String {
    version.iter().filter(|token| value(token).is_none()).map(|token| token.text).collect()
}

fn bare_build(run: &Run, roles: &[Role]) -> bool {
    run.word.is_none() && roles.get(run.numbers.start) == Some(&Role::Build)
}

/// The skeleton of a range of tokens, in which each of the runs is one sign, however many numbers it has.
fn suffix(tokens: &[Token<'_>], range: Range<usize>, builds: &[&Run]) -> String {
    let mut suffix = String::new();
    let mut from = range.start;
    for run in builds.iter().filter(|run| run.tokens.start >= range.start && run.tokens.end <= range.end) {
        write_skeleton(&tokens[from..run.tokens.start], &mut suffix);
        suffix.push('~');
        from = run.tokens.end;
    }
    write_skeleton(&tokens[from..range.end], &mut suffix);
    suffix
}

/// Which run is the version: the first, unless words before it say that it belongs to a variant.
fn version_run(tokens: &[Token<'_>], runs: &[Run], words: &Words) -> Option<usize> {
    let first = runs.first()?;
    let word = first.word.map(|place| tokens[place].text);
    let of_variant = word.is_some_and(|word| words.is_variant(word));
    if of_variant && let Some(later) = runs.iter().skip(1).position(|run| bare(tokens, run)) {
        return Some(later + 1);
    }
    // `pg16-v1.2.3`: one number behind a word, and a version that says so.
    let marked = |run: &Run| bare(tokens, run) && run.word.is_some();
    if word.is_some_and(|word| word != "v")
        && first.numbers.len() == 1
        && let Some(later) = runs.iter().skip(1).position(marked)
    {
        return Some(later + 1);
    }
    let leads = match first.kind {
        RunKind::Release => first.words_before == 0,
        RunKind::Moment => true,
        RunKind::Numbers => match first.words_before {
            0 => true,
            1 => first.numbers.len() > 1 || word.is_none_or(|word| Stage::of(word).is_none()),
            _ => !of_variant && first.numbers.len() > 1,
        },
    };
    leads.then_some(0)
}

/// Whether a run of several numbers stands behind no word but `v`.
fn bare(tokens: &[Token<'_>], run: &Run) -> bool {
    run.kind == RunKind::Numbers && run.numbers.len() > 1 && run.word.is_none_or(|place| tokens[place].text == "v")
}

fn role(tokens: &[Token<'_>], runs: &[Run], index: usize, words: &Words) -> Role {
    let run = &runs[index];
    let Some(word) = run.word.map(|place| tokens[place].text) else {
        return if run.kind == RunKind::Release { Role::Variant } else { Role::Build };
    };
    match run.kind {
        RunKind::Release => Role::Variant,
        RunKind::Moment => Role::Build,
        RunKind::Numbers if run.word.and_then(|place| stage_at(tokens, runs, place, words)).is_some() => Role::Step,
        RunKind::Numbers if words.counts_builds(word) => Role::Build,
        RunKind::Numbers => Role::Variant,
    }
}

/// The stage that the word at `place` marks: a word of the trade, or a letter between a version and a number.
fn stage_at(tokens: &[Token<'_>], runs: &[Run], place: usize, words: &Words) -> Option<Stage> {
    let version_before = || runs.iter().any(|run| run.tokens.end == place && run.numbers.len() > 1);
    let number_behind = || tokens.get(place + 1).is_some_and(|token| matches!(token.kind, Kind::Number(_)));
    let letter = || Stage::of_letter(tokens[place].text).filter(|_| version_before() && number_behind());
    words.stage(tokens[place].text).or_else(letter)
}

/// The stage of a pre-release and the tokens that write it, with the separator before.
fn stage(tokens: &[Token<'_>], runs: &[Run], version: Option<&Run>, words: &Words) -> Option<(Stage, Range<usize>)> {
    let from = version?.tokens.end;
    let (place, stage) = (from..tokens.len()).find_map(|place| {
        let stage = if tokens[place].kind == Kind::Word { stage_at(tokens, runs, place, words) } else { None };
        stage.map(|stage| (place, stage))
    })?;
    let start = if place > from && tokens[place - 1].kind == Kind::Separator { place - 1 } else { place };
    let mut end = place + 1;
    let step = |at: usize| tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Number(_) | Kind::Stamp(..)));
    while step(end) || (tokens.get(end).is_some_and(|token| token.kind == Kind::Separator) && step(end + 1)) {
        end += if step(end) { 1 } else { 2 };
        if tokens.get(end).is_some_and(|token| token.text == "-") {
            break;
        }
    }
    Some((stage, start..end))
}
