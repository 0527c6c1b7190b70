//! File and environment → raw settings → valid settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::advisories::{self, AdvisorySettings, RawAdvisories};
use super::fields::FIELDS;
use super::hooks::{RawHook, RegistryHook};
use super::registries::{
    CloudIdentities, RawClientCertificate, RawCredential, aliases, authorities, client_certificates, credentials,
    realms,
};
use super::{LogFormat, Overrides, Role, Settings, SettingsError, secret_file};
use crate::registry::{AllowedAddress, Proxy};

const PREFIX: &str = "RESTOW_";
/// Settings that are lists; in the environment their values are parted by commas.
const LISTS: [&str; 8] = [
    "advisories_mirror",
    "vex_repositories",
    "scanner_environment",
    "webhook_secrets",
    "webhook_secret_files",
    "insecure_registries",
    "allowed_private_addresses",
    "registry_ca_files",
];
/// Settings that are tables or lists of them; in the environment they are written as in TOML.
const TABLES: [&str; 6] = [
    "registry_credentials",
    "registry_aliases",
    "registry_hosts",
    "registry_realms",
    "registry_client_certificates",
    "registry_hooks",
];
/// Settings that are numbers; every other value of the environment is text, whatever it looks like.
const NUMBERS: [&str; 8] = [
    "app_id",
    "workers",
    "tag_list_interval",
    "plan_interval",
    "reconcile_interval",
    "advisory_interval",
    "lease",
    "write_spacing",
];
/// Names that a server's environment may hold for other reasons.
const OTHER_VARIABLES: [&str; 2] = ["RESTOW_SETTINGS", "RESTOW_TEST_POSTGRES"];

/// The settings as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    app_id: Option<u64>,
    private_key: Option<SecretString>,
    private_key_file: Option<PathBuf>,
    webhook_secrets: Vec<SecretString>,
    webhook_secret_files: Vec<PathBuf>,
    github_url: Option<String>,
    github_api_url: Option<String>,
    listen: Option<String>,
    database_url: Option<SecretString>,
    workers: Option<usize>,
    role: Option<Role>,
    insecure_registries: Vec<String>,
    allowed_private_addresses: Vec<String>,
    registry_credentials: Vec<RawCredential>,
    registry_aliases: BTreeMap<String, String>,
    registry_hosts: BTreeMap<String, String>,
    registry_realms: BTreeMap<String, String>,
    docker_hub_url: Option<String>,
    registry_ca_files: Vec<PathBuf>,
    registry_client_certificates: Vec<RawClientCertificate>,
    registry_hooks: BTreeMap<String, RawHook>,
    docker_config: Option<PathBuf>,
    default_rules_file: Option<PathBuf>,
    advisories_url: Option<String>,
    advisories_exports_url: Option<String>,
    advisories_mirror: Vec<String>,
    kev_url: Option<String>,
    epss_url: Option<String>,
    endoflife_url: Option<String>,
    debian_tracker_url: Option<String>,
    vex_repositories: Vec<String>,
    scanner: Option<String>,
    scanner_server: Option<String>,
    scanner_environment: Vec<String>,
    /// The whole environment, of which a scanner gets a part; no setting.
    #[serde(skip)]
    environment: Vec<(String, String)>,
    advisory_interval: Option<u64>,
    log_format: Option<LogFormat>,
    tag_list_interval: Option<u64>,
    plan_interval: Option<u64>,
    reconcile_interval: Option<u64>,
    lease: Option<u64>,
    write_spacing: Option<u64>,
}

/// Reads the file, where one is named, and the environment over it.
pub(super) fn read(path: Option<&Path>, environment: Vec<(String, String)>) -> Result<Raw, SettingsError> {
    let mut figment = Figment::new();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path).map_err(|error| {
            SettingsError::one(format!("the settings file {} cannot be read: {error}", path.display()))
        })?;
        figment = figment.merge(Toml::string(&text));
    }
    let mut mistakes = Vec::new();
    let mut dict = Dict::new();
    for (name, value) in &environment {
        let Some(setting) = name.strip_prefix(PREFIX) else { continue };
        let setting = setting.to_ascii_lowercase();
        if OTHER_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        if FIELDS.iter().any(|field| field.name == setting) {
            dict.insert(setting.clone(), environment_value(&setting, value));
        } else {
            mistakes.push(unknown(name, &setting));
        }
    }
    figment = figment.merge(Serialized::defaults(dict));
    let mut raw = figment.extract::<Raw>().map_err(|error| figment_mistakes(error, &mistakes))?;
    raw.environment = environment;
    if mistakes.is_empty() { Ok(raw) } else { Err(SettingsError { mistakes }) }
}

/// A value of the environment: text, a number where it is one, a list parted by commas where a list is wanted.
fn environment_value(setting: &str, text: &str) -> Value {
    if LISTS.contains(&setting) {
        let items: Vec<Value> =
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect();
        return Value::from(items);
    }
    match text.parse::<u64>() {
        Ok(number) if NUMBERS.contains(&setting) => Value::from(number),
        Ok(_) | Err(_) if TABLES.contains(&setting) => text.parse().unwrap_or_else(|_| Value::from(text)),
        Ok(_) | Err(_) => Value::from(text),
    }
}

fn unknown(written: &str, setting: &str) -> String {
    let nearest = FIELDS
        .iter()
        .map(|field| (strsim::jaro_winkler(setting, field.name), field.name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, name)) if likeness > 0.8 => {
            format!("{written}: there is no such setting; did you mean {name}?")
        }
        _ => format!("{written}: there is no such setting; docs/configuration.md lists them"),
    }
}

/// Figment's errors, one line each, by the setting's name and without its value.
fn figment_mistakes(error: figment::Error, before: &[String]) -> SettingsError {
    let mut mistakes = before.to_vec();
    for error in error {
        let setting = error.path.join(".");
        mistakes.push(match &error.kind {
            figment::error::Kind::UnknownField(name, _) if setting.is_empty() || !setting.contains('.') => {
                unknown(name, name)
            }
            figment::error::Kind::UnknownField(name, known) => {
                format!("{setting}: {name} is not known there; known are {}", known.join(", "))
            }
            figment::error::Kind::InvalidType(_, expected) | figment::error::Kind::InvalidValue(_, expected) => {
                named(&setting, &format!("expected {}", in_words(expected.as_ref())))
            }
            figment::error::Kind::UnknownVariant(_, known) => {
                named(&setting, &format!("expected one of {}", known.join(", ")))
            }
            figment::error::Kind::MissingField(name) => format!("{setting}: {name} is missing"),
            other if setting.is_empty() => no_toml(&other.to_string()),
            other => named(&setting, &other.to_string()),
        });
    }
    SettingsError { mistakes }
}

/// The type that a setting wants, as a person calls it.
fn in_words(expected: &str) -> &str {
    match expected {
        "u64" | "usize" | "i64" => "a number",
        "a sequence" => "a list",
        other => other,
    }
}

/// A syntax error by its place alone: the lines that TOML's message draws may hold a secret.
fn no_toml(message: &str) -> String {
    let place = message.lines().next().unwrap_or("it is no TOML");
    format!("the settings file: {place}; look at the quotes, brackets and commas there")
}

/// A mistake by the setting's two names.
fn named(setting: &str, mistake: &str) -> String {
    let top = setting.split('.').next().unwrap_or(setting);
    format!("{setting} ({PREFIX}{}): {mistake}", top.to_ascii_uppercase())
}

/// Collects mistakes, so that all are told at once.
#[derive(Default)]
pub(super) struct Mistakes(Vec<String>);

impl Mistakes {
    pub(super) fn add(&mut self, setting: &str, mistake: &str) {
        self.0.push(named(setting, mistake));
    }

    /// The value, or its mistake noted.
    pub(super) fn keep<T>(&mut self, value: Result<T, String>) -> Option<T> {
        value.map_err(|mistake| self.0.push(mistake)).ok()
    }
}

impl Raw {
    pub(super) fn validate(self, clouds: &CloudIdentities, overrides: &Overrides) -> Result<Settings, SettingsError> {
        let mut mistakes = Mistakes::default();
        let app_id = mistakes.keep(
            self.app_id
                .filter(|id| *id > 0)
                .ok_or_else(|| named("app_id", "it is missing; the App's page on GitHub names its id, a number")),
        );
        let private_key = self.private_key(&mut mistakes);
        let webhook_secrets = self.webhook_secrets(&mut mistakes);
        let github_url =
            url(&mut mistakes, "github_url", Some(self.github_url.as_deref().unwrap_or("https://github.com")));
        let github_api_url = url(&mut mistakes, "github_api_url", self.github_api_url.as_deref());
        let listen = overrides.listen.or_else(|| self.listen(&mut mistakes));
        let workers = within(&mut mistakes, "workers", self.workers.unwrap_or(4) as u64, 1..=64);
        let mut interval = |setting, given: Option<u64>, usual| {
            Duration::from_secs(within(&mut mistakes, setting, given.unwrap_or(usual), 60..=30 * 86_400))
        };
        let tag_list_interval = interval("tag_list_interval", self.tag_list_interval, 1800);
        let plan_interval = interval("plan_interval", self.plan_interval, 21_600);
        let reconcile_interval = interval("reconcile_interval", self.reconcile_interval, 86_400);
        let advisory_interval = interval("advisory_interval", self.advisory_interval, 21_600);
        let lease = within(&mut mistakes, "lease", self.lease.unwrap_or(60), 5..=3600);
        let write_spacing = within(&mut mistakes, "write_spacing", self.write_spacing.unwrap_or(1000), 0..=60_000);
        let allowed_private_addresses = self.allowed(&mut mistakes);
        let registry_credentials = credentials(&self.registry_credentials, clouds, &mut mistakes);
        let docker_hub_url = url(
            &mut mistakes,
            "docker_hub_url",
            Some(self.docker_hub_url.as_deref().unwrap_or("https://hub.docker.com")),
        );
        let registry_aliases = aliases(&self.registry_aliases, &mut mistakes);
        let registry_realms = realms(&self.registry_realms, &mut mistakes);
        let registry_authorities = authorities(&self.registry_ca_files, &mut mistakes);
        let registry_client_certificates = client_certificates(&self.registry_client_certificates, &mut mistakes);
        let registry_hooks = self.hooks(&mut mistakes);
        if let Some(file) = self.docker_config.as_ref().filter(|file| !file.is_file()) {
            mistakes.0.push(format!("docker_config: {} is no file", file.display()));
        }
        let advisories = self.advisories(advisory_interval, &mut mistakes);
        let default_rules = default_rules(self.default_rules_file.as_deref(), &mut mistakes);
        let database_url = match &overrides.database_url {
            Some(url) => SecretString::from(url.as_str()),
            None => self.database_url.unwrap_or_else(|| SecretString::from("sqlite:restow.db")),
        };
        let (Some(app_id), Some(private_key), Some(github_url), Some(listen), Some(docker_hub_url), true) =
            (app_id, private_key, github_url, listen, docker_hub_url, mistakes.0.is_empty())
        else {
            return Err(SettingsError { mistakes: mistakes.0 });
        };
        Ok(Settings {
            app_id,
            private_key,
            webhook_secrets,
            github_url,
            github_api_url,
            listen,
            database_url,
            workers: usize::try_from(workers).unwrap_or(4),
            role: overrides.role.or(self.role).unwrap_or(Role::All),
            insecure_registries: self.insecure_registries,
            allowed_private_addresses,
            registry_credentials,
            registry_aliases,
            registry_hosts: self.registry_hosts,
            registry_realms,
            docker_hub_url,
            registry_authorities,
            registry_client_certificates,
            proxy: Proxy::default(),
            registry_hooks,
            docker_config: self.docker_config,
            default_rules,
            advisories,
            log_format: self.log_format.unwrap_or(LogFormat::Human),
            tag_list_interval,
            plan_interval,
            reconcile_interval,
            lease: Duration::from_secs(lease),
            write_spacing: Duration::from_millis(write_spacing),
        })
    }

    fn advisories(&self, interval: Duration, mistakes: &mut Mistakes) -> Option<AdvisorySettings> {
        let read = advisories::read(&RawAdvisories {
            api: self.advisories_url.as_deref(),
            exports: self.advisories_exports_url.as_deref(),
            mirrored: &self.advisories_mirror,
            kev: self.kev_url.as_deref(),
            epss: self.epss_url.as_deref(),
            ends: self.endoflife_url.as_deref(),
            triage: self.debian_tracker_url.as_deref(),
            vex: &self.vex_repositories,
            scanner: self.scanner.as_deref(),
            scanner_server: self.scanner_server.as_deref(),
            scanner_environment: &self.scanner_environment,
            environment: &self.environment,
            interval,
        });
        read.map_err(|wrong| mistakes.0.extend(wrong)).ok().flatten()
    }

    fn private_key(&self, mistakes: &mut Mistakes) -> Option<SecretString> {
        let key = match (&self.private_key, &self.private_key_file) {
            (Some(_), Some(_)) => {
                mistakes.add("private_key", "private_key_file is set too; set one of the two");
                return None;
            }
            (None, None) => {
                mistakes.add("private_key", "it is missing; set private_key_file to the App's PEM file");
                return None;
            }
            (Some(key), None) => key.clone(),
            (None, Some(path)) => mistakes.keep(secret_file("private_key_file", path))?,
        };
        match jsonwebtoken::EncodingKey::from_rsa_pem(key.expose_secret().as_bytes()) {
            Ok(_) => Some(key),
            Err(_) => {
                mistakes.add("private_key", "it is no RSA private key in PEM form, as GitHub's App page gives it");
                None
            }
        }
    }

    fn webhook_secrets(&self, mistakes: &mut Mistakes) -> Vec<SecretString> {
        let mut secrets = self.webhook_secrets.clone();
        for path in &self.webhook_secret_files {
            secrets.extend(mistakes.keep(secret_file("webhook_secret_files", path)));
        }
        if secrets.is_empty() && self.webhook_secret_files.is_empty() {
            mistakes.add("webhook_secrets", "it is missing; set the secret that the App's webhook was given");
        }
        if secrets.iter().any(|secret| secret.expose_secret().trim().is_empty()) {
            mistakes.add("webhook_secrets", "a secret is empty; anybody could sign with it");
        }
        secrets
    }

    fn listen(&self, mistakes: &mut Mistakes) -> Option<SocketAddr> {
        let text = self.listen.as_deref().unwrap_or("127.0.0.1:8080");
        let parsed = text.parse().ok();
        if parsed.is_none() {
            mistakes.add("listen", "expected an address and a port, such as 127.0.0.1:8080 or [::]:8080");
        }
        parsed
    }

    fn allowed(&self, mistakes: &mut Mistakes) -> Vec<AllowedAddress> {
        let mut allowed = Vec::new();
        for text in &self.allowed_private_addresses {
            match text.parse() {
                Ok(address) => allowed.push(address),
                Err(error) => mistakes.add("allowed_private_addresses", &format!("{text:?}: {error}")),
            }
        }
        allowed
    }

    fn hooks(&self, mistakes: &mut Mistakes) -> Vec<RegistryHook> {
        self.registry_hooks.iter().filter_map(|(name, raw)| mistakes.keep(raw.validate(name))).collect()
    }
}

fn url(mistakes: &mut Mistakes, setting: &str, text: Option<&str>) -> Option<Url> {
    let text = text?;
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Some(url),
        Ok(_) | Err(_) => {
            mistakes.add(setting, "expected an address such as https://github.example.com");
            None
        }
    }
}

fn within(mistakes: &mut Mistakes, setting: &str, value: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
    if !range.contains(&value) {
        mistakes.add(setting, &format!("{value} is not from {} to {}", range.start(), range.end()));
    }
    value
}

/// The operator's rules for all repositories, checked as a repository's are.
fn default_rules(file: Option<&Path>, mistakes: &mut Mistakes) -> String {
    let Some(file) = file else { return String::new() };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            mistakes.0.push(format!("default_rules_file: {}: {error}", file.display()));
            return String::new();
        }
    };
    if let Err(wrong) = crate::config::parse(&text) {
        mistakes.0.extend(wrong.iter().map(|one| format!("default_rules_file: {}:{one}", file.display())));
    }
    text
}
