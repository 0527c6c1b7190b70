//! The file as written. Field descriptions are the schema's and the documentation's.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::mistake::{Mistake, did_you_mean};
use crate::policy::UpdateKind;

/// What stands in `.github/restow.yml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    /// Whether Restow works on this repository; `false` also closes what it has opened.
    #[schemars(extend("default" = true))]
    pub(super) enabled: Option<bool>,
    /// What is left alone.
    pub(super) ignore: RawIgnore,
    /// The kinds of update that are proposed; without it every kind.
    #[schemars(with = "Option<Vec<UpdateKind>>")]
    pub(super) allow: Option<Vec<Spanned<String>>>,
    /// Whether a digest is put behind each tag; `false` keeps references as they are written.
    #[schemars(extend("default" = false))]
    pub(super) pin: Option<bool>,
    /// What holds for some images or paths only; of several that match, the last one wins.
    #[schemars(with = "Vec<RawRule>")]
    pub(super) rules: Vec<Spanned<RawRule>>,
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

/// A rule: whom it is for, and what it says.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRule {
    /// Whom the rule is for; without it, all.
    #[serde(rename = "match")]
    pub(super) matching: RawMatch,
    /// The kinds of update that are proposed.
    #[schemars(with = "Option<Vec<UpdateKind>>")]
    pub(super) allow: Option<Vec<Spanned<String>>>,
    /// Whether a digest is put behind each tag.
    pub(super) pin: Option<bool>,
    /// Why the rule is there, for people: `restow check` shows it.
    pub(super) reason: Option<String>,
}

/// Whom a rule is for: an image and a path must match, where both are given.
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
        "expected mapping start" => "expected settings, as in `enabled: true`".to_owned(),
        other => other.to_owned(),
    }
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or("the file is no YAML");
    // The place stands before the message already.
    line.split_once(" at line ").map_or(line, |(message, _)| message).to_owned()
}
