//! The best of a line, where its newest version is worse than what stands there: newest is not always best.
//!
//! Once a version was passed over as worse, the next one that is not worse is not proposed at once: those below it are
//! looked at, one by one, while each has fewer known vulnerabilities than the one above.

use std::collections::{BTreeMap, BTreeSet};

use super::constraints::{Constraints, Passed, PassedOver};
use super::update::{HoldCode, Plan, Update};
use crate::image::{ImageName, Tag};
use crate::policy::UpdateKind;
use crate::vulnerability::{Assessment, Severity};

/// Versions of one line that are looked at beyond the first that is not worse.
const MOST: usize = 3;

/// An image, its line, and whether the moves stay within the major version or go beyond it.
type Line = (ImageName, String, Reach);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Within,
    Beyond,
}

/// The search, from one plan to the next.
#[derive(Debug, Default)]
pub struct Climb {
    peaks: BTreeMap<Line, Peak>,
    done: BTreeSet<Line>,
}

/// The best that was found so far.
#[derive(Debug)]
struct Peak {
    tag: Tag,
    score: Score,
    looks: usize,
}

/// What is exploited, then how many of each severity, the worst first; less is better.
type Score = (usize, [usize; 6]);

impl Climb {
    /// Looks at a plan that proposes nothing worse. Returns whether it is to be made again, by other constraints.
    pub fn goes_on(&mut self, plan: &Plan, constraints: &mut Constraints) -> bool {
        let mut again = false;
        for (line, update) in lines_in_question(plan, constraints) {
            if !self.done.contains(&line) {
                again |= self.compare(line, Some(update), constraints);
            }
        }
        let proposed: BTreeSet<Line> = plan.updates.iter().map(line_of).collect();
        let ended = self.peaks.keys().filter(|line| !proposed.contains(line) && !self.done.contains(line));
        for line in ended.cloned().collect::<Vec<_>>() {
            again |= self.compare(line, None, constraints);
        }
        again
    }

    /// Ends every search that is under way: the best so far stands. Returns whether there was one.
    pub fn ends(&mut self, constraints: &mut Constraints) -> bool {
        let peaks = std::mem::take(&mut self.peaks);
        for (line, peak) in &peaks {
            constraints.passed.retain(|passed| !is_about(passed, line, &peak.tag));
            self.done.insert(line.clone());
        }
        !peaks.is_empty()
    }

    /// Compares what is proposed now with the best so far.
    fn compare(&mut self, line: Line, update: Option<&Update>, constraints: &mut Constraints) -> bool {
        let found = update.and_then(|update| Some((update.to.tag()?.clone(), score(update)?, update)));
        match (self.peaks.remove(&line), found) {
            (None, None) => {
                self.done.insert(line);
                false
            }
            (None, Some((tag, score, update))) => {
                constraints.passed.push(set_aside(update, &tag));
                self.peaks.insert(line, Peak { tag, score, looks: 0 });
                true
            }
            (Some(peak), Some((tag, score, update))) if score < peak.score && peak.looks < MOST => {
                let reason = format!("{} has more known vulnerabilities than {tag}", peak.tag);
                for passed in constraints.passed.iter_mut().filter(|passed| is_about(passed, &line, &peak.tag)) {
                    passed.reason.clone_from(&reason);
                }
                constraints.passed.push(set_aside(update, &tag));
                self.peaks.insert(line, Peak { tag, score, looks: peak.looks + 1 });
                true
            }
            // Nothing below is better: back to the best.
            (Some(peak), _) => {
                constraints.passed.retain(|passed| !is_about(passed, &line, &peak.tag));
                self.done.insert(line);
                true
            }
        }
    }
}

/// Updates to a tag on lines of which something was passed over as worse; one for each line.
fn lines_in_question<'a>(plan: &'a Plan, constraints: &Constraints) -> BTreeMap<Line, &'a Update> {
    let is_worse = |update: &Update| {
        constraints.passed.iter().any(|passed| {
            passed.code == HoldCode::WorseVersion
                && passed.image == *update.site.reference.image()
                && passed.line.as_ref() == Some(&update.line)
        })
    };
    let moves = plan.updates.iter().filter(|update| !update.kind.keeps_tag() && is_worse(update));
    moves.map(|update| (line_of(update), update)).collect()
}

fn line_of(update: &Update) -> Line {
    let reach = if update.kind == UpdateKind::Major { Reach::Beyond } else { Reach::Within };
    (update.site.reference.image().clone(), update.line.clone(), reach)
}

/// `None` where the image could not be looked at whole: what is not known is no reason to prefer it.
fn score(update: &Update) -> Option<Score> {
    let change = update.vulnerabilities.as_ref()?;
    let is_even = change.difference().is_some_and(|difference| difference.is_even());
    let after = change.after.assessment().filter(|after| after.is_whole && is_even)?;
    Some(counts(after))
}

fn counts(one: &Assessment) -> Score {
    let exploited = one.findings.iter().filter(|finding| finding.is_exploited()).count();
    (exploited, Severity::ALL.map(|severity| one.count(severity)))
}

/// A version is left out for one look at what is below it.
fn set_aside(update: &Update, tag: &Tag) -> Passed {
    Passed {
        image: update.site.reference.image().clone(),
        line: Some(update.line.clone()),
        group: None,
        what: PassedOver::Tag(tag.clone()),
        code: HoldCode::WorseVersion,
        reason: format!("{tag} is compared with what is below it"),
        until: None,
        change: update.vulnerabilities.clone(),
    }
}

fn is_about(passed: &Passed, line: &Line, tag: &Tag) -> bool {
    passed.image == line.0
        && passed.line.as_ref() == Some(&line.1)
        && passed.code == HoldCode::WorseVersion
        && passed.what == PassedOver::Tag(tag.clone())
}
