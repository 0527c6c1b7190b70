//! A person opened one of Restow's pull requests again: what its closing refused is wanted after all.

use super::kind::{ReopenPayload, plan_job, watch_job};
use super::plan::{OPEN, memory};
use super::{JobError, Services, is_active, record};
use crate::github::{Pull, PullState};
use crate::pull::{MachineBlock, Memory, Standing};
use crate::store::{NewJob, PullRow, RepositoryRow};

/// Runs the job.
pub(super) async fn run(services: &Services, payload: &ReopenPayload) -> Result<Vec<NewJob>, JobError> {
    let Some(row) = services.store.repository(payload.repo).await? else { return Ok(Vec::new()) };
    if !is_active(services, &row).await? {
        return Ok(Vec::new());
    }
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let pull = repo.pull(payload.pull).await?;
    if pull.state != PullState::Open {
        return Ok(Vec::new());
    }
    take_up(services, &row, &pull).await?;
    let now = services.clock.now();
    Ok(vec![plan_job(row.installation, row.id, &row.name, now), watch_job(row.installation, row.id, &row.name, now)])
}

/// Its row is open again. Where Restow itself had closed it, the person's wish is stronger than Restow's from then on.
async fn take_up(services: &Services, row: &RepositoryRow, pull: &Pull) -> Result<(), JobError> {
    services.store.forget_ignores_of(row.id, pull.number).await?;
    let Some(branch) = &pull.head_branch else { return Ok(()) };
    let Some(known) = services.store.pull(row.id, branch).await?.filter(|known| known.state != OPEN) else {
        return Ok(());
    };
    let withdrawn = MachineBlock::find(&pull.body).is_some_and(|block| block.standing == Standing::Withdrawn);
    let now = services.clock.now();
    let before = memory(&known);
    let memory = Memory {
        reopened: withdrawn || before.reopened,
        theirs: false,
        held_until: None,
        pushed_at: Some(now),
        ..before
    };
    let notes = serde_json::to_value(memory).map_err(|error| JobError::unreadable("memory", &error))?;
    let (number, image) = (Some(pull.number), known.image.clone());
    let open = PullRow { state: OPEN.to_owned(), number, notes, updated_at: now, ..known };
    services.store.save_pull(&open).await?;
    tracing::info!(pull = pull.number.0, "a person opened it again");
    record::of_pull(services, row, (Some("a person"), "reopen"), pull.number, (&image, "opened again", "")).await
}
