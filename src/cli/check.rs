//! `restow check`: validates a repository's configuration file.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::json;

use super::describe;
use super::rules::{Found, find};
use super::{DONE, Outcome, USAGE};
use crate::config::{self, Mistake};
use crate::policy::Rules;

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
    /// Say for each image what holds for it, and where that is said
    #[arg(long, conflicts_with = "schema")]
    explain: bool,
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
            return report(args, None, text, &Ok(config::defaults()));
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
            let rules = match args.explain {
                true => format!("{}\n\n{}", explained(&args.path, rules)?, not_read(path.map_or("", |_| text))),
                false => effective(rules),
            };
            super::output::line(&format!("{head}\n\n{rules}"))?;
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

/// The rules in force, as a table; the nearest first.
fn effective(rules: &Rules) -> String {
    if !rules.enabled.value {
        return format!("enabled is false ({}): Restow does nothing in this repository", rules.enabled.place());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["for", "says", "where"]);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    for (pattern, file) in &rules.ignore_paths {
        table.add_row([format!("path {}", pattern.as_str()), "ignored".to_owned(), file.to_string()]);
    }
    for (pattern, file) in &rules.ignore_images {
        table.add_row([format!("image {}", pattern.as_str()), "ignored".to_owned(), file.to_string()]);
    }
    for rule in rules.rules.iter().rev() {
        let said = describe::settings(&rule.settings);
        if said.is_empty() {
            continue;
        }
        let reason = rule.reason.as_deref().map(|reason| format!(" ({})", one_line(reason))).unwrap_or_default();
        let said: Vec<String> = said.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        table.add_row([describe::matching(&rule.matching), said.join("; ") + &reason, rule.source.to_string()]);
    }
    let limits = &rules.limits;
    table.add_row([
        "all pull requests".to_owned(),
        format!("open: {}; per hour: {}", describe::count(limits.open.value), describe::count(limits.per_hour.value)),
        limits.open.place(),
    ]);
    table.to_string()
}

/// What holds for each image that the folder names, and where each of it is said.
fn explained(path: &Path, rules: &Rules) -> anyhow::Result<String> {
    let inventory = super::walk::walk(path)?.inventory;
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for site in &inventory.sites {
        let (holds, name) = (describe::site(rules, site), format!("{} ({}:{})", site.reference, site.path, site.line));
        match groups.iter_mut().find(|(same, _)| *same == holds) {
            Some((_, names)) => names.push(name),
            None => groups.push((holds, vec![name])),
        }
    }
    let parts = groups.into_iter().map(|(holds, names)| format!("{}\n{holds}", names.join("\n")));
    let parts: Vec<String> = parts.collect();
    Ok(if parts.is_empty() { "No image is named here.".to_owned() } else { parts.join("\n\n") })
}

/// What holds too, and only the server can read.
fn not_read(text: &str) -> String {
    let files = config::remote_files(text).into_iter().map(|file| file.to_string());
    let others = ["the organisation's restow.yml", "the server's default_rules_file"].map(str::to_owned);
    let all: Vec<String> = files.chain(others).map(|name| one_line(&name)).collect();
    format!("Not read here, and taken for empty: {}.", all.join(", "))
}

/// The file may be anybody's: no line breaks and no escape sequences reach the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
