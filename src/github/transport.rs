//! One request and its answer: addresses, headers, redirects on the own origin, time and size bounds.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::client::Timeouts;
use super::error::GitHubError;

/// The version of GitHub's REST API that the models were written for.
const API_VERSION: &str = "2022-11-28";
/// How Restow names itself to GitHub, which refuses requests without a name.
const AGENT: &str = concat!("restow/", env!("CARGO_PKG_VERSION"));
/// The bound of an answer unless its call sets another.
const USUAL_LIMIT: usize = 8 * 1024 * 1024;
/// A renamed repository costs one redirect.
const MAX_REDIRECTS: usize = 4;

/// What form of answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accept {
    Json,
    /// The bytes of a file.
    Raw,
}

/// Which of GitHub's two addresses is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Rest,
    Graphql,
}

/// One request, without its authorization.
#[derive(Debug, Clone)]
pub(super) struct Call {
    endpoint: Endpoint,
    method: Method,
    /// Path and query below the base address, beginning with `/`.
    path: String,
    accept: Accept,
    body: Option<Value>,
    limit: usize,
}

impl Call {
    fn new(method: Method, path: String, body: Option<Value>) -> Self {
        Self { endpoint: Endpoint::Rest, method, path, accept: Accept::Json, body, limit: USUAL_LIMIT }
    }

    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, path, None)
    }

    pub(super) fn post(path: String, body: Value) -> Self {
        Self::new(Method::POST, path, Some(body))
    }

    pub(super) fn patch(path: String, body: Value) -> Self {
        Self::new(Method::PATCH, path, Some(body))
    }

    pub(super) fn put(path: String, body: Value) -> Self {
        Self::new(Method::PUT, path, Some(body))
    }

    pub(super) fn delete(path: String) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    pub(super) fn graphql(body: Value) -> Self {
        Self { endpoint: Endpoint::Graphql, ..Self::post("/graphql".to_owned(), body) }
    }

    /// Asks for a file's bytes instead of JSON.
    pub(super) fn raw(mut self) -> Self {
        self.accept = Accept::Raw;
        self
    }

    /// Takes at most `limit` bytes of answer.
    pub(super) fn at_most(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Whether it may change something: of GraphQL, what its document says.
    pub(super) fn writes(&self) -> bool {
        match self.endpoint {
            Endpoint::Rest => self.method != Method::GET,
            Endpoint::Graphql => {
                let query = self.body.as_ref().and_then(|body| body["query"].as_str());
                query.is_some_and(|query| query.trim_start().starts_with("mutation"))
            }
        }
    }

    /// Whether other writes follow that belong to it: a tree is the first of a commit.
    pub(super) fn begins(&self) -> bool {
        self.path.ends_with("/git/trees")
    }

    /// The same call for another page.
    pub(super) fn page(&self, path: String) -> Self {
        Self { path, ..self.clone() }
    }

    /// Method and path, for messages.
    pub(super) fn name(&self) -> String {
        let path = self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path);
        format!("{} {path}", self.method)
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends calls to one GitHub.
pub(super) struct Transport {
    octocrab: Octocrab,
    base: Url,
    graphql: Url,
    call_timeout: Duration,
}

impl Transport {
    /// Must be called within a tokio runtime: octocrab starts its queue at once.
    ///
    /// The stack has the connector only: no retry layer, no cache, no redirects, no authorization of octocrab's own.
    pub(super) fn new(base: Url, graphql: Url, client: reqwest::Client, timeouts: Timeouts) -> Self {
        let builder = OctocrabBuilder::new_empty().with_service(ReqwestConnector::new(client));
        let octocrab = builder.with_auth(AuthState::None).build().unwrap_or_else(|never| match never {});
        Self { octocrab, base, graphql, call_timeout: timeouts.call }
    }

    /// Sends one call, following redirects within GitHub's own origin; a 302 is the caller's to follow.
    pub(super) async fn send(&self, call: &Call, token: &SecretString) -> Result<Answer, GitHubError> {
        let timeout = GitHubError::retry(call, format!("no answer within {} s", self.call_timeout.as_secs()));
        tokio::time::timeout(self.call_timeout, self.follow(call, token)).await.unwrap_or(Err(timeout))
    }

    async fn follow(&self, call: &Call, token: &SecretString) -> Result<Answer, GitHubError> {
        let mut url = self.address(call)?;
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.once(call, &url, token).await?;
            if !follows(&call.method, answer.status) {
                return Ok(answer);
            }
            url = next_hop(call, &url, &answer)?;
        }
        Err(GitHubError::permanent(call, "GitHub redirects in a circle"))
    }

    fn address(&self, call: &Call) -> Result<Url, GitHubError> {
        if call.endpoint == Endpoint::Graphql {
            // On a GitHub Enterprise Server it does not lie below the base address.
            return Ok(self.graphql.clone());
        }
        let text = format!("{}{}", self.base.as_str().trim_end_matches('/'), call.path);
        Url::parse(&text).map_err(|error| GitHubError::permanent(call, format!("no valid address: {error}")))
    }

    async fn once(&self, call: &Call, url: &Url, token: &SecretString) -> Result<Answer, GitHubError> {
        let builder = Request::builder().method(call.method.clone()).uri(url.as_str());
        let mut request = self
            .octocrab
            .build_request(builder, call.body.as_ref())
            .map_err(|error| GitHubError::permanent(call, innermost(&error)))?;
        set_headers(call, request.headers_mut(), token)?;
        let response = self.octocrab.execute(request).await.map_err(|e| GitHubError::retry(call, innermost(&e)))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, call.limit).collect().await.map_err(|error| unread(call, &*error))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }

    /// The path of a link that GitHub gave, below the base address; scheme and host are dropped, so that a page's
    /// authorization can go nowhere else.
    pub(super) fn path_of(&self, link: &str) -> Option<String> {
        let url = self.base.join(link).ok()?;
        let path = url.path().strip_prefix(self.base.path().trim_end_matches('/'))?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        path.starts_with('/').then(|| format!("{path}{query}"))
    }

    /// The API's base address.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }
}

/// Inserts, where octocrab appends: each header goes out once.
fn set_headers(call: &Call, headers: &mut HeaderMap, token: &SecretString) -> Result<(), GitHubError> {
    let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| GitHubError::permanent(call, "the token holds characters that no header can carry"))?;
    authorization.set_sensitive(true);
    let accept = match call.accept {
        Accept::Json => "application/vnd.github+json",
        Accept::Raw => "application/vnd.github.raw+json",
    };
    headers.insert(AUTHORIZATION, authorization);
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert("x-github-api-version", HeaderValue::from_static(API_VERSION));
    Ok(())
}

/// 301 is followed for reads only: a client may turn a redirected POST into a GET, GitHub sends 307 for writes.
fn follows(method: &Method, status: StatusCode) -> bool {
    match status {
        StatusCode::MOVED_PERMANENTLY => *method == Method::GET,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        _ => false,
    }
}

fn next_hop(call: &Call, from: &Url, answer: &Answer) -> Result<Url, GitHubError> {
    let location = answer.header(LOCATION).and_then(|location| from.join(location).ok());
    match location {
        Some(url) if url.origin() == from.origin() => Ok(url),
        Some(url) => {
            let host = url.host_str().unwrap_or("nowhere");
            Err(GitHubError::permanent(call, format!("GitHub redirects to {host}, which is not its own host")))
        }
        None => Err(GitHubError::permanent(call, "GitHub redirects without saying where to")),
    }
}

fn unread(call: &Call, error: &(dyn StdError + 'static)) -> GitHubError {
    if error.is::<LengthLimitError>() {
        GitHubError::TooLarge { call: call.name(), limit: call.limit }
    } else {
        GitHubError::retry(call, innermost(error))
    }
}

/// The words of the error that began it: the outer ones repeat the address and carry backtraces.
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Joins the parts to a path; each part becomes one segment, whatever characters it holds.
pub(super) fn path(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("/{}", percent_encode(part))).collect()
}

/// Encodes all but the unreserved characters of RFC 3986.
pub(super) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Encodes a ref's name: its slashes stay, because GitHub reads them as part of the path.
pub(super) fn encode_ref(name: &str) -> String {
    name.split('/').map(percent_encode).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_encoded_part_by_part() {
        assert_eq!(encode_ref("restow/c#-1%20"), "restow/c%23-1%2520");
        assert_eq!(path(&["repos", "acme", "a/b?c"]), "/repos/acme/a%2Fb%3Fc");
        assert_eq!(percent_encode("ü&"), "%C3%BC%26");
    }

    #[tokio::test]
    async fn links_lose_their_host_and_stay_below_the_base() {
        let base = Url::parse("https://ghe.example.com/api/v3").expect("a url");
        let transport = Transport::new(base.clone(), base, reqwest::Client::new(), Timeouts::default());
        let path = |link| transport.path_of(link);
        assert_eq!(path("https://elsewhere.example/api/v3/x?page=2"), Some("/x?page=2".to_owned()));
        assert_eq!(path("/api/v3/x"), Some("/x".to_owned()));
        assert_eq!(path("https://ghe.example.com/setup"), None);
        assert_eq!(path("https://ghe.example.com/api/v33/x"), None);
    }

    #[test]
    fn only_the_own_origin_is_followed() {
        let call = Call::get("/repos/a/b".to_owned());
        let from = Url::parse("https://api.github.com/repos/a/b").expect("a url");
        let hop = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().expect("a header"));
            next_hop(&call, &from, &Answer { status: StatusCode::MOVED_PERMANENTLY, headers, body: Bytes::new() })
        };
        assert_eq!(hop("/repositories/7").map(String::from), Ok("https://api.github.com/repositories/7".to_owned()));
        assert!(hop("https://evil.example/").is_err());
        assert!(hop("http://api.github.com/repositories/7").is_err());
    }
}
