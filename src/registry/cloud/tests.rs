//! The exchanges against simulated clouds.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;

use super::*;

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const HOUR: i64 = 3_600_000;

/// A cloud whose every address is one function of path and body; its log holds path, headers and body.
struct Cloud {
    url: Url,
    log: Arc<Mutex<Vec<String>>>,
}

impl Cloud {
    async fn start(answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("a URL");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&log), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 100_000).await.unwrap_or_default();
                let body = String::from_utf8_lossy(&body).into_owned();
                let headers: Vec<String> = parts
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()))
                    .collect();
                let line = format!("{} {} {} {body}", parts.method, parts.uri, headers.join(" | "));
                kept.lock().expect("the log").push(line);
                let (status, text) = answer(parts.uri.path(), &body);
                Response::builder().status(status).body(Body::from(text)).expect("an answer")
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, log }
    }

    fn clouds(&self) -> Clouds {
        let url = || self.url.clone();
        let endpoints = Endpoints {
            metadata: url(),
            google_metadata: url(),
            containers: url(),
            sts: Some(url()),
            ecr: Some(url()),
            entra: Some(url()),
            acr: Some(url()),
        };
        let made = || client(reqwest::Client::builder().no_proxy()).expect("a client");
        Clouds::new(endpoints, made(), made())
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().expect("the log").clone()
    }

    fn count(&self, text: &str) -> usize {
        self.log().iter().filter(|line| line.contains(text)).count()
    }
}

/// What a simulated Amazon answers, by the path and what is asked.
fn amazon(path: &str, body: &str) -> (u16, String) {
    let keys = r#"{"AccessKeyId":"ASIA1","SecretAccessKey":"s3","Token":"session-token","Expiration":"x"}"#;
    let text = match path {
        "/latest/api/token" => "imds-token".to_owned(),
        "/latest/meta-data/iam/security-credentials/" => "the-role\n".to_owned(),
        "/latest/meta-data/iam/security-credentials/the-role" | "/v2/credentials/7" => keys.to_owned(),
        "/" if body.contains("AssumeRoleWithWebIdentity") => format!(
            r#"{{"AssumeRoleWithWebIdentityResponse":{{"AssumeRoleWithWebIdentityResult":{{"Credentials":{}}}}}}}"#,
            keys.replace("\"Token\"", "\"SessionToken\"")
        ),
        "/" => {
            let token = STANDARD.encode("AWS:hunter2");
            format!(r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":43200.5}}]}}"#)
        }
        _ => return (404, String::new()),
    };
    (200, text)
}

fn password(credential: &Credential) -> &str {
    match &credential.secret {
        Secret::Password(secret) | Secret::IdentityToken(secret) => secret.expose_secret(),
        Secret::Cloud(_) => "",
    }
}

#[tokio::test]
async fn ecr_by_the_machines_role() {
    let cloud = Cloud::start(amazon).await;
    let clouds = cloud.clouds();
    let provider = Provider::Ecr(AwsIdentity::default());
    let found = clouds.credential(&provider, ECR, Moment(0)).await.expect("a credential");
    assert_eq!((found.user.as_str(), password(&found)), ("AWS", "hunter2"));
    assert_eq!(cloud.count("x-aws-ec2-metadata-token: imds-token"), 2);
    let signed = cloud.log().pop().expect("a request");
    assert!(signed.contains("x-amz-target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"), "{signed}");
    assert!(signed.contains("Credential=ASIA1/19700101/eu-west-1/ecr/aws4_request"), "{signed}");
    assert!(signed.contains("x-amz-security-token: session-token"), "{signed}");
    // Twelve hours, less five minutes; then it is asked again.
    let asked = cloud.log().len();
    clouds.credential(&provider, ECR, Moment(11 * HOUR)).await.expect("kept");
    assert_eq!(cloud.log().len(), asked);
    clouds.credential(&provider, ECR, Moment(12 * HOUR)).await.expect("renewed");
    assert!(cloud.log().len() > asked);
}

#[tokio::test]
async fn ecr_by_web_identity_by_container_and_by_keys() {
    let cloud = Cloud::start(amazon).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "web-identity-token\n").expect("written");
    let web = AwsIdentity {
        web_identity: Some((file.clone(), "arn:aws:iam::1:role/restow".to_owned())),
        ..AwsIdentity::default()
    };
    let container = AwsIdentity {
        container: Some("/v2/credentials/7".to_owned()),
        container_token_file: Some(file),
        ..AwsIdentity::default()
    };
    let keys = AwsKeys { id: "AKIA".to_owned(), secret: SecretString::from("x"), session: None };
    let keys = AwsIdentity { keys: Some(keys), ..AwsIdentity::default() };
    for identity in [web, container, keys] {
        let found = cloud.clouds().credential(&Provider::Ecr(identity), ECR, Moment(0)).await;
        assert_eq!(password(&found.expect("a credential")), "hunter2");
    }
    assert_eq!(cloud.count("WebIdentityToken=web-identity-token"), 1);
    assert_eq!(cloud.count("GET /v2/credentials/7 authorization: web-identity-token"), 1, "{:?}", cloud.log());
    assert_eq!(cloud.count("Credential=AKIA/"), 1);
    let public = Cloud::start(|_, _| {
        let token = STANDARD.encode("AWS:public");
        (200, format!(r#"{{"authorizationData":{{"authorizationToken":"{token}","expiresAt":43200}}}}"#))
    })
    .await;
    let keys = AwsKeys { id: "AKIA".to_owned(), secret: SecretString::from("x"), session: None };
    let identity = AwsIdentity { keys: Some(keys), ..AwsIdentity::default() };
    let found = public.clouds().credential(&Provider::Ecr(identity), "public.ecr.aws", Moment(0)).await;
    assert_eq!(password(&found.expect("a credential")), "public");
    assert_eq!(public.count("us-east-1/ecr-public/aws4_request"), 1);
}

#[tokio::test]
async fn gar_by_the_metadata_server() {
    let cloud = Cloud::start(|path, _| match path {
        "/computeMetadata/v1/instance/service-accounts/default/token" => {
            (200, r#"{"access_token":"ya29","expires_in":3599,"token_type":"Bearer"}"#.to_owned())
        }
        _ => (404, String::new()),
    })
    .await;
    let clouds = cloud.clouds();
    let ask = async |now| clouds.credential(&Provider::Gar, "europe-docker.pkg.dev", Moment(now)).await;
    let found = ask(0).await.expect("a credential");
    assert_eq!((found.user.as_str(), password(&found)), ("oauth2accesstoken", "ya29"));
    assert_eq!(cloud.count("metadata-flavor: Google"), 1);
    ask(50 * 60_000).await.expect("kept");
    assert_eq!(cloud.log().len(), 1);
    ask(HOUR).await.expect("renewed");
    assert_eq!(cloud.log().len(), 2);
}

#[tokio::test]
async fn acr_by_managed_identity_and_by_workload() {
    let end = URL_SAFE_NO_PAD.encode(r#"{"exp":10800}"#);
    let refresh = format!("head.{end}.tail");
    let answer = format!(r#"{{"refresh_token":"{refresh}"}}"#);
    let cloud = Cloud::start(move |path, _| match path {
        "/metadata/identity/oauth2/token" | "/the-tenant/oauth2/v2.0/token" => {
            (200, r#"{"access_token":"entra-token"}"#.to_owned())
        }
        "/oauth2/exchange" => (200, answer.clone()),
        _ => (404, String::new()),
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "federated").expect("written");
    let workload = AzureIdentity {
        client: Some("me".to_owned()),
        tenant: Some("the-tenant".to_owned()),
        federated_token_file: Some(file),
        authority: None,
    };
    for identity in [AzureIdentity::default(), workload] {
        let clouds = cloud.clouds();
        let provider = Provider::Acr(identity);
        let found = clouds.credential(&provider, "acme.azurecr.io", Moment(0)).await.expect("a credential");
        assert!(matches!(found.secret, Secret::IdentityToken(_)));
        assert_eq!(password(&found), refresh);
        let asked = cloud.log().len();
        clouds.credential(&provider, "acme.azurecr.io", Moment(2 * HOUR)).await.expect("kept");
        assert_eq!(cloud.log().len(), asked);
    }
    assert_eq!(cloud.count("client_assertion=federated"), 1);
    assert_eq!(cloud.count("service=acme.azurecr.io"), 2);
    assert_eq!(cloud.count("access_token=entra-token"), 2);
}

/// A token of one of Azure's clouds is worth nothing in another.
#[tokio::test]
async fn each_of_azures_clouds_is_asked_for_its_own_resource() {
    let cloud = Cloud::start(|path, _| match path {
        "/metadata/identity/oauth2/token" => (200, r#"{"access_token":"entra-token"}"#.to_owned()),
        _ => (200, r#"{"refresh_token":"t"}"#.to_owned()),
    })
    .await;
    for (host, resource) in [
        ("acme.azurecr.io", "resource=https%3A%2F%2Fmanagement.azure.com%2F"),
        ("acme.azurecr.cn", "resource=https%3A%2F%2Fmanagement.chinacloudapi.cn%2F"),
        ("acme.azurecr.us", "resource=https%3A%2F%2Fmanagement.usgovcloudapi.net%2F"),
    ] {
        let provider = Provider::Acr(AzureIdentity::default());
        cloud.clouds().credential(&provider, host, Moment(0)).await.expect("a credential");
        assert_eq!(cloud.count(resource), 1, "{host}");
    }
    // An authority that is not asked by TLS would see the workload's token.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "federated").expect("written");
    let identity = AzureIdentity {
        client: Some("me".to_owned()),
        tenant: Some("the-tenant".to_owned()),
        federated_token_file: Some(file),
        authority: Some(cloud.url.clone()),
    };
    let mut clouds = cloud.clouds();
    clouds.endpoints.entra = None;
    let error = clouds.credential(&Provider::Acr(identity), "acme.azurecr.us", Moment(0)).await.expect_err("plain");
    assert!(error.to_string().contains("AZURE_AUTHORITY_HOST is no https address"), "{error}");
    assert_eq!(cloud.count("federated"), 0);
}

#[tokio::test]
async fn many_ask_once_and_a_failure_is_remembered() {
    let cloud = Cloud::start(amazon).await;
    let clouds = cloud.clouds();
    let provider = Provider::Ecr(AwsIdentity::default());
    let asking = (0..10).map(|_| clouds.credential(&provider, ECR, Moment(0)));
    assert!(futures::future::join_all(asking).await.iter().all(Result::is_ok));
    assert_eq!(cloud.count("x-amz-target"), 1);
    clouds.refused(ECR).await;
    clouds.credential(&provider, ECR, Moment(0)).await.expect("another");
    assert_eq!(cloud.count("x-amz-target"), 2);

    let broken = Cloud::start(|_, _| (403, "hunter2".to_owned())).await;
    let clouds = broken.clouds();
    for now in [0, 10_000, 29_000] {
        let error = clouds.credential(&Provider::Gar, "gcr.io", Moment(now)).await.expect_err("refused").to_string();
        assert!(error.contains("asking Google's metadata server") && error.contains("403"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert_eq!(broken.log().len(), 1, "not before half a minute");
    assert!(clouds.credential(&Provider::Gar, "gcr.io", Moment(31_000)).await.is_err());
    assert_eq!(broken.log().len(), 2);
}

#[tokio::test]
async fn rubbish_is_an_error_that_shows_nothing() {
    for text in ["", "{}", "null", "[1]", &"x".repeat(100_000), r#"{"authorizationData":[]}"#] {
        let text = text.to_owned();
        let cloud = Cloud::start(move |_, _| (200, text.clone())).await;
        let keys = AwsKeys { id: "AKIA".to_owned(), secret: SecretString::from("hunter2"), session: None };
        let keys = AwsIdentity { keys: Some(keys), ..AwsIdentity::default() };
        let providers = [
            (Provider::Ecr(keys), ECR),
            (Provider::Ecr(AwsIdentity::default()), ECR),
            (Provider::Gar, "gcr.io"),
            (Provider::Acr(AzureIdentity::default()), "acme.azurecr.io"),
        ];
        for (provider, host) in providers {
            let clouds = cloud.clouds();
            let error = clouds.credential(&provider, host, Moment(0)).await.expect_err("rubbish");
            let shown = format!("{error} {error:?} {provider:?} {clouds:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

#[test]
fn credentials_go_to_the_clouds_own_hosts() {
    let check = |provider: &Provider, host: &str, serves: bool| assert_eq!(provider.serves(host), serves, "{host}");
    let (ecr, acr) = (Provider::Ecr(AwsIdentity::default()), Provider::Acr(AzureIdentity::default()));
    check(&ecr, ECR, true);
    check(&ecr, "public.ecr.aws", true);
    check(&ecr, "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", true);
    check(&ecr, "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", false);
    check(&ecr, "123456789012.dkr.ecr.evil.example/.amazonaws.com", false);
    check(&ecr, "evil.dkr.ecr.eu-west-1.amazonaws.com", false);
    check(&Provider::Gar, "europe-west4-docker.pkg.dev", true);
    check(&Provider::Gar, "gcr.io", true);
    check(&Provider::Gar, "eu.gcr.io", true);
    check(&Provider::Gar, "evil.example.pkg.dev", false);
    check(&Provider::Gar, "pkg.dev.evil.example", false);
    check(&acr, "acme.azurecr.io", true);
    check(&acr, "acme.azurecr.io:8443", false);
    check(&acr, "azurecr.io", false);
}
