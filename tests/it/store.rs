//! The contract of the store: every case runs on SQLite and, with `real-servers`, on PostgreSQL.

mod deliveries;
#[cfg(feature = "real-servers")]
mod postgres;
mod queue;
mod tables;

use std::time::Duration;

use restow::clock::Clock;
use restow::repo::Moment;
use restow::store::{Claim, JobFilter, JobRow, NewJob, Store};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

const START: Moment = Moment(1_800_000_000_000);
const LEASE: Duration = Duration::from_secs(60);

/// A database of a test's own, its store, and the clock that the store reads.
struct Fixture {
    store: Store,
    clock: Clock,
    url: SecretString,
    folder: Option<tempfile::TempDir>,
}

impl Fixture {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("restow.db").display());
        Self::over(&url, Some(folder)).await
    }

    async fn over(url: &str, folder: Option<tempfile::TempDir>) -> Self {
        let (url, clock) = (SecretString::from(url), Clock::settable(START));
        let store = Store::open(&url, clock.clone()).await.expect("the store opens");
        Self { store, clock, url, folder }
    }

    /// The store as a new process would open it.
    async fn reopened(&self) -> Store {
        Store::open(&self.url, self.clock.clone()).await.expect("the store opens again")
    }

    /// The URL of another database, in which there is nothing yet.
    async fn sibling(&self) -> SecretString {
        match &self.folder {
            Some(folder) => SecretString::from(format!("sqlite:{}", folder.path().join("sibling.db").display())),
            None => postgres_sibling(&self.url).await,
        }
    }

    /// Makes the database refuse jobs of a kind, as it would when something is wrong with it.
    async fn refuse_jobs_of_kind(&self, kind: &str) {
        let url = self.url.expose_secret();
        if url.starts_with("sqlite:") {
            let trigger = format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON jobs WHEN new.kind = '{kind}'
                 BEGIN SELECT RAISE(ABORT, 'refused'); END"
            );
            let pool = sqlx::SqlitePool::connect(url).await.expect("connected");
            sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&pool).await.expect("the trigger is made");
            pool.close().await;
        } else {
            let check = format!("ALTER TABLE jobs ADD CHECK (kind <> '{kind}')");
            let pool = sqlx::PgPool::connect(url).await.expect("connected");
            sqlx::raw_sql(sqlx::AssertSqlSafe(check)).execute(&pool).await.expect("the check is made");
            pool.close().await;
        }
    }

    async fn enqueue(&self, job: NewJob) {
        self.store.enqueue(&job).await.expect("enqueued");
    }

    async fn claim(&self, worker: &str) -> Option<Claim> {
        self.store.claim(worker, LEASE).await.expect("a claim is answered")
    }

    async fn jobs(&self) -> Vec<JobRow> {
        self.store.jobs(&JobFilter::default()).await.expect("the jobs are listed")
    }

    /// The queue in short: `kind dedupe state attempts`.
    async fn queue(&self) -> Vec<String> {
        let row = |job: JobRow| format!("{} {} {} {}", job.kind, job.dedupe_key, job.state, job.attempts);
        self.jobs().await.into_iter().map(row).collect()
    }
}

#[cfg(feature = "real-servers")]
async fn postgres_sibling(url: &SecretString) -> SecretString {
    postgres::empty_database(&url.expose_secret().parse().expect("a URL")).await
}

#[cfg(not(feature = "real-servers"))]
async fn postgres_sibling(_url: &SecretString) -> SecretString {
    unreachable!("without PostgreSQL every database is a file in a folder")
}

/// A job of kind `scan`, due now, of middle urgency, with three tries; the repository is both of its keys.
fn scan(repo: &str) -> NewJob {
    NewJob {
        kind: "scan".to_owned(),
        serial_key: repo.to_owned(),
        dedupe_key: repo.to_owned(),
        payload: json!({ "repo": repo }),
        priority: 5,
        run_at: START,
        max_attempts: 3,
    }
}

/// A case that runs on a database of its own.
#[cfg(feature = "real-servers")]
type Case = fn(Fixture) -> futures::future::BoxFuture<'static, ()>;

/// Names each case once: one test a case on SQLite, and all of them in one test on PostgreSQL, which shares a server.
macro_rules! contract {
    ($($room:ident :: $case:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    super::$room::$case(super::Fixture::sqlite().await).await;
                }
            )*
        }

        #[cfg(feature = "real-servers")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_postgres() {
            let server = postgres::Server::start().await;
            // Each in a function of its own: together the cases' futures are larger than a thread's stack.
            let cases: &[(&str, Case)] = &[$((stringify!($case), |fixture| Box::pin($room::$case(fixture)))),*];
            for (name, case) in cases {
                eprintln!("{name}");
                case(Fixture::over(&server.new_database().await, None).await).await;
            }
        }
    };
}

contract! {
    queue::equal_jobs_coalesce_while_they_wait,
    queue::a_batch_coalesces_within_itself,
    queue::coalescing_starts_the_tries_afresh,
    queue::a_push_during_a_run_means_exactly_one_more_run,
    queue::an_expired_job_gives_way_to_its_twin,
    queue::a_failed_job_gives_way_to_its_twin,
    queue::a_dying_job_gives_way_to_its_twin,
    queue::a_released_job_gives_way_to_its_twin,
    queue::a_stale_claim_changes_nothing,
    queue::the_same_worker_claiming_again_does_not_revive_its_old_claim,
    queue::a_released_try_does_not_revive_its_old_claim,
    queue::an_id_never_comes_back,
    queue::a_renewed_lease_holds,
    queue::an_expired_lease_returns_the_job,
    queue::a_job_that_kills_its_worker_dies_in_the_end,
    queue::one_running_job_per_serial_key,
    queue::a_backlog_of_one_key_hides_no_other_key,
    queue::jobs_come_by_priority_then_moment_then_age,
    queue::a_delayed_job_waits_for_its_moment,
    queue::the_next_moment_is_that_of_a_claimable_job,
    queue::failing_backs_off_and_ends_dead,
    queue::a_failure_may_name_its_moment,
    queue::a_hopeless_job_dies_at_once,
    queue::errors_are_bounded_and_may_hold_anything,
    queue::a_dead_job_is_retried_by_a_person,
    queue::a_retried_dead_job_gives_way_to_its_twin,
    queue::only_the_latest_dead_job_is_kept,
    queue::a_released_job_is_ready_at_once_and_its_try_not_counted,
    queue::finishing_enqueues_what_follows_or_nothing,
    queue::payloads_come_back_as_they_were,
    queue::jobs_are_filtered_and_counted,
    queue::many_workers_lose_and_double_nothing,
    queue::a_waiting_worker_is_woken,
    queue::one_wake_up_reaches_every_worker_that_has_work,
    deliveries::a_delivery_is_stored_once_with_its_jobs,
    deliveries::many_deliveries_at_once_are_all_stored,
    deliveries::one_delivery_sent_by_many_at_once_counts_once,
    deliveries::a_delivery_whose_jobs_cannot_be_stored_is_not_stored,
    deliveries::a_delivery_that_fails_spoils_no_other,
    deliveries::old_deliveries_are_forgotten,
    tables::installations,
    tables::deleting_an_installation_removes_its_repositories,
    tables::repositories_keep_their_scan_when_saved_again,
    tables::removed_repositories_forget_their_scan,
    tables::repositories_are_found_by_the_images_they_use,
    tables::only_repositories_that_are_worked_on_use_an_image,
    tables::the_images_of_removed_repositories_are_forgotten,
    tables::extractions_are_found_by_blob_path_and_version,
    tables::pulls,
    tables::ignores_end_and_are_kept_once,
    tables::the_audit_only_grows,
    tables::holds_are_told_when_they_begin,
    tables::what_is_attached_and_scanned_is_kept_for_a_while,
    tables::vex_repositories_are_kept_whole,
    tables::ends_of_support_are_kept_whole,
    tables::mirrored_advisories_are_matched_and_forgotten,
    tables::sources_tell_how_many_records_cannot_be_read,
    tables::what_is_exploited_is_kept_whole,
    tables::what_an_image_holds_is_kept_by_its_name,
    tables::a_deleted_installation_is_erased_after_its_time,
    tables::writes_and_openings_are_counted,
    tables::tag_lists,
    tables::the_ledger_is_never_rewritten,
    tables::new_tags_come_once,
    tables::what_is_not_used_is_forgotten,
    tables::a_body_with_a_nul_is_not_kept_and_breaks_nothing,
    tables::contents_are_kept_until_space_is_needed,
    tables::missing_tags_are_counted,
    tables::what_registries_tell,
    tables::an_older_table_set_with_rows_is_brought_up_to_date,
    tables::what_was_kept_without_platforms_stands_for_all,
    tables::what_debian_decided_is_kept_whole,
    tables::everything_is_there_after_reopening,
    tables::a_closed_store_answers_with_an_error,
}
