//! The client: who asks (the App or an installation), with which token, within which limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::{GitHubError, judge};
use super::limits::{Limits, WriteLedger};
use super::token::{AppKey, Reach, Scope, Token, TokenCache, WorkflowsPermission};
use super::transport::{Answer, Call, Transport, innermost};
use crate::clock::Clock;
use crate::repo::{InstallationId, Moment, RepoId};

/// How long the parts of a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// One call from its first byte to its last, redirects included.
    pub call: Duration,
    /// A tarball, whose size is the repository's.
    pub download: Duration,
}

impl Default for Timeouts {
    /// 10 s to connect, 30 s for a call, 5 min for a tarball.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), call: seconds(30), download: seconds(300) }
    }
}

/// Which GitHub, and as which App.
#[derive(Debug, Clone)]
pub struct GitHubSettings {
    /// The REST address: `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise Server.
    pub base: Url,
    /// The GraphQL address: `https://api.github.com/graphql`, or `https://HOST/api/graphql`.
    pub graphql: Url,
    /// The App's id.
    pub app_id: u64,
    /// The App's RSA private key, PEM.
    pub private_key: SecretString,
    /// The time of day: tokens and rate limits end by it.
    pub clock: Clock,
    /// Bounds of time.
    pub timeouts: Timeouts,
    /// Where writes are counted.
    pub writes: Arc<dyn WriteLedger>,
    /// The least time between two writes of an installation. Source: GitHub documentation, "Best practices for using
    /// the REST API", which wants a second.
    pub write_spacing: Duration,
}

/// One GitHub, seen by the App. Clones share their tokens, limits and connections.
#[derive(Clone)]
pub struct GitHub {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    plain: reqwest::Client,
    key: AppKey,
    tokens: TokenCache,
    limits: Limits,
    clock: Clock,
    timeouts: Timeouts,
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitHub({}, {:?})", self.inner.transport.base(), self.inner.key)
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// The App itself, by its key.
    App,
    /// An installation, by a token of this scope.
    Installation(Scope),
}

impl Identity {
    fn installation(&self) -> Option<InstallationId> {
        match self {
            Self::App => None,
            Self::Installation(scope) => Some(scope.installation),
        }
    }

    fn repo(&self) -> Option<RepoId> {
        match self {
            Self::App => None,
            Self::Installation(scope) => scope.reach.repo(),
        }
    }
}

impl GitHub {
    /// Makes a client; asks nothing yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Where the private key is no RSA key in PEM form, or the system's certificates cannot be read.
    pub fn new(settings: &GitHubSettings) -> Result<Self, GitHubError> {
        let wrong = |reason: String| GitHubError::Permanent { call: "GitHub settings".to_owned(), reason };
        let key = AppKey::read(settings.app_id, &settings.private_key)
            .ok_or_else(|| wrong("the App's private key is not an RSA key in PEM form".to_owned()))?;
        let timeouts = settings.timeouts;
        let plain = reqwest::Client::builder()
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.call)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(format!("no HTTP client: {}", innermost(&error))))?;
        let transport = Transport::new(settings.base.clone(), settings.graphql.clone(), plain.clone(), timeouts);
        let limits = Limits::new(Arc::clone(&settings.writes), settings.write_spacing);
        let (tokens, clock) = (TokenCache::default(), settings.clock.clone());
        Ok(Self { inner: Arc::new(Inner { transport, plain, key, tokens, limits, clock, timeouts }) })
    }

    /// Forgets the tokens of an installation: it was removed, or its permissions changed.
    pub fn forget_installation(&self, installation: InstallationId) {
        self.inner.tokens.forget(installation);
    }

    /// Until when a repository must wait before it begins something new, such as a pull request; `None` where it may
    /// now. GitHub takes so many writes of an installation, and all its repositories get their share.
    ///
    /// # Errors
    /// The count of writes cannot be read.
    pub async fn begins_at(&self, who: InstallationId, repo: RepoId) -> Result<Option<Moment>, GitHubError> {
        self.inner.limits.begins_at(who, repo, self.inner.clock.now()).await
    }

    /// A client without authorization, for links that carry their own.
    pub(super) fn plain(&self) -> &reqwest::Client {
        &self.inner.plain
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.inner.timeouts
    }

    /// Makes one call. A 401 to an installation token had no effect: a fresh token is taken and the call made once more.
    pub(super) async fn call(&self, identity: &Identity, call: &Call) -> Result<Answer, GitHubError> {
        let _turn = match identity.installation().filter(|_| call.writes()) {
            Some(installation) => Some(self.inner.limits.turn_to_write(installation).await),
            None => None,
        };
        let now = self.inner.clock.now();
        self.inner.limits.check(identity.installation(), now, call)?;
        if let Some(installation) = identity.installation().filter(|_| call.writes()) {
            self.inner.limits.spend((installation, identity.repo()), now, call).await?;
        }
        let answer = match identity {
            Identity::App => self.inner.transport.send(call, &self.app_token(call)?).await?,
            Identity::Installation(scope) => self.as_installation(scope, call).await?,
        };
        self.judged(identity.installation(), call, answer)
    }

    /// Makes one call whose answer is JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, identity: &Identity, call: &Call) -> Result<T, GitHubError> {
        let answer = self.call(identity, call).await?;
        read_json(call, &answer)
    }

    async fn as_installation(&self, scope: &Scope, call: &Call) -> Result<Answer, GitHubError> {
        let token = self.token(scope).await?;
        let answer = self.inner.transport.send(call, &token.secret).await?;
        if answer.status != http::StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.inner.tokens.drop_refused(scope, &token).await;
        let token = self.token(scope).await?;
        self.inner.transport.send(call, &token.secret).await
    }

    /// A token of this scope, from the cache or freshly minted.
    pub(super) async fn token(&self, scope: &Scope) -> Result<Token, GitHubError> {
        let now = self.inner.clock.now();
        self.inner.tokens.token(scope, now, async |workflows| self.mint(scope, workflows).await).await
    }

    /// Asks for a token; where the installation does not grant `workflows`, for one without it.
    async fn mint(&self, scope: &Scope, workflows: WorkflowsPermission) -> Result<Token, GitHubError> {
        let asked_for_workflows =
            matches!(scope.reach, Reach::Repository(_)) && workflows == WorkflowsPermission::Granted;
        match self.mint_once(scope, workflows).await {
            Err(GitHubError::Unprocessable { .. }) if asked_for_workflows => {
                let token = self.mint_once(scope, WorkflowsPermission::Missing).await?;
                self.inner.tokens.note_no_workflows(scope.installation, self.inner.clock.now());
                Ok(token)
            }
            result => result,
        }
    }

    async fn mint_once(&self, scope: &Scope, workflows: WorkflowsPermission) -> Result<Token, GitHubError> {
        let call = scope.mint_call(workflows);
        self.inner.limits.check(None, self.inner.clock.now(), &call)?;
        let answer = self.inner.transport.send(&call, &self.app_token(&call)?).await?;
        let answer = self.judged(None, &call, answer)?;
        Token::read(&call, &answer.body)
    }

    fn app_token(&self, call: &Call) -> Result<SecretString, GitHubError> {
        let token = self.inner.key.sign(&self.inner.clock);
        token.ok_or_else(|| GitHubError::permanent(call, "the App's private key cannot sign"))
    }

    /// Reads the status, and remembers a rate limit.
    fn judged(&self, who: Option<InstallationId>, call: &Call, answer: Answer) -> Result<Answer, GitHubError> {
        let now = self.inner.clock.now();
        let error = match judge(call, &answer, now) {
            Ok(()) => return Ok(answer),
            Err(error) => error,
        };
        if let (Some(wait), true) = (error.retry_after(), answer.status.is_client_error()) {
            self.inner.limits.note(who, now, wait);
        }
        Err(error)
    }
}

/// Reads an answer of a known form.
pub(super) fn read_json<T: DeserializeOwned>(call: &Call, answer: &Answer) -> Result<T, GitHubError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| GitHubError::permanent(call, format!("the answer is not of the expected form: {error}")))
}
