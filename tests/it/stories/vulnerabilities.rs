//! Known vulnerabilities decide: what is urgent goes first, what is worse is held, what is unknown is said.

use restow::store::AuditFilter;
use world::osv::Osv;

use super::house::House;
use crate::vulnerabilities::{CRITICAL, LOW, debian};

/// A house that asks a simulated source of advisories, with two images of one line.
async fn house(config: &str, present: &[(&str, &str)], new: &[(&str, &str)]) -> (House, Osv) {
    let osv = Osv::start().await.expect("a source of advisories");
    let url = osv.address().parse().expect("a URL");
    let house = House::with_settings(&[("README.md", "x")], |settings| settings.advisories_url = Some(url)).await;
    house.world.registry.push_layers("acme/base", "1.0.0", &[debian(present)], None);
    house.world.registry.push_layers("acme/base", "1.1.0", &[debian(new)], None);
    if !config.is_empty() {
        house.push(".github/restow.yml", config);
    }
    (house, osv)
}

const DOCKERFILE: &str = "FROM REGISTRY/acme/base:1.0.0\n";

#[tokio::test]
async fn what_removes_a_severe_vulnerability_waits_for_no_schedule_and_no_cool_down() {
    let waits = "schedule: every weekend\ncooldown: 30d\n";
    let (house, osv) =
        house(waits, &[("openssl", "3.0.1-1"), ("zlib", "1.2-1")], &[("openssl", "3.0.9-1"), ("zlib", "1.2-1")]).await;
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), None, LOW);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("[security]"), "{}", pull.title);
    assert!(pull.labels.contains(&"security".to_owned()), "{:?}", pull.labels);
    let section = pull.body.split_once("**Known vulnerabilities**").expect("the section").1;
    let section = section.split_once("asked on").expect("its end").0;
    insta::assert_snapshot!("section", house.plain(section));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn without_a_severe_one_the_rules_hold() {
    let (house, osv) = house("cooldown: 30d\n", &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    assert_eq!(house.open().len(), 0);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_worse_version_is_held_and_the_next_better_one_proposed() {
    let (house, osv) = house("", &[("openssl", "3.0.1-1")], &[("openssl", "3.0.2-1")]).await;
    house.world.registry.push_layers(
        "acme/base",
        "1.2.0",
        &[debian(&[("openssl", "3.0.9-1"), ("curl", "8.0-1")])],
        None,
    );
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), None, LOW);
    osv.publish(("DEBIAN-CVE-2026-5", "CVE-2026-5"), ("Debian:12", "curl"), None, CRITICAL);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.contains("to 1.1.0"), "{}", pull.title);
    let everything = AuditFilter { limit: 100, ..AuditFilter::default() };
    let audit = house.app.services().store.audit(&everything).await.expect("the audit");
    let held = audit.iter().find(|entry| entry.result == "worse-version").expect("the hold");
    assert!(held.rule.contains("CVE-2026-5 (critical, libcurl)"), "{}", held.rule);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_said_and_holds_nothing_back() {
    let (house, osv) = house("", &[("openssl", "3.0.1-1")], &[("openssl", "3.0.2-1")]).await;
    osv.behave(|osv| osv.refusals = vec![503; 100]);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let body = house.only_pull().body;
    assert!(body.contains("Known vulnerabilities: not determined"), "{body}");
    assert!(body.contains("it answered 503"), "{body}");
    house.world.github.assert_clean();
}
