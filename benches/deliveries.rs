//! Webhook deliveries stored on an SQLite file, each durable before its sender goes on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use restow::clock::Clock;
use restow::repo::{InstallationId, Moment, RepoId};
use restow::store::{Delivery, NewJob, Recorded, Store};
use secrecy::SecretString;
use serde_json::json;

const REPOSITORIES: u64 = 500;

fn delivery(number: u64) -> (Delivery, Vec<NewJob>) {
    let repo = number % REPOSITORIES;
    let delivery = Delivery {
        id: format!("72d3162e-cc78-11e3-81ab-{number:012x}"),
        event: "push".to_owned(),
        action: None,
        installation: Some(InstallationId(7)),
        repo: Some(RepoId(repo)),
        summary: json!({ "ref": "refs/heads/main", "after": "c0ffee" }),
    };
    let job = NewJob {
        kind: "scan".to_owned(),
        serial_key: repo.to_string(),
        dedupe_key: repo.to_string(),
        payload: json!({ "repo": repo }),
        priority: 5,
        run_at: Moment(0),
        max_attempts: 5,
    };
    (delivery, vec![job])
}

/// `senders` tasks store `count` deliveries between them.
async fn store_all(store: &Store, numbers: &'static AtomicU64, count: u64, senders: u64) -> Duration {
    let start = Instant::now();
    let tasks: Vec<_> = (0..senders)
        .map(|sender| {
            let (store, share) = (store.clone(), count / senders + u64::from(sender < count % senders));
            tokio::spawn(async move {
                for _ in 0..share {
                    let (delivery, jobs) = delivery(numbers.fetch_add(1, Ordering::Relaxed));
                    let recorded = store.record_delivery(delivery, jobs).await;
                    assert!(matches!(recorded, Ok(Recorded::New)), "{recorded:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no sender panics");
    }
    start.elapsed()
}

fn deliveries(criterion: &mut Criterion) {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // Beside the build, not in /tmp: that may be memory, where nothing is durable.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let url = SecretString::from(format!("sqlite:{}", folder.path().join("bench.db").display()));
    let store = runtime.block_on(Store::open(&url, Clock::System)).expect("a store");
    let mut group = criterion.benchmark_group("deliveries");
    group.throughput(Throughput::Elements(1)).sample_size(20).measurement_time(Duration::from_secs(8));
    for senders in [1, 64, 256] {
        group.bench_with_input(BenchmarkId::new("stored, senders", senders), &senders, |bencher, &senders| {
            bencher.iter_custom(|count| runtime.block_on(store_all(&store, &NUMBERS, count, senders)));
        });
    }
    group.finish();
    runtime.block_on(store.close());
}

criterion_group!(benches, deliveries);
criterion_main!(benches);
