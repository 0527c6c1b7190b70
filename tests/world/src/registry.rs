//! A simulated OCI registry on the wire: tags with Link paging, manifests by tag and digest, bearer tokens, refusals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How the registry behaves; each test sets what it needs.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// Tags on a page, with a `Link` to the next; `None` lists all at once.
    pub page_size: Option<usize>,
    /// Whether a token is asked for.
    pub bearer: bool,
    /// The next requests that are refused: status and `Retry-After` in seconds.
    pub refusals: Vec<(u16, Option<u64>)>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Repository → tag → digest.
    tags: BTreeMap<String, BTreeMap<String, String>>,
    manifests: BTreeMap<String, Bytes>,
    behaviour: Behaviour,
    requests: Vec<(String, String)>,
    builds: u64,
    address: String,
}

/// The simulated registry; clones share it.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Mutex<Inner>>,
}

impl Registry {
    /// Starts a registry on a free port.
    ///
    /// # Errors
    /// The machine gives no port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let registry = Self { inner: Arc::default() };
        registry.lock().address = listener.local_addr()?.to_string();
        let router = Router::new().fallback(answer).with_state(registry.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(registry)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Host and port, as images name it.
    pub fn address(&self) -> String {
        self.lock().address.clone()
    }

    /// Publishes a new image under a tag, which may be there already; returns its digest.
    pub fn push(&self, repository: &str, tag: &str) -> String {
        let mut inner = self.lock();
        inner.builds += 1;
        let platform = json!({ "os": "linux", "architecture": "amd64" });
        let content = json!({ "schemaVersion": 2, "mediaType": INDEX, "annotations": { "build": inner.builds.to_string() },
            "manifests": [{ "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
                "digest": digest(inner.builds.to_string().as_bytes()), "platform": platform }] });
        let content = Bytes::from(content.to_string());
        let digest = digest(&content);
        inner.manifests.insert(digest.clone(), content);
        inner.tags.entry(repository.to_owned()).or_default().insert(tag.to_owned(), digest.clone());
        digest
    }

    /// Publishes several tags.
    pub fn push_all(&self, repository: &str, tags: &[&str]) {
        for tag in tags {
            self.push(repository, tag);
        }
    }

    /// Takes a tag away.
    pub fn delete_tag(&self, repository: &str, tag: &str) {
        if let Some(tags) = self.lock().tags.get_mut(repository) {
            tags.remove(tag);
        }
    }

    /// Changes how the registry behaves.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.lock().behaviour);
    }

    /// How many requests of a method had this in their path.
    pub fn count(&self, method: &str, path_contains: &str) -> usize {
        let inner = self.lock();
        inner.requests.iter().filter(|(one, path)| one == method && path.contains(path_contains)).count()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.lock().requests.clear();
    }
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content)))
}

async fn answer(State(registry): State<Registry>, request: HttpRequest) -> Response {
    let (parts, _) = request.into_parts();
    let mut inner = registry.lock();
    inner.requests.push((parts.method.to_string(), parts.uri.to_string()));
    if parts.uri.path() == "/token" {
        return axum::Json(json!({ "token": "world", "expires_in": 300 })).into_response();
    }
    if let Some(refusal) = inner.refuse(&parts.headers) {
        return refusal;
    }
    let Some(path) = parts.uri.path().strip_prefix("/v2/") else { return not_found("UNSUPPORTED") };
    if path.is_empty() {
        return axum::Json(json!({})).into_response();
    }
    if let Some(repository) = path.strip_suffix("/tags/list") {
        return inner.list(repository, &parts.uri);
    }
    match path.rsplit_once("/manifests/") {
        Some((repository, reference)) => inner.manifest(repository, reference, &parts.method),
        None => not_found("UNSUPPORTED"),
    }
}

fn not_found(code: &str) -> Response {
    (StatusCode::NOT_FOUND, axum::Json(json!({ "errors": [{ "code": code, "message": "not here" }] }))).into_response()
}

impl Inner {
    fn refuse(&mut self, headers: &HeaderMap) -> Option<Response> {
        if !self.behaviour.refusals.is_empty() {
            let (status, retry_after) = self.behaviour.refusals.remove(0);
            let mut response = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY).into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            return Some(response);
        }
        let authorised = headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer world");
        if self.behaviour.bearer && !authorised {
            let challenge = format!(
                "Bearer realm=\"http://{}/token\",service=\"world\",scope=\"repository:any:pull\"",
                self.address
            );
            return Some((StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response());
        }
        None
    }

    fn list(&self, repository: &str, uri: &Uri) -> Response {
        let Some(tags) = self.tags.get(repository) else { return not_found("NAME_UNKNOWN") };
        let query = |name: &str| {
            let pairs = uri.query().unwrap_or("").split('&');
            pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let last = query("last").unwrap_or("");
        let behind: Vec<&String> = tags.keys().filter(|tag| tag.as_str() > last).collect();
        let size = self.behaviour.page_size.unwrap_or(usize::MAX);
        let page: Vec<&String> = behind.iter().copied().take(size).collect();
        let mut response = axum::Json(json!({ "name": repository, "tags": page })).into_response();
        if behind.len() > page.len()
            && let Some(last) = page.last()
            && let Ok(link) =
                HeaderValue::from_str(&format!("</v2/{repository}/tags/list?last={last}&n={size}>; rel=\"next\""))
        {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    fn manifest(&self, repository: &str, reference: &str, method: &Method) -> Response {
        let by_tag = self.tags.get(repository).and_then(|tags| tags.get(reference)).map(String::as_str);
        let digest = by_tag.unwrap_or(reference);
        let Some(content) = self.manifests.get(digest) else { return not_found("MANIFEST_UNKNOWN") };
        let headers = [("docker-content-digest", digest), ("content-type", INDEX)];
        let body = if method == Method::HEAD { Bytes::new() } else { content.clone() };
        (headers, body).into_response()
    }
}
