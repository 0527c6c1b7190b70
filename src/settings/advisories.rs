//! Who tells of vulnerabilities, and what is mirrored.

use std::collections::BTreeSet;
use std::time::Duration;

use url::Url;

use crate::advisory::{Exports, Feeds, Osv};

/// Where advisories and feeds are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisorySettings {
    /// OSV's API, for what is not mirrored; `None` where nobody is to be asked.
    pub api: Option<Url>,
    /// OSV's exports.
    pub exports: Url,
    /// The ecosystems that are mirrored: `Debian`.
    pub mirrored: BTreeSet<String>,
    /// CISA's catalogue.
    pub kev: Option<Url>,
    /// FIRST's scores.
    pub epss: Option<Url>,
    /// How long they are good for.
    pub interval: Duration,
}

/// What is written of it.
pub(super) struct RawAdvisories<'a> {
    pub(super) api: Option<&'a str>,
    pub(super) exports: Option<&'a str>,
    pub(super) mirrored: &'a [String],
    pub(super) kev: Option<&'a str>,
    pub(super) epss: Option<&'a str>,
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
    let kev = at("kev_url", raw.kev, Feeds::KEV);
    let epss = at("epss_url", raw.epss, Feeds::EPSS);
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
    if api.is_none() && mirrored.is_empty() {
        return Ok(None);
    }
    let usual = || Url::parse(Exports::PUBLIC).ok();
    let exports = exports.or_else(usual);
    let settings = |exports| AdvisorySettings { api, exports, mirrored, kev, epss, interval: raw.interval };
    Ok(exports.map(settings))
}
