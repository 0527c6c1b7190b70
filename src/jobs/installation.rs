//! Compares an installation's repositories, as GitHub tells them now, with what is known.

use std::collections::BTreeSet;

use super::kind::{Extent, SyncPayload, scan_job};
use super::worker::Guard;
use super::{JobError, Services};
use crate::github::{InstallationDetails, RepoDetails};
use crate::repo::{InstallationId, RepoId};
use crate::store::{InstallationRow, InstallationState, NewJob, RepositoryRow, RepositoryState};

/// What GitHub tells.
enum Told {
    Gone,
    Suspended(InstallationDetails),
    Active(InstallationDetails, Vec<RepoDetails>),
}

/// Runs the job.
pub(super) async fn run(services: &Services, payload: &SyncPayload, guard: &Guard) -> Result<Vec<NewJob>, JobError> {
    let told = gather(services, payload.installation).await?;
    guard.check()?;
    apply(services, payload, told).await
}

async fn gather(services: &Services, id: InstallationId) -> Result<Told, JobError> {
    let installations = services.github.installations().await?;
    let Some(details) = installations.into_iter().find(|details| details.id == id) else {
        return Ok(Told::Gone);
    };
    if details.suspended_at.is_some() {
        return Ok(Told::Suspended(details));
    }
    let repositories = services.github.installation(id).repositories().await?;
    Ok(Told::Active(details, repositories))
}

async fn apply(services: &Services, payload: &SyncPayload, told: Told) -> Result<Vec<NewJob>, JobError> {
    let id = payload.installation;
    match told {
        Told::Gone => {
            services.github.forget_installation(id);
            services.store.delete_installation(id).await?;
            Ok(Vec::new())
        }
        Told::Suspended(details) => {
            services.store.save_installation(&row(&details, InstallationState::Suspended)).await?;
            Ok(Vec::new())
        }
        Told::Active(details, repositories) => {
            let resumed = is_stopped(services, id).await?;
            services.store.save_installation(&row(&details, InstallationState::Active)).await?;
            let extent = if resumed { Extent::All } else { payload.extent };
            save_repositories(services, id, &repositories, extent).await
        }
    }
}

fn row(details: &InstallationDetails, state: InstallationState) -> InstallationRow {
    let account = details.account.as_ref().map(|account| account.login.clone()).unwrap_or_default();
    InstallationRow { id: details.id, account, state }
}

/// Whether an installation is suspended or gone: then nothing is done in its repositories. One that was never heard of
/// is not: its own event may come later.
pub(super) async fn is_stopped(services: &Services, id: InstallationId) -> Result<bool, JobError> {
    let row = services.store.installation(id).await?;
    Ok(row.is_some_and(|row| row.state != InstallationState::Active))
}

/// Saves the repositories, forgets those that left, and scans those that are new or have changed.
async fn save_repositories(
    services: &Services,
    id: InstallationId,
    told: &[RepoDetails],
    extent: Extent,
) -> Result<Vec<NewJob>, JobError> {
    let known = services.store.repositories_of(id).await?;
    let now = services.clock.now();
    let mut scans = Vec::new();
    for details in told {
        let row = repository_row(id, details);
        let before = known.iter().find(|known| known.id == row.id);
        let changed = before.is_none_or(|before| {
            before.scanned_commit.is_none()
                || before.state != row.state
                || before.name != row.name
                || before.default_branch != row.default_branch
        });
        services.store.save_repository(&row).await?;
        if (changed || extent == Extent::All) && row.state == RepositoryState::Active {
            scans.push(scan_job(id, row.id, &row.name, now));
        }
    }
    let present: BTreeSet<RepoId> = told.iter().map(|details| details.id).collect();
    let gone: Vec<RepoId> = known.iter().map(|row| row.id).filter(|id| !present.contains(id)).collect();
    services.store.remove_repositories(&gone).await?;
    Ok(scans)
}

/// A repository as it is saved: its scan is kept.
pub(super) fn repository_row(installation: InstallationId, details: &RepoDetails) -> RepositoryRow {
    let state = match details.archived || details.disabled {
        true => RepositoryState::Archived,
        false => RepositoryState::Active,
    };
    RepositoryRow {
        id: details.id,
        installation,
        name: details.name.clone(),
        default_branch: details.default_branch.clone(),
        state,
        scanned_commit: None,
        inventory: None,
        rules_blob: None,
    }
}
