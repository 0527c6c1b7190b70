//! The dashboard: an issue that shows what is open, waits, is held or ignored, edited in place. Its boxes act.

use std::collections::BTreeMap;

use super::markdown::{code, html_code};
use super::vex::end;
use super::vulnerabilities::{Fullness, Markup, vulnerability_change};
use crate::plan::{Hold, HoldCode, Passed, PassedOver, Unfixed};
use crate::repo::{BranchName, Moment, PullNumber};
use crate::vulnerability::{Change, SupportEnd};

/// Its title.
pub const DASHBOARD_TITLE: &str = "Container images: what Restow does here";
/// By which it is known again.
pub const DASHBOARD_MARKER: &str = "<!-- restow-dashboard -->";
/// Rows of each table.
const MOST: usize = 40;
/// Comparisons of known vulnerabilities.
const MOST_COMPARED: usize = 5;

/// An open pull request.
#[derive(Debug, Clone)]
pub struct OpenPull {
    /// Its number.
    pub number: PullNumber,
    /// Its branch.
    pub branch: BranchName,
    /// What it is called.
    pub title: String,
    /// How it stands.
    pub standing: String,
}

/// What the dashboard shows.
#[derive(Debug, Default)]
pub struct Dashboard<'a> {
    /// What is open.
    pub open: Vec<OpenPull>,
    /// What is held, with the reason.
    pub holds: Vec<&'a Hold>,
    /// What people do not want.
    pub passed: Vec<&'a Passed>,
    /// What is vulnerable, and no update removes it.
    pub unfixed: &'a [Unfixed],
    /// By image, what it is made of whose support has ended or ends.
    pub ends: &'a [(String, SupportEnd)],
    /// What could not be read: file and reason.
    pub problems: Vec<(String, String)>,
}

/// What a ticked box asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TickedBox {
    /// Bring the branch onto its base.
    Rebase(BranchName),
    /// Propose again what was ignored of the image.
    Unignore(String),
}

impl Dashboard<'_> {
    /// The text.
    pub fn text(&self) -> String {
        let mut text =
            "Restow keeps this issue up to date. Tick a box, and it does so at the next look.\n\n".to_owned();
        self.open_pulls(&mut text);
        self.waiting(&mut text, "Waits", &[HoldCode::Schedule, HoldCode::Limit, HoldCode::CoolDown, HoldCode::PutOff]);
        let held = [
            HoldCode::ContentReplaced,
            HoldCode::RegistryUnavailable,
            HoldCode::TagMissing,
            HoldCode::PlatformMissing,
            HoldCode::DigestWithoutTag,
            HoldCode::EditRefused,
            HoldCode::PermissionMissing,
            HoldCode::KindNotAllowed,
            HoldCode::Excluded,
            HoldCode::WorseVersion,
        ];
        self.waiting(&mut text, "Held", &held);
        self.unfixed(&mut text);
        self.ends(&mut text);
        self.ignored(&mut text);
        self.problems(&mut text);
        text.push_str(&format!("\n{DASHBOARD_MARKER}\n"));
        text
    }

    fn open_pulls(&self, text: &mut String) {
        text.push_str(&format!("### Open: {}\n\n", self.open.len()));
        for pull in self.open.iter().take(MOST) {
            let standing =
                if pull.standing.is_empty() { String::new() } else { format!(" ({})", code(&pull.standing)) };
            text.push_str(&format!("- #{} {}{standing}\n", pull.number.0, code(&pull.title)));
            text.push_str(&format!("  - [ ] rebase it <!-- restow-box: rebase {} -->\n", pull.branch));
        }
    }

    fn waiting(&self, text: &mut String, title: &str, codes: &[HoldCode]) {
        let mut reasons: BTreeMap<(String, &str), (usize, Option<Moment>)> = BTreeMap::new();
        for hold in self.holds.iter().filter(|hold| codes.contains(&hold.code)) {
            let entry = reasons.entry((hold.site.reference.image().familiar(), &hold.reason)).or_default();
            *entry = (entry.0 + 1, hold.until.or(entry.1));
        }
        if reasons.is_empty() {
            return;
        }
        text.push_str(&format!("\n### {title}: {}\n\n| Image | Places | Why |\n|---|---|---|\n", reasons.len()));
        for ((image, reason), (places, _)) in reasons.iter().take(MOST) {
            text.push_str(&format!("| {} | {places} | {} |\n", code(image), code(reason)));
        }
        if let Some(more) = reasons.len().checked_sub(MOST).filter(|more| *more > 0) {
            text.push_str(&format!("\nand {more} more\n"));
        }
        self.worse(text, codes);
    }

    /// What those do to the known vulnerabilities that are held for it.
    fn worse(&self, text: &mut String, codes: &[HoldCode]) {
        let mut told: BTreeMap<(String, &str), &Change> = BTreeMap::new();
        for hold in self.holds.iter().filter(|hold| codes.contains(&hold.code)) {
            if let Some(change) = &hold.change {
                told.entry((hold.site.reference.image().familiar(), &hold.reason)).or_insert(change);
            }
        }
        for ((image, reason), change) in told.into_iter().take(MOST_COMPARED) {
            let compared = vulnerability_change(change, Fullness::Brief, Markup::Markdown);
            let summary = html_code(&format!("{image}: {reason}"));
            text.push_str(&format!("\n<details><summary>{summary}</summary>\n\n{compared}\n\n</details>\n"));
        }
    }

    /// One line for each image: what is known of it, and what can be done.
    fn unfixed(&self, text: &mut String) {
        if self.unfixed.is_empty() {
            return;
        }
        text.push_str(&format!("\n### No upstream fix: {}\n\n", self.unfixed.len()));
        for one in self.unfixed.iter().take(MOST) {
            let more = one.vulnerabilities.saturating_sub(one.named.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named: Vec<String> = one.named.iter().map(|id| code(id)).collect();
            text.push_str(&format!(
                "- {}: {} with {}{more}. {}\n",
                code(&one.written),
                if one.packages == 1 { "1 package".to_owned() } else { format!("{} packages", one.packages) },
                named.join(", "),
                advice(one)
            ));
        }
        if let Some(more) = self.unfixed.len().checked_sub(MOST).filter(|more| *more > 0) {
            text.push_str(&format!("\nand {more} more\n"));
        }
    }

    /// One line for each image that is made of what ends.
    fn ends(&self, text: &mut String) {
        let told: Vec<String> = self
            .ends
            .iter()
            .filter_map(|(image, one)| Some(format!("- {}: {}\n", code(image), end(one, Markup::Markdown)?)))
            .collect();
        if told.is_empty() {
            return;
        }
        text.push_str(&format!("\n### End of support: {}\n\n", told.len()));
        text.extend(told.iter().take(MOST).map(String::as_str));
        if let Some(more) = told.len().checked_sub(MOST).filter(|more| *more > 0) {
            text.push_str(&format!("\nand {more} more\n"));
        }
    }

    fn ignored(&self, text: &mut String) {
        let mut images: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for passed in &self.passed {
            let what = match &passed.what {
                PassedOver::All => "everything".to_owned(),
                PassedOver::Tag(tag) => tag.to_string(),
                PassedOver::Content(tag, digest) => format!("{tag} at {}", digest.short()),
                PassedOver::Versions(numbers) => {
                    format!("{}.*", numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
                }
            };
            images.entry(passed.image.to_string()).or_default().push(format!("{what}: {}", passed.reason));
        }
        if images.is_empty() {
            return;
        }
        text.push_str(&format!("\n### Ignored: {}\n\n", images.len()));
        for (image, reasons) in images.iter().take(MOST) {
            text.push_str(&format!("- {}\n", code(image)));
            for reason in reasons.iter().take(10) {
                text.push_str(&format!("  - {}\n", code(reason)));
            }
            text.push_str(&format!("  - [ ] propose it again <!-- restow-box: unignore {image} -->\n"));
        }
    }

    fn problems(&self, text: &mut String) {
        if self.problems.is_empty() {
            return;
        }
        text.push_str(&format!("\n### Problems: {}\n\n", self.problems.len()));
        for (path, message) in self.problems.iter().take(MOST) {
            text.push_str(&format!("- {}: {}\n", code(path), code(message)));
        }
    }
}

/// What a person can do where no tag of the line helps.
fn advice(one: &Unfixed) -> String {
    match one.fixable {
        0 => "The distribution has no fix either: another variant or distribution may not have these packages."
            .to_owned(),
        fixable => format!(
            "The distribution has fixed {fixable} of them: rebuild the image on its packages of today, patch it with Copa, \
             or take another variant."
        ),
    }
}

/// The boxes that are ticked in an issue's text.
pub fn ticked(text: &str) -> Vec<TickedBox> {
    text.lines().filter_map(ticked_line).take(MOST).collect()
}

fn ticked_line(line: &str) -> Option<TickedBox> {
    let rest = line.trim_start().strip_prefix("- [x] ").or_else(|| line.trim_start().strip_prefix("- [X] "))?;
    let (_, rest) = rest.split_once("<!-- restow-box: ")?;
    let (wish, _) = rest.split_once(" -->")?;
    match wish.split_once(' ')? {
        ("rebase", branch) => BranchName::parse(branch).ok().map(TickedBox::Rebase),
        ("unignore", image) => Some(TickedBox::Unignore(image.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticked_boxes_are_read() {
        let text = "- [x] rebase it <!-- restow-box: rebase restow/nginx-x.y -->\r\n  - [X] again <!-- restow-box: unignore \
                    docker.io/library/nginx -->\n- [ ] rebase it <!-- restow-box: rebase restow/other -->\n- [x] no box\n\
                    - [x] odd <!-- restow-box: rebase .. -->\n- [x] odd <!-- restow-box: merge x -->";
        let branch = BranchName::parse("restow/nginx-x.y").expect("a branch");
        assert_eq!(
            ticked(text),
            [TickedBox::Rebase(branch), TickedBox::Unignore("docker.io/library/nginx".to_owned())]
        );
    }
}
