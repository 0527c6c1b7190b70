//! One exchange with a registry: the request, its redirects, the answer within its bounds.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret;
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::address::RefusedAddress;
use super::client::{Question, Reading, Registries};
use super::error::RegistryError;
use super::token::Authorization;

/// Redirects of one request.
const MAX_REDIRECTS: usize = 5;
/// Names and values of one answer's headers.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;

/// A body on its way, and the turn at its registry that it takes up.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) response: reqwest::Response,
    pub(super) turn: Option<OwnedSemaphorePermit>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The body that is not read yet, where the question wants it so.
    pub(super) open: Option<Open>,
    /// Where it came from in the end.
    pub(super) url: Url,
}

impl Answer {
    pub(super) fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Registries {
    /// Follows redirects; the authorization stays at the registry's own origin, its `home`.
    pub(super) async fn follow(
        &self,
        question: &Question<'_>,
        home: &Url,
        shown: Option<&Authorization>,
    ) -> Result<Answer, RegistryError> {
        let mut url = question.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            self.inner.policy.check(question.host(), &url)?;
            let own = url.origin() == home.origin();
            let answer = self.once(question, home, &url, shown.filter(|_| own)).await?;
            if !is_redirect(answer.status) {
                return Ok(answer);
            }
            let next = answer.header(LOCATION).and_then(|location| url.join(location).ok());
            url = next.ok_or_else(|| {
                RegistryError::invalid(question.host(), "the registry redirects without saying where to")
            })?;
        }
        Err(RegistryError::invalid(question.host(), "the registry redirects in a circle"))
    }

    /// One request. A client certificate is shown to the registry itself only, at its own origin, its `home`.
    pub(super) async fn once(
        &self,
        question: &Question<'_>,
        home: &Url,
        url: &Url,
        shown: Option<&Authorization>,
    ) -> Result<Answer, RegistryError> {
        let host = question.host();
        if self.inner.proxied {
            self.inner.policy.check_resolved(host, url).await?;
        }
        let certified = Some(host).filter(|_| url.origin() == home.origin());
        let client = self.inner.transport.to(certified);
        let mut request = client.request(question.method.clone(), url.clone()).header(ACCEPT, question.accept);
        if let Some(etag) = question.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(form) = &question.form {
            request =
                request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.expose_secret().to_owned());
        }
        if let Some(authorization) = shown {
            request = request.header(AUTHORIZATION, authorization.header.clone());
        }
        let response = request.send().await.map_err(|error| unreached(host, &error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        if question.is_pull() && status.is_success() {
            metrics::counter!("restow_registry_pulls_total", "host" => host.to_owned()).increment(1);
        }
        let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if header_bytes > MAX_HEADER_BYTES {
            return Err(RegistryError::invalid(host, format!("the registry's headers have {header_bytes} bytes")));
        }
        if question.reading == Reading::Open && status == StatusCode::OK {
            let open = Some(Open { response, turn: None });
            return Ok(Answer { status, headers, body: Bytes::new(), open, url: url.clone() });
        }
        let mut body = BytesMut::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| unreached(host, &error))?;
            if body.len() + piece.len() > question.limit {
                let limit = question.limit;
                return Err(RegistryError::invalid(host, format!("the registry's answer has more than {limit} bytes")));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body: body.freeze(), open: None, url: url.clone() })
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

/// Says why a registry was not reached, in the words of the error that began it.
pub(super) fn unreached(host: &str, error: &reqwest::Error) -> RegistryError {
    let mut innermost: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if innermost.is::<RefusedAddress>() {
        return RegistryError::refused(host, innermost.to_string());
    }
    let what =
        if error.is_timeout() { "the registry did not answer in time" } else { "the registry cannot be reached" };
    let told = innermost.to_string();
    // What TLS says of a server that answers in plain text.
    if told.contains("InvalidContentType") {
        let reason = "it does not speak https; where it shall be asked by plain http, name it with --insecure-registry, or \
                      in the setting insecure_registries";
        return RegistryError::unavailable(host, reason.to_owned());
    }
    RegistryError::unavailable(host, format!("{what}: {told}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::address::{AddressPolicy, GuardedResolver};
    use super::*;

    #[tokio::test]
    async fn a_refused_name_is_told_apart_from_a_broken_registry() {
        let resolver = GuardedResolver(Arc::new(AddressPolicy::default()));
        let client = reqwest::Client::builder().dns_resolver(resolver).no_proxy().build().expect("a client");
        let error = client.get("http://localhost:1/").send().await.expect_err("refused");
        let error = unreached("registry.example.com", &error);
        assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("localhost has no public address"), "{error}");
    }
}
