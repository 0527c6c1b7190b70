//! Where Restow may connect to: public addresses, by TLS; the operator may allow more.
//!
//! An allowed address is written as a host (`registry.internal`), an address (`10.1.2.3`) or a network
//! (`10.0.0.0/8`, `fd00::/8`).

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::dns::{Name, Resolve};
use url::{Host, Url};

use super::error::RegistryError;

/// A private host, address or network that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedAddress {
    /// A host by its name, whatever it resolves to.
    Host(String),
    /// A network: its first address and the length of its prefix.
    Network(IpAddr, u8),
}

/// A text that is neither host, address nor network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host name, an address or a network such as 10.0.0.0/8")]
pub struct InvalidAddress(String);

impl FromStr for AllowedAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let error = || InvalidAddress(text.chars().take(200).collect());
        if let Some((address, prefix)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| error())?;
            let prefix: u8 = prefix.parse().map_err(|_| error())?;
            return if prefix <= bits(address) { Ok(Self::Network(address, prefix)) } else { Err(error()) };
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address, bits(address)));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || !text.bytes().all(plain) {
            return Err(error());
        }
        Ok(Self::Host(text.to_ascii_lowercase()))
    }
}

impl AllowedAddress {
    fn contains(&self, address: IpAddr) -> bool {
        let Self::Network(network, prefix) = self else { return false };
        match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(*prefix);
                u32::from(*network).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(*prefix);
                u128::from(*network).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The operator's rules for addresses.
#[derive(Debug, Default)]
pub(super) struct AddressPolicy {
    /// `host[:port]` of the registries that are asked by plain HTTP.
    insecure: HashSet<String>,
    allowed: Vec<AllowedAddress>,
    /// Registries that another host serves than the one that images name.
    served_by: BTreeMap<String, String>,
    /// The operator's proxies, which may be connected to wherever they are.
    proxies: HashSet<String>,
    /// Who resolves names.
    names: NameLookup,
}

/// The addresses of a name, asked at each connection.
type Resolving<'a> = BoxFuture<'a, io::Result<Vec<IpAddr>>>;

/// Who resolves the names of registries: the system, unless somebody else is given.
#[derive(Clone)]
pub struct NameLookup(Arc<dyn Fn(String) -> Resolving<'static> + Send + Sync>);

impl NameLookup {
    /// Names resolved by `resolve`.
    pub fn new(resolve: impl Fn(String) -> Resolving<'static> + Send + Sync + 'static) -> Self {
        Self(Arc::new(resolve))
    }
}

impl Default for NameLookup {
    fn default() -> Self {
        Self::new(|name| {
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect()) }.boxed()
        })
    }
}

impl fmt::Debug for NameLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameLookup")
    }
}

impl AddressPolicy {
    pub(super) fn new(insecure: &[String], allowed: Vec<AllowedAddress>) -> Self {
        let insecure = insecure.iter().map(|host| without_usual_port("http", host)).collect();
        Self { insecure, allowed, ..Self::default() }
    }

    /// The same, with names resolved like this.
    pub(super) fn resolving(self, names: NameLookup) -> Self {
        Self { names, ..self }
    }

    /// The same, with these hosts in the place of those that images name.
    pub(super) fn serving(self, served_by: BTreeMap<String, String>) -> Self {
        Self { served_by, ..self }
    }

    /// The host that serves a registry's images.
    pub(super) fn api_host<'a>(&'a self, registry: &'a str) -> &'a str {
        self.served_by.get(registry).map_or(registry, String::as_str)
    }

    /// The same, with these proxies' hosts, which may be connected to.
    pub(super) fn reaching(self, proxies: impl IntoIterator<Item = String>) -> Self {
        Self { proxies: proxies.into_iter().collect(), ..self }
    }

    /// Whether a name may be asked through a proxy, which resolves it itself: what has a private address here, even one
    /// of several, is refused, what is not known here is the proxy's to judge.
    pub(super) async fn check_resolved(&self, registry: &str, url: &Url) -> Result<(), RegistryError> {
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        let Ok(found) = (self.names.0)(name.to_owned()).await else { return Ok(()) };
        if found.iter().all(|address| self.permits(name, *address)) {
            return Ok(());
        }
        Err(RegistryError::refused(registry, RefusedAddress { host: name.to_owned() }.to_string()))
    }

    /// The base address of a registry, as an image names it.
    pub(super) fn base(&self, registry: &str) -> Result<Url, RegistryError> {
        let host = self.api_host(registry);
        let scheme = if self.insecure.contains(&without_usual_port("http", host)) { "http" } else { "https" };
        let wrong = || RegistryError::refused(registry, "the registry's name is no valid host");
        let url = Url::parse(&format!("{scheme}://{host}/")).map_err(|_| wrong())?;
        self.check(registry, &url)?;
        Ok(url)
    }

    /// Whether an address may be asked, as far as its text tells; a name is checked when it is resolved.
    pub(super) fn check(&self, registry: &str, url: &Url) -> Result<(), RegistryError> {
        let refuse = |reason: String| Err(RegistryError::refused(registry, reason));
        let Some(host) = url.host() else { return refuse("the address has no host".to_owned()) };
        if url.scheme() != "https" && !(url.scheme() == "http" && self.insecure.contains(&authority(url))) {
            return refuse(format!("{} is not asked by {}, only by https", authority(url), url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("an address with credentials in it is not followed".to_owned());
        }
        let (name, literal) = match host {
            Host::Domain(name) => return self.check_name(registry, name),
            Host::Ipv4(address) => (address.to_string(), IpAddr::V4(address)),
            Host::Ipv6(address) => (address.to_string(), IpAddr::V6(address)),
        };
        if self.permits(&name, literal) { Ok(()) } else { refuse(RefusedAddress { host: name }.to_string()) }
    }

    /// Names under which clouds answer their machines are refused before anybody is asked to resolve them.
    fn check_name(&self, registry: &str, name: &str) -> Result<(), RegistryError> {
        let name = name.trim_end_matches('.');
        let inner =
            matches!(name, "localhost" | "metadata" | "metadata.google.internal") || name.ends_with(".localhost");
        if inner && !self.names(name) {
            return Err(RegistryError::refused(registry, RefusedAddress { host: name.to_owned() }.to_string()));
        }
        Ok(())
    }

    fn names(&self, host: &str) -> bool {
        // Where any network is allowed, a name that means this machine is decided by its address.
        self.allowed.iter().any(|allowed| match allowed {
            AllowedAddress::Host(name) => name == host,
            AllowedAddress::Network(..) => host == "localhost" && allowed.contains(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        })
    }

    fn permits(&self, host: &str, address: IpAddr) -> bool {
        is_public(address) || self.names(host) || self.allowed.iter().any(|allowed| allowed.contains(address))
    }
}

/// `host[:port]`, the port where it is not the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// `host[:port]` as [`authority`] writes it: lower case, and without the port that the scheme has anyway.
pub(super) fn without_usual_port(scheme: &str, host: &str) -> String {
    match Url::parse(&format!("{scheme}://{host}/")) {
        Ok(url) if url.has_host() => authority(&url),
        Ok(_) | Err(_) => host.to_ascii_lowercase(),
    }
}

/// A host that leads into a private network.
#[derive(Debug, thiserror::Error)]
#[error(
    "{host} has no public address; private registries must be allowed: setting allowed_private_addresses, on the command line --allow-private"
)]
pub(super) struct RefusedAddress {
    host: String,
}

/// Resolves names, and keeps the addresses that may be asked.
pub(super) struct GuardedResolver(pub(super) Arc<AddressPolicy>);

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> reqwest::dns::Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let found = (policy.names.0)(host.clone()).await?;
            let proxy = policy.proxies.contains(&host);
            let kept = found.into_iter().filter(|address| proxy || policy.permits(&host, *address));
            let kept: Vec<SocketAddr> = kept.map(|address| SocketAddr::new(address, 0)).collect();
            if kept.is_empty() {
                return Err(RefusedAddress { host }.into());
            }
            Ok(Box::new(kept.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

/// Whether an address belongs to the public internet. Source: IANA special-purpose address registries.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        (0 | 10 | 127, ..) => true,
        (100, 64..=127, _) => true,
        (169, 254, _) | (192, 168, _) => true,
        (172, 16..=31, _) => true,
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) => true,
        (198, 18..=19, _) => true,
        // Azure's platform address answers its machines from everywhere.
        (168, 63, 129) => true,
        (224.., ..) => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // Mapped and compatible IPv4, unspecified and loopback among the latter; NAT64; 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo and documentation.
        [0x2001, 0 | 0xdb8, ..] => false,
        // Global unicast is 2000::/3; all else is local, multicast or reserved.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_in_every_dress() {
        let private = [
            "127.0.0.1",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "168.63.129.16",
            "::1",
            "::",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "ff02::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
        for text in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn allowed_addresses_are_read() {
        let parse = |text: &str| text.parse::<AllowedAddress>();
        let network = parse("10.0.0.0/8").expect("a network");
        assert!(network.contains("10.200.0.1".parse().expect("an address")));
        assert!(!network.contains("11.0.0.1".parse().expect("an address")));
        assert!(parse("0.0.0.0/0").expect("all").contains("10.0.0.1".parse().expect("an address")));
        assert!(parse("fd00::/8").expect("a network").contains("fd12::1".parse().expect("an address")));
        assert_eq!(parse("Registry.Internal"), Ok(AllowedAddress::Host("registry.internal".to_owned())));
        for wrong in ["", "10.0.0.0/33", "https://a", "a/b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[track_caller]
    fn check(policy: &AddressPolicy, url: &str, allowed: bool) {
        let url = Url::parse(url).expect("a url");
        assert_eq!(policy.check("registry", &url).is_ok(), allowed, "{url}");
    }

    #[test]
    fn what_an_address_says_is_checked_before_it_is_asked() {
        let strict = AddressPolicy::default();
        check(&strict, "https://ghcr.io/v2/", true);
        check(&strict, "http://ghcr.io/v2/", false);
        check(&strict, "ftp://ghcr.io/", false);
        check(&strict, "https://user:pass@ghcr.io/", false);
        // The URL parser brings every notation of an address into one form.
        for url in ["https://169.254.169.254/", "https://2852039166/", "https://0x7f.1/", "https://[::1]/"] {
            check(&strict, url, false);
        }
        check(&strict, "https://localhost/", false);
        check(&strict, "https://metadata.google.internal/", false);
        let lenient = AddressPolicy::new(
            &["localhost:5000".to_owned()],
            vec!["127.0.0.1".parse().expect("an address"), "registry.internal".parse().expect("a host")],
        );
        check(&lenient, "http://localhost:5000/v2/", true);
        check(&lenient, "http://localhost:5001/v2/", false);
        check(&lenient, "https://127.0.0.1/", true);
        check(&lenient, "https://127.0.0.2/", false);
        // A port that the scheme has anyway may be written or not, on either side.
        for (listed, registry, url) in [
            ("r.corp:80", "r.corp:80", "http://r.corp/v2/"),
            ("r.corp", "r.corp:80", "http://r.corp/v2/"),
            ("r.corp:80", "r.corp", "http://r.corp/v2/"),
            ("R.corp:443", "r.corp:443", "http://r.corp:443/v2/"),
        ] {
            let policy = AddressPolicy::new(&[listed.to_owned()], Vec::new());
            check(&policy, url, true);
            let base = policy.base(registry).map(|base| format!("{base}v2/"));
            assert_eq!(base, Ok(url.to_owned()), "{listed} {registry}");
        }
        assert!(lenient.permits("registry.internal", "10.0.0.1".parse().expect("an address")));
        assert!(!lenient.permits("elsewhere.internal", "10.0.0.1".parse().expect("an address")));
    }

    #[tokio::test]
    async fn a_name_is_refused_by_what_it_resolves_to() {
        let resolve =
            |policy: AddressPolicy| GuardedResolver(Arc::new(policy)).resolve("localhost".parse().expect("a name"));
        let refused = resolve(AddressPolicy::default()).await.err().expect("a refusal");
        assert!(refused.is::<RefusedAddress>(), "{refused}");
        let allowed = AddressPolicy::new(&[], vec!["127.0.0.0/8".parse().expect("a network")]);
        let kept: Vec<SocketAddr> = resolve(allowed).await.expect("addresses").collect();
        assert!(!kept.is_empty() && kept.iter().all(|address| address.ip().is_loopback()), "{kept:?}");
    }

    #[test]
    fn docker_hub_is_served_by_another_host() {
        let served_by = BTreeMap::from([("docker.io".to_owned(), "registry-1.docker.io".to_owned())]);
        let base = AddressPolicy::default().serving(served_by).base("docker.io").map(String::from);
        assert_eq!(base, Ok("https://registry-1.docker.io/".to_owned()));
    }
}
