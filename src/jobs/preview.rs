//! What a changed configuration would do: a check on the commit that changes it, and on the pull request that would.

use std::collections::BTreeSet;

use super::kind::PreviewPayload;
use super::plan::{self, Foresight};
use super::rules::{Wrong, compose};
use super::scan::StoredScan;
use super::{JobError, Services, is_active};
use crate::config::{self, Mistake};
use crate::github::{Annotation, GitHubError, NewCheckRun, Repo};
use crate::repo::CommitSha;
use crate::report;
use crate::store::{NewJob, RepositoryRow};

/// The check's name.
const NAME: &str = "Restow configuration";

/// Runs the job: nothing where the pull request leaves the file as it is.
pub(super) async fn run(services: &Services, payload: &PreviewPayload) -> Result<Vec<NewJob>, JobError> {
    let Some(row) = services.store.repository(payload.repo).await? else { return Ok(Vec::new()) };
    if !is_active(services, &row).await? {
        return Ok(Vec::new());
    }
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let Some(scan) = row.inventory.clone().and_then(|json| serde_json::from_value::<StoredScan>(json).ok()) else {
        return Ok(Vec::new());
    };
    let Some(text) = changed(&repo, &payload.head, scan.rules.as_deref()).await? else { return Ok(Vec::new()) };
    let check = match verdict(services, &row, &text).await? {
        Ok(foresight) => NewCheckRun {
            name: NAME.to_owned(),
            head: payload.head.clone(),
            conclusion: "success",
            title: report::foresight_title(foresight.opens.len(), foresight.closes.len()),
            summary: report::foresight_summary(&foresight.opens, &foresight.closes),
            annotations: Vec::new(),
        },
        Err(mistakes) => wrong(&payload.head, &mistakes),
    };
    write(&repo, &check).await?;
    Ok(Vec::new())
}

/// The file at a commit, where it is another than that in force; an empty text where it is taken away.
async fn changed(repo: &Repo, at: &CommitSha, in_force: Option<&str>) -> Result<Option<String>, JobError> {
    let mut found = None;
    for path in config::PATHS {
        if let Some(bytes) = repo.file_at(path, at).await? {
            found = Some(String::from_utf8_lossy(&bytes).into_owned());
            break;
        }
    }
    Ok(match (found, in_force) {
        (Some(text), Some(now)) if text == now => None,
        (Some(text), _) => Some(text),
        (None, Some(_)) => Some(String::new()),
        (None, None) => None,
    })
}

async fn verdict(
    services: &Services,
    row: &RepositoryRow,
    text: &str,
) -> Result<Result<Foresight, Vec<Mistake>>, JobError> {
    match compose(services, row, Some(text)).await? {
        Ok(rules) => Ok(Ok(plan::foresee(services, row, rules).await?)),
        Err(Wrong { mistakes, .. }) => Ok(Err(mistakes)),
    }
}

fn wrong(head: &CommitSha, mistakes: &[Mistake]) -> NewCheckRun {
    let annotation = |mistake: &Mistake| Annotation {
        path: config::PATHS[0].to_owned(),
        line: mistake.line,
        message: mistake.to_string(),
    };
    NewCheckRun {
        name: NAME.to_owned(),
        head: head.clone(),
        conclusion: "failure",
        title: "The configuration has mistakes".to_owned(),
        summary: report::mistakes_summary(&mistakes.iter().map(ToString::to_string).collect::<Vec<_>>()),
        annotations: mistakes.iter().map(annotation).collect(),
    }
}

/// Says at the default branch's newest commit that the file has mistakes, or that it has them no more.
pub(super) async fn tell(
    repo: &Repo,
    at: &CommitSha,
    text: Option<&[u8]>,
    mistakes: &[String],
) -> Result<(), JobError> {
    let text = text.map(String::from_utf8_lossy).unwrap_or_default();
    let check = match config::parse(&text) {
        Err(found) => wrong(at, &found),
        Ok(_) if mistakes.is_empty() => NewCheckRun {
            name: NAME.to_owned(),
            head: at.clone(),
            conclusion: "success",
            title: "The configuration is valid again".to_owned(),
            summary: "It is in force.".to_owned(),
            annotations: Vec::new(),
        },
        Ok(_) => NewCheckRun {
            name: NAME.to_owned(),
            head: at.clone(),
            conclusion: "failure",
            title: "The configuration has mistakes".to_owned(),
            summary: report::mistakes_summary(mistakes),
            annotations: Vec::new(),
        },
    };
    write(repo, &check).await
}

/// Says that what the configuration builds upon is wrong; once for each commit.
pub(super) async fn tell_wrong(repo: &Repo, at: &CommitSha, wrong_place: &Wrong) -> Result<(), JobError> {
    let check = wrong(at, &wrong_place.mistakes);
    tracing::warn!(place = %wrong_place.place, "what the configuration builds upon is wrong: nothing is done");
    let known = repo.check_runs(at).await?;
    match known.iter().any(|run| run.name == NAME && run.conclusion.as_deref() == Some("failure")) {
        true => Ok(()),
        false => write(repo, &check).await,
    }
}

/// Writes the check; without the permission for it, an issue, and without that one, the log.
async fn write(repo: &Repo, check: &NewCheckRun) -> Result<(), JobError> {
    match repo.create_check_run(check).await {
        Ok(()) => Ok(()),
        Err(GitHubError::Unprocessable { .. } | GitHubError::Forbidden { .. } | GitHubError::NotFound { .. }) => {
            instead(repo, check).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn instead(repo: &Repo, check: &NewCheckRun) -> Result<(), JobError> {
    if check.conclusion == "success" {
        return Ok(());
    }
    let known: BTreeSet<String> = match repo.issue_titles().await {
        Ok(titles) => titles,
        Err(error) => {
            tracing::warn!(%error, title = check.title, "the repository is not told: neither checks nor issues may be written");
            return Ok(());
        }
    };
    let title = report::MISTAKES_ISSUE_TITLE;
    if !known.contains(title) {
        repo.create_issue(title, &check.summary).await?;
    }
    Ok(())
}
