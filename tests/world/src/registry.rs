//! A simulated OCI registry on the wire: tags with Link paging, manifests by tag and digest, tokens, passwords, refusals,
//! odd headers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde_json::{Value, json};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const STATEMENT: &str = "application/vnd.in-toto+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What an image is.
#[derive(Debug, Clone)]
pub struct Build {
    /// What it runs on; one image for each, in an index.
    pub platforms: Vec<&'static str>,
    /// When it says that it was built, RFC 3339.
    pub created: Option<&'static str>,
    /// Its labels.
    pub labels: Vec<(&'static str, &'static str)>,
}

impl Default for Build {
    /// For `linux/amd64`, without a date.
    fn default() -> Self {
        Self { platforms: vec!["linux/amd64"], created: None, labels: Vec::new() }
    }
}

/// How BuildKit writes the manifest of an attestation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As an image of the platform `unknown/unknown`.
    Image,
    /// As an artifact that names the image as its subject (`oci-artifact=true`).
    Artifact,
}

/// By which way an attestation is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By the referrers API, where the registry has one, else by the fall-back tag.
    Referrer,
    /// By cosign's tag `sha256-….att`.
    Tag,
}

/// What an attestation is wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapped {
    /// In a DSSE envelope.
    Envelope,
    /// In a Sigstore bundle.
    Bundle,
    /// In nothing: the bytes themselves.
    Bare,
}

/// How the registry behaves; each test sets what it needs.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// Tags on a page, with a `Link` to the next; `None` lists all at once.
    pub page_size: Option<usize>,
    /// What a `Link` looks like.
    pub links: Links,
    /// Whom the registry answers.
    pub asks_for: Credentials,
    /// Seconds that a token lives; each one is good for a single use where that is 0.
    pub token_seconds: u64,
    /// Headers that are left out of every answer, in lower case: `docker-content-digest`, `content-type`, `link`.
    pub without_headers: Vec<&'static str>,
    /// Headers that every answer has besides.
    pub with_headers: Vec<(&'static str, &'static str)>,
    /// The next requests that are refused: status and `Retry-After` in seconds.
    pub refusals: Vec<(u16, Option<u64>)>,
    /// Whether it has the referrers API of OCI 1.1.
    pub referrers_api: bool,
    /// Whether it fails where it is asked what refers to an image.
    pub refuses_referrers: bool,
    /// Whether lists and manifests have versions, and a known one is answered by 304.
    pub versions: bool,
    /// Repositories that nobody may read.
    pub forbidden: Vec<&'static str>,
}

/// The forms of the address in a `Link`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Links {
    /// `</v2/…>`
    #[default]
    Relative,
    /// `<http://host/v2/…>`
    Absolute,
    /// `<?last=…>`
    QueryOnly,
}

/// Whom a registry answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Everybody.
    #[default]
    Nothing,
    /// Who has bought a token.
    Bearer,
    /// Who knows the name `world` and the password `secret`.
    Basic,
}

#[derive(Debug, Default)]
struct Inner {
    tokens: BTreeMap<String, bool>,
    /// Repository → tag → digest.
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Digest → media type and bytes of manifests and configurations.
    contents: BTreeMap<String, (&'static str, Bytes)>,
    /// Digest → the manifests that refer to it.
    referrers: BTreeMap<String, Vec<Value>>,
    /// Repository and tag → when it was pushed, as Docker Hub's own interface tells.
    pushed: BTreeMap<(String, String), String>,
    behaviour: Behaviour,
    requests: Vec<(String, String)>,
    /// Of these, how many would be content with the known version.
    conditional: usize,
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

    /// Publishes an image with these layers, archives of `tar`, the lowest first; with a statement of BuildKit's where
    /// `sbom` gives the predicate, as one that is about `about`, or about the image itself. Returns its digest.
    pub fn push_layers(
        &self,
        repository: &str,
        tag: &str,
        layers: &[Vec<u8>],
        sbom: Option<(Value, Option<&str>)>,
    ) -> String {
        self.push_attested(repository, tag, layers, sbom.map(|(predicate, about)| (predicate, about, Shape::Image)))
    }

    /// The same with the shape of BuildKit's manifest.
    pub fn push_attested(
        &self,
        repository: &str,
        tag: &str,
        layers: &[Vec<u8>],
        sbom: Option<(Value, Option<&str>, Shape)>,
    ) -> String {
        let mut inner = self.lock();
        let (image, entry) = inner.image_of_layers("amd64", layers);
        let mut manifests = vec![entry];
        if let Some((predicate, about, shape)) = sbom {
            manifests.push(inner.attest(&image, about.unwrap_or(&image), &predicate, shape));
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let digest = inner.keep(INDEX, &index);
        inner.tags.entry(repository.to_owned()).or_default().insert(tag.to_owned(), digest.clone());
        digest
    }

    /// Pushes an index of images with these layers, each for an architecture of Linux; its digest.
    pub fn push_architectures(&self, repository: &str, tag: &str, images: &[(&str, Vec<u8>)]) -> String {
        let mut inner = self.lock();
        let manifests: Vec<Value> = images
            .iter()
            .map(|(architecture, layer)| inner.image_of_layers(architecture, std::slice::from_ref(layer)).1)
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let digest = inner.keep(INDEX, &index);
        inner.tags.entry(repository.to_owned()).or_default().insert(tag.to_owned(), digest.clone());
        digest
    }

    /// Attaches a document of this type to a digest, by the tag that stands for the referrers where a registry has no
    /// interface for them.
    pub fn attach_document(&self, repository: &str, subject: &str, artifact_type: &str, document: &Value) {
        let mut inner = self.lock();
        let size = document.to_string().len();
        let layer = inner.keep(STATEMENT, document);
        let config = inner.keep(CONFIG, &json!({}));
        let manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE, "artifactType": artifact_type,
            "config": { "mediaType": CONFIG, "digest": config, "size": 2 },
            "layers": [{ "mediaType": artifact_type, "digest": layer, "size": size }],
            "subject": { "mediaType": INDEX, "digest": subject, "size": 1 } });
        let manifest = inner.keep(IMAGE, &manifest);
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX,
            "manifests": [{ "mediaType": IMAGE, "digest": manifest, "size": 1 }] });
        let index = inner.keep(INDEX, &index);
        inner.tags.entry(repository.to_owned()).or_default().insert(subject.replacen(':', "-", 1), index);
    }

    /// Attaches a signed-looking statement as cosign's second version does: an envelope below a tag named after
    /// `subject`, of a statement about `about`.
    pub fn attach_by_cosign(&self, repository: &str, (subject, about): (&str, &str), kind: &str, predicate: &Value) {
        const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
        let mut inner = self.lock();
        let statement = json!({ "_type": "https://in-toto.io/Statement/v0.1", "predicateType": kind,
            "subject": [{ "name": "x", "digest": { "sha256": about.trim_start_matches("sha256:") } }],
            "predicate": predicate });
        let payload = base64::engine::general_purpose::STANDARD.encode(statement.to_string());
        let envelope = json!({ "payloadType": "application/vnd.in-toto+json", "payload": payload,
            "signatures": [{ "keyid": "", "sig": "" }] });
        let size = envelope.to_string().len();
        let layer = inner.keep(ENVELOPE, &envelope);
        let config = inner.keep(CONFIG, &json!({}));
        let manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE,
            "config": { "mediaType": CONFIG, "digest": config, "size": 2 },
            "layers": [{ "mediaType": ENVELOPE, "digest": layer, "size": size,
                "annotations": { "predicateType": kind } }] });
        let manifest = inner.keep(IMAGE, &manifest);
        let tag = format!("{}.att", subject.replacen(':', "-", 1));
        inner.tags.entry(repository.to_owned()).or_default().insert(tag, manifest);
    }

    /// The digest of the first image of a tag's index.
    pub fn image_of(&self, repository: &str, tag: &str) -> String {
        let inner = self.lock();
        let digest = inner.tags.get(repository).and_then(|tags| tags.get(tag)).cloned().unwrap_or_default();
        let index = inner.contents.get(&digest).map(|(_, index)| index.clone()).unwrap_or_default();
        let index: Value = serde_json::from_slice(&index).unwrap_or_default();
        index["manifests"][0]["digest"].as_str().unwrap_or(&digest).to_owned()
    }

    /// What a tag points at; nothing where it is not there.
    pub fn tagged(&self, repository: &str, tag: &str) -> String {
        self.lock().tags.get(repository).and_then(|tags| tags.get(tag)).cloned().unwrap_or_default()
    }

    /// Attaches a statement of a predicate type to an image, by its digest; `about` is what the statement names, where
    /// that is not the image itself.
    pub fn attach(
        &self,
        (repository, image): (&str, &str),
        (way, wrapped): (Way, Wrapped),
        (kind, predicate): (&str, &Value),
        about: Option<&str>,
    ) {
        let hex = about.unwrap_or(image).trim_start_matches("sha256:");
        let statement = json!({ "_type": "https://in-toto.io/Statement/v1", "predicateType": kind,
            "subject": [{ "name": "x", "digest": { "sha256": hex } }], "predicate": predicate });
        let envelope = json!({ "payloadType": STATEMENT, "signatures": [],
            "payload": base64::engine::general_purpose::STANDARD.encode(statement.to_string()) });
        let (media_type, body) = match wrapped {
            Wrapped::Envelope => ("application/vnd.dsse.envelope.v1+json", envelope),
            Wrapped::Bundle => (BUNDLE, json!({ "mediaType": BUNDLE, "dsseEnvelope": envelope })),
            Wrapped::Bare => ("application/spdx+json", predicate.clone()),
        };
        self.attach_blob((repository, image), way, (media_type, kind), body.to_string().as_bytes());
    }

    /// Attaches any bytes as if they were an attestation of a predicate type.
    pub fn attach_blob(
        &self,
        (repository, image): (&str, &str),
        way: Way,
        (media_type, kind): (&str, &str),
        body: &[u8],
    ) {
        let mut inner = self.lock();
        let blob = digest(body);
        inner.contents.insert(blob.clone(), (STATEMENT, Bytes::copy_from_slice(body)));
        let bundled = media_type == BUNDLE;
        let of_layer = if bundled || kind.is_empty() { json!({}) } else { json!({ "predicateType": kind }) };
        let of_manifest = if bundled { json!({ "dev.sigstore.bundle.predicateType": kind }) } else { json!({}) };
        let layer = json!({ "mediaType": media_type, "digest": blob, "size": body.len(), "annotations": of_layer });
        let mut manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE, "layers": [layer],
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": blob, "size": 2 } });
        if way == Way::Referrer {
            manifest["artifactType"] = json!(media_type);
            manifest["annotations"] = of_manifest;
            manifest["subject"] = json!({ "mediaType": IMAGE, "digest": image, "size": 1 });
        }
        let manifest = inner.keep(IMAGE, &manifest);
        match way {
            Way::Referrer => inner.refer(repository, image, &manifest),
            Way::Tag => inner.tag_for(repository, image, ".att", &manifest),
        }
    }

    /// Puts a manifest that is there already under the fall-back tag of an image, as GHCR answers it.
    pub fn fall_back_to(&self, repository: &str, image: &str, manifest: &str) {
        self.lock().tag_for(repository, image, "", manifest);
    }

    /// Lists a manifest among those that refer to an image, whatever it says itself.
    pub fn refer(&self, repository: &str, image: &str, manifest: &str) {
        self.lock().refer(repository, image, manifest);
    }

    /// Publishes a new image under a tag, which may be there already; returns its digest.
    pub fn push(&self, repository: &str, tag: &str) -> String {
        self.push_build(repository, tag, &Build::default())
    }

    /// The same of a build that is described.
    pub fn push_build(&self, repository: &str, tag: &str, build: &Build) -> String {
        let mut inner = self.lock();
        inner.builds += 1;
        let manifests: Vec<Value> = build.platforms.iter().map(|platform| inner.image(platform, build)).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests,
            "annotations": { "build": inner.builds.to_string() } });
        let digest = inner.keep(INDEX, &index);
        inner.tags.entry(repository.to_owned()).or_default().insert(tag.to_owned(), digest.clone());
        digest
    }

    /// What Docker Hub's own interface tells of a tag: when it was pushed, RFC 3339.
    pub fn tell_pushed(&self, repository: &str, tag: &str, at: &str) {
        self.lock().pushed.insert((repository.to_owned(), tag.to_owned()), at.to_owned());
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

    /// How many requests of a method, or of any where it is empty, had this in their path.
    pub fn count(&self, method: &str, path_contains: &str) -> usize {
        let inner = self.lock();
        inner
            .requests
            .iter()
            .filter(|(one, path)| (method.is_empty() || one == method) && path.contains(path_contains))
            .count()
    }

    /// How many requests named a version that is known.
    pub fn conditional(&self) -> usize {
        self.lock().conditional
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        let mut inner = self.lock();
        inner.requests.clear();
        inner.conditional = 0;
    }
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content)))
}

async fn answer(State(registry): State<Registry>, request: HttpRequest) -> Response {
    let (parts, _) = request.into_parts();
    let mut inner = registry.lock();
    inner.requests.push((parts.method.to_string(), parts.uri.to_string()));
    inner.conditional += usize::from(parts.headers.contains_key(header::IF_NONE_MATCH));
    if parts.uri.path() == "/token" {
        return inner.sell_token();
    }
    let response = inner.answer(&parts);
    inner.dress(response)
}

impl Inner {
    /// Keeps an image of these layers for an architecture of Linux: its digest, and its entry in an index.
    fn image_of_layers(&mut self, architecture: &str, layers: &[Vec<u8>]) -> (String, Value) {
        let platform = json!({ "os": "linux", "architecture": architecture });
        let config = self.keep(CONFIG, &platform);
        let mut described = Vec::new();
        for layer in layers {
            let digest = digest(layer);
            self.contents.insert(digest.clone(), (LAYER, Bytes::copy_from_slice(layer)));
            described.push(json!({ "mediaType": LAYER, "digest": digest, "size": layer.len() }));
        }
        let image = json!({ "schemaVersion": 2, "mediaType": IMAGE, "layers": described,
            "config": { "mediaType": CONFIG, "digest": config, "size": 2 } });
        let image = self.keep(IMAGE, &image);
        let entry = json!({ "mediaType": IMAGE, "digest": image, "size": 1, "platform": platform });
        (image, entry)
    }

    fn keep(&mut self, media_type: &'static str, content: &Value) -> String {
        let content = Bytes::from(content.to_string());
        let digest = digest(&content);
        self.contents.insert(digest.clone(), (media_type, content));
        digest
    }

    /// Keeps an attestation manifest as BuildKit writes it; returns its entry in the index.
    fn attest(&mut self, image: &str, about: &str, predicate: &Value, shape: Shape) -> Value {
        const SPDX: &str = "https://spdx.dev/Document";
        let hex = about.trim_start_matches("sha256:");
        let statement = json!({ "_type": "https://in-toto.io/Statement/v0.1", "predicateType": SPDX,
            "subject": [{ "name": "pkg:docker/x", "digest": { "sha256": hex } }], "predicate": predicate });
        let size = statement.to_string().len();
        let layer = self.keep(STATEMENT, &statement);
        let config = self.keep(CONFIG, &json!({ "architecture": "unknown", "os": "unknown" }));
        let mut manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE,
            "config": { "mediaType": CONFIG, "digest": config, "size": 2 },
            "layers": [{ "mediaType": STATEMENT, "digest": layer, "size": size,
                "annotations": { "in-toto.io/predicate-type": SPDX } }] });
        if shape == Shape::Artifact {
            manifest["artifactType"] = json!("application/vnd.docker.attestation.manifest.v1+json");
            manifest["config"]["mediaType"] = json!("application/vnd.oci.empty.v1+json");
            manifest["subject"] = json!({ "mediaType": IMAGE, "digest": image, "size": 1 });
        }
        let manifest = self.keep(IMAGE, &manifest);
        json!({ "mediaType": IMAGE, "digest": manifest, "size": 1,
            "platform": { "os": "unknown", "architecture": "unknown" },
            "annotations": { "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image } })
    }

    /// Notes that a manifest refers to an image, for the API and under the fall-back tag.
    fn refer(&mut self, repository: &str, image: &str, manifest: &str) {
        let referrers = self.referrers.entry(image.to_owned()).or_default();
        // As real registries do: the type of the configuration, and no annotations.
        referrers.push(json!({ "mediaType": IMAGE, "digest": manifest, "size": 1,
            "artifactType": "application/vnd.oci.empty.v1+json" }));
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": referrers.clone() });
        let index = self.keep(INDEX, &index);
        self.tag_for(repository, image, "", &index);
    }

    /// Sets the tag that is named after a digest.
    fn tag_for(&mut self, repository: &str, image: &str, suffix: &str, digest: &str) {
        let tag = format!("{}{suffix}", image.replacen(':', "-", 1));
        self.tags.entry(repository.to_owned()).or_default().insert(tag, digest.to_owned());
    }

    /// The referrers API, where the registry has one.
    fn referrers_of(&self, image: &str) -> Response {
        if self.behaviour.refuses_referrers {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        if !self.behaviour.referrers_api {
            return not_found("UNSUPPORTED");
        }
        let listed = self.referrers.get(image).cloned().unwrap_or_default();
        axum::Json(json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": listed })).into_response()
    }

    /// The answer, or only that it is the known one.
    fn versioned(&self, response: Response, version: &str, asked: &HeaderMap) -> Response {
        let version = format!("\"{version}\"");
        let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(&version);
        let mut response = match self.behaviour.versions {
            true if known => StatusCode::NOT_MODIFIED.into_response(),
            true | false => response,
        };
        if self.behaviour.versions
            && let Ok(version) = HeaderValue::from_str(&version)
        {
            response.headers_mut().insert(header::ETAG, version);
        }
        response
    }

    /// Keeps one platform's image; returns its entry in the index.
    fn image(&mut self, platform: &str, build: &Build) -> Value {
        let mut parts = platform.split('/');
        let (os, architecture, variant) = (parts.next(), parts.next(), parts.next());
        let labels: BTreeMap<_, _> = build.labels.iter().copied().collect();
        let config = json!({ "os": os, "architecture": architecture, "variant": variant, "created": build.created,
            "config": { "Labels": labels, "Env": [self.builds.to_string()] } });
        let size = config.to_string().len();
        let config = self.keep(CONFIG, &config);
        let manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE, "layers": [],
            "config": { "mediaType": CONFIG, "digest": config, "size": size } });
        let size = manifest.to_string().len();
        let mut platform = json!({ "os": os, "architecture": architecture });
        if let Some(variant) = variant {
            platform["variant"] = json!(variant);
        }
        json!({ "mediaType": IMAGE, "size": size, "digest": self.keep(IMAGE, &manifest), "platform": platform })
    }

    /// Docker Hub's own interface: a tag with its platforms and its date.
    fn story(&self, path: &str) -> Option<Response> {
        let (repository, tag) = path.strip_prefix("repositories/")?.split_once("/tags/")?;
        let digest = self.tags.get(repository)?.get(tag)?;
        let (_, index) = self.contents.get(digest)?;
        let index: Value = serde_json::from_slice(index).ok()?;
        let images: Vec<&Value> = index["manifests"].as_array()?.iter().map(|manifest| &manifest["platform"]).collect();
        let pushed = self.pushed.get(&(repository.to_owned(), tag.to_owned()))?;
        let told = json!({ "name": tag, "digest": digest, "tag_last_pushed": pushed, "images": images });
        Some(axum::Json(told).into_response())
    }

    fn answer(&mut self, parts: &Parts) -> Response {
        if let Some(refusal) = self.refuse(&parts.headers) {
            return refusal;
        }
        let Some(path) = parts.uri.path().strip_prefix("/v2/") else { return not_found("UNSUPPORTED") };
        if path.is_empty() {
            return axum::Json(json!({})).into_response();
        }
        if self.behaviour.forbidden.iter().any(|repository| path.starts_with(&format!("{repository}/"))) {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"world\"")]).into_response();
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            let named: Vec<&String> = self.tags.get(repository).into_iter().flat_map(BTreeMap::keys).collect();
            let version = digest(json!(named).to_string().as_bytes());
            return self.versioned(self.list(repository, &parts.uri), &version, &parts.headers);
        }
        if let Some((_, image)) = path.rsplit_once("/referrers/") {
            return self.referrers_of(image);
        }
        if let Some(story) = self.story(path) {
            return story;
        }
        if let Some((_, digest)) = path.rsplit_once("/blobs/") {
            let blob = self.contents.get(digest).map(|(_, content)| content.clone());
            return blob.map_or_else(|| not_found("BLOB_UNKNOWN"), IntoResponse::into_response);
        }
        match path.rsplit_once("/manifests/") {
            Some((repository, reference)) => {
                let by_tag = self.tags.get(repository).and_then(|tags| tags.get(reference)).map(String::as_str);
                let response = self.manifest(repository, reference, &parts.method);
                match response.status() {
                    StatusCode::OK => self.versioned(response, by_tag.unwrap_or(reference), &parts.headers),
                    _ => response,
                }
            }
            None => not_found("UNSUPPORTED"),
        }
    }

    /// A token of its own for every request.
    fn sell_token(&mut self) -> Response {
        let token = format!("token-{}", self.tokens.len());
        self.tokens.insert(token.clone(), false);
        axum::Json(json!({ "token": token, "expires_in": self.behaviour.token_seconds.max(1) })).into_response()
    }

    /// Whether the token was sold and is still good.
    fn accepts(&mut self, token: &str) -> bool {
        let single_use = self.behaviour.token_seconds == 0;
        self.tokens.get_mut(token).is_some_and(|used| !std::mem::replace(used, true) || !single_use)
    }

    /// Leaves out and adds the headers of the behaviour.
    fn dress(&self, mut response: Response) -> Response {
        for name in &self.behaviour.without_headers {
            response.headers_mut().remove(*name);
        }
        for (name, value) in &self.behaviour.with_headers {
            response.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        response
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
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
        let (accepted, challenge) = match self.behaviour.asks_for {
            Credentials::Nothing => return None,
            // `world:secret`
            Credentials::Basic => (given == "Basic d29ybGQ6c2VjcmV0", "Basic realm=\"world\"".to_owned()),
            Credentials::Bearer => (
                given.strip_prefix("Bearer ").is_some_and(|token| self.accepts(token)),
                format!(
                    "Bearer realm=\"http://{}/token\",service=\"world\",scope=\"repository:any:pull\"",
                    self.address
                ),
            ),
        };
        (!accepted).then(|| (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response())
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
            && let Ok(link) = HeaderValue::from_str(&self.link(repository, last, size))
        {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }

    fn link(&self, repository: &str, last: &str, size: usize) -> String {
        let query = format!("?last={last}&n={size}");
        let address = match self.behaviour.links {
            Links::Relative => format!("/v2/{repository}/tags/list{query}"),
            Links::Absolute => format!("http://{}/v2/{repository}/tags/list{query}", self.address),
            Links::QueryOnly => query,
        };
        format!("<{address}>; rel=\"next\"")
    }

    fn manifest(&self, repository: &str, reference: &str, method: &Method) -> Response {
        let by_tag = self.tags.get(repository).and_then(|tags| tags.get(reference)).map(String::as_str);
        let digest = by_tag.unwrap_or(reference);
        let Some((media_type, content)) = self.contents.get(digest) else { return not_found("MANIFEST_UNKNOWN") };
        let headers = [("docker-content-digest", digest), ("content-type", media_type)];
        let body = if method == Method::HEAD { Bytes::new() } else { content.clone() };
        (headers, body).into_response()
    }
}
