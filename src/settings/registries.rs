//! The settings about registries: credentials, mirrors, certificates, proxies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::raw::Mistakes;
use super::secret_file;
use crate::registry::{Alias, ClientCertificate, Credential, Proxy, Secret};

/// A credential as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredential {
    host: String,
    #[serde(default)]
    owners: Vec<String>,
    username: String,
    password: Option<SecretString>,
    password_file: Option<PathBuf>,
}

/// A client certificate as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClientCertificate {
    host: String,
    certificate_file: PathBuf,
    key_file: PathBuf,
}

pub(super) fn credentials(written: &[RawCredential], mistakes: &mut Mistakes) -> Vec<Credential> {
    let mut credentials = Vec::new();
    for raw in written {
        let setting = format!("registry_credentials of {}", raw.host);
        let password = match (&raw.password, &raw.password_file) {
            (Some(password), None) => Some(password.clone()),
            (None, Some(path)) => mistakes.keep(secret_file(&setting, path)),
            (Some(_), Some(_)) | (None, None) => {
                mistakes.keep(Err(format!("{setting}: set either password or password_file")))
            }
        };
        credentials.extend(password.map(|password| Credential {
            host: raw.host.clone(),
            owners: raw.owners.clone(),
            user: raw.username.clone(),
            secret: Secret::Password(password),
        }));
    }
    credentials
}

pub(super) fn aliases(written: &BTreeMap<String, String>, mistakes: &mut Mistakes) -> Vec<Alias> {
    let mut aliases = Vec::new();
    for (mirror, upstream) in written {
        match Alias::new(mirror, upstream) {
            Ok(alias) => aliases.push(alias),
            Err(error) => mistakes.add("registry_aliases", &error.to_string()),
        }
    }
    aliases
}

pub(super) fn authorities(files: &[PathBuf], mistakes: &mut Mistakes) -> Vec<Vec<u8>> {
    let read = |path: &PathBuf| readable("registry_ca_files", path).map(String::into_bytes);
    files.iter().filter_map(|path| mistakes.keep(read(path))).collect()
}

pub(super) fn client_certificates(written: &[RawClientCertificate], mistakes: &mut Mistakes) -> Vec<ClientCertificate> {
    let mut certificates = Vec::new();
    for raw in written {
        let setting = format!("registry_client_certificates of {}", raw.host);
        let chain = mistakes.keep(readable(&setting, &raw.certificate_file));
        let key = mistakes.keep(secret_file(&setting, &raw.key_file));
        if let (Some(chain), Some(key)) = (chain, key) {
            let pem = SecretString::from(format!("{chain}\n{}\n", key.expose_secret()));
            certificates.push(ClientCertificate { host: raw.host.clone(), pem });
        }
    }
    certificates
}

fn readable(setting: &str, path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{setting}: {} cannot be read: {error}", path.display()))
}

/// The proxies, by the variables that other programs read too, in upper or lower case.
pub(super) fn proxy(environment: &[(String, String)]) -> Proxy {
    let named = |name: &str| {
        let is = |written: &str| written == name || written == name.to_ascii_lowercase();
        let found = environment.iter().find(|(written, value)| is(written) && !value.is_empty());
        found.map(|(_, value)| value.clone())
    };
    let all = named("ALL_PROXY");
    Proxy {
        https: named("HTTPS_PROXY").or_else(|| all.clone()).map(SecretString::from),
        http: named("HTTP_PROXY").or(all).map(SecretString::from),
        no_proxy: named("NO_PROXY"),
    }
}
