//! The settings about registries: credentials, mirrors, certificates, proxies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::raw::Mistakes;
use super::secret_file;
use crate::registry::{
    Alias, AwsIdentity, AwsKeys, AzureIdentity, ClientCertificate, Credential, Provider, Proxy, RealmPair, Secret,
};

/// A credential as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCredential {
    host: String,
    #[serde(default)]
    owners: Vec<String>,
    provider: Option<RawProvider>,
    #[serde(default)]
    username: String,
    password: Option<SecretString>,
    password_file: Option<PathBuf>,
}

/// A cloud that gives credentials.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawProvider {
    Ecr,
    Gar,
    Acr,
}

/// Who Restow is at the clouds, as the usual variables of the environment say.
#[derive(Debug, Clone, Default)]
pub(super) struct CloudIdentities {
    aws: AwsIdentity,
    azure: AzureIdentity,
}

impl CloudIdentities {
    pub(super) fn read(environment: &[(String, String)]) -> Self {
        let named = |name: &str| {
            let found = environment.iter().find(|(written, value)| written == name && !value.is_empty());
            found.map(|(_, value)| value.clone())
        };
        let secret = |name: &str| named(name).map(SecretString::from);
        let keys = match (named("AWS_ACCESS_KEY_ID"), secret("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret_key)) => {
                Some(AwsKeys { id, secret: secret_key, session: secret("AWS_SESSION_TOKEN") })
            }
            _ => None,
        };
        let token_file = named("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from);
        let container = named("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        Self {
            aws: AwsIdentity {
                keys,
                web_identity: token_file.zip(named("AWS_ROLE_ARN")),
                container: container.or_else(|| named("AWS_CONTAINER_CREDENTIALS_FULL_URI")),
                container_token_file: named("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(PathBuf::from),
            },
            azure: AzureIdentity {
                client: named("AZURE_CLIENT_ID"),
                tenant: named("AZURE_TENANT_ID"),
                federated_token_file: named("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
                authority: named("AZURE_AUTHORITY_HOST").and_then(|text| Url::parse(&text).ok()),
            },
        }
    }

    fn provider(&self, raw: RawProvider) -> Provider {
        match raw {
            RawProvider::Ecr => Provider::Ecr(self.aws.clone()),
            RawProvider::Gar => Provider::Gar,
            RawProvider::Acr => Provider::Acr(self.azure.clone()),
        }
    }
}

/// A client certificate as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClientCertificate {
    host: String,
    certificate_file: PathBuf,
    key_file: PathBuf,
}

pub(super) fn credentials(
    written: &[RawCredential],
    clouds: &CloudIdentities,
    mistakes: &mut Mistakes,
) -> Vec<Credential> {
    let mut credentials = Vec::new();
    for raw in written {
        let secret = mistakes.keep(secret(raw, clouds));
        credentials.extend(secret.map(|secret| Credential {
            host: raw.host.clone(),
            owners: raw.owners.clone(),
            user: raw.username.clone(),
            secret,
        }));
    }
    credentials
}

fn secret(raw: &RawCredential, clouds: &CloudIdentities) -> Result<Secret, String> {
    let setting = format!("registry_credentials of {}", raw.host);
    match (raw.provider, &raw.password, &raw.password_file) {
        (None, Some(_) | None, _) if raw.username.is_empty() => {
            Err(format!("{setting}: username is missing; or set provider to ecr, gar or acr"))
        }
        (None, Some(password), None) => Ok(Secret::Password(password.clone())),
        (None, None, Some(path)) => secret_file(&setting, path).map(Secret::Password),
        (None, Some(_), Some(_)) | (None, None, None) => {
            Err(format!("{setting}: set either password or password_file"))
        }
        (Some(_), ..) if raw.password.is_some() || raw.password_file.is_some() || !raw.username.is_empty() => {
            Err(format!("{setting}: the provider gives user and password; set either provider or those"))
        }
        (Some(provider), ..) => {
            let provider = clouds.provider(provider);
            let serves = provider.serves(&raw.host.to_ascii_lowercase());
            serves.then_some(Secret::Cloud(provider)).ok_or_else(|| {
                format!("{setting}: this is no host of its provider's; a cloud's credentials go to its own hosts only")
            })
        }
    }
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

pub(super) fn realms(written: &BTreeMap<String, String>, mistakes: &mut Mistakes) -> Vec<RealmPair> {
    let mut realms = Vec::new();
    for (registry, realm) in written {
        match RealmPair::new(registry, realm) {
            Ok(pair) => realms.push(pair),
            Err(error) => mistakes.add("registry_realms", &error.to_string()),
        }
    }
    realms
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
