//! The table and the Markdown of a scan.

use std::collections::BTreeMap;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};

use super::Scan;
use crate::cli::output::{Paint, counted};
use crate::formats::Site;
use crate::image::ImageName;
use crate::plan::{HoldCode, Standing, Update};
use crate::repo::FilePath;
use crate::report::{Markup, vulnerability_changes, vulnerability_overview};
use crate::vulnerability::{Change, Determination};

/// Sites of an image named in full; of more, the count.
const SITES_SHOWN: usize = 5;

/// One image at one tag with one fate: its sites and what they could move to.
struct Row<'a> {
    image: &'a ImageName,
    current: String,
    verdict: Verdict,
    sites: Vec<&'a Site>,
}

/// What becomes of a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// It can move: the kind and where to; and what else is there, the newest of each kind.
    Move { best: String, others: Vec<String> },
    /// It stays: why.
    Held(String),
    /// It is not known whether something newer is there; the reasons stand below the table.
    NotDetermined,
    /// Nothing newer is there.
    Newest,
    /// No registry was asked.
    NotAsked,
}

impl Verdict {
    fn text(&self) -> String {
        match self {
            Self::Move { best, .. } => best.clone(),
            Self::Held(reason) => format!("held: {reason}"),
            Self::NotDetermined => "not determined".to_owned(),
            Self::Newest => "nothing newer".to_owned(),
            Self::NotAsked => String::new(),
        }
    }

    fn others(&self) -> &[String] {
        match self {
            Self::Move { others, .. } => others,
            Self::Held(_) | Self::NotDetermined | Self::Newest | Self::NotAsked => &[],
        }
    }
}

/// The table for people, grouped by image.
pub(super) fn human(scan: &Scan, paint: Paint) -> String {
    let rows = rows(scan);
    let mut parts = Vec::new();
    if !rows.is_empty() {
        parts.push(table(&rows, scan, paint).to_string());
    }
    parts.extend(
        not_determined(scan)
            .into_iter()
            .map(|(reason, sites)| format!("not determined, {}: {reason}", counted(sites, "reference"))),
    );
    for problem in &scan.walked.inventory.problems {
        parts.push(format!("{}:{}: {}", problem.path, problem.line, problem.message));
    }
    parts.push(summary(scan));
    if let Some(known) = &scan.vulnerabilities {
        parts.push(format!("\n{}", vulnerability_overview(&named(known), Markup::Plain)));
        parts.extend(changes(scan, Markup::Plain).map(|table| format!("\n{table}")));
    }
    parts.join("\n")
}

fn table(rows: &[Row<'_>], scan: &Scan, paint: Paint) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if paint == Paint::Color {
        // Whoever asks for colours gets them in a pipe, too.
        table.enforce_styling();
    }
    let asked = scan.plan.is_some();
    let others = rows.iter().any(|row| !row.verdict.others().is_empty());
    let columns = [("image", true), ("current", true), ("update", asked), ("also there", others), ("where", true)];
    table.set_header(columns.iter().filter(|(_, shown)| *shown).map(|(name, _)| *name));
    for row in rows {
        let places: Vec<String> =
            row.sites.iter().take(SITES_SHOWN).map(|site| format!("{}:{}", site.path, site.line)).collect();
        let more = row.sites.len().saturating_sub(SITES_SHOWN);
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        let mut cells = vec![
            painted(Cell::new(row.image.familiar()), paint, |cell| cell.add_attribute(Attribute::Bold)),
            Cell::new(&row.current),
        ];
        if asked {
            cells.push(move_cell(&row.verdict, paint));
        }
        if others {
            cells.push(Cell::new(row.verdict.others().join("\n")));
        }
        cells.push(painted(Cell::new(format!("{}{more}", places.join("\n"))), paint, |cell| cell.fg(Color::DarkGrey)));
        table.add_row(cells);
    }
    table
}

fn move_cell(verdict: &Verdict, paint: Paint) -> Cell {
    let cell = Cell::new(verdict.text());
    match verdict {
        Verdict::Move { .. } => painted(cell, paint, |cell| cell.fg(Color::Green)),
        Verdict::Held(_) | Verdict::NotDetermined => painted(cell, paint, |cell| cell.fg(Color::Yellow)),
        Verdict::Newest | Verdict::NotAsked => cell,
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
    let verdicts = verdicts(scan);
    let mut groups: BTreeMap<(&ImageName, String, Verdict), Vec<&Site>> = BTreeMap::new();
    for site in &scan.walked.inventory.sites {
        let verdict = verdicts.get(&place(site)).cloned().unwrap_or(match scan.plan {
            Some(_) => Verdict::Newest,
            None => Verdict::NotAsked,
        });
        groups.entry((site.reference.image(), current(site), verdict)).or_default().push(site);
    }
    groups.into_iter().map(|((image, current, verdict), sites)| Row { image, current, verdict, sites }).collect()
}

/// Where a site stands, which no other shares.
fn place(site: &Site) -> (&FilePath, u32, u32) {
    (&site.path, site.line, site.column)
}

/// What becomes of each site that moves or is held; a move counts more than what holds another one back.
fn verdicts(scan: &Scan) -> BTreeMap<(&FilePath, u32, u32), Verdict> {
    let mut verdicts = BTreeMap::new();
    let Some(plan) = &scan.plan else { return verdicts };
    for hold in &plan.holds {
        let verdict = match hold.code {
            HoldCode::RegistryUnavailable => Verdict::NotDetermined,
            _ => Verdict::Held(hold.reason.clone()),
        };
        verdicts.insert(place(&hold.site), verdict);
    }
    for update in &plan.updates {
        let others = update.alternatives.iter().map(|other| format!("{} {}", other.kind, other.tag)).collect();
        let best = format!("{} {}", update.kind, target(update));
        verdicts.insert(place(&update.site), Verdict::Move { best, others });
    }
    verdicts
}

/// Why registries gave no answer, each reason once, with how many references it concerns.
pub(super) fn not_determined(scan: &Scan) -> BTreeMap<&str, usize> {
    let mut reasons = BTreeMap::new();
    let holds = scan.plan.iter().flat_map(|plan| &plan.holds);
    for hold in holds.filter(|hold| hold.code == HoldCode::RegistryUnavailable) {
        *reasons.entry(hold.reason.as_str()).or_default() += 1;
    }
    reasons
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
    let updates = match &scan.plan {
        Some(plan) => {
            let unknown = scan.unanswered();
            let unknown = if unknown > 0 { format!("{unknown} not determined, ") } else { String::new() };
            format!("{} to update, {unknown}", plan.updates.len())
        }
        None => "no registry asked, ".to_owned(),
    };
    let sites = counted(walked.inventory.sites.len(), "reference");
    format!(
        "{sites}, {updates}{} of {} read, {} ms",
        walked.files_read,
        counted(walked.files_listed, "file"),
        scan.elapsed_ms
    )
}

/// Markdown for a job summary.
pub(super) fn markdown(scan: &Scan) -> String {
    let mut text = "| image | current | update | also there | where |\n|---|---|---|---|---|\n".to_owned();
    for row in rows(scan) {
        let update = match &row.verdict {
            Verdict::Move { best, .. } => format!("`{best}`"),
            other => cell(&other.text()),
        };
        let first = row.sites.first().map(|site| cell(&format!("{}:{}", site.path, site.line))).unwrap_or_default();
        let more = match row.sites.len() {
            0 | 1 => String::new(),
            several => format!(" and {} more", several - 1),
        };
        let others: Vec<String> = row.verdict.others().iter().map(|other| format!("`{other}`")).collect();
        let (image, others) = (row.image.familiar(), others.join(", "));
        text.push_str(&format!("| `{image}` | `{}` | {update} | {others} | {first}{more} |\n", row.current));
    }
    for (reason, sites) in not_determined(scan) {
        text.push_str(&format!("\n- not determined, {}: {}", counted(sites, "reference"), cell(reason)));
    }
    for problem in &scan.walked.inventory.problems {
        text.push_str(&format!("\n- {}:{}: {}", cell(problem.path.as_str()), problem.line, cell(&problem.message)));
    }
    let text = format!("{text}\n\n{}\n", summary(scan));
    match &scan.vulnerabilities {
        Some(known) => {
            let overview = vulnerability_overview(&named(known), Markup::Markdown);
            let changes = changes(scan, Markup::Markdown).map(|table| format!("\n{table}\n")).unwrap_or_default();
            format!("{text}\n{overview}\n{changes}")
        }
        None => text,
    }
}

/// What the updates do to the known vulnerabilities, each move once.
fn changes(scan: &Scan, markup: Markup) -> Option<String> {
    let updates = scan.plan.iter().flat_map(|plan| &plan.updates);
    let moves = updates.filter_map(|update| {
        let name =
            format!("{}:{} to {}", update.site.reference.image().familiar(), current(&update.site), target(update));
        Some((name, update.vulnerabilities.as_deref()?))
    });
    let moves: Vec<(String, &Change)> = moves.collect::<BTreeMap<_, _>>().into_iter().collect();
    (!moves.is_empty()).then(|| vulnerability_changes(&moves, markup))
}

/// What is known, by the images' names for people.
fn named(known: &Standing) -> Vec<(String, &Determination)> {
    known.iter().map(|(subject, known)| (subject.familiar(), known)).collect()
}

/// Text that stays inside its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}
