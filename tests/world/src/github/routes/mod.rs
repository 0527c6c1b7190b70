//! The endpoints, one room for each part of GitHub's API.

mod app;
mod checks;
mod commits;
mod contents;
mod data;
mod graphql;
mod issues;
mod people;
mod pulls;
mod refs;

use super::auth::Caller;
use super::model::State;
use super::reply::{Ask, Outcome};

/// A request to one repository: who asks, and what follows the repository's name in the path.
pub(crate) struct InRepo<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) ask: &'a Ask,
    pub(crate) name: (&'a str, &'a str),
    pub(crate) rest: Vec<&'a str>,
}

impl InRepo<'_> {
    /// The repository, if the caller reaches it and holds one of these permissions.
    pub(crate) fn with(&self, state: &State, wanted: &[(&str, &str)]) -> Result<u64, super::reply::Reply> {
        state.reach(self.caller, self.name, wanted)
    }
}

/// Answers a request; nothing where no endpoint has this path.
pub(crate) fn route(state: &mut State, ask: &Ask) -> Option<Outcome> {
    let parts: Vec<&str> = ask.parts.iter().map(String::as_str).collect();
    let caller = match state.caller(ask.authorization.as_deref()) {
        Ok(caller) => caller,
        Err(refusal) => return Some(Err(refusal)),
    };
    if let ("POST", Some(&"graphql")) = (ask.method.as_str(), parts.last()) {
        return Some(graphql::route(state, &caller, ask));
    }
    if parts.first() != Some(&"repos") || parts.len() < 3 {
        return app::route(state, &caller, ask, &parts);
    }
    let call = InRepo { caller: &caller, ask, name: (parts[1], parts[2]), rest: parts[3..].to_vec() };
    if let ("GET", ["installation"]) = (ask.method.as_str(), &call.rest[..]) {
        return Some(app::repo_installation(state, &call));
    }
    let rooms: [fn(&mut State, &InRepo<'_>) -> Option<Outcome>; 8] = [
        data::route,
        refs::route,
        commits::route,
        contents::route,
        pulls::route,
        issues::route,
        people::route,
        checks::route,
    ];
    rooms.into_iter().find_map(|room| room(state, &call))
}
