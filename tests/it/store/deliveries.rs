//! Webhook deliveries: once each, with their jobs.

use std::collections::HashSet;

use restow::repo::{InstallationId, RepoId};
use restow::store::{Delivery, NewJob, Recorded};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Fixture, START, scan};

fn delivery(id: &str) -> Delivery {
    Delivery {
        id: id.to_owned(),
        event: "push".to_owned(),
        action: None,
        installation: Some(InstallationId(7)),
        repo: Some(RepoId(u64::MAX)),
        summary: json!({ "ref": "refs/heads/main" }),
    }
}

async fn record(f: &Fixture, id: &str, jobs: Vec<NewJob>) -> Recorded {
    f.store.record_delivery(delivery(id), jobs).await.expect("recorded")
}

pub(super) async fn a_delivery_is_stored_once_with_its_jobs(f: Fixture) {
    assert_eq!(record(&f, "one", vec![scan("a"), scan("b")]).await, Recorded::New);
    assert_eq!(record(&f, "one", vec![scan("c")]).await, Recorded::Seen);
    assert_eq!(f.queue().await, ["scan a ready 0", "scan b ready 0"]);
    assert_eq!(record(&f, "two", Vec::new()).await, Recorded::New);
    let again = f.reopened().await;
    assert_eq!(again.record_delivery(delivery("two"), vec![scan("d")]).await.expect("recorded"), Recorded::Seen);
    assert_eq!(f.queue().await.len(), 2);
}

pub(super) async fn many_deliveries_at_once_are_all_stored(f: Fixture) {
    let senders: Vec<_> = (0..300)
        .map(|n| {
            let store = f.store.clone();
            tokio::spawn(async move {
                let jobs = vec![scan(&format!("{}", n % 30)), scan(&format!("{}", (n + 7) % 30))];
                store.record_delivery(delivery(&format!("id {n}")), jobs).await
            })
        })
        .collect();
    for sender in senders {
        assert_eq!(sender.await.expect("no panic").expect("recorded"), Recorded::New);
    }
    let keys: HashSet<String> = f.jobs().await.into_iter().map(|job| job.dedupe_key).collect();
    assert_eq!((f.queue().await.len(), keys.len()), (30, 30));
    assert_eq!(record(&f, "id 299", vec![scan("late")]).await, Recorded::Seen);
}

pub(super) async fn one_delivery_sent_by_many_at_once_counts_once(f: Fixture) {
    let senders: Vec<_> = (0..40)
        .map(|n| {
            let store = f.store.clone();
            tokio::spawn(async move { store.record_delivery(delivery("same"), vec![scan(&n.to_string())]).await })
        })
        .collect();
    let mut new = 0;
    for sender in senders {
        new += usize::from(sender.await.expect("no panic").expect("recorded") == Recorded::New);
    }
    assert_eq!(new, 1);
    assert_eq!(f.queue().await.len(), 1, "only the first one's job");
}

pub(super) async fn a_delivery_whose_jobs_cannot_be_stored_is_not_stored(f: Fixture) {
    f.refuse_jobs_of_kind("forbidden").await;
    let broken = NewJob { kind: "forbidden".to_owned(), ..scan("a") };
    f.store.record_delivery(delivery("one"), vec![scan("b"), broken]).await.expect_err("a job is refused");
    assert!(f.queue().await.is_empty());
    assert_eq!(record(&f, "one", vec![scan("a")]).await, Recorded::New, "nothing of it had been stored");
}

pub(super) async fn a_delivery_that_fails_spoils_no_other(f: Fixture) {
    f.refuse_jobs_of_kind("forbidden").await;
    let senders: Vec<_> = (0..60)
        .map(|n| {
            let store = f.store.clone();
            let kind = if n % 20 == 0 { "forbidden" } else { "scan" };
            let job = NewJob { kind: kind.to_owned(), ..scan(&n.to_string()) };
            tokio::spawn(async move { store.record_delivery(delivery(&format!("id {n}")), vec![job]).await })
        })
        .collect();
    let mut failed = 0;
    for sender in senders {
        failed += usize::from(sender.await.expect("no panic").is_err());
    }
    assert_eq!((failed, f.queue().await.len()), (3, 57));
}

pub(super) async fn old_deliveries_are_forgotten(f: Fixture) {
    record(&f, "old", Vec::new()).await;
    f.clock.advance(std::time::Duration::from_secs(60));
    record(&f, "young", Vec::new()).await;
    assert_eq!(f.store.forget_deliveries(START.plus_ms(60_000)).await.expect("forgotten"), 1);
    assert_eq!(record(&f, "young", Vec::new()).await, Recorded::Seen);
    assert_eq!(record(&f, "old", Vec::new()).await, Recorded::New);
}

/// SQLite's own words for its levels.
const NORMAL: i64 = 1;
const FULL: i64 = 2;

/// In each of several rounds: the level goes up for deliveries and down again.
#[tokio::test]
async fn deliveries_are_synced_and_nothing_else_is() {
    let f = Fixture::sqlite().await;
    let pool = sqlx::SqlitePool::connect(f.url.expose_secret()).await.expect("connected");
    let watch = "
        CREATE TABLE seen (what TEXT, level INTEGER);
        CREATE TRIGGER watch_deliveries AFTER INSERT ON deliveries
        BEGIN INSERT INTO seen SELECT 'delivery', synchronous FROM pragma_synchronous; END;
        CREATE TRIGGER watch_jobs AFTER INSERT ON jobs
        BEGIN INSERT INTO seen SELECT 'job', synchronous FROM pragma_synchronous; END;";
    sqlx::raw_sql(watch).execute(&pool).await.expect("the triggers are made");
    for round in 0..3 {
        f.enqueue(scan(&format!("alone {round}"))).await;
        record(&f, &format!("id {round}"), Vec::new()).await;
    }
    let seen: Vec<(String, i64)> =
        sqlx::query_as("SELECT what, level FROM seen ORDER BY rowid").fetch_all(&pool).await.expect("read");
    let round = [("job".to_owned(), NORMAL), ("delivery".to_owned(), FULL)];
    assert_eq!(seen, [round.clone(), round.clone(), round].concat());
}
