//! One question to a registry: its turn, its answer's meaning, what is remembered of the registry's state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Method, StatusCode};
use secrecy::SecretString;
use url::Url;

use super::address::AddressPolicy;
use super::alias::{self, Alias};
use super::credentials::Credentials;
use super::docker_config::DockerConfig;
use super::error::RegistryError;
use super::exchange::Answer;
use super::host::{Heard, Hosts, Limit, is_trouble};
use super::quirks::{Pulls, quirk};
use super::settings::{RealmPair, RegistrySettings};
use super::token::Authorizations;
use super::transport::{self, Transport, proxy_hosts};
use crate::clock::Clock;
use crate::image::ImageName;
use crate::repo::Moment;

/// The wait before a question that failed for a moment is asked once more.
const SECOND_TRY: Duration = Duration::from_millis(200);
/// The registry of an organisation's own packages on GitHub.
const GITHUB_PACKAGES: &str = "ghcr.io";

/// Gives a token that may read an organisation's own packages, where there is one.
pub type PackageToken = Arc<dyn Fn() -> BoxFuture<'static, Option<SecretString>> + Send + Sync>;

/// All registries. Clones share their tokens, limits and connections.
#[derive(Clone)]
pub struct Registries {
    pub(super) inner: Arc<Inner>,
    /// Whose repositories are read for.
    pub(super) owner: Option<Arc<str>>,
    pub(super) packages: Option<PackageToken>,
}

pub(super) struct Inner {
    pub(super) transport: Transport,
    pub(super) policy: Arc<AddressPolicy>,
    pub(super) credentials: Credentials,
    pub(super) realms: Vec<RealmPair>,
    aliases: Vec<Alias>,
    hosts: Hosts,
    pub(super) authorizations: Authorizations,
    docker_hub: Url,
    pub(super) proxied: bool,
    clock: Clock,
    pub(super) total: Duration,
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
    /// How a good answer is read.
    pub(super) reading: Reading,
}

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// To its end.
    Whole,
    /// By who asked, piece by piece.
    Open,
}

impl<'a> Question<'a> {
    /// A question whose answer is read whole, of `limit` bytes at most.
    pub(super) fn get(image: &'a ImageName, url: Url, accept: &'static str, limit: usize) -> Self {
        Self { image, method: Method::GET, url, accept, etag: None, limit, form: None, reading: Reading::Whole }
    }

    pub(super) fn host(&self) -> &str {
        self.image.registry()
    }

    /// Whether a registry that counts pulls says with the answer what is left of them.
    fn tells_quota(&self) -> bool {
        quirk(self.host()).pulls == Pulls::Counted && self.url.path().contains("/manifests/")
    }

    /// Whether the registry counts it as a pull.
    pub(super) fn is_pull(&self) -> bool {
        self.tells_quota() && self.method == Method::GET
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
        let policy = AddressPolicy::new(&settings.insecure, settings.allowed.clone())
            .reaching(proxies)
            .serving(settings.served_by.clone())
            .resolving(settings.names.clone());
        let policy = Arc::new(policy);
        let transport = Transport::new(&settings, &policy)?;
        let clouds = transport::clouds(&settings)?;
        let docker_config = settings.docker_config.map(|file| DockerConfig::new(file, settings.docker_helpers));
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

    /// The names under which mirrors serve an image.
    pub fn mirrors(&self, image: &ImageName) -> Vec<ImageName> {
        alias::mirrors(&self.inner.aliases, image)
    }

    /// What the registry of an image last said of its limit on pulls, to whoever reads it like this.
    pub fn limit(&self, image: &ImageName) -> Limit {
        self.inner.hosts.limit(image.registry(), self.audience(image).as_deref())
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

    pub(super) fn is_own_package(&self, image: &ImageName) -> bool {
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
        let turn = turn.unwrap_or_else(|_| Err(late("too many requests wait for this registry")))?;
        let answer = tokio::time::timeout(self.inner.total, self.authorized(question)).await;
        let answer = answer.unwrap_or_else(|_| Err(late("the registry did not answer in time")));
        match &answer {
            Ok(answer) => {
                let audience = self.audience(question.image);
                let tells_quota = question.tells_quota();
                let heard = Heard { status: answer.status, headers: &answer.headers, audience, tells_quota };
                hosts.answered(host, self.now(), &heard);
            }
            Err(RegistryError::Unavailable { .. }) => hosts.silent(host, self.now()),
            Err(_) => {}
        }
        let mut answer = self.judge(question, answer?)?;
        if let Some(open) = &mut answer.open {
            open.turn = Some(turn);
        }
        Ok(answer)
    }

    pub(super) fn judge(&self, question: &Question<'_>, answer: Answer) -> Result<Answer, RegistryError> {
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

    pub(super) fn unauthorized(&self, host: &str) -> RegistryError {
        let configured = self.inner.credentials.knows(host, self.owner.as_deref());
        let reason = if configured {
            "the registry refuses the configured credentials for this image; check user, password and their rights"
        } else {
            "the image does not exist or needs credentials, and none are configured for this registry"
        };
        RegistryError::unauthorized(host, reason)
    }
}
