//! AWS Signature Version 4, as far as one POST without a query needs it.
//! Source: AWS, "Create a signed AWS API request".

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign as hmac};
use secrecy::ExposeSecret;

use super::ecr::AwsKeys;
use crate::repo::Moment;

/// A request that is signed.
pub(super) struct ToSign<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    /// Names in lower case, in order of the alphabet; `host` and `x-amz-date` among them.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// `20150830T123600Z`.
pub(super) fn amz_date(now: Moment) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(now.0).ok()?;
    Some(at.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// The header `Authorization`.
pub(super) fn authorization(request: &ToSign<'_>, keys: &AwsKeys, date: &str) -> String {
    let day = date.split('T').next().unwrap_or_default();
    let ToSign { region, service, .. } = request;
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let headers: String = request.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let (method, path, query) = (request.method, request.path, request.query);
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{}", hash(request.body));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(canonical.as_bytes()));
    let first = format!("AWS4{}", keys.secret.expose_secret());
    let key = [day, region, service, "aws4_request"]
        .iter()
        .fold(first.into_bytes(), |key, part| signature(&key, part.as_bytes()));
    let signature = hex::encode(signature(&key, text.as_bytes()));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", keys.id)
}

fn signature(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac(&Key::new(HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    /// The worked example of AWS's own documentation: `ListUsers` of IAM.
    #[test]
    fn the_documented_example() {
        let keys = AwsKeys {
            id: "AKIDEXAMPLE".to_owned(),
            secret: SecretString::from("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: None,
        };
        let request = ToSign {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &[
                ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
                ("host", "iam.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
            ],
            body: b"",
            region: "us-east-1",
            service: "iam",
        };
        let header = authorization(&request, &keys, "20150830T123600Z");
        let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert!(header.ends_with(&format!("Signature={signature}")), "{header}");
        assert!(header.contains("SignedHeaders=content-type;host;x-amz-date"), "{header}");
    }
}
