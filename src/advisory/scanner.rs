//! Runs a scanner that is installed beside Restow: its arguments one by one and by no shell, an environment of its own,
//! and bounds of time and output.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use url::Url;

use crate::vulnerability::{ScannerKind, ScannerOutput};

/// Bytes of a report.
const LARGEST: u64 = 256 << 20;
/// How long Trivy may take to say of when its database is.
const VERSION_LIMIT: Duration = Duration::from_secs(60);

/// A scanner, and how it is run.
#[derive(Debug, Clone)]
pub struct Scanner {
    kind: ScannerKind,
    server: Option<Url>,
    environment: Vec<(String, String)>,
    limit: Duration,
    /// One at a time: they share a cache that does not bear two.
    turn: Arc<Semaphore>,
}

/// Why there is no report. What the scanner itself wrote is not repeated: it may hold credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It is not installed, or not in the search path.
    #[error("{0} cannot be run: {1}")]
    NotRun(ScannerKind, String),
    /// It failed.
    #[error("{0} failed with {1}; `{2}` shows why")]
    Failed(ScannerKind, String, String),
    /// It took too long.
    #[error("{0} took longer than {1} seconds")]
    TooLong(ScannerKind, u64),
    /// It printed too much.
    #[error("{0} printed more than {1} MiB")]
    TooMuch(ScannerKind, u64),
}

impl Scanner {
    /// How long one look may take.
    pub const USUAL_LIMIT: Duration = Duration::from_secs(600);

    /// A scanner that finds its program by the `PATH` of `environment`, and knows no other variables.
    pub fn new(kind: ScannerKind, server: Option<Url>, environment: Vec<(String, String)>, limit: Duration) -> Self {
        Self { kind, server, environment, limit, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Which one it is.
    pub fn kind(&self) -> ScannerKind {
        self.kind
    }

    /// Its arguments for an image, given as `registry/repository@digest`.
    fn arguments(&self, image: &str) -> Vec<String> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        match self.kind {
            ScannerKind::Trivy => {
                let server = self.server.iter().flat_map(|url| ["--server".to_owned(), url.to_string()]);
                let mut arguments = texts(&["image", "--format", "json", "--quiet"]);
                arguments.extend(server);
                arguments.push(image.to_owned());
                arguments
            }
            ScannerKind::Grype => texts(&["-o", "json", &format!("registry:{image}")]),
        }
    }

    /// What it prints of an image.
    ///
    /// # Errors
    /// There is no report.
    pub async fn scan(&self, image: &str) -> Result<ScannerOutput, ScanError> {
        let _turn = self.turn.acquire().await;
        let report = self.within(self.limit, &self.arguments(image)).await?;
        // Trivy's report tells of when the database is only where a server has it.
        let version = match (self.kind, &self.server) {
            (ScannerKind::Trivy, None) => {
                let arguments = ["version", "--format", "json"].map(str::to_owned);
                self.within(VERSION_LIMIT, &arguments).await.unwrap_or_default()
            }
            (ScannerKind::Trivy | ScannerKind::Grype, _) => Vec::new(),
        };
        Ok(ScannerOutput { report, version })
    }

    async fn within(&self, limit: Duration, arguments: &[String]) -> Result<Vec<u8>, ScanError> {
        match tokio::time::timeout(limit, self.run(arguments)).await {
            Ok(printed) => printed,
            Err(_) => Err(ScanError::TooLong(self.kind, limit.as_secs())),
        }
    }

    async fn run(&self, arguments: &[String]) -> Result<Vec<u8>, ScanError> {
        let not_run = |error: std::io::Error| ScanError::NotRun(self.kind, error.to_string());
        let mut command = Command::new(self.kind.program());
        command.args(arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(not_run)?;
        let report = match child.stdout.take() {
            Some(printed) => read(printed).await.map_err(not_run)?,
            None => Some(Vec::new()),
        };
        let Some(report) = report else {
            return Err(ScanError::TooMuch(self.kind, LARGEST >> 20));
        };
        let status = child.wait().await.map_err(not_run)?;
        if !status.success() {
            let by_hand = format!("{} {}", self.kind.program(), arguments.join(" "));
            return Err(ScanError::Failed(self.kind, status.to_string(), by_hand));
        }
        Ok(report)
    }
}

/// What is printed; `None` where it is more than is read.
async fn read(printed: impl AsyncRead + Unpin) -> std::io::Result<Option<Vec<u8>>> {
    let mut report = Vec::new();
    printed.take(LARGEST + 1).read_to_end(&mut report).await?;
    Ok((report.len() as u64 <= LARGEST).then_some(report))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const IMAGE: &str = "ghcr.io/acme/app@sha256:0000000000000000000000000000000000000000000000000000000000000000";

    /// A folder with a scanner's program that is this script, and the search path that finds it.
    fn installed(kind: ScannerKind, script: &str) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join(kind.program());
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        (folder, path)
    }

    /// A scanner whose program is this script.
    async fn run(kind: ScannerKind, script: &str, limit: Duration) -> Result<String, ScanError> {
        let (_folder, path) = installed(kind, script);
        let environment = vec![("PATH".to_owned(), path), ("TRIVY_INSECURE".to_owned(), "true".to_owned())];
        let server = (kind == ScannerKind::Trivy).then(|| "http://trivy.example:4954".parse().expect("a URL"));
        let printed = Scanner::new(kind, server, environment, limit).scan(IMAGE).await?;
        assert!(printed.version.is_empty(), "a server's report tells it");
        Ok(String::from_utf8(printed.report).expect("UTF-8"))
    }

    /// What Trivy prints without a server, as this script.
    async fn alone(script: &str) -> ScannerOutput {
        let (_folder, path) = installed(ScannerKind::Trivy, script);
        let environment = vec![("PATH".to_owned(), path)];
        let scanner = Scanner::new(ScannerKind::Trivy, None, environment, Scanner::USUAL_LIMIT);
        scanner.scan(IMAGE).await.expect("a report")
    }

    #[tokio::test]
    async fn trivy_is_asked_of_when_its_database_is() {
        let printed = alone(r#"printf '%s ' "$@""#).await;
        assert_eq!(String::from_utf8_lossy(&printed.version), "version --format json ");
        let printed = alone(r#"[ "$1" = image ] && echo report"#).await;
        assert_eq!(
            (printed.report.as_slice(), printed.version.as_slice()),
            (&b"report\n"[..], &b""[..]),
            "it need not"
        );
    }

    #[tokio::test]
    async fn it_is_run_with_these_arguments_and_no_other_environment() {
        let usual = Scanner::USUAL_LIMIT;
        let trivy = run(ScannerKind::Trivy, r#"printf '%s\n' "$@""#, usual).await.expect("a report");
        let expected = ["image", "--format", "json", "--quiet", "--server", "http://trivy.example:4954/", IMAGE];
        assert_eq!(trivy.lines().collect::<Vec<_>>(), expected);
        let grype = run(ScannerKind::Grype, r#"printf '%s\n' "$@""#, usual).await.expect("a report");
        assert_eq!(grype.lines().collect::<Vec<_>>(), ["-o", "json", &format!("registry:{IMAGE}")]);
        let names = run(ScannerKind::Trivy, "env | cut -d= -f1 | sort", usual).await.expect("a report");
        // The shell sets some of its own.
        let own = |name: &&str| !matches!(*name, "PWD" | "SHLVL" | "_" | "OLDPWD");
        assert_eq!(names.lines().filter(own).collect::<Vec<_>>(), ["PATH", "TRIVY_INSECURE"]);
    }

    #[tokio::test]
    async fn what_fails_is_told_without_its_own_words() {
        let usual = Scanner::USUAL_LIMIT;
        let failed = run(ScannerKind::Trivy, "echo token=secret >&2; exit 1", usual).await.expect_err("it fails");
        let text = failed.to_string();
        assert!(text.starts_with("Trivy failed with exit status: 1; `trivy image --format json"), "{text}");
        assert!(!text.contains("secret"), "{text}");
        let hangs = run(ScannerKind::Grype, "exec sleep 1000", Duration::from_millis(50)).await;
        assert_eq!(hangs, Err(ScanError::TooLong(ScannerKind::Grype, 0)));
        let much = run(ScannerKind::Grype, "exec head -c 1073741824 /dev/zero", usual).await;
        assert_eq!(much, Err(ScanError::TooMuch(ScannerKind::Grype, 256)));
        let nowhere = Scanner::new(ScannerKind::Grype, None, vec![("PATH".to_owned(), "/nowhere".to_owned())], usual);
        assert!(matches!(nowhere.scan(IMAGE).await, Err(ScanError::NotRun(ScannerKind::Grype, _))));
    }
}
