//! Check suites, check runs and statuses of a commit.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::json;
use super::super::model::{State, Status};
use super::super::reply::{Outcome, Reply, counted, linked, listed, page};
use super::InRepo;

const CHECKS: &[(&str, &str)] = &[("checks", "read")];
const STATUSES: &[(&str, &str)] = &[("statuses", "read")];

pub(super) fn route(state: &mut State, call: &InRepo<'_>) -> Option<Outcome> {
    match (call.ask.method.as_str(), &call.rest[..]) {
        ("GET", ["commits", name, "check-suites"]) => Some(suites(state, call, name)),
        ("GET", ["commits", name, "check-runs"]) => Some(runs(state, call, name)),
        ("GET", ["commits", name, "status"]) => Some(combined(state, call, name)),
        ("GET", ["commits", name, "statuses"]) => Some(statuses(state, call, name)),
        _ => None,
    }
}

fn resolved(state: &State, id: u64, name: &str) -> Result<String, Reply> {
    let none = || Reply::message(422, &format!("No commit found for SHA: {name}"));
    state.repo(id).git.resolve(name).ok_or_else(none)
}

fn suites(state: &State, call: &InRepo<'_>, name: &str) -> Outcome {
    let id = call.with(state, CHECKS)?;
    let (sha, repo) = (resolved(state, id, name)?, state.repo(id));
    let here = repo.suites.iter().filter(|suite| suite.sha == sha);
    counted(state, call.ask, "check_suites", here.map(|it| json::suite(state, repo, it)).collect())
}

fn runs(state: &State, call: &InRepo<'_>, name: &str) -> Outcome {
    let id = call.with(state, CHECKS)?;
    let (sha, repo) = (resolved(state, id, name)?, state.repo(id));
    let here = repo.suites.iter().filter(|suite| suite.sha == sha);
    let all = here.flat_map(|suite| suite.runs.iter().map(move |run| json::run(state, repo, suite, run)));
    let own = repo.people.own_runs.iter().filter(|run| run.sha == sha).map(|run| json::own_run(state, repo, run));
    counted(state, call.ask, "check_runs", all.chain(own).collect())
}

fn combined(state: &State, call: &InRepo<'_>, name: &str) -> Outcome {
    let id = call.with(state, STATUSES)?;
    let (sha, repo) = (resolved(state, id, name)?, state.repo(id));
    let mut latest: BTreeMap<&str, &Status> = BTreeMap::new();
    for status in repo.statuses.iter().filter(|status| status.sha == sha) {
        latest.insert(&status.context, status);
    }
    let latest: Vec<&Status> = latest.into_values().collect();
    let (total, word) = (latest.len(), json::rollup(&latest));
    let (here, link) = page(state, call.ask, latest);
    let url = format!("{}/repos/{}/commits/{sha}", state.base, repo.full_name());
    let shown: Vec<Value> = here.into_iter().map(|it| json::status(state, repo, it)).collect();
    let body = json!({
        "state": word, "sha": sha, "total_count": total, "statuses": shown, "commit_url": url,
        "url": format!("{url}/status"), "repository": json::repository(state, repo),
    });
    Ok(linked(Reply::json(200, body), link))
}

fn statuses(state: &State, call: &InRepo<'_>, name: &str) -> Outcome {
    let id = call.with(state, STATUSES)?;
    let (sha, repo) = (resolved(state, id, name)?, state.repo(id));
    let here = repo.statuses.iter().rev().filter(|status| status.sha == sha);
    listed(state, call.ask, here.map(|it| json::status(state, repo, it)).collect())
}
