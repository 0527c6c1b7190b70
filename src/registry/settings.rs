//! How registries are asked: credentials, addresses, proxies, certificates, bounds of time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::address::{AllowedAddress, NameLookup};
use super::alias::Alias;
use super::cloud::{Endpoints, Provider};
use super::credentials::usual_host;
use crate::clock::Clock;

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

/// The programs that Docker's file names, which know credentials.
#[derive(Debug, Clone)]
pub struct DockerHelpers {
    /// A program that takes longer is ended.
    pub longest: Duration,
    /// Where they are; `None`: where the system looks for programs.
    pub folder: Option<PathBuf>,
}

impl Default for DockerHelpers {
    /// Those of the system; one may ask its cloud, and takes 20 s at most.
    fn default() -> Self {
        Self { longest: Duration::from_secs(20), folder: None }
    }
}

/// What is shown to one registry. The password is in no `Debug`.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The registry as images name it: `docker.io`, `registry.example.com:5000`.
    pub host: String,
    /// The owners whose repositories may read with it, in any case of letters; empty: all.
    pub owners: Vec<String>,
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
    /// Nothing yet: a cloud gives it when it is needed, and takes it back after some hours.
    Cloud(Provider),
}

/// A token server that may see a registry's credentials, although it is another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealmPair {
    /// The registry as images name it.
    pub registry: String,
    /// The token server's host.
    pub realm: String,
}

/// A text that pairs no registry with a token server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} pairs no registry with a token server: expected two hosts, such as registry.example.com=auth.example.com"
)]
pub struct InvalidPair(String);

impl RealmPair {
    /// Both sides as `host` or `host:port`; the token server's port counts only where it is written.
    ///
    /// # Errors
    /// A side is no host: it is empty, has a scheme or a path.
    pub fn new(registry: &str, realm: &str) -> Result<Self, InvalidPair> {
        let is_host = |side: &str| {
            let url = Url::parse(&format!("https://{side}/")).ok();
            url.is_some_and(|url| url.path() == "/" && url.username().is_empty() && !side.contains(['/', '?', '#']))
        };
        if !is_host(registry) || !is_host(realm) {
            return Err(InvalidPair(format!("{registry}={realm}").chars().take(200).collect()));
        }
        Ok(Self { registry: usual_host(registry), realm: realm.to_ascii_lowercase() })
    }
}

impl FromStr for RealmPair {
    type Err = InvalidPair;

    fn from_str(text: &str) -> Result<Self, InvalidPair> {
        let (registry, realm) = text.split_once('=').unwrap_or((text, ""));
        Self::new(registry.trim(), realm.trim())
    }
}

/// A proxy, as the usual variables of the environment name it.
#[derive(Debug, Clone, Default)]
pub struct Proxy {
    /// `HTTPS_PROXY`; it may hold a user and a password.
    pub https: Option<SecretString>,
    /// `HTTP_PROXY`, for registries that are asked by plain HTTP.
    pub http: Option<SecretString>,
    /// `NO_PROXY`: hosts, domains and networks that are asked directly, parted by commas.
    pub no_proxy: Option<String>,
}

/// A certificate and its key, shown to one registry.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The registry as images name it.
    pub host: String,
    /// Certificate chain and private key (PKCS #8, PKCS #1 or SEC 1), PEM, one behind the other.
    pub pem: SecretString,
}

/// How registries are asked.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Registries asked by plain HTTP, `host[:port]`.
    pub insecure: Vec<String>,
    /// Private addresses that may be asked.
    pub allowed: Vec<AllowedAddress>,
    /// At most one per registry and owner.
    pub credentials: Vec<Credential>,
    /// Token servers on other hosts, beyond those that are built in.
    pub realms: Vec<RealmPair>,
    /// Docker's `config.json`, for registries of which `credentials` says nothing.
    pub docker_config: Option<PathBuf>,
    /// The programs that it names.
    pub docker_helpers: DockerHelpers,
    /// Registries that another host serves than the one that images name: `docker.io` is `registry-1.docker.io`.
    pub served_by: BTreeMap<String, String>,
    /// Names under which a registry serves another registry's images.
    pub aliases: Vec<Alias>,
    /// The proxy, where one stands between.
    pub proxy: Proxy,
    /// Certificates of private authorities beside those of the system, PEM, each file's text.
    pub authorities: Vec<Vec<u8>>,
    /// What Restow shows to registries that want a client certificate.
    pub client_certificates: Vec<ClientCertificate>,
    /// Where Docker Hub's own interface is; its images are described there without a pull being counted.
    pub docker_hub: Url,
    /// Where the clouds give short-lived credentials.
    pub clouds: Endpoints,
    /// Who resolves the names of registries.
    pub names: NameLookup,
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
            docker_helpers: DockerHelpers::default(),
            served_by: BTreeMap::from([("docker.io".to_owned(), "registry-1.docker.io".to_owned())]),
            aliases: Vec::new(),
            proxy: Proxy::default(),
            clouds: Endpoints::default(),
            authorities: Vec::new(),
            client_certificates: Vec::new(),
            names: NameLookup::default(),
            docker_hub: Url::parse("https://hub.docker.com/").expect("impossible: a constant address"),
            user_agent: concat!("restow/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Clock::System,
            timeouts: Timeouts::default(),
        }
    }
}
