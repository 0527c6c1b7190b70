//! Requests and answers, as the routes see them.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::auth::{Caller, allows};
use super::model::{State, Token};

/// A request, read whole.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    /// The path as it came.
    pub(crate) path: String,
    /// Its decoded segments.
    pub(crate) parts: Vec<String>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) raw_query: String,
    pub(crate) body: Value,
    pub(crate) has_body: bool,
    pub(crate) accept: String,
    pub(crate) authorization: Option<String>,
}

impl Ask {
    pub(crate) fn wants_raw(&self) -> bool {
        self.accept.contains("raw")
    }

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.body[field].as_str()
    }
}

#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Json(Value),
    Bytes(Vec<u8>, &'static str),
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

/// An answer, or an answer that refuses.
pub(crate) type Outcome = Result<Reply, Reply>;

const DOCS: &str = "https://docs.github.com/rest";

impl Reply {
    pub(crate) fn json(status: u16, value: Value) -> Self {
        Self { status, headers: Vec::new(), body: Body::Json(value) }
    }

    pub(crate) fn ok(value: Value) -> Outcome {
        Ok(Self::json(200, value))
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    pub(crate) fn message(status: u16, text: &str) -> Self {
        Self::json(status, json!({ "message": text, "documentation_url": DOCS, "status": status.to_string() }))
    }

    pub(crate) fn not_found() -> Self {
        Self::message(404, "Not Found")
    }

    pub(crate) fn forbidden() -> Self {
        Self::message(403, "Resource not accessible by integration")
    }

    /// 422 with one error in the form of GitHub's validation errors.
    pub(crate) fn invalid(resource: &str, field: &str, code: &str, message: Option<&str>) -> Self {
        let mut error = json!({ "resource": resource, "field": field, "code": code });
        if let Some(message) = message {
            error["message"] = json!(message);
        }
        Self::json(
            422,
            json!({ "message": "Validation Failed", "errors": [error], "documentation_url": DOCS, "status": "422" }),
        )
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// One page of a list, with the `Link` header's value.
pub(crate) fn page<T>(state: &State, ask: &Ask, all: Vec<T>) -> (Vec<T>, Option<String>) {
    let number = |name: &str, usual: usize| ask.query.get(name).and_then(|n| n.parse().ok()).unwrap_or(usual);
    let size = number("per_page", 30).clamp(1, 100);
    let at = number("page", 1).max(1);
    let last = all.len().div_ceil(size).max(1);
    let others: Vec<&str> =
        ask.raw_query.split('&').filter(|part| !part.is_empty() && !part.starts_with("page=")).collect();
    let link = |page: usize, name: &str| {
        let mut query = others.clone();
        let own = format!("page={page}");
        query.push(&own);
        format!("<{}{}?{}>; rel=\"{name}\"", state.base, ask.path, query.join("&"))
    };
    let mut links = Vec::new();
    if at > 1 {
        links.push(link(at - 1, "prev"));
    }
    if at < last {
        links.push(link(at + 1, "next"));
        links.push(link(last, "last"));
    }
    if at > 1 {
        links.push(link(1, "first"));
    }
    let here = all.into_iter().skip((at - 1) * size).take(size).collect();
    (here, (!links.is_empty()).then(|| links.join(", ")))
}

/// A page of a bare list as an answer.
pub(crate) fn listed(state: &State, ask: &Ask, all: Vec<Value>) -> Outcome {
    let (here, link) = page(state, ask, all);
    Ok(linked(Reply::json(200, Value::Array(here)), link))
}

/// A page of a list in an object with `total_count`.
pub(crate) fn counted(state: &State, ask: &Ask, name: &str, all: Vec<Value>) -> Outcome {
    let total = all.len();
    let (here, link) = page(state, ask, all);
    Ok(linked(Reply::json(200, json!({ "total_count": total, name: here })), link))
}

pub(crate) fn linked(reply: Reply, link: Option<String>) -> Reply {
    match link {
        Some(link) => reply.with("link", link),
        None => reply,
    }
}

impl State {
    /// The token of a caller that must be an installation.
    pub(crate) fn token<'c>(&self, caller: &'c Caller) -> Result<&'c Token, Reply> {
        match caller {
            Caller::Installation(token) => Ok(token),
            Caller::App => Err(Reply::message(401, "A JSON web token cannot be used here")),
        }
    }

    /// The repository that a path names, if this token reaches it and has the permission.
    pub(crate) fn reach(
        &self,
        caller: &Caller,
        (owner, name): (&str, &str),
        wanted: &[(&str, &str)],
    ) -> Result<u64, Reply> {
        let token = self.token(caller)?;
        let repo = self.find_repo(&format!("{owner}/{name}")).ok_or_else(Reply::not_found)?;
        let installed = self.installations.get(&token.installation).is_some_and(|it| it.repos.contains(&repo.id));
        let narrowed = token.repos.as_ref().is_none_or(|repos| repos.contains(&repo.id));
        if !installed || !narrowed {
            return Err(Reply::not_found());
        }
        let granted = |(name, level): &(&str, &str)| allows(token.permissions.get(*name).map(String::as_str), level);
        if wanted.is_empty() || wanted.iter().any(granted) { Ok(repo.id) } else { Err(Reply::forbidden()) }
    }
}
