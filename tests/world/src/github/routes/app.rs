//! The App, its installations and what they reach.

use serde_json::Value;

use super::super::auth::Caller;
use super::super::json;
use super::super::model::{APP_SLUG, State};
use super::super::reply::{Ask, Outcome, Reply, linked, listed, page};
use super::InRepo;

pub(super) fn route(state: &mut State, caller: &Caller, ask: &Ask, parts: &[&str]) -> Option<Outcome> {
    let needs_app = |outcome: Outcome| match caller {
        Caller::App => outcome,
        Caller::Installation(_) => Err(Reply::message(401, "A JSON web token could not be decoded")),
    };
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    match (ask.method.as_str(), parts) {
        ("GET", ["app"]) => Some(needs_app(Reply::ok(json::app(state, APP_SLUG)))),
        ("GET", ["app", "installations"]) => Some(needs_app(installations(state, ask))),
        ("GET", ["app", "installations", id]) => {
            let found = state.installations.get(&number(id)).map(|it| json::installation(state, it));
            Some(needs_app(found.map_or_else(|| Err(Reply::not_found()), Reply::ok)))
        }
        ("POST", ["app", "installations", id, "access_tokens"]) => Some(match caller {
            Caller::App => state.mint(number(id), &ask.body),
            Caller::Installation(_) => needs_app(Err(Reply::not_found())),
        }),
        ("GET", ["installation", "repositories"]) => Some(repositories(state, caller, ask)),
        ("DELETE", ["installation", "token"]) => Some(revoke(state, ask)),
        ("GET", ["app", "hook", "deliveries"]) => Some(needs_app(deliveries(state, ask))),
        ("POST", ["app", "hook", "deliveries", id, "attempts"]) => {
            Some(needs_app(match state.queue.again(number(id)) {
                true => Ok(Reply::json(202, serde_json::json!({}))),
                false => Err(Reply::not_found()),
            }))
        }
        ("GET", ["rate_limit"]) => Some(Reply::ok(rates(state))),
        ("GET", ["repositories", id]) => Some(by_id(state, caller, number(id))),
        _ => None,
    }
}

fn installations(state: &State, ask: &Ask) -> Outcome {
    listed(state, ask, state.installations.values().map(|it| json::installation(state, it)).collect())
}

/// Those that were lost; what arrived nobody asks for.
fn deliveries(state: &State, ask: &Ask) -> Outcome {
    let lost = state.queue.lost.iter().rev().map(|(id, at, delivery)| {
        serde_json::json!({
            "id": id, "guid": delivery.guid, "delivered_at": at, "redelivery": false, "duration": 0.5,
            "status": "Service Timeout", "status_code": 504, "event": delivery.event, "action": null,
            "installation_id": null, "repository_id": null, "throttled_at": null,
        })
    });
    listed(state, ask, lost.collect())
}

/// The installation that covers a repository: a question of the App itself.
pub(super) fn repo_installation(state: &State, call: &InRepo<'_>) -> Outcome {
    if !matches!(call.caller, Caller::App) {
        return Err(Reply::message(401, "A JSON web token could not be decoded"));
    }
    let (owner, name) = call.name;
    let repo = state.find_repo(&format!("{owner}/{name}")).ok_or_else(Reply::not_found)?;
    let it = state.installations.values().find(|it| it.repos.contains(&repo.id)).ok_or_else(Reply::not_found)?;
    Reply::ok(json::installation(state, it))
}

fn repositories(state: &State, caller: &Caller, ask: &Ask) -> Outcome {
    let token = state.token(caller)?;
    let it = state.installations.get(&token.installation).ok_or_else(Reply::not_found)?;
    let seen = it.repos.iter().filter(|id| token.repos.as_ref().is_none_or(|repos| repos.contains(id)));
    let all: Vec<Value> = seen.map(|id| json::repository(state, state.repo(*id))).collect();
    let total = all.len();
    let (here, link) = page(state, ask, all);
    let body = serde_json::json!({ "total_count": total, "repository_selection": "selected", "repositories": here });
    Ok(linked(Reply::json(200, body), link))
}

fn by_id(state: &State, caller: &Caller, id: u64) -> Outcome {
    let repo = state.repos.get(&id).ok_or_else(Reply::not_found)?;
    state.reach(caller, (&repo.owner, &repo.name), &[("metadata", "read")])?;
    Reply::ok(json::repository(state, repo))
}

fn revoke(state: &mut State, ask: &Ask) -> Outcome {
    let secret = ask.authorization.as_deref().and_then(|header| header.split_once(' '));
    if let Some((_, secret)) = secret {
        state.tokens.remove(secret);
    }
    Ok(Reply::empty(204))
}

fn rates(state: &State) -> Value {
    let used = state.requests_made % 5000;
    let rate = serde_json::json!({
        "limit": 5000, "used": used, "remaining": 5000 - used, "reset": state.clock.now_seconds() + 3600,
    });
    serde_json::json!({ "resources": { "core": rate, "search": rate }, "rate": rate })
}
