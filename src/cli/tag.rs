//! `restow tag`: ask what a tag means.
//!
//! `restow tag pick` answers JSON lines, one for each it reads, and holds one line at a time:
//!
//! ```text
//! in:  {"id": …, "image": "nginx", "current": "1.25", "tags": ["1.25", "1.26"], "now": "2026-11-23T00:00:00Z"}
//! out: {"id": …, "patch": null, "minor": "1.26", "major": null, "variant": null, "pin": "1.25.5", "line": "x.y", "precision": "floating", "reasons": {…}}
//! ```
//!
//! `id` comes back as it came; `tags` holds names or objects with `name`, `digest` and `created`; a moment is RFC 3339,
//! or seconds or milliseconds since 1970. A line that cannot be read is told on standard error, the others are answered.

use std::collections::BTreeMap;
use std::io::{BufRead, BufWriter, Write};

use anyhow::Context;
use serde::{Deserialize, Deserializer, Serialize};

use super::lookup::LookupArgs;
use super::{DONE, Outcome, USAGE};
use crate::clock::Clock;
use crate::image::{ImageName, Tag};
use crate::repo::Moment;
use crate::tag::{ListedTag, Pick, Picks, Precision, Scheme};

#[derive(Debug, clap::Subcommand)]
pub(super) enum TagCommand {
    /// Read JSON lines of tags, write the pick of each kind; or ask the registry about one tag
    ///
    /// Each line read is one question, {"id": 1, "image": "nginx", "current": "1.25", "tags": ["1.25", "1.26"]}; id and
    /// image may be left out, a tag may be {"name", "digest", "created"}, and "now" sets the moment. Each line written
    /// answers with "patch", "minor", "major", "variant" and "pin" (a tag or null), the "line" and the "reasons".
    Pick {
        /// Ask the registry for this image's tags, and explain for a person
        #[arg(long, requires = "current")]
        image: Option<ImageName>,
        /// The tag to move from
        #[arg(long, requires = "image", value_parser = read_tag)]
        current: Option<Tag>,
        #[command(flatten)]
        lookup: LookupArgs,
    },
}

fn read_tag(text: &str) -> Result<Tag, String> {
    Tag::parse(text).map_err(|error| error.to_string())
}

pub(super) fn run(command: &TagCommand) -> Outcome {
    let TagCommand::Pick { image, current, lookup } = command;
    match (image, current) {
        (Some(image), Some(current)) => super::explain::explain(image, current, lookup),
        _ => answer_all(std::io::stdin().lock(), std::io::stdout().lock(), Clock::System.now()),
    }
}

/// One question.
#[derive(Debug, Deserialize)]
struct Question {
    #[serde(default)]
    id: serde_json::Value,
    #[serde(default)]
    image: Option<ImageName>,
    current: Tag,
    tags: Vec<WrittenTag>,
    #[serde(default, deserialize_with = "read_moment")]
    now: Option<Moment>,
}

/// A tag of the list: its name, or what the registry says of it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WrittenTag {
    Name(String),
    Listed {
        name: String,
        #[serde(default)]
        digest: Option<String>,
        #[serde(default, deserialize_with = "read_moment")]
        created: Option<Moment>,
    },
}

impl WrittenTag {
    /// The tag; `None` where its name is no tag's: it is in no registry.
    fn listed(self) -> Option<ListedTag> {
        let (name, digest, created) = match self {
            Self::Name(name) => (name, None, None),
            Self::Listed { name, digest, created } => (name, digest, created),
        };
        let digest = digest.and_then(|digest| digest.parse().ok());
        Tag::parse(&name).ok().map(|name| ListedTag { name, digest, created })
    }
}

/// A number below is seconds since 1970 (until the year 5138), from it on milliseconds (from 1973).
const LEAST_MILLISECONDS: i64 = 100_000_000_000;

fn read_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Moment>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Rfc3339(String),
    }
    match Option::<Written>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Written::Number(seconds)) if seconds.abs() < LEAST_MILLISECONDS => Ok(Some(Moment(seconds * 1000))),
        Some(Written::Number(milliseconds)) => Ok(Some(Moment(milliseconds))),
        Some(Written::Rfc3339(text)) => Moment::parse_rfc3339(&text)
            .map(Some)
            .ok_or_else(|| serde::de::Error::custom("a moment is RFC 3339 or milliseconds since 1970")),
    }
}

/// One answer.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    id: &'a serde_json::Value,
    patch: Option<&'a Tag>,
    minor: Option<&'a Tag>,
    major: Option<&'a Tag>,
    variant: Option<&'a Tag>,
    pin: Option<&'a Tag>,
    line: &'a str,
    precision: Precision,
    reasons: BTreeMap<&'static str, &'a str>,
}

impl<'a> Answer<'a> {
    fn new(id: &'a serde_json::Value, picks: &'a Picks) -> Self {
        let mut reasons: BTreeMap<&'static str, &str> =
            picks.reasons.iter().map(|(kind, why)| (*kind, why.as_str())).collect();
        let mut tag = |kind, pick: &'a Option<Pick>| {
            let pick = pick.as_ref()?;
            reasons.insert(kind, &pick.reason);
            Some(&pick.tag)
        };
        Self {
            id,
            patch: tag("patch", &picks.patch),
            minor: tag("minor", &picks.minor),
            major: tag("major", &picks.major),
            variant: tag("variant", &picks.variant),
            pin: tag("pin", &picks.pin),
            line: &picks.line,
            precision: picks.precision,
            reasons,
        }
    }
}

/// Answers each line of `input`; returns [`USAGE`] where one could not be read.
fn answer_all(mut input: impl BufRead, output: impl Write, now: Moment) -> Outcome {
    let mut output = BufWriter::new(output);
    let mut line = Vec::new();
    let mut code = DONE;
    for number in 1_u64.. {
        line.clear();
        if input.read_until(b'\n', &mut line).context("reading standard input")? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(question) => answer(question, &mut output, now).context("writing standard output")?,
            Err(error) => {
                eprintln!("restow: line {number}: {error}");
                code = USAGE;
            }
        }
    }
    output.flush().context("writing standard output")?;
    Ok(code)
}

fn answer(question: Question, output: &mut impl Write, now: Moment) -> std::io::Result<()> {
    let Question { id, image, current, tags, now: asked } = question;
    let tags: Vec<ListedTag> = tags.into_iter().filter_map(WrittenTag::listed).collect();
    let scheme = image.map_or_else(|| Scheme::learn(&tags), |image| Scheme::learn_for(&image, &tags));
    let picks = scheme.pick(&current, asked.unwrap_or(now));
    serde_json::to_writer(&mut *output, &Answer::new(&id, &picks))?;
    output.write_all(b"\n")
}
