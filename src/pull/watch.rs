//! What becomes of an open pull request: what GitHub shows of it → the next act. Pure; the table is in
//! `docs/pull-requests.md`.

use std::collections::BTreeSet;

use super::memory::Memory;
use crate::policy::{Method, Rebase};
use crate::repo::{BranchName, CommitSha, Moment};

/// How long checks may take to begin, in milliseconds.
pub const GRACE_MS: i64 = 10 * 60_000;
/// Where nothing is required, one that passes early is not believed to be all, for so long after the push, in
/// milliseconds.
pub const SETTLE_MS: i64 = 2 * 60_000;
/// So often a pull request is brought onto its base branch only to be merged: a base branch that never rests would keep
/// it from being merged for ever.
const MOST_FRESHENED: u8 = 3;

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
    /// The branch that it goes to, where a person chose another than Restow.
    pub elsewhere: Option<BranchName>,
    /// Whether its base branch has moved since the commit was made.
    pub base_moved: bool,
    /// Whether GitHub merges it as soon as it can.
    pub handed_over: bool,
    /// Whether GitHub no longer merges this commit by itself, though it was asked to.
    pub given_back: bool,
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
    /// The job's id, where it can be started again.
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
    /// It has not begun: it is required, or an App said no more than that it may check.
    Missing,
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
    /// These are required, and did not begin within the grace time.
    Unstarted(Vec<String>),
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
    /// It was given to GitHub to merge, and shall not be merged now: take it back. Why, for people.
    TakeBack(String),
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
    let within = |span: i64| pushed_at.is_none_or(|at| now.0 - at.0 < span);
    let any = |state: CheckState| counting.iter().any(|check| check.state == state);
    if any(CheckState::Pending) || !facts.whole || (any(CheckState::Missing) && within(GRACE_MS)) {
        return Verdict::Pending;
    }
    let unstarted = counting.iter().filter(|check| check.required && check.state == CheckState::Missing);
    let unstarted: Vec<String> = unstarted.map(|check| check.name.clone()).collect();
    if !unstarted.is_empty() {
        return Verdict::Unstarted(unstarted);
    }
    match any(CheckState::Passed) {
        true if !required && within(SETTLE_MS) => Verdict::Pending,
        true => Verdict::Passed,
        false if within(GRACE_MS) => Verdict::Pending,
        false => Verdict::Missing,
    }
}

/// When checks that have passed are believed to be all, where that is only a matter of time.
pub fn settles_at(facts: &Facts, pushed_at: Option<Moment>, now: Moment) -> Option<Moment> {
    let at = pushed_at?.plus_ms(SETTLE_MS);
    let later = verdict(facts, pushed_at, at) == Verdict::Passed;
    (now < at && later).then_some(at)
}

/// The next act for an open pull request.
pub fn watch(facts: &Facts, memory: &Memory, now: Moment) -> Act {
    let untouchable = untouchable(facts, memory, now);
    if let Some(why) = unwanted_now(facts, memory, untouchable.as_ref()) {
        return Act::TakeBack(why);
    }
    if let Some(act) = untouchable {
        return act;
    }
    if let Some(act) = unfit(facts, memory) {
        return act;
    }
    let (automerge, merge) = (memory.terms.automerge, memory.wants_merge());
    match verdict(facts, memory.pushed_at, now) {
        Verdict::Pending => Act::Wait("its checks have not ended".to_owned()),
        Verdict::Failed(names) => failed(facts, memory, &names),
        Verdict::Unstarted(names) => unstarted(&names, memory),
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

/// Why what Restow gave to GitHub to merge is taken back.
fn unwanted_now(facts: &Facts, memory: &Memory, untouchable: Option<&Act>) -> Option<String> {
    memory.handed_over.as_ref()?;
    match untouchable {
        Some(Act::Wait(why) | Act::Say(why)) => Some(why.clone()),
        _ if !memory.wants_merge() => Some("nobody wants it to be merged by itself any more".to_owned()),
        _ if facts.changes_requested => Some("a reviewer asks for changes".to_owned()),
        _ => None,
    }
}

fn untouchable(facts: &Facts, memory: &Memory, now: Moment) -> Option<Act> {
    if !facts.ours {
        return Some(Act::Wait("a person works on the branch".to_owned()));
    }
    if let Some(base) = &facts.elsewhere {
        let text = format!("somebody let it go to the branch `{base}`, so Restow leaves it as it is");
        return Some(Act::Say(text));
    }
    if let Some(until) = memory.held_until.filter(|until| *until > now) {
        return Some(Act::Wait(format!("it is held until {until}")));
    }
    facts.draft.then(|| Act::Wait("it is a draft".to_owned()))
}

fn unstarted(names: &[String], memory: &Memory) -> Act {
    let text = format!("{} must pass, and has not started", names.join(", "));
    if memory.wants_merge() { Act::Say(text) } else { Act::Wait(text) }
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

fn failed(facts: &Facts, memory: &Memory, names: &[String]) -> Act {
    let merge = memory.wants_merge();
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
    let mut text = match (new.is_empty(), before.is_empty()) {
        (true, _) => format!("{} fails, and failed on the base branch before: it is not this update", list(&before)),
        (false, true) => format!("{} fails", list(&new)),
        (false, false) => format!("{} fails; {} failed on the base branch before", list(&new), list(&before)),
    };
    if let Some(why) = memory.rerun_refused.as_ref().filter(|_| memory.reran.as_ref() == Some(&facts.head)) {
        text.push_str(&format!("; it could not be started again: {why}"));
    }
    // Who looks at the checks sees that they fail, but not that they failed before.
    if merge || !before.is_empty() { Act::Say(text) } else { Act::Wait(text) }
}

fn merged(facts: &Facts, memory: &Memory) -> Act {
    if facts.changes_requested {
        return Act::Wait("a reviewer asks for changes".to_owned());
    }
    let Some(method) = method(facts, memory) else {
        return Act::Say("the repository allows none of the ways to merge that the rules want".to_owned());
    };
    if facts.given_back {
        return Act::Say(
            "GitHub gave it back: it failed in the merge queue, or somebody took it out. `/restow merge` tries again"
                .to_owned(),
        );
    }
    if facts.handed_over {
        return Act::Wait("GitHub merges it as soon as it can".to_owned());
    }
    let review = || Act::Wait("it waits for a review".to_owned());
    match facts.fit {
        Fit::Unknown => Act::Wait("GitHub has not found out yet whether it can be merged".to_owned()),
        Fit::Clean | Fit::Blocked if facts.queue && facts.review_missing => review(),
        Fit::Clean | Fit::Blocked if facts.queue => Act::Enqueue,
        Fit::Clean if facts.review_missing => review(),
        Fit::Clean if is_stale(facts, memory) => {
            Act::Rebase("its base branch has moved since it was checked".to_owned())
        }
        Fit::Clean => Act::Merge(method),
        Fit::Blocked if facts.offers_automerge => Act::HandOver(method),
        Fit::Blocked if facts.review_missing => review(),
        Fit::Blocked | Fit::Behind | Fit::Conflicting => {
            Act::Wait("the rules of the base branch do not let it be merged yet".to_owned())
        }
    }
}

/// What was proven was proven upon another base.
fn is_stale(facts: &Facts, memory: &Memory) -> bool {
    facts.base_moved && memory.terms.rebase != Rebase::Never && memory.freshened < MOST_FRESHENED
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
            elsewhere: None,
            base_moved: false,
            handed_over: false,
            given_back: false,
            queue: false,
            offers_automerge: false,
            methods: vec![Method::Merge, Method::Squash],
            failing_on_base: BTreeSet::new(),
        }
    }

    fn automerge() -> Memory {
        let automerge = Automerge { on: true, ..Automerge::default() };
        let terms = WatchTerms { automerge, place: "here".to_owned(), ..WatchTerms::default() };
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
        let quiet = Memory { pushed_at: Some(Moment(0)), ..Memory::default() };
        says(&watch(&facts(passed()), &quiet, NOW), "waits for a person");
        let asked = Memory { merge_by: Some("mona".to_owned()), ..quiet };
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
    fn an_early_check_is_not_believed_to_be_all_where_nothing_is_required() {
        let pushed = Some(NOW);
        assert_eq!(verdict(&facts(passed()), pushed, NOW.plus_ms(SETTLE_MS - 1)), Verdict::Pending);
        assert_eq!(verdict(&facts(passed()), pushed, NOW.plus_ms(SETTLE_MS)), Verdict::Passed);
        assert_eq!(settles_at(&facts(passed()), pushed, NOW), Some(NOW.plus_ms(SETTLE_MS)));
        let required = facts(vec![check("ci", CheckState::Passed, true)]);
        assert_eq!(verdict(&required, pushed, NOW), Verdict::Passed);
        assert_eq!(settles_at(&required, pushed, NOW.plus_ms(SETTLE_MS)), None);
    }

    #[test]
    fn what_is_required_and_never_starts_is_told_apart_from_what_runs() {
        let missing = facts(vec![check("ci", CheckState::Missing, true), check("lint", CheckState::Passed, false)]);
        assert_eq!(verdict(&missing, Some(NOW), NOW), Verdict::Pending, "it may yet begin");
        assert_eq!(verdict(&missing, Some(Moment(0)), NOW), Verdict::Unstarted(vec!["ci".to_owned()]));
        assert_eq!(watch(&missing, &automerge(), NOW), Act::Say("ci must pass, and has not started".to_owned()));
        let idle = facts(vec![check("other-app", CheckState::Missing, false), check("ci", CheckState::Passed, false)]);
        assert_eq!(verdict(&idle, Some(NOW), NOW.plus_ms(SETTLE_MS)), Verdict::Pending);
        assert_eq!(verdict(&idle, Some(Moment(0)), NOW), Verdict::Passed, "most Apps never check anything");
    }

    #[test]
    fn what_was_given_to_github_is_taken_back() {
        let given = Memory { handed_over: Some(sha('a')), ..automerge() };
        let over = Facts { handed_over: true, fit: Fit::Blocked, ..facts(passed()) };
        assert_eq!(watch(&over, &given, NOW), Act::Wait("GitHub merges it as soon as it can".to_owned()));
        let back = |facts: &Facts, memory: &Memory| matches!(watch(facts, memory, NOW), Act::TakeBack(_));
        assert!(back(&over, &Memory { held_until: Some(NOW.plus_ms(1)), ..given.clone() }));
        assert!(back(&Facts { ours: false, ..over.clone() }, &given));
        assert!(back(&Facts { changes_requested: true, ..over.clone() }, &given));
        assert!(back(&over, &Memory { terms: WatchTerms::default(), ..given.clone() }));
        assert!(!back(&over, &Memory { handed_over: None, terms: WatchTerms::default(), ..given }), "a person's own");
    }

    #[test]
    fn what_was_proven_upon_another_base_is_proven_again() {
        let moved = Facts { base_moved: true, ..facts(passed()) };
        says(&watch(&moved, &automerge(), NOW), "has moved");
        assert_eq!(watch(&Facts { queue: true, ..moved.clone() }, &automerge(), NOW), Act::Enqueue);
        let often = Memory { freshened: MOST_FRESHENED, ..automerge() };
        assert_eq!(watch(&moved, &often, NOW), Act::Merge(Method::Squash), "a base that never rests");
        let mut never = automerge();
        never.terms.rebase = Rebase::Never;
        assert_eq!(watch(&moved, &never, NOW), Act::Merge(Method::Squash));
    }

    #[test]
    fn another_base_and_a_failed_queue_are_said() {
        let other = Facts { elsewhere: BranchName::parse("next").ok(), ..facts(passed()) };
        says(&watch(&other, &automerge(), NOW), "the branch `next`");
        let back = Facts { given_back: true, queue: true, ..facts(passed()) };
        says(&watch(&back, &automerge(), NOW), "/restow merge");
        let review = Facts { review_missing: true, queue: true, ..facts(passed()) };
        says(&watch(&review, &automerge(), NOW), "waits for a review");
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
