//! Credentials as Docker keeps them: `config.json` with `auths`, `credHelpers` and `credsStore`.
//!
//! The helpers of the clouds (`ecr-login`, `gcloud`, `acr-env`) are found this way too. A registry of which the file
//! says nothing is asked without credentials; a helper that fails is an error, never a silent anonymous try.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use secrecy::SecretString;

use super::error::RegistryError;
use super::settings::{Credential, Secret};
use crate::repo::Moment;

/// A helper may ask its cloud; it takes no longer.
const LONGEST_HELPER: Duration = Duration::from_secs(20);
/// What a helper said is asked again after this time: the clouds' passwords end.
const KEPT_MS: i64 = 10 * 60 * 1000;
/// How Docker's own file calls Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// One `config.json`.
#[derive(Debug)]
pub(super) struct DockerConfig {
    file: PathBuf,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    credential: Option<Credential>,
    until: Moment,
}

impl DockerConfig {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, known: Mutex::default() }
    }

    /// What the file, or a helper that it names, has for a registry.
    ///
    /// # Errors
    /// The file cannot be read, or the helper fails or takes too long.
    pub(super) async fn credential(&self, host: &str, now: Moment) -> Result<Option<Credential>, RegistryError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        if let Some(known) = known.filter(|known| now < known.until) {
            return Ok(known.credential);
        }
        let (file, asked) = (self.file.clone(), host.to_owned());
        let reading = tokio::task::spawn_blocking(move || read(&file, &asked));
        let failed = |what: String| RegistryError::unauthorized(host, what);
        let credential = match tokio::time::timeout(LONGEST_HELPER, reading).await {
            Ok(Ok(read)) => read.map_err(failed)?,
            Ok(Err(_)) => return Err(failed("the credential helper crashed".to_owned())),
            Err(_) => {
                let seconds = LONGEST_HELPER.as_secs();
                return Err(failed(format!("the credential helper did not answer within {seconds} s")));
            }
        };
        let known = Known { credential: credential.clone(), until: now.plus_ms(KEPT_MS) };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), known);
        Ok(credential)
    }

    /// Whether there is a credential for a registry, as far as it was asked for.
    pub(super) fn knows(&self, host: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(host).is_some_and(|known| known.credential.is_some())
    }

    /// Asks anew next time: what there is was refused.
    pub(super) fn refused(&self, host: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(host) {
            known.until = Moment(i64::MIN);
        }
    }
}

fn read(file: &Path, host: &str) -> Result<Option<Credential>, String> {
    let names = if host == "docker.io" { vec![DOCKER_HUB, "docker.io"] } else { vec![host] };
    for name in names {
        let opened = match File::open(file) {
            Ok(opened) => opened,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
        };
        if let Some(found) = found(get_credential_from_reader(BufReader::new(opened), name), file)? {
            return Ok(Some(credential(host, found)));
        }
    }
    Ok(None)
}

fn found(
    answer: Result<DockerCredential, CredentialRetrievalError>,
    file: &Path,
) -> Result<Option<DockerCredential>, String> {
    use CredentialRetrievalError as Error;
    // What the protocol of helpers says where a helper has nothing.
    const NOTHING: &str = "credentials not found";
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Error::NoCredentialConfigured | Error::ConfigNotFound) => Ok(None),
        Err(Error::HelperFailure { stdout, stderr, .. }) if stdout.contains(NOTHING) || stderr.contains(NOTHING) => {
            Ok(None)
        }
        Err(Error::HelperFailure { helper, stderr, .. }) => {
            let said: String = stderr.trim().chars().take(200).collect();
            Err(format!("the credential helper {helper} failed: {said}"))
        }
        Err(Error::HelperCommunicationError | Error::MalformedHelperResponse) => Err(format!(
            "the credential helper that {} names cannot be run, or answers with no credential; install it beside Restow",
            file.display()
        )),
        Err(_) => Err(format!("{} holds no readable credentials", file.display())),
    }
}

fn credential(host: &str, found: DockerCredential) -> Credential {
    let host = host.to_owned();
    match found {
        DockerCredential::UsernamePassword(user, password) => {
            Credential { host, owners: Vec::new(), user, secret: Secret::Password(SecretString::from(password)) }
        }
        DockerCredential::IdentityToken(token) => Credential {
            host,
            owners: Vec::new(),
            user: String::new(),
            secret: Secret::IdentityToken(SecretString::from(token)),
        },
    }
}
