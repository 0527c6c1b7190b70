//! Who asks: the App by its JSON web token, or an installation by its token.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::delivery::random_hex;
use super::model::{APP_ID, Permissions, State, Token};
use super::reply::{Outcome, Reply};

struct Keys {
    private_pem: String,
    public_pem: String,
}

/// One key pair for the process: making one takes longer than most tests.
fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("an RSA key can be made");
        let private: Pkcs8V1Der<'_> = pair.as_der().expect("an RSA key can be written");
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("an RSA key can be written");
        Keys { private_pem: pem("PRIVATE KEY", private.as_ref()), public_pem: pem("PUBLIC KEY", public.as_ref()) }
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The App's private key, as GitHub hands it out.
pub(crate) fn private_key_pem() -> &'static str {
    &keys().private_pem
}

/// Who a request comes from.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    App,
    Installation(Token),
}

impl State {
    /// Reads the `Authorization` header.
    pub(crate) fn caller(&self, header: Option<&str>) -> Result<Caller, Reply> {
        let bad = || Reply::message(401, "Bad credentials");
        let secret = header.and_then(|header| {
            let (kind, secret) = header.split_once(' ')?;
            (kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("token")).then_some(secret)
        });
        let Some(secret) = secret else { return Err(Reply::message(401, "Requires authentication")) };
        if secret.starts_with("ghs_") {
            let token = self.tokens.get(secret).ok_or_else(bad)?;
            let live = self.installations.get(&token.installation).ok_or_else(bad)?;
            if token.expires <= self.clock.now_seconds() {
                return Err(bad());
            }
            if live.suspended_at.is_some() {
                return Err(Reply::message(403, "This installation has been suspended"));
            }
            return Ok(Caller::Installation(token.clone()));
        }
        self.check_jwt(secret)?;
        Ok(Caller::App)
    }

    fn check_jwt(&self, token: &str) -> Result<(), Reply> {
        let refuse = |why: &str| Reply::message(401, why);
        let key = DecodingKey::from_rsa_pem(keys().public_pem.as_bytes()).expect("impossible: the world's own key");
        let mut validation = Validation::new(Algorithm::RS256);
        // The world's clock decides, not the machine's.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let decoded = jsonwebtoken::decode::<Value>(token, &key, &validation);
        let claims = decoded.map_err(|_| refuse("A JSON web token could not be decoded"))?.claims;
        let issuer =
            claims["iss"].as_str().map(str::to_owned).or_else(|| claims["iss"].as_u64().map(|n| n.to_string()));
        if issuer != Some(APP_ID.to_string()) {
            return Err(refuse("'Issuer' claim ('iss') must be an Integer"));
        }
        let now = self.clock.now_seconds();
        let (Some(issued), Some(expires)) = (claims["iat"].as_i64(), claims["exp"].as_i64()) else {
            return Err(refuse("'Expiration time' claim ('exp') must be a numeric value"));
        };
        if expires <= now {
            return Err(refuse(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            ));
        }
        if expires > now + 600 {
            return Err(refuse("'Expiration time' claim ('exp') is too far in the future"));
        }
        if issued > now {
            return Err(refuse(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            ));
        }
        Ok(())
    }

    /// Hands out an installation token, as narrow as asked.
    pub(crate) fn mint(&mut self, id: u64, body: &Value) -> Outcome {
        let Some(it) = self.installations.get(&id) else { return Err(Reply::not_found()) };
        if it.suspended_at.is_some() {
            return Err(Reply::message(403, "This installation has been suspended"));
        }
        let beyond = |what: &str| Reply::message(422, what);
        let permissions = match &body["permissions"] {
            Value::Object(asked) => narrowed(&it.permissions, asked)
                .ok_or_else(|| beyond("The permissions requested are not granted to this installation."))?,
            _ => it.permissions.clone(),
        };
        let mut repos: Option<BTreeSet<u64>> = None;
        if let Value::Array(ids) = &body["repository_ids"] {
            repos = Some(ids.iter().filter_map(Value::as_u64).collect());
        }
        if let Value::Array(names) = &body["repositories"] {
            let of = |name: &Value| {
                let full = format!("{}/{}", it.account, name.as_str().unwrap_or_default());
                self.find_repo(&full).map_or(0, |repo| repo.id)
            };
            repos.get_or_insert_default().extend(names.iter().map(of));
        }
        if repos.as_ref().is_some_and(|repos| !repos.is_subset(&it.repos)) {
            return Err(beyond(
                "There is at least one repository that does not exist or is not accessible to the parent installation.",
            ));
        }
        let secret = format!("ghs_{APP_ID}_{}.{}", random_hex(40), random_hex(40));
        let expires = self.clock.now_seconds() + 3600;
        let selection = "selected";
        let mut answer = json!({
            "token": secret, "expires_at": crate::clock::rfc3339(expires), "permissions": permissions,
            "repository_selection": selection,
        });
        if let Some(repos) = &repos {
            let all = repos.iter().map(|id| super::json::repository(self, self.repo(*id)));
            answer["repositories"] = all.collect();
        }
        self.tokens.insert(secret, Token { installation: id, repos, permissions, expires });
        Ok(Reply::json(201, answer))
    }
}

fn narrowed(granted: &Permissions, asked: &serde_json::Map<String, Value>) -> Option<Permissions> {
    let level = |name: &String, level: &Value| {
        let level = level.as_str()?;
        allows(granted.get(name).map(String::as_str), level).then(|| (name.clone(), level.to_owned()))
    };
    let mut out: Permissions = asked.iter().map(|(name, asked)| level(name, asked)).collect::<Option<_>>()?;
    out.entry("metadata".to_owned()).or_insert_with(|| "read".to_owned());
    Some(out)
}

/// Whether a granted level covers a wanted one.
pub(crate) fn allows(granted: Option<&str>, wanted: &str) -> bool {
    let rank = |level: &str| ["read", "write", "admin"].iter().position(|known| *known == level);
    match (granted.and_then(rank), rank(wanted)) {
        (Some(granted), Some(wanted)) => granted >= wanted,
        _ => false,
    }
}
