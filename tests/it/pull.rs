//! The tables of `docs/pull-requests.md` about a pull request's life: each line is a case that the state machine is asked,
//! and the document is made from what it answers.

use std::collections::{BTreeMap, BTreeSet};

use restow::image::ImageName;
use restow::plan::{ChangeSet, SetTerms, Topic};
use restow::policy::{Automerge, CommitStyle, Method, Rebase};
use restow::pull::{
    Act, Authorship, CheckFact, CheckState, Facts, Fit, GRACE_MS, MachineBlock, Memory, Observed, ObservedBranch,
    ObservedPull, PullState, PullWrite, Push, SETTLE_MS, Standing, Step, WatchTerms, Wish, step, watch, withdrawal,
};
use restow::repo::{BranchName, CommitSha, Moment, PullNumber};

use super::docs::generated_part;

const NOW: Moment = Moment(100 * GRACE_MS);
const LATER: Moment = Moment(100 * GRACE_MS + 1);
const NUMBER: PullNumber = PullNumber(7);

fn sha(digit: char) -> CommitSha {
    CommitSha::parse(&digit.to_string().repeat(40)).expect("a sha")
}

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).expect("a branch name")
}

/// What is wanted; the moves themselves do not matter here.
fn wanted() -> ChangeSet {
    let terms = SetTerms {
        automerge: Automerge::default(),
        automerge_place: String::new(),
        rebase: Rebase::Conflicted,
        labels: Vec::new(),
        reviewers: Vec::new(),
        assignees: Vec::new(),
        commit: CommitStyle::default(),
        draft: false,
        reasons: Vec::new(),
        rules: Vec::new(),
    };
    let topic =
        Topic::Image { image: ImageName::parse("nginx").expect("an image"), line: "x.y".to_owned(), major: false };
    ChangeSet { topic, branch: branch("restow/nginx-x.y"), base: None, updates: Vec::new(), left: Vec::new(), terms }
}

fn block() -> MachineBlock {
    MachineBlock::of(&wanted())
}

/// A newer version than this one is wanted.
fn older() -> MachineBlock {
    MachineBlock { target: "1.26".to_owned(), fingerprint: "other".to_owned(), ..block() }
}

fn on_branch(authorship: Authorship, fingerprint: Option<String>) -> Option<ObservedBranch> {
    Some(ObservedBranch { head: sha('a'), authorship, fingerprint })
}

fn pull(state: PullState, machine: MachineBlock) -> Option<ObservedPull> {
    Some(ObservedPull { number: NUMBER, state, machine: Some(machine), reopened: false })
}

fn seen(branch: Option<ObservedBranch>, pull: Option<ObservedPull>) -> Observed {
    Observed { branch, pull }
}

/// What is seen and asked for, in words, and the case.
fn wanted_cases() -> Vec<(&'static str, Observed, Wish)> {
    let same = || on_branch(Authorship::Restow, Some(wanted().fingerprint()));
    let other = || on_branch(Authorship::Restow, Some("other".to_owned()));
    let person = || on_branch(Authorship::Person, None);
    let open = |machine: MachineBlock| pull(PullState::Open, machine);
    let reopened = open(older()).map(|pull| ObservedPull { reopened: true, ..pull });
    let withdrawn = MachineBlock { standing: Standing::Withdrawn, ..block() };
    vec![
        ("no branch, no pull request", seen(None, None), Wish::None),
        ("Restow's branch of this content, no pull request", seen(same(), None), Wish::None),
        ("an open one of the same content", seen(same(), open(block())), Wish::None),
        ("an open one whose text tells something else", seen(same(), open(older())), Wish::None),
        ("an open one of other content", seen(other(), open(older())), Wish::None),
        ("asked to rebase, or `rebase: always`, and the base moved", seen(same(), open(block())), Wish::Rebase),
        ("asked to recreate, whatever lies there", seen(person(), open(block())), Wish::Recreate),
        ("a person's commit on the branch, the same version", seen(person(), open(block())), Wish::None),
        ("a person's commit on the branch, an older version", seen(person(), open(older())), Wish::None),
        ("the same, opened again by a person", seen(person(), reopened), Wish::None),
        ("a person's commit on the branch, nothing open there", seen(person(), None), Wish::None),
        ("closed by a person at this very move", seen(same(), pull(PullState::Closed, block())), Wish::None),
        ("closed by a person at another move", seen(other(), pull(PullState::Closed, older())), Wish::None),
        ("closed by Restow or another bot", seen(None, pull(PullState::Closed, withdrawn)), Wish::None),
        ("merged", seen(same(), pull(PullState::Merged, block())), Wish::None),
    ]
}

fn step_in_words(step: &Step) -> &'static str {
    match step {
        Step::Nothing => "nothing",
        Step::Publish { push: Push::Create, pull: PullWrite::Open } => "push and open",
        Step::Publish { push: Push::Replace, pull: PullWrite::Open } => "push over it and open",
        Step::Publish { push: Push::Keep, pull: PullWrite::Open } => "open",
        Step::Publish { push: Push::Keep, pull: PullWrite::Rewrite(_) } => "rewrite its text",
        Step::Publish { push: Push::Create | Push::Replace, pull: PullWrite::Rewrite(_) } => {
            "push over it, rewrite its text"
        }
        Step::LeaveAlone(_) => "left alone, said so once",
        Step::Elsewhere(None) => "another branch is taken",
        Step::Elsewhere(Some(_)) => "another branch is taken; this one is closed with a link, its branch stays",
        Step::Respect(_) => "respected",
    }
}

fn withdrawal_in_words(seen: &Observed) -> &'static str {
    match withdrawal(seen) {
        Some(_) => "closed, with the reason",
        None => "nothing",
    }
}

#[test]
fn the_table_of_what_is_wanted_is_the_codes() {
    let mut table = "| wanted | seen | step |\n|---|---|---|\n".to_owned();
    let mut steps = BTreeSet::new();
    for (words, seen, wish) in wanted_cases() {
        let step = step_in_words(&step(&wanted(), &seen, wish));
        steps.insert(step);
        table.push_str(&format!("| yes | {words} | {step} |\n"));
    }
    let person = on_branch(Authorship::Person, None);
    let ours = on_branch(Authorship::Restow, None);
    let open = || pull(PullState::Open, block());
    let reopened = open().map(|pull| ObservedPull { reopened: true, ..pull });
    for (words, seen) in [
        ("an open one", seen(ours.clone(), open())),
        ("an open one with a person's commit", seen(person, open())),
        ("an open one that a person opened again", seen(ours, reopened)),
        ("nothing open", seen(None, None)),
    ] {
        table.push_str(&format!("| no | {words} | {} |\n", withdrawal_in_words(&seen)));
    }
    assert_eq!(steps.len(), 10, "every step stands in the table: {steps:?}");
    generated_part("docs/pull-requests.md", "wanted", &table);
}

fn check(state: CheckState, required: bool) -> CheckFact {
    CheckFact { name: "ci".to_owned(), state, required, run: Some(7) }
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
        methods: vec![Method::Squash],
        failing_on_base: BTreeSet::new(),
    }
}

fn passed() -> Facts {
    facts(vec![check(CheckState::Passed, false)])
}

fn failed() -> Facts {
    facts(vec![check(CheckState::Failed, false)])
}

/// Pushed long ago; nobody wants it merged.
fn quiet() -> Memory {
    Memory { pushed_at: Some(Moment(0)), ..Memory::default() }
}

fn merging() -> Memory {
    let automerge = Automerge { on: true, ..Automerge::default() };
    Memory { terms: WatchTerms { automerge, ..WatchTerms::default() }, ..quiet() }
}

fn with(memory: Memory, change: impl FnOnce(&mut Memory)) -> Memory {
    let mut memory = memory;
    change(&mut memory);
    memory
}

/// Checks, whether a merge is wanted, what else is seen, and the case.
type Case = (&'static str, &'static str, &'static str, Facts, Memory);

fn people_and_base() -> Vec<Case> {
    let held = |memory: Memory| with(memory, |memory| memory.held_until = Some(LATER));
    let given = || with(merging(), |memory| memory.handed_over = Some(sha('a')));
    let never = with(merging(), |memory| memory.terms.rebase = Rebase::Never);
    vec![
        ("any", "any", "a person's commit", Facts { ours: false, ..passed() }, merging()),
        ("any", "any", "a person let it go to another branch", elsewhere(), merging()),
        ("any", "any", "held", passed(), held(merging())),
        ("any", "any", "a draft", Facts { draft: true, ..passed() }, merging()),
        ("any", "yes", "given to GitHub to merge, and one of these", passed(), held(given())),
        ("any", "no more", "given to GitHub to merge", passed(), with(given(), |memory| memory.terms = quiet().terms)),
        ("any", "any", "a conflict, or behind where it must not be", Facts { fit: Fit::Behind, ..passed() }, quiet()),
        ("any", "any", "the same, `rebase: never`", Facts { fit: Fit::Conflicting, ..passed() }, never),
    ]
}

fn elsewhere() -> Facts {
    Facts { elsewhere: Some(branch("next")), ..passed() }
}

fn by_checks() -> Vec<Case> {
    let fresh = |memory: Memory| with(memory, |memory| memory.pushed_at = Some(NOW));
    let rerun = with(merging(), |memory| memory.terms.automerge.rerun = true);
    let without = with(merging(), |memory| memory.terms.automerge.without_checks = true);
    let before = Facts { failing_on_base: BTreeSet::from(["ci".to_owned()]), ..failed() };
    let missing = || facts(vec![check(CheckState::Missing, true)]);
    vec![
        ("pending", "any", "", facts(vec![check(CheckState::Pending, false)]), merging()),
        ("passed, none required, within two minutes of the push", "any", "", passed(), fresh(merging())),
        ("a required one has not begun, within ten minutes of the push", "any", "", missing(), fresh(merging())),
        ("a required one never began", "no", "", missing(), quiet()),
        ("a required one never began", "yes", "", missing(), merging()),
        ("failed", "yes", "`rerun: true`, not tried for this commit", failed(), rerun),
        ("failed", "yes", "", failed(), merging()),
        ("failed", "no", "", failed(), quiet()),
        ("failed", "no", "it failed on the base branch before", before, quiet()),
        ("none, within ten minutes of the push", "any", "", facts(Vec::new()), fresh(without.clone())),
        ("none", "no", "", facts(Vec::new()), quiet()),
        ("none", "yes", "without `checks: none-required`", facts(Vec::new()), merging()),
        ("none", "yes", "`checks: none-required`", facts(Vec::new()), without),
        ("passed", "no", "", passed(), quiet()),
    ]
}

fn by_merge() -> Vec<Case> {
    let moved = Facts { base_moved: true, ..passed() };
    let often = with(merging(), |memory| memory.freshened = 3);
    let blocked = Facts { fit: Fit::Blocked, ..passed() };
    let queue = Facts { queue: true, ..passed() };
    vec![
        ("passed", "yes", "changes requested", Facts { changes_requested: true, ..passed() }, merging()),
        ("passed", "yes", "no way to merge is allowed", Facts { methods: Vec::new(), ..passed() }, merging()),
        ("passed", "yes", "GitHub gave it back", Facts { given_back: true, ..queue.clone() }, merging()),
        ("passed", "yes", "GitHub has it already", Facts { handed_over: true, ..queue.clone() }, merging()),
        ("passed", "yes", "a merge queue, reviews missing", Facts { review_missing: true, ..queue.clone() }, merging()),
        ("passed", "yes", "a merge queue", queue, merging()),
        ("passed", "yes", "reviews missing", Facts { review_missing: true, ..passed() }, merging()),
        (
            "passed",
            "yes",
            "blocked, and GitHub's auto-merge is on offer",
            Facts { offers_automerge: true, ..blocked.clone() },
            merging(),
        ),
        ("passed", "yes", "blocked", blocked, merging()),
        ("passed", "yes", "GitHub does not know yet", Facts { fit: Fit::Unknown, ..passed() }, merging()),
        ("passed", "yes", "clean, the base branch has moved since", moved.clone(), merging()),
        ("passed", "yes", "the same, for the fourth time", moved, often),
        ("passed", "yes", "clean", passed(), merging()),
    ]
}

fn act_in_words(act: &Act) -> &'static str {
    match act {
        Act::Wait(_) => "wait",
        Act::Rebase(_) => "rebase",
        Act::Rerun(_) => "run them once more",
        Act::Merge(_) => "merge, with the commit that was looked at",
        Act::HandOver(_) => "hand over to GitHub",
        Act::Enqueue => "enqueue",
        Act::TakeBack(_) => "take it back",
        Act::Say(_) => "wait, and say why in a comment",
    }
}

#[test]
fn the_table_of_what_becomes_of_an_open_one_is_the_codes() {
    let mut table = "| checks | merge wanted | seen | act |\n|---|---|---|---|\n".to_owned();
    let mut acts: BTreeMap<&str, usize> = BTreeMap::new();
    for (checks, merge, seen, facts, memory) in people_and_base().into_iter().chain(by_checks()).chain(by_merge()) {
        let act = act_in_words(&watch(&facts, &memory, NOW));
        *acts.entry(act).or_default() += 1;
        table.push_str(&format!("| {checks} | {merge} | {seen} | {act} |\n").replace("|  |", "| |"));
    }
    assert_eq!(acts.len(), 8, "every act stands in the table: {acts:?}");
    assert_eq!((GRACE_MS, SETTLE_MS), (10 * 60_000, 2 * 60_000), "the table says ten minutes and two");
    generated_part("docs/pull-requests.md", "watched", &table);
}
