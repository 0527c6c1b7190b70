//! The signature of a webhook: `X-Hub-Signature-256: sha256=<hex HMAC-SHA-256 of the raw body>`.
//!
//! <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

/// No secret made this signature of this body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is missing or wrong; is the webhook secret the one that GitHub knows?")]
pub struct BadSignature;

const SHA256_BYTES: usize = 32;

/// Checks, in constant time, that `header` signs the raw `body` with one of the secrets. An empty secret signs nothing.
///
/// # Errors
/// It does not, or is of another form.
pub fn verify_signature(secrets: &[SecretString], header: &str, body: &[u8]) -> Result<(), BadSignature> {
    let hex = header.strip_prefix("sha256=").ok_or(BadSignature)?;
    let mut tag = [0; SHA256_BYTES];
    hex::decode_to_slice(hex, &mut tag).map_err(|_| BadSignature)?;
    let signed = secrets.iter().filter(|secret| !secret.expose_secret().is_empty()).any(|secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        hmac::verify(&key, body, &tag).is_ok()
    });
    if signed { Ok(()) } else { Err(BadSignature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[track_caller]
    fn check(secrets: &[&str], header: &str, body: &[u8], valid: bool) {
        let secrets: Vec<_> = secrets.iter().map(|&secret| SecretString::from(secret)).collect();
        assert_eq!(verify_signature(&secrets, header, body).is_ok(), valid, "{header:?}");
    }

    #[test]
    fn githubs_own_example() {
        check(&[SECRET], SIGNATURE, BODY, true);
        check(&["new", SECRET], SIGNATURE, BODY, true);
        check(&[SECRET, "old"], SIGNATURE, BODY, true);
        check(&["new"], SIGNATURE, BODY, false);
        check(&[], SIGNATURE, BODY, false);
        check(&[SECRET], SIGNATURE, b"Hello, World", false);
    }

    #[test]
    fn other_forms_are_refused() {
        let digest = SIGNATURE.trim_start_matches("sha256=");
        for header in [
            "",
            "sha256=",
            digest,
            &format!("sha1={digest}"),
            &format!("SHA256={digest}"),
            &format!("sha256={digest}00"),
            &format!("sha256={}", &digest[2..]),
            &format!("sha256= {digest}"),
            &format!("sha256={}zz", &digest[2..]),
        ] {
            check(&[SECRET], header, BODY, false);
        }
    }

    #[test]
    fn an_empty_secret_signs_nothing() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"");
        let forged = format!("sha256={}", hex::encode(hmac::sign(&key, BODY)));
        check(&[""], &forged, BODY, false);
    }
}
