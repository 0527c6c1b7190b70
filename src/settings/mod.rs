//! Server settings: the only reader of the environment and of the settings file.
//!
//! Each setting stands in the TOML file under its name, or in the environment as `RESTOW_` and its name in upper
//! case; the environment wins. [`FIELDS`] documents them all.

mod advisories;
mod fields;
mod hooks;
mod raw;
mod registries;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use registries::CloudIdentities;

use crate::registry::{Alias, AllowedAddress, ClientCertificate, Credential, Proxy, RealmPair};

pub use advisories::{AdvisorySettings, ScannerSettings};
pub use fields::{FIELDS, Field, fields_table};
pub use hooks::RegistryHook;

/// Which part of the work a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Receive webhooks.
    Web,
    /// Work on the queue; health and metrics are served too.
    Worker,
    /// Both.
    All,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// The valid settings of a server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The App's id.
    pub app_id: u64,
    /// The App's private key, PEM.
    pub private_key: SecretString,
    /// The webhook secrets; more than one while they are changed.
    pub webhook_secrets: Vec<SecretString>,
    /// GitHub's web address.
    pub github_url: Url,
    /// GitHub's REST address, where it is not the usual one.
    pub github_api_url: Option<Url>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The database.
    pub database_url: SecretString,
    /// Jobs run at once.
    pub workers: usize,
    /// Which part of the work this process does.
    pub role: Role,
    /// Registries that are asked by plain HTTP.
    pub insecure_registries: Vec<String>,
    /// Private addresses that registries may have.
    pub allowed_private_addresses: Vec<AllowedAddress>,
    /// What the operator says for all repositories, in the form of a repository's file.
    pub default_rules: String,
    /// Who tells of vulnerabilities; `None` where nobody is asked and nothing mirrored.
    pub advisories: Option<AdvisorySettings>,
    /// Docker's `config.json`, for the other registries.
    pub docker_config: Option<PathBuf>,
    /// What is shown to registries.
    pub registry_credentials: Vec<Credential>,
    /// Mirrors and their upstreams.
    pub registry_aliases: Vec<Alias>,
    /// Hosts that serve a registry in the place of the one that images name.
    pub registry_hosts: BTreeMap<String, String>,
    /// Token servers on other hosts that may see a registry's credentials.
    pub registry_realms: Vec<RealmPair>,
    /// Docker Hub's own interface.
    pub docker_hub_url: Url,
    /// Certificates of private authorities, PEM, each file's text.
    pub registry_authorities: Vec<Vec<u8>>,
    /// What is shown to registries that want a client certificate.
    pub registry_client_certificates: Vec<ClientCertificate>,
    /// The proxies, of the usual variables.
    pub proxy: Proxy,
    /// Where registries tell that an image was pushed.
    pub registry_hooks: Vec<RegistryHook>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// How long a tag list is good for.
    pub tag_list_interval: Duration,
    /// How long after a plan the next one is due.
    pub plan_interval: Duration,
    /// How long after a comparison of all repositories with GitHub the next one is due.
    pub reconcile_interval: Duration,
    /// How long a job's claim holds without being renewed.
    pub lease: Duration,
    /// The least time between two writes to GitHub of one installation.
    pub write_spacing: Duration,
}

/// What the command line says instead of file and environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--role`.
    pub role: Option<Role>,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--database`.
    pub database_url: Option<String>,
}

/// What is wrong with the settings, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    mistakes: Vec<String>,
}

impl SettingsError {
    fn one(mistake: impl Into<String>) -> Self {
        Self { mistakes: vec![mistake.into()] }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mistakes.as_slice() {
            [only] => f.write_str(only),
            several => write!(f, "{} settings are wrong:\n- {}", several.len(), several.join("\n- ")),
        }
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the settings file (where one is named), then the environment, then the command line's overrides.
    ///
    /// # Errors
    /// Every setting that is missing or wrong, by name, with what to do.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Self, SettingsError> {
        // Variables that are no text are none of Restow's; a value that is no text is refused like any wrong value.
        let text = |name: OsString, value: OsString| Some((name.into_string().ok()?, value.to_string_lossy().into()));
        let environment = std::env::vars_os().filter_map(|(name, value)| text(name, value)).collect();
        Self::from_parts(path, environment, overrides)
    }

    fn from_parts(
        path: Option<&Path>,
        environment: Vec<(String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, SettingsError> {
        let (proxy, clouds) = (registries::proxy(&environment), CloudIdentities::read(&environment));
        Ok(Self { proxy, ..raw::read(path, environment)?.validate(&clouds, overrides)? })
    }

    /// GitHub's REST address: `https://api.github.com`, or `https://HOST/api/v3` of an Enterprise Server.
    pub fn rest_url(&self) -> Url {
        match &self.github_api_url {
            Some(url) => url.clone(),
            None if self.github_url.host_str() == Some("github.com") => address("https://api.github.com"),
            None => beside(&self.github_url, "api/v3"),
        }
    }

    /// GitHub's GraphQL address: `https://api.github.com/graphql`, or `https://HOST/api/graphql`.
    pub fn graphql_url(&self) -> Url {
        let rest = self.rest_url();
        let path = rest.path().trim_end_matches('/');
        let path = path.strip_suffix("/v3").unwrap_or(path);
        beside(&rest, &format!("{}/graphql", path.trim_start_matches('/')))
    }
}

/// A variable of the environment that is no setting of Restow's: `NO_COLOR`.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The whole environment, as far as it is text.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The proxies that the environment names: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
pub fn proxy() -> Proxy {
    let names = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];
    let names = names.iter().flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()]);
    let environment: Vec<_> = names.filter_map(|name| Some((name.clone(), variable(&name)?))).collect();
    registries::proxy(&environment)
}

fn address(text: &str) -> Url {
    Url::parse(text).expect("impossible: a constant address")
}

fn beside(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path.trim_start_matches('/'));
    url
}

/// Reads a secret from a file that only its owner may read.
fn secret_file(setting: &str, path: &PathBuf) -> Result<SecretString, String> {
    let shown = path.display();
    let problem = |error: std::io::Error| format!("{setting}: {shown} cannot be read: {error}");
    let text = std::fs::read_to_string(path).map_err(problem)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_err(problem)?.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(format!("{setting}: every user of this machine can read {shown}; run `chmod 600 {shown}`"));
        }
    }
    let trimmed = text.trim_end_matches(['\n', '\r']);
    if trimmed.is_empty() {
        return Err(format!("{setting}: {shown} is empty"));
    }
    Ok(SecretString::from(trimmed))
}

#[cfg(test)]
mod tests;
