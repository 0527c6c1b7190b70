//! `POST /hooks/registry/{name}`: check the secret, read, store, answer, as [`super::webhook`] does.
//!
//! The secret is shown in one of the ways that registries know: `Authorization: Bearer S`, `Authorization: S`, the
//! password of basic authentication, `X-Gitlab-Token: S`, `?token=S`, or as GitHub's signature of the body. It is never
//! logged, and the address with its query neither. An unknown hook and a wrong secret are one answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Uri};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use tracing::Instrument;

use super::body::{self, LARGE, Received};
use super::webhook::{Refusal, answer, one};
use super::{Malformed, WebState, verify_signature};
use crate::store::{Delivery, NewJob, Recorded};

const SIGNATURE: &str = "x-hub-signature-256";

/// Reads an authentic notification (the hook's name, body) into what is stored of it and the jobs it asks for.
pub type HookIntake = Arc<dyn Fn(&str, &[u8]) -> Result<(Delivery, Vec<NewJob>), Malformed> + Send + Sync>;

/// The hooks of registries: their names with their secrets, and what reads a notification.
#[derive(Clone)]
pub struct Hooks {
    secrets: Arc<BTreeMap<String, SecretString>>,
    intake: HookIntake,
}

impl Hooks {
    /// Hooks by their names, the last parts of their paths.
    pub fn new(secrets: BTreeMap<String, SecretString>, intake: HookIntake) -> Self {
        Self { secrets: Arc::new(secrets), intake }
    }
}

impl Default for Hooks {
    /// None: every notification is refused.
    fn default() -> Self {
        Self::new(BTreeMap::new(), Arc::new(|_, _| Err(Malformed::new("there are no hooks"))))
    }
}

/// No such hook, or another secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no hook has this name and secret; the setting registry_hooks names both")]
pub(super) struct UnknownHook;

/// A hook whose sender has proved itself, or is to prove itself by the body.
struct Known {
    name: String,
    secret: SecretString,
    proof: Proof,
}

enum Proof {
    Shown,
    /// GitHub's signature, which is still to be checked.
    Signature(String),
}

/// Takes a notification; the log's span carries the name of a hook that there is, never the address.
pub(super) async fn receive(
    State(state): State<WebState>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let shown = if state.hooks.secrets.contains_key(&name) { name.as_str() } else { "-" };
    let span = tracing::info_span!("hook", name = shown);
    async { answer(take(&state, &name, parts, body).await) }.instrument(span).await
}

/// The secret first: nothing is read of what a stranger sends.
async fn take(state: &WebState, name: &str, parts: Parts, body: Body) -> Result<Recorded, Refusal> {
    let known = identify(&state.hooks.secrets, name, &parts)?;
    let received = body::receive(state, &parts.headers, body).await?;
    let (delivery, jobs) = examine(&state.hooks.intake, known, received).await?;
    Ok(state.store.record_delivery(delivery, jobs).await?)
}

async fn examine(intake: &HookIntake, known: Known, received: Received) -> Result<(Delivery, Vec<NewJob>), Refusal> {
    if received.bytes.len() <= LARGE {
        return read(intake, &known, &received.bytes);
    }
    let (intake, span) = (Arc::clone(intake), tracing::Span::current());
    tokio::task::spawn_blocking(move || span.in_scope(|| read(&intake, &known, &received.bytes))).await?
}

fn read(intake: &HookIntake, known: &Known, body: &[u8]) -> Result<(Delivery, Vec<NewJob>), Refusal> {
    if let Proof::Signature(signature) = &known.proof {
        verify_signature(std::slice::from_ref(&known.secret), signature, body).map_err(|_| UnknownHook)?;
    }
    Ok(intake(&known.name, body)?)
}

/// The hook, where the sender shows its secret, or a signature that is yet to be checked.
fn identify(secrets: &BTreeMap<String, SecretString>, name: &str, parts: &Parts) -> Result<Known, UnknownHook> {
    let secret = secrets.get(name).cloned();
    // A hook that there is not takes as long as one that there is.
    let expected = secret.clone().unwrap_or_default();
    let shown = shown(&parts.headers, &parts.uri).iter().fold(false, |found, one| found | is_same(&expected, one));
    let signature = one(&parts.headers, SIGNATURE).map(str::to_owned);
    let secret = secret.ok_or(UnknownHook)?;
    let proof = match (shown, signature) {
        (true, _) => Proof::Shown,
        (false, Some(signature)) => Proof::Signature(signature),
        (false, None) => return Err(UnknownHook),
    };
    Ok(Known { name: name.to_owned(), secret, proof })
}

/// In constant time, whatever the lengths.
fn is_same(expected: &SecretString, shown: &SecretString) -> bool {
    let hash = |secret: &SecretString| digest(&SHA256, secret.expose_secret().as_bytes());
    verify_slices_are_equal(hash(expected).as_ref(), hash(shown).as_ref()).is_ok()
}

/// All that may be the secret.
fn shown(headers: &HeaderMap, uri: &Uri) -> Vec<SecretString> {
    let authorization = one(headers, "authorization");
    let scheme = authorization.and_then(|text| text.split_once(' '));
    let after =
        |name: &str| scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(name)).map(|(_, rest)| rest.trim());
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let token = query.into_iter().find(|(name, _)| name == "token").map(|(_, value)| value.into_owned());
    [
        authorization.map(str::to_owned),
        after("bearer").map(str::to_owned),
        after("basic").and_then(password),
        one(headers, "x-gitlab-token").map(str::to_owned),
        token,
    ]
    .into_iter()
    .flatten()
    .map(SecretString::from)
    .collect()
}

fn password(credentials: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}
