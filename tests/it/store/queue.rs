//! The queue: coalescing, leases, fencing, order, failure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use restow::repo::Moment;
use restow::store::{Claim, Held, JobCounts, JobFilter, JobState, NewJob, Retry};
use serde_json::json;
use tokio::sync::Mutex;

use super::{Fixture, LEASE, START, scan};

const EXPIRY: Duration = Duration::from_secs(61);

async fn fail(f: &Fixture, claim: &Claim, retry: Retry) -> Held {
    f.store.fail(claim, "it broke", retry).await.expect("failed")
}

async fn finish(f: &Fixture, claim: &Claim) -> Held {
    f.store.finish(claim, Vec::new()).await.expect("finished")
}

async fn claimed(f: &Fixture, worker: &str) -> Claim {
    f.claim(worker).await.expect("there is a job")
}

pub(super) async fn equal_jobs_coalesce_while_they_wait(f: Fixture) {
    for n in 0..50 {
        let job = NewJob { payload: json!({ "push": n }), priority: if n == 20 { 1 } else { 5 }, ..scan("a") };
        f.enqueue(NewJob { run_at: if n == 30 { START.plus_ms(-7) } else { START }, ..job }).await;
    }
    f.enqueue(NewJob { kind: "resolve".to_owned(), ..scan("a") }).await;
    let jobs = f.jobs().await;
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    let job = jobs.iter().find(|job| job.kind == "scan").expect("the scan");
    assert_eq!((job.payload.clone(), job.priority, job.run_at), (json!({ "push": 49 }), 1, START.plus_ms(-7)));
}

pub(super) async fn a_batch_coalesces_within_itself(f: Fixture) {
    let first = NewJob { payload: json!(1), priority: 1, ..scan("a") };
    let second = NewJob { payload: json!(2), priority: 9, ..scan("a") };
    f.store.enqueue_all(&[first, scan("b"), second]).await.expect("enqueued");
    f.store.enqueue_all(&[]).await.expect("nothing is enqueued");
    let jobs = f.jobs().await;
    assert_eq!(jobs.len(), 2, "{jobs:?}");
    assert_eq!((jobs[0].dedupe_key.as_str(), &jobs[0].payload, jobs[0].priority), ("a", &json!(2), 1));
}

pub(super) async fn coalescing_starts_the_tries_afresh(f: Fixture) {
    f.enqueue(scan("a")).await;
    let claim = claimed(&f, "w").await;
    assert_eq!(fail(&f, &claim, Retry::At(START.plus_ms(600_000))).await, Held::Yes);
    assert_eq!(f.queue().await, ["scan a ready 1"]);
    f.enqueue(scan("a")).await;
    assert_eq!(f.queue().await, ["scan a ready 0"]);
    assert_eq!(claimed(&f, "w").await.attempt, 1, "new work is due at once, with all its tries");
}

pub(super) async fn a_push_during_a_run_means_exactly_one_more_run(f: Fixture) {
    f.enqueue(scan("a")).await;
    let first = claimed(&f, "w1").await;
    for n in 0..10 {
        f.enqueue(NewJob { payload: json!(n), ..scan("a") }).await;
    }
    assert_eq!(f.queue().await, ["scan a running 1", "scan a ready 0"]);
    assert_eq!(f.claim("w2").await, None, "the key is taken");
    assert_eq!(finish(&f, &first).await, Held::Yes);
    let second = claimed(&f, "w2").await;
    assert_eq!(second.payload, json!(9));
    assert_eq!(finish(&f, &second).await, Held::Yes);
    assert_eq!(f.claim("w2").await, None);
}

/// Claims a job of high urgency, lets a less urgent twin arrive, and checks what is left after `give_back`.
async fn check_twin(f: &Fixture, give_back: impl AsyncFnOnce(&Claim)) {
    f.enqueue(NewJob { priority: 1, payload: json!("old"), ..scan("a") }).await;
    let claim = claimed(f, "w1").await;
    f.enqueue(NewJob { payload: json!("twin"), ..scan("a") }).await;
    give_back(&claim).await;
    let twin = claimed(f, "w2").await;
    assert_eq!((twin.payload.clone(), twin.attempt), (json!("twin"), 1));
    let jobs = f.jobs().await;
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0].priority, 1, "the twin took over the urgency");
    assert_eq!(finish(f, &claim).await, Held::Lost);
    assert_eq!(finish(f, &twin).await, Held::Yes);
    assert!(f.queue().await.is_empty());
}

pub(super) async fn an_expired_job_gives_way_to_its_twin(f: Fixture) {
    check_twin(&f, async |_| f.clock.advance(EXPIRY)).await;
}

pub(super) async fn a_failed_job_gives_way_to_its_twin(f: Fixture) {
    check_twin(&f, async |claim| {
        assert_eq!(fail(&f, claim, Retry::Backoff).await, Held::Yes);
        let jobs = f.jobs().await;
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        assert_eq!(jobs[0].error.as_deref(), Some("it broke"), "the twin shows why the last run failed");
    })
    .await;
}

pub(super) async fn a_dying_job_gives_way_to_its_twin(f: Fixture) {
    check_twin(&f, async |claim| assert_eq!(fail(&f, claim, Retry::Never).await, Held::Yes)).await;
}

pub(super) async fn a_released_job_gives_way_to_its_twin(f: Fixture) {
    check_twin(&f, async |claim| assert_eq!(f.store.release(claim).await.expect("released"), Held::Yes)).await;
}

/// Everything that a worker can ask with this claim is refused and changes nothing.
async fn check_stale(f: &Fixture, stale: &Claim) {
    let before = f.jobs().await;
    assert_eq!(f.store.renew(stale, LEASE).await.expect("answered"), Held::Lost);
    assert_eq!(fail(f, stale, Retry::Never).await, Held::Lost);
    assert_eq!(f.store.release(stale).await.expect("answered"), Held::Lost);
    assert_eq!(f.store.finish(stale, vec![scan("never")]).await.expect("answered"), Held::Lost);
    assert_eq!(f.jobs().await, before);
}

pub(super) async fn a_stale_claim_changes_nothing(f: Fixture) {
    f.enqueue(scan("a")).await;
    let stale = claimed(&f, "w1").await;
    f.clock.advance(EXPIRY);
    let live = claimed(&f, "w2").await;
    check_stale(&f, &stale).await;
    assert_eq!(finish(&f, &live).await, Held::Yes);
    check_stale(&f, &live).await;
}

pub(super) async fn the_same_worker_claiming_again_does_not_revive_its_old_claim(f: Fixture) {
    f.enqueue(scan("a")).await;
    let stale = claimed(&f, "w").await;
    f.clock.advance(EXPIRY);
    let live = claimed(&f, "w").await;
    assert_eq!((stale.id, live.attempt), (live.id, 2));
    check_stale(&f, &stale).await;
    assert_eq!(f.store.renew(&live, LEASE).await.expect("answered"), Held::Yes);
}

pub(super) async fn a_released_try_does_not_revive_its_old_claim(f: Fixture) {
    f.enqueue(scan("a")).await;
    let stale = claimed(&f, "w").await;
    assert_eq!(f.store.release(&stale).await.expect("released"), Held::Yes);
    let live = claimed(&f, "w").await;
    assert_eq!((&stale.worker, stale.id, stale.attempt), (&live.worker, live.id, live.attempt));
    check_stale(&f, &stale).await;
    assert_eq!(finish(&f, &live).await, Held::Yes);
}

pub(super) async fn an_id_never_comes_back(f: Fixture) {
    f.enqueue(scan("a")).await;
    let first = claimed(&f, "w").await;
    assert_eq!(finish(&f, &first).await, Held::Yes);
    f.enqueue(scan("a")).await;
    assert!(claimed(&f, "w").await.id > first.id);
    check_stale(&f, &first).await;
}

pub(super) async fn a_renewed_lease_holds(f: Fixture) {
    f.enqueue(scan("a")).await;
    let claim = claimed(&f, "w1").await;
    assert_eq!(claim.lease_until, START.plus_ms(60_000));
    for _ in 0..5 {
        f.clock.advance(Duration::from_secs(40));
        assert_eq!(f.store.renew(&claim, LEASE).await.expect("renewed"), Held::Yes);
        assert_eq!(f.claim("w2").await, None);
    }
    assert_eq!(f.jobs().await[0].lease_until, Some(START.plus_ms(260_000)));
    assert_eq!(finish(&f, &claim).await, Held::Yes);
}

pub(super) async fn an_expired_lease_returns_the_job(f: Fixture) {
    f.enqueue(scan("a")).await;
    let first = claimed(&f, "w1").await;
    f.clock.advance(Duration::from_millis(59_999));
    assert_eq!(f.claim("w2").await, None, "the lease has a millisecond left");
    f.clock.advance(Duration::from_millis(1));
    let second = claimed(&f, "w2").await;
    assert_eq!((second.id, second.attempt), (first.id, 2));
    let error = f.jobs().await[0].error.clone().unwrap_or_default();
    assert!(error.contains("lease expired"), "{error:?}");
}

pub(super) async fn a_job_that_kills_its_worker_dies_in_the_end(f: Fixture) {
    f.enqueue(scan("a")).await;
    for attempt in 1..=3 {
        assert_eq!(claimed(&f, "w").await.attempt, attempt);
        f.clock.advance(EXPIRY);
    }
    assert_eq!(f.claim("w").await, None);
    assert_eq!(f.queue().await, ["scan a dead 3"]);
}

pub(super) async fn one_running_job_per_serial_key(f: Fixture) {
    let resolve = NewJob { kind: "resolve".to_owned(), ..scan("a") };
    f.store.enqueue_all(&[scan("a"), resolve]).await.expect("enqueued");
    let first = claimed(&f, "w1").await;
    assert_eq!(f.claim("w2").await, None);
    assert_eq!(finish(&f, &first).await, Held::Yes);
    assert_eq!(claimed(&f, "w2").await.kind, "resolve");
}

pub(super) async fn a_backlog_of_one_key_hides_no_other_key(f: Fixture) {
    let busy =
        |n: u32| NewJob { dedupe_key: format!("busy {n}"), serial_key: "busy".to_owned(), priority: 1, ..scan("") };
    f.store.enqueue_all(&(0..100).map(busy).collect::<Vec<_>>()).await.expect("enqueued");
    f.enqueue(NewJob { priority: 9, ..scan("quiet") }).await;
    assert_eq!(claimed(&f, "w1").await.serial_key, "busy");
    assert_eq!(claimed(&f, "w2").await.serial_key, "quiet");
    assert_eq!(f.claim("w3").await, None);
}

pub(super) async fn jobs_come_by_priority_then_moment_then_age(f: Fixture) {
    let job = |name: &str, priority, earlier: i64| NewJob { priority, run_at: START.plus_ms(-earlier), ..scan(name) };
    let jobs = [job("e", 5, 0), job("c", 2, 10), job("d", 2, 0), job("b", 2, 20), job("f", 5, 0), job("a", -1, 0)];
    f.store.enqueue_all(&jobs).await.expect("enqueued");
    let mut order = String::new();
    while let Some(claim) = f.claim("w").await {
        order.push_str(&claim.serial_key);
    }
    assert_eq!(order, "abcdef");
}

pub(super) async fn a_delayed_job_waits_for_its_moment(f: Fixture) {
    f.enqueue(NewJob { run_at: START.plus_ms(1_000), priority: 0, ..scan("later") }).await;
    f.enqueue(NewJob { priority: 9, ..scan("now") }).await;
    assert_eq!(claimed(&f, "w").await.serial_key, "now");
    assert_eq!(f.claim("w").await, None);
    f.clock.advance(Duration::from_secs(1));
    assert_eq!(claimed(&f, "w").await.serial_key, "later");
}

pub(super) async fn the_next_moment_is_that_of_a_claimable_job(f: Fixture) {
    let next = async || f.store.next_run_at().await.expect("answered");
    assert_eq!(next().await, None);
    f.enqueue(NewJob { run_at: START.plus_ms(9), ..scan("later") }).await;
    f.enqueue(scan("a")).await;
    assert_eq!(next().await, Some(START));
    let claim = claimed(&f, "w").await;
    f.enqueue(scan("a")).await;
    assert_eq!(next().await, Some(START.plus_ms(9)), "a job whose key is taken cannot be claimed");
    assert_eq!(finish(&f, &claim).await, Held::Yes);
    assert_eq!(next().await, Some(START));
}

pub(super) async fn failing_backs_off_and_ends_dead(f: Fixture) {
    f.enqueue(scan("a")).await;
    for (attempt, longest) in [(1, 5_000), (2, 10_000)] {
        let claim = claimed(&f, "w").await;
        assert_eq!(claim.attempt, attempt);
        assert_eq!(fail(&f, &claim, Retry::Backoff).await, Held::Yes);
        let job = &f.jobs().await[0];
        let wait = job.run_at.0 - f.clock.now().0;
        assert!((longest / 2..=longest).contains(&wait), "try {attempt}: {wait} ms");
        assert_eq!((job.state, job.error.as_deref(), job.worker.as_deref()), (JobState::Ready, Some("it broke"), None));
        assert_eq!(f.claim("w").await, None);
        f.clock.advance(Duration::from_millis(longest.unsigned_abs()));
    }
    let last = claimed(&f, "w").await;
    assert_eq!(fail(&f, &last, Retry::Backoff).await, Held::Yes);
    assert_eq!(f.queue().await, ["scan a dead 3"]);
    f.clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(f.claim("w").await, None, "nobody but a person retries a dead job");
}

pub(super) async fn a_failure_may_name_its_moment(f: Fixture) {
    f.enqueue(scan("a")).await;
    let claim = claimed(&f, "w").await;
    assert_eq!(fail(&f, &claim, Retry::At(START.plus_ms(77_000))).await, Held::Yes);
    assert_eq!(f.store.next_run_at().await.expect("answered"), Some(START.plus_ms(77_000)));
}

pub(super) async fn a_hopeless_job_dies_at_once(f: Fixture) {
    f.enqueue(scan("a")).await;
    let claim = claimed(&f, "w").await;
    assert_eq!(fail(&f, &claim, Retry::Never).await, Held::Yes);
    assert_eq!(f.queue().await, ["scan a dead 1"]);
    f.enqueue(scan("a")).await;
    assert_eq!(f.queue().await, ["scan a ready 0", "scan a dead 1"], "a new event is new work");
}

pub(super) async fn errors_are_bounded_and_may_hold_anything(f: Fixture) {
    f.enqueue(scan("a")).await;
    let claim = claimed(&f, "w").await;
    let hostile = format!("\0'; DROP TABLE jobs; -- ünï\u{1F980}{}", "x".repeat(100_000));
    assert_eq!(f.store.fail(&claim, &hostile, Retry::Never).await.expect("failed"), Held::Yes);
    let error = f.jobs().await[0].error.clone().unwrap_or_default();
    assert!(error.starts_with("'; DROP TABLE jobs; -- ünï\u{1F980}xxx"), "{error:?}");
    assert_eq!(error.chars().count(), 4_000);
}

async fn dead_job(f: &Fixture) -> i64 {
    f.enqueue(scan("a")).await;
    let claim = claimed(f, "w").await;
    assert_eq!(fail(f, &claim, Retry::Never).await, Held::Yes);
    claim.id
}

pub(super) async fn a_dead_job_is_retried_by_a_person(f: Fixture) {
    let id = dead_job(&f).await;
    f.clock.advance(Duration::from_secs(5));
    assert!(f.store.retry_dead(id).await.expect("answered"));
    assert!(!f.store.retry_dead(id).await.expect("answered"), "it is dead no longer");
    assert!(!f.store.retry_dead(id + 1).await.expect("answered"), "there is no such job");
    let claim = claimed(&f, "w").await;
    assert_eq!((claim.id, claim.attempt), (id, 1));
}

pub(super) async fn a_retried_dead_job_gives_way_to_its_twin(f: Fixture) {
    let id = dead_job(&f).await;
    f.enqueue(scan("a")).await;
    assert!(f.store.retry_dead(id).await.expect("answered"));
    assert_eq!(f.queue().await, ["scan a ready 0"]);
}

pub(super) async fn only_the_latest_dead_job_is_kept(f: Fixture) {
    let first = dead_job(&f).await;
    let second = dead_job(&f).await;
    assert_ne!(first, second);
    let ids: Vec<i64> = f.jobs().await.iter().map(|job| job.id).collect();
    assert_eq!(ids, [second]);
}

pub(super) async fn a_released_job_is_ready_at_once_and_its_try_not_counted(f: Fixture) {
    f.enqueue(NewJob { max_attempts: 1, ..scan("a") }).await;
    for _ in 0..3 {
        let claim = claimed(&f, "w").await;
        assert_eq!(claim.attempt, 1);
        assert_eq!(f.store.release(&claim).await.expect("released"), Held::Yes);
    }
    assert_eq!(f.queue().await, ["scan a ready 0"]);
}

pub(super) async fn finishing_enqueues_what_follows_or_nothing(f: Fixture) {
    f.enqueue(scan("a")).await;
    let claim = claimed(&f, "w").await;
    let then = vec![NewJob { kind: "plan".to_owned(), ..scan("a") }, scan("a")];
    assert_eq!(f.store.finish(&claim, then.clone()).await.expect("finished"), Held::Yes);
    assert_eq!(f.queue().await, ["plan a ready 0", "scan a ready 0"]);
    assert_eq!(f.store.finish(&claim, then).await.expect("answered"), Held::Lost);
    assert_eq!(f.queue().await.len(), 2);
}

pub(super) async fn payloads_come_back_as_they_were(f: Fixture) {
    let payload =
        json!({ "text": "\u{0}\u{1F980} \"'\\", "big": i64::MAX, "float": 0.1, "null": null, "list": [[], {}] });
    f.enqueue(NewJob { payload: payload.clone(), ..scan("a") }).await;
    assert_eq!(claimed(&f, "w").await.payload, payload);
}

pub(super) async fn jobs_are_filtered_and_counted(f: Fixture) {
    dead_job(&f).await;
    let resolve = NewJob { kind: "resolve".to_owned(), priority: 0, ..scan("b") };
    f.store.enqueue_all(&[resolve, scan("c"), scan("d")]).await.expect("enqueued");
    let _held = claimed(&f, "w").await;
    assert_eq!(f.store.job_counts().await.expect("counted"), JobCounts { ready: 2, running: 1, dead: 1 });
    let keys = async |state, kind: Option<&str>, limit| {
        let filter = JobFilter { state, kind: kind.map(str::to_owned), limit };
        let jobs = f.store.jobs(&filter).await.expect("listed");
        jobs.into_iter().map(|job| job.dedupe_key).collect::<String>()
    };
    assert_eq!(keys(None, None, 100).await, "bcda", "running, ready, dead");
    assert_eq!(keys(Some(JobState::Ready), None, 100).await, "cd");
    assert_eq!(keys(Some(JobState::Dead), None, 100).await, "a");
    assert_eq!(keys(None, Some("resolve"), 100).await, "b");
    assert_eq!(keys(None, None, 1).await, "b");
}

/// What runs now and what ran, as seen by all workers together.
#[derive(Default)]
struct Log {
    running: Mutex<HashSet<String>>,
    runs: Mutex<HashMap<i64, u32>>,
    done: AtomicUsize,
}

pub(super) async fn many_workers_lose_and_double_nothing(f: Fixture) {
    const JOBS: usize = 200;
    let job = |n: usize| NewJob { dedupe_key: n.to_string(), serial_key: format!("key {}", n % 10), ..scan("") };
    for batch in (0..JOBS).map(job).collect::<Vec<_>>().chunks(20) {
        f.store.enqueue_all(batch).await.expect("enqueued");
    }
    let log = Arc::new(Log::default());
    let workers: Vec<_> = (0..8)
        .map(|n| {
            let (store, log) = (f.store.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                while log.done.load(Ordering::SeqCst) < JOBS {
                    let Some(claim) = store.claim(&format!("w{n}"), LEASE).await.expect("answered") else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    assert!(log.running.lock().await.insert(claim.serial_key.clone()), "two of {}", claim.serial_key);
                    *log.runs.lock().await.entry(claim.id).or_default() += 1;
                    tokio::task::yield_now().await;
                    log.running.lock().await.remove(&claim.serial_key);
                    assert_eq!(store.finish(&claim, Vec::new()).await.expect("finished"), Held::Yes);
                    log.done.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("no worker panics");
    }
    let runs = log.runs.lock().await;
    assert_eq!(runs.len(), JOBS);
    assert!(runs.values().all(|&times| times == 1), "{runs:?}");
    assert!(f.queue().await.is_empty());
}

pub(super) async fn a_waiting_worker_is_woken(f: Fixture) {
    let store = f.store.clone();
    let worker = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            match store.claim("w", LEASE).await.expect("answered") {
                Some(claim) => {
                    seen.push(claim.payload.clone());
                    assert_eq!(store.finish(&claim, Vec::new()).await.expect("finished"), Held::Yes);
                }
                None => store.work_available().await,
            }
        }
        seen.len()
    });
    for name in ["a", "b", "c"] {
        tokio::task::yield_now().await;
        f.enqueue(NewJob { run_at: Moment(0), ..scan(name) }).await;
    }
    assert_eq!(worker.await.expect("the worker ends"), 3);
}

pub(super) async fn one_wake_up_reaches_every_worker_that_has_work(f: Fixture) {
    let workers: Vec<_> = (0..4)
        .map(|n| {
            let store = f.store.clone();
            tokio::spawn(async move {
                loop {
                    match store.claim(&format!("w{n}"), LEASE).await.expect("answered") {
                        // It never finishes: only the wake-up of a claim can reach the others.
                        Some(claim) => return claim.id,
                        None => store.work_available().await,
                    }
                }
            })
        })
        .collect();
    tokio::task::yield_now().await;
    f.store.enqueue_all(&["a", "b", "c", "d"].map(scan)).await.expect("enqueued");
    let mut claimed = HashSet::new();
    for worker in workers {
        claimed.insert(worker.await.expect("the worker ends"));
    }
    assert_eq!(claimed.len(), 4);
}
