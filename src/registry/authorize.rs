//! What a registry wants to see before it answers: credentials, or a token that they buy from the server it names.

use http::header::WWW_AUTHENTICATE;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::address::authority;
use super::challenge::{self, Challenge};
use super::client::{Question, Registries};
use super::error::RegistryError;
use super::exchange::Answer;
use super::quirks::quirk;
use super::settings::{Credential, RealmPair, Secret};
use super::token::{Authorization, Key, fresh, token_url};
use crate::image::ImageName;

/// Some registries' tokens are long, none is longer than this.
const TOKEN_LIMIT: usize = 256 * 1024;

impl Registries {
    /// Asks with what is at hand; on a 401 gets what the registry wants, and asks once more.
    pub(super) async fn authorized(&self, question: &Question<'_>) -> Result<Answer, RegistryError> {
        let key = Key {
            host: question.host().to_owned(),
            repository: question.image.repository().to_owned(),
            audience: self.audience(question.image),
        };
        let slot = self.inner.authorizations.slot(&key);
        let shown = fresh(&slot.lock().await, self.now());
        let home = self.inner.policy.base(question.host())?;
        let answer = self.follow(question, &home, shown.as_ref()).await?;
        if answer.status != StatusCode::UNAUTHORIZED || answer.url.origin() != home.origin() {
            return Ok(answer);
        }
        let mut held = slot.lock().await;
        let newer = fresh(&held, self.now()).filter(|held| shown.as_ref().is_none_or(|s| !s.is_same(held)));
        if let Some(newer) = newer {
            drop(held);
            let answer = self.follow(question, &home, Some(&newer)).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                return Ok(answer);
            }
            held = slot.lock().await;
        }
        *held = None;
        let gained = self.gain(question, &home, &challenges(&answer)).await?;
        let answer = self.follow(question, &home, Some(&gained)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.inner.credentials.refused(question.host()).await;
        } else {
            *held = Some(gained);
        }
        Ok(answer)
    }

    pub(super) async fn credential(&self, host: &str) -> Result<Option<Credential>, RegistryError> {
        self.inner.credentials.of(host, self.owner.as_deref(), self.now()).await
    }

    /// What opens the organisation's own packages, where the registry asks for more than nothing.
    async fn package_credential(&self, image: &ImageName) -> Option<Credential> {
        let packages = self.packages.as_ref().filter(|_| self.is_own_package(image))?;
        let secret = Secret::Password(packages().await?);
        Some(Credential {
            host: image.registry().to_owned(),
            owners: Vec::new(),
            user: "x-access-token".into(),
            secret,
        })
    }

    /// Answers a challenge: by a token where the registry takes one, else by the credentials themselves.
    async fn gain(
        &self,
        question: &Question<'_>,
        home: &Url,
        challenges: &[Challenge],
    ) -> Result<Authorization, RegistryError> {
        let host = question.host();
        let credential = self.credential(host).await?;
        let credential = credential.as_ref();
        let of_scheme = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme == scheme);
        if let Some(bearer) = of_scheme("bearer") {
            let url = token_url(bearer, host, question.image.repository())?;
            let bought = self.buy_token(question, home, url.clone(), credential).await;
            let (Err(RegistryError::Unauthorized { .. }), None) = (&bought, credential) else { return bought };
            // Anonymous first: public packages need nothing.
            let Some(own) = self.package_credential(question.image).await else { return bought };
            return self.buy_token(question, home, url, Some(&own)).await;
        }
        match (of_scheme("basic"), credential) {
            (Some(_), Some(credential)) => Authorization::basic(credential).ok_or_else(|| {
                RegistryError::unauthorized(host, "the registry wants a user and a password, which are not configured")
            }),
            (Some(_), None) => Err(self.unauthorized(host)),
            (None, _) => {
                Err(RegistryError::unauthorized(host, "the registry asks for an authentication unknown to Restow"))
            }
        }
    }

    /// Asks the token server that the registry names; it sees credentials only where it is allowed to.
    async fn buy_token(
        &self,
        question: &Question<'_>,
        home: &Url,
        url: Url,
        credential: Option<&Credential>,
    ) -> Result<Authorization, RegistryError> {
        let host = question.host();
        self.inner.policy.check(host, &url)?;
        if credential.is_some() && !self.may_see_credentials(host, home, &url) {
            let realm = authority(&url);
            return Err(RegistryError::refused(
                host,
                format!(
                    "the registry sends the credentials to {realm}; allow that token server for it by the setting \
                     registry_realms, on the command line --token-server {host}={realm}"
                ),
            ));
        }
        let shown = credential.and_then(Authorization::basic);
        let (url, form) = match credential.map(|credential| &credential.secret) {
            Some(Secret::IdentityToken(token)) => refresh_form(url, token),
            Some(Secret::Password(_) | Secret::Cloud(_)) | None => (url, None),
        };
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let ask = Question { method, form, ..Question::get(question.image, url, "application/json", TOKEN_LIMIT) };
        let answer = self.once(&ask, home, &ask.url, shown.as_ref()).await?;
        match answer.status {
            StatusCode::OK => Authorization::bearer(&answer.body, self.now())
                .ok_or_else(|| RegistryError::invalid(host, "the token server's answer holds no token")),
            // Docker Hub's token server answers 400 or 404 to some wrong names and passwords.
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => Err(self.unauthorized(host)),
            _ => Err(match self.judge(&ask, answer) {
                Ok(_) => RegistryError::invalid(host, "the token server's answer holds no token"),
                Err(error) => error,
            }),
        }
    }

    fn may_see_credentials(&self, registry: &str, home: &Url, realm: &Url) -> bool {
        let same = realm.host() == home.host() && realm.scheme() == home.scheme();
        let listed = |pair: &RealmPair| {
            pair.registry == registry && (realm.host_str() == Some(&pair.realm) || authority(realm) == pair.realm)
        };
        same || self.inner.realms.iter().any(listed)
            || quirk(registry).realms.iter().any(|known| realm.host_str() == Some(known) && realm.scheme() == "https")
    }
}

/// The question to a token server as OAuth 2 writes it: what stood in the address, and the identity token.
fn refresh_form(mut url: Url, token: &SecretString) -> (Url, Option<SecretString>) {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("client_id", "restow");
    for (name, value) in url.query_pairs() {
        form.append_pair(&name, &value);
    }
    form.append_pair("refresh_token", token.expose_secret());
    let form = SecretString::from(form.finish());
    url.set_query(None);
    (url, Some(form))
}

fn challenges(answer: &Answer) -> Vec<Challenge> {
    let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter().take(10);
    headers.filter_map(|header| header.to_str().ok()).flat_map(challenge::parse).collect()
}
