//! The other tables, the migrations, and opening again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use restow::clock::Clock;
use restow::image::{Digest, ImageName, Platform, Tag};
use restow::plan::PassedOver;
use restow::repo::{BranchName, CommitSha, InstallationId, Moment, PullNumber, RepoId, RepoName};
use restow::store::{
    AuditEntry, AuditFilter, ContentRow, Delivery, HeldRow, Ignore, ImageKey, InstallationRow, InstallationState,
    MirroredAffected, MirroredRecord, NewJob, PullRow, QuotaRow, Recorded, RepositoryRow, RepositoryState, Sighting,
    SourceRow, Store, StoryRow, TagListRow, Weighed,
};
use restow::vulnerability::{Exploitation, ProductEnd, Triage, Triaged, VexStatement, VexStatus};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::migrate::Migrator;

use super::{Fixture, START, scan};

const ACME: InstallationId = InstallationId(7);
const SHOP: RepoId = RepoId(101);

fn sha(digit: char) -> CommitSha {
    CommitSha::parse(&digit.to_string().repeat(40)).expect("a sha")
}

fn images(names: &[&str]) -> BTreeSet<ImageName> {
    names.iter().map(|name| ImageName::parse(name).expect("an image")).collect()
}

fn installation(id: InstallationId, state: InstallationState) -> InstallationRow {
    InstallationRow { id, account: "acme".to_owned(), state }
}

fn repository(id: RepoId, name: &str) -> RepositoryRow {
    RepositoryRow {
        id,
        installation: ACME,
        name: RepoName::parse(name).expect("a name"),
        default_branch: BranchName::parse("main").expect("a branch"),
        state: RepositoryState::Active,
        scanned_commit: None,
        inventory: None,
        rules_blob: None,
    }
}

fn pull(branch: &str) -> PullRow {
    PullRow {
        repo: SHOP,
        branch: BranchName::parse(branch).expect("a branch"),
        number: None,
        image: "docker.io/library/nginx".to_owned(),
        line: "1".to_owned(),
        state: "open".to_owned(),
        fingerprint: "f1".to_owned(),
        target: "1.29@sha256:00".to_owned(),
        head: None,
        base: Some(sha('b')),
        notes: json!({ "comments": [1, 2] }),
        updated_at: START,
        opened_at: Some(START),
    }
}

pub(super) async fn installations(f: Fixture) {
    let (active, suspended) =
        (installation(ACME, InstallationState::Active), installation(InstallationId(3), InstallationState::Suspended));
    f.store.save_installation(&active).await.expect("saved");
    f.store.save_installation(&suspended).await.expect("saved");
    assert_eq!(f.store.installations().await.expect("listed"), [suspended, active.clone()]);
    let renamed = InstallationRow { account: "acme-corp".to_owned(), ..active };
    f.store.save_installation(&renamed).await.expect("saved");
    assert_eq!(f.store.installation(ACME).await.expect("read"), Some(renamed));
    assert_eq!(f.store.installation(InstallationId(99)).await.expect("read"), None);
}

pub(super) async fn deleting_an_installation_removes_its_repositories(f: Fixture) {
    f.store.save_installation(&installation(ACME, InstallationState::Active)).await.expect("saved");
    f.store.save_repository(&repository(SHOP, "acme/shop")).await.expect("saved");
    f.store.save_inventory(SHOP, &sha('a'), "{}", &images(&[])).await.expect("saved");
    f.store.delete_installation(ACME).await.expect("deleted");
    assert_eq!(f.store.installations().await.expect("listed"), []);
    let deleted = installation(ACME, InstallationState::Deleted);
    assert_eq!(f.store.installation(ACME).await.expect("read"), Some(deleted));
    assert_eq!(f.store.repositories_of(ACME).await.expect("listed"), []);
    assert_eq!(f.store.inventory(SHOP).await.expect("read"), None);
}

pub(super) async fn repositories_keep_their_scan_when_saved_again(f: Fixture) {
    let found = r#"{"sites": [], "text": "\u0000 as it was written"}"#;
    f.store.save_repository(&repository(SHOP, "acme/shop")).await.expect("saved");
    assert_eq!(f.store.inventory(SHOP).await.expect("read"), None);
    f.store.save_inventory(SHOP, &sha('a'), found, &images(&[])).await.expect("saved");
    f.store.save_rules_blob(SHOP, Some("rules")).await.expect("saved");
    f.store.save_repository(&repository(SHOP, "acme/store")).await.expect("saved");
    assert_eq!(f.store.inventory(SHOP).await.expect("read"), Some((sha('a'), found.to_owned())));

    let listed = RepositoryRow {
        scanned_commit: Some(sha('a')),
        rules_blob: Some("rules".to_owned()),
        ..repository(SHOP, "acme/store")
    };
    assert_eq!(f.store.repositories_of(ACME).await.expect("listed"), std::slice::from_ref(&listed));
    let whole = RepositoryRow { inventory: serde_json::from_str(found).ok(), ..listed };
    assert_eq!(f.store.repository(SHOP).await.expect("read"), Some(whole));
}

pub(super) async fn removed_repositories_forget_their_scan(f: Fixture) {
    for (id, name) in [(SHOP, "acme/shop"), (RepoId(102), "acme/web"), (RepoId(103), "acme/api")] {
        f.store.save_repository(&repository(id, name)).await.expect("saved");
        f.store.save_inventory(id, &sha('a'), "{}", &images(&[])).await.expect("saved");
    }
    f.store.remove_repositories(&[SHOP, RepoId(103), RepoId(404)]).await.expect("removed");
    f.store.remove_repositories(&[]).await.expect("nothing removed");
    let left: Vec<RepoId> = f.store.repositories_of(ACME).await.expect("listed").iter().map(|row| row.id).collect();
    assert_eq!(left, [RepoId(102)]);
    f.store.save_inventory(SHOP, &sha('b'), "{}", &images(&[])).await.expect("answered");
    assert_eq!(f.store.inventory(SHOP).await.expect("read"), None, "a scan that ends late saves nothing");
    f.store.save_repository(&repository(SHOP, "acme/shop")).await.expect("saved");
    assert_eq!(f.store.repository(SHOP).await.expect("read"), Some(repository(SHOP, "acme/shop")));
}

const WEB: RepoId = RepoId(102);
const API: RepoId = RepoId(103);

/// Three repositories and the images that they use.
async fn with_images(f: &Fixture) {
    f.store.save_installation(&installation(ACME, InstallationState::Active)).await.expect("saved");
    for (id, name, used) in
        [(SHOP, "acme/shop", &["nginx", "redis"][..]), (WEB, "acme/web", &["nginx"]), (API, "acme/api", &[])]
    {
        f.store.save_repository(&repository(id, name)).await.expect("saved");
        f.store.save_inventory(id, &sha('a'), "{}", &images(used)).await.expect("saved");
    }
}

async fn using(f: &Fixture, name: &str) -> Vec<RepoId> {
    let image = ImageName::parse(name).expect("an image");
    f.store.repositories_using(&image).await.expect("listed").iter().map(|row| row.id).collect()
}

pub(super) async fn repositories_are_found_by_the_images_they_use(f: Fixture) {
    with_images(&f).await;
    assert_eq!(using(&f, "nginx").await, [SHOP, WEB]);
    assert_eq!((using(&f, "redis").await, using(&f, "postgres").await), (vec![SHOP], vec![]));
    f.store.save_inventory(SHOP, &sha('b'), "{}", &images(&["postgres", "redis"])).await.expect("saved");
    f.store.save_repository_images(API, &images(&["nginx"])).await.expect("saved");
    assert_eq!((using(&f, "nginx").await, using(&f, "postgres").await), (vec![WEB, API], vec![SHOP]));
}

pub(super) async fn only_repositories_that_are_worked_on_use_an_image(f: Fixture) {
    with_images(&f).await;
    let archived = RepositoryRow { state: RepositoryState::Archived, ..repository(WEB, "acme/web") };
    f.store.save_repository(&archived).await.expect("saved");
    assert_eq!(using(&f, "nginx").await, [SHOP]);
    f.store.save_installation(&installation(ACME, InstallationState::Suspended)).await.expect("saved");
    assert_eq!(using(&f, "nginx").await, [], "nothing is done for a suspended installation");
}

pub(super) async fn the_images_of_removed_repositories_are_forgotten(f: Fixture) {
    with_images(&f).await;
    f.store.remove_repositories(&[SHOP]).await.expect("removed");
    f.store.save_inventory(SHOP, &sha('c'), "{}", &images(&["redis"])).await.expect("answered");
    f.store.save_repository(&repository(SHOP, "acme/shop")).await.expect("saved");
    assert_eq!((using(&f, "nginx").await, using(&f, "redis").await), (vec![WEB], vec![]));
    f.store.delete_installation(ACME).await.expect("deleted");
    f.store.save_installation(&installation(ACME, InstallationState::Active)).await.expect("saved");
    f.store.save_repository(&repository(WEB, "acme/web")).await.expect("saved");
    assert_eq!(using(&f, "nginx").await, []);
}

pub(super) async fn extractions_are_found_by_blob_path_and_version(f: Fixture) {
    let key = |n: usize| (sha(if n.is_multiple_of(2) { 'a' } else { 'b' }), format!("Dockerfile {n} ünï'\""));
    let result = |n: usize| format!(r#"{{"sites": [{n}], "nul": "\u0000"}}"#);
    let read = (0..1_200).map(|n| (key(n).0, key(n).1, result(n))).collect();
    f.store.save_extractions(1, read).await.expect("saved");
    f.store.save_extractions(1, vec![(key(5).0, key(5).1, result(5)); 2]).await.expect("saved again");
    f.store.save_extractions(2, vec![(key(5).0, key(5).1, "newer".to_owned())]).await.expect("saved");

    let keys: Vec<_> = (0..1_300).map(key).collect();
    let known = f.store.extractions(&keys, 1).await.expect("read");
    assert_eq!(known.len(), 1_200);
    assert_eq!((known.get(&key(5)), known.get(&key(1_250))), (Some(&result(5)), None));
    assert_eq!(f.store.extractions(&keys, 2).await.expect("read").len(), 1);
    assert!(f.store.extractions(&[], 1).await.expect("read").is_empty());

    assert_eq!(f.store.forget_other_extractions(2).await.expect("forgotten"), 1_200);
    assert!(f.store.extractions(&keys, 1).await.expect("read").is_empty());
}

pub(super) async fn pulls(f: Fixture) {
    let (web, nginx) = (pull("restow/web-1"), pull("restow/nginx-1"));
    f.store.save_pull(&web).await.expect("saved");
    f.store.save_pull(&nginx).await.expect("saved");
    assert_eq!(f.store.pulls(SHOP).await.expect("listed"), [nginx.clone(), web]);
    let open = PullRow {
        number: Some(PullNumber(12)),
        head: Some(sha('c')),
        notes: json!(null),
        updated_at: START.plus_ms(1),
        ..nginx
    };
    f.store.save_pull(&open).await.expect("saved");
    assert_eq!(f.store.pull(SHOP, &open.branch).await.expect("read"), Some(open.clone()));
    assert_eq!(f.store.pull(RepoId(1), &open.branch).await.expect("read"), None);
    assert_eq!(f.store.pulls(RepoId(1)).await.expect("listed"), []);
}

pub(super) async fn ignores_end_and_are_kept_once(f: Fixture) {
    let image = ImageName::parse("nginx").expect("an image");
    let tag = |tag: &str| PassedOver::Tag(Tag::parse(tag).expect("a tag"));
    let one = |what: PassedOver, until: Option<Moment>| Ignore {
        base: None,
        image: image.clone(),
        line: Some("1".to_owned()),
        group: None,
        what,
        until,
        author: "mona".to_owned(),
        reason: "not now".to_owned(),
        pull: Some(PullNumber(7)),
        at: START,
    };
    let content = PassedOver::Content(Tag::parse("1.30").expect("a tag"), Digest::sha256_of(b"x"));
    let kinds = [tag("1.29"), content, PassedOver::Versions(vec![2, 1]), PassedOver::All];
    let all: Vec<Ignore> = kinds.into_iter().map(|what| one(what, None)).collect();
    f.store.save_ignores(SHOP, &all).await.expect("saved");
    f.store.save_ignores(SHOP, &[all[0].clone(), all[0].clone()]).await.expect("saved again");
    f.store.save_ignores(RepoId(1), &all[..1]).await.expect("saved elsewhere");
    assert_eq!(f.store.ignores(SHOP, START).await.expect("listed"), all);
    let release = Ignore { base: Some(BranchName::parse("release/1").expect("a branch")), ..all[0].clone() };
    f.store.save_ignores(RepoId(1), std::slice::from_ref(&release)).await.expect("saved for a branch");
    assert_eq!(f.store.ignores(RepoId(1), START).await.expect("listed"), [all[0].clone(), release]);
    let ended = one(tag("1.29"), Some(START.plus_ms(10)));
    f.store.save_ignores(SHOP, std::slice::from_ref(&ended)).await.expect("saved with an end");
    assert!(f.store.ignores(SHOP, START).await.expect("listed").contains(&ended));
    assert_eq!(f.store.ignores(SHOP, START.plus_ms(10)).await.expect("listed").len(), 3);
    assert_eq!(f.store.forget_ignores(SHOP, &image).await.expect("forgotten"), 4);
    assert_eq!(f.store.ignores(SHOP, START).await.expect("listed"), []);
}

pub(super) async fn tag_lists(f: Fixture) {
    let row = TagListRow {
        image: key("nginx", None),
        fetched_at: START,
        etag: Some("\"x\"".to_owned()),
        tags: (0..5_000).map(|n| format!("1.{n}")).collect(),
        complete: false,
        uploads: Some("{}".to_owned()),
    };
    assert_eq!(f.store.tag_list(&row.image).await.expect("read"), None);
    f.store.save_tag_list(&row).await.expect("saved");
    assert_eq!(f.store.tag_list(&row.image).await.expect("read"), Some(row.clone()));
    let newer =
        TagListRow { fetched_at: START.plus_ms(1), etag: None, tags: Vec::new(), complete: true, ..row.clone() };
    f.store.save_tag_list(&newer).await.expect("saved");
    f.store.save_tag_list(&row).await.expect("answered");
    assert_eq!(f.store.tag_list(&row.image).await.expect("read"), Some(newer), "an older list changes nothing");
}

/// Brings a fresh database to a migration only, by the files themselves, and writes rows.
async fn tables_of(url: &str, migration: i64, rows: &'static str) {
    let dialect = if url.starts_with("sqlite:") { "sqlite" } else { "postgres" };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations").join(dialect);
    let migrations = Migrator::new(folder.as_path()).await.expect("the migrations are read");
    if dialect == "sqlite" {
        let options = url.parse::<sqlx::sqlite::SqliteConnectOptions>().expect("a URL").create_if_missing(true);
        let pool = sqlx::SqlitePool::connect_with(options).await.expect("connected");
        migrations.run_to(migration, &pool).await.expect("migrated");
        sqlx::raw_sql(rows).execute(&pool).await.expect("rows are written");
        pool.close().await;
    } else {
        let pool = sqlx::PgPool::connect(url).await.expect("connected");
        migrations.run_to(migration, &pool).await.expect("migrated");
        sqlx::raw_sql(rows).execute(&pool).await.expect("rows are written");
        pool.close().await;
    }
}

const OLD_ROWS: &str = "
    INSERT INTO deliveries (id, event, summary, received_at) VALUES ('old', 'push', '{}', 1);
    INSERT INTO jobs (kind, serial_key, dedupe_key, payload, priority, state, run_at, attempts, max_attempts, fence,
        worker, lease_until, created_at, changed_at)
    VALUES ('scan', 'a', 'a', '{}', 1, 'running', 1, 1, 3, 1, 'gone', 2, 1, 1),
        ('scan', 'b', 'b', '{}', 2, 'ready', 1, 0, 3, 0, NULL, NULL, 1, 1),
        ('scan', 'c', 'c', '{}', 3, 'dead', 1, 3, 3, 3, NULL, NULL, 1, 1);";

pub(super) async fn an_older_table_set_with_rows_is_brought_up_to_date(f: Fixture) {
    let url = f.sibling().await;
    tables_of(url.expose_secret(), 1, OLD_ROWS).await;
    let f = Fixture { store: Store::open(&url, f.clock.clone()).await.expect("migrated"), url, ..f };
    assert_eq!(f.queue().await, ["scan a running 1", "scan b ready 0", "scan c dead 3"]);
    assert_eq!(f.claim("w").await.map(|claim| (claim.serial_key, claim.attempt)), Some(("a".to_owned(), 2)));
    let old = Delivery {
        id: "old".to_owned(),
        event: "push".to_owned(),
        action: None,
        installation: None,
        repo: None,
        summary: json!({}),
    };
    assert_eq!(f.store.record_delivery(old, Vec::new()).await.expect("recorded"), Recorded::Seen);
    f.store.save_pull(&pull("restow/nginx-1")).await.expect("the later tables are there");
    f.store.save_repository_images(SHOP, &images(&["nginx"])).await.expect("the later tables are there");
}

/// Rows of when an image was looked at for one platform alone.
const ROWS_WITHOUT_PLATFORMS: &str = "
    INSERT INTO package_lists (audience, digest, body, reader, determined_at)
    VALUES ('docker.io/acme/app', 'sha256:0000000000000000000000000000000000000000000000000000000000000000', 'list', 4, 1);
    INSERT INTO scans (audience, digest, scanner, body, scanned_at)
    VALUES ('us', 'sha256:0000000000000000000000000000000000000000000000000000000000000000', 'trivy', 'found', 7);
    INSERT INTO advisory_sources (name, records, synced_at) VALUES ('KEV', 1, 5);";

pub(super) async fn what_was_kept_without_platforms_stands_for_all(f: Fixture) {
    let url = f.sibling().await;
    tables_of(url.expose_secret(), 100, ROWS_WITHOUT_PLATFORMS).await;
    let store = Store::open(&url, f.clock.clone()).await.expect("migrated");
    let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64))).expect("a digest");
    let key = ImageKey::new(&ImageName::parse("acme/app").expect("a name"), None);
    let list = store.package_list(&key, (&digest, ""), 4).await.expect("read");
    assert_eq!(list, Some(("list".to_owned(), Moment(1))));
    store.save_package_list(&key, (&digest, "linux/arm64"), 4, "other").await.expect("saved");
    assert_eq!(store.package_list(&key, (&digest, ""), 4).await.expect("read"), list);
    let scan = store.scan("us", (&digest, ""), "trivy", Moment(6)).await.expect("read");
    assert_eq!(scan.as_deref(), Some("found"));
    let sources = store.advisory_sources().await.expect("read");
    assert_eq!(sources.iter().map(|one| (one.as_of(), one.data_of)).collect::<Vec<_>>(), [(Moment(5), None)]);
}

pub(super) async fn what_debian_decided_is_kept_whole(f: Fixture) {
    let decided = |release: &str, package: &str, cve: &str, triage| Triaged {
        release: release.to_owned(),
        package: package.to_owned(),
        vulnerability: cve.to_owned(),
        triage,
    };
    let first = decided("Debian:12", "bash", "CVE-1", Triage::NoDsa);
    f.store.save_triage(&[first.clone(), first]).await.expect("said twice");
    let new = [
        decided("Debian:12", "bash", "CVE-2", Triage::Ignored),
        decided("Debian:12", "bash", "CVE-3", Triage::Postponed),
        decided("Debian:11", "bash", "CVE-4", Triage::NoDsa),
    ];
    f.store.save_triage(&new).await.expect("saved");
    let asked = BTreeSet::from([("Debian:12", "bash"), ("Debian:12", "zlib")]);
    let known = f.store.triage_of(&asked).await.expect("read");
    let of = BTreeMap::from([("CVE-2".to_owned(), Triage::Ignored), ("CVE-3".to_owned(), Triage::Postponed)]);
    assert_eq!(known, BTreeMap::from([(("Debian:12".to_owned(), "bash".to_owned()), of)]));
}

pub(super) async fn everything_is_there_after_reopening(f: Fixture) {
    f.store.save_installation(&installation(ACME, InstallationState::Active)).await.expect("saved");
    f.store.save_repository(&repository(SHOP, "acme/shop")).await.expect("saved");
    f.store.save_inventory(SHOP, &sha('a'), "{}", &images(&[])).await.expect("saved");
    f.store.save_pull(&pull("restow/nginx-1")).await.expect("saved");
    f.enqueue(scan("held")).await;
    let held = f.claim("w").await.expect("claimed");
    f.enqueue(NewJob { run_at: Moment(0), ..scan("waits") }).await;
    f.store.close().await;

    let f = Fixture { store: f.reopened().await, ..f };
    assert_eq!(f.store.installations().await.expect("listed").len(), 1);
    assert_eq!(f.store.inventory(SHOP).await.expect("read"), Some((sha('a'), "{}".to_owned())));
    assert_eq!(f.store.pulls(SHOP).await.expect("listed").len(), 1);
    assert_eq!(f.queue().await, ["scan held running 1", "scan waits ready 0"]);
    let held = f.store.finish(&held, Vec::new()).await.expect("answered");
    assert_eq!(held, restow::store::Held::Yes, "a claim outlives the connection");
}

pub(super) async fn a_closed_store_answers_with_an_error(f: Fixture) {
    f.store.ping().await.expect("it answers");
    f.store.close().await;
    assert!(f.store.ping().await.is_err());
    assert!(f.store.enqueue(&scan("a")).await.is_err());
    let delivery = Delivery {
        id: "one".to_owned(),
        event: "push".to_owned(),
        action: None,
        installation: None,
        repo: None,
        summary: json!({}),
    };
    assert!(f.store.record_delivery(delivery, vec![scan("a")]).await.is_err());
}

#[tokio::test]
async fn a_database_in_memory_works_and_is_its_own() {
    let url = SecretString::from("sqlite::memory:");
    let open = async || Store::open(&url, Clock::settable(START)).await.expect("opened");
    let (one, other) = (open().await, open().await);
    one.enqueue(&scan("a")).await.expect("enqueued");
    assert_eq!(one.job_counts().await.expect("counted").ready, 1);
    assert_eq!(other.job_counts().await.expect("counted").ready, 0);
}

#[tokio::test]
async fn a_tool_makes_no_database_and_a_wrong_path_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("typo.db");
    let url = SecretString::from(format!("sqlite:{}", path.display()));
    let error = Store::open_existing(&url, Clock::System).await.expect_err("nothing is there");
    assert!(error.to_string().contains("typo.db"), "{error}");
    assert!(!path.exists());

    let url = SecretString::from(format!("sqlite:{}", folder.path().join("no/such/folder.db").display()));
    let error = Store::open(&url, Clock::System).await.expect_err("no such folder");
    assert!(error.to_string().contains("no/such/folder.db"), "{error}");
}

/// The first sight of a digest stays; the last one moves on; a tag that came back to a digest says so.
pub(super) async fn the_ledger_is_never_rewritten(f: Fixture) {
    let image = key("nginx", None);
    let tag = Tag::parse("1.25").expect("a tag");
    let digest = |text: &str| Digest::sha256_of(text.as_bytes());
    let at = |minutes: i64| START.plus_ms(minutes * 60_000);
    for (text, minutes) in [("a", 0), ("a", 10), ("b", 20), ("a", 30), ("a", 5)] {
        f.store.observe(&image, &tag, (&digest(text), Some(text)), at(minutes)).await.expect("written");
    }
    let sighting = |text: &str, first, last| {
        let etag = Some(text.to_owned());
        Sighting { digest: digest(text), first_seen: at(first), last_seen: at(last), etag }
    };
    let seen = f.store.sightings(&image, &tag).await.expect("read");
    assert_eq!(seen, [sighting("a", 0, 30), sighting("b", 20, 20)]);
    let other = Tag::parse("1.26").expect("a tag");
    assert_eq!(f.store.sightings(&image, &other).await.expect("read"), []);
    // What one owner's credential reads is nobody else's.
    let theirs = key("nginx", Some("acme"));
    assert_eq!(f.store.sightings(&theirs, &tag).await.expect("read"), []);
}

fn key(image: &str, audience: Option<&str>) -> ImageKey {
    ImageKey::new(&ImageName::parse(image).expect("an image"), audience)
}

/// Content is kept for an audience; the least used leaves first.
pub(super) async fn contents_are_kept_until_space_is_needed(f: Fixture) {
    const DAY: i64 = 24 * 3_600_000;
    let row = |text: &str, audience: &str| ContentRow {
        audience: audience.to_owned(),
        digest: Digest::sha256_of(text.as_bytes()),
        image: "docker.io/library/nginx".to_owned(),
        media_type: "application/json".to_owned(),
        body: text.to_owned(),
        fetched_at: START,
    };
    let kept = async |text: &str, audience: &str, at: i64| {
        let digest = Digest::sha256_of(text.as_bytes());
        f.store.content(audience, &digest, START.plus_ms(at)).await.expect("read").is_some()
    };
    for text in ["aaaa", "bbbb", "cccc"] {
        f.store.save_content(&row(text, "")).await.expect("saved");
        f.store.save_content(&row(text, "")).await.expect("saved twice");
    }
    f.store.save_content(&row("dddd", "acme")).await.expect("saved");
    assert!(!kept("dddd", "", 0).await, "another audience's content");
    let used = (kept("bbbb", "", 2 * DAY).await, kept("dddd", "acme", 3 * DAY).await);
    assert_eq!(used, (true, true));
    f.store.trim_contents(100).await.expect("nothing to do");
    assert!(kept("aaaa", "", 0).await);
    f.store.trim_contents(9).await.expect("trimmed");
    let mut left = Vec::new();
    for (text, audience) in [("aaaa", ""), ("bbbb", ""), ("cccc", ""), ("dddd", "acme")] {
        left.extend(kept(text, audience, 0).await.then_some(text));
    }
    assert_eq!(left, ["bbbb", "dddd"]);
}

/// Three whole lists without a tag, an interval apart; one with it forgives.
pub(super) async fn missing_tags_are_counted(f: Fixture) {
    let image = key("nginx", None);
    let recent = async || {
        let tags = f.store.recently_missing(&image, 3).await.expect("read");
        tags.iter().map(Tag::to_string).collect::<Vec<_>>()
    };
    let note = async |missing: &[&str], back: &[&str], minutes: i64| {
        let at = START.plus_ms(minutes * 60_000);
        f.store.note_missing(&image, missing, back, (at, at.plus_ms(-30 * 60_000))).await.expect("noted");
    };
    note(&["1.0", "1.1"], &[], 0).await;
    note(&["1.0", "1.1"], &[], 30).await;
    note(&["1.0", "1.1"], &[], 31).await;
    note(&["1.0", "1.1"], &[], 59).await;
    assert_eq!(recent().await, ["1.0", "1.1"], "looks within one interval are one look");
    note(&["1.0"], &["1.1"], 60).await;
    assert_eq!(recent().await, [""; 0], "1.0 is gone, 1.1 is back");
    note(&["1.1"], &[], 61).await;
    assert_eq!(recent().await, ["1.1"], "it begins anew");
    let many: Vec<String> = (0..1_200).map(|n| format!("2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    note(&many, &[], 61).await;
    assert_eq!(recent().await.len(), 1_201);
}

/// When a tag came is written once, for who reads the image.
pub(super) async fn new_tags_come_once(f: Fixture) {
    let (image, theirs) = (key("nginx", None), key("nginx", Some("acme")));
    let many: Vec<String> = (0..1_200).map(|n| format!("2.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    f.store.note_new_tags(&image, &many, START).await.expect("noted");
    f.store.note_new_tags(&image, &["2.7", "3.0"], START.plus_ms(5)).await.expect("noted");
    let came = async |image: &ImageKey, tag: &str| {
        f.store.tag_came(image, &Tag::parse(tag).expect("a tag")).await.expect("read")
    };
    assert_eq!(came(&image, "2.7").await, Some(START));
    assert_eq!(came(&image, "2.1199").await, Some(START));
    assert_eq!(came(&image, "3.0").await, Some(START.plus_ms(5)));
    assert_eq!(came(&image, "1.0").await, None);
    assert_eq!(came(&theirs, "2.7").await, None);
}

/// What nobody asks for any more leaves; the ledger stays.
pub(super) async fn what_is_not_used_is_forgotten(f: Fixture) {
    let day = |days: i64| START.plus_ms(days * 86_400_000);
    let tag = Tag::parse("1.0").expect("a tag");
    let digest = Digest::sha256_of(b"x");
    for (image, at) in [(key("old", None), day(0)), (key("new", None), day(70))] {
        let (etag, tags, uploads) = (None, vec!["1.0".to_owned()], None);
        let row = TagListRow { image: image.clone(), fetched_at: at, etag, tags, complete: true, uploads };
        f.store.save_tag_list(&row).await.expect("saved");
        let story = StoryRow { digest: digest.clone(), pushed: None, platforms: Vec::new(), source: "x".to_owned() };
        f.store.save_story(&image, &tag, &story, at).await.expect("saved");
        f.store.note_new_tags(&image, &["1.0"], day(0)).await.expect("noted");
        f.store.note_missing(&image, &["0.9"], &[], (day(0), day(-1))).await.expect("noted");
        f.store.observe(&image, &tag, (&digest, None), day(0)).await.expect("noted");
    }
    f.store.forget_unused(day(60)).await.expect("forgotten");
    let left = async |image: ImageKey| {
        (
            f.store.tag_list(&image).await.expect("read").is_some(),
            f.store.story(&image, &tag, &digest).await.expect("read").is_some(),
            f.store.tag_came(&image, &tag).await.expect("read").is_some(),
            !f.store.recently_missing(&image, 3).await.expect("read").is_empty(),
            f.store.sightings(&image, &tag).await.expect("read").len(),
        )
    };
    assert_eq!(left(key("old", None)).await, (false, false, false, false, 1));
    assert_eq!(left(key("new", None)).await, (true, true, true, true, 1));
}

/// A registry may send anything as a manifest; what no database keeps costs nothing but that.
pub(super) async fn a_body_with_a_nul_is_not_kept_and_breaks_nothing(f: Fixture) {
    let body = "{\"a\":\"\0\"}";
    let digest = Digest::sha256_of(body.as_bytes());
    let row = ContentRow {
        audience: String::new(),
        digest: digest.clone(),
        image: "docker.io/library/nginx".to_owned(),
        media_type: "application/json".to_owned(),
        body: body.to_owned(),
        fetched_at: START,
    };
    f.store.save_content(&row).await.expect("no failure");
    assert_eq!(f.store.content("", &digest, START).await.expect("read"), None);
}

/// Stories and limits: the later word counts.
pub(super) async fn what_registries_tell(f: Fixture) {
    let (image, tag) = (key("nginx", None), Tag::parse("1.25").expect("a tag"));
    let story = StoryRow {
        digest: Digest::sha256_of(b"a"),
        pushed: Some(START),
        platforms: vec!["linux/arm64".parse().expect("a platform")],
        source: "Docker Hub".to_owned(),
    };
    assert_eq!(f.store.story(&image, &tag, &story.digest).await.expect("read"), None);
    f.store.save_story(&image, &tag, &StoryRow { pushed: None, ..story.clone() }, START).await.expect("saved");
    f.store.save_story(&image, &tag, &story, START).await.expect("saved");
    assert_eq!(f.store.story(&image, &tag, &story.digest).await.expect("read"), Some(story));
    let quota = QuotaRow {
        host: "docker.io".to_owned(),
        audience: String::new(),
        limit: 100,
        window: std::time::Duration::from_secs(21_600),
        remaining: 7,
        read_at: START.plus_ms(5),
    };
    f.store.save_quota(&quota).await.expect("saved");
    f.store.save_quota(&QuotaRow { remaining: 90, read_at: START, ..quota.clone() }).await.expect("saved");
    assert_eq!(f.store.quota("docker.io", "").await.expect("read"), Some(quota));
    assert_eq!(f.store.quota("docker.io", "acme").await.expect("read"), None);
}

fn entry(act: &str, repo: RepoId, at: Moment) -> AuditEntry {
    AuditEntry {
        at,
        actor: "restow".to_owned(),
        act: act.to_owned(),
        repo,
        repository: "acme/shop".to_owned(),
        image: "docker.io/library/nginx".to_owned(),
        from: "1.25".to_owned(),
        to: "1.27".to_owned(),
        pull: Some(PullNumber(7)),
        rule: "the newest \"tag\"".to_owned(),
        evidence: json!({ "digest": "sha256:00", "text": "it's" }),
        result: "minor".to_owned(),
    }
}

pub(super) async fn the_audit_only_grows(f: Fixture) {
    let entries = [entry("open", SHOP, START), entry("merge", SHOP, START.plus_ms(10))];
    f.store.record(&entries).await.expect("recorded");
    f.store.record(&entries[..1]).await.expect("recorded");
    let list = async |filter: AuditFilter| f.store.audit(&filter).await.expect("listed");
    let all = list(AuditFilter { limit: 10, ..AuditFilter::default() }).await;
    assert_eq!(all, [entries[0].clone(), entries[1].clone(), entries[0].clone()]);
    let newest = list(AuditFilter { limit: 1, ..AuditFilter::default() }).await;
    assert_eq!(newest, [entries[0].clone()]);
    let since = list(AuditFilter { since: Some(START.plus_ms(1)), limit: 10, ..AuditFilter::default() }).await;
    assert_eq!(since, [entries[1].clone()]);
    let image = Some("docker.io/library/redis".to_owned());
    assert_eq!(list(AuditFilter { image, limit: 10, ..AuditFilter::default() }).await, []);
    let repository = Some("acme/shop".to_owned());
    assert_eq!(list(AuditFilter { repository, limit: 10, ..AuditFilter::default() }).await.len(), 3);
}

/// An installation with one of everything that is kept of it, as it is when somebody removes the App.
async fn deleted_installation(f: &Fixture) {
    f.store.save_installation(&installation(ACME, InstallationState::Active)).await.expect("saved");
    f.store.save_repository(&repository(SHOP, "acme/shop")).await.expect("saved");
    f.store.save_pull(&pull("restow/nginx-1")).await.expect("saved");
    f.store.record(&[entry("open", SHOP, START)]).await.expect("recorded");
    let image = images(&["nginx"]).into_iter().next().expect("an image");
    let platforms = vec![Platform::parse("linux/arm64").expect("a platform")];
    let known = Weighed { platforms, fingerprint: "print".to_owned() };
    let weighed = BTreeMap::from([((image, Digest::sha256_of(b"weighed")), known)]);
    f.store.save_weighed(SHOP, &weighed).await.expect("saved");
    f.store.delete_installation(ACME).await.expect("deleted");
}

pub(super) async fn a_deleted_installation_is_erased_after_its_time(f: Fixture) {
    deleted_installation(&f).await;
    let audit =
        async || f.store.audit(&AuditFilter { limit: 10, ..AuditFilter::default() }).await.expect("listed").len();
    let weighed = async || f.store.weighed().await.expect("weighed").len();
    assert_eq!(f.store.erase_deleted(START).await.expect("erased"), 0, "not yet");
    assert_eq!((audit().await, weighed().await), (1, 1));
    assert_eq!(f.store.erase_deleted(START.plus_ms(1)).await.expect("erased"), 1);
    assert_eq!((audit().await, weighed().await), (0, 0));
    assert_eq!(f.store.pulls(SHOP).await.expect("listed"), []);
    assert_eq!(f.store.repository(SHOP).await.expect("read"), None);
    assert_eq!(f.store.installation(ACME).await.expect("read"), None);
}

pub(super) async fn holds_are_told_when_they_begin(f: Fixture) {
    let held = |code: &str| HeldRow { image: "nginx".to_owned(), code: code.to_owned(), target: "1.27".to_owned() };
    let set = |codes: &[&str]| codes.iter().map(|code| held(code)).collect::<BTreeSet<_>>();
    let replace = async |repo: RepoId, codes: &[&str]| f.store.replace_holds(repo, &set(codes)).await.expect("saved");
    assert_eq!(replace(SHOP, &["limit", "schedule"]).await, set(&["limit", "schedule"]));
    assert_eq!(replace(RepoId(1), &["limit"]).await, set(&["limit"]));
    assert_eq!(replace(SHOP, &["limit"]).await, set(&[]));
    assert_eq!(replace(SHOP, &["limit", "schedule"]).await, set(&["schedule"]), "it began again");
}

fn statement(name: &str, status: VexStatus) -> VexStatement {
    VexStatement {
        vulnerabilities: BTreeSet::from([name.to_owned(), format!("ALIAS-{name}")]),
        products: Vec::new(),
        status,
        justification: String::new(),
        author: "Acme".to_owned(),
        at: None,
    }
}

pub(super) async fn what_is_attached_and_scanned_is_kept_for_a_while(f: Fixture) {
    let (store, digest) = (&f.store, Digest::sha256_of(b"image"));
    let key = |name: &str| ImageKey::new(&ImageName::parse(name).expect("a name"), None);
    store.save_attached_vex(&key("acme/app"), &digest, "[]").await.expect("saved");
    let attached = async |name, since| store.attached_vex(&key(name), &digest, since).await.expect("read");
    assert_eq!(attached("acme/app", START.plus_ms(-1)).await.as_deref(), Some("[]"));
    assert_eq!(attached("acme/app", START.plus_ms(1_000_000)).await, None, "it is too old");
    assert_eq!(attached("mallory/app", START.plus_ms(-1)).await, None, "the same content elsewhere says nothing of it");
    store.save_scan("us", (&digest, ""), "trivy", "{}").await.expect("saved");
    let scan = async |of: &str, by: &str| store.scan("us", (&digest, of), by, START.plus_ms(-1)).await.expect("read");
    assert_eq!((scan("", "trivy").await.as_deref(), scan("", "grype").await), (Some("{}"), None));
    assert_eq!(scan("linux/arm64", "trivy").await, None, "another platform holds something else");
}

pub(super) async fn vex_repositories_are_kept_whole(f: Fixture) {
    let store = &f.store;
    let first = [statement("CVE-1", VexStatus::Fixed), statement("CVE-2", VexStatus::NotAffected)];
    store.save_vex("https://a.example", &first).await.expect("saved");
    store.save_vex("https://b.example", &first[..1]).await.expect("saved");
    let about = async |repository: &str, names: &[&str]| {
        store.vex_about(repository, &names.iter().copied().collect()).await.expect("read")
    };
    assert_eq!(about("https://a.example", &["CVE-1", "ALIAS-CVE-1", "CVE-3"]).await, first[..1], "each once");
    store.save_vex("https://a.example", &first[1..]).await.expect("saved");
    assert_eq!(about("https://a.example", &["CVE-1", "CVE-2"]).await, first[1..]);
    assert_eq!(about("https://b.example", &["CVE-1", "CVE-2"]).await, first[..1]);
}

pub(super) async fn ends_of_support_are_kept_whole(f: Fixture) {
    let store = &f.store;
    let end = |cycle: &str, day: Option<Moment>, ended: bool| ProductEnd {
        product: "python".to_owned(),
        cycle: cycle.to_owned(),
        day,
        ended,
    };
    store.save_ends(&[end("3.7", Some(START), true), end("3.8", None, true)]).await.expect("saved");
    store.save_ends(&[end("3.8", None, true), end("3.9", Some(START), false)]).await.expect("saved");
    let ends: Vec<ProductEnd> = store.ends_of("python").await.expect("read").into_values().collect();
    assert_eq!(ends, [end("3.8", None, true), end("3.9", Some(START), false)]);
    assert_eq!(store.ends_of("node").await.expect("read"), BTreeMap::new());
}

pub(super) async fn writes_and_openings_are_counted(f: Fixture) {
    let note = async |repo: Option<RepoId>, at: i64| {
        f.store.note_write(ACME, repo, START.plus_ms(at), START.plus_ms(at - 100)).await.expect("noted");
    };
    note(Some(SHOP), 1).await;
    note(None, 50).await;
    assert_eq!(
        f.store.writes(ACME, START).await.expect("listed"),
        [(Some(SHOP), START.plus_ms(1)), (None, START.plus_ms(50))]
    );
    assert_eq!(f.store.writes(ACME, START.plus_ms(1)).await.expect("listed").len(), 1);
    note(Some(SHOP), 101).await;
    assert_eq!(f.store.writes(ACME, START).await.expect("listed").len(), 2, "the oldest is forgotten");
    let opened = AuditEntry { pull: Some(PullNumber(7)), ..entry("open", SHOP, START.plus_ms(5)) };
    let elsewhere = AuditEntry { pull: Some(PullNumber(8)), ..entry("open", RepoId(1), START.plus_ms(5)) };
    // A group's moves are an entry each.
    f.store.record(&[opened.clone(), opened, elsewhere]).await.expect("recorded");
    let since = async |at: i64| f.store.opened_since(SHOP, START.plus_ms(at)).await.expect("listed");
    assert_eq!(since(0).await, BTreeMap::from([(PullNumber(7), START.plus_ms(5))]));
    assert_eq!(since(6).await, BTreeMap::new());
}

fn mirrored(release: &str, package: &str, body: &str) -> MirroredAffected {
    MirroredAffected { release: release.to_owned(), package: package.to_owned(), body: body.to_owned() }
}

fn mirrored_record(id: &str, affected: &[MirroredAffected]) -> MirroredRecord {
    MirroredRecord { id: id.to_owned(), modified: "1".to_owned(), affected: affected.to_vec() }
}

pub(super) async fn mirrored_advisories_are_matched_and_forgotten(f: Fixture) {
    let (bash, zlib) = (mirrored("Debian:12", "bash", "one"), mirrored("Debian:12", "zlib", "three"));
    let both = [bash.clone(), mirrored("Debian:13", "bash", "two")];
    let save = async |records: &[MirroredRecord]| f.store.save_mirrored("Debian", records).await.expect("saved");
    save(&[mirrored_record("A", &both), mirrored_record("B", &[zlib])]).await;
    let asked = BTreeSet::from([("Debian:12", "bash"), ("Debian:12", "none")]);
    let matching = async || f.store.mirrored_matching(&asked).await.expect("read");
    let known = async |release: &str| f.store.is_mirrored_release(release).await.expect("read");
    assert_eq!(matching().await, [bash]);
    assert_eq!((known("Debian:13").await, known("Debian:11").await), (true, false));
    // What a record says now takes the place of what it said.
    let newer = mirrored("Debian:12", "bash", "newer");
    save(&[mirrored_record("A", std::slice::from_ref(&newer))]).await;
    assert_eq!((matching().await, known("Debian:13").await), (vec![newer], false));
    f.store.forget_mirrored("Debian", &["A"]).await.expect("forgotten");
    assert_eq!(matching().await, []);
    let left = f.store.mirrored_records("Debian").await.expect("read");
    assert_eq!(left, BTreeMap::from([("B".to_owned(), "1".to_owned())]));
}

pub(super) async fn sources_tell_how_many_records_cannot_be_read(f: Fixture) {
    f.store.save_advisory_source("Debian", (7, 2), None).await.expect("saved");
    f.store.save_advisory_source("Debian", (8, 1), Some(START.plus_ms(-5))).await.expect("saved");
    let sources = f.store.advisory_sources().await.expect("read");
    let shown: Vec<_> = sources.iter().map(|one| (one.name.as_str(), one.records, one.unreadable)).collect();
    assert_eq!(shown, [("Debian", 8, 1)]);
    let dates = |all: &[SourceRow]| all.iter().map(SourceRow::as_of).collect::<Vec<_>>();
    assert_eq!(dates(&sources), [START.plus_ms(-5)]);
    f.store.save_advisory_source("Debian", (8, 1), None).await.expect("saved");
    assert_eq!(dates(&f.store.advisory_sources().await.expect("read")), [START]);
    f.store.forget_advisory_source("Debian").await.expect("forgotten");
    assert_eq!(f.store.advisory_sources().await.expect("read"), []);
}

pub(super) async fn what_is_exploited_is_kept_whole(f: Fixture) {
    let entry = |since: &str| Exploitation { kev: Some(since.to_owned()), ransomware: true, epss: None };
    let first = BTreeMap::from([("CVE-1".to_owned(), entry("2024-01-01")), ("CVE-2".to_owned(), entry("2024-01-02"))]);
    f.store.save_kev(&first).await.expect("saved");
    f.store.save_epss(&BTreeMap::from([("CVE-1".to_owned(), 944_300), ("CVE-3".to_owned(), 1)])).await.expect("saved");
    f.store.save_kev(&BTreeMap::from([("CVE-2".to_owned(), entry("2024-02-02"))])).await.expect("saved");
    let known = f.store.exploitation(&["CVE-1", "CVE-2", "CVE-4"]).await.expect("read");
    let gone = Exploitation { kev: None, ransomware: false, epss: Some(944_300) };
    assert_eq!(known, BTreeMap::from([("CVE-1".to_owned(), gone), ("CVE-2".to_owned(), entry("2024-02-02"))]));
}

pub(super) async fn what_an_image_holds_is_kept_by_its_name(f: Fixture) {
    let (store, digest) = (&f.store, Digest::sha256_of(b"image"));
    let key = |name: &str| ImageKey::new(&ImageName::parse(name).expect("a name"), None);
    store.save_package_list(&key("acme/app"), (&digest, ""), 4, "list").await.expect("saved");
    let of = async |name: &str, platform: &str, reader| {
        store.package_list(&key(name), (&digest, platform), reader).await.expect("read")
    };
    let read = async |name: &str, reader| of(name, "", reader).await;
    assert_eq!(of("acme/app", "linux/arm64", 4).await, None, "another platform holds something else");
    assert_eq!(read("acme/app", 4).await, Some(("list".to_owned(), START)));
    assert_eq!(read("acme/app", 5).await, None, "another version reads it anew");
    assert_eq!(read("mallory/app", 4).await, None, "what is attached elsewhere says nothing of it");
}
