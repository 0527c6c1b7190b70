//! One request to a registry: turn, authorization, redirects, bounds.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::address::{AddressPolicy, AllowedAddress, GuardedResolver, RefusedAddress, authority};
use super::challenge::{self, Challenge};
use super::docker_config::DockerConfig;
use super::error::RegistryError;
use super::host::Hosts;
use super::token::{Authorization, Authorizations, Key, fresh, token_url};
use crate::clock::Clock;
use crate::image::ImageName;

/// Redirects of one request.
const MAX_REDIRECTS: usize = 5;
/// Some registries' tokens are long, none is longer than this.
const TOKEN_LIMIT: usize = 256 * 1024;

/// Token servers on another host than their registry, which may see its credentials.
const KNOWN_REALMS: [(&str, &str); 3] = [
    ("docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
    ("docker.elastic.co", "docker-auth.elastic.co"),
];

/// How long the parts of a request may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// One request from its first byte to its last, tokens and redirects included.
    pub total: Duration,
}

impl Default for Timeouts {
    /// 5 s to connect, 15 s between two pieces, 60 s in all.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), read: seconds(15), total: seconds(60) }
    }
}

/// What is shown to one registry. The password is in no `Debug`.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The registry as images name it: `docker.io`, `registry.example.com:5000`.
    pub host: String,
    /// The user's name; nothing with an identity token.
    pub user: String,
    /// What proves it.
    pub secret: Secret,
}

/// What proves who asks.
#[derive(Debug, Clone)]
pub enum Secret {
    /// A password or access token.
    Password(SecretString),
    /// What a token server takes for a token, as OAuth 2's refresh token.
    /// Source: distribution, "Docker Registry v2 authentication using OAuth2".
    IdentityToken(SecretString),
}

/// A token server that may see a registry's credentials, although it is another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmPair {
    /// The registry as images name it.
    pub registry: String,
    /// The token server's host.
    pub realm: String,
}

/// How registries are asked.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Registries asked by plain HTTP, `host[:port]`.
    pub insecure: Vec<String>,
    /// Private addresses that may be asked.
    pub allowed: Vec<AllowedAddress>,
    /// At most one per registry.
    pub credentials: Vec<Credential>,
    /// Token servers on other hosts, beyond those that are built in.
    pub realms: Vec<RealmPair>,
    /// Docker's `config.json`, for registries of which `credentials` says nothing.
    pub docker_config: Option<PathBuf>,
    /// How Restow names itself.
    pub user_agent: String,
    /// The time of day: tokens and limits end by it.
    pub clock: Clock,
    /// Bounds of time.
    pub timeouts: Timeouts,
}

impl Default for RegistrySettings {
    /// Public registries by TLS, without credentials.
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            allowed: Vec::new(),
            credentials: Vec::new(),
            realms: Vec::new(),
            docker_config: None,
            user_agent: concat!("restow/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Clock::System,
            timeouts: Timeouts::default(),
        }
    }
}

/// All registries. Clones share their tokens, limits and connections.
#[derive(Clone)]
pub struct Registries {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    policy: Arc<AddressPolicy>,
    credentials: HashMap<String, Credential>,
    docker_config: Option<DockerConfig>,
    realms: Vec<RealmPair>,
    hosts: Hosts,
    authorizations: Authorizations,
    clock: Clock,
    total: Duration,
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registries").field("policy", &self.inner.policy).finish_non_exhaustive()
    }
}

/// One question to a registry.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    pub(super) image: &'a ImageName,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) accept: &'static str,
    /// The version that is known: another one is wanted, or [`StatusCode::NOT_MODIFIED`].
    pub(super) etag: Option<&'a str>,
    /// Bytes of the answer.
    pub(super) limit: usize,
    /// What is sent, as a form.
    pub(super) form: Option<SecretString>,
}

impl Question<'_> {
    fn host(&self) -> &str {
        self.image.registry()
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Where it came from in the end.
    pub(super) url: Url,
}

impl Answer {
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Registries {
    /// Makes a client; asks nothing yet.
    ///
    /// # Errors
    /// Where two credentials name one registry, or the system's certificates cannot be read.
    pub fn new(settings: RegistrySettings) -> Result<Self, RegistryError> {
        let policy = Arc::new(AddressPolicy::new(settings.insecure, settings.allowed));
        let http = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.timeouts.connect)
            .read_timeout(settings.timeouts.read)
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(GuardedResolver(Arc::clone(&policy)))
            .build()
            .map_err(|error| RegistryError::invalid("registry settings", format!("no HTTP client: {error}")))?;
        let known = KNOWN_REALMS.map(|(registry, realm)| RealmPair { registry: registry.into(), realm: realm.into() });
        let inner = Inner {
            http,
            policy,
            credentials: by_host(settings.credentials)?,
            docker_config: settings.docker_config.map(DockerConfig::new),
            realms: known.into_iter().chain(settings.realms).collect(),
            hosts: Hosts::default(),
            authorizations: Authorizations::default(),
            clock: settings.clock,
            total: settings.timeouts.total,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The address of `parts` below `/v2/REPOSITORY/`.
    pub(super) fn url(&self, image: &ImageName, parts: &str) -> Result<Url, RegistryError> {
        let base = self.inner.policy.base(image.registry())?;
        let url = base.join(&format!("v2/{}/{parts}", image.repository()));
        url.map_err(|_| RegistryError::invalid(image.registry(), "the image's name makes no valid address"))
    }

    /// The address of the registry itself.
    pub(super) fn front_door(&self, host: &str) -> Result<Url, RegistryError> {
        let url = self.inner.policy.base(host)?.join("v2/");
        url.map_err(|_| RegistryError::invalid(host, "the host makes no valid address"))
    }

    /// Asks without credentials, and takes every answer.
    pub(super) async fn plain(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let home = self.inner.policy.base(question.host())?;
        let answer = tokio::time::timeout(self.inner.total, self.follow(question, &home, None)).await;
        let late = |_| RegistryError::unavailable(question.host(), "the registry did not answer in time");
        answer.map_err(late)?
    }

    /// Whether there are credentials for a registry.
    pub(super) async fn has_credentials(&self, host: &str) -> Result<bool, RegistryError> {
        Ok(self.credential(host).await?.is_some())
    }

    /// Asks, shows what the registry wants to see, follows its redirects, and reads the status.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let late = |what: &str| RegistryError::unavailable(question.host(), what);
        let turn = self.inner.hosts.turn(question.host(), self.inner.clock.now());
        let turn = tokio::time::timeout(self.inner.total, turn).await;
        let _turn = turn.unwrap_or_else(|_| Err(late("too many requests wait for this registry")))?;
        let answer = tokio::time::timeout(self.inner.total, self.authorized(question)).await;
        self.judge(question, answer.unwrap_or_else(|_| Err(late("the registry did not answer in time")))?)
    }

    fn judge(&self, question: &Question<'_>, answer: Answer) -> Result<Answer, RegistryError> {
        let host = question.host();
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_MODIFIED if question.etag.is_some() => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.unauthorized(host)),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound { what: question.image.to_string() }),
            StatusCode::TOO_MANY_REQUESTS => {
                Err(self.inner.hosts.limited(host, self.inner.clock.now(), &answer.headers))
            }
            // 501 says that the method is unknown: no wait changes that.
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                Err(RegistryError::unavailable(host, format!("the registry answers {status}")))
            }
            status => Err(RegistryError::invalid(host, format!("the registry answers {status}"))),
        }
    }

    fn unauthorized(&self, host: &str) -> RegistryError {
        let configured = self.inner.credentials.contains_key(host)
            || self.inner.docker_config.as_ref().is_some_and(|config| config.knows(host));
        let reason = if configured {
            "the registry refuses the configured credentials for this image; check user, password and their rights"
        } else {
            "the image does not exist or needs credentials, and none are configured for this registry"
        };
        RegistryError::unauthorized(host, reason)
    }

    /// Asks with what is at hand; on a 401 gets what the registry wants, and asks once more.
    async fn authorized(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let key = Key { host: question.host().to_owned(), repository: question.image.repository().to_owned() };
        let slot = self.inner.authorizations.slot(&key);
        let shown = fresh(&slot.lock().await, self.inner.clock.now());
        let home = self.inner.policy.base(question.host())?;
        let answer = self.follow(question, &home, shown.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED || answer.url.origin() != home.origin() {
            return Ok(answer);
        }
        let mut held = slot.lock().await;
        let newer = fresh(&held, self.inner.clock.now()).filter(|held| shown.as_ref().is_none_or(|s| !s.is_same(held)));
        let authorization = match newer {
            Some(newer) => newer,
            None => {
                *held = None;
                let gained = self.gain(question, &home, &challenges(&answer)).await?;
                *held = Some(gained.clone());
                gained
            }
        };
        drop(held);
        let answer = self.follow(question, &home, Some(&authorization)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            *slot.lock().await = None;
            if let Some(config) = &self.inner.docker_config {
                config.refused(question.host());
            }
        }
        Ok(answer)
    }

    /// What is shown to a registry: by the settings, else by Docker's file.
    async fn credential(&self, host: &str) -> Result<Option<Credential>, RegistryError> {
        match (self.inner.credentials.get(host), &self.inner.docker_config) {
            (Some(credential), _) => Ok(Some(credential.clone())),
            (None, Some(config)) => config.credential(host, self.inner.clock.now()).await,
            (None, None) => Ok(None),
        }
    }

    /// Answers a challenge: by a token where the registry takes one, else by the credentials themselves.
    async fn gain(
        &self,
        question: &Question<'_>,
        home: &Url,
        challenges: &[Challenge],
    ) -> Result<Authorization, RegistryError> {
        let host = question.host();
        let credential = self.credential(host).await?;
        let credential = credential.as_ref();
        let of_scheme = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        if let Some(bearer) = of_scheme("bearer") {
            let url = token_url(bearer, host, question.image.repository())?;
            return self.buy_token(question, home, url, credential).await;
        }
        match (of_scheme("basic"), credential) {
            (Some(_), Some(credential)) => Authorization::basic(credential).ok_or_else(|| {
                RegistryError::unauthorized(host, "the registry wants a user and a password, which are not configured")
            }),
            (Some(_), None) => Err(self.unauthorized(host)),
            (None, _) => {
                Err(RegistryError::unauthorized(host, "the registry asks for an authentication unknown to Restow"))
            }
        }
    }

    /// Asks the token server that the registry names; it sees credentials only where it is allowed to.
    async fn buy_token(
        &self,
        question: &Question<'_>,
        home: &Url,
        url: Url,
        credential: Option<&Credential>,
    ) -> Result<Authorization, RegistryError> {
        let host = question.host();
        self.inner.policy.check(host, &url)?;
        if credential.is_some() && !self.may_see_credentials(host, home, &url) {
            let realm = authority(&url);
            return Err(RegistryError::refused(
                host,
                format!(
                    "the registry sends the credentials to {realm}; allow that token server for it in Restow's settings"
                ),
            ));
        }
        let shown = credential.and_then(Authorization::basic);
        let (url, form) = match credential.map(|credential| &credential.secret) {
            Some(Secret::IdentityToken(token)) => refresh_form(url, token),
            Some(Secret::Password(_)) | None => (url, None),
        };
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let ask = Question {
            method,
            url,
            accept: "application/json",
            etag: None,
            limit: TOKEN_LIMIT,
            form,
            ..question.clone()
        };
        let answer = self.once(&ask, &ask.url, shown.as_ref()).await?;
        match answer.status {
            StatusCode::OK => Authorization::bearer(&answer.body, self.inner.clock.now())
                .ok_or_else(|| RegistryError::invalid(host, "the token server's answer holds no token")),
            // Docker Hub's token server answers 400 or 404 to some wrong names and passwords.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Err(self.unauthorized(host)),
            _ => Err(match self.judge(&ask, answer) {
                Ok(_) => RegistryError::invalid(host, "the token server's answer holds no token"),
                Err(error) => error,
            }),
        }
    }

    fn may_see_credentials(&self, registry: &str, home: &Url, realm: &Url) -> bool {
        let same = realm.host() == home.host() && realm.scheme() == home.scheme();
        let listed = |pair: &RealmPair| {
            pair.registry == registry && (realm.host_str() == Some(&pair.realm) || authority(realm) == pair.realm)
        };
        same || self.inner.realms.iter().any(listed)
    }

    /// Follows redirects; the authorization stays at the registry's own origin, its `home`.
    async fn follow(
        &self,
        question: &Question<'_>,
        home: &Url,
        shown: Option<&Authorization>,
    ) -> Result<Answer, RegistryError> {
        let mut url = question.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.inner.policy.check(question.host(), &url)?;
            let own = url.origin() == home.origin();
            let answer = self.once(question, &url, shown.filter(|_| own)).await?;
            if !is_redirect(answer.status) {
                return Ok(answer);
            }
            let next = answer.header(LOCATION).and_then(|location| url.join(location).ok());
            url = next.ok_or_else(|| {
                RegistryError::invalid(question.host(), "the registry redirects without saying where to")
            })?;
        }
        Err(RegistryError::invalid(question.host(), "the registry redirects in a circle"))
    }

    async fn once(
        &self,
        question: &Question<'_>,
        url: &Url,
        shown: Option<&Authorization>,
    ) -> Result<Answer, RegistryError> {
        let host = question.host();
        let mut request = self.inner.http.request(question.method.clone(), url.clone()).header(ACCEPT, question.accept);
        if let Some(etag) = question.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(form) = &question.form {
            request =
                request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.expose_secret().to_owned());
        }
        if let Some(authorization) = shown {
            request = request.header(AUTHORIZATION, authorization.header.clone());
        }
        let response = request.send().await.map_err(|error| unreached(host, &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| unreached(host, &error))?;
            if body.len() + piece.len() > question.limit {
                let limit = question.limit;
                return Err(RegistryError::invalid(host, format!("the registry's answer has more than {limit} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body: body.freeze(), url: url.clone() })
    }
}

/// The question to a token server as OAuth 2 writes it: what stood in the address, and the identity token.
fn refresh_form(mut url: Url, token: &SecretString) -> (Url, Option<SecretString>) {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("client_id", "restow");
    for (name, value) in url.query_pairs() {
        form.append_pair(&name, &value);
    }
    form.append_pair("refresh_token", token.expose_secret());
    let form = SecretString::from(form.finish());
    url.set_query(None);
    (url, Some(form))
}

fn by_host(credentials: Vec<Credential>) -> Result<HashMap<String, Credential>, RegistryError> {
    let mut by_host = HashMap::new();
    for credential in credentials {
        let host = match credential.host.to_ascii_lowercase().as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".to_owned(),
            host => host.to_owned(),
        };
        if by_host.insert(host.clone(), credential).is_some() {
            return Err(RegistryError::invalid(&host, "two credentials are configured for this registry; keep one"));
        }
    }
    Ok(by_host)
}

fn challenges(answer: &Answer) -> Vec<Challenge> {
    let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter().take(10);
    headers.filter_map(|header| header.to_str().ok()).flat_map(challenge::parse).collect()
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// Says why a registry was not reached, in the words of the error that began it.
fn unreached(host: &str, error: &reqwest::Error) -> RegistryError {
    let mut innermost: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if innermost.is::<RefusedAddress>() {
        return RegistryError::refused(host, innermost.to_string());
    }
    let what =
        if error.is_timeout() { "the registry did not answer in time" } else { "the registry cannot be reached" };
    RegistryError::unavailable(host, format!("{what}: {innermost}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_name_is_told_apart_from_a_broken_registry() {
        let resolver = GuardedResolver(Arc::new(AddressPolicy::default()));
        let client = reqwest::Client::builder().dns_resolver(resolver).no_proxy().build().expect("a client");
        let error = client.get("http://localhost:1/").send().await.expect_err("refused");
        let error = unreached("registry.example.com", &error);
        assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("localhost has no public address"), "{error}");
    }

    #[test]
    fn two_credentials_for_one_registry_are_a_mistake() {
        let credential = |host: &str| Credential {
            host: host.to_owned(),
            user: "restow".to_owned(),
            secret: Secret::Password(SecretString::from("hunter2")),
        };
        let credentials = vec![credential("docker.io"), credential("index.docker.io")];
        let settings = RegistrySettings { credentials, ..RegistrySettings::default() };
        let error = Registries::new(settings).expect_err("two").to_string();
        assert_eq!(error, "docker.io: two credentials are configured for this registry; keep one");
    }
}
