//! `restow check`: validates a repository's configuration file.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::json;

use super::rules::{Found, find};
use super::{DONE, Outcome, USAGE};
use crate::config::{self, Mistake};
use crate::policy::{Pin, Rules, UpdateKind};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The repository's folder, or the configuration file itself
    #[arg(default_value = ".")]
    path: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Print the JSON Schema of the file instead
    #[arg(long)]
    schema: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// For scripts
    Json,
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.schema {
        super::output::line(&serde_json::to_string_pretty(&config::schema())?)?;
        return Ok(DONE);
    }
    let (path, text) = match find(&args.path)? {
        Found::None => {
            let text = "no configuration file (.github/restow.yml): the defaults apply";
            return report(args, None, text, &Ok(Rules::default()));
        }
        Found::Both => {
            return report(args, Some(&args.path.join(config::PATHS[0])), "", &Err(vec![config::both_there()]));
        }
        Found::One(path) => {
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            (path, text)
        }
    };
    report(args, Some(&path), &text, &config::parse(&text))
}

fn report(args: &Args, path: Option<&Path>, text: &str, outcome: &Result<Rules, Vec<Mistake>>) -> Outcome {
    let shown = path.map(|path| path.display().to_string());
    match (args.format, outcome) {
        (Format::Json, outcome) => {
            super::output::line(&serde_json::to_string_pretty(&as_json(shown.as_deref(), outcome))?)?;
        }
        (Format::Human, Ok(rules)) => {
            let head = shown.map_or_else(|| text.to_owned(), |path| format!("{path} is valid"));
            super::output::line(&format!("{head}\n\n{}", effective(rules)))?;
        }
        (Format::Human, Err(mistakes)) => {
            eprintln!("{}", config::render(text, shown.as_deref().unwrap_or_default(), mistakes));
        }
    }
    Ok(if outcome.is_ok() { DONE } else { USAGE })
}

fn as_json(path: Option<&str>, outcome: &Result<Rules, Vec<Mistake>>) -> serde_json::Value {
    let mistakes: Vec<_> = outcome.as_ref().err().into_iter().flatten().map(|mistake| {
        json!({ "line": mistake.line, "column": mistake.column, "message": mistake.message, "help": mistake.help })
    }).collect();
    json!({ "version": 1, "path": path, "valid": outcome.is_ok(), "mistakes": mistakes })
}

/// The rules in force, as a table.
fn effective(rules: &Rules) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["for", "kinds", "digests", "reason"]);
    if !rules.enabled {
        return "enabled is false: Restow does nothing in this repository".to_owned();
    }
    for pattern in &rules.ignore_paths {
        table.add_row([format!("path {}", pattern.as_str()), "ignored".to_owned(), String::new(), String::new()]);
    }
    for pattern in &rules.ignore_images {
        table.add_row([format!("image {}", pattern.as_str()), "ignored".to_owned(), String::new(), String::new()]);
    }
    for rule in rules.rules.iter().rev() {
        let images = rule.images.iter().map(|pattern| pattern.as_str());
        let paths = rule.paths.iter().map(|pattern| pattern.as_str());
        let whom: Vec<&str> = images.chain(paths).collect();
        let whom = if whom.is_empty() { "everything".to_owned() } else { whom.join(", ") };
        let kinds = rule.allow.as_ref().map_or("as below".to_owned(), kinds_text);
        let reason = rule.reason.as_deref().map(one_line).unwrap_or_default();
        table.add_row([whom, kinds, rule.pin.map_or("as below", pin_text).to_owned(), reason]);
    }
    table.add_row(["all else".to_owned(), kinds_text(&rules.allow), pin_text(rules.pin).to_owned(), String::new()]);
    table.to_string()
}

fn kinds_text(kinds: &std::collections::BTreeSet<UpdateKind>) -> String {
    match kinds.len() {
        0 => "none".to_owned(),
        all if all == UpdateKind::ALL.len() => "every kind".to_owned(),
        _ => kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// The file may be anybody's: no line breaks and no escape sequences reach the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn pin_text(pin: Pin) -> &'static str {
    match pin {
        Pin::Digest => "added",
        Pin::Keep => "kept as written",
    }
}
