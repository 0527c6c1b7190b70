//! GitHub on the wire: reads requests, meets them with faults or the routes, logs and checks every exchange.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body as Bytes, to_bytes};
use axum::extract::{Request as HttpRequest, State as Shared};
use axum::http::{HeaderMap, Response, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::fault::{self, Failure};
use super::model::{Request, State};
use super::openapi::Checker;
use super::reply::{Ask, Body, Reply};
use super::routes;

pub(crate) type Held = Arc<Mutex<State>>;

/// A test that failed while it held the state has said why; the others go on.
pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the API and, on another origin, the archives that it links to.
pub(crate) fn serve(state: &Held, api: TcpListener, files: TcpListener) -> Vec<JoinHandle<()>> {
    let api_routes = axum::Router::new().fallback(answer_api).with_state(Arc::clone(state));
    let file_routes = axum::Router::new().fallback(answer_file).with_state(Arc::clone(state));
    let run = |listener: TcpListener, routes: axum::Router| {
        tokio::spawn(async move {
            // Serving ends with the world; until then accepting does not fail for good.
            let _ = axum::serve(listener, routes).await;
        })
    };
    vec![run(api, api_routes), run(files, file_routes)]
}

async fn answer_api(Shared(state): Shared<Held>, request: HttpRequest) -> Response<Bytes> {
    let ask = match read(request).await {
        Ok(ask) => ask,
        Err(refusal) => return send(refusal, &[]),
    };
    let work = tokio::task::spawn_blocking(move || meet(&mut lock(&state), &ask));
    match work.await {
        Ok((Some(reply), headers)) => send(reply, &headers),
        Ok((None, _)) => broken(),
        Err(_) => send(Reply::message(500, "the simulated GitHub broke down; its output says where"), &[]),
    }
}

async fn read(request: HttpRequest) -> Result<Ask, Reply> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 64 << 20).await.map_err(|_| Reply::message(413, "Request is too large"))?;
    let text = |name: header::HeaderName| header_text(&parts.headers, &name);
    let body = match bytes.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&bytes).map_err(|_| Reply::message(400, "Problems parsing JSON"))?,
    };
    if text(header::USER_AGENT).is_none() {
        return Err(Reply::message(403, "Request forbidden by administrative rules: no User-Agent header"));
    }
    let raw_query = parts.uri.query().unwrap_or_default().to_owned();
    let path = parts.uri.path().to_owned();
    Ok(Ask {
        method: parts.method.to_string(),
        parts: path.split('/').filter(|part| !part.is_empty()).map(decoded).collect(),
        query: url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect(),
        path,
        raw_query,
        body,
        has_body: !bytes.is_empty(),
        accept: text(header::ACCEPT).unwrap_or_default(),
        authorization: text(header::AUTHORIZATION),
    })
}

fn header_text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn decoded(part: &str) -> String {
    let bytes = part.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

type Met = (Option<Reply>, Vec<(&'static str, String)>);

/// Answers one request and writes it down; no reply means a broken connection.
fn meet(state: &mut State, ask: &Ask) -> Met {
    state.requests_made += 1;
    tell(state);
    let mut headers = rate_headers(state);
    let failure = fault::next(&mut state.faults, &ask.method, &ask.path);
    let reply = match &failure {
        None | Some(Failure::LoseAnswer) => answer(state, ask),
        Some(Failure::CloseConnection) => Reply::empty(0),
        Some(failure) => failed(state, failure, &mut headers),
    };
    tell(state);
    let status = reply.status;
    state.log.push(Request { method: ask.method.clone(), path: ask.path.clone(), status });
    let lost = matches!(failure, Some(Failure::CloseConnection | Failure::LoseAnswer));
    (if lost { None } else { Some(reply) }, headers)
}

fn tell(state: &mut State) {
    if let Some(watcher) = &mut state.watcher.0 {
        watcher();
    }
}

fn answer(state: &mut State, ask: &Ask) -> Reply {
    match routes::route(state, ask) {
        Some(outcome) => {
            let reply = outcome.unwrap_or_else(|refusal| refusal);
            let found = check_exchange(ask, &reply);
            state.findings.extend(found);
            reply
        }
        None => {
            state.findings.push(format!("unexpected request: {} {}", ask.method, ask.path));
            Reply::not_found()
        }
    }
}

/// What GitHub's published description has against this exchange.
fn check_exchange(ask: &Ask, reply: &Reply) -> Vec<String> {
    if ask.path.ends_with("/graphql") {
        return Vec::new();
    }
    let checker = Checker::shared();
    let body = ask.has_body.then_some(&ask.body);
    let mut findings = checker.request(&ask.method, &ask.path, body);
    if let Body::Json(body) = &reply.body {
        findings.extend(checker.response(&ask.method, &ask.path, reply.status, Some(body)));
    }
    findings
}

fn rate_headers(state: &State) -> Vec<(&'static str, String)> {
    let used = state.requests_made % 5000;
    vec![
        ("x-ratelimit-limit", "5000".to_owned()),
        ("x-ratelimit-remaining", (5000 - used).to_string()),
        ("x-ratelimit-used", used.to_string()),
        ("x-ratelimit-reset", (state.clock.now_seconds() + 3600).to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
        ("x-github-media-type", "github.v3; format=json".to_owned()),
        ("x-github-request-id", format!("{:04X}:{:06X}", state.requests_made, state.next_id)),
    ]
}

fn failed(state: &State, failure: &Failure, headers: &mut Vec<(&'static str, String)>) -> Reply {
    match failure {
        Failure::PrimaryRateLimit { reset_seconds } => {
            headers.retain(|(name, _)| *name != "x-ratelimit-remaining" && *name != "x-ratelimit-reset");
            headers.push(("x-ratelimit-remaining", "0".to_owned()));
            headers.push(("x-ratelimit-reset", (state.clock.now_seconds() + reset_seconds).to_string()));
            Reply::message(403, "API rate limit exceeded for installation ID 1.")
        }
        Failure::SecondaryRateLimit { retry_after } => {
            let text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            Reply::message(403, text).with("retry-after", retry_after.to_string())
        }
        Failure::Status(status) => Reply::message(*status, "the test asked for this answer"),
        Failure::CloseConnection | Failure::LoseAnswer => Reply::empty(0),
    }
}

fn send(reply: Reply, headers: &[(&'static str, String)]) -> Response<Bytes> {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in headers.iter().chain(&reply.headers) {
        builder = builder.header(*name, value);
    }
    let body = match reply.body {
        Body::Empty => Bytes::empty(),
        Body::Json(value) => {
            builder = builder.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
            Bytes::from(value.to_string())
        }
        Body::Bytes(bytes, kind) => {
            builder = builder.header(header::CONTENT_TYPE, kind);
            Bytes::from(bytes)
        }
    };
    builder.body(body).unwrap_or_default()
}

/// An answer that breaks off: its length is promised and never sent.
fn broken() -> Response<Bytes> {
    let cut = Err::<bytes::Bytes, _>(std::io::Error::other("the test asked for a broken connection"));
    let mut response = Response::new(Bytes::from_stream(futures::stream::iter([cut])));
    response.headers_mut().insert(header::CONTENT_LENGTH, 1000.into());
    response
}

async fn answer_file(Shared(state): Shared<Held>, request: HttpRequest) -> Response<Bytes> {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut state = lock(&state);
    let status = if request.headers().contains_key(header::AUTHORIZATION) {
        state.findings.push(format!("an authorization was sent to the origin of archives: {path}"));
        400
    } else if state.archives.contains_key(&path) {
        200
    } else {
        404
    };
    let plain = path.split('?').next().unwrap_or_default().to_owned();
    state.log.push(Request { method: request.method().to_string(), path: plain, status });
    match (status, state.archives.get(&path)) {
        (200, Some(bytes)) => {
            let body = Body::Bytes(bytes.clone(), "application/x-gzip");
            send(Reply { status, headers: Vec::new(), body }, &[])
        }
        _ => send(Reply::json(status, json!({ "message": "refused" })), &[]),
    }
}
