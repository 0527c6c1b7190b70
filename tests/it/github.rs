//! The GitHub client against a GitHub that is one function of the request: tokens, limits, paging, redirects.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use restow::clock::Clock;
use restow::github::{
    BranchCreation, Disposition, GitHub, GitHubError, GitHubSettings, NewContent, NewEntry, NewPull, PullCreation,
    Repo, TarballLimits, Timeouts, UpdateMode, WorkflowsPermission, webhook,
};
use restow::repo::{
    BranchName, CommitSha, FileMode, FilePath, InstallationId, Moment, ObjectSha, PullNumber, RepoId, RepoName,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;

/// What a request said.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    /// Path and query.
    target: String,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
    }

    fn is(&self, method: &str, target: &str) -> bool {
        self.method == method && self.target == target
    }

    fn mints(&self) -> bool {
        self.target.ends_with("/access_tokens")
    }
}

/// A GitHub whose answers are one function of the request; tokens `t1`, `t2`, … it gives out by itself.
struct Fake {
    base: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
    clock: Clock,
}

const NOW: &str = "2026-11-23T17:40:00Z";

fn now() -> Moment {
    Moment::parse_rfc3339(NOW).expect("a date")
}

impl Fake {
    async fn start(answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Self {
        let clock = Clock::settable(now());
        let tokens = Mutex::new(0);
        let hand = clock.clone();
        let minting = move |seen: &Seen| if seen.mints() { mint(&tokens, &hand) } else { answer(seen) };
        Self::raw(clock, minting).await
    }

    /// Without tokens of its own.
    async fn raw(clock: Clock, answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let base = Url::parse(&format!("http://{address}/api/v3")).expect("a url");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        let router = Router::new().fallback(move |request: Request| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
                let one = Seen {
                    method: parts.method.to_string(),
                    target: parts.uri.to_string().trim_start_matches("/api/v3").to_owned(),
                    headers: parts.headers,
                    body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                };
                log.lock().expect("the log").push(one.clone());
                answer(&one)
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, seen, clock }
    }

    fn client(&self) -> GitHub {
        GitHub::new(&GitHubSettings {
            base: self.base.clone(),
            graphql: self.base.join("/api/graphql").expect("a url"),
            app_id: 4711,
            private_key: SecretString::from(private_key().to_owned()),
            clock: self.clock.clone(),
            timeouts: Timeouts::default(),
            writes: Arc::new(restow::github::WritesInMemory::default()),
            write_spacing: Duration::ZERO,
        })
        .expect("a client")
    }

    fn repo(&self) -> Repo {
        let name = RepoName::parse("acme/shop").expect("a name");
        self.client().installation(InstallationId(7)).repository(RepoId(42), &name)
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the log").clone()
    }

    fn minted(&self) -> usize {
        self.seen().iter().filter(|seen| seen.mints()).count()
    }

    /// The requests that are no token's.
    fn calls(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.mints()).collect()
    }
}

fn mint(tokens: &Mutex<u32>, clock: &Clock) -> Response<Body> {
    let mut tokens = tokens.lock().expect("a number");
    *tokens += 1;
    let expires = clock.now().plus_ms(3_600_000).to_string();
    let permissions = json!({ "contents": "write", "workflows": "write" });
    reply(201, &[], &json!({ "token": format!("t{tokens}"), "expires_at": expires, "permissions": permissions }))
}

/// An RSA key, made for this run.
fn private_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("a key");
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()))
    })
}

fn reply(status: u16, headers: &[(&str, &str)], body: &Value) -> Response<Body> {
    bytes_reply(status, headers, body.to_string())
}

fn bytes_reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).expect("a response")
}

fn sha(digit: char) -> ObjectSha {
    ObjectSha::parse(&digit.to_string().repeat(40)).expect("a sha")
}

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).expect("a branch")
}

fn file(path: &str) -> FilePath {
    FilePath::parse(path).expect("a path")
}

fn head_of(digit: char) -> Value {
    json!({ "ref": "refs/heads/x", "object": { "sha": sha(digit), "type": "commit" } })
}

fn details() -> Value {
    json!({ "id": 42, "full_name": "acme/shop", "default_branch": "main" })
}

// Tokens and headers.

#[tokio::test]
async fn ten_callers_share_one_narrow_token() {
    let fake = Fake::start(|_| reply(200, &[], &details())).await;
    let repo = fake.repo();
    // Clones share the tokens.
    let repos: Vec<Repo> = (0..10).map(|_| repo.clone()).collect();
    for result in futures::future::join_all(repos.iter().map(Repo::details)).await {
        assert_eq!(result.expect("details").default_branch, branch("main"));
    }
    assert_eq!(fake.minted(), 1);
    let seen = fake.seen();
    assert!(seen[0].is("POST", "/app/installations/7/access_tokens"), "{seen:?}");
    assert_eq!(seen[0].body["repository_ids"], json!([42]));
    assert_eq!(seen[0].body["permissions"]["contents"], "write");
    assert!(fake.calls().iter().all(|call| call.header("authorization") == ["Bearer t1"]));
}

#[tokio::test]
async fn each_header_goes_out_once() {
    let fake = Fake::start(|_| reply(200, &[], &details())).await;
    fake.repo().details().await.expect("details");
    for seen in fake.seen() {
        assert_eq!(seen.header("user-agent"), [concat!("restow/", env!("CARGO_PKG_VERSION"))]);
        assert_eq!(seen.header("accept"), ["application/vnd.github+json"]);
        assert_eq!(seen.header("x-github-api-version"), ["2022-11-28"]);
        assert_eq!(seen.header("authorization").len(), 1);
    }
}

#[tokio::test]
async fn the_app_signs_for_nine_minutes() {
    let fake = Fake::start(|_| reply(200, &[], &json!({ "id": 4711, "slug": "restow", "name": "Restow" }))).await;
    assert_eq!(fake.client().app().await.expect("the app").slug.as_deref(), Some("restow"));
    let seen = fake.seen();
    let token = seen[0].header("authorization")[0].strip_prefix("Bearer ").expect("a token").to_owned();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("claims");
    let seconds = now().0 / 1000;
    assert_eq!(claims, json!({ "iss": "4711", "iat": seconds - 60, "exp": seconds + 540 }));
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let fake = Fake::start(|seen| match seen.header("authorization")[..] {
        ["Bearer t1"] => reply(401, &[], &json!({ "message": "Bad credentials" })),
        _ => reply(200, &[], &details()),
    })
    .await;
    let repo = fake.repo();
    repo.details().await.expect("details");
    repo.details().await.expect("details");
    assert_eq!((fake.minted(), fake.calls().len()), (2, 3));
}

#[tokio::test]
async fn tokens_that_are_always_refused_end_in_a_clear_error() {
    let fake = Fake::start(|_| reply(401, &[], &json!({ "message": "Bad credentials" }))).await;
    let error = fake.repo().details().await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "GET /repos/acme/shop: GitHub refuses the App's authentication (Bad credentials); check the App id, the \
         private key and the clock"
    );
    assert_eq!((fake.minted(), fake.calls().len()), (2, 2));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let fake = Fake::start(|_| reply(200, &[], &details())).await;
    let repo = fake.repo();
    repo.details().await.expect("details");
    fake.clock.advance(Duration::from_secs(54 * 60));
    repo.details().await.expect("details");
    assert_eq!(fake.minted(), 1);
    fake.clock.advance(Duration::from_secs(60));
    repo.details().await.expect("details");
    assert_eq!(fake.minted(), 2);
}

#[tokio::test]
async fn an_installation_without_workflows_still_gets_a_token() {
    let fake = Fake::raw(Clock::settable(now()), |seen| {
        if !seen.mints() {
            return reply(200, &[], &details());
        }
        if seen.body["permissions"].get("workflows").is_some() {
            return reply(422, &[], &json!({ "message": "The permissions requested are not granted" }));
        }
        reply(201, &[], &json!({ "token": "t", "expires_at": "2026-11-23T18:40:00Z", "permissions": {} }))
    })
    .await;
    let client = fake.client();
    let of =
        |id| client.installation(InstallationId(7)).repository(RepoId(id), &RepoName::parse("a/b").expect("a name"));
    assert_eq!(of(1).workflows_permission().await, Ok(WorkflowsPermission::Missing));
    assert_eq!(fake.minted(), 2);
    assert_eq!(of(2).workflows_permission().await, Ok(WorkflowsPermission::Missing));
    assert_eq!(fake.minted(), 3, "what is missing is not asked for again");
}

#[tokio::test]
async fn no_error_and_no_debug_shows_a_secret() {
    let fake = Fake::start(|_| reply(500, &[], &json!({ "message": "t1 leaked" }))).await;
    let repo = fake.repo();
    let error = repo.details().await.expect_err("broken");
    let shown = format!("{error} {error:?} {repo:?} {:?}", fake.client());
    assert!(!shown.contains("t1") && !shown.contains("PRIVATE KEY"), "{shown}");
    let settings = GitHubSettings {
        base: fake.base.clone(),
        graphql: fake.base.clone(),
        app_id: 1,
        private_key: SecretString::from("hunter2"),
        clock: Clock::System,
        timeouts: Timeouts::default(),
        writes: Arc::new(restow::github::WritesInMemory::default()),
        write_spacing: Duration::ZERO,
    };
    let error = GitHub::new(&settings).expect_err("no key");
    assert!(!format!("{settings:?} {error} {error:?}").contains("hunter2"));
}

// Failures.

#[tokio::test]
async fn a_write_is_never_repeated() {
    let fake = Fake::start(|_| reply(502, &[], &Value::Null)).await;
    let error = fake.repo().create_comment(PullNumber(1), "hello").await.expect_err("broken");
    assert_eq!(error.disposition(), Disposition::Retry(None));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn a_rate_limit_is_obeyed_without_asking_again() {
    let fake =
        Fake::start(|_| reply(403, &[("retry-after", "90")], &json!({ "message": "secondary rate limit" }))).await;
    let client = fake.client();
    let name = RepoName::parse("acme/shop").expect("a name");
    let of = |installation| client.installation(InstallationId(installation)).repository(RepoId(1), &name);
    let error = of(7).details().await.expect_err("limited");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
    fake.clock.advance(Duration::from_secs(30));
    let error = of(7).details().await.expect_err("limited");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(fake.calls().len(), 1);
    assert!(of(8).details().await.is_err());
    assert_eq!(fake.calls().len(), 2, "another installation has its own limit");
    fake.clock.advance(Duration::from_secs(60));
    assert!(of(7).details().await.is_err());
    assert_eq!(fake.calls().len(), 3);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_retry() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = Url::parse(&format!("http://{}", listener.local_addr().expect("an address"))).expect("a url");
    let github = GitHub::new(&GitHubSettings {
        graphql: base.clone(),
        base,
        app_id: 1,
        private_key: SecretString::from(private_key().to_owned()),
        clock: Clock::System,
        timeouts: Timeouts { call: Duration::from_millis(50), ..Timeouts::default() },
        writes: Arc::new(restow::github::WritesInMemory::default()),
        write_spacing: Duration::ZERO,
    });
    let error = github.expect("a client").app().await.expect_err("nothing");
    assert_eq!(error.disposition(), Disposition::Retry(None), "{error}");
    drop(listener);
}

#[tokio::test]
async fn an_answer_over_its_bound_is_not_read() {
    let fake = Fake::start(|_| bytes_reply(200, &[], vec![b'a'; 5000])).await;
    let error = fake.repo().blob(&sha('a'), 4096).await.expect_err("too large");
    assert!(matches!(error, GitHubError::TooLarge { limit: 4096, .. }), "{error}");
}

// Paging and redirects.

#[tokio::test]
async fn pages_keep_their_authorization_and_lose_their_host() {
    let repository = |id: u64| json!({ "id": id, "full_name": format!("acme/r{id}"), "default_branch": "main" });
    let fake = Fake::start(move |seen| match seen.target.as_str() {
        "/installation/repositories?per_page=100" => {
            let link = "<https://elsewhere.example/api/v3/installation/repositories?per_page=100&page=2>; rel=\"next\"";
            reply(200, &[("link", link)], &json!({ "total_count": 2, "repositories": [repository(1)] }))
        }
        "/installation/repositories?per_page=100&page=2" => {
            reply(200, &[], &json!({ "total_count": 2, "repositories": [repository(2)] }))
        }
        other => panic!("{other}"),
    })
    .await;
    let found = fake.client().installation(InstallationId(7)).repositories().await.expect("repositories");
    assert_eq!(found.iter().map(|repo| repo.id).collect::<Vec<_>>(), [RepoId(1), RepoId(2)]);
    assert!(fake.calls().iter().all(|call| call.header("authorization") == ["Bearer t1"]));
    assert_eq!(fake.seen()[0].body, json!({ "permissions": { "metadata": "read" } }));
}

#[tokio::test]
async fn pages_in_a_circle_end() {
    let link = "</api/v3/app/installations?page=2>; rel=\"next\"";
    let fake = Fake::start(move |_| reply(200, &[("link", link)], &json!([]))).await;
    let error = fake.client().installations().await.expect_err("a circle");
    assert_eq!(error.disposition(), Disposition::Permanent);
    assert_eq!(fake.calls().len(), 2);
}

#[tokio::test]
async fn a_renamed_repository_is_followed_on_the_own_host_only() {
    let fake = Fake::start(|seen| match seen.target.as_str() {
        "/repos/acme/shop" => reply(301, &[("location", "/api/v3/repositories/42")], &Value::Null),
        "/repositories/42" => {
            reply(200, &[], &json!({ "id": 42, "full_name": "acme/store", "default_branch": "main" }))
        }
        _ => reply(307, &[("location", "https://evil.example/")], &Value::Null),
    })
    .await;
    let repo = fake.repo();
    assert_eq!(repo.details().await.expect("details").name.as_str(), "acme/store");
    let error = repo.branch_head(&branch("main")).await.expect_err("elsewhere");
    assert!(error.to_string().contains("evil.example, which is not its own host"), "{error}");
}

// Reading.

#[tokio::test]
async fn a_branch_is_asked_for_by_its_exact_name() {
    let fake = Fake::start(|seen| match seen.target.as_str() {
        "/repos/acme/shop/git/ref/heads/restow/c%23-1%2520" => reply(200, &[], &head_of('a')),
        _ => reply(404, &[], &json!({ "message": "Not Found" })),
    })
    .await;
    let repo = fake.repo();
    assert_eq!(repo.branch_head(&branch("restow/c#-1%20")).await, Ok(Some(sha('a'))));
    assert_eq!(repo.branch_head(&branch("other")).await, Ok(None));
}

fn entry(path: &str, mode: &str, digit: char) -> Value {
    json!({ "path": path, "mode": mode, "type": "blob", "sha": sha(digit), "size": 3 })
}

#[tokio::test]
async fn a_tree_over_githubs_limit_is_walked() {
    let tree = |entries: Value, truncated: bool| json!({ "sha": sha('0'), "tree": entries, "truncated": truncated });
    let fake = Fake::start(move |seen| {
        let target = seen.target.trim_start_matches("/repos/acme/shop/git/trees/");
        let answer = match (&target[..1], target.ends_with("?recursive=1")) {
            ("c", true) => tree(json!([entry("a", "100644", '1')]), true),
            ("c", false) => {
                tree(json!([entry("a", "100644", '1'), entry("big", "040000", 'd'), entry("m", "160000", '9')]), false)
            }
            ("d", true) => tree(json!([]), true),
            ("d", false) => tree(json!([entry("x", "100755", '2'), entry("deep", "040000", 'e')]), false),
            ("e", true) => tree(json!([entry("y", "100644", '3'), entry("z/w", "120000", '4')]), false),
            other => panic!("{other:?}"),
        };
        reply(200, &[], &answer)
    })
    .await;
    let list = fake.repo().list_files(&sha('c')).await.expect("files");
    let files: Vec<(&str, FileMode)> = list.files.iter().map(|file| (file.path.as_str(), file.mode)).collect();
    let expected = [
        ("a", FileMode::Regular),
        ("big/deep/y", FileMode::Regular),
        ("big/deep/z/w", FileMode::Symlink),
        ("big/x", FileMode::Executable),
    ];
    assert_eq!((files.as_slice(), list.cut), (expected.as_slice(), None));
    assert_eq!(fake.calls().len(), 5);
}

#[tokio::test]
async fn a_blob_is_proven_by_its_sha() {
    let fake = Fake::start(|_| bytes_reply(200, &[], "hello\n")).await;
    let repo = fake.repo();
    // `printf 'hello\n' | git hash-object --stdin`
    let hello = ObjectSha::parse("ce013625030ba8dba906f756967f9e9ca394464a").expect("a sha");
    assert_eq!(repo.blob(&hello, 100).await.expect("a blob"), "hello\n");
    assert!(matches!(repo.blob(&sha('a'), 100).await, Err(GitHubError::Retry { .. })));
    assert_eq!(fake.calls()[0].header("accept"), ["application/vnd.github.raw+json"]);
}

fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in [("acme-shop-c/Dockerfile", "FROM nginx\n"), ("acme-shop-c/other", "x")] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content.as_bytes()).expect("an entry");
    }
    builder.into_inner().expect("an archive").finish().expect("an archive")
}

#[tokio::test]
async fn a_tarball_is_fetched_from_its_link_without_the_token() {
    let storage = Fake::start(|_| bytes_reply(200, &[], archive())).await;
    let link = storage.base.join("/signed?token=short-lived").expect("a url").to_string();
    let fake = Fake::start(move |_| reply(302, &[("location", &link)], &Value::Null)).await;
    // `printf 'FROM nginx\n' | git hash-object --stdin`
    let nginx = ObjectSha::parse("8bd0a7f15e5d491e810cad24fb3e5af8a9f44db7").expect("a sha");
    let wanted = BTreeMap::from([(file("Dockerfile"), nginx), (file("other"), sha('a')), (file("missing"), sha('a'))]);
    let files = fake.repo().tarball(&sha('c'), wanted.clone(), TarballLimits::default()).await.expect("files");
    assert_eq!(files.into_iter().collect::<Vec<_>>(), [(file("Dockerfile"), b"FROM nginx\n".to_vec())]);
    assert_eq!(storage.seen().len(), 1);
    assert!(storage.seen()[0].header("authorization").is_empty());
    let tight = TarballLimits { compressed: 50, ..TarballLimits::default() };
    let error = fake.repo().tarball(&sha('c'), wanted, tight).await.expect_err("too large");
    assert!(matches!(error, GitHubError::TooLarge { limit: 50, .. }), "{error}");
}

#[tokio::test]
async fn documents_are_as_githubs_schema_wants_them() {
    for document in restow::github::DOCUMENTS {
        let given = json!({ "id": "x", "head": "x", "method": "SQUASH", "name": "x", "before": "x", "after": "x" });
        assert_eq!(world::github::graphql::problems(document, &given), Vec::<String>::new());
    }
    let wrong = "mutation M($id: ID!) { enqueuePullRequest(input: { pullRequest: $id }) { nothing } }";
    assert!(!world::github::graphql::problems(wrong, &json!({ "id": "x" })).is_empty());
}

#[tokio::test]
async fn graphql_has_its_own_address() {
    let fake = Fake::start(|seen| match seen.target.as_str() {
        "/api/graphql" => reply(200, &[], &json!({ "data": { "number": 7 } })),
        other => panic!("{other}"),
    })
    .await;
    let answer: Value = fake.repo().graphql("query($n: Int!) { x }", &json!({ "n": 1 })).await.expect("data");
    assert_eq!(answer, json!({ "number": 7 }));
    let call = fake.calls().remove(0);
    assert_eq!(call.body, json!({ "query": "query($n: Int!) { x }", "variables": { "n": 1 } }));
    assert_eq!(call.header("authorization"), ["Bearer t1"]);
}

// Writing.

#[tokio::test]
async fn a_commit_names_no_author_and_keeps_modes() {
    let fake = Fake::start(|seen| match (seen.method.as_str(), seen.target.as_str()) {
        ("POST", "/repos/acme/shop/git/trees") => reply(201, &[], &json!({ "sha": sha('2'), "tree": [] })),
        ("POST", "/repos/acme/shop/git/commits") => reply(201, &[], &json!({ "sha": sha('3') })),
        ("POST", "/repos/acme/shop/git/refs") => reply(201, &[], &head_of('3')),
        ("PATCH", "/repos/acme/shop/git/refs/heads/restow/nginx") => reply(200, &[], &head_of('3')),
        other => panic!("{other:?}"),
    })
    .await;
    let repo = fake.repo();
    let content = NewContent::Text("FROM nginx:2\n".to_owned());
    let entries = [NewEntry { path: file("run.sh"), mode: FileMode::Executable, content }];
    let tree = repo.create_tree(&sha('1'), &entries).await.expect("a tree");
    let commit = repo.create_commit("Move nginx", &tree, &[sha('0')]).await.expect("a commit");
    let created = repo.create_branch(&branch("restow/nginx"), &commit).await;
    assert_eq!(created, Ok(BranchCreation::Created));
    repo.update_branch(&branch("restow/nginx"), &commit, UpdateMode::Force).await.expect("moved");
    let bodies: Vec<Value> = fake.calls().into_iter().map(|call| call.body).collect();
    let file = json!({ "path": "run.sh", "mode": "100755", "type": "blob", "content": "FROM nginx:2\n" });
    assert_eq!(bodies[0], json!({ "base_tree": sha('1'), "tree": [file] }));
    assert_eq!(bodies[1], json!({ "message": "Move nginx", "tree": sha('2'), "parents": [sha('0')] }));
    assert_eq!(bodies[2], json!({ "ref": "refs/heads/restow/nginx", "sha": sha('3') }));
    assert_eq!(bodies[3], json!({ "sha": sha('3'), "force": true }));
}

#[tokio::test]
async fn what_is_there_already_is_no_error() {
    let fake = Fake::start(|seen| {
        let message = match (seen.method.as_str(), seen.target.as_str()) {
            ("POST", "/repos/acme/shop/git/refs") => json!({ "message": "Reference already exists" }),
            ("DELETE", _) => json!({ "message": "Reference does not exist" }),
            _ => json!({ "message": "Validation Failed",
                "errors": [{ "resource": "PullRequest", "message": "A pull request already exists for acme:x." }] }),
        };
        reply(422, &[], &message)
    })
    .await;
    let repo = fake.repo();
    assert_eq!(repo.create_branch(&branch("x"), &sha('1')).await, Ok(BranchCreation::AlreadyThere));
    assert_eq!(repo.delete_branch(&branch("x")).await, Ok(()));
    let new =
        NewPull { title: "t".to_owned(), body: "b".to_owned(), head: branch("x"), base: branch("main"), draft: false };
    assert_eq!(repo.create_pull(&new).await, Ok(PullCreation::AlreadyThere));
}

#[tokio::test]
async fn a_persons_commit_on_a_branch_is_seen() {
    let account = |login: &str, kind: &str| json!({ "id": 1, "login": login, "type": kind });
    let commit = move |digit: char, author: Value, verified: bool| {
        json!({ "sha": sha(digit), "author": author, "committer": account("web-flow", "User"),
            "commit": { "message": "m", "verification": { "verified": verified } } })
    };
    let fake = Fake::start(move |seen| {
        let expected = format!("/repos/acme/shop/compare/{}...{}?per_page=100&page=1", sha('1'), sha('2'));
        assert_eq!(seen.target, expected);
        let commits = [commit('3', account("restow[bot]", "Bot"), true), commit('2', account("mona", "User"), false)];
        reply(
            200,
            &[],
            &json!({ "ahead_by": 2, "behind_by": 0, "status": "ahead",
            "merge_base_commit": { "sha": sha('1') }, "commits": commits }),
        )
    })
    .await;
    let comparison = fake.repo().compare(&sha('1'), &sha('2')).await.expect("a comparison");
    let authors: Vec<(String, bool)> = comparison
        .commits
        .into_iter()
        .map(|commit| (commit.author.expect("an account").login, commit.verified))
        .collect();
    assert_eq!(authors, [("restow[bot]".to_owned(), true), ("mona".to_owned(), false)]);
    let merge_base: CommitSha = comparison.merge_base;
    assert_eq!(merge_base, sha('1'));
}

// Webhooks.

/// The events that Restow reads; all others are kept by their name alone.
const READ: [&str; 11] = [
    "check_suite",
    "installation",
    "installation_repositories",
    "issue_comment",
    "issues",
    "ping",
    "pull_request",
    "pull_request_review",
    "push",
    "repository",
    "status",
];

#[test]
fn every_payload_that_github_publishes_is_read() {
    let examples = world::github::webhook_examples();
    assert_eq!(examples.len(), 329);
    for (event, payload) in examples {
        let read = webhook::parse(&event, payload.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let other = matches!(read, webhook::Event::Other { .. });
        assert_eq!(other, !READ.contains(&event.as_str()), "{event}");
    }
}
