//! The known vulnerabilities of a scan's images, in the scan's JSON and SARIF.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Scan;
use super::json::result;
use crate::plan::Subject;
use crate::vulnerability::{
    AffectedPackage, Assessment, Change, Determination, Finding, Severity, SupportEnd, Suppressed,
};

/// Results of one run that GitHub's code scanning shows. Source: GitHub, "SARIF support for code scanning", limits.
const MOST_RESULTS: usize = 5000;

/// What is known of one image: `null` where nobody asked.
pub(super) fn known(known: Option<&Determination>) -> Value {
    match known {
        None => Value::Null,
        Some(Determination::Not(reason)) => json!({ "determined": false, "reason": reason }),
        Some(Determination::Known(one)) => assessment(one),
    }
}

/// What an update does to the known vulnerabilities.
pub(super) fn change(change: &Change) -> Value {
    let Some(difference) = change.difference() else {
        let reason = [&change.before, &change.after].into_iter().find_map(|side| match side {
            Determination::Not(reason) => Some(reason),
            Determination::Known(_) => None,
        });
        return json!({ "determined": false, "reason": reason });
    };
    let all = |findings: &[&Finding]| findings.iter().map(|one| finding(one)).collect::<Vec<_>>();
    json!({
        "determined": true,
        "removed": all(&difference.fixed),
        "added": all(&difference.introduced),
        "remaining": difference.remaining.len(),
        "cautions": difference.cautions,
        "packages": change.packages,
    })
}

fn assessment(one: &Assessment) -> Value {
    json!({
        "determined": true,
        "platform": one.platform,
        "distribution": one.distribution,
        "packages": one.packages,
        "whole": one.is_whole,
        "list": one.list.describe(),
        "source": one.data.name,
        "as_of": one.data.as_of.to_string(),
        "gaps": one.gaps,
        "findings": one.findings.iter().map(finding).collect::<Vec<_>>(),
        "suppressed": one.suppressed.iter().map(suppressed).collect::<Vec<_>>(),
        "untrusted_vex": one.untrusted,
        "ends": one.ends.iter().map(end).collect::<Vec<_>>(),
    })
}

/// A finding that VEX takes away, and who says so.
fn suppressed(one: &Suppressed) -> Value {
    let mut shown = finding(&one.finding);
    shown["vex"] = json!({
        "status": one.status,
        "justification": one.justification,
        "author": one.author,
        "origin": one.origin.to_string(),
        "at": one.at.map(|at| at.to_string()),
    });
    shown
}

fn end(one: &SupportEnd) -> Value {
    json!({
        "what": one.what,
        "date": one.day.map(|day| day.to_string().chars().take(10).collect::<String>()),
        "ended": one.ended,
        "days_left": one.days_left,
    })
}

fn finding(one: &Finding) -> Value {
    json!({
        "id": one.id,
        "severity": one.severity,
        "summary": one.summary,
        "exploited_since": one.exploitation.kev,
        "epss": one.exploitation.epss.map(|millionths| f64::from(millionths) / 1e6),
        "advisories": one.advisories,
        "packages": one.packages,
        "platforms": one.platforms,
    })
}

/// Each vulnerability at each place that names the image, the most urgent first; how many there are; the rules that
/// the results name.
pub(super) fn sarif(scan: &Scan) -> (Vec<Value>, usize, Vec<Value>) {
    let mut all: Vec<(&Finding, Value)> = Vec::new();
    for site in &scan.walked.inventory.sites {
        let known = scan.vulnerabilities.as_ref().and_then(|known| known.get(&Subject::of(&site.reference)));
        let Some(assessment) = known.and_then(Determination::assessment) else { continue };
        for finding in &assessment.findings {
            let text = message(&site.reference.to_string(), finding);
            let place = (site.path.as_str(), site.line);
            all.push((finding, result(&finding.id, level(finding.severity), &text, place.0, place.1)));
        }
        for one in &assessment.suppressed {
            let text = message(&site.reference.to_string(), &one.finding);
            let place = (site.path.as_str(), site.line);
            let mut shown = result(&one.finding.id, level(one.finding.severity), &text, place.0, place.1);
            shown["suppressions"] = json!([suppression(one)]);
            all.push((&one.finding, shown));
        }
    }
    all.sort_by_key(|(finding, _)| std::cmp::Reverse((finding.is_exploited(), finding.severity)));
    let count = all.len();
    all.truncate(MOST_RESULTS);
    let rules: BTreeMap<&str, Value> = all.iter().map(|(finding, _)| (finding.id.as_str(), rule(finding))).collect();
    let rules = rules.into_values().collect();
    (all.into_iter().map(|(_, result)| result).collect(), count, rules)
}

/// Source: SARIF 2.1.0, section 3.35, "suppression object": it was decided outside of the source code, and accepted.
fn suppression(one: &Suppressed) -> Value {
    let why = if one.justification.is_empty() { String::new() } else { format!(" ({})", one.justification) };
    json!({
        "kind": "external",
        "status": "accepted",
        "justification": format!("{} says {}{why}; {}", one.author, one.status, one.origin),
    })
}

fn message(image: &str, finding: &Finding) -> String {
    let package = |one: &AffectedPackage| match &one.fixed {
        Some(fixed) => format!("{} {} (fixed in {fixed})", one.name, one.installed),
        None => format!("{} {} (no fix known)", one.name, one.installed),
    };
    let packages: Vec<String> = finding.packages.iter().take(3).map(package).collect();
    let more = finding.packages.len().saturating_sub(packages.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let exploited = if finding.is_exploited() { ", known to be exploited" } else { "" };
    let only: Vec<&str> = finding.platforms.iter().map(String::as_str).collect();
    let only = if only.is_empty() { String::new() } else { format!(", only {}", only.join(", ")) };
    format!("{image} has {} ({}{exploited}{only}): {}{more}", finding.id, finding.severity, packages.join(", "))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Negligible | Severity::Unknown => "note",
    }
}

/// A rule with the number by which code scanning sorts: the middle of what the word stands for; none where nobody says.
fn rule(finding: &Finding) -> Value {
    let score = match finding.severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.0"),
        Severity::Negligible => Some("0.1"),
        Severity::Unknown => None,
    };
    let mut properties = json!({ "tags": ["security"] });
    if let Some(score) = score {
        properties["security-severity"] = Value::from(score);
    }
    let text = if finding.summary.is_empty() { &finding.id } else { &finding.summary };
    json!({ "id": finding.id, "shortDescription": { "text": text }, "properties": properties })
}
