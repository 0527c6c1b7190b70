//! Asks a repository without a configuration whether Restow may work there: one pull request that brings the file.

use super::plan::{ENDED, OPEN};
use super::publish::Publisher;
use super::{JobError, record};
use crate::config;
use crate::formats::Inventory;
use crate::github::{BranchCreation, NewContent, NewEntry, NewPull, PullCreation, PullState};
use crate::plan::{ChangeSet, Hold};
use crate::pull::Memory;
use crate::repo::{BranchName, FileMode, FilePath, PullNumber};
use crate::report;
use crate::store::PullRow;

/// Its branch.
const BRANCH: &str = "restow/onboarding";
/// How its row is told from those of images.
pub(super) const TOPIC: &str = "onboarding";

/// Opens the pull request, once ever: whoever closes it has answered.
pub(super) async fn onboard(
    publisher: &Publisher<'_>,
    known: &[PullRow],
    inventory: &Inventory,
    sets: &[ChangeSet],
    holds: &[Hold],
) -> Result<(), JobError> {
    let branch = BranchName::parse(BRANCH).expect("impossible: it is a branch name");
    if inventory.sites.is_empty() || known.iter().any(|row| row.branch == branch) {
        return Ok(());
    }
    let before = publisher.repo.pulls_from(&branch).await?;
    if let Some(before) = before.first() {
        let state = if before.state == PullState::Open { OPEN } else { ENDED };
        return save(publisher, &branch, Some(before.number), state).await;
    }
    push(publisher, &branch).await?;
    let (title, body) = (report::ONBOARDING_TITLE.to_owned(), report::onboarding_body(inventory, sets, holds));
    let base = publisher.tree.base.name().clone();
    publisher.guard.check()?;
    let new = NewPull { title, body, head: branch.clone(), base, draft: false };
    let number = match publisher.repo.create_pull(&new).await? {
        PullCreation::Created(pull) => Some(pull.number),
        PullCreation::AlreadyThere => None,
    };
    save(publisher, &branch, number, OPEN).await?;
    let result = number.map(|number| format!("#{}", number.0)).unwrap_or_default();
    record::of_repository(publisher.services, publisher.row, (None, "onboarding"), (report::ONBOARDING_TITLE, &result))
        .await
}

async fn push(publisher: &Publisher<'_>, branch: &BranchName) -> Result<(), JobError> {
    let base = publisher.repo.commit(publisher.base()).await?;
    let path = FilePath::parse(config::PATHS[0]).expect("impossible: it is a path");
    let content = NewContent::Text(report::STARTER.to_owned());
    let entry = NewEntry { path, mode: FileMode::Regular, content };
    publisher.guard.check()?;
    let tree = publisher.repo.create_tree(&base.tree, &[entry]).await?;
    publisher.guard.check()?;
    let parents = std::slice::from_ref(&base.sha);
    let commit = publisher.repo.create_commit(report::ONBOARDING_TITLE, &tree, parents).await?;
    publisher.guard.check()?;
    match publisher.repo.create_branch(branch, &commit).await? {
        // One of an earlier try holds the same file.
        BranchCreation::Created | BranchCreation::AlreadyThere => Ok(()),
    }
}

async fn save(
    publisher: &Publisher<'_>,
    branch: &BranchName,
    number: Option<PullNumber>,
    state: &str,
) -> Result<(), JobError> {
    let now = publisher.services.clock.now();
    let memory = Memory { pushed_at: Some(now), ..Memory::default() };
    let row = PullRow {
        repo: publisher.row.id,
        branch: branch.clone(),
        number,
        image: TOPIC.to_owned(),
        line: String::new(),
        state: state.to_owned(),
        fingerprint: String::new(),
        target: String::new(),
        head: None,
        base: Some(publisher.base().clone()),
        notes: serde_json::to_value(memory).map_err(|error| JobError::unreadable("memory", &error))?,
        updated_at: now,
        opened_at: Some(now),
    };
    publisher.services.store.save_pull(&row).await?;
    Ok(())
}
