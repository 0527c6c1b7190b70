//! The registries that people use, each played by a fake that answers as that registry does: how it pages, what size of
//! page it takes, what it wants to see, where its dates are.

use std::collections::BTreeMap;

use futures::FutureExt;
use restow::registry::{AwsIdentity, AwsKeys, Endpoints, PackageToken, Provider};

use super::hostile::logged;
use super::*;

/// How a registry leads to the next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paging {
    /// `</v2/NAME/tags/list?last=TAG&n=N>`
    Last,
    /// A cursor that means something to the registry only.
    Cursor(&'static str),
    /// Without a word: a page is full, or the last one.
    Silent,
    /// All at once, whatever is asked for.
    Whole,
    /// A link that leaves out the name of the virtual repository.
    Shortened,
}

/// What a registry wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    Nothing,
    Basic,
    /// A token that nobody needs to pay for, called so in the answer.
    Token(&'static str),
    /// The same, with a scope that the registry itself names.
    Scoped,
}

/// Where a registry says when something was uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nowhere,
    List,
    DockerHub,
    Quay,
}

struct Known {
    /// As images name it.
    host: &'static str,
    paging: Paging,
    /// The largest page that it gives, and what it answers where more is asked for: 0 gives the largest.
    most: (usize, u16),
    wants: Wants,
    told: Told,
}

const fn known(host: &'static str, paging: Paging, most: (usize, u16), wants: Wants, told: Told) -> Known {
    Known { host, paging, most, wants, told }
}

const REGISTRIES: &[Known] = &[
    known("docker.io", Paging::Last, (1000, 0), Wants::Token("token"), Told::DockerHub),
    known("ghcr.io", Paging::Last, (1000, 0), Wants::Scoped, Told::Nowhere),
    known("quay.io", Paging::Cursor("next_page"), (100, 400), Wants::Token("token"), Told::Quay),
    known("gcr.io", Paging::Last, (10_000, 0), Wants::Token("token"), Told::List),
    known("europe-west4-docker.pkg.dev", Paging::Last, (10_000, 0), Wants::Token("token"), Told::List),
    known(
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        Paging::Cursor("next_token"),
        (1000, 405),
        Wants::Basic,
        Told::Nowhere,
    ),
    known("public.ecr.aws", Paging::Cursor("next_token"), (1000, 405), Wants::Token("token"), Told::Nowhere),
    known("acme.azurecr.io", Paging::Last, (1000, 0), Wants::Token("access_token"), Told::Nowhere),
    known("mcr.microsoft.com", Paging::Whole, (10_000, 0), Wants::Nothing, Told::Nowhere),
    known("registry.gitlab.com", Paging::Last, (1000, 400), Wants::Scoped, Told::Nowhere),
    known("harbor.acme.corp", Paging::Last, (100, 0), Wants::Scoped, Told::Nowhere),
    known("acme.jfrog.io", Paging::Shortened, (1000, 0), Wants::Token("token"), Told::Nowhere),
    known("nexus.acme.corp", Paging::Silent, (1000, 0), Wants::Basic, Told::Nowhere),
    known("cgr.dev", Paging::Last, (1000, 0), Wants::Token("token"), Told::Nowhere),
    known("registry.k8s.io", Paging::Last, (10_000, 0), Wants::Nothing, Told::List),
    known("registry.access.redhat.com", Paging::Last, (100, 0), Wants::Nothing, Told::Nowhere),
    // One that nobody knows, and that takes small pages only.
    known("registry.acme.corp", Paging::Last, (100, 400), Wants::Nothing, Told::Nowhere),
];

/// The tags that every one of them has: more than one page of any, in the order of their names.
fn all_tags() -> Vec<String> {
    (0..1_150).map(|number| format!("1.0.{number:04}")).collect()
}

const REPOSITORY: &str = "virtual/team/shop";
const UPLOADED: i64 = 1_767_225_600_000;

impl Known {
    fn answer(&self, seen: &Seen) -> Response<Body> {
        let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
        if path == "/token" {
            return self.sell(query);
        }
        if path.starts_with("/api/v1/") || path.starts_with("/v2/repositories/") {
            return self.story(query);
        }
        if let Some(refusal) = self.refuse(seen) {
            return refusal;
        }
        match path.ends_with("/tags/list") {
            true => self.page(path, query),
            false => reply(404, &[], ""),
        }
    }

    fn sell(&self, query: &str) -> Response<Body> {
        assert!(query.contains("scope=repository%3Avirtual%2Fteam%2Fshop%3Apull"), "{}: {query}", self.host);
        let name = if let Wants::Token(name) = self.wants { name } else { "token" };
        reply(200, &[], format!("{{\"{name}\":\"sold\"}}"))
    }

    fn refuse(&self, seen: &Seen) -> Option<Response<Body>> {
        let host = seen.header("host").unwrap_or_default();
        let scope = if self.wants == Wants::Scoped {
            format!(",scope=\"repository:{REPOSITORY}:pull\"")
        } else {
            String::new()
        };
        let (expected, challenge) = match self.wants {
            Wants::Nothing => return None,
            Wants::Basic => ("Basic cmVzdG93OnNlc2FtZQ==", "Basic realm=\"here\"".to_owned()),
            Wants::Token(_) | Wants::Scoped => {
                ("Bearer sold", format!("Bearer realm=\"http://{host}/token\",service=\"s\"{scope}"))
            }
        };
        (seen.authorization() != Some(expected)).then(|| reply(401, &[("www-authenticate", &challenge)], ""))
    }

    fn page(&self, path: &str, query: &str) -> Response<Body> {
        let asked: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let size: usize = asked.get("n").and_then(|n| n.parse().ok()).unwrap_or(self.most.0);
        if size > self.most.0 && self.most.1 != 0 {
            return reply(self.most.1, &[], "{}");
        }
        let (tags, size) = (all_tags(), size.min(self.most.0));
        let size = if self.paging == Paging::Whole { tags.len() } else { size };
        let name = if let Paging::Cursor(name) = self.paging { name } else { "last" };
        let behind = asked.get(name).map_or("", |last| last.trim_start_matches("cursor=="));
        let rest: Vec<&String> = tags.iter().filter(|tag| tag.as_str() > behind).collect();
        let page: Vec<&String> = rest.iter().copied().take(size).collect();
        let last = page.last().map_or("", |tag| tag.as_str());
        let link = match self.paging {
            Paging::Last => format!("<{path}?last={last}&n={size}>; rel=\"next\""),
            Paging::Cursor(name) => format!("<{path}?n={size}&{name}=cursor%3D%3D{last}>; rel=\"next\""),
            Paging::Shortened => format!("</v2/team/shop/tags/list?last={last}&n={size}>; rel=\"next\""),
            Paging::Silent | Paging::Whole => String::new(),
        };
        let headers = [("link", link.as_str())];
        let headers = if link.is_empty() || rest.len() == page.len() { &[][..] } else { &headers[..] };
        reply(200, headers, self.list(&page).to_string())
    }

    fn list(&self, page: &[&String]) -> serde_json::Value {
        let mut list = serde_json::json!({ "name": REPOSITORY, "tags": page });
        if self.told == Told::List {
            let upload = |tag: &&String| {
                let what =
                    serde_json::json!({ "tag": [tag], "timeCreatedMs": "0", "timeUploadedMs": UPLOADED.to_string() });
                (Digest::sha256_of(tag.as_bytes()).to_string(), what)
            };
            list["manifest"] = page.iter().map(upload).collect::<serde_json::Map<_, _>>().into();
        }
        list
    }

    fn story(&self, query: &str) -> Response<Body> {
        let digest = Digest::sha256_of(b"1.0.0007");
        match self.told {
            Told::DockerHub => {
                let told = serde_json::json!({ "digest": digest, "tag_last_pushed": "2026-01-01T00:00:00Z" });
                reply(200, &[], told.to_string())
            }
            Told::Quay => {
                assert!(query.contains("specificTag=1.0.0007"), "{query}");
                let tag =
                    serde_json::json!({ "name": "1.0.0007", "manifest_digest": digest, "start_ts": UPLOADED / 1000 });
                reply(200, &[], serde_json::json!({ "tags": [tag] }).to_string())
            }
            Told::Nowhere | Told::List => panic!("{} has no such interface", self.host),
        }
    }
}

/// Settings under which a fake stands for a registry.
fn standing_for(host: &str, fake: &Fake) -> RegistrySettings {
    RegistrySettings {
        served_by: BTreeMap::from([(host.to_owned(), fake.host.clone())]),
        docker_hub: format!("http://{}/", fake.host).parse().expect("an address"),
        ..settings(&[fake])
    }
}

#[tokio::test]
async fn every_registry_is_read_as_it_pages_and_asks() {
    for known in REGISTRIES {
        let fake = Fake::start(|seen| known.answer(seen)).await;
        let credentials = match known.wants {
            Wants::Basic => vec![Credential { host: known.host.to_owned(), ..credential(&fake, "sesame") }],
            Wants::Nothing | Wants::Token(_) | Wants::Scoped => Vec::new(),
        };
        let registries = client(RegistrySettings { credentials, ..standing_for(known.host, &fake) });
        let image = ImageName::parse(&format!("{}/{REPOSITORY}", known.host)).expect("an image");
        let list = registries.tags(&image).await.unwrap_or_else(|error| panic!("{}: {error}", known.host));
        assert_eq!(list.complete, Completeness::Whole, "{}", known.host);
        assert_eq!(names(&list), all_tags(), "{}", known.host);
        // No more than its pages, the answer to the first question, the token, and one page that was too large.
        let pages = if known.paging == Paging::Whole { 1 } else { all_tags().len().div_ceil(known.most.0) };
        assert!(fake.seen().len() <= pages + 3, "{}: {}", known.host, fake.seen().len());
        let told = list.uploads.get(&tag("1.0.0007")).map(|upload| upload.at.0);
        assert_eq!(told, (known.told == Told::List).then_some(UPLOADED), "{}", known.host);
        let story = registries.tag_story(&image, &tag("1.0.0007")).await.expect("an answer");
        let pushed = story.and_then(|story| story.pushed).map(|at| at.0);
        let expected = matches!(known.told, Told::DockerHub | Told::Quay).then_some(UPLOADED);
        assert_eq!(pushed, expected, "{}", known.host);
    }
}

/// GitHub's registry as the App's own token opens it: anonymous first, then the token, for the owner's packages only.
#[tokio::test]
async fn the_apps_token_opens_the_owners_packages_and_no_others() {
    const TOKEN: &str = "ghs_ownpackagestoken";
    // x-access-token:ghs_ownpackagestoken
    const BASIC: &str = "Basic eC1hY2Nlc3MtdG9rZW46Z2hzX293bnBhY2thZ2VzdG9rZW4=";
    let fake = Fake::start(|seen| {
        let own = seen.target.contains("acme");
        match (seen.target.starts_with("/token"), seen.authorization()) {
            (true, Some(BASIC)) if own => reply(200, &[], r#"{"token":"private"}"#),
            (true, _) => reply(403, &[], r#"{"errors":[{"code":"DENIED"}]}"#),
            (false, Some("Bearer private")) => tag_page(&["1.0"], &[]),
            (false, _) => {
                let host = seen.header("host").unwrap_or_default();
                reply(
                    401,
                    &[("www-authenticate", &format!("Bearer realm=\"http://{host}/token\",service=\"ghcr.io\""))],
                    "",
                )
            }
        }
    })
    .await;
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let packages: PackageToken = Arc::new(move || {
        *count.lock().expect("a number") += 1;
        std::future::ready(Some(SecretString::from(TOKEN))).boxed()
    });
    let all = client(standing_for("ghcr.io", &fake));
    let own: ImageName = "ghcr.io/acme/web".parse().expect("an image");
    let foreign: ImageName = "ghcr.io/globex/web".parse().expect("an image");
    let acme = all.of("Acme", Some(Arc::clone(&packages)));
    let mut shown = String::new();
    shown.push_str(
        &logged(async {
            assert_eq!(names(&acme.tags(&own).await.expect("its own")), ["1.0"]);
            let tokens: Vec<_> = fake.seen().into_iter().filter(|seen| seen.target.starts_with("/token")).collect();
            let given: Vec<_> = tokens.iter().map(Seen::authorization).collect();
            assert_eq!(given, [None, Some(BASIC)], "anonymous first");
            assert!(acme.tags(&foreign).await.is_err());
            assert_eq!(*asked.lock().expect("a number"), 1, "a foreign package never sees it");
            // Nor does an own package serve another owner, from what is remembered either.
            let globex = all.of("globex", Some(packages));
            let error = globex.tags(&own).await.expect_err("not theirs");
            assert_eq!(*asked.lock().expect("a number"), 1, "another owner's package is foreign");
            assert!(!format!("{error} {error:?} {globex:?}").contains(TOKEN));
        })
        .await,
    );
    assert!(
        fake.seen().iter().filter(|seen| seen.target.contains("globex")).all(|seen| seen.authorization().is_none())
    );
    assert_eq!(acme.audience(&own).as_deref(), Some("acme"));
    assert_eq!(acme.audience(&foreign), None);
    assert_eq!(all.audience(&own), None);
    for secret in [TOKEN, BASIC.trim_start_matches("Basic "), "Bearer private"] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}

/// Who has no credentials asks any public token server for a token; it learns the image's name, as the registry does.
#[tokio::test]
async fn a_foreign_token_server_sees_nothing_secret() {
    let elsewhere = Fake::start(|_| reply(200, &[], r#"{"token":"t"}"#)).await;
    let challenge = format!("Bearer realm=\"http://{}/token?x=1\",service=\"s\"", elsewhere.host);
    let fake = Fake::start(move |seen| match seen.authorization() {
        Some("Bearer t") => tag_page(&["1.0"], &[]),
        _ => reply(401, &[("www-authenticate", &challenge)], ""),
    })
    .await;
    // There are credentials, for another registry.
    let others = vec![Credential { host: "other.corp".to_owned(), ..credential(&fake, "sesame") }];
    let registries = client(RegistrySettings { credentials: others, ..settings(&[&fake, &elsewhere]) });
    assert_eq!(names(&registries.tags(&fake.image("shop")).await.expect("tags")), ["1.0"]);
    let seen = elsewhere.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].target, "/token?x=1&service=s&scope=repository%3Ashop%3Apull");
    let mut headers: Vec<&str> = seen[0].headers.keys().map(|name| name.as_str()).collect();
    headers.sort_unstable();
    assert_eq!(headers, ["accept", "host", "user-agent"]);
    assert_eq!(elsewhere.bodies(), [""]);
}

/// What a server behind an authenticated proxy would see.
#[tokio::test]
async fn https_goes_through_the_proxy_by_a_tunnel_of_its_own() {
    let proxy = Fake::start(|seen| match seen.method.as_str() {
        "CONNECT" => reply(502, &[], ""),
        other => panic!("{other} {}", seen.target),
    })
    .await;
    let settings = RegistrySettings {
        proxy: Proxy {
            https: Some(SecretString::from(format!("http://user:hunter2@{}", proxy.host))),
            ..Proxy::default()
        },
        clock: Clock::settable(Moment(0)),
        ..RegistrySettings::default()
    };
    let credentials = vec![Credential { host: "shop.example".to_owned(), ..credential(&proxy, "sesame") }];
    let registries = client(RegistrySettings { credentials, ..settings });
    let error = registries.tags(&"shop.example/team/shop".parse().expect("an image")).await.expect_err("no tunnel");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let seen = proxy.seen();
    assert!(!seen.is_empty() && seen.iter().all(|one| one.target == "shop.example:443"), "{seen:?}");
    // The proxy's own password goes to it, and nothing that is the registry's.
    assert_eq!(seen[0].header("proxy-authorization"), Some("Basic dXNlcjpodW50ZXIy"));
    assert_eq!(seen[0].authorization(), None);
}

/// The keys of a cloud, and what they buy, are in no log.
#[tokio::test]
async fn no_log_shows_a_clouds_keys() {
    const SECRET: &str = "wJalrXUtnFEMIsecretkey";
    const SESSION: &str = "IQoJb3JpZ2luX2VjSESSION";
    const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    // AWS:bought-password
    const BOUGHT: &str = "QVdTOmJvdWdodC1wYXNzd29yZA==";
    let fake = Fake::start(|seen| match (seen.method.as_str(), seen.authorization()) {
        ("POST", Some(signed)) if signed.starts_with("AWS4-HMAC-SHA256") => reply(
            200,
            &[],
            format!("{{\"authorizationData\":[{{\"authorizationToken\":\"{BOUGHT}\",\"expiresAt\":9999999999}}]}}"),
        ),
        ("POST", _) => reply(403, &[], ""),
        (_, Some(given)) if given == format!("Basic {BOUGHT}") => tag_page(&["1.0"], &[]),
        _ => reply(401, &[("www-authenticate", "Basic realm=\"here\"")], ""),
    })
    .await;
    let keys = AwsKeys {
        id: "AKIAEXAMPLE".to_owned(),
        secret: SecretString::from(SECRET),
        session: Some(SecretString::from(SESSION)),
    };
    let identity = AwsIdentity { keys: Some(keys), ..AwsIdentity::default() };
    let secret = Secret::Cloud(Provider::Ecr(identity));
    let settings = RegistrySettings {
        credentials: vec![Credential { host: HOST.to_owned(), owners: Vec::new(), user: String::new(), secret }],
        clouds: Endpoints {
            ecr: Some(format!("http://{}/", fake.host).parse().expect("an address")),
            ..Endpoints::default()
        },
        ..standing_for(HOST, &fake)
    };
    let mut shown = format!("{settings:?}");
    let log = logged(async {
        let registries = client(settings);
        let list = registries.tags(&format!("{HOST}/shop").parse().expect("an image")).await.expect("tags");
        assert_eq!(names(&list), ["1.0"]);
        shown.push_str(&format!("{registries:?}"));
    })
    .await;
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the finest level is logged");
    shown.push_str(&log);
    for secret in [SECRET, SESSION, BOUGHT, "bought-password"] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}
