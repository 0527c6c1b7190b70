//! The life of a pull request: what is wanted and what is seen → the next step; what GitHub shows of an open one → the
//! next act. Pure. The tables are in `docs/pull-requests.md`, which a test (`tests/it/pull.rs`) makes from this code.

mod machine;
mod memory;
mod watch;

use crate::plan::ChangeSet;
use crate::repo::{CommitSha, PullNumber};

pub use machine::{FINGERPRINT_TRAILER, MachineBlock, Standing, fingerprint_of_message};
pub use memory::{Addressed, Memory, WatchTerms};
pub use watch::{Act, CheckFact, CheckState, Facts, Fit, GRACE_MS, SETTLE_MS, Verdict, settles_at, verdict, watch};

/// What GitHub shows of one of Restow's branches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The branch, where it is there.
    pub branch: Option<ObservedBranch>,
    /// The newest pull request from it, in whatever state.
    pub pull: Option<ObservedPull>,
}

/// A branch of Restow's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedBranch {
    /// The commit it is at.
    pub head: CommitSha,
    /// Whose commits it holds.
    pub authorship: Authorship,
    /// The fingerprint in the newest commit's message.
    pub fingerprint: Option<String>,
}

/// Whose commits a branch holds, beyond its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorship {
    /// Restow's alone.
    Restow,
    /// A person's too.
    Person,
}

/// A pull request from one of Restow's branches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedPull {
    /// Its number.
    pub number: PullNumber,
    /// Its state on GitHub.
    pub state: PullState,
    /// What Restow wrote into it for itself.
    pub machine: Option<MachineBlock>,
    /// Whether a person opened it again after it had been closed.
    pub reopened: bool,
}

/// The state of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullState {
    /// Waiting.
    Open,
    /// Closed without being merged.
    Closed,
    /// Merged.
    Merged,
}

/// How the branch gets its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// It is not there yet.
    Create,
    /// It is there with other content, all Restow's own.
    Replace,
    /// It is there with this content.
    Keep,
}

/// How the pull request gets its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullWrite {
    /// There is no open one.
    Open,
    /// This one is open.
    Rewrite(PullNumber),
}

/// What to do about a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// All is as it should be.
    Nothing,
    /// Push the branch and write the pull request.
    Publish {
        /// How the branch gets its content.
        push: Push,
        /// How the pull request gets its text.
        pull: PullWrite,
    },
    /// A person works on the branch: change nothing, say so once.
    LeaveAlone(PullNumber),
    /// The branch is a person's: publish on another one. What is open and proposes something older is closed with a
    /// link to the new one; its branch stays.
    Elsewhere(Option<PullNumber>),
    /// A person closed the pull request of exactly this move.
    Respect(PullNumber),
}

/// What somebody, or the branch's state, asks for beyond the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wish {
    /// Nothing.
    #[default]
    None,
    /// The branch is brought onto its base again.
    Rebase,
    /// The branch is made anew, whatever lies on it.
    Recreate,
}

/// The next step for a change set that is wanted.
pub fn step(wanted: &ChangeSet, seen: &Observed, wish: Wish) -> Step {
    let open = seen.pull.as_ref().filter(|pull| pull.state == PullState::Open);
    let fingerprint = wanted.fingerprint();
    if let Some(closed) = refused(wanted, seen) {
        return Step::Respect(closed);
    }
    let push = match &seen.branch {
        None => Push::Create,
        Some(_) if wish == Wish::Recreate => Push::Replace,
        Some(branch) if branch.authorship == Authorship::Person => {
            return beside_a_person(wanted, open);
        }
        Some(_) if wish == Wish::Rebase => Push::Replace,
        Some(branch) if branch.fingerprint.as_ref() == Some(&fingerprint) && !finished(seen) => Push::Keep,
        Some(_) => Push::Replace,
    };
    match open {
        None => Step::Publish { push, pull: PullWrite::Open },
        Some(pull) if push == Push::Keep && has_fingerprint(pull, &fingerprint) => Step::Nothing,
        Some(pull) => Step::Publish { push, pull: PullWrite::Rewrite(pull.number) },
    }
}

/// A person has the branch. Whoever opened it again wants this one, whatever is newer.
fn beside_a_person(wanted: &ChangeSet, open: Option<&ObservedPull>) -> Step {
    let Some(pull) = open else { return Step::Elsewhere(None) };
    let older = pull.machine.as_ref().is_some_and(|machine| machine.target != wanted.target());
    match older && !pull.reopened {
        true => Step::Elsewhere(Some(pull.number)),
        false => Step::LeaveAlone(pull.number),
    }
}

/// The pull request to withdraw where its change set is no longer wanted.
pub fn withdrawal(seen: &Observed) -> Option<PullNumber> {
    let person = seen.branch.as_ref().is_some_and(|branch| branch.authorship == Authorship::Person);
    let open = seen.pull.as_ref().filter(|pull| pull.state == PullState::Open && !pull.reopened)?;
    (!person).then_some(open.number)
}

/// The newest pull request was merged or closed: what lies on the branch was for it.
fn finished(seen: &Observed) -> bool {
    seen.pull.as_ref().is_some_and(|pull| pull.state != PullState::Open)
}

fn has_fingerprint(pull: &ObservedPull, fingerprint: &str) -> bool {
    pull.machine.as_ref().is_some_and(|machine| machine.proposes(fingerprint))
}

/// The pull request of this very target that a person closed, not Restow.
fn refused(wanted: &ChangeSet, seen: &Observed) -> Option<PullNumber> {
    let pull = seen.pull.as_ref().filter(|pull| pull.state == PullState::Closed)?;
    let machine = pull.machine.as_ref()?;
    (machine.standing == Standing::Proposed && machine.target == wanted.target()).then_some(pull.number)
}
