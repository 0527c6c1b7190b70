//! Registries that mean harm, or are broken beyond harm's imagination.

use std::io::Write;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A server that answers every connection with these bytes, piece by piece, one every `pause`.
async fn raw(pieces: Vec<Vec<u8>>, pause: Duration) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let pieces = pieces.clone();
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                for piece in pieces {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    host
}

fn settings_for(host: &str) -> RegistrySettings {
    RegistrySettings {
        insecure: vec![host.to_owned()],
        allowed: vec!["127.0.0.1".parse().expect("an address")],
        clock: Clock::settable(Moment(0)),
        ..RegistrySettings::default()
    }
}

fn shop(host: &str) -> ImageName {
    format!("{host}/shop").parse().expect("an image")
}

#[tokio::test]
async fn a_million_tags_are_cut_and_told() {
    // 200 pages of 5,000 tags, each linked to the next.
    let fake = Fake::start(|seen| {
        let page: usize = seen.target.rsplit_once("page=").and_then(|(_, page)| page.parse().ok()).unwrap_or(0);
        let tags: Vec<String> = (0..5_000).map(|number| format!("1.{page}.{number}")).collect();
        let link = format!("</v2/shop/tags/list?page={}>; rel=\"next\"", page + 1);
        let link = if page < 199 { link } else { String::new() };
        reply(200, &[("link", &link)], serde_json::json!({ "name": "shop", "tags": tags }).to_string())
    })
    .await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("a list");
    check_cut(&list, "more than 200000 tags");
    assert_eq!(list.tags.len(), 200_000);
    assert_eq!(fake.seen().len(), 40, "what is beyond is not asked for");
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    // A gigabyte of zeros in a megabyte: nobody asked for a packed answer.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..1024 {
        packer.write_all(&vec![0; 1024 * 1024]).expect("packed");
    }
    let bomb = packer.finish().expect("packed");
    let fake = Fake::start(move |seen| {
        assert_eq!(seen.header("accept-encoding"), None);
        reply(200, &[("content-encoding", "gzip")], bomb.clone())
    })
    .await;
    let error = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect_err("no list").to_string();
    assert!(error.contains("is no list of tags"), "{error}");
}

#[tokio::test]
async fn a_slow_drip_ends_with_the_time() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n".to_vec();
    let drops = std::iter::once(head).chain(std::iter::repeat_n(b" ".to_vec(), 100_000)).collect();
    let host = raw(drops, Duration::from_millis(20)).await;
    let timeouts = Timeouts { total: Duration::from_millis(300), ..Timeouts::default() };
    let error = client(RegistrySettings { timeouts, ..settings_for(&host) }).tags(&shop(&host)).await;
    let error = error.expect_err("too slow");
    assert!(error.to_string().contains("did not answer in time"), "{error}");
    assert!(error.retry_after().is_some());
}

#[tokio::test]
async fn endless_headers_are_not_read_to_their_end() {
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\n".to_vec()];
    pieces.extend((0..100).map(|number| format!("x-{number}: {}\r\n", "y".repeat(100_000)).into_bytes()));
    let host = raw(pieces, Duration::ZERO).await;
    let error = client(settings_for(&host)).tags(&shop(&host)).await.expect_err("too much");
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"tags\":[\"1.0\"".to_vec();
    let host = raw(vec![half], Duration::ZERO).await;
    let error = client(settings_for(&host)).tags(&shop(&host)).await.expect_err("half");
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn what_is_called_something_else_is_judged_by_its_content() {
    let fake = Fake::start(|_| tag_page(&["1.0"], &[("content-type", "text/html; charset=utf-8")])).await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("a list");
    assert_eq!(names(&list), ["1.0"]);
    let page = Fake::start(|_| reply(200, &[("content-type", "application/json")], "<html>Log in</html>")).await;
    let error = client(settings(&[&page])).tags(&page.image("shop")).await.expect_err("a page").to_string();
    assert!(error.contains("is no list of tags"), "{error}");
}

#[tokio::test]
async fn a_blob_that_lies_or_swells_is_refused() {
    let honest = Digest::sha256_of(b"{}");
    let fake = Fake::start(|seen| match seen.target.contains("/lies/") {
        true => reply(200, &[], "{\"evil\":1}"),
        false => reply(200, &[], "{}"),
    })
    .await;
    let registries = client(settings(&[&fake]));
    assert_eq!(registries.blob(&fake.image("shop"), &honest, 2).await.expect("a blob"), "{}");
    let lie = registries.blob(&fake.image("lies"), &honest, 100).await.expect_err("a lie").to_string();
    assert!(lie.contains("does not have the digest it is named by"), "{lie}");
    let swollen = registries.blob(&fake.image("shop"), &honest, 1).await.expect_err("too large").to_string();
    assert!(swollen.contains("more than 1 bytes"), "{swollen}");
}

#[tokio::test]
async fn the_fall_back_tag_may_hold_the_image_itself_or_what_belongs_elsewhere() {
    let subject = Digest::sha256_of(b"{}");
    let other = Digest::sha256_of(b"other");
    let artifact = |of: &Digest| {
        serde_json::json!({ "schemaVersion": 2, "artifactType": "application/vnd.example.sbom", "layers": [],
            "subject": { "digest": of, "mediaType": "x", "size": 2 } })
        .to_string()
    };
    let (ours, theirs) = (artifact(&subject), artifact(&other));
    let (our_digest, their_digest) = (Digest::sha256_of(ours.as_bytes()), Digest::sha256_of(theirs.as_bytes()));
    let index = serde_json::json!({ "manifests": [{ "digest": their_digest }, { "digest": "rubbish" },
        { "digest": our_digest, "artifactType": "application/vnd.oci.empty.v1+json" }] })
    .to_string();
    let named = our_digest.clone();
    let fake = Fake::start(move |seen| {
        let at = |digest: &Digest| seen.target.ends_with(digest.as_str());
        let fallback = seen.target.contains("/manifests/sha256-");
        match () {
            () if seen.target.contains("/referrers/") => reply(404, &[], "404 page not found"),
            () if fallback && seen.target.contains("/ghcr/") => reply(200, &[], "{}"),
            () if fallback => reply(200, &[], index.clone()),
            () if at(&our_digest) => reply(200, &[], ours.clone()),
            () if at(&their_digest) => reply(200, &[], theirs.clone()),
            () => reply(404, &[], ""),
        }
    })
    .await;
    let registries = client(settings(&[&fake]));
    let found = registries.referrers(&fake.image("shop"), &subject).await.expect("referrers");
    let found: Vec<_> = found.iter().map(|one| (&one.digest, one.artifact_type.as_str())).collect();
    assert_eq!(found, [(&named, "application/vnd.example.sbom")], "by its own manifest, and about this image only");
    assert_eq!(registries.referrers(&fake.image("ghcr"), &subject).await, Ok(Vec::new()));
}

#[tokio::test]
async fn artifactorys_links_stay_in_the_list_that_was_asked() {
    let fake = Fake::start(|seen| match seen.target.as_str() {
        "/v2/virtual/team/shop/tags/list?n=1000" => {
            tag_page(&["1.0"], &[("link", "</v2/team/shop/tags/list?last=1.0&n=1000>; rel=\"next\"")])
        }
        "/v2/virtual/team/shop/tags/list?last=1.0&n=1000" => tag_page(&["1.1"], &[]),
        _ => reply(404, &[], ""),
    })
    .await;
    let list = client(settings(&[&fake])).tags(&fake.image("virtual/team/shop")).await.expect("a list");
    assert_eq!((names(&list), &list.complete), (vec!["1.0", "1.1"], &Completeness::Whole));
}

#[tokio::test]
async fn googles_lists_tell_what_was_uploaded_when() {
    let digest = Digest::sha256_of(b"{}");
    let body = serde_json::json!({ "child": [], "name": "p/shop", "tags": ["1.0", "1.1"], "manifest": {
        digest.as_str(): { "imageSizeBytes": "12", "mediaType": "x", "tag": ["1.1"], "timeCreatedMs": "0",
            "timeUploadedMs": "1767225600000" },
        "rubbish": { "tag": ["1.0"], "timeUploadedMs": "soon" } } });
    let fake = Fake::start(move |_| reply(200, &[], body.to_string())).await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("a list");
    let uploads: Vec<_> = list.uploads.iter().map(|(tag, upload)| (tag.as_str(), upload.at.0)).collect();
    assert_eq!(uploads, [("1.1", 1_767_225_600_000)]);
}

/// The address is decided when it is connected to: what a name meant before, or means a moment later, is all the same.
#[tokio::test]
async fn a_name_that_means_something_else_by_now_leads_nowhere() {
    // `localhost` stands for a name whose second answer is private; the first check sees only the text.
    let settings =
        RegistrySettings { insecure: vec!["rebound.localhost.:80".to_owned()], ..RegistrySettings::default() };
    for host in ["rebound.localhost.:80", "metadata.google.internal", "169.254.169.254", "[::ffff:10.0.0.1]"] {
        let Ok(image) = ImageName::parse(&format!("{host}/shop")) else { continue };
        let error = client(settings.clone()).tags(&image).await.expect_err("refused");
        assert!(matches!(error, RegistryError::Refused { .. } | RegistryError::Unavailable { .. }), "{host}: {error}");
    }
}

#[tokio::test]
async fn a_proxy_is_asked_and_is_no_way_around_the_rules() {
    // A proxy that answers plain requests itself, as if it had fetched them.
    let proxy = Fake::start(|seen| match seen.target.as_str() {
        "http://shop.example/v2/team/shop/tags/list?n=1000" => tag_page(&["1.0"], &[]),
        other => reply(502, &[("x-asked", other)], ""),
    })
    .await;
    let with = |no_proxy: Option<&str>, insecure: &[&str]| RegistrySettings {
        insecure: insecure.iter().map(|host| (*host).to_owned()).collect(),
        proxy: Proxy {
            http: Some(SecretString::from(format!("http://{}", proxy.host))),
            https: None,
            no_proxy: no_proxy.map(str::to_owned),
        },
        clock: Clock::settable(Moment(0)),
        ..RegistrySettings::default()
    };
    let image: ImageName = "shop.example/team/shop".parse().expect("an image");
    let list = client(with(None, &["shop.example"])).tags(&image).await.expect("through the proxy");
    assert_eq!(names(&list), ["1.0"]);
    // What NO_PROXY names is asked directly, and is not there.
    assert!(client(with(Some("shop.example"), &["shop.example"])).tags(&image).await.is_err());
    let seen = proxy.seen().len();
    for host in ["localhost:80", "127.0.0.1:80", "10.0.0.1:80"] {
        let image: ImageName = format!("{host}/shop").parse().expect("an image");
        let error = client(with(None, &[host])).tags(&image).await.expect_err("private");
        assert!(matches!(error, RegistryError::Refused { .. }), "{host}: {error}");
    }
    assert_eq!(proxy.seen().len(), seen, "the proxy heard nothing of them");
    let _: SocketAddr = proxy.host.parse().expect("an address");
}

/// All that is logged while `work` runs, on this thread, at the finest level.
async fn logged(work: impl Future<Output = ()>) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("the log").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    work.await;
    drop(guard);
    let bytes = log.0.lock().expect("the log").clone();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn no_log_and_no_error_shows_a_credential() {
    const PASSWORD: &str = "correct-horse-battery";
    const TOKEN: &str = "token-staple-xyzzy";
    // Right and wrong passwords, right and wrong tokens, a broken token server, an identity token.
    let ways: [fn(&Seen) -> Response<Body>; 4] = [
        |seen| match (seen.target.starts_with("/token"), seen.authorization()) {
            (true, _) => reply(200, &[], format!("{{\"token\":\"{TOKEN}\"}}")),
            (false, Some(_)) => tag_page(&["1.0"], &[]),
            (false, None) => challenge(seen),
        },
        |seen| match seen.target.starts_with("/token") {
            true => reply(401, &[], format!("no {PASSWORD} {TOKEN}")),
            false => challenge(seen),
        },
        |seen| match seen.target.starts_with("/token") {
            true => reply(200, &[], format!("{{\"token\":[\"{TOKEN}\"]}}")),
            false => challenge(seen),
        },
        |_| reply(401, &[("www-authenticate", "Basic realm=\"here\"")], ""),
    ];
    let mut shown = String::new();
    for way in ways {
        for identity in [false, true] {
            let fake = Fake::start(way).await;
            let secret = SecretString::from(PASSWORD);
            let secret = if identity { Secret::IdentityToken(secret) } else { Secret::Password(secret) };
            let credential = Credential { secret, ..credential(&fake, "") };
            let settings = RegistrySettings { credentials: vec![credential], ..settings(&[&fake]) };
            shown.push_str(&format!("{settings:?}"));
            let log = logged(async {
                let registries = client(settings);
                for _ in 0..2 {
                    let answer = registries.tags(&fake.image("shop")).await;
                    shown.push_str(&format!("{answer:?} {registries:?}"));
                    if let Err(error) = answer {
                        shown.push_str(&error.to_string());
                    }
                }
            })
            .await;
            assert!(log.contains("TRACE") || log.contains("DEBUG"), "the finest level is logged");
            shown.push_str(&log);
        }
    }
    let encoded = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5";
    let pair = "cmVzdG93OmNvcnJlY3QtaG9yc2UtYmF0dGVyeQ";
    for secret in [PASSWORD, TOKEN, encoded, pair] {
        assert!(!shown.contains(secret), "{secret} is shown: {}", around(&shown, secret));
    }
}

fn challenge(seen: &Seen) -> Response<Body> {
    let host = seen.header("host").unwrap_or_default();
    reply(401, &[("www-authenticate", &format!("Bearer realm=\"http://{host}/token\",service=\"s\""))], "")
}

fn around<'a>(text: &'a str, secret: &str) -> &'a str {
    let at = text.find(secret).unwrap_or(0);
    let start = (0..=at.saturating_sub(200)).rev().find(|start| text.is_char_boundary(*start)).unwrap_or(0);
    &text[start..at]
}
