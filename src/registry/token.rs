//! What is shown to a registry: credentials, or a token that they buy; asked for once however many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

use super::challenge::Challenge;
use super::error::RegistryError;
use super::settings::{Credential, Secret};
use crate::repo::Moment;

/// More repositories than this are forgotten, those with an ended token first.
const MAX_SLOTS: usize = 10_000;
/// It goes into a header, which servers bound to 8 or 16 KiB.
const LONGEST_TOKEN: usize = 16 * 1024;
/// A token's life where the server names none. Source: distribution, token authentication specification.
const USUAL_LIFE: u64 = 60;

/// What goes into `Authorization`, and how long it holds.
#[derive(Debug, Clone)]
pub(super) struct Authorization {
    /// Marked as sensitive: it is in no `Debug`.
    pub(super) header: HeaderValue,
    until: Moment,
}

impl Authorization {
    fn new(text: &str, until: Moment) -> Option<Self> {
        let mut header = HeaderValue::from_str(text).ok()?;
        header.set_sensitive(true);
        Some(Self { header, until })
    }

    /// Credentials as they are; they hold until they are refused.
    pub(super) fn basic(credential: &Credential) -> Option<Self> {
        let Secret::Password(password) = &credential.secret else { return None };
        let pair = format!("{}:{}", credential.user, password.expose_secret());
        Self::new(&format!("Basic {}", STANDARD.encode(pair)), Moment(i64::MAX))
    }

    /// Reads a token server's answer; its token is used for four fifths of its life, at least for 30 s.
    pub(super) fn bearer(body: &[u8], now: Moment) -> Option<Self> {
        let body: TokenBody = serde_json::from_slice(body).ok()?;
        let token = [body.token, body.access_token].into_iter().flatten().find(|t| !t.expose_secret().is_empty())?;
        if token.expose_secret().len() > LONGEST_TOKEN {
            return None;
        }
        let seconds = body.expires_in.unwrap_or(USUAL_LIFE).clamp(1, 24 * 3600);
        let life = i64::try_from((seconds * 800).max(30_000)).unwrap_or(30_000);
        Self::new(&format!("Bearer {}", token.expose_secret()), now.plus_ms(life))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.header == other.header
    }
}

#[derive(Deserialize)]
struct TokenBody {
    token: Option<SecretString>,
    access_token: Option<SecretString>,
    expires_in: Option<u64>,
}

/// Which authorization: of which registry, for which repository of it, and for whom.
///
/// A registry has one credential for an audience at most, so these stand for credential and scope too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) host: String,
    pub(super) repository: String,
    pub(super) audience: Option<String>,
}

/// One authorization; who holds it locked asks the token server, the others wait.
pub(super) type Slot = Arc<Mutex<Option<Authorization>>>;

/// The authorizations at hand.
#[derive(Default)]
pub(super) struct Authorizations {
    slots: PlainMutex<HashMap<Key, Slot>>,
}

impl Authorizations {
    pub(super) fn slot(&self, key: &Key) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_SLOTS {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(key.clone()).or_default().clone()
    }
}

/// What the slot holds, as long as it is fresh.
pub(super) fn fresh(held: &MutexGuard<'_, Option<Authorization>>, now: Moment) -> Option<Authorization> {
    held.as_ref().filter(|authorization| now < authorization.until).cloned()
}

/// The address of the token server with the question for this scope.
pub(super) fn token_url(challenge: &Challenge, host: &str, repository: &str) -> Result<Url, RegistryError> {
    let realm = challenge.parameter("realm").and_then(|realm| Url::parse(realm).ok());
    let Some(mut url) = realm else {
        return Err(RegistryError::invalid(host, "the registry asks for a token without saying where to get it"));
    };
    let usual = format!("repository:{repository}:pull");
    let scope = challenge.parameter("scope").filter(|scope| !scope.is_empty()).unwrap_or(&usual);
    let mut query = url.query_pairs_mut();
    if let Some(service) = challenge.parameter("service") {
        query.append_pair("service", service);
    }
    for scope in scope.split(' ').filter(|scope| !scope.is_empty()) {
        query.append_pair("scope", scope);
    }
    drop(query);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::super::challenge;
    use super::*;

    #[test]
    fn no_debug_shows_a_secret() {
        let credential = Credential {
            owners: Vec::new(),
            host: "r.example.com".to_owned(),
            user: "restow".to_owned(),
            secret: Secret::Password(SecretString::from("hunter2")),
        };
        let basic = Authorization::basic(&credential).expect("a header");
        let bearer = Authorization::bearer(br#"{"token":"hunter2"}"#, Moment(0)).expect("a header");
        let shown = format!("{credential:?} {basic:?} {bearer:?}");
        assert!(!shown.contains("hunter2") && !shown.contains(&STANDARD.encode("restow:hunter2")), "{shown}");
    }

    #[test]
    fn a_token_holds_for_four_fifths_of_its_life() {
        let until = |body: &str| Authorization::bearer(body.as_bytes(), Moment(0)).map(|a| a.until);
        assert_eq!(until(r#"{"token":"a","expires_in":300}"#), Some(Moment(240_000)));
        assert_eq!(until(r#"{"access_token":"a","expires_in":5}"#), Some(Moment(30_000)));
        assert_eq!(until(r#"{"token":"","access_token":"a"}"#), Some(Moment(48_000)));
        assert_eq!(until(r#"{"token":"a\nb"}"#), None);
        assert_eq!(until(&format!(r#"{{"token":"{}"}}"#, "a".repeat(16 * 1024 + 1))), None);
        assert_eq!(until("{}"), None);
    }

    #[track_caller]
    fn check(header: &str, expected: &str) {
        let challenge = challenge::parse(header).remove(0);
        assert_eq!(token_url(&challenge, "h", "a/b").map(String::from), Ok(expected.to_owned()));
    }

    #[test]
    fn the_servers_scope_is_honoured() {
        check(
            r#"Bearer realm="https://a/token?x=1",service="s s",scope="repository:a/b:pull repository:c:pull""#,
            "https://a/token?x=1&service=s+s&scope=repository%3Aa%2Fb%3Apull&scope=repository%3Ac%3Apull",
        );
        check(r#"Bearer realm="https://a/token""#, "https://a/token?scope=repository%3Aa%2Fb%3Apull");
    }
}
