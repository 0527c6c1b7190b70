//! The routes, asked as GitHub and an operator's machines ask them.

use std::sync::OnceLock;

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::{Method, Request, Response};
use base64::Engine;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::clock::Clock;
use crate::repo::Moment;
use crate::store::{JobCounts, JobFilter};

const SECRET: &str = "correct horse";
const OLD_SECRET: &str = "battery staple";

/// One recorder serves the whole process.
fn metrics_handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| install_metrics().expect("nothing counts yet")).clone()
}

/// Reads a payload `{"repo": …}` into one job.
fn intake() -> Intake {
    Arc::new(|event, id, body| {
        let payload: serde_json::Value =
            serde_json::from_slice(body).map_err(|_| Malformed::new("the payload is not JSON"))?;
        let repo = payload["repo"].as_str().ok_or_else(|| Malformed::new("the payload has no repo"))?;
        let delivery = Delivery {
            id: id.to_owned(),
            event: event.to_owned(),
            action: None,
            installation: None,
            repo: None,
            summary: json!({}),
        };
        let job = NewJob {
            kind: event.to_owned(),
            serial_key: repo.to_owned(),
            dedupe_key: repo.to_owned(),
            payload: json!({}),
            priority: 1,
            run_at: Moment(0),
            max_attempts: 3,
        };
        Ok((delivery, vec![job]))
    })
}

async fn state() -> WebState {
    Log::of_this_process();
    let store = Store::open(&SecretString::from("sqlite::memory:"), Clock::System).await.expect("a store");
    let secrets = vec![SecretString::from(SECRET), SecretString::from(OLD_SECRET)];
    WebState::new(store, secrets, intake(), metrics_handle())
}

fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

/// A delivery as GitHub sends it, with `changes` to its headers: `None` takes one away.
fn delivery(body: &str, changes: &[(&'static str, Option<&str>)]) -> Request<Body> {
    let signature = sign(SECRET, body.as_bytes());
    let mut headers = vec![
        ("content-type", "application/json"),
        ("x-github-event", "push"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-hub-signature-256", signature.as_str()),
    ];
    for (name, value) in changes {
        headers.retain(|(known, _)| known != name);
        headers.extend(value.map(|value| (*name, value)));
    }
    let request =
        headers.into_iter().fold(Request::post("/webhook"), |request, (name, value)| request.header(name, value));
    request.body(Body::from(body.to_owned())).expect("a request")
}

async fn ask(state: &WebState, request: Request<Body>) -> Response<Body> {
    router(state.clone()).oneshot(request).await.expect("a router always answers")
}

async fn answer(state: &WebState, request: Request<Body>) -> (u16, String) {
    let response = ask(state, request).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).expect("a request")
}

async fn jobs(state: &WebState) -> JobCounts {
    state.store.job_counts().await.expect("counted")
}

const NO_JOBS: JobCounts = JobCounts { ready: 0, running: 0, dead: 0 };

#[tokio::test]
async fn a_signed_delivery_is_stored_with_its_jobs_and_once() {
    let state = state().await;
    assert_eq!(answer(&state, delivery(r#"{"repo": "a"}"#, &[])).await, (202, String::new()));
    assert_eq!(answer(&state, delivery(r#"{"repo": "b"}"#, &[])).await.0, 202, "seen before");
    let jobs = state.store.jobs(&JobFilter::default()).await.expect("listed");
    assert_eq!(jobs.iter().map(|job| job.dedupe_key.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn any_of_the_secrets_will_do() {
    let (state, body) = (state().await, r#"{"repo": "a"}"#);
    let old = sign(OLD_SECRET, body.as_bytes());
    assert_eq!(answer(&state, delivery(body, &[("x-hub-signature-256", Some(&old))])).await.0, 202);
}

/// Sends a delivery that is refused with `status` and a text that holds `says`, and leaves no trace.
async fn check_refused(body: &str, changes: &[(&'static str, Option<&str>)], status: u16, says: &str) {
    let state = state().await;
    let (answered, text) = answer(&state, delivery(body, changes)).await;
    assert_eq!(answered, status, "{changes:?}: {text:?}");
    assert!(text.contains(says), "{changes:?}: {text:?}");
    assert_eq!(jobs(&state).await, NO_JOBS);
}

#[tokio::test]
async fn what_is_not_signed_is_refused() {
    let body = r#"{"repo": "a"}"#;
    let wrong = sign("guess", body.as_bytes());
    let other = sign(SECRET, br#"{"repo": "b"}"#);
    for signature in [None, Some(""), Some("sha256=00"), Some(wrong.as_str()), Some(other.as_str())] {
        check_refused(body, &[("x-hub-signature-256", signature)], 401, "webhook secret").await;
    }
    check_refused("{", &[("x-hub-signature-256", Some(&wrong)), ("x-github-event", None)], 401, "signature").await;
}

#[tokio::test]
async fn two_signatures_are_none() {
    let (state, body) = (state().await, r#"{"repo": "a"}"#);
    let mut request = delivery(body, &[]);
    request.headers_mut().append("x-hub-signature-256", "sha256=00".parse().expect("a value"));
    assert_eq!(answer(&state, request).await.0, 401);
}

#[tokio::test]
async fn what_github_would_not_send_is_refused() {
    let body = r#"{"repo": "a"}"#;
    let long = "x".repeat(101);
    for header in ["x-github-event", "x-github-delivery"] {
        for value in [None, Some(""), Some("a b"), Some("a/b"), Some(long.as_str())] {
            check_refused(body, &[(header, value)], 400, header).await;
        }
    }
    for broken in ["", "{", "[]", "{}", "\u{0}", r#"{"repo": 1}"#] {
        check_refused(broken, &[], 400, "the payload").await;
    }
    let form = ("content-type", Some("application/x-www-form-urlencoded"));
    check_refused("payload=%7B%7D", &[form], 400, "application/json").await;
}

#[tokio::test]
async fn only_post_and_only_known_paths() {
    let state = state().await;
    assert_eq!(answer(&state, get("/webhook")).await.0, 405);
    assert_eq!(answer(&state, get("/elsewhere")).await, (404, "not found\n".to_owned()));
}

#[tokio::test]
async fn a_body_may_be_as_large_as_githubs_largest_and_no_larger() {
    let limit = Limits::default().body_bytes;
    assert_eq!(limit, 26_214_400);
    let small = state().await.with_limits(Limits { body_bytes: 300_000, ..Limits::default() });
    let body = |length: usize| format!("{}{}", r#"{"repo": "a"}"#, " ".repeat(length - 13));
    assert_eq!(answer(&small, delivery(&body(300_001), &[])).await, (413, "the body is too large\n".to_owned()));
    assert_eq!(jobs(&small).await, NO_JOBS);
    assert_eq!(answer(&small, delivery(&body(300_000), &[])).await.0, 202);

    let announced = (limit + 1).to_string();
    let lies = delivery("{}", &[("content-length", Some(&announced))]);
    assert_eq!(answer(&state().await, lies).await.0, 413, "refused unread");
}

#[tokio::test]
async fn a_body_of_many_pieces_is_bounded_too() {
    let state = state().await.with_limits(Limits { body_bytes: 1_000, ..Limits::default() });
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(100)));
    let request = Request::post("/webhook").header("x-hub-signature-256", "sha256=00").body(Body::from_stream(endless));
    assert_eq!(answer(&state, request.expect("a request")).await.0, 413);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let limits = Limits { body_time: Duration::from_millis(20), ..Limits::default() };
    let state = state().await.with_limits(limits);
    let stuck = futures::stream::pending::<Result<String, std::io::Error>>();
    let request = Request::post("/webhook").header("x-hub-signature-256", "sha256=00").body(Body::from_stream(stuck));
    assert_eq!(answer(&state, request.expect("a request")).await.0, 408);
}

#[tokio::test]
async fn bodies_that_wait_for_room_are_given_up_and_leave_room() {
    let limits = Limits { all_bodies_bytes: 10, body_time: Duration::from_millis(20), ..Limits::default() };
    let state = state().await.with_limits(limits);
    assert_eq!(answer(&state, delivery(r#"{"repo": "a"}"#, &[])).await.0, 408);
    let roomy = Limits { all_bodies_bytes: 13, ..limits };
    let state = state.with_limits(roomy);
    for _ in 0..3 {
        assert_eq!(answer(&state, delivery(r#"{"repo": "a"}"#, &[])).await.0, 202, "room is given back");
    }
}

#[tokio::test]
async fn a_failing_database_shows_nothing_of_itself() {
    let state = state().await;
    state.store.close().await;
    let (status, text) = answer(&state, delivery(r#"{"repo": "a"}"#, &[])).await;
    assert_eq!((status, text.as_str()), (500, "internal error\n"));
}

#[tokio::test]
async fn a_reader_that_panics_costs_one_request() {
    let crash: Intake = Arc::new(|_, _, _| unreachable!("a reader's mistake"));
    let state = WebState { intake: crash, ..state().await };
    let large = format!("{}{}", r#"{"repo": "a"}"#, " ".repeat(200_000));
    assert_eq!(answer(&state, delivery(&large, &[])).await, (500, "internal error\n".to_owned()));
}

#[tokio::test]
async fn alive_without_and_ready_only_with_the_database() {
    let state = state().await;
    assert_eq!(answer(&state, get("/healthz")).await, (200, "ok\n".to_owned()));
    assert_eq!(answer(&state, get("/readyz")).await, (200, "ready\n".to_owned()));
    state.store.close().await;
    assert_eq!(answer(&state, get("/healthz")).await, (200, "ok\n".to_owned()));
    assert_eq!(answer(&state, get("/readyz")).await, (503, "the database does not answer\n".to_owned()));
}

#[tokio::test]
async fn metrics_count_deliveries_and_jobs() {
    let state = state().await;
    answer(&state, delivery(r#"{"repo": "a"}"#, &[])).await;
    answer(&state, delivery(r#"{"repo": "a"}"#, &[("x-hub-signature-256", None)])).await;
    let response = ask(&state, get("/metrics")).await;
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4");
    let (status, text) = answer(&state, get("/metrics")).await;
    assert_eq!(status, 200);
    for line in [
        "# TYPE restow_webhook_deliveries_total counter",
        "restow_webhook_deliveries_total{outcome=\"new\"} ",
        "restow_webhook_deliveries_total{outcome=\"unsigned\"} ",
        "restow_jobs{state=\"ready\"} ",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
}

/// What the tests of this process log.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// One log serves the whole process and listens before anything is logged: one of a thread's own would miss what
    /// another thread was the first to log.
    fn of_this_process() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let start = || {
            let log = Self::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE);
            let subscriber = subscriber.with_writer(move || writer.clone()).finish();
            tracing::subscriber::set_global_default(subscriber).expect("nobody listens yet");
            log
        };
        LOG.get_or_init(start).clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no writer panics")).into_owned()
    }
}

#[tokio::test]
async fn the_log_names_the_delivery_and_never_its_payload() {
    let state = state().await;
    let id = ("x-github-delivery", Some("of-the-log"));
    answer(&state, delivery(r#"{"repo": "hunter2"}"#, &[id])).await;
    answer(&state, delivery(r#"{"repo": "hunter2"}"#, &[id, ("x-hub-signature-256", Some("sha256=00"))])).await;
    answer(&state, delivery(r#"{"hunter2": "#, &[id])).await;
    state.store.close().await;
    answer(&state, delivery(r#"{"repo": "hunter2"}"#, &[id, ("x-github-event", Some("issue_comment"))])).await;

    let text = Log::of_this_process().text();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("delivery=\"of-the-log\"")).collect();
    for (level, event, says) in [
        ("INFO", "push", "delivery taken outcome=\"new\""),
        ("WARN", "push", "delivery refused error=the signature is missing or wrong"),
        ("WARN", "push", "delivery refused error=the payload is not JSON"),
        ("ERROR", "issue_comment", "delivery failed error=the delivery could not be stored"),
    ] {
        let span = format!("{level} webhook{{delivery=\"of-the-log\" event=\"{event}\"}}");
        let said = lines.iter().any(|line| line.contains(&span) && line.contains(says));
        assert!(said, "no line holds {span:?} and {says:?}: {lines:#?}");
    }
    for secret in ["hunter2", SECRET, OLD_SECRET] {
        assert!(!text.contains(secret), "{secret:?} is in the log");
    }
}

const HOOK_SECRET: &str = "open, sesame: 0123456789";

/// The same with the hook `main`, which reads as the webhook does.
async fn state_with_hook() -> WebState {
    let read = intake();
    let hook: HookIntake = Arc::new(move |name, body| read("look-up", &format!("hook:{name}"), body));
    let secrets = [("main".to_owned(), SecretString::from(HOOK_SECRET))];
    state().await.with_hooks(Hooks::new(secrets.into(), hook))
}

fn notification(path: &str, header: Option<(&str, &str)>, body: &str) -> Request<Body> {
    let request = header.into_iter().fold(Request::post(path), |request, (name, value)| request.header(name, value));
    request.body(Body::from(body.to_owned())).expect("a request")
}

#[tokio::test]
async fn a_hook_takes_its_secret_in_every_way_that_registries_know() {
    let basic = |text: &str| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let (bearer, body) = (format!("Bearer {HOOK_SECRET}"), r#"{"repo": "a"}"#);
    let signature = sign(HOOK_SECRET, body.as_bytes());
    let (right, wrong) = (basic(&format!("restow:{HOOK_SECRET}")), basic(&format!("{HOOK_SECRET}:")));
    for (header, status) in [
        (("authorization", bearer.as_str()), 202),
        (("authorization", HOOK_SECRET), 202),
        (("authorization", right.as_str()), 202),
        (("x-gitlab-token", HOOK_SECRET), 202),
        (("x-hub-signature-256", signature.as_str()), 202),
        (("authorization", "Bearer guess"), 401),
        (("authorization", wrong.as_str()), 401),
        (("x-gitlab-token", &HOOK_SECRET[1..]), 401),
        (("x-gitlab-token", ""), 401),
        (("x-hub-signature-256", "sha256=00"), 401),
        (("x-other", HOOK_SECRET), 401),
    ] {
        let state = state_with_hook().await;
        let answered = answer(&state, notification("/hooks/registry/main", Some(header), body)).await;
        assert_eq!(answered.0, status, "{header:?}");
        assert_eq!(jobs(&state).await.ready, u64::from(status == 202), "{header:?}");
    }
    for (query, status) in
        [("?token=open%2C+sesame%3A+0123456789", 202), ("?token=open", 401), ("?token=", 401), ("", 401)]
    {
        let request = notification(&format!("/hooks/registry/main{query}"), None, body);
        assert_eq!(answer(&state_with_hook().await, request).await.0, status, "{query}");
    }
}

#[tokio::test]
async fn an_unknown_hook_is_answered_as_a_wrong_secret_is() {
    let state = state_with_hook().await;
    let ask = async |name: &str, secret: &str| {
        answer(&state, notification(&format!("/hooks/registry/{name}"), Some(("authorization", secret)), "{}")).await
    };
    let refused = ask("main", "guess").await;
    assert_eq!(refused.0, 401);
    for (name, secret) in [("other", "guess"), ("other", HOOK_SECRET), ("other", ""), ("MAIN", HOOK_SECRET)] {
        assert_eq!(ask(name, secret).await, refused, "{name}");
    }
    let none = notification("/hooks/registry/main", Some(("authorization", HOOK_SECRET)), "{}");
    assert_eq!(answer(&self::state().await, none).await, refused, "a server without hooks");
    assert_eq!(answer(&state, get("/hooks/registry/main")).await.0, 405);
}

#[tokio::test]
async fn a_hook_refuses_what_is_too_large_and_what_it_cannot_read() {
    let state = state_with_hook().await.with_limits(Limits { body_bytes: 200_000, ..Limits::default() });
    let ask = async |body: &str| {
        answer(&state, notification("/hooks/registry/main", Some(("authorization", HOOK_SECRET)), body)).await
    };
    assert_eq!(ask("{").await, (400, "the payload is not JSON\n".to_owned()));
    assert_eq!(ask(&" ".repeat(200_001)).await.0, 413);
    let large = format!("{}{}", r#"{"repo": "a"}"#, " ".repeat(150_000));
    assert_eq!(ask(&large).await.0, 202, "read on a thread of its own");
}

#[tokio::test]
async fn the_log_names_the_hook_and_never_its_secret() {
    let state = state_with_hook().await;
    for path in ["/hooks/registry/main?token=open%2C+sesame%3A+0123456789", "/hooks/registry/hunter4?token=hunter5"] {
        answer(&state, notification(path, Some(("authorization", "hunter6")), r#"{"repo": "hunter7"}"#)).await;
    }
    let text = Log::of_this_process().text();
    assert!(text.contains("INFO hook{name=\"main\"}") && text.contains("delivery taken"), "{text}");
    assert!(text.contains("WARN hook{name=\"-\"}"), "{text}");
    for secret in [HOOK_SECRET, "sesame", "token=", "hunter4", "hunter5", "hunter6", "hunter7"] {
        assert!(!text.contains(secret), "{secret:?} is in the log");
    }
}

#[tokio::test]
async fn over_tcp_until_the_end() {
    let state = state().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router(state.clone()), shutdown.clone()));

    let body = r#"{"repo": "a"}"#;
    let signature = sign(SECRET, body.as_bytes());
    let head = format!(
        "{} /webhook HTTP/1.1\r\nhost: restow\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         x-github-event: push\r\nx-github-delivery: d1\r\nx-hub-signature-256: {signature}\r\n\r\n",
        Method::POST,
        body.len()
    );
    let mut under_way = TcpStream::connect(address).await.expect("connected");
    under_way.write_all(head.as_bytes()).await.expect("sent");
    under_way.write_all(&body.as_bytes()[..5]).await.expect("sent");

    let mut flood = TcpStream::connect(address).await.expect("connected");
    let headers: String = (0..100).map(|n| format!("x-{n}: y\r\n")).collect();
    flood.write_all(format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes()).await.expect("sent");
    let mut refused = String::new();
    flood.read_to_string(&mut refused).await.expect("answered and closed");
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused:?}");

    shutdown.cancel();
    under_way.write_all(&body.as_bytes()[5..]).await.expect("sent");
    let mut answered = String::new();
    under_way.read_to_string(&mut answered).await.expect("answered and closed");
    assert!(answered.starts_with("HTTP/1.1 202"), "{answered:?}");
    server.await.expect("no panic").expect("served");
    assert_eq!(jobs(&state).await.ready, 1);
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
}
