//! Who tells of vulnerabilities, and what is mirrored.

use std::collections::BTreeSet;
use std::time::Duration;

use url::Url;

use crate::advisory::{Exports, FeedAddresses, Feeds, Osv};
use crate::vulnerability::ScannerKind;

/// Where advisories and feeds are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisorySettings {
    /// OSV's API, for what is not mirrored; `None` where nobody is to be asked.
    pub api: Option<Url>,
    /// OSV's exports.
    pub exports: Url,
    /// The ecosystems that are mirrored: `Debian`.
    pub mirrored: BTreeSet<String>,
    /// What is brought beside them.
    pub feeds: FeedAddresses,
    /// VEX repositories.
    pub vex: Vec<Url>,
    /// A scanner that is asked in the place of all advisories.
    pub scanner: Option<ScannerSettings>,
    /// How long they are good for.
    pub interval: Duration,
}

/// A scanner that is installed beside Restow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannerSettings {
    /// Which one.
    pub kind: ScannerKind,
    /// Its server, where it has one.
    pub server: Option<Url>,
    /// The variables that it gets, and no others.
    pub environment: Vec<(String, String)>,
}

impl ScannerSettings {
    /// A scanner with the usual variables of this process and those that are named.
    ///
    /// # Errors
    /// It cannot have a server, or not this one; the text is for a person.
    pub fn new(
        kind: ScannerKind,
        server: Option<&str>,
        named: &[String],
        environment: &[(String, String)],
    ) -> Result<Self, String> {
        let server = match server {
            Some(_) if kind == ScannerKind::Grype => return Err("grype has no server of its own".to_owned()),
            Some(text) => {
                let plain = |url: &Url| {
                    matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none()
                };
                let url = Url::parse(text).ok().filter(plain);
                Some(url.ok_or("write an address as http://trivy.example.com:4954, without a user's name")?)
            }
            None => None,
        };
        let wanted = |name: &str| USUAL_VARIABLES.contains(&name) || named.iter().any(|one| one == name);
        let environment = environment.iter().filter(|(name, _)| wanted(name)).cloned().collect();
        Ok(Self { kind, server, environment })
    }
}

/// What every program needs to run, to find its cache and to reach the network.
const USUAL_VARIABLES: [&str; 14] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "DOCKER_CONFIG",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What is written of it.
pub(super) struct RawAdvisories<'a> {
    pub(super) api: Option<&'a str>,
    pub(super) exports: Option<&'a str>,
    pub(super) mirrored: &'a [String],
    pub(super) kev: Option<&'a str>,
    pub(super) epss: Option<&'a str>,
    pub(super) ends: Option<&'a str>,
    pub(super) triage: Option<&'a str>,
    pub(super) vex: &'a [String],
    pub(super) scanner: Option<&'a str>,
    pub(super) scanner_server: Option<&'a str>,
    pub(super) scanner_environment: &'a [String],
    pub(super) environment: &'a [(String, String)],
    pub(super) interval: Duration,
}

/// The settings; `None` where nobody is asked and nothing mirrored. Each mistake is a line for a person.
pub(super) fn read(raw: &RawAdvisories<'_>) -> Result<Option<AdvisorySettings>, Vec<String>> {
    let mut mistakes = Vec::new();
    let mut at = |setting: &str, written: Option<&str>, usual: &str| {
        let written = written.unwrap_or(usual);
        if written == "none" {
            return None;
        }
        let url = Url::parse(written).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        if url.is_none() {
            mistakes.push(format!("{setting}: write an address as {usual}, or none"));
        }
        url
    };
    let api = at("advisories_url", raw.api, Osv::PUBLIC);
    let exports = at("advisories_exports_url", raw.exports, Exports::PUBLIC);
    let feeds = FeedAddresses {
        kev: at("kev_url", raw.kev, Feeds::KEV),
        epss: at("epss_url", raw.epss, Feeds::EPSS),
        ends: at("endoflife_url", Some(raw.ends.unwrap_or("none")), Feeds::ENDS),
        triage: at("debian_tracker_url", raw.triage, Feeds::TRIAGE),
    };
    let usual = "https://raw.githubusercontent.com/aquasecurity/vexhub/main/";
    let vex: Vec<Url> = raw.vex.iter().filter_map(|one| at("vex_repositories", Some(one), usual)).collect();
    let scanner = scanner(raw, &mut mistakes);
    for ecosystem in raw.mirrored {
        if ecosystem.is_empty() || ecosystem.contains([':', '/', '\\']) || ecosystem.starts_with('.') {
            mistakes.push(format!(
                "advisories_mirror: {ecosystem:?} is no ecosystem of OSV's exports; write Debian, not Debian:12"
            ));
        }
    }
    if raw.exports == Some("none") && !raw.mirrored.is_empty() {
        mistakes.push("advisories_exports_url: advisories_mirror needs an address".to_owned());
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mirrored: BTreeSet<String> = raw.mirrored.iter().cloned().collect();
    if api.is_none() && mirrored.is_empty() && scanner.is_none() {
        return Ok(None);
    }
    let usual = || Url::parse(Exports::PUBLIC).ok();
    let exports = exports.or_else(usual);
    let settings = |exports| AdvisorySettings { api, exports, mirrored, feeds, vex, scanner, interval: raw.interval };
    Ok(exports.map(settings))
}

fn scanner(raw: &RawAdvisories<'_>, mistakes: &mut Vec<String>) -> Option<ScannerSettings> {
    let Some(word) = raw.scanner.filter(|word| *word != "none") else {
        if raw.scanner_server.is_some() {
            mistakes.push("scanner_server: set scanner to trivy too".to_owned());
        }
        return None;
    };
    let Some(kind) = ScannerKind::of_word(word) else {
        mistakes.push(format!("scanner: {word:?} is none; write trivy, grype or none"));
        return None;
    };
    let read = ScannerSettings::new(kind, raw.scanner_server, raw.scanner_environment, raw.environment);
    read.map_err(|mistake| mistakes.push(format!("scanner_server: {mistake}"))).ok()
}
