//! Registries that mean harm, or are broken beyond harm's imagination.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use restow::registry::NameLookup;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A server that answers every connection with these bytes, piece by piece, one every `pause`.
async fn raw(pieces: Vec<Vec<u8>>, pause: Duration) -> String {
    raw_at("127.0.0.1", pieces, pause).await
}

async fn raw_at(address: &str, pieces: Vec<Vec<u8>>, pause: Duration) -> String {
    let listener = tokio::net::TcpListener::bind((address, 0)).await.expect("a port");
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
    // What the transport takes may still be more than any registry needs.
    let headers: String = (0..90).map(|number| format!("x-{number}: {}\r\n", "y".repeat(1_000))).collect();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: 13\r\n\r\n{{\"tags\":[]}}\n");
    let host = raw(vec![head.into_bytes()], Duration::ZERO).await;
    let error = client(settings_for(&host)).tags(&shop(&host)).await.expect_err("too much").to_string();
    assert!(error.contains("the registry's headers have 9") && error.ends_with("bytes"), "{error}");
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
async fn a_large_blob_may_come_slowly_and_breaking_off_is_not_being_dead() {
    let piece = vec![b'x'; 256 * 1024];
    let digest = Digest::sha256_of(&piece.repeat(4));
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1048576\r\n\r\n".to_vec();
    let whole: Vec<Vec<u8>> = std::iter::once(head.clone()).chain(std::iter::repeat_n(piece.clone(), 4)).collect();
    // A quarter of a second between the pieces, and no more than half a second for all that is small.
    let slow = raw(whole, Duration::from_millis(250)).await;
    let timeouts = Timeouts { total: Duration::from_millis(500), ..Timeouts::default() };
    let registries = client(RegistrySettings { timeouts, ..settings_for(&slow) });
    let mut kept = std::io::Cursor::new(Vec::new());
    assert_eq!(registries.blob_to(&shop(&slow), &digest, 1 << 20, &mut kept).await, Ok(1 << 20));
    assert!(digest.matches(kept.get_ref()));
    let swollen = registries.blob_to(&shop(&slow), &digest, 1000, &mut std::io::Cursor::new(Vec::new())).await;
    assert!(swollen.expect_err("too large").to_string().contains("more than 1000 bytes"));
    let lie = Digest::sha256_of(b"another");
    let lied = registries.blob_to(&shop(&slow), &lie, 1 << 20, &mut std::io::Cursor::new(Vec::new())).await;
    assert!(lied.expect_err("a lie").to_string().contains("does not have the digest it is named by"));
    let broken = raw(vec![head, piece], Duration::ZERO).await;
    let registries = client(settings_for(&broken));
    for _ in 0..5 {
        let mut kept = std::io::Cursor::new(Vec::new());
        let error = registries.blob_to(&shop(&broken), &digest, 1 << 20, &mut kept).await.expect_err("half of it");
        assert!(!error.to_string().contains("times in a row"), "{error}");
    }
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

/// The uploads of a list are bounded by its tags; names that are no tags are counted, not kept.
#[tokio::test]
async fn what_a_list_says_beside_its_tags_does_not_grow_beyond_them() {
    let digest = Digest::sha256_of(b"{}");
    let fake = Fake::start(move |seen| {
        let page: usize = seen.target.rsplit_once("page=").and_then(|(_, page)| page.parse().ok()).unwrap_or(0);
        let elsewhere: Vec<String> = (0..20_000).map(|number| format!("x{page}-{number}")).collect();
        let named: Vec<&str> = elsewhere.iter().map(String::as_str).chain(["1.0", "sha256-", "no tag!"]).collect();
        let mut names: Vec<String> = (0..30_000).map(|number| format!("no tag {page} {number}")).collect();
        names.push(format!("1.{page}"));
        let link = format!("</v2/shop/tags/list?page={}>; rel=\"next\"", page + 1);
        let body = serde_json::json!({ "tags": names,
            "manifest": { digest.as_str(): { "tag": named, "timeUploadedMs": "1767225600000" } } });
        reply(200, &[("link", &link)], body.to_string())
    })
    .await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("a list");
    check_cut(&list, "more than 200000 tags");
    assert_eq!(names(&list), ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"]);
    assert_eq!(list.uploads.keys().map(Tag::as_str).collect::<Vec<_>>(), ["1.0"]);
}

/// A resolver that answers as told, one answer after the other, and then the last one again.
fn resolving(answers: &[&[&str]]) -> NameLookup {
    let answers: Vec<Vec<IpAddr>> =
        answers.iter().map(|some| some.iter().map(|one| one.parse().expect("an address")).collect()).collect();
    let left = Arc::new(Mutex::new(answers));
    NameLookup::new(move |_| {
        let mut left = left.lock().expect("the answers");
        let answer = if left.len() > 1 { left.remove(0) } else { left[0].clone() };
        Box::pin(async move { Ok(answer) })
    })
}

/// Counts the connections to an address, and takes none of them further.
async fn trap(address: &str) -> Arc<Mutex<usize>> {
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port");
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            *counted.lock().expect("a number") += 1;
        }
    });
    count
}

/// The address is decided when it is connected to: what a name meant before, or means a moment later, is all the same.
/// 127.0.0.2 stands for the public internet here, 127.0.0.1 for the private network.
#[tokio::test]
async fn a_name_that_means_something_else_by_now_leads_nowhere() {
    let body = "{\"tags\":[\"1.0\"]}";
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let outside = raw_at("127.0.0.2", vec![answer.into_bytes()], Duration::ZERO).await;
    let port = outside.rsplit_once(':').expect("a port").1.to_owned();
    let inside = trap(&format!("127.0.0.1:{port}")).await;
    let host = format!("rebinding.example:{port}");
    let settings = |answers: &[&[&str]]| RegistrySettings {
        allowed: vec!["127.0.0.2".parse().expect("an address")],
        names: resolving(answers),
        ..settings_for(&host)
    };
    let registries = client(settings(&[&["127.0.0.2"], &["127.0.0.1"]]));
    assert_eq!(names(&registries.tags(&shop(&host)).await.expect("a list")), ["1.0"], "it was public");
    let error = registries.tags(&shop(&host)).await.expect_err("it is private now");
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
    // Of two addresses only the public one is tried.
    let list = client(settings(&[&["127.0.0.1", "127.0.0.2"]])).tags(&shop(&host)).await.expect("a list");
    assert_eq!(names(&list), ["1.0"]);
    assert_eq!(*inside.lock().expect("a number"), 0, "nobody came in");
}

#[tokio::test]
async fn a_redirect_to_a_name_that_is_private_is_refused() {
    let redirecting = Fake::start(|_| reply(302, &[("location", "https://inside.example:443/v2/")], "")).await;
    let settings = RegistrySettings { names: resolving(&[&["10.0.0.7"]]), ..settings(&[&redirecting]) };
    let error = client(settings).tags(&redirecting.image("shop")).await.expect_err("private");
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("inside.example has no public address"), "{error}");
}

#[tokio::test]
async fn behind_a_proxy_a_name_with_one_private_address_is_refused() {
    let proxy = Fake::start(|_| tag_page(&["1.0"], &[])).await;
    let asked = async |answers: &[&str]| {
        let settings = RegistrySettings {
            insecure: vec!["shop.example".to_owned()],
            proxy: Proxy { http: Some(SecretString::from(format!("http://{}", proxy.host))), ..Proxy::default() },
            names: resolving(&[answers]),
            ..RegistrySettings::default()
        };
        // The proxy itself is at an address.
        client(settings).tags(&"shop.example/shop".parse().expect("an image")).await
    };
    assert!(asked(&["93.184.215.14", "1.1.1.1"]).await.is_ok());
    for private in [&["93.184.215.14", "10.0.0.7"][..], &["127.0.0.1"]] {
        let seen = proxy.seen().len();
        let error = asked(private).await.expect_err("private");
        assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
        assert_eq!(proxy.seen().len(), seen, "the proxy heard nothing of it");
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
    for host in ["localhost:80", "127.0.0.1:80", "10.0.0.1:80", "127.0.0.1:5000"] {
        let image: ImageName = format!("{host}/shop").parse().expect("an image");
        let error = client(with(None, &[host])).tags(&image).await.expect_err("private");
        assert!(error.to_string().contains("has no public address"), "for its address alone: {error}");
    }
    assert_eq!(proxy.seen().len(), seen, "the proxy heard nothing of them");
    let _: SocketAddr = proxy.host.parse().expect("an address");
}

/// All that is logged while `work` runs, on this thread, at the finest level.
pub(super) async fn logged(work: impl Future<Output = ()>) -> String {
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
