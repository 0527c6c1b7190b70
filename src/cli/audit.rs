//! `restow audit`: what was decided and done.

use anyhow::{Context, bail};
use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::json;

use super::jobs::Database;
use super::{DONE, Outcome, USAGE, output};
use crate::clock::Clock;
use crate::image::ImageName;
use crate::repo::Moment;
use crate::store::{AuditEntry, AuditFilter};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of this repository
    #[arg(long, value_name = "OWNER/NAME")]
    repo: Option<String>,
    /// Only of this image
    #[arg(long)]
    image: Option<ImageName>,
    /// Only since then: 7d, 12h, 2026-11-24, or a moment
    #[arg(long, value_name = "WHEN", value_parser = read_moment)]
    since: Option<Moment>,
    /// The newest so many
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    #[command(flatten)]
    database: Database,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// For scripts
    Json,
}

pub(super) fn run(args: &Args) -> Outcome {
    let filter = AuditFilter {
        repository: args.repo.clone(),
        image: args.image.as_ref().map(ToString::to_string),
        since: args.since,
        limit: args.limit,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let Some(store) = runtime.block_on(args.database.open())? else { return Ok(USAGE) };
    let entries = runtime.block_on(async {
        let entries = store.audit(&filter).await.context("reading the audit")?;
        store.close().await;
        anyhow::Ok(entries)
    })?;
    match args.format {
        Format::Human if entries.is_empty() => output::line("Nothing is recorded.")?,
        Format::Human => output::line(&table(&entries))?,
        Format::Json => {
            let entries: Vec<_> = entries.iter().map(as_json).collect();
            output::line(&serde_json::to_string_pretty(&json!({ "version": 1, "entries": entries }))?)?;
        }
    }
    Ok(DONE)
}

fn read_moment(text: &str) -> Result<Moment, String> {
    moment(text, Clock::System.now()).map_err(|error| error.to_string())
}

/// `7d`, a day, or a moment.
fn moment(text: &str, now: Moment) -> anyhow::Result<Moment> {
    if let Some(at) = Moment::parse_rfc3339(text).or_else(|| Moment::parse_rfc3339(&format!("{text}T00:00:00Z"))) {
        return Ok(at);
    }
    let span: jiff::Span = match text.parse() {
        Ok(span) => span,
        Err(_) => bail!("write, for example, 7d, 12h or 2026-11-24"),
    };
    let ms = span.total((jiff::Unit::Millisecond, jiff::SpanRelativeTo::days_are_24_hours()))?;
    Ok(now.plus_ms(-(ms.clamp(0.0, 1e14) as i64)))
}

fn table(entries: &[AuditEntry]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["when", "who", "did", "where", "what", "why"]);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    for entry in entries {
        let pull = entry.pull.map(|pull| format!("#{}", pull.0)).unwrap_or_default();
        let moved = match (entry.from.is_empty(), entry.to.is_empty()) {
            (true, true) => entry.result.clone(),
            _ => format!("{} → {}", shortened(&entry.from), shortened(&entry.to)),
        };
        table.add_row([
            entry.at.to_string(),
            plain(&entry.actor),
            plain(&entry.act),
            plain(&format!("{}{pull}", entry.repository)),
            plain(format!("{} {moved}", entry.image).trim()),
            plain(&entry.rule),
        ]);
    }
    table.to_string()
}

/// A digest of seven digits.
fn shortened(text: &str) -> String {
    match text.split_once("@sha256:") {
        Some((tag, hex)) => format!("{tag}@{}", hex.chars().take(7).collect::<String>()),
        None => text.to_owned(),
    }
}

/// Names come from repositories: no escape sequences reach the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn as_json(entry: &AuditEntry) -> serde_json::Value {
    json!({
        "at": entry.at.to_string(), "actor": entry.actor, "act": entry.act, "repository": entry.repository,
        "image": entry.image, "from": entry.from, "to": entry.to, "pull": entry.pull.map(|pull| pull.0),
        "rule": entry.rule, "evidence": entry.evidence, "result": entry.result,
    })
}
