//! The file as written. Field descriptions are the schema's and the documentation's.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::mistake::{Mistake, did_you_mean};
use super::shapes::{RawAutomerge, RawCooldown, RawGroup, Texts};
use crate::policy::UpdateKind;

/// Defines a struct with settings of its own and with those that a rule and a whole file have in common.
macro_rules! with_settings {
    ($(#[$outer:meta])* struct $name:ident { $($own:tt)* }) => {
        $(#[$outer])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct $name {
            $($own)*
            /// What is proposed: kinds of update, and ranges of versions such as `<17`; without it everything.
            #[schemars(with = "Option<Texts>")]
            pub(super) allow: Option<Spanned<Texts>>,
            /// Which tags are proposed.
            pub(super) tags: Option<RawTags>,
            /// Whether a digest is put behind each tag; `false` keeps references as they are written.
            #[schemars(with = "Option<bool>")]
            pub(super) pin: Option<Spanned<bool>>,
            /// The platforms that a new image must have, as in `linux/arm64`; without it those of the present one. Known
            /// vulnerabilities are looked for on the first eight.
            #[schemars(with = "Option<Texts>")]
            pub(super) platforms: Option<Spanned<Texts>>,
            /// When pull requests are opened: `before 5am on monday`, `on weekdays`, or five fields of cron.
            #[schemars(with = "Option<Texts>")]
            pub(super) schedule: Option<Spanned<Texts>>,
            /// How long an image must have been there: `3d`, or one for each kind: `{patch: 1d, major: 14d}`.
            #[schemars(with = "Option<RawCooldown>")]
            pub(super) cooldown: Option<Spanned<RawCooldown>>,
            /// The name under which updates share one pull request; `false`: each image its own.
            #[schemars(with = "Option<RawGroup>")]
            pub(super) group: Option<Spanned<RawGroup>>,
            /// Whether pull requests are merged by themselves once the repository's own checks have passed.
            #[schemars(with = "Option<RawAutomerge>")]
            pub(super) automerge: Option<Spanned<RawAutomerge>>,
            /// The base branches: names or globs, `~default` for the default branch; without it that alone.
            #[schemars(with = "Option<Texts>")]
            pub(super) branch: Option<Spanned<Texts>>,
            /// When a pull request is brought onto its base branch again: `conflicted`, `always` or `never`.
            #[schemars(with = "Option<String>")]
            pub(super) rebase: Option<Spanned<String>>,
            /// Labels of the pull request.
            #[schemars(with = "Option<Texts>")]
            pub(super) labels: Option<Spanned<Texts>>,
            /// Who is asked for a review: logins, or `org/team`.
            #[schemars(with = "Option<Texts>")]
            pub(super) reviewers: Option<Spanned<Texts>>,
            /// Who is assigned: logins.
            #[schemars(with = "Option<Texts>")]
            pub(super) assignees: Option<Spanned<Texts>>,
            /// How commits and pull requests are called; without it as the history has it.
            pub(super) commit: Option<RawCommit>,
            /// Whether the pull request is a draft.
            #[schemars(with = "Option<bool>")]
            pub(super) draft: Option<Spanned<bool>>,
            /// From which severity on an update that removes a known vulnerability is urgent: `critical`, `high`,
            /// `medium`, `low` or `never`. What is known to be exploited always is, but for `never`.
            #[schemars(with = "Option<String>")]
            pub(super) security: Option<Spanned<String>>,
            /// Nothing is proposed before this day or moment: `2026-12-24`.
            #[schemars(with = "Option<String>")]
            pub(super) hold_until: Option<Spanned<String>>,
        }

        impl $name {
            /// The settings that a rule and a whole file have in common.
            pub(super) fn settings(&mut self) -> RawSettings {
                RawSettings {
                    allow: self.allow.take(),
                    tags: self.tags.take(),
                    pin: self.pin.take(),
                    platforms: self.platforms.take(),
                    schedule: self.schedule.take(),
                    cooldown: self.cooldown.take(),
                    group: self.group.take(),
                    automerge: self.automerge.take(),
                    branch: self.branch.take(),
                    rebase: self.rebase.take(),
                    labels: self.labels.take(),
                    reviewers: self.reviewers.take(),
                    assignees: self.assignees.take(),
                    commit: self.commit.take(),
                    draft: self.draft.take(),
                    security: self.security.take(),
                    hold_until: self.hold_until.take(),
                }
            }
        }
    };
}

/// The settings that a rule and a whole file have in common.
pub(super) struct RawSettings {
    pub(super) allow: Option<Spanned<Texts>>,
    pub(super) tags: Option<RawTags>,
    pub(super) pin: Option<Spanned<bool>>,
    pub(super) platforms: Option<Spanned<Texts>>,
    pub(super) schedule: Option<Spanned<Texts>>,
    pub(super) cooldown: Option<Spanned<RawCooldown>>,
    pub(super) group: Option<Spanned<RawGroup>>,
    pub(super) automerge: Option<Spanned<RawAutomerge>>,
    pub(super) branch: Option<Spanned<Texts>>,
    pub(super) rebase: Option<Spanned<String>>,
    pub(super) labels: Option<Spanned<Texts>>,
    pub(super) reviewers: Option<Spanned<Texts>>,
    pub(super) assignees: Option<Spanned<Texts>>,
    pub(super) commit: Option<RawCommit>,
    pub(super) draft: Option<Spanned<bool>>,
    pub(super) security: Option<Spanned<String>>,
    pub(super) hold_until: Option<Spanned<String>>,
}

with_settings! {
    /// What stands in `.github/restow.yml`.
    struct Raw {
        /// What this file builds upon: `restow:default`, `restow:quiet`, `restow:strict`, or a file of the
        /// organisation's, `acme/.github:presets/web.yml`.
        #[schemars(with = "Option<Texts>")]
        pub(super) extends: Option<Spanned<Texts>>,
        /// Whether Restow works on this repository; `false` also closes what it has opened.
        #[schemars(with = "Option<bool>", extend("default" = true))]
        pub(super) enabled: Option<Spanned<bool>>,
        /// Whether a repository without this file is asked by a pull request first; for an organisation's file.
        #[schemars(with = "Option<bool>", extend("default" = true))]
        pub(super) onboarding: Option<Spanned<bool>>,
        /// Whether an issue shows what is open, waits, is held or ignored.
        #[schemars(with = "Option<bool>", extend("default" = false))]
        pub(super) dashboard: Option<Spanned<bool>>,
        /// The time zone of this file's schedules: `Europe/Berlin`; UTC without it.
        #[schemars(with = "Option<String>")]
        pub(super) timezone: Option<Spanned<String>>,
        /// How many pull requests there may be.
        pub(super) limits: RawLimits,
        /// What is left alone.
        pub(super) ignore: RawIgnore,
        /// Whose VEX statements count, and for which images.
        #[schemars(with = "Vec<RawVex>")]
        pub(super) vex: Vec<Spanned<RawVex>>,
        /// What holds for some images, paths or kinds only; of several that match, the last one wins.
        #[schemars(with = "Vec<RawRule>")]
        pub(super) rules: Vec<Spanned<RawRule>>,
    }
}

with_settings! {
    /// A rule: whom it is for, and what it says.
    struct RawRule {
        /// Whom the rule is for; without it, all.
        #[serde(rename = "match")]
        pub(super) matching: RawMatch,
        /// Why the rule is there, for people: `restow check` and pull requests show it.
        pub(super) reason: Option<String>,
    }
}

/// How many pull requests there may be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLimits {
    /// Open at a time.
    #[schemars(with = "Option<u32>", extend("default" = 10))]
    pub(super) open: Option<Spanned<u32>>,
    /// Opened within an hour.
    #[schemars(with = "Option<u32>", extend("default" = 2))]
    pub(super) per_hour: Option<Spanned<u32>>,
    /// Opened by one plan.
    #[schemars(with = "Option<u32>")]
    pub(super) per_run: Option<Spanned<u32>>,
    /// Open at a time beyond all of these, because they remove a vulnerability that is urgent.
    #[schemars(with = "Option<u32>", extend("default" = 5))]
    pub(super) security: Option<Spanned<u32>>,
}

/// Which tags are proposed: globs over their names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTags {
    /// One of these must match.
    #[schemars(with = "Vec<String>")]
    pub(super) include: Vec<Spanned<String>>,
    /// None of these may match.
    #[schemars(with = "Vec<String>")]
    pub(super) exclude: Vec<Spanned<String>>,
}

/// How commits and pull requests are called.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCommit {
    /// What stands before the subject: `chore`, `build(docker)`; an empty text for nothing.
    #[schemars(with = "Option<String>")]
    pub(super) prefix: Option<Spanned<String>>,
    /// What stands in brackets behind the prefix: `deps`.
    #[schemars(with = "Option<String>")]
    pub(super) scope: Option<Spanned<String>>,
}

/// What is left alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawIgnore {
    /// Globs over file paths: `legacy/`, `deploy/**/*.yaml`.
    #[schemars(with = "Vec<String>")]
    pub(super) paths: Vec<Spanned<String>>,
    /// Globs over image names: `nginx`, `ghcr.io/acme/*`.
    #[schemars(with = "Vec<String>")]
    pub(super) images: Vec<Spanned<String>>,
}

/// Trust in what an author says of vulnerabilities: that an image is not affected, or mended.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawVex {
    /// About which images: a glob.
    #[schemars(with = "String")]
    pub(super) image: Option<Spanned<String>>,
    /// Whose statements: a glob over the documents' author; with `repository` all, where it is left out.
    #[schemars(with = "Option<String>")]
    pub(super) author: Option<Spanned<String>>,
    /// The VEX repository of the server's `vex_repositories` that they come from; without it what is attached to the
    /// image.
    #[schemars(with = "Option<String>")]
    pub(super) repository: Option<Spanned<String>>,
}

/// Whom a rule is for: each that is given must match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMatch {
    /// One glob over image names, beside those of `images`.
    #[schemars(with = "Option<String>")]
    pub(super) image: Option<Spanned<String>>,
    /// Globs over image names.
    #[schemars(with = "Vec<String>")]
    pub(super) images: Vec<Spanned<String>>,
    /// One glob over file paths, beside those of `paths`.
    #[schemars(with = "Option<String>")]
    pub(super) path: Option<Spanned<String>>,
    /// Globs over file paths.
    #[schemars(with = "Vec<String>")]
    pub(super) paths: Vec<Spanned<String>>,
    /// Formats: `dockerfile`, `helm`.
    #[schemars(with = "Vec<String>")]
    pub(super) formats: Vec<Spanned<String>>,
    /// What the path is for: `ordinary`, `example`, `test` or `vendored`.
    #[schemars(with = "Vec<String>")]
    pub(super) classes: Vec<Spanned<String>>,
    /// Globs over registries: `docker.io`, `*.example.com`.
    #[schemars(with = "Vec<String>")]
    pub(super) registries: Vec<Spanned<String>>,
    /// Globs over the tags that stand there now: `*-alpine*`.
    #[schemars(with = "Vec<String>")]
    pub(super) current: Vec<Spanned<String>>,
    /// One base branch, beside those of `branches`.
    #[schemars(with = "Option<String>")]
    pub(super) branch: Option<Spanned<String>>,
    /// Base branches: names or globs, `~default` for the default branch.
    #[schemars(with = "Vec<String>")]
    pub(super) branches: Vec<Spanned<String>>,
    /// The kinds of update.
    #[schemars(with = "Vec<UpdateKind>")]
    pub(super) kinds: Vec<Spanned<String>>,
}

/// More mistakes are not looked for.
const MAX_MISTAKES: usize = 20;

/// Reads the YAML, and every mistake: the reader stops at its first, so the setting that holds it is taken out of the
/// text and the rest is read again.
pub(super) fn read(text: &str) -> (Raw, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    let mut text = text.to_owned();
    loop {
        match read_once(&text) {
            Ok(raw) => return (raw, mistakes),
            Err(mistake) => {
                let line = mistake.line;
                mistakes.push(mistake);
                match without_setting(&text, line).filter(|_| mistakes.len() < MAX_MISTAKES) {
                    Some(rest) => text = rest,
                    None => return (Raw::default(), mistakes),
                }
            }
        }
    }
}

/// The text with the setting that stands on `line` (from 1) made blank; its line numbers stay. `None` where nothing is
/// left to take out.
fn without_setting(text: &str, line: u32) -> Option<String> {
    let begins = |line: &&str| line.starts_with(|c: char| !c.is_whitespace() && !matches!(c, '#' | '-' | '}' | ']'));
    let lines: Vec<&str> = text.lines().collect();
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let first = lines.get(..=at)?.iter().rposition(begins)?;
    let last = lines[first + 1..].iter().position(begins).map_or(lines.len(), |next| first + 1 + next);
    let kept = lines.iter().enumerate().map(|(index, line)| if (first..last).contains(&index) { "" } else { line });
    Some(kept.collect::<Vec<_>>().join("\n"))
}

/// The reader's bounds keep hostile files cheap.
fn read_once(text: &str) -> Result<Raw, Mistake> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_documents: 1,
            max_nodes: 20_000,
            max_aliases: 100,
        },
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Option<Raw>>(text, options) {
        Ok(raw) => Ok(raw.unwrap_or_default()),
        Err(error) => Err(mistake(&error)),
    }
}

/// A location's line and column, both from 1.
pub(super) fn place(location: &Location) -> (u32, u32) {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).max(1);
    (number(location.line()), number(location.column()))
}

fn mistake(error: &serde_saphyr::Error) -> Mistake {
    let (line, column) = error.location().as_ref().map_or((1, 1), place);
    match error.without_snippet() {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            Mistake::new(line, column, format!("there is no setting `{field}` here"))
                .help(did_you_mean(field, expected.iter().copied()))
        }
        serde_saphyr::Error::SerdeInvalidType { unexpected, expected, .. } => {
            Mistake::new(line, column, format!("expected {expected}, found {unexpected}"))
        }
        serde_saphyr::Error::InvalidScalar { ty: "boolean", .. } => {
            Mistake::new(line, column, "expected true or false")
        }
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("this key");
            Mistake::new(line, column, format!("`{key}` is set twice")).help(Some("keep one of the two".to_owned()))
        }
        serde_saphyr::Error::Budget { .. } => {
            Mistake::new(line, column, "the file is deeper, longer or has more aliases than a configuration needs")
        }
        other => Mistake::new(line, column, in_plain_words(&first_line(&other.to_string()))),
    }
}

/// The parser's own words for what people call a list and settings.
fn in_plain_words(message: &str) -> String {
    match message {
        "expected sequence start" => "expected a list, as in `[patch, minor]`".to_owned(),
        "invalid u32" => "expected a whole number, from 0 on".to_owned(),
        "expected mapping start" => "expected settings, as in `enabled: true`".to_owned(),
        other => other.to_owned(),
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or("the file is no YAML");
    // The place stands before the message already.
    line.split_once(" at line ").map_or(line, |(message, _)| message).to_owned()
}
