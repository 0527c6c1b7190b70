//! Labels, assignees and reviewers of a pull request: what it has not been given yet.

use super::JobError;
use super::worker::Guard;
use crate::github::{GitHubError, Repo};
use crate::plan::SetTerms;
use crate::pull::Addressed;
use crate::repo::PullNumber;

/// Gives a pull request what the rules want and it has not been given before; what it has been given then. Whoever is
/// not there is no reason to do without the pull request, nor without the others.
pub(super) async fn address(
    repo: &Repo,
    number: PullNumber,
    terms: &SetTerms,
    before: Option<&Addressed>,
    guard: &Guard,
) -> Result<Addressed, JobError> {
    let given = before.cloned().unwrap_or_default();
    let labels = missing(&terms.labels, &given.labels);
    let assignees = missing(&terms.assignees, &given.assignees);
    if !(labels.is_empty() && assignees.is_empty()) {
        guard.check()?;
        let done = match before {
            None => repo.label_and_assign(number, &labels, &assignees).await,
            Some(_) => add(repo, number, &labels, &assignees).await,
        };
        tolerated(number, done)?;
    }
    let reviewers = missing(&terms.reviewers, &given.reviewers);
    if !reviewers.is_empty() {
        guard.check()?;
        request(repo, number, &reviewers).await?;
    }
    let wanted = |list: &[String], given: Vec<String>| given.into_iter().chain(list.iter().cloned()).collect();
    Ok(Addressed {
        labels: wanted(&labels, given.labels),
        assignees: wanted(&assignees, given.assignees),
        reviewers: wanted(&reviewers, given.reviewers),
    })
}

fn missing(wanted: &[String], given: &[String]) -> Vec<String> {
    wanted.iter().filter(|one| !given.contains(one)).cloned().collect()
}

/// What people gave it meanwhile stays.
async fn add(repo: &Repo, number: PullNumber, labels: &[String], people: &[String]) -> Result<(), GitHubError> {
    let pull = repo.pull(number).await?;
    let with = |new: &[String], has: &[String]| has.iter().cloned().chain(missing(new, has)).collect::<Vec<_>>();
    let given = |new: &[String], has: &[String]| if new.is_empty() { Vec::new() } else { with(new, has) };
    let (labels, people) = (given(labels, &pull.labels), given(people, &pull.assignees));
    repo.label_and_assign(number, &labels, &people).await
}

/// All at once; where GitHub refuses one of them, each alone.
async fn request(repo: &Repo, number: PullNumber, reviewers: &[String]) -> Result<(), JobError> {
    match ask(repo, number, reviewers).await {
        Err(GitHubError::Unprocessable { .. }) if reviewers.len() > 1 => {
            for one in reviewers {
                tolerated(number, ask(repo, number, std::slice::from_ref(one)).await)?;
            }
            Ok(())
        }
        done => tolerated(number, done),
    }
}

async fn ask(repo: &Repo, number: PullNumber, reviewers: &[String]) -> Result<(), GitHubError> {
    let (teams, people): (Vec<String>, Vec<String>) = reviewers.iter().cloned().partition(|name| name.contains('/'));
    let short = |team: &String| team.rsplit('/').next().unwrap_or_default().to_owned();
    let teams: Vec<String> = teams.iter().map(short).collect();
    repo.request_reviewers(number, &people, &teams).await
}

/// What GitHub refuses is said in the log and not tried again; all else is.
fn tolerated(number: PullNumber, done: Result<(), GitHubError>) -> Result<(), JobError> {
    match done {
        Ok(()) => Ok(()),
        Err(error @ GitHubError::Retry { .. }) => Err(error.into()),
        Err(error) => {
            tracing::warn!(pull = number.0, %error, "labels, assignees or reviewers were refused");
            Ok(())
        }
    }
}
