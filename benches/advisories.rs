//! 1,000 packages of an image, held against a mirror as large as Debian's export: 60,000 records for four releases,
//! of which 12,000 are of the kernel, which images name for its headers.

use criterion::{Criterion, criterion_group, criterion_main};
use restow::clock::Clock;
use restow::jobs::mirrored_advisories;
use restow::repo::Moment;
use restow::store::{MirroredAffected, MirroredRecord, Store};
use restow::vulnerability::{Advisory, Distribution, ListSource, Package, PackageKind, PackageList, assess};
use secrecy::SecretString;
use serde_json::json;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: usize = 60_000;
const OF_THE_KERNEL: usize = 12_000;
const SOURCES: usize = 4_000;
const RELEASES: [&str; 4] = ["Debian:11", "Debian:12", "Debian:13", "Debian:14"];

fn source(number: usize) -> String {
    match number {
        0..OF_THE_KERNEL => "linux".to_owned(),
        // Few packages have many records.
        _ => format!("source-{}", number * number % SOURCES),
    }
}

fn record(number: usize) -> MirroredRecord {
    let id = format!("DEBIAN-CVE-2024-{number:05}");
    let affected = RELEASES.map(|release| {
        json!({ "package": { "ecosystem": release, "name": source(number) },
            "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": format!("1:{}.{}-1", number % 9, number % 7) }] }],
            "ecosystem_specific": { "urgency": "not yet assigned" } })
    });
    let whole = json!({ "id": id, "modified": "2026-01-01T00:00:00Z", "upstream": [&id[7..]], "affected": affected,
        "details": "A flaw that is told of in as many words as such records usually have, which is a sentence or two.",
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }] });
    let parts = Advisory::read(whole.to_string().as_bytes()).expect("a record").parts("Debian");
    let part = |part: Advisory| MirroredAffected {
        release: part.affected[0].ecosystem.clone(),
        package: part.affected[0].name.clone(),
        body: serde_json::to_string(&part).expect("text"),
    };
    MirroredRecord { id, modified: "1".to_owned(), affected: parts.into_iter().map(part).collect() }
}

fn packages() -> PackageList {
    let package = |number: usize| {
        let name = if number == 0 { "linux".to_owned() } else { format!("source-{number}") };
        Package::new(PackageKind::Deb, &name, &format!("1:{}.{}-1", number % 8, number % 5)).expect("a package")
    };
    PackageList {
        distribution: Some(Distribution::new("debian", "12")),
        packages: (0..1000).map(package).collect(),
        source: ListSource::Layers { databases: Vec::new() },
        gaps: Vec::new(),
        is_cut: false,
    }
}

/// As a plan does it: the mirror's records of these packages, then the matching.
async fn matched(store: &Store, list: &PackageList) -> usize {
    let questions = list.packages.iter().flat_map(|package| package.queries(list.distribution.as_ref())).collect();
    let told = mirrored_advisories(store, &questions, Moment(0)).await.expect("rows").expect("a mirror");
    let found = assess(list, "linux/amd64", &told);
    found.assessment().expect("packages of Debian are known").findings.len()
}

fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let url = SecretString::from(format!("sqlite:{}", folder.path().join("mirror.db").display()));
    let store = runtime.block_on(async {
        let store = Store::open(&url, Clock::System).await.expect("a database");
        let records: Vec<MirroredRecord> = (0..RECORDS).map(record).collect();
        for some in records.chunks(1000) {
            store.save_mirrored("Debian", some).await.expect("saved");
        }
        store.save_advisory_source("Debian", (RECORDS, 0), None).await.expect("saved");
        store
    });
    let list = packages();
    assert!(runtime.block_on(matched(&store, &list)) > 20_000, "the kernel's are among them");
    criterion.bench_function("1,000 packages against a mirror of 60,000 records", |bencher| {
        bencher.iter(|| runtime.block_on(matched(&store, &list)));
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
