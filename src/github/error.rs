//! What can go wrong with a call to GitHub, and what the caller may do about it.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::transport::{Answer, Call};
use crate::repo::Moment;

/// GitHub's documented wait for a limit that names no time of its own.
const UNNAMED_WAIT: Duration = Duration::from_secs(60);
/// The primary limit's window is an hour; a longer wait is an error in a header.
const LONGEST_WAIT: Duration = Duration::from_secs(3700);
/// How much of a message from GitHub is kept.
const LONGEST_MESSAGE: usize = 500;

/// A call to GitHub that did not do what it should.
///
/// `call` is the method and the path, without query, token or body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitHubError {
    /// It may work later: a rate limit, an error of the server or of the network.
    #[error("{call}: {reason}")]
    Retry {
        /// The call.
        call: String,
        /// How long to wait at least; `None` where GitHub does not say.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// GitHub does not accept the App's key or its token.
    #[error(
        "{call}: GitHub refuses the App's authentication ({message}); check the App id, the private key and the clock"
    )]
    Unauthorized {
        /// The call.
        call: String,
        /// GitHub's words.
        message: String,
    },
    /// The App may not do this in this repository.
    #[error("{call}: GitHub forbids it: {message}")]
    Forbidden {
        /// The call.
        call: String,
        /// GitHub's words.
        message: String,
    },
    /// It is not there, or the App may not see it: GitHub answers both alike.
    #[error("{call}: not found, or the App has no access to it")]
    NotFound {
        /// The call.
        call: String,
    },
    /// The state of the repository is in the way: it is empty, or something changed meanwhile.
    #[error("{call}: conflict: {message}")]
    Conflict {
        /// The call.
        call: String,
        /// GitHub's words.
        message: String,
    },
    /// The rules of the repository are in the way now: a merge that something required does not yet allow.
    #[error("{call}: not allowed now: {message}")]
    NotAllowed {
        /// The call.
        call: String,
        /// GitHub's words.
        message: String,
    },
    /// GitHub understood the request and refuses its content.
    #[error("{call}: refused: {message}{}", list(errors))]
    Unprocessable {
        /// The call.
        call: String,
        /// GitHub's words.
        message: String,
        /// What is wrong with which field.
        errors: Vec<String>,
    },
    /// The answer is larger than the caller takes.
    #[error("{call}: the answer has more than {limit} bytes")]
    TooLarge {
        /// The call.
        call: String,
        /// The bound, in bytes.
        limit: usize,
    },
    /// Trying again cannot help: an answer of an unknown form, a wrong setting.
    #[error("{call}: {reason}")]
    Permanent {
        /// The call.
        call: String,
        /// What happened.
        reason: String,
    },
}

/// What the caller may do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Try again, after this wait where one is known.
    Retry(Option<Duration>),
    /// Trying again does not help.
    Permanent,
    /// A person has to change something: permissions, repository settings.
    User,
}

fn list(errors: &[String]) -> String {
    if errors.is_empty() { String::new() } else { format!(" ({})", errors.join("; ")) }
}

impl GitHubError {
    pub(super) fn retry(call: &Call, reason: impl Into<String>) -> Self {
        Self::Retry { call: call.name(), after: None, reason: reason.into() }
    }

    pub(super) fn permanent(call: &Call, reason: impl Into<String>) -> Self {
        Self::Permanent { call: call.name(), reason: reason.into() }
    }

    /// What the caller may do about it.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Retry { after, .. } => Disposition::Retry(*after),
            // A key that is being replaced, a clock that is put right: the credentials may be good again.
            Self::Unauthorized { .. } => Disposition::Retry(None),
            Self::Forbidden { .. } | Self::NotFound { .. } => Disposition::User,
            Self::Conflict { .. }
            | Self::NotAllowed { .. }
            | Self::Unprocessable { .. }
            | Self::TooLarge { .. }
            | Self::Permanent { .. } => Disposition::Permanent,
        }
    }

    /// How long to wait before the next try; `None` where no try helps or no wait is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.disposition() {
            Disposition::Retry(after) => after,
            Disposition::Permanent | Disposition::User => None,
        }
    }

    /// Whether GitHub's words contain `text`; for the few refusals that only their words tell apart.
    pub(super) fn says(&self, text: &str) -> bool {
        match self {
            Self::Unprocessable { message, errors, .. } => {
                message.contains(text) || errors.iter().any(|error| error.contains(text))
            }
            Self::Forbidden { message, .. } | Self::Conflict { message, .. } => message.contains(text),
            Self::Retry { .. }
            | Self::Unauthorized { .. }
            | Self::NotFound { .. }
            | Self::NotAllowed { .. }
            | Self::TooLarge { .. }
            | Self::Permanent { .. } => false,
        }
    }
}

/// `Ok(None)` where the thing is not there.
pub(super) fn optional<T>(result: Result<T, GitHubError>) -> Result<Option<T>, GitHubError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(GitHubError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads an answer's status: `Ok` for a success and for a redirect that was asked for.
pub(super) fn judge(call: &Call, answer: &Answer, now: Moment) -> Result<(), GitHubError> {
    let name = call.name();
    match answer.status {
        status if status.is_success() || status == StatusCode::FOUND => Ok(()),
        StatusCode::UNAUTHORIZED => Err(GitHubError::Unauthorized { call: name, message: words(answer).message }),
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => Err(forbidden(name, answer, now)),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(GitHubError::NotFound { call: name }),
        StatusCode::METHOD_NOT_ALLOWED => Err(GitHubError::NotAllowed { call: name, message: words(answer).message }),
        StatusCode::CONFLICT => Err(GitHubError::Conflict { call: name, message: words(answer).message }),
        StatusCode::UNPROCESSABLE_ENTITY => {
            let Words { message, errors } = words(answer);
            Err(GitHubError::Unprocessable { call: name, message, errors })
        }
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            let after = seconds(&answer.headers, "retry-after").map(bounded);
            Err(GitHubError::Retry { call: name, after, reason: format!("GitHub answers {status}") })
        }
        status => {
            let reason = format!("GitHub answers {status}: {}", words(answer).message);
            Err(GitHubError::Permanent { call: name, reason })
        }
    }
}

fn forbidden(call: String, answer: &Answer, now: Moment) -> GitHubError {
    let message = words(answer).message;
    match rate_limit(answer, &message, now) {
        Some(wait) => GitHubError::Retry { call, after: Some(wait), reason: format!("rate limit: {message}") },
        None => GitHubError::Forbidden { call, message },
    }
}

/// How long a 403 or 429 asks to wait; `None` where it is no rate limit.
/// Source: GitHub documentation, "Rate limits for the REST API", exceeding the rate limit.
fn rate_limit(answer: &Answer, message: &str, now: Moment) -> Option<Duration> {
    let headers = &answer.headers;
    if let Some(wait) = seconds(headers, "retry-after") {
        return Some(bounded(wait));
    }
    if seconds(headers, "x-ratelimit-remaining") == Some(0) {
        let Some(reset) = seconds(headers, "x-ratelimit-reset") else { return Some(UNNAMED_WAIT) };
        let reset = i64::try_from(reset).unwrap_or(i64::MAX);
        let wait = reset.saturating_mul(1000).saturating_sub(now.0).max(0);
        // One second more: the header is cut to whole seconds.
        return Some(bounded(u64::try_from(wait).unwrap_or(0).div_ceil(1000) + 1));
    }
    let lower = message.to_ascii_lowercase();
    let secondary = lower.contains("secondary rate limit") || lower.contains("abuse detection");
    (secondary || answer.status == StatusCode::TOO_MANY_REQUESTS).then_some(UNNAMED_WAIT)
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn bounded(seconds: u64) -> Duration {
    Duration::from_secs(seconds).min(LONGEST_WAIT)
}

struct Words {
    message: String,
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: serde_json::Value,
}

/// GitHub's explanation: a message, and errors that are texts or objects.
fn words(answer: &Answer) -> Words {
    let Ok(body) = serde_json::from_slice::<ErrorBody>(&answer.body) else {
        return Words { message: "no explanation".to_owned(), errors: Vec::new() };
    };
    let errors = match body.errors {
        serde_json::Value::Array(errors) => errors.iter().take(10).map(one_error).collect(),
        serde_json::Value::String(text) => vec![cut(&text)],
        _ => Vec::new(),
    };
    Words { message: cut(&body.message), errors }
}

fn one_error(error: &serde_json::Value) -> String {
    let field = |name: &str| error.get(name).and_then(serde_json::Value::as_str);
    match (error.as_str(), field("message")) {
        (Some(text), _) | (None, Some(text)) => cut(text),
        (None, None) => {
            let parts = [field("resource"), field("field"), field("code")];
            cut(&parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000_000_000);

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, headers: map, body: body.to_owned().into() }
    }

    #[track_caller]
    fn check(answer: &Answer, expected: Disposition) {
        let error = judge(&Call::get("/x?secret=1".to_owned()), answer, NOW).expect_err("an error");
        assert_eq!(error.disposition(), expected, "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    const fn wait(seconds: u64) -> Disposition {
        Disposition::Retry(Some(Duration::from_secs(seconds)))
    }

    #[test]
    fn limits_say_how_long_to_wait() {
        check(&answer(429, &[("retry-after", "7")], ""), wait(7));
        check(&answer(403, &[("retry-after", "30"), ("x-ratelimit-remaining", "0")], ""), wait(30));
        check(&answer(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000120")], ""), wait(121));
        check(&answer(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")], ""), wait(1));
        check(&answer(403, &[], r#"{"message":"You have exceeded a secondary rate limit."}"#), wait(60));
        check(&answer(429, &[], ""), wait(60));
        check(&answer(429, &[("retry-after", "999999999")], ""), wait(3700));
    }

    #[test]
    fn what_is_no_limit_is_told_apart() {
        let refused = r#"{"message":"Resource not accessible by integration"}"#;
        check(&answer(403, &[("x-ratelimit-remaining", "4999")], refused), Disposition::User);
        check(&answer(404, &[], ""), Disposition::User);
        check(&answer(401, &[], ""), Disposition::Retry(None));
        check(&answer(409, &[], ""), Disposition::Permanent);
        check(&answer(418, &[], "<html>"), Disposition::Permanent);
        check(&answer(502, &[], "<html>"), Disposition::Retry(None));
        check(&answer(503, &[("retry-after", "5")], ""), wait(5));
    }

    #[test]
    fn refusals_keep_githubs_words() {
        let body = r#"{"message":"Validation Failed","errors":[
            {"resource":"PullRequest","code":"custom","message":"A pull request already exists for acme:x."},
            {"resource":"Reference","field":"sha","code":"invalid"}, "plain"]}"#;
        let error = judge(&Call::get("/x".to_owned()), &answer(422, &[], body), NOW).expect_err("an error");
        assert_eq!(
            error.to_string(),
            "GET /x: refused: Validation Failed (A pull request already exists for acme:x.; Reference sha invalid; plain)"
        );
        assert!(error.says("already exists"));
    }
}
