//! What becomes of an open pull request: what GitHub shows of it → the next act. Pure.
//!
//! | checks | merge wanted | GitHub says | act |
//! |---|---|---|---|
//! | any | any | a person's commit on the branch, a draft, held | wait |
//! | any | any | conflict, or behind where it must not be | rebase, unless the rules say never |
//! | pending | any | | wait |
//! | failed | yes, rerun allowed, not tried for this commit | | run them once more |
//! | failed | any | | wait, and say what fails, and what failed before |
//! | missing, within the grace time | any | | wait |
//! | missing | yes, checks not required by the rule | | refuse, and say so once |
//! | passed, or missing and allowed | no | | wait for a person |
//! | passed, or missing and allowed | yes | changes requested | wait |
//! | passed, or missing and allowed | yes | a merge queue | enqueue |
//! | passed, or missing and allowed | yes | blocked, auto-merge offered | hand over to GitHub |
//! | passed, or missing and allowed | yes | blocked | wait for reviews |
//! | passed, or missing and allowed | yes | clean | merge |

use std::collections::BTreeSet;

use super::memory::Memory;
use crate::policy::{Method, Rebase};
use crate::repo::{CommitSha, Moment};

/// How long checks may take to begin, in milliseconds.
pub const GRACE_MS: i64 = 10 * 60_000;

/// What GitHub shows of an open pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The commit that it brings.
    pub head: CommitSha,
    /// Whether that is the commit that Restow pushed.
    pub ours: bool,
    /// Whether it is a draft.
    pub draft: bool,
    /// Whether it can be merged as it stands.
    pub fit: Fit,
    /// Whether a reviewer asks for changes.
    pub changes_requested: bool,
    /// Whether a review is asked for and not there.
    pub review_missing: bool,
    /// The checks of the commit, without Restow's own.
    pub checks: Vec<CheckFact>,
    /// Whether these are all of them.
    pub whole: bool,
    /// Whether GitHub merges it as soon as it can.
    pub handed_over: bool,
    /// Whether the base branch has a merge queue.
    pub queue: bool,
    /// Whether GitHub offers to merge it as soon as it can.
    pub offers_automerge: bool,
    /// The ways to merge that the repository allows.
    pub methods: Vec<Method>,
    /// The names of the checks that fail on the base branch.
    pub failing_on_base: BTreeSet<String>,
}

/// Whether a pull request can be merged as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It can.
    Clean,
    /// Something that is required is missing: a check, a review.
    Blocked,
    /// It must be brought up to date first.
    Behind,
    /// It conflicts with its base.
    Conflicting,
    /// GitHub has not found out yet.
    Unknown,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFact {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// Whether the base branch requires it.
    pub required: bool,
    /// The run's id, where it can be started again.
    pub run: Option<u64>,
}

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    /// It has not ended.
    Pending,
    /// It passed, or says nothing against.
    Passed,
    /// It failed.
    Failed,
}

/// How all checks stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All that count have passed.
    Passed,
    /// Some have not ended, or may yet begin.
    Pending,
    /// These failed.
    Failed(Vec<String>),
    /// There are none.
    Missing,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Nothing now; why, for people.
    Wait(String),
    /// Bring it onto its base branch.
    Rebase(String),
    /// Start these runs once more.
    Rerun(Vec<u64>),
    /// Merge the commit.
    Merge(Method),
    /// Have GitHub merge it as soon as it can.
    HandOver(Method),
    /// Put it into the merge queue.
    Enqueue,
    /// Say it once, and wait.
    Say(String),
}

/// How the checks stand: those that are required, all where none is.
pub fn verdict(facts: &Facts, pushed_at: Option<Moment>, now: Moment) -> Verdict {
    let required = facts.checks.iter().any(|check| check.required);
    let counting: Vec<&CheckFact> = facts.checks.iter().filter(|check| check.required || !required).collect();
    let failed: BTreeSet<&str> =
        counting.iter().filter(|check| check.state == CheckState::Failed).map(|check| check.name.as_str()).collect();
    if !failed.is_empty() {
        return Verdict::Failed(failed.into_iter().map(str::to_owned).collect());
    }
    if counting.iter().any(|check| check.state == CheckState::Pending) || !facts.whole {
        return Verdict::Pending;
    }
    if !counting.is_empty() {
        return Verdict::Passed;
    }
    let fresh = pushed_at.is_none_or(|at| now.0 - at.0 < GRACE_MS);
    if fresh { Verdict::Pending } else { Verdict::Missing }
}

/// The next act for an open pull request.
pub fn watch(facts: &Facts, memory: &Memory, now: Moment) -> Act {
    if let Some(why) = untouchable(facts, memory, now) {
        return Act::Wait(why);
    }
    if let Some(act) = unfit(facts, memory) {
        return act;
    }
    let automerge = memory.terms.automerge;
    let merge = automerge.on || memory.merge_by.is_some();
    match verdict(facts, memory.pushed_at, now) {
        Verdict::Pending => Act::Wait("its checks have not ended".to_owned()),
        Verdict::Failed(names) => failed(facts, memory, &names, merge),
        Verdict::Missing if !merge => Act::Wait("nothing checks it; it waits for a person".to_owned()),
        Verdict::Missing if memory.merge_by.is_none() && !automerge.without_checks => Act::Say(format!(
            "nothing checks this repository, so Restow does not merge by itself. Give it checks, or allow it by \
             `automerge: {{checks: none-required}}` ({})",
            memory.terms.place
        )),
        Verdict::Passed | Verdict::Missing if !merge => {
            Act::Wait("its checks passed; it waits for a person".to_owned())
        }
        Verdict::Passed | Verdict::Missing => merged(facts, memory),
    }
}

fn untouchable(facts: &Facts, memory: &Memory, now: Moment) -> Option<String> {
    if !facts.ours {
        return Some("a person works on the branch".to_owned());
    }
    if let Some(until) = memory.held_until.filter(|until| *until > now) {
        return Some(format!("it is held until {until}"));
    }
    facts.draft.then(|| "it is a draft".to_owned())
}

fn unfit(facts: &Facts, memory: &Memory) -> Option<Act> {
    let why = match facts.fit {
        Fit::Conflicting => "it conflicts with its base branch",
        Fit::Behind => "it must be up to date with its base branch",
        Fit::Clean | Fit::Blocked | Fit::Unknown => return None,
    };
    Some(match memory.terms.rebase {
        Rebase::Never => Act::Wait(format!("{why}, and the rules want no rebase")),
        Rebase::Conflicted | Rebase::Always => Act::Rebase(why.to_owned()),
    })
}

fn failed(facts: &Facts, memory: &Memory, names: &[String], merge: bool) -> Act {
    let again = merge && memory.terms.automerge.rerun && memory.reran.as_ref() != Some(&facts.head);
    let runs: Vec<u64> = facts
        .checks
        .iter()
        .filter(|check| check.state == CheckState::Failed && names.contains(&check.name))
        .filter_map(|check| check.run)
        .collect();
    if again && !runs.is_empty() {
        return Act::Rerun(runs);
    }
    let (before, new): (Vec<_>, Vec<_>) = names.iter().partition(|name| facts.failing_on_base.contains(*name));
    let list = |names: &[&String]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    Act::Wait(match (new.is_empty(), before.is_empty()) {
        (true, _) => format!("{} fails, and failed on the base branch before: it is not this update", list(&before)),
        (false, true) => format!("{} fails", list(&new)),
        (false, false) => format!("{} fails; {} failed on the base branch before", list(&new), list(&before)),
    })
}

fn merged(facts: &Facts, memory: &Memory) -> Act {
    if facts.changes_requested {
        return Act::Wait("a reviewer asks for changes".to_owned());
    }
    let Some(method) = method(facts, memory) else {
        return Act::Say("the repository allows none of the ways to merge that the rules want".to_owned());
    };
    if facts.handed_over {
        return Act::Wait("GitHub merges it as soon as it can".to_owned());
    }
    match facts.fit {
        Fit::Unknown => Act::Wait("GitHub has not found out yet whether it can be merged".to_owned()),
        Fit::Clean | Fit::Blocked if facts.queue => Act::Enqueue,
        Fit::Clean if facts.review_missing => Act::Wait("it waits for a review".to_owned()),
        Fit::Clean => Act::Merge(method),
        Fit::Blocked if facts.offers_automerge => Act::HandOver(method),
        Fit::Blocked if facts.review_missing => Act::Wait("it waits for a review".to_owned()),
        Fit::Blocked | Fit::Behind | Fit::Conflicting => {
            Act::Wait("the rules of the base branch do not let it be merged yet".to_owned())
        }
    }
}

/// The way that the rules want, else the first that the repository allows.
fn method(facts: &Facts, memory: &Memory) -> Option<Method> {
    match memory.terms.automerge.method {
        Some(wanted) => facts.methods.contains(&wanted).then_some(wanted),
        None => [Method::Squash, Method::Merge, Method::Rebase].into_iter().find(|one| facts.methods.contains(one)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Automerge;
    use crate::pull::memory::WatchTerms;

    const NOW: Moment = Moment(100 * GRACE_MS);

    fn sha(digit: char) -> CommitSha {
        CommitSha::parse(&digit.to_string().repeat(40)).expect("a sha")
    }

    fn check(name: &str, state: CheckState, required: bool) -> CheckFact {
        CheckFact { name: name.to_owned(), state, required, run: Some(7) }
    }

    fn facts(checks: Vec<CheckFact>) -> Facts {
        Facts {
            head: sha('a'),
            ours: true,
            draft: false,
            fit: Fit::Clean,
            changes_requested: false,
            review_missing: false,
            checks,
            whole: true,
            handed_over: false,
            queue: false,
            offers_automerge: false,
            methods: vec![Method::Merge, Method::Squash],
            failing_on_base: BTreeSet::new(),
        }
    }

    fn automerge() -> Memory {
        let automerge = Automerge { on: true, ..Automerge::default() };
        let terms = WatchTerms {
            automerge,
            place: "here".to_owned(),
            rebase: Rebase::Conflicted,
            rules: Vec::new(),
            base: None,
        };
        Memory { terms, pushed_at: Some(Moment(0)), ..Memory::default() }
    }

    fn passed() -> Vec<CheckFact> {
        vec![check("ci", CheckState::Passed, false)]
    }

    #[track_caller]
    fn says(act: &Act, text: &str) {
        let said = match act {
            Act::Wait(why) | Act::Say(why) | Act::Rebase(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(said.contains(text), "{said}");
    }

    #[test]
    fn what_passed_is_merged_where_the_rules_want_it() {
        assert_eq!(watch(&facts(passed()), &automerge(), NOW), Act::Merge(Method::Squash));
        says(&watch(&facts(passed()), &Memory::default(), NOW), "waits for a person");
        let asked = Memory { merge_by: Some("mona".to_owned()), ..Memory::default() };
        assert_eq!(watch(&facts(passed()), &asked, NOW), Act::Merge(Method::Squash));
    }

    #[test]
    fn no_checks_are_not_green() {
        let none = facts(Vec::new());
        let fresh = Memory { pushed_at: Some(NOW), ..automerge() };
        assert_eq!(verdict(&none, fresh.pushed_at, NOW), Verdict::Pending);
        says(&watch(&none, &automerge(), NOW), "none-required");
        let mut without = automerge();
        without.terms.automerge.without_checks = true;
        assert_eq!(watch(&none, &without, NOW), Act::Merge(Method::Squash));
        says(&watch(&none, &Memory { pushed_at: Some(NOW), ..without }, NOW), "not ended");
    }

    #[test]
    fn only_required_checks_count_where_there_are_some() {
        let optional = vec![check("lint", CheckState::Failed, false), check("ci", CheckState::Passed, true)];
        assert_eq!(watch(&facts(optional), &automerge(), NOW), Act::Merge(Method::Squash));
        let required = vec![check("lint", CheckState::Passed, false), check("ci", CheckState::Pending, true)];
        says(&watch(&facts(required), &automerge(), NOW), "not ended");
        let cut = Facts { whole: false, ..facts(passed()) };
        says(&watch(&cut, &automerge(), NOW), "not ended");
    }

    #[test]
    fn a_failure_is_told_from_one_of_the_base_and_run_once_more() {
        let failing = facts(vec![check("ci", CheckState::Failed, false), check("lint", CheckState::Failed, false)]);
        says(&watch(&failing, &automerge(), NOW), "ci, lint fails");
        let known = Facts { failing_on_base: BTreeSet::from(["lint".to_owned()]), ..failing.clone() };
        says(&watch(&known, &automerge(), NOW), "ci fails; lint failed on the base branch before");
        let mut rerun = automerge();
        rerun.terms.automerge.rerun = true;
        assert_eq!(watch(&failing, &rerun, NOW), Act::Rerun(vec![7, 7]));
        says(&watch(&failing, &Memory { reran: Some(sha('a')), ..rerun }, NOW), "fails");
    }

    #[test]
    fn people_are_never_overruled() {
        let changes = Facts { changes_requested: true, ..facts(passed()) };
        says(&watch(&changes, &automerge(), NOW), "asks for changes");
        let review = Facts { review_missing: true, fit: Fit::Blocked, ..facts(passed()) };
        says(&watch(&review, &automerge(), NOW), "waits for a review");
        let theirs = Facts { ours: false, fit: Fit::Conflicting, ..facts(passed()) };
        says(&watch(&theirs, &automerge(), NOW), "a person works");
        let held = Memory { held_until: Some(NOW.plus_ms(1)), ..automerge() };
        says(&watch(&facts(passed()), &held, NOW), "held until");
        says(&watch(&Facts { draft: true, ..facts(passed()) }, &automerge(), NOW), "draft");
    }

    #[test]
    fn queues_auto_merge_and_rebases() {
        let blocked = Facts { fit: Fit::Blocked, offers_automerge: true, ..facts(passed()) };
        assert_eq!(watch(&blocked, &automerge(), NOW), Act::HandOver(Method::Squash));
        let queue = Facts { queue: true, ..facts(passed()) };
        assert_eq!(watch(&queue, &automerge(), NOW), Act::Enqueue);
        says(&watch(&Facts { handed_over: true, ..queue }, &automerge(), NOW), "as soon as it can");
        let conflict = Facts { fit: Fit::Conflicting, ..facts(Vec::new()) };
        says(&watch(&conflict, &Memory::default(), NOW), "conflicts");
        let mut never = automerge();
        never.terms.rebase = Rebase::Never;
        says(&watch(&conflict, &never, NOW), "no rebase");
        let none = Facts { methods: vec![Method::Rebase], ..facts(passed()) };
        let mut merge = automerge();
        merge.terms.automerge.method = Some(Method::Squash);
        says(&watch(&none, &merge, NOW), "none of the ways");
    }
}
