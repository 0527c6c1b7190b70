//! What GitHub shows of one of Restow's branches.

use super::closed::closed_by_bot;
use super::plan::memory;
use super::{JobError, Services};
use crate::github::{Account, AheadCommit, Comparison, Pull, PullState as GitHubState, Repo};
use crate::pull::{
    Authorship, MachineBlock, Observed, ObservedBranch, ObservedPull, PullState, Standing, fingerprint_of_message,
};
use crate::repo::{BranchName, CommitSha};
use crate::store::PullRow;

/// Whose name stands under a commit that GitHub signs.
const WEB_FLOW: &str = "web-flow";

/// Reads the branch and its newest pull request; `base` is a commit of the default branch.
pub(super) async fn observe(
    services: &Services,
    repo: &Repo,
    branch: &BranchName,
    base: &CommitSha,
    known: Option<&PullRow>,
    open: Option<&Pull>,
) -> Result<Observed, JobError> {
    // What was just seen to be open is not looked for.
    let pulls = match open {
        Some(pull) => vec![pull.clone()],
        None => repo.pulls_from(branch).await?,
    };
    let newest = pulls.iter().find(|pull| pull.state == GitHubState::Open).or_else(|| newest_of(&pulls));
    let by_bot = match newest {
        Some(pull) => closed_by_bot(repo, pull).await?,
        None => false,
    };
    // What a bot closed is no more than taken back.
    let standing =
        |block: MachineBlock| if by_bot { MachineBlock { standing: Standing::Withdrawn, ..block } } else { block };
    let pull = newest.map(|pull| ObservedPull {
        number: pull.number,
        state: match pull.state {
            GitHubState::Open => PullState::Open,
            GitHubState::Closed => PullState::Closed,
            GitHubState::Merged => PullState::Merged,
        },
        machine: MachineBlock::find(&pull.body).map(standing),
        reopened: known.is_some_and(|row| row.number == Some(pull.number) && memory(row).reopened),
    });
    let branch = match repo.branch_head(branch).await? {
        None => None,
        // What Restow itself left there, whatever has become of the default branch since.
        Some(head) if known.is_some_and(|row| row.head.as_ref() == Some(&head)) => {
            let fingerprint = known.map(|row| row.fingerprint.clone());
            Some(ObservedBranch { head, authorship: Authorship::Restow, fingerprint })
        }
        Some(head) => {
            let ahead = repo.compare(base, &head).await?;
            Some(observed_branch(head, &ahead, &services.bot_login().await?))
        }
    };
    Ok(Observed { branch, pull })
}

fn newest_of(pulls: &[Pull]) -> Option<&Pull> {
    pulls.iter().max_by_key(|pull| pull.number)
}

fn observed_branch(head: CommitSha, ahead: &Comparison, bot: &str) -> ObservedBranch {
    let login = |account: &Option<Account>| account.as_ref().map(|account| account.login.clone()).unwrap_or_default();
    // An amended or rebased commit keeps its author: its committer tells that a person had it.
    let by_bot =
        |commit: &AheadCommit| login(&commit.author) == bot && [bot, WEB_FLOW].contains(&&*login(&commit.committer));
    let all_seen = usize::try_from(ahead.ahead_by).is_ok_and(|count| count == ahead.commits.len());
    let ours = all_seen && ahead.commits.iter().all(by_bot);
    let fingerprint = ahead.commits.last().and_then(|commit| fingerprint_of_message(&commit.message));
    ObservedBranch { head, authorship: if ours { Authorship::Restow } else { Authorship::Person }, fingerprint }
}
