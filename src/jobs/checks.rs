//! What a repository's own CI says of a commit, from check suites, check runs and statuses.

use super::{JobError, Services};
use crate::github::{BranchRules, CheckApp, CheckRun, CheckSuite, CommitStatus, Listed, Repo};
use crate::pull::{CheckFact, CheckState};
use crate::repo::CommitSha;

/// GitHub's own CI, whose jobs can be started again, and which opens a suite only where it will run something.
const ACTIONS: &str = "github-actions";

/// The checks of a commit, without Restow's own; what is required and has not begun is missing.
pub(super) async fn checks(
    services: &Services,
    repo: &Repo,
    rules: &BranchRules,
    commit: &CommitSha,
) -> Result<Listed<CheckFact>, JobError> {
    let login = services.bot_login().await?;
    let own = login.trim_end_matches("[bot]");
    let (suites, runs) = (repo.check_suites(commit).await?, repo.check_runs(commit).await?);
    let statuses = repo.statuses(commit).await?;
    let whole = suites.whole && runs.whole && statuses.whole;
    let mut all: Vec<CheckFact> = Vec::new();
    all.extend(runs.all.iter().filter(|run| slug(run.app.as_ref()) != own).map(of_run));
    all.extend(suites.all.iter().filter(|suite| slug(suite.app.as_ref()) != own).filter_map(of_suite));
    all.extend(statuses.all.into_iter().map(of_status));
    for check in &mut all {
        check.required = rules.required_checks.contains(&check.name);
    }
    for name in &rules.required_checks {
        if !all.iter().any(|check| check.name == *name) {
            all.push(CheckFact { name: name.clone(), state: CheckState::Missing, required: true, run: None });
        }
    }
    Ok(Listed { all, whole })
}

fn slug(app: Option<&CheckApp>) -> &str {
    app.and_then(|app| app.slug.as_deref()).unwrap_or_default()
}

fn of_run(run: &CheckRun) -> CheckFact {
    let job = (slug(run.app.as_ref()) == ACTIONS).then_some(run.id);
    CheckFact {
        name: run.name.clone(),
        state: state(&run.status, run.conclusion.as_deref()),
        required: false,
        run: job,
    }
}

/// What a suite tells beyond its runs: that more may come, or that it failed before any began.
fn of_suite(suite: &CheckSuite) -> Option<CheckFact> {
    let app = slug(suite.app.as_ref());
    let told = state(suite.status.as_deref().unwrap_or("queued"), suite.conclusion.as_deref());
    let state = match (told, suite.latest_check_runs_count) {
        // Every App that may write checks has one, most for ever.
        (CheckState::Pending, 0) if app != ACTIONS => CheckState::Missing,
        (CheckState::Pending, _) => CheckState::Pending,
        (CheckState::Failed, 0) => CheckState::Failed,
        _ => return None,
    };
    Some(CheckFact { name: app.to_owned(), state, required: false, run: None })
}

fn of_status(status: CommitStatus) -> CheckFact {
    let state = match status.state.as_str() {
        "success" => CheckState::Passed,
        "pending" => CheckState::Pending,
        _ => CheckState::Failed,
    };
    CheckFact { name: status.context, state, required: false, run: None }
}

fn state(status: &str, conclusion: Option<&str>) -> CheckState {
    match (status, conclusion) {
        ("completed", Some("success" | "neutral" | "skipped")) => CheckState::Passed,
        ("completed", _) => CheckState::Failed,
        _ => CheckState::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(app: &str, status: &str, conclusion: Option<&str>, runs: u64) -> CheckSuite {
        CheckSuite {
            id: 1,
            status: Some(status.to_owned()),
            conclusion: conclusion.map(str::to_owned),
            latest_check_runs_count: runs,
            app: Some(CheckApp { slug: Some(app.to_owned()) }),
        }
    }

    #[test]
    fn suites_tell_what_is_still_to_come() {
        let of = |app, status, conclusion, runs| of_suite(&suite(app, status, conclusion, runs)).map(|fact| fact.state);
        assert_eq!(of(ACTIONS, "queued", None, 0), Some(CheckState::Pending));
        assert_eq!(of("other-ci", "queued", None, 0), Some(CheckState::Missing));
        assert_eq!(of("other-ci", "in_progress", None, 2), Some(CheckState::Pending));
        assert_eq!(of(ACTIONS, "completed", Some("startup_failure"), 0), Some(CheckState::Failed));
        assert_eq!(of(ACTIONS, "completed", Some("failure"), 2), None, "its runs tell");
        assert_eq!(of(ACTIONS, "completed", Some("success"), 0), None);
    }
}
