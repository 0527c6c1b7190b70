//! Azure Container Registry: a token of Microsoft Entra is exchanged for the registry's own refresh token, which its
//! token server takes as an identity token.
//! Source: Azure, "Authenticate with a Microsoft Entra token" and `AAD-OAuth.md` of Azure/acr.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::gar::is_label;
use super::{Clouds, Gained, failed, token_file};
use crate::registry::error::RegistryError;
use crate::registry::settings::Secret;
use crate::repo::Moment;

/// The clouds of Azure: how registries' names end, where Microsoft Entra is, and the resource for which a token is asked
/// that the registry takes. Source: Azure, "Differences between national clouds".
const CLOUDS: [(&str, &str, &str); 3] = [
    (".azurecr.io", "https://login.microsoftonline.com/", "https://management.azure.com/"),
    (".azurecr.cn", "https://login.chinacloudapi.cn/", "https://management.chinacloudapi.cn/"),
    (".azurecr.us", "https://login.microsoftonline.us/", "https://management.usgovcloudapi.net/"),
];
/// A refresh token lives three hours; one that does not say is used for one.
const USUAL_LIFE_MS: i64 = 3_600_000;

/// Who Restow is at Azure, as the usual variables of the environment say.
#[derive(Debug, Clone, Default)]
pub struct AzureIdentity {
    /// `AZURE_CLIENT_ID`: which identity, where the machine has several.
    pub client: Option<String>,
    /// `AZURE_TENANT_ID`.
    pub tenant: Option<String>,
    /// `AZURE_FEDERATED_TOKEN_FILE`: the workload's token; without it the machine's managed identity is used.
    pub federated_token_file: Option<PathBuf>,
    /// `AZURE_AUTHORITY_HOST`: where Microsoft Entra is; otherwise as the registry's name says.
    pub authority: Option<Url>,
}

#[derive(Deserialize)]
struct AccessToken {
    access_token: SecretString,
}

#[derive(Deserialize)]
struct RefreshToken {
    refresh_token: SecretString,
}

#[derive(Deserialize)]
struct Life {
    exp: i64,
}

pub(super) fn serves(host: &str) -> bool {
    CLOUDS.iter().any(|(end, ..)| host.strip_suffix(end).is_some_and(is_label))
}

/// Where Entra is and what is asked of it, for a registry's cloud.
fn cloud_of(host: &str) -> (&'static str, &'static str) {
    let [usual, ..] = CLOUDS;
    let (_, authority, resource) = CLOUDS.into_iter().find(|(end, ..)| host.ends_with(end)).unwrap_or(usual);
    (authority, resource)
}

pub(super) async fn gain(
    clouds: &Clouds,
    identity: &AzureIdentity,
    host: &str,
    now: Moment,
) -> Result<Gained, RegistryError> {
    const STEP: &str = "exchanging the Entra token at the registry";
    let entra = match &identity.federated_token_file {
        Some(file) => workload_token(clouds, identity, file, host).await?,
        None => machine_token(clouds, identity, host).await?,
    };
    let door = match &clouds.endpoints.acr {
        Some(door) => door.clone(),
        None => Url::parse(&format!("https://{host}/")).map_err(|_| failed(host, STEP, "the address is none"))?,
    };
    let url = door.join("oauth2/exchange").map_err(|_| failed(host, STEP, "the address is none"))?;
    let mut form = vec![("grant_type", "access_token"), ("service", host)];
    form.extend(identity.tenant.as_deref().map(|tenant| ("tenant", tenant)));
    form.push(("access_token", entra.expose_secret()));
    let token: RefreshToken = Clouds::ask(host, STEP, clouds.public.post(url).form(&form)).await?;
    let until = end_of(&token.refresh_token).unwrap_or(now.plus_ms(USUAL_LIFE_MS));
    Ok(Gained { user: String::new(), secret: Secret::IdentityToken(token.refresh_token), until })
}

async fn machine_token(clouds: &Clouds, identity: &AzureIdentity, host: &str) -> Result<SecretString, RegistryError> {
    const STEP: &str = "asking the machine's metadata service for its managed identity";
    let url = clouds.endpoints.metadata.join("metadata/identity/oauth2/token");
    let mut url = url.map_err(|_| failed(host, STEP, "the address is none"))?;
    url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", cloud_of(host).1);
    if let Some(client) = &identity.client {
        url.query_pairs_mut().append_pair("client_id", client);
    }
    let token: AccessToken = Clouds::ask(host, STEP, clouds.direct.get(url).header("metadata", "true")).await?;
    Ok(token.access_token)
}

async fn workload_token(
    clouds: &Clouds,
    identity: &AzureIdentity,
    file: &std::path::Path,
    host: &str,
) -> Result<SecretString, RegistryError> {
    const STEP: &str = "asking Microsoft Entra for the workload's token";
    let (Some(client), Some(tenant)) = (&identity.client, &identity.tenant) else {
        return Err(failed(host, STEP, "AZURE_CLIENT_ID and AZURE_TENANT_ID must be set beside the token file"));
    };
    let assertion = token_file(host, file).await?;
    let (usual, resource) = cloud_of(host);
    let authority = clouds.endpoints.entra.clone().or_else(|| identity.authority.clone());
    let authority = authority.or_else(|| Url::parse(usual).ok());
    let authority = authority.filter(|url| clouds.endpoints.entra.is_some() || url.scheme() == "https");
    let authority = authority.ok_or_else(|| failed(host, STEP, "AZURE_AUTHORITY_HOST is no https address"))?;
    let url = authority.join(&format!("{tenant}/oauth2/v2.0/token"));
    let url = url.map_err(|_| failed(host, STEP, "the address is none"))?;
    let scope = format!("{resource}.default");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("scope", &scope),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.expose_secret()),
    ];
    let token: AccessToken = Clouds::ask(host, STEP, clouds.public.post(url).form(&form)).await?;
    Ok(token.access_token)
}

/// When a token ends, as it says itself; it is read, not verified: the registry does that.
fn end_of(token: &SecretString) -> Option<Moment> {
    let payload = token.expose_secret().split('.').nth(1)?;
    let life: Life = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(Moment(life.exp.checked_mul(1000)?))
}
