//! What VEX takes away is shown as suppressed, and only where the rules trust its author.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use restow::settings::ScannerSettings;
use restow::vulnerability::ScannerKind;
use world::osv::Osv;

use super::house::House;
use super::vulnerabilities::sources;
use crate::vex::openvex;
use crate::vulnerabilities::{CRITICAL, LOW, debian, layer};

const DOCKERFILE: &str = "FROM REGISTRY/acme/base:1.0.0\n";

/// A house whose image 1.1.0 has what 1.0.0 has, but for zlib; Acme says of 1.1.0 that the severe one does it no harm.
async fn house(config: &str) -> (House, Osv) {
    let osv = Osv::start().await.expect("a source of advisories");
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        let mut all = sources(&osv, &[]);
        all.vex = vec![format!("{}vex", osv.address()).parse().expect("a URL")];
        settings.advisories = Some(all);
    })
    .await;
    let push = |tag: &str, zlib: &str| {
        let root = [debian(&[("openssl", "3.0.1-1"), ("zlib", zlib)])];
        house.world.registry.push_layers("acme/base", tag, &root, None)
    };
    push("1.0.0", "1.2-1");
    let digest = push("1.1.0", "1.3-1");
    let product = format!("pkg:oci/base@{}", digest.replace(':', "%3A"));
    let vex = openvex("Acme Security", "CVE-2026-1", &product, Some("pkg:deb/debian/libopenssl@3.0.1-1"));
    house.world.registry.attach_document("acme/base", &digest, "application/vnd.openvex+json", &vex);
    osv.publish_vex("acme.json", openvex("Acme Hub", "CVE-2026-1", &product, None));
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    if !config.is_empty() {
        house.push(".github/restow.yml", config);
    }
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    (house, osv)
}

fn section(house: &House, body: &str) -> String {
    let section = body.split_once("**Known vulnerabilities**").expect("the section").1;
    house.plain(section.split_once("- Present image").expect("its sources").0)
}

#[tokio::test]
async fn what_a_trusted_author_takes_away_is_suppressed_and_not_removed() {
    let (house, _osv) = house("vex:\n  - image: \"**/acme/*\"\n    author: Acme Security\n").await;
    let pull = house.only_pull();
    assert!(!pull.title.ends_with("[security]"), "nothing urgent is removed: {}", pull.title);
    insta::assert_snapshot!("suppressed", section(&house, &pull.body));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn an_author_whom_no_rule_trusts_takes_nothing_away_and_is_named() {
    for rules in ["", "vex: [{image: \"**/acme/*\", author: Somebody}]\n", "vex: [{image: other, author: \"*\"}]\n"] {
        let (house, _osv) = house(rules).await;
        let body = house.only_pull().body;
        assert!(body.contains("| critical | 1 | 1 | 0 | 0 |"), "{rules}: {body}");
        assert!(body.contains("1 VEX statement by `Acme Security` is not applied"), "{rules}: {body}");
        assert!(!body.contains("Suppressed"), "{rules}: {body}");
        house.world.github.assert_clean();
    }
}

#[tokio::test]
async fn statements_of_a_repository_count_where_the_rules_name_it() {
    let osv_address = |osv: &Osv| format!("{}vex", osv.address());
    let (house, osv) = house("").await;
    house.later(1).await;
    let rules = format!("vex: [{{image: \"**/acme/*\", repository: \"{}\"}}]\n", osv_address(&osv));
    let body = house.only_pull().body;
    assert!(!body.contains("Suppressed"), "{body}");
    // A new pull request is written with what holds now.
    let digest = house.world.registry.push_layers("acme/other", "1.0.0", &[debian(&[("openssl", "3.0.1-1")])], None);
    house.world.registry.push_layers("acme/other", "1.1.0", &[debian(&[("openssl", "3.0.2-1")])], None);
    let product = format!("pkg:oci/other@{}", digest.replace(':', "%3A"));
    osv.publish_vex("other.json", openvex("Acme Hub", "CVE-2026-1", &product, None));
    house.later(2).await;
    house.push(".github/restow.yml", &rules);
    house.push("other/Dockerfile", "FROM REGISTRY/acme/other:1.0.0\n");
    house.settle().await;
    let open = house.open();
    let pull = open.iter().find(|pull| pull.title.contains("acme/other")).expect("its pull request");
    assert!(pull.body.contains("| `Acme Hub` | `the VEX repository http"), "{}", pull.body);
    assert!(pull.body.contains(", brought on 20"), "{}", pull.body);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_has_ended_is_one_line_of_the_dashboard_and_of_the_pull_request() {
    let osv = Osv::start().await.expect("a source of advisories");
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        settings.advisories = Some(sources(&osv, &[]));
    })
    .await;
    for (tag, zlib) in [("1.0.0", "1.2-1"), ("1.1.0", "1.3-1")] {
        let status = format!("Package: zlib\nStatus: install ok installed\nVersion: {zlib}\n");
        let system = "ID=debian\nVERSION_ID=\"10\"\n";
        let root = [layer(&[("usr/lib/os-release", system), ("var/lib/dpkg/status", &status)])];
        house.world.registry.push_layers("acme/base", tag, &root, None);
    }
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:10", "zlib"), Some("1.3-1"), LOW);
    house.push(".github/restow.yml", "dashboard: true\n");
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let body = house.only_pull().body;
    assert!(body.contains("- `debian 10` is past its end (2024-06-30): no fixes will come."), "{body}");
    let text = house.plain(&house.repo.issues()[0].1);
    let line = text.lines().find(|line| line.contains("is past its end")).expect("its line");
    assert!(line.contains("acme/base:1.0.0`: `debian 10` is past its end (2024-06-30)"), "{line}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_scanner_of_the_server_decides_in_the_place_of_all_advisories() {
    let osv = Osv::start().await.expect("a source of advisories");
    let folder = tempfile::tempdir().expect("a folder");
    let report = format!("{}/fixtures/vulnerabilities/trivy/debian-buster.json", env!("CARGO_MANIFEST_DIR"));
    let seen = folder.path().join("seen").display().to_string();
    // What stands there is asked about first; the new image has nothing.
    let clean = r#"sed -e 's/"Vulnerabilities": \[/"Others": [/'"#;
    let script = format!("#!/bin/sh\nif [ -e {seen} ]; then {clean} {report}; else touch {seen}; cat {report}; fi\n");
    let program = folder.path().join("trivy");
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        let mut all = sources(&osv, &[]);
        let environment = vec![("PATH".to_owned(), path)];
        all.scanner = Some(ScannerSettings { kind: ScannerKind::Trivy, server: None, environment });
        settings.advisories = Some(all);
    })
    .await;
    for (tag, zlib) in [("1.0.0", "1.2-1"), ("1.1.0", "1.3-1")] {
        house.world.registry.push_layers("acme/base", tag, &[debian(&[("zlib", zlib)])], None);
    }
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("[security]"), "{}", pull.title);
    assert!(pull.body.contains("| critical | 1 | 0 | 1 | 0 |"), "{}", pull.body);
    assert!(pull.body.contains("Present image: scanned by `Trivy dev` of `debian 10.1`"), "{}", pull.body);
    assert_eq!(osv.take_count("/v1/"), 0);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_statement_that_comes_alone_is_told_in_the_open_pull_request() {
    let osv_address = |osv: &Osv| format!("{}vex", osv.address());
    let osv = Osv::start().await.expect("a source of advisories");
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        let mut all = sources(&osv, &[]);
        all.vex = vec![osv_address(&osv).parse().expect("a URL")];
        settings.advisories = Some(all);
        // What leads to a plan below is the statement, not the next plan.
        settings.plan_interval = Duration::from_secs(20 * 86_400);
    })
    .await;
    let root = |zlib: &str| [debian(&[("openssl", "3.0.1-1"), ("zlib", zlib)])];
    let before = house.world.registry.push_layers("acme/base", "1.0.0", &root("1.2-1"), None);
    house.world.registry.push_layers("acme/base", "1.1.0", &root("1.3-1"), None);
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), None, CRITICAL);
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    osv.publish_vex("about-another.json", openvex("Acme Hub", "CVE-2026-1", "pkg:oci/other@sha256%3A00", None));
    let rules = format!(
        "vex:\n  - {{image: \"**/acme/*\", repository: \"{}\"}}\n  - {{image: \"**\", author: Acme}}\n",
        osv_address(&osv)
    );
    house.push(".github/restow.yml", &rules);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    house.later(2).await;
    assert!(!house.only_pull().body.contains("Suppressed"), "{}", house.only_pull().body);
    // What is said of another image is no news here.
    osv.publish_vex("about-another.json", openvex("Acme Hub", "CVE-2026-1", "pkg:oci/other@sha256%3A01", None));
    house.world.github.clear_requests();
    house.later(2).await;
    let planned = house.world.github.requests().into_iter().any(|request| request.path.contains("/git/trees"));
    assert!(!planned, "{:#?}", house.world.github.requests());
    let product = format!("pkg:oci/base@{}", before.replace(':', "%3A"));
    osv.publish_vex("acme.json", openvex("Acme Hub", "CVE-2026-1", &product, None));
    house.later(2).await;
    assert!(house.only_pull().body.contains("| `Acme Hub` |"), "{}", house.only_pull().body);
    // One that is attached is found within a day.
    let attached = openvex("Acme", "CVE-2026-2", &product, None);
    house.world.registry.attach_document("acme/base", &before, "application/vnd.openvex+json", &attached);
    house.later(25).await;
    house.later(2).await;
    assert!(house.only_pull().body.contains("| `Acme` |"), "{}", house.only_pull().body);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_statement_about_one_platform_takes_nothing_away_on_another_and_is_news_once() {
    let osv = Osv::start().await.expect("a source of advisories");
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        settings.advisories = Some(sources(&osv, &[]));
        settings.plan_interval = Duration::from_secs(20 * 86_400);
    })
    .await;
    let root = |zlib: &str| debian(&[("openssl", "3.0.1-1"), ("zlib", zlib)]);
    let both = |zlib: &str| [("amd64", root(zlib)), ("arm64", root(zlib))];
    house.world.registry.push_architectures("acme/base", "1.0.0", &both("1.2-1"));
    house.world.registry.push_architectures("acme/base", "1.1.0", &both("1.3-1"));
    let amd64 = house.world.registry.image_of("acme/base", "1.0.0");
    let product = format!("pkg:oci/base@{}", amd64.replace(':', "%3A"));
    let vex = openvex("Acme", "CVE-2026-1", &product, None);
    house.world.registry.attach_document("acme/base", &amd64, "application/vnd.openvex+json", &vex);
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), None, CRITICAL);
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    house
        .push(".github/restow.yml", "platforms: [linux/amd64, linux/arm64]\nvex:\n  - {image: \"**\", author: Acme}\n");
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let body = house.only_pull().body;
    assert!(body.contains("| `CVE-2026-1` | critical |") && body.contains("only `linux/arm64`"), "{body}");
    assert!(body.contains("| `CVE-2026-1 (libopenssl)` | critical | not affected |"), "{body}");
    house.later(8).await;
    house.world.github.clear_requests();
    house.later(8).await;
    let asked = house.world.github.requests();
    assert!(!asked.iter().any(|request| request.path.contains("/git/trees")), "nothing new: {asked:#?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_registry_that_does_not_tell_of_statements_hides_no_advisory() {
    let (house, osv) = house("cooldown: 30d\n").await;
    assert_eq!(house.open().len(), 0, "it is too young");
    osv.publish(("DEBIAN-CVE-2026-9", "CVE-2026-9"), ("Debian:12", "zlib"), Some("1.3-1"), CRITICAL);
    // A day later it is looked for again what is attached; the registry does not say.
    house.world.registry.behave(|registry| registry.refuses_referrers = true);
    house.later(26).await;
    house.later(8).await;
    assert!(house.only_pull().title.ends_with("[security]"), "{}", house.only_pull().title);
}
