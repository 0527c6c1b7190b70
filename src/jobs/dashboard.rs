//! The dashboard issue: written where it says something new, read where somebody ticked a box.

use super::plan::{OPEN, memory};
use super::{JobError, Services, record};
use crate::github::{GitHubError, Repo};
use crate::image::ImageName;
use crate::plan::{Hold, HoldCode, Passed, Plan};
use crate::repo::{BranchName, PullNumber};
use crate::report::{self, Dashboard, OpenPull, TickedBox};
use crate::store::{PullRow, RepositoryRow};

/// How its row is told from those of images.
const TOPIC: &str = "dashboard";
/// GitHub tells who edited an issue, not who ticked which box.
const SOMEBODY: &str = "a person";
/// How often the boxes are looked at though nobody told of one: webhooks are lost.
const BOXES_MS: i64 = 86_400_000;

/// What the dashboard is made of.
pub(super) struct Shown<'a> {
    pub(super) plan: &'a Plan,
    pub(super) waiting: &'a [Hold],
    pub(super) passed: Vec<&'a Passed>,
    pub(super) problems: Vec<(String, String)>,
}

/// Why a plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody ticked a box.
    Box,
    /// Anything else.
    Other,
}

/// Does what ticked boxes ask for; whether there were any. Nothing without the permission to read issues.
pub(super) async fn obey(
    services: &Services,
    repo: &Repo,
    row: &RepositoryRow,
    cause: Cause,
) -> Result<bool, JobError> {
    let Some(known) = known(services, row).await? else { return Ok(false) };
    let Some(number) = known.number else { return Ok(false) };
    let now = services.clock.now();
    if cause == Cause::Other && now.0 - known.updated_at.0 < BOXES_MS {
        return Ok(false);
    }
    let issue = match repo.issue(number).await {
        Ok(issue) => issue,
        Err(GitHubError::NotFound { .. }) => {
            // Somebody deleted it, and the rules still want it: it is written anew.
            save(services, row, None, String::new()).await?;
            return Ok(false);
        }
        Err(error) if missing(&error) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    services.store.save_pull(&PullRow { updated_at: now, ..known }).await?;
    let boxes = report::ticked(issue.body.as_deref().unwrap_or_default());
    for one in &boxes {
        match one {
            TickedBox::Rebase(branch) => {
                let pull = services.store.pull(row.id, branch).await?;
                if let Some(pull) = pull.filter(|pull| pull.state == OPEN) {
                    let mut memory = memory(&pull);
                    memory.rebase = true;
                    let notes = serde_json::to_value(memory).map_err(|error| JobError::unreadable("memory", &error))?;
                    services.store.save_pull(&PullRow { notes, ..pull }).await?;
                    let rule = format!("rebase {branch}");
                    record::of_repository(services, row, (Some(SOMEBODY), "box"), (&rule, "ticked")).await?;
                }
            }
            TickedBox::Unignore(image) => {
                if let Ok(image) = ImageName::parse(image) {
                    services.store.forget_ignores(row.id, &image).await?;
                    let rule = format!("unignore {image}");
                    record::of_repository(services, row, (Some(SOMEBODY), "box"), (&rule, "ticked")).await?;
                }
            }
        }
    }
    Ok(!boxes.is_empty())
}

/// Writes the issue where its text is another than before; opens it once.
pub(super) async fn write(
    services: &Services,
    repo: &Repo,
    row: &RepositoryRow,
    shown: &Shown<'_>,
    rewrite: bool,
) -> Result<(), JobError> {
    let rows = services.store.pulls(row.id).await?;
    let open = rows.iter().filter(|known| known.state == OPEN).filter_map(|known| {
        let memory = memory(known);
        let base = memory.terms.base.map(|base| format!(" ({base})")).unwrap_or_default();
        let target = known.target.split(' ').next().unwrap_or_default();
        let title = match known.image.as_str() {
            "group" => format!("the group {}{base}", known.line),
            "onboarding" => "the question whether Restow may work here".to_owned(),
            image => format!("{image} {target}{base}"),
        };
        let standing = memory.standing;
        Some(OpenPull { number: known.number?, branch: known.branch.clone(), title, standing })
    });
    let refused = |code: HoldCode| matches!(code, HoldCode::IgnoredByPerson | HoldCode::PutOff);
    let text = Dashboard {
        open: open.collect(),
        holds: shown.plan.holds.iter().chain(shown.waiting).collect(),
        passed: shown.passed.iter().copied().filter(|passed| refused(passed.code)).collect(),
        unfixed: &shown.plan.unfixed,
        ends: &shown.plan.ends,
        problems: shown.problems.clone(),
    }
    .text();
    let fingerprint = crate::image::Digest::sha256_of(text.as_bytes()).hex()[..32].to_owned();
    let known = known(services, row).await?;
    if known.as_ref().is_some_and(|known| known.fingerprint == fingerprint) && !rewrite {
        return Ok(());
    }
    match post(services, repo, known.and_then(|known| known.number), &text).await {
        Ok(number) => save(services, row, Some(number), fingerprint).await,
        Err(error) if missing(&error) => {
            tracing::info!(%error, "no dashboard: the App may not write issues");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The issue's number: that which is known, one that is found by its marker, or a new one.
async fn post(
    services: &Services,
    repo: &Repo,
    known: Option<PullNumber>,
    text: &str,
) -> Result<PullNumber, GitHubError> {
    if let Some(number) = known {
        return Ok(repo.rewrite_issue(number, text).await?.number);
    }
    let login = services.bot_login().await.unwrap_or_default();
    let ours = repo.issues_of(&login).await?;
    let found =
        ours.iter().find(|issue| issue.body.as_deref().is_some_and(|body| body.contains(report::DASHBOARD_MARKER)));
    match found {
        Some(found) => Ok(repo.rewrite_issue(found.number, text).await?.number),
        None => Ok(repo.create_issue(report::DASHBOARD_TITLE, text).await?.number),
    }
}

fn missing(error: &GitHubError) -> bool {
    matches!(error, GitHubError::Unprocessable { .. } | GitHubError::Forbidden { .. } | GitHubError::NotFound { .. })
}

fn branch() -> BranchName {
    BranchName::parse("restow/dashboard").expect("impossible: it is a branch name")
}

async fn known(services: &Services, row: &RepositoryRow) -> Result<Option<PullRow>, JobError> {
    Ok(services.store.pull(row.id, &branch()).await?)
}

async fn save(
    services: &Services,
    row: &RepositoryRow,
    number: Option<PullNumber>,
    fingerprint: String,
) -> Result<(), JobError> {
    let now = services.clock.now();
    let row = PullRow {
        repo: row.id,
        branch: branch(),
        number,
        image: TOPIC.to_owned(),
        line: String::new(),
        state: TOPIC.to_owned(),
        fingerprint,
        target: String::new(),
        head: None,
        base: None,
        notes: serde_json::Value::Null,
        updated_at: now,
        opened_at: None,
    };
    services.store.save_pull(&row).await?;
    Ok(())
}
