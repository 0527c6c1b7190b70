//! The table and the Markdown of a scan.

use std::collections::BTreeMap;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};

use super::Scan;
use crate::cli::output::Paint;
use crate::formats::Site;
use crate::image::ImageName;
use crate::plan::{Plan, Update};

/// Sites of an image named in full; of more, the count.
const SITES_SHOWN: usize = 5;

/// One image at one tag: its sites and what they could move to.
struct Row<'a> {
    image: &'a ImageName,
    current: String,
    sites: Vec<&'a Site>,
    update: Option<&'a Update>,
    hold: Option<&'a str>,
}

/// The table for people, grouped by image.
pub(super) fn human(scan: &Scan, paint: Paint) -> String {
    let rows = rows(scan);
    let mut parts = Vec::new();
    if !rows.is_empty() {
        parts.push(table(&rows, scan, paint).to_string());
    }
    for problem in &scan.walked.inventory.problems {
        parts.push(format!("{}:{}: {}", problem.path, problem.line, problem.message));
    }
    parts.push(summary(scan));
    parts.join("\n")
}

fn table(rows: &[Row<'_>], scan: &Scan, paint: Paint) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    let newest = if scan.plan.is_some() { "update" } else { "" };
    table.set_header(["image", "current", newest, "where"]);
    for row in rows {
        let places: Vec<String> =
            row.sites.iter().take(SITES_SHOWN).map(|site| format!("{}:{}", site.path, site.line)).collect();
        let more = row.sites.len().saturating_sub(SITES_SHOWN);
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        table.add_row([
            painted(Cell::new(row.image.familiar()), paint, |cell| cell.add_attribute(Attribute::Bold)),
            Cell::new(&row.current),
            move_cell(row, paint),
            painted(Cell::new(format!("{}{more}", places.join("\n"))), paint, |cell| cell.fg(Color::DarkGrey)),
        ]);
    }
    table
}

fn move_cell(row: &Row<'_>, paint: Paint) -> Cell {
    match (row.update, row.hold) {
        (Some(update), _) => {
            painted(Cell::new(format!("{} {}", update.kind, target(update))), paint, |cell| cell.fg(Color::Green))
        }
        (None, Some(reason)) => painted(Cell::new(format!("held: {reason}")), paint, |cell| cell.fg(Color::Yellow)),
        (None, None) => Cell::new(""),
    }
}

fn painted(cell: Cell, paint: Paint, color: impl Fn(Cell) -> Cell) -> Cell {
    if paint == Paint::Color { color(cell) } else { cell }
}

fn target(update: &Update) -> String {
    let tag = update.to.tag().map(ToString::to_string).unwrap_or_default();
    match update.to.digest() {
        Some(digest) => format!("{tag}@{}", digest.short()),
        None => tag,
    }
}

fn rows(scan: &Scan) -> Vec<Row<'_>> {
    let mut groups: BTreeMap<(&ImageName, String), Vec<&Site>> = BTreeMap::new();
    for site in &scan.walked.inventory.sites {
        groups.entry((site.reference.image(), current(site))).or_default().push(site);
    }
    groups
        .into_iter()
        .map(|((image, current), sites)| {
            let (update, hold) = scan.plan.as_ref().map_or((None, None), |plan| decided(plan, &sites));
            Row { image, current, sites, update, hold }
        })
        .collect()
}

fn decided<'a>(plan: &'a Plan, sites: &[&Site]) -> (Option<&'a Update>, Option<&'a str>) {
    let update = plan.updates.iter().find(|update| sites.contains(&&update.site));
    let hold = plan.holds.iter().find(|hold| sites.contains(&&hold.site)).map(|hold| hold.reason.as_str());
    (update, hold)
}

fn current(site: &Site) -> String {
    let tag = site.reference.tag().map(ToString::to_string);
    match (tag, site.reference.digest()) {
        (Some(tag), Some(digest)) => format!("{tag}@{}", digest.short()),
        (Some(tag), None) => tag,
        (None, Some(digest)) => digest.short(),
        (None, None) => "(no tag)".to_owned(),
    }
}

fn summary(scan: &Scan) -> String {
    let walked = &scan.walked;
    let sites = walked.inventory.sites.len();
    let updates = match &scan.plan {
        Some(plan) => format!("{} to update, ", plan.updates.len()),
        None => "no registry asked, ".to_owned(),
    };
    format!(
        "{sites} references, {updates}{} of {} files read, {} ms",
        walked.files_read, walked.files_listed, scan.elapsed_ms
    )
}

/// Markdown for a job summary.
pub(super) fn markdown(scan: &Scan) -> String {
    let mut text = "| image | current | update | where |\n|---|---|---|---|\n".to_owned();
    for row in rows(scan) {
        let update = match (row.update, row.hold) {
            (Some(update), _) => format!("{} `{}`", update.kind, target(update)),
            (None, Some(reason)) => format!("held: {}", cell(reason)),
            (None, None) => String::new(),
        };
        let first = row.sites.first().map(|site| cell(&format!("{}:{}", site.path, site.line))).unwrap_or_default();
        let more = match row.sites.len() {
            0 | 1 => String::new(),
            several => format!(" and {} more", several - 1),
        };
        text.push_str(&format!("| `{}` | `{}` | {update} | {first}{more} |\n", row.image.familiar(), row.current));
    }
    for problem in &scan.walked.inventory.problems {
        text.push_str(&format!("\n- {}:{}: {}", cell(problem.path.as_str()), problem.line, cell(&problem.message)));
    }
    format!("{text}\n{}\n", summary(scan))
}

/// Text that stays inside its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}
