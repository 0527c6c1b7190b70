//! What an update does to the known vulnerabilities: counts before and after, then each, the worst first.

use std::collections::BTreeSet;

use super::dates::day;
use super::findings::{Group, most_urgent, named};
use super::markdown::code;
use super::vex;
use crate::vulnerability::{
    Assessment, Change, DataSource, Determination, Difference, Finding, PackageChanges, Severity, Suppressed,
    difference,
};

/// Packages that a folded table shows.
const MOST_PACKAGE_ROWS: usize = 100;

/// How texts are marked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Markup {
    /// For a terminal.
    Plain,
    /// For GitHub.
    Markdown,
}

/// What is known of one image.
pub fn vulnerabilities(known: &Determination, markup: Markup) -> String {
    let lines = match known {
        Determination::Known(one) => alone(one, markup),
        Determination::Not(reason) => {
            vec![format!("Known vulnerabilities: not determined: {}.", said(reason, markup))]
        }
    };
    lines.join("\n")
}

/// How much is told of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fullness {
    /// All of it.
    Whole,
    /// Without what stays, and of the packages only how many change.
    Brief,
}

/// The comparison of two images.
pub fn vulnerability_change(change: &Change, fullness: Fullness, markup: Markup) -> String {
    let not =
        |side: &str, reason: &str| vec![format!("{side}: not determined: {}.", said(reason, markup)), String::new()];
    let beside = |side: &str, known: &Assessment| [vec![format!("{side}:")], alone(known, markup)].concat();
    let lines = match (&change.before, &change.after) {
        (Determination::Known(before), Determination::Known(after)) => {
            let mut lines = compared((before, after), change.packages.as_ref(), fullness, markup);
            lines.extend(change.packages.iter().flat_map(|packages| package_lines(packages, fullness, markup)));
            lines
        }
        (Determination::Known(before), Determination::Not(reason)) => {
            [not("The new image", reason), beside("The present image", before)].concat()
        }
        (Determination::Not(reason), Determination::Known(after)) => {
            [not("The present image", reason), beside("The new image", after)].concat()
        }
        (Determination::Not(reason), Determination::Not(_)) => {
            vec![format!("Known vulnerabilities: not determined: {}.", said(reason, markup))]
        }
    };
    lines.join("\n")
}

/// What is known of several images, a line for each, the worst first.
pub fn vulnerability_overview(images: &[(String, &Determination)], markup: Markup) -> String {
    let mut known: Vec<(&str, &Assessment)> =
        images.iter().filter_map(|(name, one)| Some((name.as_str(), one.assessment()?))).collect();
    let exploited = |one: &Assessment| one.findings.iter().filter(|finding| finding.is_exploited()).count();
    let counts = |one: &Assessment| Severity::ALL.map(|severity| one.count(severity));
    known.sort_by_key(|(_, one)| std::cmp::Reverse((exploited(one), counts(one))));
    let severities = Severity::ALL.iter().map(ToString::to_string);
    let suppresses = known.iter().any(|(_, one)| !one.suppressed.is_empty());
    let last = ["exploited"].into_iter().chain(suppresses.then_some("suppressed")).map(str::to_owned);
    let header: Vec<String> =
        std::iter::once("Known vulnerabilities".to_owned()).chain(severities).chain(last).collect();
    let row = |(name, one): &(&str, &Assessment)| {
        let exploited = if one.knows_exploited { at_least(one, exploited(one)) } else { "?".to_owned() };
        let suppressed = suppresses.then(|| one.hidden().len().to_string());
        let counted = counts(one).into_iter().map(|count| at_least(one, count)).chain([exploited]).chain(suppressed);
        std::iter::once(said(name, markup)).chain(counted).collect()
    };
    let rows: Vec<Vec<String>> = known.iter().map(row).collect();
    let mut lines = if rows.is_empty() { Vec::new() } else { table(&header, &rows, markup) };
    lines.push(String::new());
    lines.extend(most_urgent(&known, markup));
    let not = images.iter().filter_map(|(name, one)| match one {
        Determination::Not(reason) => Some((name, reason)),
        Determination::Known(_) => None,
    });
    lines.extend(not.map(|(name, reason)| {
        format!("{}{}: not determined: {}.", bullet(markup), said(name, markup), said(reason, markup))
    }));
    for (name, one) in known.iter().filter(|(_, one)| !one.is_whole) {
        let gaps = one.gaps.iter().map(|gap| said(gap, markup)).collect::<Vec<_>>().join("; ");
        lines.push(format!("{}{}: known in part; not determined: {gaps}.", bullet(markup), said(name, markup)));
    }
    if lines.last().is_some_and(|line| !line.is_empty()) {
        lines.push(String::new());
    }
    for (name, one) in &known {
        let mut about = vex::suppressed(&one.suppressed.iter().collect::<Vec<_>>(), markup);
        about.extend(vex::untrusted(&[*one], markup));
        about.extend(vex::ends(&[*one], markup));
        if !about.is_empty() {
            lines.extend([format!("{}:", said(name, markup)), String::new()]);
            lines.extend(about);
            lines.push(String::new());
        }
    }
    lines.extend(also_held_against(&known.iter().map(|(_, one)| *one).collect::<Vec<_>>(), markup));
    let sources: BTreeSet<String> = known.iter().map(|(_, one)| advisories(one, markup)).collect();
    lines.extend(sources);
    lines.join("\n")
}

/// What several updates do to the known vulnerabilities, a line for each, what removes the worst first.
pub fn vulnerability_changes(updates: &[(String, &Change)], markup: Markup) -> String {
    let mut compared: Vec<(&str, Difference<'_>)> =
        updates.iter().filter_map(|(name, change)| Some((name.as_str(), change.difference()?))).collect();
    let worst = |findings: &[&Finding]| findings.first().map(|one| (one.is_exploited(), one.severity));
    compared.sort_by_key(|(_, change)| std::cmp::Reverse((worst(&change.fixed), change.fixed.len())));
    let header = ["What updates change", "removed", "added", "stay", "the worst removed", "the worst added"];
    let first = |findings: &[&Finding]| {
        findings.first().map(|one| format!("{} ({})", said(&one.id, markup), one.severity)).unwrap_or_default()
    };
    let row = |(name, change): &(&str, Difference<'_>)| {
        let counts = [&change.fixed, &change.introduced, &change.remaining].map(|all| all.len().to_string());
        let named = [first(&change.fixed), first(&change.introduced)];
        std::iter::once(said(name, markup)).chain(counts).chain(named).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = compared.iter().map(row).collect();
    let mut lines = if rows.is_empty() { Vec::new() } else { table(&header.map(str::to_owned), &rows, markup) };
    if rows.len() < updates.len() {
        lines.push(String::new());
        lines.push(format!("{} of {} updates could not be compared.", updates.len() - rows.len(), updates.len()));
    }
    lines.join("\n")
}

/// A count, as far as it can be told: `3+` where there may be more, `?` where none was found and some may be there.
pub(super) fn at_least(one: &Assessment, count: usize) -> String {
    match (one.is_whole, count) {
        (true, _) => count.to_string(),
        (false, 0) => "?".to_owned(),
        (false, _) => format!("{count}+"),
    }
}

pub(super) fn bullet(markup: Markup) -> &'static str {
    if markup == Markup::Markdown { "- " } else { "" }
}

fn advisories(one: &Assessment, markup: Markup) -> String {
    format!("{}Advisories: {}.", bullet(markup), dated(&one.data, markup))
}

/// What these were held against besides advisories, in a line; nothing where there is nothing.
fn also_held_against(all: &[&Assessment], markup: Markup) -> Option<String> {
    let beside: BTreeSet<String> = all.iter().flat_map(|one| &one.beside).map(|one| dated(one, markup)).collect();
    let told = beside.into_iter().collect::<Vec<_>>().join("; ");
    (!told.is_empty()).then(|| format!("{}Also held against: {told}.", bullet(markup)))
}

/// A source, and of when it is.
fn dated(source: &DataSource, markup: Markup) -> String {
    format!("{}, as of {}", said(&source.name, markup), day(source.as_of))
}

/// Others' words: code in Markdown, so that they do nothing there.
pub(super) fn said(text: &str, markup: Markup) -> String {
    match markup {
        Markup::Plain => text.chars().filter(|c| !c.is_control()).collect(),
        Markup::Markdown => code(text),
    }
}

fn compared(
    (before, after): (&Assessment, &Assessment),
    packages: Option<&PackageChanges>,
    fullness: Fullness,
    markup: Markup,
) -> Vec<String> {
    let change = difference(before, after);
    let mut lines = counts(&change, before.is_whole && after.is_whole, markup);
    lines.push(String::new());
    lines.extend(named(&Group { title: "Removed", findings: &change.fixed, packages }, markup));
    lines.extend(named(&Group { title: "Added", findings: &change.introduced, packages }, markup));
    if fullness == Fullness::Whole {
        lines.extend(staying(&change, packages, markup));
    }
    lines.extend(vex::suppressed(&all_suppressed(before, after), markup));
    lines.extend(vex::untrusted(&[before, after], markup));
    lines.extend(vex::ends(&[before, after], markup));
    if !change.cautions.is_empty() {
        lines.extend(change.cautions.iter().map(|caution| format!("Compare with care: {caution}.")));
        lines.push(String::new());
    }
    lines.extend(sources(&[("Present image", before), ("New image", after)], markup));
    lines
}

/// What the update does nothing about; in Markdown it is folded.
fn staying(change: &Difference<'_>, packages: Option<&PackageChanges>, markup: Markup) -> Vec<String> {
    let stays = named(&Group { title: "Stays", findings: &change.remaining, packages }, markup);
    if stays.is_empty() || markup == Markup::Plain {
        return stays;
    }
    let head = format!("<details><summary>Stay: {}</summary>", change.remaining.len());
    let tail = ["</details>".to_owned(), String::new()];
    [head, String::new()].into_iter().chain(stays).chain(tail).collect()
}

/// What is taken away in either image, each once.
fn all_suppressed<'a>(before: &'a Assessment, after: &'a Assessment) -> Vec<&'a Suppressed> {
    let mut all: Vec<&Suppressed> = after.suppressed.iter().collect();
    let there: BTreeSet<&str> = all.iter().map(|one| one.finding.id.as_str()).collect();
    all.extend(before.suppressed.iter().filter(|one| !there.contains(one.finding.id.as_str())));
    all
}

/// Nothing found in a part of an image is no zero.
const NOTHING_IN_PART: &str = "None found in what could be looked at; what could not is named below.";

fn counts(change: &Difference<'_>, is_whole: bool, markup: Markup) -> Vec<String> {
    let counts = change.counts();
    match (counts.is_empty(), is_whole) {
        (true, true) => return vec!["No known vulnerabilities, before and after.".to_owned()],
        (true, false) => return vec![NOTHING_IN_PART.to_owned()],
        (false, _) => {}
    }
    let suppresses = (!change.suppressed.is_empty()).then_some("Suppressed");
    let header = ["Severity", "Before", "After", "Removed", "Added"].into_iter().chain(suppresses).map(str::to_owned);
    let row = |(severity, counts): &(Severity, crate::vulnerability::SeverityCounts)| {
        let counted = [counts.before, counts.after, counts.fixed, counts.introduced];
        let counted = counted.into_iter().chain(suppresses.map(|_| counts.suppressed)).map(|count| count.to_string());
        std::iter::once(severity.to_string()).chain(counted).collect()
    };
    table(&header.collect::<Vec<_>>(), &counts.iter().map(row).collect::<Vec<_>>(), markup)
}

fn alone(one: &Assessment, markup: Markup) -> Vec<String> {
    let mut lines = Vec::new();
    let hidden = one.hidden();
    if one.findings.is_empty() {
        lines.push(match (hidden.len(), one.is_whole) {
            (0, true) => "No known vulnerabilities.".to_owned(),
            (0, false) => NOTHING_IN_PART.to_owned(),
            (count, true) => format!("No known vulnerabilities but {count} that VEX takes away."),
            (count, false) => format!("{NOTHING_IN_PART} VEX takes {count} away."),
        });
        lines.push(String::new());
    } else {
        let of = |severity: Severity| hidden.values().filter(|one| one.finding.severity == severity).count();
        let suppresses = (!hidden.is_empty()).then_some("Suppressed");
        let header = ["Severity", "Known"].into_iter().chain(suppresses).map(str::to_owned);
        let rows: Vec<Vec<String>> = Severity::ALL
            .into_iter()
            .map(|severity| (severity, one.count(severity), of(severity)))
            .filter(|(_, known, hidden)| known + hidden > 0)
            .map(|(severity, known, hidden)| {
                let counts = std::iter::once(known).chain(suppresses.map(|_| hidden)).map(|count| count.to_string());
                std::iter::once(severity.to_string()).chain(counts).collect()
            })
            .collect();
        lines.extend(table(&header.collect::<Vec<_>>(), &rows, markup));
        lines.push(String::new());
        let findings: Vec<&Finding> = one.findings.iter().collect();
        lines.extend(named(&Group { title: "Known", findings: &findings, packages: None }, markup));
    }
    lines.extend(vex::suppressed(&one.suppressed.iter().collect::<Vec<_>>(), markup));
    lines.extend(vex::untrusted(&[one], markup));
    lines.extend(vex::ends(&[one], markup));
    lines.extend(sources(&[("Image", one)], markup));
    lines
}

/// What becomes of the packages: a line, and in Markdown a table below it that is folded.
fn package_lines(packages: &PackageChanges, fullness: Fullness, markup: Markup) -> Vec<String> {
    if packages.is_empty() {
        return vec![format!("{}Packages: the same in both.", bullet(markup))];
    }
    let (added, removed, changed) = (packages.added.len(), packages.removed.len(), packages.changed.len());
    let line = format!("Packages: {changed} changed, {added} added, {removed} removed");
    if markup == Markup::Plain || fullness == Fullness::Brief {
        return vec![format!("{}{line}.", bullet(markup))];
    }
    let cell = |text: &str| said(text, markup);
    let moved = packages.changed.iter().map(|one| vec![cell(&one.name), cell(&one.from), cell(&one.to)]);
    let gone = packages.removed.iter().map(|one| vec![cell(&one.name), cell(&one.version), "removed".to_owned()]);
    let new = packages.added.iter().map(|one| vec![cell(&one.name), "new".to_owned(), cell(&one.version)]);
    let rows: Vec<Vec<String>> = moved.chain(gone).chain(new).take(MOST_PACKAGE_ROWS).collect();
    let mut lines = vec![String::new(), format!("<details><summary>{line}</summary>"), String::new()];
    lines.extend(table(&["Package", "From", "To"].map(str::to_owned), &rows, markup));
    if let Some(more) = packages.len().checked_sub(MOST_PACKAGE_ROWS).filter(|more| *more > 0) {
        lines.extend([String::new(), format!("and {more} more")]);
    }
    lines.extend([String::new(), "</details>".to_owned()]);
    lines
}

/// From what this is known, and what is not.
fn sources(sides: &[(&str, &Assessment)], markup: Markup) -> Vec<String> {
    let bullet = bullet(markup);
    let mut lines = Vec::new();
    for (name, one) in sides {
        let of = one.distribution.as_ref().map(|of| format!(" of {}", said(of, markup))).unwrap_or_default();
        let (packages, platform) = (one.packages, said(&one.platform, markup));
        let list = said(&one.list.describe(), markup);
        if one.list.is_scanned() {
            lines.push(format!("{bullet}{name}: scanned by {list}{of}, for {platform}."));
            continue;
        }
        let (noun, whose) = if packages == 1 { ("package", "its") } else { ("packages", "their") };
        lines.push(format!("{bullet}{name}: {packages} {noun}{of}, for {platform}; {whose} list: {list}."));
    }
    let gaps: BTreeSet<&str> = sides.iter().flat_map(|(_, one)| &one.gaps).map(String::as_str).collect();
    lines.extend(gaps.into_iter().map(|gap| format!("{bullet}Not determined: {}.", said(gap, markup))));
    lines.extend(also_held_against(&sides.iter().map(|(_, one)| *one).collect::<Vec<_>>(), markup));
    if let Some((_, one)) = sides.first() {
        lines.push(advisories(one, markup));
    }
    lines
}

pub(super) fn table(header: &[String], rows: &[Vec<String>], markup: Markup) -> Vec<String> {
    match markup {
        Markup::Markdown => {
            let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
            let rule = format!("|{}", "---|".repeat(header.len()));
            [line(header), rule].into_iter().chain(rows.iter().map(|row| line(row))).collect()
        }
        Markup::Plain => {
            let width = |column: usize| {
                let cells = rows.iter().map(|row| &row[column]).chain([&header[column]]);
                cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
            };
            let widths: Vec<usize> = (0..header.len()).map(width).collect();
            let line = |cells: &[String]| {
                let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
                cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
            };
            std::iter::once(line(header)).chain(rows.iter().map(|row| line(row))).collect()
        }
    }
}
