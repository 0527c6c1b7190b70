//! A simulated OSV on the wire: `querybatch` page by page, records by name; it can fail and lie.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use md5::Digest;
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
    /// Bytes after which the next archives break off.
    pub breaks: Vec<usize>,
    /// Whether archives are told with another content's checksum.
    pub lies_about_archives: bool,
    /// Records that archives lack, although the list names them.
    pub archives_lack: usize,
    /// Records that lists name at most.
    pub lists_name: Option<usize>,
    /// Whether exports are archives and lists alone, without a file for each record.
    pub no_single_records: bool,
}

#[derive(Debug, Default)]
struct Inner {
    /// Name → record.
    records: BTreeMap<String, Value>,
    /// CVE number → since when it is in the catalogue.
    kev: BTreeMap<String, String>,
    /// CVE number → score.
    epss: BTreeMap<String, String>,
    /// Location → document of a VEX repository.
    vex: BTreeMap<String, Value>,
    /// When the support of products ends.
    ends: Value,
    /// Source package → CVE number → release → why Debian makes no update of its own.
    triage: BTreeMap<String, BTreeMap<String, (String, String)>>,
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
            .route("/exports/{ecosystem}/{file}", get(export))
            .route("/kev.json", get(kev))
            .route("/epss.csv.gz", get(epss))
            .route("/vex/{*location}", get(vex))
            .route("/ends.json", get(ends))
            .route("/tracker.json", get(tracker))
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

    /// Publishes a record as it is.
    pub fn publish_record(&self, record: Value) {
        let id = record["id"].as_str().unwrap_or_default().to_owned();
        self.lock().records.insert(id, record);
    }

    /// Puts a document into the VEX repository below `vex/`.
    pub fn publish_vex(&self, location: &str, document: Value) {
        self.lock().vex.insert(location.to_owned(), document);
    }

    /// Tells when the support of products ends, at `ends.json`.
    pub fn publish_ends(&self, ends: Value) {
        self.lock().ends = ends;
    }

    /// Debian's security team decides that a vulnerability of a source package needs no update of its own in a release:
    /// `ignored`, `postponed`, or an empty text for a plain `no-dsa`.
    pub fn triage(&self, package: &str, cve: &str, (release, reason): (&str, &str)) {
        let decided = (release.to_owned(), reason.to_owned());
        self.lock().triage.entry(package.to_owned()).or_default().insert(cve.to_owned(), decided);
    }

    /// Takes away all records but one.
    pub fn keep_only(&self, id: &str) {
        self.lock().records.retain(|known, _| known == id);
    }

    /// Takes a record away.
    pub fn remove(&self, id: &str) {
        self.lock().records.remove(id);
    }

    /// Puts a vulnerability into CISA's catalogue.
    pub fn exploit(&self, cve: &str, since: &str) {
        self.lock().kev.insert(cve.to_owned(), since.to_owned());
    }

    /// Gives a vulnerability a score of FIRST's.
    pub fn score(&self, cve: &str, epss: &str) {
        self.lock().epss.insert(cve.to_owned(), epss.to_owned());
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

/// A file of an ecosystem's export: the list, the archive, or one record.
async fn export(
    State(osv): State<Osv>,
    Path((ecosystem, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = osv.refusal(&format!("/exports/{ecosystem}/{file}")) {
        return refusal;
    }
    let mut inner = osv.lock();
    let records: Vec<Value> =
        inner.records.values().filter(|record| is_in_export(record, &ecosystem)).cloned().collect();
    match file.as_str() {
        "modified_id.csv" => {
            let line = |record: &Value| {
                let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
                format!("{},{}\n", text("modified"), text("id"))
            };
            let most = inner.behaviour.lists_name.unwrap_or(usize::MAX);
            records.iter().take(most).map(line).collect::<String>().into_response()
        }
        "all.zip" => {
            let lacks = inner.behaviour.archives_lack;
            let body = zipped(&records[lacks.min(records.len())..]);
            inner.archive(&body, &headers)
        }
        one => {
            let id = one.trim_end_matches(".json");
            let alone = !inner.behaviour.no_single_records;
            let record = records.into_iter().find(|record| alone && record["id"] == id);
            record.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |record| Json(record).into_response())
        }
    }
}

fn is_in_export(record: &Value, ecosystem: &str) -> bool {
    let affected = record["affected"].as_array().cloned().unwrap_or_default();
    let of =
        |one: &Value| one["package"]["ecosystem"].as_str().and_then(|name| name.split(':').next().map(str::to_owned));
    affected.iter().any(|one| of(one).as_deref() == Some(ecosystem))
}

fn zipped(records: &[Value]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for record in records {
        let name = format!("{}.json", record["id"].as_str().unwrap_or_default());
        if zip.start_file(name, zip::write::SimpleFileOptions::default()).is_ok() {
            zip.write_all(record.to_string().as_bytes()).unwrap_or_default();
        }
    }
    zip.finish().map(std::io::Cursor::into_inner).unwrap_or_default()
}

impl Inner {
    /// An archive, or from a byte on; a break is a connection that ends before the length that was told.
    fn archive(&mut self, body: &[u8], headers: &HeaderMap) -> Response {
        let hash = match self.behaviour.lies_about_archives {
            true => md5::Md5::digest(b"another"),
            false => md5::Md5::digest(body),
        };
        let tag = format!("\"{}\"", hex::encode(hash));
        let from = headers
            .get(header::RANGE)
            .and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
            .filter(|_| headers.get(header::IF_RANGE).is_some_and(|given| given.as_bytes() == tag.as_bytes()))
            .filter(|from| *from <= body.len());
        let rest = body[from.unwrap_or_default()..].to_vec();
        let length = rest.len();
        let breaks = (!self.behaviour.breaks.is_empty()).then(|| self.behaviour.breaks.remove(0));
        let mut parts = vec![Ok(rest[..breaks.unwrap_or(length).min(length)].to_vec())];
        if breaks.is_some() {
            parts.push(Err(std::io::Error::other("broken")));
        }
        let status = if from.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let hash = format!("crc32c=AAAAAA==,md5={}", base64::engine::general_purpose::STANDARD.encode(hash));
        let body = axum::body::Body::from_stream(futures::stream::iter(parts));
        let told = [
            (header::CONTENT_LENGTH, length.to_string()),
            (header::ETAG, tag),
            (header::HeaderName::from_static("x-goog-hash"), hash),
        ];
        (status, told, body).into_response()
    }
}

async fn kev(State(osv): State<Osv>) -> Response {
    if let Some(refusal) = osv.refusal("/kev.json") {
        return refusal;
    }
    let inner = osv.lock();
    // The real catalogue is never empty.
    let entry = |(cve, since): (&String, &String)| json!({ "cveID": cve, "dateAdded": since, "dueDate": since, "knownRansomwareCampaignUse": "Unknown" });
    let first = ("CVE-2002-0367".to_owned(), "2022-03-03".to_owned());
    let entries: Vec<Value> = std::iter::once((&first.0, &first.1)).chain(&inner.kev).map(entry).collect();
    Json(json!({ "catalogVersion": "2026.11.24", "count": entries.len(), "vulnerabilities": entries })).into_response()
}

async fn epss(State(osv): State<Osv>) -> Response {
    if let Some(refusal) = osv.refusal("/epss.csv.gz") {
        return refusal;
    }
    let inner = osv.lock();
    let mut text =
        "#model_version:v2025.03.14,score_date:2026-11-24T00:00:00Z\ncve,epss,percentile\nCVE-1999-0001,0.01,0.7\n"
            .to_owned();
    for (cve, score) in &inner.epss {
        text.push_str(&format!("{cve},{score},0.9\n"));
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap_or_default();
    packed.finish().unwrap_or_default().into_response()
}

async fn tracker(State(osv): State<Osv>) -> Response {
    if let Some(refusal) = osv.refusal("/tracker.json") {
        return refusal;
    }
    let decided = |release: &str, reason: &str| {
        json!({ "description": "a flaw", "scope": "local", "releases": { release: {
        "status": "open", "repositories": { release: "1" }, "urgency": "not yet assigned", "nodsa": "Minor issue",
        "nodsa_reason": reason } } })
    };
    // The real file is never empty.
    let mut all = BTreeMap::from([("acl".to_owned(), json!({ "CVE-1999-0001": decided("bookworm", "") }))]);
    for (package, issues) in &osv.lock().triage {
        let issue = |(cve, (release, reason)): (&String, &(String, String))| (cve.clone(), decided(release, reason));
        let issues: serde_json::Map<String, Value> = issues.iter().map(issue).collect();
        all.insert(package.clone(), issues.into());
    }
    Json(all).into_response()
}

/// The index of the VEX repository, or a document of it.
async fn vex(State(osv): State<Osv>, Path(location): Path<String>) -> Response {
    if let Some(refusal) = osv.refusal(&format!("/vex/{location}")) {
        return refusal;
    }
    let inner = osv.lock();
    if location == "index.json" {
        let entry = |location: &String| json!({ "id": "pkg:oci/any", "location": location });
        return Json(json!({ "updated_at": "2026-01-01T00:00:00Z",
            "packages": inner.vex.keys().map(entry).collect::<Vec<_>>() }))
        .into_response();
    }
    inner
        .vex
        .get(&location)
        .map_or_else(|| StatusCode::NOT_FOUND.into_response(), |document| Json(document.clone()).into_response())
}

async fn ends(State(osv): State<Osv>) -> Response {
    osv.refusal("/ends.json").unwrap_or_else(|| Json(osv.lock().ends.clone()).into_response())
}
