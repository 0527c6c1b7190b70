//! Vulnerabilities by name: what each is, which packages have it, in which versions, and what fixes it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::vulnerabilities::{Markup, said, table};
use crate::vulnerability::{
    AffectedPackage, Assessment, Exploitation, Finding, PackageChanges, PackageMove, PackageVersion,
};

/// Vulnerabilities that are listed by name.
const MOST: usize = 30;
/// Those of several images together.
const MOST_URGENT: usize = 20;
/// Packages that are named for one vulnerability in one version.
const MOST_PACKAGES: usize = 3;
/// Versions of one vulnerability that have a row.
const MOST_VERSIONS: usize = 4;
/// The column that says what is exploited.
const EXPLOITED: usize = 2;

/// Vulnerabilities that are listed together.
pub(super) struct Group<'a> {
    pub(super) title: &'a str,
    pub(super) findings: &'a [&'a Finding],
    /// What becomes of the packages, where two images are compared.
    pub(super) packages: Option<&'a PackageChanges>,
}

/// Each vulnerability with its packages.
pub(super) fn named(group: &Group<'_>, markup: Markup) -> Vec<String> {
    let findings = group.findings;
    if findings.is_empty() {
        return Vec::new();
    }
    let installed = if group.packages.is_some() { "Installed → now" } else { "Installed" };
    let header = vec![group.title, "Severity", "Exploited", "Package", installed, "Fixed in"];
    let cells = findings.iter().take(MOST).flat_map(|finding| rows(finding, group.packages, markup)).collect();
    let mut lines = told_table(header, cells, markup);
    if let Some(more) = findings.len().checked_sub(MOST).filter(|more| *more > 0) {
        lines.push(String::new());
        lines.push(format!("and {more} more, not more urgent than these."));
    }
    lines.push(String::new());
    lines
}

/// A table of vulnerabilities, without the column that says what is exploited where none of them is known to be.
fn told_table(mut header: Vec<&str>, mut cells: Vec<Vec<String>>, markup: Markup) -> Vec<String> {
    if cells.iter().all(|row| row.get(EXPLOITED).is_none_or(String::is_empty)) {
        header.remove(EXPLOITED);
        cells.iter_mut().for_each(|row| drop(row.remove(EXPLOITED)));
    }
    table(&header.into_iter().map(str::to_owned).collect::<Vec<_>>(), &cells, markup)
}

/// One vulnerability: a row for each version that has it, with the packages of that version.
fn rows(finding: &Finding, packages: Option<&PackageChanges>, markup: Markup) -> Vec<Vec<String>> {
    let mut groups: Vec<((String, String), Vec<&str>)> = Vec::new();
    for one in &finding.packages {
        let key = (versions(one, packages, markup), fix(one, markup));
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, names)) if names.contains(&one.name.as_str()) => {}
            Some((_, names)) => names.push(&one.name),
            None => groups.push((key, vec![&one.name])),
        }
    }
    let head = [said(&finding.id, markup), finding.severity.to_string(), exploited(&finding.exploitation)];
    if groups.is_empty() {
        let nothing = [only_on(finding, markup), String::new(), "no fix known".to_owned()];
        return vec![head.into_iter().chain(nothing).collect()];
    }
    let count = groups.len();
    let row = |(at, ((versions, fix), names)): (usize, ((String, String), Vec<&str>))| {
        let head = if at == 0 { head.clone() } else { Default::default() };
        let more = names.len().saturating_sub(MOST_PACKAGES);
        let mut shown = said(&names.iter().take(MOST_PACKAGES).copied().collect::<Vec<_>>().join(", "), markup);
        if more > 0 {
            shown.push_str(&format!(" and {more} more"));
        }
        if at == 0 {
            shown.push_str(&only_on(finding, markup));
        }
        if at + 1 == MOST_VERSIONS && count > MOST_VERSIONS {
            shown.push_str(match count - MOST_VERSIONS {
                1 => "; one more version",
                _ => "; and more versions",
            });
        }
        head.into_iter().chain([shown, versions, fix]).collect()
    };
    groups.into_iter().take(MOST_VERSIONS).enumerate().map(row).collect()
}

/// The most urgent vulnerabilities of several images, each once.
pub(super) fn most_urgent(images: &[(&str, &Assessment)], markup: Markup) -> Vec<String> {
    let all = by_urgency(images);
    if all.is_empty() {
        return Vec::new();
    }
    let header = vec!["The most urgent", "Severity", "Exploited", "Package", "Installed", "Fixed in", "Image"];
    let row = |(finding, names): &(&Finding, Vec<&str>)| {
        let mut each = rows(finding, None, markup).into_iter();
        let mut cells = each.next().unwrap_or_default();
        if let (Some(installed), Some(_)) = (cells.get_mut(EXPLOITED + 2), each.next()) {
            installed.push_str(" and others");
        }
        let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
        cells.push(format!("{}{more}", said(names.first().copied().unwrap_or_default(), markup)));
        cells
    };
    let mut lines = told_table(header, all.iter().take(MOST_URGENT).map(row).collect(), markup);
    let more = all.len().saturating_sub(MOST_URGENT);
    let more = if more > 0 { format!("and {more} more; ") } else { String::new() };
    let how = said("restow explain IMAGE --vulnerabilities", markup);
    lines.extend([
        String::new(),
        format!("{more}{how} tells of one image, {json} of all.", json = said("--format json", markup)),
        String::new(),
    ]);
    lines
}

/// Each vulnerability as it is where it is the worst, with the images that have it, that image first; the most urgent
/// first.
fn by_urgency<'a>(images: &[(&'a str, &'a Assessment)]) -> Vec<(&'a Finding, Vec<&'a str>)> {
    let urgency = |one: &Finding| (one.is_exploited(), one.severity, one.exploitation.epss);
    let mut all: BTreeMap<&str, (&Finding, Vec<&str>)> = BTreeMap::new();
    for (name, one) in images {
        for finding in &one.findings {
            let (worst, names) = all.entry(&finding.id).or_insert_with(|| (finding, Vec::new()));
            if urgency(finding) > urgency(worst) {
                *worst = finding;
                names.insert(0, name);
            } else {
                names.push(name);
            }
        }
    }
    let mut all: Vec<(&Finding, Vec<&str>)> = all.into_values().collect();
    all.sort_by_key(|(one, _)| Reverse(urgency(one)));
    all
}

/// The version without it; without one, what the distribution decided.
fn fix(one: &AffectedPackage, markup: Markup) -> String {
    match (&one.fixed, one.triage) {
        (Some(fixed), Some(triage)) => format!("{} ({triage})", said(fixed, markup)),
        (Some(fixed), None) => said(fixed, markup),
        (None, Some(triage)) => format!("no fix known ({triage})"),
        (None, None) => "no fix known".to_owned(),
    }
}

/// Where it is, where it is not on all platforms that were looked at.
fn only_on(finding: &Finding, markup: Markup) -> String {
    match finding.platforms.is_empty() {
        true => String::new(),
        false => {
            let platforms: Vec<String> = finding.platforms.iter().map(|one| said(one, markup)).collect();
            format!(" (only {})", platforms.join(", "))
        }
    }
}

/// The version that has the vulnerability, and what becomes of it or was before.
fn versions(one: &AffectedPackage, packages: Option<&PackageChanges>, markup: Markup) -> String {
    let alone = said(&one.installed, markup);
    let Some(packages) = packages else { return alone };
    let of = |moved: &&PackageMove| moved.name == one.name;
    let names = |versions: &str| versions.split(", ").any(|version| version == one.installed);
    // Platforms may have it in versions of their own.
    let exact = packages.changed.iter().filter(of).find(|moved| names(&moved.from) || names(&moved.to));
    if let Some(moved) = exact.or_else(|| packages.changed.iter().find(of)) {
        return format!("{} → {}", said(&moved.from, markup), said(&moved.to, markup));
    }
    let among = |all: &[PackageVersion]| all.iter().any(|other| other.name == one.name);
    match (among(&packages.removed), among(&packages.added)) {
        (true, _) => format!("{alone} → removed"),
        (_, true) => format!("new → {alone}"),
        (false, false) => alone,
    }
}

/// `in KEV since 2024-03-29, EPSS 94.4 %`.
fn exploited(known: &Exploitation) -> String {
    let kev = known.kev.as_deref().map(|since| {
        let ransomware = if known.ransomware { ", by ransomware" } else { "" };
        // Others' text, of which a date has only these.
        let since: String = since.chars().filter(|c| c.is_ascii_digit() || *c == '-').take(10).collect();
        format!("in KEV since {since}{ransomware}")
    });
    let epss = known.epss_percent().map(|percent| format!("EPSS {percent}"));
    kev.into_iter().chain(epss).collect::<Vec<_>>().join("; ")
}
