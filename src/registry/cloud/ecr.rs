//! Amazon ECR: a signed `GetAuthorizationToken` gives a password for twelve hours. Who signs is found as Amazon's own
//! tools find it: keys, a web identity, a container's credentials, the machine's role.
//! Source: Amazon ECR API reference; AWS SDKs and Tools reference, "Standardized credential providers".

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::sign::{ToSign, amz_date, authorization};
use super::{Clouds, Gained, failed, token_file};
use crate::registry::error::RegistryError;
use crate::registry::settings::Secret;
use crate::repo::Moment;

/// Keys that sign.
#[derive(Debug, Clone)]
pub struct AwsKeys {
    /// The access key's id.
    pub id: String,
    /// The secret access key.
    pub secret: SecretString,
    /// The session token of temporary keys.
    pub session: Option<SecretString>,
}

/// Who Restow is at Amazon, as the usual variables of the environment say; the first that is there counts.
#[derive(Debug, Clone, Default)]
pub struct AwsIdentity {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
    pub keys: Option<AwsKeys>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`.
    pub web_identity: Option<(PathBuf, String)>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI` or `_RELATIVE_URI`.
    pub container: Option<String>,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
    pub container_token_file: Option<PathBuf>,
}

/// An ECR registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registry {
    region: String,
    /// `amazonaws.com`, in China `amazonaws.com.cn`.
    domain: String,
    public: bool,
}

impl Registry {
    /// `123456789012.dkr.ecr.eu-west-1.amazonaws.com`, or `public.ecr.aws`.
    pub(super) fn of(host: &str) -> Option<Self> {
        if host == "public.ecr.aws" {
            let (region, domain) = ("us-east-1".to_owned(), "amazonaws.com".to_owned());
            return Some(Self { region, domain, public: true });
        }
        let (account, rest) = host.split_once(".dkr.ecr.")?;
        let (region, domain) = rest.split_once('.')?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let is_region = region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let is_domain = matches!(domain, "amazonaws.com" | "amazonaws.com.cn");
        let registry = || Self { region: region.to_owned(), domain: domain.to_owned(), public: false };
        (is_account && is_region && is_domain).then(registry)
    }

    fn service(&self) -> &'static str {
        if self.public { "ecr-public" } else { "ecr" }
    }

    fn target(&self) -> &'static str {
        match self.public {
            true => "SpencerFrontendService.GetAuthorizationToken",
            false => "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
        }
    }

    fn endpoint(&self) -> String {
        format!("https://api.{}.{}.{}/", self.service(), self.region, self.domain)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Temporary {
    access_key_id: String,
    secret_access_key: SecretString,
    #[serde(alias = "SessionToken")]
    token: Option<SecretString>,
}

impl From<Temporary> for AwsKeys {
    fn from(temporary: Temporary) -> Self {
        Self { id: temporary.access_key_id, secret: temporary.secret_access_key, session: temporary.token }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    assume_role_with_web_identity_response: AssumedResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedResponse {
    assume_role_with_web_identity_result: AssumedResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedResult {
    credentials: Temporary,
}

/// A list with one entry at private registries, the entry itself at the public one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    authorization_data: OneOrMany,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<TokenData>),
    One(TokenData),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenData {
    authorization_token: SecretString,
    /// Seconds since 1970, with a fraction.
    expires_at: Option<f64>,
}

pub(super) async fn gain(
    clouds: &Clouds,
    identity: &AwsIdentity,
    host: &str,
    now: Moment,
) -> Result<Gained, RegistryError> {
    const STEP: &str = "asking ECR for a password";
    let registry = Registry::of(host).ok_or_else(|| failed(host, STEP, "this is no registry of Amazon's"))?;
    let keys = keys(clouds, identity, &registry, host).await?;
    let tokens: Tokens = Clouds::ask(host, STEP, signed(clouds, &registry, &keys, host, now)?).await?;
    let data = match tokens.authorization_data {
        OneOrMany::Many(many) => many.into_iter().next(),
        OneOrMany::One(one) => Some(one),
    };
    let data = data.ok_or_else(|| failed(host, STEP, "the answer holds none"))?;
    let pair = STANDARD.decode(data.authorization_token.expose_secret()).ok();
    let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok());
    let (user, password) = pair
        .as_deref()
        .and_then(|pair| pair.split_once(':'))
        .ok_or_else(|| failed(host, STEP, "the answer holds no user and password"))?;
    let until = data.expires_at.map_or(now.plus_ms(3_600_000), |seconds| Moment((seconds * 1000.0) as i64));
    Ok(Gained { user: user.to_owned(), secret: Secret::Password(SecretString::from(password.to_owned())), until })
}

fn signed(
    clouds: &Clouds,
    registry: &Registry,
    keys: &AwsKeys,
    host: &str,
    now: Moment,
) -> Result<reqwest::RequestBuilder, RegistryError> {
    const BODY: &str = "{}";
    const TYPE: &str = "application/x-amz-json-1.1";
    let step = "signing the question to ECR";
    let unusual = |_| failed(host, step, "the address is none");
    let named = Url::parse(&registry.endpoint()).map_err(unusual)?;
    let date = amz_date(now).ok_or_else(|| failed(host, step, "the clock is wrong"))?;
    let authority = named.host_str().unwrap_or_default().to_owned();
    let session = keys.session.as_ref().map(|session| session.expose_secret().to_owned());
    let mut headers = vec![("content-type", TYPE), ("host", authority.as_str()), ("x-amz-date", date.as_str())];
    headers.extend(session.as_deref().map(|session| ("x-amz-security-token", session)));
    headers.push(("x-amz-target", registry.target()));
    let to_sign = ToSign {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
        body: BODY.as_bytes(),
        region: &registry.region,
        service: registry.service(),
    };
    let authorization = authorization(&to_sign, keys, &date);
    let asked = clouds.endpoints.ecr.clone().unwrap_or(named);
    let request = clouds.public.post(asked).body(BODY).header("authorization", authorization);
    // The host is sent by the connection.
    let sent = headers.into_iter().filter(|(name, _)| *name != "host");
    Ok(sent.fold(request, |request, (name, value)| request.header(name, value)))
}

async fn keys(
    clouds: &Clouds,
    identity: &AwsIdentity,
    registry: &Registry,
    host: &str,
) -> Result<AwsKeys, RegistryError> {
    if let Some(keys) = &identity.keys {
        return Ok(keys.clone());
    }
    if let Some((file, role)) = &identity.web_identity {
        let token = token_file(host, file).await?;
        let named = Url::parse(&format!("https://sts.{}.{}/", registry.region, registry.domain));
        let named = named.map_err(|_| failed(host, "assuming the role", "the address is none"))?;
        let form = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", "restow"),
            ("WebIdentityToken", token.expose_secret()),
        ];
        let asked = clouds.endpoints.sts.clone().unwrap_or(named);
        let request = clouds.public.post(asked).header("accept", "application/json").form(&form);
        let assumed: Assumed = Clouds::ask(host, "assuming the role by web identity", request).await?;
        let result = assumed.assume_role_with_web_identity_response.assume_role_with_web_identity_result;
        return Ok(result.credentials.into());
    }
    match &identity.container {
        Some(address) => container_keys(clouds, identity, address, host).await,
        None => machine_keys(clouds, host).await,
    }
}

async fn container_keys(
    clouds: &Clouds,
    identity: &AwsIdentity,
    address: &str,
    host: &str,
) -> Result<AwsKeys, RegistryError> {
    const STEP: &str = "asking for the container's credentials";
    let url = clouds.endpoints.containers.join(address).map_err(|_| failed(host, STEP, "the address is none"))?;
    let mut request = clouds.direct.get(url);
    if let Some(file) = &identity.container_token_file {
        request = request.header("authorization", token_file(host, file).await?.expose_secret());
    }
    let temporary: Temporary = Clouds::ask(host, STEP, request).await?;
    Ok(temporary.into())
}

/// The role of the machine, by version 2 of the metadata service.
async fn machine_keys(clouds: &Clouds, host: &str) -> Result<AwsKeys, RegistryError> {
    const STEP: &str = "asking the machine's metadata service for its role (no other AWS credentials are set)";
    let url = |path: &str| clouds.endpoints.metadata.join(path).map_err(|_| failed(host, STEP, "the address is none"));
    let request = clouds.direct.put(url("latest/api/token")?).header("x-aws-ec2-metadata-token-ttl-seconds", "300");
    let token = String::from_utf8(Clouds::ask_text(host, STEP, request).await?)
        .map_err(|_| failed(host, STEP, "the answer cannot be read"))?;
    let get = |path: &str| Ok(clouds.direct.get(url(path)?).header("x-aws-ec2-metadata-token", token.trim()));
    let roles = Clouds::ask_text(host, STEP, get("latest/meta-data/iam/security-credentials/")?).await?;
    let role = String::from_utf8_lossy(&roles).lines().next().unwrap_or_default().trim().to_owned();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if role.is_empty() || !role.bytes().all(plain) {
        return Err(failed(host, STEP, "the machine has no role"));
    }
    let request = get(&format!("latest/meta-data/iam/security-credentials/{role}"))?;
    let temporary: Temporary = Clouds::ask(host, STEP, request).await?;
    Ok(temporary.into())
}
