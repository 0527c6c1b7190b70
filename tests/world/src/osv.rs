//! A simulated OSV on the wire: `querybatch` page by page, records by name; it can fail and lie.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// How the server behaves; each test sets what it needs.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// Records on a page of one question; `None` tells all at once.
    pub page_size: Option<usize>,
    /// The next requests that are answered with this status.
    pub refusals: Vec<u16>,
    /// Whether answers lack their last question.
    pub drops_answers: bool,
    /// Whether records are told as something else.
    pub garbles_records: bool,
}

#[derive(Debug, Default)]
struct Inner {
    /// Name → record.
    records: BTreeMap<String, Value>,
    behaviour: Behaviour,
    requests: Vec<String>,
}

/// The simulated server; clones share it.
#[derive(Debug, Clone)]
pub struct Osv {
    inner: Arc<Mutex<Inner>>,
    address: String,
}

impl Osv {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// The machine gives no port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let osv = Self { inner: Arc::default(), address: format!("http://{}/", listener.local_addr()?) };
        let router = Router::new()
            .route("/v1/querybatch", post(query_batch))
            .route("/v1/vulns/{id}", get(record))
            .with_state(osv.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(osv)
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Publishes a record `id` of the vulnerability `cve`: `package` of `ecosystem` is affected until `fixed`, or for ever.
    pub fn publish(
        &self,
        (id, cve): (&str, &str),
        (ecosystem, package): (&str, &str),
        fixed: Option<&str>,
        vector: &str,
    ) {
        let mut events = vec![json!({ "introduced": "0" })];
        events.extend(fixed.map(|fixed| json!({ "fixed": fixed })));
        let record = json!({ "id": id, "modified": "2026-01-01T00:00:00Z", "upstream": [cve], "summary": "a flaw",
            "severity": [{ "type": "CVSS_V3", "score": vector }],
            "affected": [{ "package": { "ecosystem": ecosystem, "name": package },
                "ranges": [{ "type": "ECOSYSTEM", "events": events }] }] });
        self.lock().records.insert(id.to_owned(), record);
    }

    /// Changes its behaviour.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.lock().behaviour);
    }

    /// How many requests had this in their path, since they were last counted.
    pub fn take_count(&self, path_contains: &str) -> usize {
        let mut inner = self.lock();
        let count = inner.requests.iter().filter(|path| path.contains(path_contains)).count();
        inner.requests.retain(|path| !path.contains(path_contains));
        count
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusal(&self, path: &str) -> Option<Response> {
        let mut inner = self.lock();
        inner.requests.push(path.to_owned());
        let refused = !inner.behaviour.refusals.is_empty();
        let status = refused.then(|| inner.behaviour.refusals.remove(0))?;
        Some(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response())
    }
}

/// Answers with every record of the package, whatever the version: whoever asks must compare for themselves.
async fn query_batch(State(osv): State<Osv>, Json(body): Json<Value>) -> Response {
    if let Some(refusal) = osv.refusal("/v1/querybatch") {
        return refusal;
    }
    let inner = osv.lock();
    let empty = Vec::new();
    let questions = body["queries"].as_array().unwrap_or(&empty);
    if questions.len() > 1000 {
        return (StatusCode::BAD_REQUEST, Json(json!({ "code": 3, "message": "Too many queries." }))).into_response();
    }
    let mut results: Vec<Value> = questions.iter().map(|question| inner.page(question)).collect();
    if inner.behaviour.drops_answers {
        results.pop();
    }
    Json(json!({ "results": results })).into_response()
}

impl Inner {
    fn page(&self, question: &Value) -> Value {
        let is_of = |record: &&Value| record["affected"][0]["package"] == question["package"];
        let named: Vec<Value> = self
            .records
            .values()
            .filter(is_of)
            .map(|one| json!({ "id": one["id"], "modified": one["modified"] }))
            .collect();
        let size = self.behaviour.page_size.unwrap_or(usize::MAX);
        let from: usize = question["page_token"].as_str().and_then(|token| token.parse().ok()).unwrap_or_default();
        let page: Vec<Value> = named.iter().skip(from).take(size).cloned().collect();
        let mut result = if page.is_empty() { json!({}) } else { json!({ "vulns": page }) };
        if from.saturating_add(size) < named.len() {
            result["next_page_token"] = Value::from((from + size).to_string());
        }
        result
    }
}

async fn record(State(osv): State<Osv>, Path(id): Path<String>) -> Response {
    if let Some(refusal) = osv.refusal(&format!("/v1/vulns/{id}")) {
        return refusal;
    }
    let inner = osv.lock();
    match inner.records.get(&id) {
        Some(_) if inner.behaviour.garbles_records => Json(json!({ "id": 7 })).into_response(),
        Some(record) => Json(record.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
