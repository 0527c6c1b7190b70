//! What GitHub shows of one of Restow's branches.

use super::{JobError, Services};
use crate::github::{Account, Comparison, Pull, PullState as GitHubState, Repo};
use crate::pull::{
    Authorship, MachineBlock, Observed, ObservedBranch, ObservedPull, PullState, fingerprint_of_message,
};
use crate::repo::{BranchName, CommitSha};

/// Reads the branch and its newest pull request; `base` is a commit of the default branch.
pub(super) async fn observe(
    services: &Services,
    repo: &Repo,
    branch: &BranchName,
    base: &CommitSha,
) -> Result<Observed, JobError> {
    let pulls = repo.pulls_from(branch).await?;
    let newest = pulls.iter().find(|pull| pull.state == GitHubState::Open).or_else(|| newest_of(&pulls));
    let pull = newest.map(|pull| ObservedPull {
        number: pull.number,
        state: match pull.state {
            GitHubState::Open => PullState::Open,
            GitHubState::Closed => PullState::Closed,
            GitHubState::Merged => PullState::Merged,
        },
        machine: MachineBlock::find(&pull.body),
    });
    let branch = match repo.branch_head(branch).await? {
        None => None,
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
    let by_bot = |account: &Option<Account>| account.as_ref().is_some_and(|account| account.login == bot);
    let all_seen = usize::try_from(ahead.ahead_by).is_ok_and(|count| count == ahead.commits.len());
    let ours = all_seen && ahead.commits.iter().all(|commit| by_bot(&commit.author));
    let fingerprint = ahead.commits.last().and_then(|commit| fingerprint_of_message(&commit.message));
    ObservedBranch { head, authorship: if ours { Authorship::Restow } else { Authorship::Person }, fingerprint }
}
