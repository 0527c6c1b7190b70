//! Google Artifact Registry: the metadata server gives the machine's or the workload's token, which is a password.
//! Source: Google Cloud, "Access the metadata server"; "Configure authentication to Artifact Registry for Docker".

use secrecy::SecretString;
use serde::Deserialize;

use super::{Clouds, Gained, failed};
use crate::registry::error::RegistryError;
use crate::registry::settings::Secret;
use crate::repo::Moment;

#[derive(Deserialize)]
struct Token {
    access_token: SecretString,
    expires_in: u32,
}

pub(super) fn serves(host: &str) -> bool {
    host == "gcr.io" || [".gcr.io", ".pkg.dev"].iter().any(|end| host.strip_suffix(end).is_some_and(is_label))
}

pub(super) fn is_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

pub(super) async fn gain(clouds: &Clouds, host: &str, now: Moment) -> Result<Gained, RegistryError> {
    const STEP: &str = "asking Google's metadata server for a token (it is there on Google's machines only)";
    const PATH: &str = "computeMetadata/v1/instance/service-accounts/default/token";
    let url = clouds.endpoints.google_metadata.join(PATH).map_err(|_| failed(host, STEP, "the address is none"))?;
    let request = clouds.direct.get(url).header("metadata-flavor", "Google");
    let token: Token = Clouds::ask(host, STEP, request).await?;
    let until = now.plus_ms(i64::from(token.expires_in) * 1000);
    Ok(Gained { user: "oauth2accesstoken".to_owned(), secret: Secret::Password(token.access_token), until })
}
