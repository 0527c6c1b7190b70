//! Against Debian's `docker-registry`, a real one: open, behind a password, behind a token server, behind TLS.

use std::path::Path;

use tokio::process::{Child, Command};

use restow::registry::{ClientCertificate, Content, Description, Referrers};

use super::*;

/// bcrypt of `sesame`, at the lowest cost: every request pays for it.
const HTPASSWD: &str = "restow:$2y$04$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85RW\n";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

#[derive(Clone, PartialEq, Eq)]
enum Authentication {
    None,
    Htpasswd,
    /// By tokens that this server sells.
    Token(String),
    /// By a certificate of the authority in the registry's folder; TLS on both sides.
    Certificate,
}

/// A running registry, which ends with this value.
pub(crate) struct Real {
    pub(crate) host: String,
    _process: Child,
    _folder: tempfile::TempDir,
}

fn config(folder: &Path, host: &str, authentication: &Authentication) -> String {
    let folder = folder.display();
    let auth = match authentication {
        Authentication::None => String::new(),
        Authentication::Token(realm) => format!(
            "auth:\n  token:\n    realm: http://{realm}/token\n    service: real\n    issuer: world\n    \
             rootcertbundle: {folder}/ca.pem\n"
        ),
        Authentication::Certificate => format!(
            "  tls:\n    certificate: {folder}/server.pem\n    key: {folder}/server.key\n    clientcas:\n      - \
             {folder}/ca.pem\n"
        ),
        Authentication::Htpasswd => format!("auth:\n  htpasswd:\n    realm: here\n    path: {folder}/htpasswd\n"),
    };
    format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\n\
         http:\n  addr: {host}\n{auth}"
    )
}

impl Real {
    /// One that asks for nothing.
    pub(crate) async fn open() -> Self {
        Self::start(Authentication::None).await
    }

    async fn start(authentication: Authentication) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), &authentication).await
    }

    async fn start_in(folder: tempfile::TempDir, authentication: &Authentication) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = free.local_addr().expect("an address").to_string();
        drop(free);
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("the passwords");
        let file = folder.path().join("config.yml");
        std::fs::write(&file, config(folder.path(), &host, authentication)).expect("the configuration");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).kill_on_drop(true);
        let process = command.spawn().expect("docker-registry starts; Debian's package of this name is needed");
        let real = Self { host, _process: process, _folder: folder };
        real.answers().await;
        real
    }

    /// Waits until the registry takes connections.
    async fn answers(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        while tokio::net::TcpStream::connect(&self.host).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "docker-registry does not answer");
            tokio::task::yield_now().await;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/v2/team/shop/{path}", self.host)
    }

    /// Pushes an image whose configuration and only layer are the same two bytes.
    async fn push(&self, tags: &[&str]) -> Digest {
        self.push_as(tags, |request| request.basic_auth("restow", Some("sesame"))).await
    }

    /// The same with what `authorized` shows.
    async fn push_as(
        &self,
        tags: &[&str],
        authorized: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Digest {
        let http = reqwest::Client::new();
        let sent = |request: reqwest::RequestBuilder| async {
            let answer = authorized(request).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{} {}", answer.status(), answer.url());
            answer
        };
        let blob = Digest::sha256_of(b"{}");
        let upload = sent(http.post(self.url("blobs/uploads/"))).await;
        let mut target: url::Url = upload.headers()["location"].to_str().expect("text").parse().expect("an address");
        target.query_pairs_mut().append_pair("digest", blob.as_str());
        sent(http.put(target).header("content-type", "application/octet-stream").body("{}")).await;
        let of = |kind: &str| serde_json::json!({ "mediaType": kind, "digest": blob, "size": 2 });
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": of("application/vnd.oci.image.config.v1+json"),
            "layers": [of("application/vnd.oci.image.layer.v1.tar")],
        })
        .to_string();
        for tag in tags {
            let put = http.put(self.url(&format!("manifests/{tag}"))).header("content-type", MANIFEST_TYPE);
            sent(put.body(manifest.clone())).await;
        }
        Digest::sha256_of(manifest.as_bytes())
    }

    fn client(&self, password: Option<&str>) -> Registries {
        client(self.settings(password))
    }

    fn settings(&self, password: Option<&str>) -> RegistrySettings {
        let secret = |password: &str| Credential {
            host: self.host.clone(),
            owners: Vec::new(),
            user: "restow".to_owned(),
            secret: Secret::Password(SecretString::from(password.to_owned())),
        };
        RegistrySettings {
            insecure: vec![self.host.clone()],
            allowed: vec!["127.0.0.1".parse().expect("an address")],
            credentials: password.map(secret).into_iter().collect(),
            ..RegistrySettings::default()
        }
    }

    fn image(&self) -> ImageName {
        ImageName::parse(&format!("{}/team/shop", self.host)).expect("an image")
    }
}

/// Everything that Restow asks a registry, of a registry that has one image.
async fn check_reading(real: &Real, password: Option<&str>) {
    let signature = format!("sha256-{}.sig", "0".repeat(64));
    let pushed = real.push(&["1.0", "1.1", &signature]).await;
    let (registries, image) = (real.client(password), real.image());
    let list = registries.tags(&image).await.expect("tags");
    let mut tags = names(&list);
    tags.sort_unstable();
    assert_eq!((tags, &list.complete), (vec!["1.0", "1.1"], &Completeness::Whole));
    assert_eq!(registries.digest(&image, &tag("1.1")).await, Ok(pushed.clone()));
    let manifest = registries.manifest(&image, &pushed).await.expect("a manifest");
    assert_eq!(manifest.media_type, MANIFEST_TYPE);
    let missing = registries.digest(&image, &tag("9.9")).await;
    assert_eq!(missing, Err(RegistryError::NotFound { what: format!("{image}:9.9") }));
}

#[tokio::test]
async fn an_open_registry() {
    let real = Real::start(Authentication::None).await;
    check_reading(&real, None).await;
}

#[tokio::test]
async fn a_registry_behind_a_password() {
    let real = Real::start(Authentication::Htpasswd).await;
    check_reading(&real, Some("sesame")).await;
    let wrong = real.client(Some("wrong")).tags(&real.image()).await.expect_err("wrong").to_string();
    assert!(wrong.contains("refuses the configured credentials"), "{wrong}");
    let missing = real.client(None).tags(&real.image()).await.expect_err("missing").to_string();
    assert!(missing.contains("none are configured"), "{missing}");
}

/// An authority, and what it signed: the server's and a client's certificate, each with its key.
fn certificates(folder: &Path) {
    let run = |arguments: &str| {
        let mut command = std::process::Command::new("openssl");
        let done = command.args(arguments.split(' ')).current_dir(folder).output().expect("openssl is needed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run("req -x509 -newkey rsa:2048 -nodes -days 2 -keyout ca.key -out ca.pem -subj /CN=authority \
         -addext basicConstraints=critical,CA:TRUE");
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").expect("written");
    for name in ["server", "client"] {
        run(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        run(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
        ));
    }
}

/// Sells a token for whatever scope is asked for, to who knows the password; counts the sales.
async fn token_server(folder: &Path) -> (String, Arc<Mutex<usize>>) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a certificate");
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(read("ca.key").as_bytes()).expect("a key");
    let certificate: String = read("ca.pem").lines().filter(|line| !line.starts_with("---")).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let sold = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&sold);
    let router = Router::new().fallback(move |request: Request| {
        let known = request.headers().get("authorization").is_some_and(|given| given == "Basic cmVzdG93OnNlc2FtZQ==");
        if known {
            *counter.lock().expect("the count") += 1;
        }
        let token = sign(&key, &certificate, request.uri().query().unwrap_or_default(), known);
        std::future::ready(axum::Json(serde_json::json!({ "token": token, "expires_in": 300 })))
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (host, sold)
}

fn sign(key: &jsonwebtoken::EncodingKey, certificate: &str, query: &str, known: bool) -> String {
    let scopes = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "scope");
    let access: Vec<_> = scopes
        .filter(|_| known)
        .filter_map(|(_, scope)| {
            let [kind, name, actions] = scope.split(':').collect::<Vec<_>>().try_into().ok()?;
            let actions: Vec<&str> = actions.split(',').collect();
            Some(serde_json::json!({ "type": kind, "name": name, "actions": actions }))
        })
        .collect();
    let now = jsonwebtoken::get_current_timestamp();
    let claims = serde_json::json!({ "iss": "world", "sub": "restow", "aud": "real", "exp": now + 300, "nbf": now - 10,
        "iat": now, "jti": "1", "access": access });
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    header.x5c = Some(vec![certificate.to_owned()]);
    jsonwebtoken::encode(&header, &claims, key).expect("a token")
}

/// Pushes an index of images for these platforms, by skopeo.
async fn push_index(real: &Real, tag: &str, platforms: &[(&str, &str)]) {
    let layout = tempfile::tempdir().expect("a folder");
    let blobs = layout.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("a folder");
    let keep = |value: &serde_json::Value| {
        let text = value.to_string();
        let digest = Digest::sha256_of(text.as_bytes());
        std::fs::write(blobs.join(digest.hex()), &text).expect("written");
        (digest, text.len())
    };
    let mut entries = Vec::new();
    for (os, architecture) in platforms {
        let labels = serde_json::json!({ "org.opencontainers.image.version": tag });
        let config = serde_json::json!({ "os": os, "architecture": architecture, "created": "2026-02-03T04:05:06Z",
            "config": { "Labels": labels }, "rootfs": { "type": "layers", "diff_ids": [] } });
        let (config, size) = keep(&config);
        let manifest = serde_json::json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "layers": [],
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size } });
        let (manifest, size) = keep(&manifest);
        entries.push(serde_json::json!({ "mediaType": MANIFEST_TYPE, "digest": manifest, "size": size,
            "platform": { "os": os, "architecture": architecture } }));
    }
    let index_type = "application/vnd.oci.image.index.v1+json";
    let (index, size) = keep(&serde_json::json!({ "schemaVersion": 2, "mediaType": index_type, "manifests": entries }));
    let top = serde_json::json!({ "schemaVersion": 2, "manifests": [{ "mediaType": index_type, "digest": index,
        "size": size, "annotations": { "org.opencontainers.image.ref.name": tag } }] });
    std::fs::write(layout.path().join("index.json"), top.to_string()).expect("written");
    std::fs::write(layout.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
    let mut command = Command::new("skopeo");
    command.args(["copy", "--all", "--insecure-policy", "--dest-tls-verify=false"]);
    command.arg(format!("oci:{}:{tag}", layout.path().display()));
    command.arg(format!("docker://{}/team/multi:{tag}", real.host));
    let done = command.output().await.expect("skopeo is needed");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn an_index_that_skopeo_pushed() {
    let real = Real::start(Authentication::None).await;
    push_index(&real, "1.0", &[("linux", "amd64"), ("linux", "arm64")]).await;
    let (registries, image) = (real.client(None), format!("{}/team/multi", real.host).parse().expect("an image"));
    let (digest, manifest) = registries.manifest_at(&image, &tag("1.0")).await.expect("an index");
    assert_eq!(registries.digest(&image, &tag("1.0")).await, Ok(digest.clone()));
    let Ok(Content::Index(entries)) = manifest.content(&image) else { panic!("{manifest:?}") };
    let platforms: Vec<String> = entries.iter().map(|(platform, _)| platform.to_string()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let child = registries.manifest(&image, &entries[1].1).await.expect("a manifest");
    let Ok(Content::Image { config, .. }) = child.content(&image) else { panic!("{child:?}") };
    let config = registries.blob(&image, &config, 10_000).await.expect("a configuration");
    let description = Description::read(&config).expect("a description");
    assert_eq!(description.labels.get("version").map(String::as_str), Some("1.0"));
    assert_eq!(description.created, Moment::parse_rfc3339("2026-02-03T04:05:06Z"));
    // It knows no referrers, and has none under the fall-back tag.
    assert_eq!(registries.referrers_by(&image, &digest).await, Ok(Referrers::TagsOnly));
    assert_eq!(registries.referrers_index(&image, &digest).await, Ok(None));
}

#[tokio::test]
async fn a_registry_behind_a_token_server() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let (realm, sold) = token_server(folder.path()).await;
    let real = Real::start_in(folder, &Authentication::Token(realm.clone())).await;
    let pair = RealmPair { registry: real.host.clone(), realm: realm.clone() };
    let with = |password: Option<&str>| {
        client(RegistrySettings {
            insecure: vec![real.host.clone(), realm.clone()],
            realms: vec![pair.clone()],
            ..real.settings(password)
        })
    };
    let image = real.image();
    let list = with(Some("sesame")).tags(&image).await;
    assert_eq!(list, Err(RegistryError::NotFound { what: image.to_string() }), "the token is taken, nothing is there");
    let refused = with(None).tags(&image).await.expect_err("anonymous").to_string();
    assert!(refused.contains("none are configured"), "{refused}");
    check_reading_by_token(&real, &realm, &with(Some("sesame"))).await;
    let before = *sold.lock().expect("the count");
    let registries = with(Some("sesame"));
    let latest = tag("latest");
    let asking = (0..10).map(|_| registries.digest(&image, &latest));
    let answers = futures::future::join_all(asking).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(RegistryError::NotFound { .. }))), "{answers:?}");
    assert_eq!(*sold.lock().expect("the count") - before, 1, "one token for ten questions");
}

#[tokio::test]
async fn a_registry_with_a_private_authority_and_client_certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    certificates(folder.path());
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a certificate");
    let (authority, pem) = (read("ca.pem"), format!("{}{}", read("client.pem"), read("client.key")));
    let real = Real::start_in(folder, &Authentication::Certificate).await;
    let shown = ClientCertificate { host: real.host.clone(), pem: SecretString::from(pem) };
    let settings = |authorities: Vec<Vec<u8>>, client_certificates: Vec<ClientCertificate>| RegistrySettings {
        insecure: Vec::new(),
        authorities,
        client_certificates,
        ..real.settings(None)
    };
    let ask = async |settings: RegistrySettings| client(settings).tags(&real.image()).await;
    let trusted = || vec![authority.clone().into_bytes()];
    let answer = ask(settings(trusted(), vec![shown.clone()])).await;
    assert_eq!(answer, Err(RegistryError::NotFound { what: real.image().to_string() }), "it answers who it knows");
    assert!(matches!(ask(settings(trusted(), Vec::new())).await, Err(RegistryError::Unavailable { .. })));
    // Whoever leads there reads nothing with it.
    let target = format!("https://{}/v2/team/shop/tags/list?n=1000", real.host);
    let leading = Fake::start(move |_| reply(307, &[("location", &target)], "")).await;
    let led = RegistrySettings { insecure: vec![leading.host.clone()], ..settings(trusted(), vec![shown.clone()]) };
    let answer = client(led).tags(&leading.image("team/shop")).await;
    assert!(
        matches!(answer, Err(RegistryError::Unavailable { .. })),
        "the certificate is shown to its registry only: {answer:?}"
    );
    let unknown = ask(settings(Vec::new(), vec![shown])).await.expect_err("an unknown authority").to_string();
    assert!(unknown.to_lowercase().contains("certificate"), "{unknown}");
}

/// Pushes an image with a token that the server sells, and reads all of it with Restow's own.
async fn check_reading_by_token(real: &Real, realm: &str, registries: &Registries) {
    let http = reqwest::Client::new();
    let scope = "repository:team/shop:pull,push";
    let asked =
        http.get(format!("http://{realm}/token")).query(&[("scope", scope)]).basic_auth("restow", Some("sesame"));
    let sold: serde_json::Value = asked.send().await.expect("an answer").json().await.expect("a token");
    let token = sold["token"].as_str().expect("a token").to_owned();
    let pushed = real.push_as(&["1.0", "1.1"], |request| request.bearer_auth(&token)).await;
    let image = real.image();
    let list = registries.tags(&image).await.expect("tags");
    let mut tags = names(&list);
    tags.sort_unstable();
    assert_eq!(tags, ["1.0", "1.1"]);
    assert_eq!(registries.digest(&image, &tag("1.0")).await, Ok(pushed.clone()));
    let manifest = registries.manifest(&image, &pushed).await.expect("a manifest");
    assert!(pushed.matches(&manifest.body));
    assert_eq!(registries.blob(&image, &Digest::sha256_of(b"{}"), 10).await.expect("a blob"), "{}");
}
