//! What else an image could move to, with what is known of each: so that newest and best can be told apart.

use super::vulnerabilities::{Markup, at_least, said, table};
use crate::plan::ChangeSet;
use crate::policy::UpdateKind;
use crate::vulnerability::{Determination, Severity};

/// The severities that have a column; the others share one.
const SHOWN: [Severity; 4] = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
const OTHERS: [Severity; 2] = [Severity::Negligible, Severity::Unknown];
/// Alternatives of a change set that are listed.
const MOST: usize = 10;

/// One image among those that could stand there.
#[derive(Debug, Clone)]
pub struct Choice {
    /// How it comes: `minor`, `stands there`.
    pub how: String,
    /// Its tag.
    pub tag: String,
    /// What is known of it.
    pub known: Determination,
}

/// How many known vulnerabilities of each severity each of them has.
pub fn choices(all: &[Choice], markup: Markup) -> String {
    let severities = SHOWN.iter().map(ToString::to_string);
    let last = ["other", "exploited"].map(str::to_owned);
    let header: Vec<String> = ["Move", "Tag"].map(str::to_owned).into_iter().chain(severities).chain(last).collect();
    let rows: Vec<Vec<String>> = all.iter().map(|one| row(one, markup)).collect();
    let mut lines = table(&header, &rows, markup);
    let unknown: Vec<String> = all.iter().filter_map(|one| not_determined(one, markup)).collect();
    if !unknown.is_empty() {
        lines.push(String::new());
        lines.extend(unknown);
    }
    lines.join("\n")
}

fn row(one: &Choice, markup: Markup) -> Vec<String> {
    let mut cells = vec![one.how.clone(), said(&one.tag, markup)];
    match &one.known {
        Determination::Known(known) => {
            cells.extend(SHOWN.iter().map(|severity| at_least(known, known.count(*severity))));
            let others = OTHERS.iter().map(|severity| known.count(*severity)).sum();
            cells.push(at_least(known, others));
            let exploited = known.findings.iter().filter(|finding| finding.is_exploited()).count();
            cells.push(if known.knows_exploited { at_least(known, exploited) } else { "?".to_owned() });
        }
        Determination::Not(_) => cells.extend(std::iter::repeat_n("?".to_owned(), SHOWN.len() + 2)),
    }
    cells
}

fn not_determined(one: &Choice, markup: Markup) -> Option<String> {
    match &one.known {
        Determination::Known(_) => None,
        Determination::Not(reason) => Some(format!(
            "{}{}: not determined: {}.",
            super::vulnerabilities::bullet(markup),
            said(&one.tag, markup),
            said(reason, markup)
        )),
    }
}

/// The section of a pull request: what else is there, and where it was looked at, what each has.
pub(super) fn section(set: &ChangeSet) -> Option<String> {
    let mut open: Vec<(UpdateKind, &str, &str)> = Vec::new();
    let mut known: Vec<Choice> = Vec::new();
    for update in &set.updates {
        for one in &update.alternatives {
            let entry = (one.kind, one.tag.as_str(), one.reason.as_str());
            if open.contains(&entry) || open.len() >= MOST {
                continue;
            }
            open.push(entry);
            if let Some(determination) = &one.vulnerabilities {
                let (how, tag) = (one.kind.to_string(), one.tag.to_string());
                known.push(Choice { how, tag, known: Determination::clone(determination) });
            }
        }
    }
    if open.is_empty() {
        return None;
    }
    open.sort_unstable();
    let lines: Vec<String> =
        open.iter().map(|(kind, tag, reason)| format!("- {kind}: {} ({reason})", super::markdown::code(tag))).collect();
    let mut text = format!("**Also there, not proposed here**\n\n{}", lines.join("\n"));
    if !known.is_empty() {
        let table = choices(&both_sides(set).into_iter().chain(known).collect::<Vec<_>>(), Markup::Markdown);
        text.push_str(&format!("\n\nKnown vulnerabilities of each:\n\n{table}"));
    }
    Some(text)
}

/// What stands there and what is proposed, of the first update that was compared.
fn both_sides(set: &ChangeSet) -> Vec<Choice> {
    let compared = set.updates.iter().find_map(|update| Some((update, update.vulnerabilities.as_ref()?)));
    let Some((update, change)) = compared else { return Vec::new() };
    let tag =
        |reference: &crate::image::Reference| reference.tag().map_or_else(|| "latest".to_owned(), ToString::to_string);
    vec![
        Choice { how: "stands there".to_owned(), tag: tag(&update.site.reference), known: change.before.clone() },
        Choice { how: format!("{}, proposed", update.kind), tag: tag(&update.to), known: change.after.clone() },
    ]
}
