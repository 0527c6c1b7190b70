//! One request to a registry: turn, authorization, redirects, bounds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::address::{AddressPolicy, RefusedAddress, authority};
use super::alias::{self, Alias};
use super::challenge::{self, Challenge};
use super::credentials::Credentials;
use super::docker_config::DockerConfig;
use super::error::RegistryError;
use super::host::{Hosts, Quota, is_trouble};
use super::quirks::{Pulls, quirk};
use super::settings::{Credential, RealmPair, RegistrySettings, Secret};
use super::token::{Authorization, Authorizations, Key, fresh, token_url};
use super::transport::{self, Transport, proxy_hosts};
use crate::clock::Clock;
use crate::image::ImageName;
use crate::repo::Moment;

/// Redirects of one request.
const MAX_REDIRECTS: usize = 5;
/// Some registries' tokens are long, none is longer than this.
const TOKEN_LIMIT: usize = 256 * 1024;

/// The wait before a question that failed for a moment is asked once more.
const SECOND_TRY: Duration = Duration::from_millis(200);
/// The registry of an organisation's own packages on GitHub.
const GITHUB_PACKAGES: &str = "ghcr.io";

/// Gives a token that may read an organisation's own packages, where there is one.
pub type PackageToken = Arc<dyn Fn() -> BoxFuture<'static, Option<SecretString>> + Send + Sync>;

/// All registries. Clones share their tokens, limits and connections.
#[derive(Clone)]
pub struct Registries {
    inner: Arc<Inner>,
    /// Whose repositories are read for.
    owner: Option<Arc<str>>,
    packages: Option<PackageToken>,
}

struct Inner {
    transport: Transport,
    policy: Arc<AddressPolicy>,
    credentials: Credentials,
    realms: Vec<RealmPair>,
    aliases: Vec<Alias>,
    hosts: Hosts,
    authorizations: Authorizations,
    docker_hub: Url,
    proxied: bool,
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
        let proxies: Vec<String> = proxy_hosts(&settings.proxy).collect();
        let proxied = !proxies.is_empty();
        let policy = AddressPolicy::new(settings.insecure.clone(), settings.allowed.clone())
            .reaching(proxies)
            .serving(settings.served_by.clone());
        let policy = Arc::new(policy);
        let transport = Transport::new(&settings, &policy)?;
        let clouds = transport::clouds(&settings)?;
        let docker_config = settings.docker_config.map(DockerConfig::new);
        let credentials = Credentials::new(settings.credentials, docker_config)?.with_clouds(clouds);
        let inner = Inner {
            transport,
            policy,
            credentials,
            realms: settings.realms,
            aliases: settings.aliases,
            hosts: Hosts::default(),
            authorizations: Authorizations::default(),
            docker_hub: settings.docker_hub,
            proxied,
            clock: settings.clock,
            total: settings.timeouts.total,
        };
        Ok(Self { inner: Arc::new(inner), owner: None, packages: None })
    }

    /// The same registries as the repositories of `owner` may read them; `packages` opens its own packages on GitHub.
    #[must_use]
    pub fn of(&self, owner: &str, packages: Option<PackageToken>) -> Self {
        Self { inner: Arc::clone(&self.inner), owner: Some(Arc::from(owner.to_ascii_lowercase())), packages }
    }

    /// Who shares what is read of an image: nobody named where everybody does. What is remembered must be kept apart
    /// by it.
    pub fn audience(&self, image: &ImageName) -> Option<String> {
        let configured = self.inner.credentials.audience(image.registry(), self.owner.as_deref());
        configured.or_else(|| self.owner.as_deref().filter(|_| self.is_own_package(image)).map(str::to_owned))
    }

    /// The image whose content this one is, where it is named through a mirror.
    pub fn upstream(&self, image: &ImageName) -> Option<ImageName> {
        alias::upstream(&self.inner.aliases, image)
    }

    /// What a registry last said of its limit on pulls.
    pub fn quota(&self, host: &str) -> Option<Quota> {
        self.inner.hosts.quota(host)
    }

    /// Whether reading a manifest of this registry is counted as a pull.
    pub fn counts_pulls(&self, host: &str) -> bool {
        quirk(host).pulls == Pulls::Counted
    }

    pub(super) fn docker_hub(&self) -> &Url {
        &self.inner.docker_hub
    }

    pub(super) fn now(&self) -> Moment {
        self.inner.clock.now()
    }

    fn is_own_package(&self, image: &ImageName) -> bool {
        let folder = image.repository().split('/').next().unwrap_or_default();
        image.registry() == GITHUB_PACKAGES && self.packages.is_some() && self.owner.as_deref() == Some(folder)
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

    /// Asks, shows what the registry wants to see, follows its redirects, and reads the status. What fails for a
    /// moment is asked once more.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let first = self.ask_once(question).await;
        if !matches!(first, Err(RegistryError::Unavailable { .. })) {
            return first;
        }
        tokio::time::sleep(SECOND_TRY).await;
        // Where it is left alone meanwhile, the first failure says more.
        let second = self.ask_once(question).await;
        if matches!(second, Err(RegistryError::Unavailable { .. })) { first } else { second }
    }

    async fn ask_once(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let (host, hosts) = (question.host(), &self.inner.hosts);
        let late = |what: &str| RegistryError::unavailable(host, what);
        let turn = tokio::time::timeout(self.inner.total, hosts.turn(host, self.now())).await;
        let _turn = turn.unwrap_or_else(|_| Err(late("too many requests wait for this registry")))?;
        let answer = tokio::time::timeout(self.inner.total, self.authorized(question)).await;
        let answer = answer.unwrap_or_else(|_| Err(late("the registry did not answer in time")));
        match &answer {
            Ok(answer) => hosts.answered(host, self.now(), answer.status, &answer.headers),
            Err(RegistryError::Unavailable { .. }) => hosts.silent(host, self.now()),
            Err(_) => {}
        }
        self.judge(question, answer?)
    }

    fn judge(&self, question: &Question<'_>, answer: Answer) -> Result<Answer, RegistryError> {
        let host = question.host();
        match answer.status {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_MODIFIED if question.etag.is_some() => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.unauthorized(host)),
            StatusCode::NOT_FOUND => Err(RegistryError::NotFound { what: question.image.to_string() }),
            StatusCode::TOO_MANY_REQUESTS => Err(self.inner.hosts.limited(host, self.now(), &answer.headers)),
            status if is_trouble(status) => {
                Err(RegistryError::unavailable(host, format!("the registry answers {status}")))
            }
            status => Err(RegistryError::invalid(host, format!("the registry answers {status}"))),
        }
    }

    fn unauthorized(&self, host: &str) -> RegistryError {
        let configured = self.inner.credentials.knows(host, self.owner.as_deref());
        let reason = if configured {
            "the registry refuses the configured credentials for this image; check user, password and their rights"
        } else {
            "the image does not exist or needs credentials, and none are configured for this registry"
        };
        RegistryError::unauthorized(host, reason)
    }

    /// Asks with what is at hand; on a 401 gets what the registry wants, and asks once more.
    async fn authorized(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let key = Key {
            host: question.host().to_owned(),
            repository: question.image.repository().to_owned(),
            audience: self.audience(question.image),
        };
        let slot = self.inner.authorizations.slot(&key);
        let shown = fresh(&slot.lock().await, self.now());
        let home = self.inner.policy.base(question.host())?;
        let answer = self.follow(question, &home, shown.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED || answer.url.origin() != home.origin() {
            return Ok(answer);
        }
        let mut held = slot.lock().await;
        let newer = fresh(&held, self.now()).filter(|held| shown.as_ref().is_none_or(|s| !s.is_same(held)));
        if let Some(newer) = newer {
            drop(held);
            let answer = self.follow(question, &home, Some(&newer)).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            held = slot.lock().await;
        }
        *held = None;
        let gained = self.gain(question, &home, &challenges(&answer)).await?;
        let answer = self.follow(question, &home, Some(&gained)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.inner.credentials.refused(question.host()).await;
        } else {
            *held = Some(gained);
        }
        Ok(answer)
    }

    async fn credential(&self, host: &str) -> Result<Option<Credential>, RegistryError> {
        self.inner.credentials.of(host, self.owner.as_deref(), self.now()).await
    }

    /// What opens the organisation's own packages, where the registry asks for more than nothing.
    async fn package_credential(&self, image: &ImageName) -> Option<Credential> {
        let packages = self.packages.as_ref().filter(|_| self.is_own_package(image))?;
        let secret = Secret::Password(packages().await?);
        Some(Credential {
            host: image.registry().to_owned(),
            owners: Vec::new(),
            user: "x-access-token".into(),
            secret,
        })
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
            let bought = self.buy_token(question, home, url.clone(), credential).await;
            let (Err(RegistryError::Unauthorized { .. }), None) = (&bought, credential) else { return bought };
            // Anonymous first: public packages need nothing.
            let Some(own) = self.package_credential(question.image).await else { return bought };
            return self.buy_token(question, home, url, Some(&own)).await;
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
            Some(Secret::Password(_) | Secret::Cloud(_)) | None => (url, None),
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
            StatusCode::OK => Authorization::bearer(&answer.body, self.now())
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
            || quirk(registry).realms.iter().any(|known| realm.host_str() == Some(known) && realm.scheme() == "https")
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
        if self.inner.proxied {
            self.inner.policy.check_resolved(host, url).await?;
        }
        let client = self.inner.transport.to(url);
        let mut request = client.request(question.method.clone(), url.clone()).header(ACCEPT, question.accept);
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
    use super::super::address::GuardedResolver;
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
}
