//! What a changed configuration would do: a check on the commit that changes it, and on the pull request that would.

use super::kind::PreviewPayload;
use super::plan::{self, Foresight};
use super::rules::{Wrong, compose};
use super::scan::StoredScan;
use super::{JobError, Services, is_active};
use crate::config::{self, Mistake};
use crate::github::{Annotation, GitHubError, NewCheckRun, Repo};
use crate::repo::{CommitSha, PullNumber};
use crate::report;
use crate::store::{NewJob, RepositoryRow};

/// The check's name.
const NAME: &str = "Restow configuration";

/// Runs the job: nothing where the pull request leaves the file as it is.
pub(super) async fn run(services: &Services, payload: &PreviewPayload) -> Result<Vec<NewJob>, JobError> {
    let Some(row) = services.store.repository(payload.repo).await? else { return Ok(Vec::new()) };
    // The file counts on the default branch only.
    let elsewhere = payload.base.as_ref().is_some_and(|base| *base != row.default_branch);
    if elsewhere || !is_active(services, &row).await? {
        return Ok(Vec::new());
    }
    let repo = services.github.installation(row.installation).repository(row.id, &row.name);
    let Some(scan) = row.inventory.clone().and_then(|json| serde_json::from_value::<StoredScan>(json).ok()) else {
        return Ok(Vec::new());
    };
    let Some((path, text)) = changed(&repo, &payload.head, &scan).await? else { return Ok(Vec::new()) };
    let check = match verdict(services, &row, &text).await? {
        Ok(foresight) => NewCheckRun {
            name: NAME.to_owned(),
            head: payload.head.clone(),
            conclusion: "success",
            title: report::foresight_title(foresight.opens.len(), foresight.closes.len()),
            summary: report::foresight_summary(&foresight.opens, &foresight.closes),
            annotations: Vec::new(),
        },
        Err(mistakes) => wrong(&payload.head, path, &mistakes),
    };
    match written(&repo, &check).await? {
        Written::Yes => {}
        Written::MayNot => comment(&repo, payload.pull, &check).await?,
    }
    Ok(Vec::new())
}

/// The file at a commit, where the pull request changes it; an empty text where it is taken away. What the base branch
/// changed since is not the pull request's.
async fn changed(repo: &Repo, at: &CommitSha, scan: &StoredScan) -> Result<Option<(&'static str, String)>, JobError> {
    let now = file_at(repo, at).await?;
    if scan.rules_mistakes.is_empty() && now.as_ref().map(|(_, text)| text.as_str()) == scan.rules.as_deref() {
        return Ok(None);
    }
    let before = repo.compare(&scan.snapshot.commit, at).await?.merge_base;
    let before = file_at(repo, &before).await?;
    Ok(match (now, before) {
        (now, before) if now == before => None,
        (Some(now), _) => Some(now),
        (None, Some((path, _))) => Some((path, String::new())),
        (None, None) => None,
    })
}

async fn file_at(repo: &Repo, at: &CommitSha) -> Result<Option<(&'static str, String)>, JobError> {
    for path in config::PATHS {
        if let Some(bytes) = repo.file_at(path, at).await? {
            return Ok(Some((path, String::from_utf8_lossy(&bytes).into_owned())));
        }
    }
    Ok(None)
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

fn wrong(head: &CommitSha, path: &str, mistakes: &[Mistake]) -> NewCheckRun {
    let annotation = |mistake: &Mistake| Annotation {
        path: path.to_owned(),
        line: mistake.line,
        column: Some(mistake.column),
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

/// Says at the commit that changed the file that it has mistakes, or that it has them no more.
pub(super) async fn tell(
    services: &Services,
    repo: &Repo,
    file: Option<&(&'static str, Vec<u8>)>,
    scan: &StoredScan,
) -> Result<(), JobError> {
    let (path, text) =
        file.map_or((config::PATHS[0], "".into()), |(path, text)| (*path, String::from_utf8_lossy(text)));
    let newest = &scan.snapshot.commit;
    let at = &repo.newest_change_of(path, newest).await?.unwrap_or_else(|| newest.clone());
    let mistakes = &scan.rules_mistakes;
    let check = match config::parse(&text) {
        Err(found) => wrong(at, path, &found),
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
    write(services, repo, &check).await
}

/// Says that what the configuration builds upon is wrong; once for each commit.
pub(super) async fn tell_wrong(
    services: &Services,
    repo: &Repo,
    at: &CommitSha,
    wrong_place: &Wrong,
) -> Result<(), JobError> {
    let check = wrong(at, config::PATHS[0], &wrong_place.mistakes);
    tracing::warn!(place = %wrong_place.place, "what the configuration builds upon is wrong: nothing is done");
    let known = repo.check_runs(at).await?.all;
    match known.iter().any(|run| run.name == NAME && run.conclusion.as_deref() == Some("failure")) {
        true => Ok(()),
        false => write(services, repo, &check).await,
    }
}

/// Whether a check could be written.
enum Written {
    Yes,
    /// The installation does not grant it.
    MayNot,
}

async fn written(repo: &Repo, check: &NewCheckRun) -> Result<Written, JobError> {
    match repo.create_check_run(check).await {
        Ok(()) => Ok(Written::Yes),
        Err(error) if not_granted(&error) => Ok(Written::MayNot),
        Err(error) => Err(error.into()),
    }
}

fn not_granted(error: &GitHubError) -> bool {
    matches!(error, GitHubError::Unprocessable { .. } | GitHubError::Forbidden { .. } | GitHubError::NotFound { .. })
}

/// Writes the check; without the permission for it, an issue, and without that one, the log.
async fn write(services: &Services, repo: &Repo, check: &NewCheckRun) -> Result<(), JobError> {
    match written(repo, check).await? {
        Written::Yes => Ok(()),
        Written::MayNot => issue(services, repo, check).await,
    }
}

/// One issue: opened for the first mistake, rewritten for others, closed when all are mended.
async fn issue(services: &Services, repo: &Repo, check: &NewCheckRun) -> Result<(), JobError> {
    let ours = match repo.issues_of(&services.bot_login().await?).await {
        Ok(ours) => ours,
        Err(error) if not_granted(&error) => {
            tracing::warn!(%error, title = check.title, "the repository is not told: neither checks nor issues may be written");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let known = ours.into_iter().find(|issue| issue.title == report::MISTAKES_ISSUE_TITLE);
    match (known, check.conclusion == "success") {
        (None, true) => {}
        (Some(known), true) => drop(repo.close_issue(known.number).await?),
        (Some(known), false) if known.body.as_deref() == Some(&check.summary) => {}
        (Some(known), false) => drop(repo.rewrite_issue(known.number, &check.summary).await?),
        (None, false) => drop(repo.create_issue(report::MISTAKES_ISSUE_TITLE, &check.summary).await?),
    }
    Ok(())
}

/// One comment at the pull request, rewritten where there is something else to say.
async fn comment(repo: &Repo, pull: PullNumber, check: &NewCheckRun) -> Result<(), JobError> {
    let body = report::configuration_comment(&check.title, &check.summary);
    let comments = repo.comments(pull).await?;
    match comments.iter().find(|comment| comment.body.contains(report::CONFIGURATION_MARKER)) {
        Some(before) if before.body == body => {}
        Some(before) => drop(repo.update_comment(before.id, &body).await?),
        None => drop(repo.create_comment(pull, &body).await?),
    }
    Ok(())
}
