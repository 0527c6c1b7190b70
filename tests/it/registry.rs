//! The registry client against registries on the wire: well-behaved, odd and hostile ones.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use restow::clock::Clock;
use restow::image::{Digest, ImageName, Tag};
use restow::registry::{
    Completeness, Credential, Proxy, RealmPair, Registries, RegistryError, RegistrySettings, Secret, TagList, Timeouts,
};
use restow::repo::Moment;
use secrecy::SecretString;

/// What a request said.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    /// Path and query.
    target: String,
    headers: HeaderMap,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }
}

/// A registry whose answers are one function of the request.
struct Fake {
    /// `127.0.0.1:PORT`
    host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    async fn start(answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let (log, texts, answer) = (Arc::clone(&seen), Arc::clone(&bodies), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (log, texts, answer) = (Arc::clone(&log), Arc::clone(&texts), Arc::clone(&answer));
            async move {
                let one = Seen {
                    method: request.method().to_string(),
                    target: request.uri().to_string(),
                    headers: request.headers().clone(),
                };
                log.lock().expect("the log").push(one.clone());
                let body = axum::body::to_bytes(request.into_body(), 10_000).await.unwrap_or_default();
                texts.lock().expect("the bodies").push(String::from_utf8_lossy(&body).into_owned());
                answer(&one)
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { host, seen, bodies }
    }

    fn image(&self, repository: &str) -> ImageName {
        ImageName::parse(&format!("{}/{repository}", self.host)).expect("an image")
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the log").clone()
    }

    /// What was sent with each request.
    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().expect("the bodies").clone()
    }

    fn count(&self, prefix: &str) -> usize {
        self.seen().iter().filter(|seen| seen.target.starts_with(prefix)).count()
    }
}

fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).expect("a response")
}

fn tag_page(tags: &[&str], headers: &[(&str, &str)]) -> Response<Body> {
    reply(200, headers, serde_json::json!({ "name": "shop", "tags": tags }).to_string())
}

/// Settings under which the fakes may be asked.
fn settings(fakes: &[&Fake]) -> RegistrySettings {
    RegistrySettings {
        insecure: fakes.iter().map(|fake| fake.host.clone()).collect(),
        allowed: vec!["127.0.0.1".parse().expect("an address")],
        clock: Clock::settable(Moment(0)),
        ..RegistrySettings::default()
    }
}

fn client(settings: RegistrySettings) -> Registries {
    Registries::new(settings).expect("a client")
}

fn names(list: &TagList) -> Vec<&str> {
    list.tags.iter().map(Tag::as_str).collect()
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("a tag")
}

fn credential(fake: &Fake, password: &str) -> Credential {
    Credential {
        host: fake.host.clone(),
        owners: Vec::new(),
        user: "restow".to_owned(),
        secret: Secret::Password(SecretString::from(password.to_owned())),
    }
}

#[track_caller]
fn check_cut(list: &TagList, why: &str) {
    let reason = match &list.complete {
        Completeness::Cut { reason } => reason.as_str(),
        Completeness::Whole => "the list is taken for whole",
    };
    assert!(reason.contains(why), "{reason}");
}

// Paging.

#[tokio::test]
async fn pages_are_followed_by_links_of_every_form() {
    let fake = Fake::start(|seen| {
        let host = seen.header("host").unwrap_or_default();
        match seen.target.as_str() {
            "/v2/team/shop/tags/list?n=1000" => tag_page(
                &["1.0", "sha256-"],
                &[("link", "</v2/team/shop/tags/list?next_page=a%2F%3D%3D>; rel=\"next\"")],
            ),
            "/v2/team/shop/tags/list?next_page=a%2F%3D%3D" => {
                let link = format!("<http://{host}/v2/team/shop/tags/list?last=2>; rel=\"next\"");
                tag_page(&["1.1", "1.0"], &[("link", &link)])
            }
            "/v2/team/shop/tags/list?last=2" => tag_page(&["1.2"], &[("link", "<list?x=3>;rel=next")]),
            "/v2/team/shop/tags/list?x=3" => reply(200, &[], r#"{"name":"shop","tags":null}"#),
            other => panic!("{other}"),
        }
    })
    .await;
    let list = client(settings(&[&fake])).tags(&fake.image("team/shop")).await.expect("tags");
    assert_eq!(names(&list), ["1.0", "sha256-", "1.1", "1.2"]);
    assert_eq!(list.complete, Completeness::Whole);
    assert_eq!(list.etag, None);
    let agent = concat!("restow/", env!("CARGO_PKG_VERSION"));
    assert!(fake.seen().iter().all(|seen| seen.header("user-agent") == Some(agent)));
}

#[tokio::test]
async fn signatures_are_left_out_and_the_version_is_kept() {
    let hex = "0".repeat(64);
    let signature = format!("sha256-{hex}.sig");
    let fake = Fake::start(move |_| tag_page(&["1.0", &signature, "not a tag!"], &[("etag", "\"v1\"")])).await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("tags");
    assert_eq!(names(&list), ["1.0"]);
    assert_eq!(list.etag.as_deref(), Some("\"v1\""));
}

#[tokio::test]
async fn a_list_that_is_known_is_not_sent_again() {
    let fake = Fake::start(|seen| match seen.header("if-none-match") {
        Some("\"v2\"") => reply(304, &[], ""),
        _ => tag_page(&["1.0"], &[("etag", "\"v2\"")]),
    })
    .await;
    let (registries, image) = (client(settings(&[&fake])), fake.image("shop"));
    let new = registries.tags_unless(&image, "\"v1\"").await.expect("tags").expect("another list");
    assert_eq!((names(&new), new.etag.as_deref()), (vec!["1.0"], Some("\"v2\"")));
    assert_eq!(registries.tags_unless(&image, "\"v2\"").await, Ok(None));
}

#[tokio::test]
async fn a_full_page_without_a_link_is_looked_beyond() {
    let all: Vec<String> = (0..2500).map(|number| format!("1.{number:05}")).collect();
    let fake = Fake::start(move |seen| {
        let last = seen.target.split_once("last=").map_or("", |(_, last)| last);
        let page: Vec<&str> = all.iter().map(String::as_str).filter(|tag| *tag > last).take(1000).collect();
        tag_page(&page, &[("content-type", "text/plain")])
    })
    .await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("tags");
    assert_eq!((list.tags.len(), list.complete), (2500, Completeness::Whole));
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn a_registry_that_ignores_the_size_is_asked_twice_at_most() {
    let all: Vec<String> = (0..1000).map(|number| format!("1.{number}")).collect();
    let fake = Fake::start(move |_| tag_page(&all.iter().map(String::as_str).collect::<Vec<_>>(), &[])).await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("tags");
    assert_eq!((list.tags.len(), list.complete), (1000, Completeness::Whole));
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn links_in_a_circle_are_noticed() {
    let fake = Fake::start(|_| tag_page(&["1.0"], &[("link", "</v2/shop/tags/list?n=1000>; rel=\"next\"")])).await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("tags");
    assert_eq!(names(&list), ["1.0"]);
    check_cut(&list, "circle");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn endless_pages_are_left() {
    let fake = Fake::start(|seen| {
        let page: usize = seen.target.split_once("page=").map_or(0, |(_, page)| page.parse().expect("a number"));
        tag_page(&["1.0"], &[("link", &format!("<list?page={}>; rel=\"next\"", page + 1))])
    })
    .await;
    let list = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect("tags");
    check_cut(&list, "without a new tag");
    assert!(fake.seen().len() < 20, "{}", fake.seen().len());
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed() {
    let elsewhere = Fake::start(|_| tag_page(&["evil"], &[])).await;
    let link = format!("<http://{}/v2/shop/tags/list>; rel=\"next\"", elsewhere.host);
    let fake = Fake::start(move |_| tag_page(&["1.0"], &[("link", &link)])).await;
    let list = client(settings(&[&fake, &elsewhere])).tags(&fake.image("shop")).await.expect("tags");
    check_cut(&list, "another host");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn what_is_no_list_is_said() {
    let fake = Fake::start(|_| reply(200, &[("content-type", "text/html")], "<html>Log in</html>")).await;
    let error = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect_err("no list");
    assert_eq!(error.to_string(), format!("{}: the registry's answer is no list of tags", fake.host));
    assert_eq!(error.retry_after(), None);
}

#[tokio::test]
async fn a_huge_answer_is_not_read_to_its_end() {
    let fake = Fake::start(|_| {
        let piece = bytes::Bytes::from(vec![b' '; 1 << 20]);
        let pieces = futures::stream::iter((0..1024).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
        reply(200, &[("content-length", "1073741824")], Body::from_stream(pieces))
    })
    .await;
    let registries = client(settings(&[&fake]));
    let error = registries.tags(&fake.image("shop")).await.expect_err("too much");
    assert!(error.to_string().ends_with("the registry's answer has more than 16777216 bytes"), "{error}");
    let digest = Digest::sha256_of(b"");
    let error = registries.manifest(&fake.image("shop"), &digest).await.expect_err("too much");
    assert!(error.to_string().ends_with("more than 4194304 bytes"), "{error}");
}

// Digests.

#[tokio::test]
async fn a_digest_costs_one_head_request() {
    let digest = Digest::sha256_of(b"{}");
    let named = digest.to_string();
    let fake = Fake::start(move |_| reply(200, &[("docker-content-digest", &named)], "")).await;
    let found = client(settings(&[&fake])).digest(&fake.image("team/shop"), &tag("1.0")).await;
    assert_eq!(found, Ok(digest));
    let seen = fake.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("HEAD", "/v2/team/shop/manifests/1.0"));
    let accept = seen[0].header("accept").expect("accept");
    for kind in ["oci.image.index.v1", "manifest.list.v2", "oci.image.manifest.v1", "distribution.manifest.v2"] {
        assert!(accept.contains(kind), "{accept}");
    }
}

#[tokio::test]
async fn without_a_named_digest_the_content_is_hashed() {
    for status in [200, 405, 501] {
        let fake = Fake::start(move |seen| match seen.method.as_str() {
            "HEAD" => reply(status, &[], ""),
            _ => reply(200, &[], "{\"schemaVersion\":2}"),
        })
        .await;
        let found = client(settings(&[&fake])).digest(&fake.image("shop"), &tag("1.0")).await;
        assert_eq!(found, Ok(Digest::sha256_of(b"{\"schemaVersion\":2}")), "{status}");
    }
}

#[tokio::test]
async fn content_that_is_not_what_it_is_named_is_refused() {
    let named = Digest::sha256_of(b"the promise").to_string();
    let fake = Fake::start(move |seen| match seen.method.as_str() {
        "HEAD" => reply(200, &[], ""),
        _ => reply(200, &[("docker-content-digest", &named)], "the lie"),
    })
    .await;
    let registries = client(settings(&[&fake]));
    let error = registries.digest(&fake.image("shop"), &tag("1.0")).await.expect_err("a lie");
    assert!(error.to_string().contains("does not have the digest it is named by"), "{error}");
    let promised = Digest::sha256_of(b"the promise");
    let error = registries.manifest(&fake.image("shop"), &promised).await.expect_err("a lie");
    assert!(matches!(error, RegistryError::Invalid { .. }), "{error}");
    let lie = registries.manifest(&fake.image("shop"), &Digest::sha256_of(b"the lie")).await.expect("true to its name");
    assert_eq!(&lie.body[..], b"the lie");
}

#[tokio::test]
async fn a_missing_tag_is_named() {
    let fake = Fake::start(|_| reply(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#)).await;
    let image = fake.image("shop");
    let error = client(settings(&[&fake])).digest(&image, &tag("9.9")).await.expect_err("missing");
    assert_eq!(error, RegistryError::NotFound { what: format!("{image}:9.9") });
}

// Authentication.

/// A registry that takes tokens of its own token server: `/token` gives out `t1`, `t2`, …; those in `valid` are taken.
fn bearer(seen: &Seen, given: &Mutex<u32>, valid: fn(&str) -> bool) -> Response<Body> {
    if seen.target.starts_with("/token") {
        let mut given = given.lock().expect("a number");
        *given += 1;
        return reply(200, &[], format!(r#"{{"token":"t{given}","expires_in":300}}"#));
    }
    if seen.authorization().and_then(|text| text.strip_prefix("Bearer ")).is_some_and(valid) {
        return tag_page(&["1.0"], &[]);
    }
    let host = seen.header("host").unwrap_or_default();
    let challenge =
        format!(r#"Bearer realm="http://{host}/token",service="the, registry",scope="repository:team/shop:pull""#);
    reply(401, &[("www-authenticate", &challenge)], "")
}

#[tokio::test]
async fn ten_readers_buy_one_token() {
    let given = Mutex::new(0);
    let fake = Fake::start(move |seen| bearer(seen, &given, |token| token.starts_with('t'))).await;
    let registries = client(settings(&[&fake]));
    let image = fake.image("team/shop");
    let lists = futures::future::join_all((0..10).map(|_| registries.tags(&image))).await;
    assert!(lists.iter().all(|list| list.as_ref().is_ok_and(|list| names(list) == ["1.0"])), "{lists:?}");
    let tokens: Vec<Seen> = fake.seen().into_iter().filter(|seen| seen.target.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].target, "/token?service=the%2C+registry&scope=repository%3Ateam%2Fshop%3Apull");
    assert_eq!(tokens[0].authorization(), None);
}

#[tokio::test]
async fn a_token_is_renewed_when_its_time_is_over() {
    let given = Mutex::new(0);
    let fake = Fake::start(move |seen| bearer(seen, &given, |token| token.starts_with('t'))).await;
    let settings = settings(&[&fake]);
    let clock = settings.clock.clone();
    let registries = client(settings);
    for _ in 0..2 {
        registries.tags(&fake.image("team/shop")).await.expect("tags");
    }
    assert_eq!(fake.count("/token"), 1);
    clock.advance(Duration::from_secs(241));
    registries.tags(&fake.image("team/shop")).await.expect("tags");
    assert_eq!(fake.count("/token"), 2);
}

#[tokio::test]
async fn a_token_refused_midway_is_replaced_once() {
    let given = Mutex::new(0);
    let revoked = Arc::new(Mutex::new(false));
    let switch = Arc::clone(&revoked);
    let fake = Fake::start(move |seen| match *switch.lock().expect("a switch") {
        false => bearer(seen, &given, |token| token == "t1"),
        true => bearer(seen, &given, |token| token == "t2"),
    })
    .await;
    let registries = client(settings(&[&fake]));
    registries.tags(&fake.image("team/shop")).await.expect("tags");
    *revoked.lock().expect("a switch") = true;
    registries.tags(&fake.image("team/shop")).await.expect("tags");
    assert_eq!(fake.count("/token"), 2);
}

#[tokio::test]
async fn a_registry_that_refuses_every_token_is_asked_twice() {
    let given = Mutex::new(0);
    let fake = Fake::start(move |seen| bearer(seen, &given, |_| false)).await;
    let error = client(settings(&[&fake])).tags(&fake.image("team/shop")).await.expect_err("refused");
    assert!(error.to_string().contains("does not exist or needs credentials"), "{error}");
    assert_eq!(fake.count("/v2/"), 2);
    assert_eq!(fake.count("/token"), 1);
}

fn basic(seen: &Seen) -> Response<Body> {
    // restow:sesame
    match seen.authorization() {
        Some("Basic cmVzdG93OnNlc2FtZQ==") => tag_page(&["1.0"], &[]),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"here\"")], ""),
    }
}

#[tokio::test]
async fn basic_credentials_right_wrong_and_missing() {
    let fake = Fake::start(basic).await;
    let with = |password: Option<&str>| {
        let credentials = password.map(|password| credential(&fake, password)).into_iter().collect();
        client(RegistrySettings { credentials, ..settings(&[&fake]) })
    };
    let image = fake.image("shop");
    assert_eq!(names(&with(Some("sesame")).tags(&image).await.expect("tags")), ["1.0"]);
    let wrong = with(Some("wrong")).tags(&image).await.expect_err("wrong").to_string();
    assert!(wrong.contains("refuses the configured credentials"), "{wrong}");
    assert!(!wrong.contains("sesame") && !wrong.contains("wrong"), "{wrong}");
    let missing = with(None).tags(&image).await.expect_err("missing").to_string();
    assert!(missing.contains("none are configured"), "{missing}");
}

/// An identity token goes to the token server as OAuth 2's refresh token, in a form, and into no address.
#[tokio::test]
async fn an_identity_token_buys_a_token() {
    let fake = Fake::start(|seen| {
        let posted = seen.method == "POST" && seen.header("content-type") == Some("application/x-www-form-urlencoded");
        match (seen.target.as_str(), seen.authorization()) {
            ("/token", None) if posted => reply(200, &[], r#"{"access_token":"t1"}"#),
            (_, Some("Bearer t1")) => tag_page(&["1.0"], &[]),
            _ => {
                let realm = format!(
                    r#"Bearer realm="http://{}/token",service="s",scope="repository:shop:pull""#,
                    seen.header("host").unwrap_or_default()
                );
                reply(401, &[("www-authenticate", &realm)], "")
            }
        }
    })
    .await;
    let token = Secret::IdentityToken(SecretString::from("sesame"));
    let credential = Credential { host: fake.host.clone(), owners: Vec::new(), user: String::new(), secret: token };
    let registries = client(RegistrySettings { credentials: vec![credential], ..settings(&[&fake]) });
    assert_eq!(names(&registries.tags(&fake.image("shop")).await.expect("tags")), ["1.0"]);
    assert!(fake.seen().iter().all(|seen| !seen.target.contains("sesame")));
    let post = fake.bodies().into_iter().find(|body| body.contains("grant_type")).expect("a form");
    assert_eq!(
        post,
        "grant_type=refresh_token&client_id=restow&service=s&scope=repository%3Ashop%3Apull&refresh_token=sesame"
    );
}

#[tokio::test]
async fn wrong_credentials_never_become_an_anonymous_read() {
    // A token server that would give anybody a token, but refuses this password.
    let fake = Fake::start(|seen| match (seen.target.starts_with("/token"), seen.authorization()) {
        (true, None) => reply(200, &[], r#"{"token":"anonymous"}"#),
        (true, Some(_)) => reply(401, &[], ""),
        (false, Some("Bearer anonymous")) => tag_page(&["1.0"], &[]),
        (false, _) => {
            let realm = format!("Bearer realm=\"http://{}/token\"", seen.header("host").unwrap_or_default());
            reply(401, &[("www-authenticate", &realm)], "")
        }
    })
    .await;
    let registries = client(RegistrySettings { credentials: vec![credential(&fake, "x")], ..settings(&[&fake]) });
    let error = registries.tags(&fake.image("shop")).await.expect_err("refused").to_string();
    assert!(error.contains("refuses the configured credentials"), "{error}");
}

#[tokio::test]
async fn credentials_go_to_no_token_server_elsewhere_unless_allowed() {
    // The same machine under another name is another host.
    let elsewhere = Fake::start(|_| reply(200, &[], r#"{"token":"t"}"#)).await;
    let realm = elsewhere.host.replace("127.0.0.1", "localhost");
    let challenge = format!("Bearer realm=\"http://{realm}/token\"");
    let fake = Fake::start(move |seen| match seen.authorization() {
        Some("Bearer t") => tag_page(&["1.0"], &[]),
        _ => reply(401, &[("www-authenticate", &challenge)], ""),
    })
    .await;
    let mut settings = RegistrySettings { credentials: vec![credential(&fake, "sesame")], ..settings(&[&fake]) };
    settings.insecure.push(realm.clone());
    let error = client(settings.clone()).tags(&fake.image("shop")).await.expect_err("refused");
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
    assert!(error.to_string().contains(&realm) && error.to_string().contains("registry_realms"), "{error}");
    assert!(elsewhere.seen().is_empty());

    settings.realms = vec![RealmPair { registry: fake.host.clone(), realm }];
    assert_eq!(names(&client(settings).tags(&fake.image("shop")).await.expect("tags")), ["1.0"]);
    assert_eq!(elsewhere.seen()[0].authorization(), Some("Basic cmVzdG93OnNlc2FtZQ=="));
}

// Where requests may go.

#[tokio::test]
async fn a_redirect_elsewhere_loses_the_authorization() {
    let storage = Fake::start(|_| tag_page(&["1.0"], &[])).await;
    let target = format!("http://{}/signed?x=1", storage.host);
    let fake = Fake::start(move |seen| match seen.authorization() {
        Some(_) => reply(307, &[("location", &target)], ""),
        None => reply(401, &[("www-authenticate", "Basic realm=\"here\"")], ""),
    })
    .await;
    let credentials = vec![credential(&fake, "sesame")];
    let registries = client(RegistrySettings { credentials, ..settings(&[&fake, &storage]) });
    assert_eq!(names(&registries.tags(&fake.image("shop")).await.expect("tags")), ["1.0"]);
    assert_eq!(storage.seen().len(), 1);
    assert_eq!(storage.seen()[0].authorization(), None);
}

#[tokio::test]
async fn pages_behind_a_redirect_are_read_there_and_without_the_authorization() {
    let mirror = Fake::start(|seen| match seen.target.as_str() {
        "/v2/mirror/shop/tags/list?n=1000" => tag_page(&["1.0"], &[("link", "<list?last=1.0>; rel=\"next\"")]),
        "/v2/mirror/shop/tags/list?last=1.0" => tag_page(&["1.1"], &[]),
        other => panic!("{other}"),
    })
    .await;
    let target = format!("http://{}/v2/mirror/shop/tags/list?n=1000", mirror.host);
    let fake = Fake::start(move |seen| match seen.authorization() {
        Some(_) => reply(307, &[("location", &target)], ""),
        None => reply(401, &[("www-authenticate", "Basic realm=\"here\"")], ""),
    })
    .await;
    let credentials = vec![credential(&fake, "sesame")];
    let registries = client(RegistrySettings { credentials, ..settings(&[&fake, &mirror]) });
    let list = registries.tags(&fake.image("shop")).await.expect("tags");
    assert_eq!((names(&list), list.complete.clone()), (vec!["1.0", "1.1"], Completeness::Whole));
    assert!(mirror.seen().iter().all(|seen| seen.authorization().is_none()));
}

#[tokio::test]
async fn no_redirect_and_no_token_server_leads_into_the_private_network() {
    for target in ["http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "https://[fd00:ec2::254]/"] {
        let redirecting = Fake::start(move |_| reply(302, &[("location", target)], "")).await;
        let error = client(settings(&[&redirecting])).tags(&redirecting.image("shop")).await.expect_err("refused");
        assert!(matches!(error, RegistryError::Refused { .. }), "{target}: {error}");
        let challenging =
            Fake::start(move |_| reply(401, &[("www-authenticate", &format!("Bearer realm=\"{target}\""))], "")).await;
        let error = client(settings(&[&challenging])).tags(&challenging.image("shop")).await.expect_err("refused");
        assert!(matches!(error, RegistryError::Refused { .. }), "{target}: {error}");
    }
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let fake = Fake::start(|seen| reply(302, &[("location", &seen.target)], "")).await;
    let error = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect_err("a circle");
    assert!(error.to_string().contains("circle"), "{error}");
}

#[tokio::test]
async fn private_registries_and_plain_http_need_the_operators_word() {
    let fake = Fake::start(|_| tag_page(&["1.0"], &[])).await;
    let image = fake.image("shop");
    let not_private = RegistrySettings { allowed: Vec::new(), ..settings(&[&fake]) };
    let error = client(not_private).tags(&image).await.expect_err("private");
    assert!(error.to_string().contains("has no public address"), "{error}");
    let not_insecure = RegistrySettings { insecure: Vec::new(), ..settings(&[&fake]) };
    let error = client(not_insecure).tags(&image).await.expect_err("no TLS there");
    assert!(matches!(error, RegistryError::Unavailable { .. }), "{error}");
    assert!(fake.seen().is_empty(), "nothing was said in clear");
}

// Limits.

#[tokio::test]
async fn a_registry_that_asks_to_wait_is_left_alone_and_the_others_are_not() {
    let busy = Fake::start(|_| reply(429, &[("retry-after", "30")], "")).await;
    let other = Fake::start(|_| tag_page(&["1.0"], &[])).await;
    let settings = settings(&[&busy, &other]);
    let clock = settings.clock.clone();
    let registries = client(settings);
    for _ in 0..3 {
        let error = registries.tags(&busy.image("shop")).await.expect_err("busy");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
    }
    assert_eq!(busy.seen().len(), 1);
    assert!(registries.tags(&other.image("shop")).await.is_ok());
    clock.advance(Duration::from_secs(30));
    assert!(registries.tags(&busy.image("shop")).await.is_err());
    assert_eq!(busy.seen().len(), 2);
}

#[tokio::test]
async fn a_broken_registry_may_be_asked_again() {
    let fake = Fake::start(|_| reply(StatusCode::BAD_GATEWAY.as_u16(), &[], "")).await;
    let error = client(settings(&[&fake])).tags(&fake.image("shop")).await.expect_err("broken");
    assert_eq!(error.retry_after(), Some(Duration::ZERO));
    assert_eq!(fake.seen().len(), 2, "once more after a moment, and no further");
}

mod hostile;
mod known;
#[cfg(feature = "real-servers")]
pub(crate) mod real;
