//! The App's own JSON web token, and installation tokens: narrow, cached, asked for once however many wait.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use super::error::GitHubError;
use super::transport::Call;
use crate::clock::Clock;
use crate::repo::{InstallationId, Moment, RepoId};

/// A token is replaced this long before it ends, so that none ends on its way.
const MARGIN: Duration = Duration::from_secs(5 * 60);
/// More scopes than this are forgotten where nobody waits for them.
const MAX_SLOTS: usize = 20_000;
/// How long a missing permission is believed to be missing.
const MISSING_FOR: Duration = Duration::from_secs(3600);

/// What a token may do, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub(super) installation: InstallationId,
    pub(super) reach: Reach,
}

/// How far a token reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reach {
    /// Only to look around in the installation.
    Metadata,
    /// To work in one repository.
    Repository(RepoId),
    /// To read the owner's packages.
    Packages,
    /// To write checks of Restow's own in one repository.
    Checks(RepoId),
    /// To start jobs of GitHub Actions again in one repository.
    Actions(RepoId),
    /// To write issues in one repository.
    Issues(RepoId),
    /// To read the files of the installation's repositories.
    Contents,
}

impl Reach {
    /// The repository, where it is one alone.
    pub(super) fn repo(self) -> Option<RepoId> {
        match self {
            Self::Repository(id) | Self::Checks(id) | Self::Actions(id) | Self::Issues(id) => Some(id),
            Self::Metadata | Self::Packages | Self::Contents => None,
        }
    }
}

impl Scope {
    /// The body of the request for a token of this scope.
    fn request(&self, workflows: WorkflowsPermission) -> serde_json::Value {
        let repository = match self.reach {
            Reach::Metadata => return json!({ "permissions": { "metadata": "read" } }),
            Reach::Packages => return json!({ "permissions": { "metadata": "read", "packages": "read" } }),
            Reach::Contents => return json!({ "permissions": { "metadata": "read", "contents": "read" } }),
            Reach::Checks(id) => return only(id, "checks"),
            Reach::Issues(id) => return only(id, "issues"),
            Reach::Actions(id) => return only(id, "actions"),
            Reach::Repository(id) => id,
        };
        let mut permissions = BTreeMap::from([
            ("metadata", "read"),
            ("contents", "write"),
            ("pull_requests", "write"),
            ("checks", "read"),
            ("statuses", "read"),
        ]);
        if workflows == WorkflowsPermission::Granted {
            permissions.insert("workflows", "write");
        }
        json!({ "repository_ids": [repository], "permissions": permissions })
    }

    pub(super) fn mint_call(&self, workflows: WorkflowsPermission) -> Call {
        Call::post(format!("/app/installations/{}/access_tokens", self.installation), self.request(workflows))
    }
}

/// One optional permission, in one repository.
fn only(id: RepoId, permission: &str) -> serde_json::Value {
    json!({ "repository_ids": [id], "permissions": { "metadata": "read", permission: "write" } })
}

/// Whether the App may change files below `.github/workflows/`; its installation's owner may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkflowsPermission {
    /// It may.
    Granted,
    /// Such files must be left alone.
    Missing,
}

/// An installation token; its text is in no `Debug`.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    expires: Moment,
    pub(super) workflows: WorkflowsPermission,
}

impl Token {
    fn is_fresh(&self, now: Moment) -> bool {
        now.plus_ms(i64::try_from(MARGIN.as_millis()).unwrap_or(i64::MAX)) < self.expires
    }
}

#[derive(Deserialize)]
struct TokenBody {
    token: SecretString,
    expires_at: String,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
}

impl Token {
    /// Reads GitHub's answer; an error repeats nothing of it.
    pub(super) fn read(call: &Call, body: &[u8]) -> Result<Self, GitHubError> {
        let wrong = || GitHubError::permanent(call, "the answer is no installation token");
        let body: TokenBody = serde_json::from_slice(body).map_err(|_| wrong())?;
        let expires = Moment::parse_rfc3339(&body.expires_at).ok_or_else(wrong)?;
        let workflows = match body.permissions.get("workflows").map(String::as_str) {
            Some("write") => WorkflowsPermission::Granted,
            Some(_) | None => WorkflowsPermission::Missing,
        };
        Ok(Self { secret: body.token, expires, workflows })
    }
}

type Slot = Arc<Mutex<Option<Token>>>;

/// The tokens at hand, one slot a scope; who holds a slot asks GitHub, the others wait for its answer.
#[derive(Default)]
pub(super) struct TokenCache {
    slots: PlainMutex<HashMap<Scope, Slot>>,
    without_workflows: PlainMutex<HashMap<InstallationId, Moment>>,
}

impl TokenCache {
    fn slot(&self, scope: &Scope) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_SLOTS {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(scope.clone()).or_default().clone()
    }

    /// The token of `scope`, minted by `mint` where none is fresh.
    pub(super) async fn token<F>(&self, scope: &Scope, now: Moment, mint: F) -> Result<Token, GitHubError>
    where
        F: AsyncFnOnce(WorkflowsPermission) -> Result<Token, GitHubError>,
    {
        let slot = self.slot(scope);
        let mut held = slot.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.is_fresh(now)) {
            return Ok(token.clone());
        }
        let token = mint(self.workflows_to_ask(scope.installation, now)).await?;
        *held = Some(token.clone());
        Ok(token)
    }

    /// Drops the token that GitHub refused, unless another has taken its place meanwhile.
    pub(super) async fn drop_refused(&self, scope: &Scope, refused: &Token) {
        let slot = self.slot(scope);
        let mut held = slot.lock().await;
        if held.as_ref().is_some_and(|token| token.secret.expose_secret() == refused.secret.expose_secret()) {
            *held = None;
        }
    }

    /// Forgets all that is known of an installation: it was removed, or its permissions changed.
    pub(super) fn forget(&self, installation: InstallationId) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|scope, _| scope.installation != installation);
        self.without_workflows.lock().unwrap_or_else(PoisonError::into_inner).remove(&installation);
    }

    fn workflows_to_ask(&self, installation: InstallationId, now: Moment) -> WorkflowsPermission {
        let missing = self.without_workflows.lock().unwrap_or_else(PoisonError::into_inner);
        match missing.get(&installation) {
            Some(until) if now < *until => WorkflowsPermission::Missing,
            Some(_) | None => WorkflowsPermission::Granted,
        }
    }

    /// Remembers that the installation grants no `workflows`, so that the next token does not ask for it.
    pub(super) fn note_no_workflows(&self, installation: InstallationId, now: Moment) {
        let until = now.plus_ms(i64::try_from(MISSING_FOR.as_millis()).unwrap_or(i64::MAX));
        self.without_workflows.lock().unwrap_or_else(PoisonError::into_inner).insert(installation, until);
    }
}

/// The App's identity: its id and private key.
pub(super) struct AppKey {
    issuer: String,
    key: EncodingKey,
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppKey({})", self.issuer)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

impl AppKey {
    /// Reads the RSA private key in PEM form; `None` where it is none.
    pub(super) fn read(app_id: u64, pem: &SecretString) -> Option<Self> {
        let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes()).ok()?;
        Some(Self { issuer: app_id.to_string(), key })
    }

    /// A token for one request: a minute old for slow clocks, nine minutes to live (GitHub takes ten at most).
    pub(super) fn sign(&self, clock: &Clock) -> Option<SecretString> {
        let now = clock.now().0.div_euclid(1000);
        let claims = Claims { iat: now - 60, exp: now + 9 * 60, iss: &self.issuer };
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).ok().map(SecretString::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { installation: InstallationId(7), reach: Reach::Repository(RepoId(42)) }
    }

    fn body(token: &str, expires: &str) -> Vec<u8> {
        format!(r#"{{"token":"{token}","expires_at":"{expires}","permissions":{{"contents":"write"}}}}"#).into_bytes()
    }

    fn token(text: &str) -> Token {
        let call = scope().mint_call(WorkflowsPermission::Granted);
        Token::read(&call, &body(text, "2026-11-23T18:00:00Z")).expect("a token")
    }

    fn at(text: &str) -> Moment {
        Moment::parse_rfc3339(text).expect("a date")
    }

    #[test]
    fn no_debug_and_no_error_shows_a_token() {
        let secret = "ghs_1_eyJhbGciOiJSUzI1NiJ9.hunter2";
        assert!(!format!("{:?}", token(secret)).contains("hunter2"));
        let call = scope().mint_call(WorkflowsPermission::Granted);
        let error = Token::read(&call, &body(secret, "tomorrow")).expect_err("no date");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn a_token_is_replaced_five_minutes_early() {
        assert!(token("a").is_fresh(at("2026-11-23T17:54:59Z")));
        assert!(!token("a").is_fresh(at("2026-11-23T17:55:00Z")));
    }

    #[tokio::test]
    async fn ten_callers_mint_one_token() {
        let cache = TokenCache::default();
        let minted = std::sync::atomic::AtomicU32::new(0);
        let (cache, minted) = (&cache, &minted);
        let calls = (0..10).map(|_| async move {
            let mint = async |_| {
                minted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(token("a"))
            };
            cache.token(&scope(), at("2026-11-23T17:00:00Z"), mint).await
        });
        for result in futures::future::join_all(calls).await {
            assert_eq!(result.expect("a token").secret.expose_secret(), "a");
        }
        assert_eq!(minted.load(std::sync::atomic::Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_refused_token_is_dropped_once() {
        let cache = TokenCache::default();
        let now = at("2026-11-23T17:00:00Z");
        let old = cache.token(&scope(), now, async |_| Ok(token("old"))).await.expect("a token");
        cache.drop_refused(&scope(), &old).await;
        let new = cache.token(&scope(), now, async |_| Ok(token("new"))).await.expect("a token");
        assert_eq!(new.secret.expose_secret(), "new");
        // A second caller comes late with the old one: the new one stays.
        cache.drop_refused(&scope(), &old).await;
        let kept = cache.token(&scope(), now, async |_| Ok(token("third"))).await.expect("a token");
        assert_eq!(kept.secret.expose_secret(), "new");
    }

    #[test]
    fn a_token_is_asked_for_one_repository_and_no_more_than_needed() {
        let asked = scope().request(WorkflowsPermission::Missing);
        let expected = json!({ "repository_ids": [42], "permissions": {
            "metadata": "read", "contents": "write", "pull_requests": "write", "checks": "read", "statuses": "read" } });
        assert_eq!(asked, expected);
    }
}
