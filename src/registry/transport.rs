//! The connections: one pool for all registries, and one for each that wants a client certificate.

use std::collections::HashMap;
use std::sync::Arc;

use reqwest::{Certificate, Identity, NoProxy};
use secrecy::ExposeSecret;
use url::Url;

use super::address::{AddressPolicy, GuardedResolver, without_usual_port};
use super::cloud::{self, Clouds};
use super::credentials::usual_host;
use super::error::RegistryError;
use super::exchange::MAX_HEADER_BYTES;
use super::settings::{Proxy, RegistrySettings};

/// Names the settings in an error.
const SETTINGS: &str = "registry settings";

/// Connections to registries. They follow no redirect, and connect to no address that the policy refuses.
pub(super) struct Transport {
    usual: reqwest::Client,
    /// By the registry that may see the certificate.
    with_certificate: HashMap<String, reqwest::Client>,
}

impl Transport {
    /// # Errors
    /// A certificate, key or proxy cannot be read, or the system's certificates cannot.
    pub(super) fn new(settings: &RegistrySettings, policy: &Arc<AddressPolicy>) -> Result<Self, RegistryError> {
        let build = |identity: Option<Identity>| {
            let builder = builder(settings, policy)?;
            let builder = identity.into_iter().fold(builder, reqwest::ClientBuilder::identity);
            builder.build().map_err(|error| wrong(format!("no HTTP client: {}", innermost(&error))))
        };
        let mut with_certificate = HashMap::new();
        for certificate in &settings.client_certificates {
            let identity = Identity::from_pem(certificate.pem.expose_secret().as_bytes()).map_err(|_| {
                wrong(format!("the client certificate for {} is no PEM certificate with its key", certificate.host))
            })?;
            let host = usual_host(&without_usual_port("https", &certificate.host));
            with_certificate.insert(host, build(Some(identity))?);
        }
        Ok(Self { usual: build(None)?, with_certificate })
    }

    /// The connections to a registry's own origin, or to elsewhere: a client certificate is shown to its own registry
    /// only, and to nobody to whom that registry, or another one, leads.
    pub(super) fn to(&self, registry: Option<&str>) -> &reqwest::Client {
        let own = registry.and_then(|host| self.with_certificate.get(&without_usual_port("https", host)));
        own.unwrap_or(&self.usual)
    }
}

fn builder(settings: &RegistrySettings, policy: &Arc<AddressPolicy>) -> Result<reqwest::ClientBuilder, RegistryError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .connect_timeout(settings.timeouts.connect)
        .read_timeout(settings.timeouts.read)
        .redirect(reqwest::redirect::Policy::none())
        .http2_max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
        .dns_resolver(GuardedResolver(Arc::clone(policy)))
        .no_proxy();
    for proxy in proxies(&settings.proxy)? {
        builder = builder.proxy(proxy);
    }
    for text in &settings.authorities {
        let certificates = Certificate::from_pem_bundle(text).ok().filter(|found| !found.is_empty());
        let certificates =
            certificates.ok_or_else(|| wrong("a file of certificate authorities holds no PEM certificate"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder)
}

/// The connections to the clouds' own addresses, which repository content never names.
pub(super) fn clouds(settings: &RegistrySettings) -> Result<Clouds, RegistryError> {
    let no_client = |error: reqwest::Error| wrong(format!("no HTTP client: {}", innermost(&error)));
    let plain = || reqwest::Client::builder().user_agent(&settings.user_agent).no_proxy();
    let public = proxies(&settings.proxy)?.into_iter().fold(plain(), reqwest::ClientBuilder::proxy);
    let (public, direct) = (cloud::client(public).map_err(no_client)?, cloud::client(plain()).map_err(no_client)?);
    Ok(Clouds::new(settings.clouds.clone(), public, direct))
}

fn proxies(proxy: &Proxy) -> Result<Vec<reqwest::Proxy>, RegistryError> {
    let spared = proxy.no_proxy.as_deref().and_then(NoProxy::from_string);
    let mut proxies = Vec::new();
    for (name, text) in [("HTTPS_PROXY", &proxy.https), ("HTTP_PROXY", &proxy.http)] {
        let Some(text) = text else { continue };
        let text = text.expose_secret();
        let made = if name == "HTTPS_PROXY" { reqwest::Proxy::https(text) } else { reqwest::Proxy::http(text) };
        let made = made.map_err(|_| wrong(format!("{name} is no address of a proxy, such as http://proxy:3128")))?;
        proxies.push(made.no_proxy(spared.clone()));
    }
    Ok(proxies)
}

/// The hosts of the proxies, which may be connected to wherever they are.
pub(super) fn proxy_hosts(proxy: &Proxy) -> impl Iterator<Item = String> {
    let texts = [&proxy.https, &proxy.http].into_iter().flatten();
    texts.filter_map(|text| {
        let text = text.expose_secret();
        let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
        Some(url.ok()?.host_str()?.to_ascii_lowercase())
    })
}

fn wrong(what: impl Into<String>) -> RegistryError {
    RegistryError::invalid(SETTINGS, what)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
