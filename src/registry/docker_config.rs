//! Credentials as Docker keeps them: `config.json` with `auths`, `credHelpers` and `credsStore`.
//!
//! The helpers of the clouds (`ecr-login`, `gcloud`, `acr-env`) are found this way too. A registry of which the file
//! says nothing is asked without credentials; a helper that fails is an error, never a silent anonymous try.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::{Mutex, Semaphore};

use super::error::RegistryError;
use super::settings::{Credential, DockerHelpers, Secret};
use crate::repo::Moment;

/// What a helper said is asked again after this time: the clouds' passwords end.
const KEPT_MS: i64 = 10 * 60 * 1000;
/// A failure is not tried again within this time.
const FAILED_MS: i64 = 30 * 1000;
/// Helpers that run at once; the hosts that they are asked for come out of repository content.
const AT_ONCE: usize = 4;
/// Hosts of which something is known; more than this are forgotten where nobody waits for them.
const MOST_HOSTS: usize = 2000;
/// What a helper says.
const LONGEST_ANSWER: u64 = 64 * 1024;
/// The file.
const LONGEST_FILE: usize = 4 * 1024 * 1024;
/// How Docker's own file calls Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
/// What the protocol of helpers says where a helper has nothing.
const NOTHING: &[u8] = b"credentials not found";

/// One `config.json`.
#[derive(Debug)]
pub(super) struct DockerConfig {
    file: PathBuf,
    helpers: DockerHelpers,
    hosts: PlainMutex<HashMap<String, Slot>>,
    programs: Semaphore,
}

/// What is known for one host; who holds it locked asks, the others wait.
type Slot = Arc<Mutex<Option<Known>>>;

/// The credential, that there is none, or why that cannot be told.
type Answer = Result<Option<Credential>, RegistryError>;

#[derive(Debug, Clone)]
struct Known {
    answer: Answer,
    until: Moment,
}

/// Source: docker-credential-helpers, "Development".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    username: String,
    secret: String,
}

impl DockerConfig {
    pub(super) fn new(file: PathBuf, helpers: DockerHelpers) -> Self {
        Self { file, helpers, hosts: PlainMutex::default(), programs: Semaphore::new(AT_ONCE) }
    }

    /// What the file, or a helper that it names, has for a registry.
    ///
    /// # Errors
    /// The file cannot be read, or the helper fails or takes too long.
    pub(super) async fn credential(&self, host: &str, now: Moment) -> Answer {
        let slot = self.slot(host);
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref().filter(|known| now < known.until) {
            return known.answer.clone();
        }
        let found = self.read(host).await;
        let answer = found.map(|found| found.map(|found| credential(host, found)));
        let answer = answer.map_err(|reason| RegistryError::unauthorized(host, reason));
        let kept = if answer.is_ok() { KEPT_MS } else { FAILED_MS };
        *known = Some(Known { answer: answer.clone(), until: now.plus_ms(kept) });
        answer
    }

    fn slot(&self, host: &str) -> Slot {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MOST_HOSTS {
            hosts.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(hosts.entry(host.to_owned()).or_default())
    }

    /// Whether there is a credential for a registry, as far as it was asked for.
    pub(super) fn knows(&self, host: &str) -> bool {
        let slot = self.slot(host);
        let known = slot.try_lock().ok().and_then(|known| known.clone());
        known.is_some_and(|known| matches!(known.answer, Ok(Some(_))))
    }

    /// Asks anew next time: what there is was refused.
    pub(super) async fn refused(&self, host: &str) {
        if let Some(known) = self.slot(host).lock().await.as_mut() {
            known.until = Moment(i64::MIN);
        }
    }

    async fn read(&self, host: &str) -> Result<Option<DockerCredential>, String> {
        let file = self.file.display();
        let text = match tokio::fs::read(&self.file).await {
            Ok(text) if text.len() <= LONGEST_FILE => text,
            Ok(_) => return Err(format!("{file} is too large")),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{file} cannot be read: {error}")),
        };
        let unreadable = || format!("{file} holds no readable credentials");
        let mut config: Value = serde_json::from_slice(&text).map_err(|_| unreadable())?;
        let object = config.as_object_mut().ok_or_else(unreadable)?;
        // Programs are run here, and not by the crate that reads the file: with an end to them.
        let (helpers, store) = (object.remove("credHelpers"), object.remove("credsStore"));
        let written = config.to_string();
        let named =
            |value: Option<&Value>| value.and_then(Value::as_str).filter(|name| !name.is_empty()).map(str::to_owned);
        let names = if host == "docker.io" { vec![DOCKER_HUB, "docker.io"] } else { vec![host] };
        for name in names {
            if let Some(helper) = named(helpers.as_ref().and_then(|helpers| helpers.get(name))) {
                return self.run(&helper, name).await;
            }
            match get_credential_from_reader(written.as_bytes(), name) {
                Ok(found) => return Ok(Some(found)),
                Err(CredentialRetrievalError::NoCredentialConfigured) => {}
                Err(_) => return Err(unreadable()),
            }
            if let Some(store) = named(store.as_ref())
                && let Some(found) = self.run(&store, name).await?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Asks a helper; it is ended with the time, and what it says beside a credential is told to nobody: it may hold one.
    async fn run(&self, helper: &str, name: &str) -> Result<Option<DockerCredential>, String> {
        let program = format!("docker-credential-{helper}");
        let path = self.helpers.folder.as_ref().map_or_else(|| PathBuf::from(&program), |folder| folder.join(&program));
        let longest = self.helpers.longest;
        let _turn = self.programs.acquire().await.map_err(|_| "Restow is stopping".to_owned())?;
        let said = match tokio::time::timeout(longest, said(&path, name)).await {
            Ok(said) => said,
            Err(_) => {
                return Err(format!("{program} did not answer within {} s, and was ended", longest.as_secs_f32()));
            }
        };
        let (status, answer, complaint) = said.map_err(|error| {
            let file = self.file.display();
            format!("{program}, which {file} names, cannot be run ({error}); install it beside Restow")
        })?;
        let has_nothing = |text: &[u8]| text.windows(NOTHING.len()).any(|part| part == NOTHING);
        match serde_json::from_slice::<Said>(&answer) {
            Ok(Said { username, secret }) if status.success() => Ok(Some(match username.as_str() {
                "<token>" => DockerCredential::IdentityToken(secret),
                _ => DockerCredential::UsernamePassword(username, secret),
            })),
            Ok(_) | Err(_) if !status.success() && (has_nothing(&answer) || has_nothing(&complaint)) => Ok(None),
            Ok(_) | Err(_) => Err(format!(
                "{program} gives no credential for {name} ({status}); run `echo {name} | {program} get` where Restow runs to see why"
            )),
        }
    }
}

/// How a helper ended, and the beginning of what it wrote to its two outputs.
async fn said(program: &Path, name: &str) -> std::io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (answer, complaint) = (child.stdout.take(), child.stderr.take());
    if let Some(mut input) = child.stdin.take() {
        // Whoever does not read it fails for a reason of its own.
        let _ = input.write_all(name.as_bytes()).await;
    }
    let (answer, complaint) = futures::join!(beginning(answer), beginning(complaint));
    Ok((child.wait().await?, answer?, complaint?))
}

async fn beginning(output: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if let Some(output) = output {
        output.take(LONGEST_ANSWER).read_to_end(&mut text).await?;
    }
    Ok(text)
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;
    use crate::registry::settings::DockerHelpers;

    struct Scene {
        folder: tempfile::TempDir,
    }

    impl Scene {
        /// A `config.json`, and a helper `x` that notes each run and then does what the script says.
        fn new(config: &str, script: &str) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("config.json"), config).expect("written");
            let program = folder.path().join("docker-credential-x");
            let log = folder.path().join("runs").display().to_string();
            std::fs::write(&program, format!("#!/bin/sh\necho $$ >> {log}\n{script}\n")).expect("written");
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its rights");
            Self { folder }
        }

        fn config(&self, longest: Duration) -> DockerConfig {
            let file = self.folder.path().join("config.json");
            DockerConfig::new(file, DockerHelpers { longest, folder: Some(self.folder.path().to_owned()) })
        }

        /// The process of each run.
        fn runs(&self) -> Vec<String> {
            let text = std::fs::read_to_string(self.folder.path().join("runs")).unwrap_or_default();
            text.lines().map(str::to_owned).collect()
        }
    }

    const LONG: Duration = Duration::from_secs(60);
    const GIVES: &str =
        r#"read name; echo "{\"ServerURL\":\"$name\",\"Username\":\"at $name\",\"Secret\":\"hunter2\"}""#;

    #[tokio::test]
    async fn a_helper_that_hangs_is_ended_and_not_asked_again_at_once() {
        let scene = Scene::new(r#"{"credsStore":"x"}"#, "exec sleep 1000");
        let config = scene.config(Duration::from_millis(300));
        let both = futures::join!(config.credential("r.corp", Moment(0)), config.credential("r.corp", Moment(0)));
        for answer in [both.0, both.1, config.credential("r.corp", Moment(29_000)).await] {
            let error = answer.expect_err("it hangs").to_string();
            assert!(error.contains("docker-credential-x did not answer within 0.3 s, and was ended"), "{error}");
        }
        let runs = scene.runs();
        assert_eq!(runs.len(), 1, "one program for all who wait");
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", runs[0])).unwrap_or_default();
        let lives = || !state().is_empty() && !state().contains(") Z ");
        let deadline = std::time::Instant::now() + LONG;
        while lives() {
            assert!(std::time::Instant::now() < deadline, "the program goes on: {}", state());
            tokio::task::yield_now().await;
        }
        config.credential("r.corp", Moment(31_000)).await.expect_err("it hangs still");
        assert_eq!(scene.runs().len(), 2, "later it is asked again");
    }

    #[tokio::test]
    async fn what_a_helper_has_is_kept_and_what_it_complains_of_is_not_told() {
        let scene = Scene::new(r#"{"credHelpers":{"r.corp":"x"}}"#, GIVES);
        let config = scene.config(LONG);
        for _ in 0..3 {
            let found = config.credential("r.corp", Moment(0)).await.expect("an answer").expect("a credential");
            assert_eq!(found.user, "at r.corp");
        }
        assert!(config.credential("other.corp", Moment(0)).await.expect("an answer").is_none());
        assert!(config.knows("r.corp") && !config.knows("other.corp"));
        assert_eq!(scene.runs().len(), 1);
        config.refused("r.corp").await;
        config.credential("r.corp", Moment(0)).await.expect("an answer");
        assert_eq!(scene.runs().len(), 2);
        let check = async |script: &str, told: Option<&str>| {
            let scene = Scene::new(r#"{"auths":{"r.corp":{}},"credsStore":"x"}"#, script);
            match (scene.config(LONG).credential("r.corp", Moment(0)).await, told) {
                (Ok(None), None) => {}
                (Err(error), Some(told)) => {
                    let error = error.to_string();
                    assert!(error.contains(told) && !error.contains("hunter2"), "{error}");
                }
                (other, _) => panic!("{script}: {other:?}"),
            }
        };
        check("echo 'credentials not found in native keychain'; exit 1", None).await;
        check("echo hunter2; echo hunter2 >&2; exit 1", Some("gives no credential for r.corp")).await;
        check("echo hunter2", Some("gives no credential for r.corp")).await;
        check("exec yes hunter2", Some("gives no credential for r.corp")).await;
    }

    #[tokio::test]
    async fn what_stands_in_the_file_needs_no_helper() {
        let auth = r#"{"auths":{"r.corp":{"auth":"cmVzdG93OnNlc2FtZQ=="},
            "https://index.docker.io/v1/":{"identitytoken":"t"}},"credsStore":"x"}"#;
        let scene = Scene::new(auth, GIVES);
        let config = scene.config(LONG);
        assert_eq!(config.credential("r.corp", Moment(0)).await.expect("an answer").expect("one").user, "restow");
        let hub = config.credential("docker.io", Moment(0)).await.expect("an answer").expect("one");
        assert!(matches!(hub.secret, Secret::IdentityToken(_)));
        assert_eq!(scene.runs(), Vec::<String>::new());
    }
}
