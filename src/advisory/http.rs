//! Asking a source of advisories: bounded in size and time, once more where a failure may pass.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(60);
/// A request that fails for a moment is made once more after this time.
pub(super) const SECOND_TRY: Duration = Duration::from_millis(300);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("asking {host} for advisories: {reason}")]
pub struct AdvisoryError {
    host: String,
    reason: String,
    is_absent: bool,
}

impl AdvisoryError {
    /// Whether the server says that there is no such thing.
    pub(crate) fn is_absent(&self) -> bool {
        self.is_absent
    }
}

/// Whether asking again may help.
pub(super) enum Failure {
    Passing(AdvisoryError),
    Lasting(AdvisoryError),
}

impl From<Failure> for AdvisoryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Passing(error) | Failure::Lasting(error) => error,
        }
    }
}

/// A server, and how it is asked. Proxies are those of the environment.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) http: Client,
    base: Url,
}

impl Server {
    /// A server below an address; asks nothing yet.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub(super) fn new(mut base: Url) -> Result<Self, AdvisoryError> {
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let agent = concat!("restow/", env!("CARGO_PKG_VERSION"));
        // An archive may take long, but no part of it.
        let http = Client::builder().user_agent(agent).connect_timeout(TIMEOUT).read_timeout(TIMEOUT).build();
        let failed = |error: reqwest::Error| AdvisoryError {
            host: base.host_str().unwrap_or_default().to_owned(),
            reason: innermost(&error),
            is_absent: false,
        };
        Ok(Self { http: http.map_err(failed)?, base })
    }

    pub(super) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// Its host, with the port where that is not the usual one.
    pub(super) fn place(&self) -> String {
        self.base.port().map_or_else(|| self.host().to_owned(), |port| format!("{}:{port}", self.host()))
    }

    pub(super) fn failed(&self, reason: &str) -> AdvisoryError {
        AdvisoryError { host: self.host().to_owned(), reason: reason.to_owned(), is_absent: false }
    }

    /// The address of a path, each part written so that it stays one part.
    pub(super) fn address(&self, parts: &[&str]) -> Result<Url, AdvisoryError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| self.failed("its address is malformed"))?
            .pop_if_empty()
            .extend(parts.iter());
        Ok(url)
    }

    /// A whole answer of at most `limit` bytes.
    pub(super) async fn ask(
        &self,
        request: impl Fn() -> RequestBuilder,
        limit: usize,
    ) -> Result<Vec<u8>, AdvisoryError> {
        match self.ask_once(request(), limit).await {
            Err(Failure::Passing(_)) => {
                tokio::time::sleep(SECOND_TRY).await;
                self.ask_once(request(), limit).await.map_err(AdvisoryError::from)
            }
            answer => answer.map_err(AdvisoryError::from),
        }
    }

    async fn ask_once(&self, request: RequestBuilder, limit: usize) -> Result<Vec<u8>, Failure> {
        let mut answer = self.send(request.timeout(TIMEOUT)).await?;
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut answer).await? {
            if body.len() + chunk.len() > limit {
                return Err(Failure::Lasting(self.failed("its answer is larger than Restow reads")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// An answer whose body is still to come; anything but success is a failure.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let answer = request.send().await.map_err(|error| Failure::Passing(self.failed(&innermost(&error))))?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(answer),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::Passing(self.failed(&format!("it answered {status}"))))
            }
            status => {
                let failed = self.failed(&format!("it answered {status} for {}", answer.url().path()));
                Err(Failure::Lasting(AdvisoryError { is_absent: status == StatusCode::NOT_FOUND, ..failed }))
            }
        }
    }

    pub(super) async fn chunk(&self, answer: &mut Response) -> Result<Option<bytes::Bytes>, Failure> {
        answer.chunk().await.map_err(|error| Failure::Passing(self.failed(&innermost(&error))))
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
