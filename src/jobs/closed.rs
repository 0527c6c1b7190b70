//! Looks at the pull requests that were open: what a person closed is not proposed again.

use std::collections::BTreeMap;

use super::plan::{ENDED, OPEN, memory};
use super::{JobError, Services, record};
use crate::github::{AccountKind, Pull, PullState, Repo};
use crate::plan::{Move, PassedOver};
use crate::pull::{MachineBlock, Standing};
use crate::repo::{BranchName, CommitSha};
use crate::store::{Ignore, PullRow, RepositoryRow};

/// A person whose name nobody told.
const SOMEBODY: &str = "a person";

/// What has become of Restow's pull requests.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Those that GitHub shows open.
    pub(super) open: BTreeMap<BranchName, Pull>,
    /// The branches of those that are merged as Restow left them, and the commit they were at.
    pub(super) merged: Vec<(BranchName, CommitSha)>,
}

/// Those of Restow's pull requests that GitHub shows open. What has ended since is remembered: what a person closed, as
/// refused.
pub(super) async fn look_at_open(services: &Services, repo: &Repo, row: &RepositoryRow) -> Result<Looked, JobError> {
    let mut looked = Looked::default();
    for known in services.store.pulls(row.id).await? {
        let Some(number) = known.number.filter(|_| known.state == OPEN) else { continue };
        let pull = repo.pull(number).await?;
        match pull.state {
            PullState::Open => {
                looked.open.insert(known.branch, pull);
            }
            PullState::Merged => {
                told_merged(services, row, &known, &pull).await?;
                ended(services, &known).await?;
                if known.head.as_ref() == Some(&pull.head_sha) {
                    looked.merged.push((known.branch, pull.head_sha));
                }
            }
            PullState::Closed => {
                if !closed_by_bot(repo, &pull).await? {
                    refuse(services, row, &pull, memory(&known).terms.base.as_ref()).await?;
                }
                ended(services, &known).await?;
            }
        }
    }
    Ok(looked)
}

/// Whether another App closed it, as one that closes what is old: that is nobody's refusal.
pub(super) async fn closed_by_bot(repo: &Repo, pull: &Pull) -> Result<bool, JobError> {
    let proposed = MachineBlock::find(&pull.body).is_some_and(|block| block.standing == Standing::Proposed);
    if pull.state != PullState::Closed || !proposed {
        return Ok(false);
    }
    Ok(repo.closed_by(pull.number).await?.is_some_and(|account| account.kind == AccountKind::Bot))
}

/// The same, and nothing is remembered.
pub(super) async fn still_open(
    services: &Services,
    repo: &Repo,
    row: &RepositoryRow,
) -> Result<BTreeMap<BranchName, Pull>, JobError> {
    let mut open = BTreeMap::new();
    for known in services.store.pulls(row.id).await? {
        let Some(number) = known.number.filter(|_| known.state == OPEN) else { continue };
        let pull = repo.pull(number).await?;
        if pull.state == PullState::Open {
            open.insert(known.branch, pull);
        }
    }
    Ok(open)
}

async fn ended(services: &Services, known: &PullRow) -> Result<(), JobError> {
    let row = PullRow { state: ENDED.to_owned(), updated_at: services.clock.now(), ..known.clone() };
    services.store.save_pull(&row).await?;
    Ok(())
}

/// Remembers that a person closed a pull request, unless it was said by a command, with its own words.
pub(super) async fn refuse(
    services: &Services,
    row: &RepositoryRow,
    pull: &Pull,
    base: Option<&BranchName>,
) -> Result<(), JobError> {
    let number = pull.number;
    let Some(block) = MachineBlock::find(&pull.body).filter(|block| block.standing == Standing::Proposed) else {
        return Ok(());
    };
    let now = services.clock.now();
    let by = services.store.closed_by(row.id, number).await?;
    let said = services.store.ignores(row.id, now).await?.iter().any(|ignore| ignore.pull == Some(number));
    if said {
        return Ok(());
    }
    let ignores: Vec<Ignore> = block
        .proposed()
        .into_iter()
        .filter_map(|one| {
            let (image, line) = (one.image.clone(), Some(one.line.clone()));
            let (author, reason) = (by.clone().unwrap_or_default(), "closed without being merged".to_owned());
            let what = refused(&one)?;
            Some(Ignore {
                base: base.cloned(),
                image,
                line,
                group: block.group(),
                what,
                until: None,
                author,
                reason,
                pull: Some(number),
                at: now,
            })
        })
        .collect();
    tracing::info!(pull = number.0, "a person closed it: not proposed again");
    services.store.save_ignores(row.id, &ignores).await?;
    let by = by.as_deref().unwrap_or(SOMEBODY);
    record::of_moves(services, row, (Some(by), "refuse"), number, ("closed", &block.target)).await
}

/// Who merged it: Restow, which may have died before it could say so, GitHub to which Restow gave it, or a person.
async fn told_merged(services: &Services, row: &RepositoryRow, known: &PullRow, pull: &Pull) -> Result<(), JobError> {
    let memory = memory(known);
    let by = pull.merged_by.as_ref().map(|account| account.login.clone());
    let bot = services.bot_login().await?;
    let given = memory.handed_over.as_ref() == Some(&pull.head_sha);
    let (actor, result) = match (given, by) {
        (true, _) => (None, "merged by GitHub, to which it was given"),
        (false, Some(by)) if by == bot => (None, "merged"),
        (false, Some(by)) => (Some(by), "merged"),
        (false, None) => (Some(SOMEBODY.to_owned()), "merged"),
    };
    let rule = if actor.is_none() { memory.terms.place.as_str() } else { "" };
    record::of_moves(services, row, (actor.as_deref(), "merge"), pull.number, (rule, result)).await
}

/// The version, or the content, that was refused.
pub(super) fn refused(one: &Move) -> Option<PassedOver> {
    let tag = one.tag.clone()?;
    Some(match &one.digest {
        Some(digest) => PassedOver::Content(tag, digest.clone()),
        None => PassedOver::Tag(tag),
    })
}
