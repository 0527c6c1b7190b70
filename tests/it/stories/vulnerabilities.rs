//! Known vulnerabilities decide: what is urgent goes first, what is worse is held, what is unknown is said.

use std::time::Duration;

use restow::advisory::FeedAddresses;
use restow::settings::AdvisorySettings;
use restow::store::AuditFilter;
use world::osv::Osv;

use super::house::House;
use crate::vulnerabilities::{CRITICAL, LOW, debian, layer};

/// Everything from the simulated source; what is mirrored is not asked for.
pub(super) fn sources(osv: &Osv, mirrored: &[&str]) -> AdvisorySettings {
    let at = |path: &str| format!("{}{path}", osv.address()).parse().expect("a URL");
    AdvisorySettings {
        api: mirrored.is_empty().then(|| at("")),
        exports: at("exports/"),
        mirrored: mirrored.iter().map(|one| (*one).to_owned()).collect(),
        feeds: FeedAddresses {
            kev: Some(at("kev.json")),
            epss: Some(at("epss.csv.gz")),
            ends: None,
            triage: Some(at("tracker.json")),
        },
        vex: Vec::new(),
        scanner: None,
        interval: Duration::from_secs(3600),
    }
}

/// A house that asks a simulated source of advisories, with two images of one line.
async fn house(config: &str, present: &[(&str, &str)], new: &[(&str, &str)]) -> (House, Osv) {
    let osv = Osv::start().await.expect("a source of advisories");
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        settings.advisories = Some(sources(&osv, &[]));
        // What opens a pull request below is the advisory, not the next plan.
        settings.plan_interval = Duration::from_secs(20 * 86_400);
    })
    .await;
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
    let section = section.split_once("as of").expect("its end").0;
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

#[tokio::test]
async fn a_new_advisory_alone_opens_a_pull_request_and_plans_nobody_else() {
    let (house, osv) = house("cooldown: 30d\n", &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    house.world.registry.push_layers("acme/other", "1.0.0", &[debian(&[("curl", "8.0-1")])], None);
    house.push("Dockerfile", DOCKERFILE);
    let other = house.world.repository("acme/other").file("README.md", "x").create();
    house.world.github.add_repository(house.installation, "acme/other");
    let dockerfile = format!("FROM {}/acme/other:1.0.0\n", house.world.registry.address());
    other.commit_as_person("main", &[("Dockerfile", dockerfile.as_str())], "work");
    house.settle().await;
    house.later(2).await;
    assert_eq!(house.open().len(), 0, "it is too young, and nothing is urgent");
    osv.publish(("DEBIAN-CVE-2026-9", "CVE-2026-9"), ("Debian:12", "zlib"), Some("1.3-1"), CRITICAL);
    house.world.github.clear_requests();
    house.later(2).await;
    assert!(house.only_pull().title.ends_with("[security]"));
    let asked = house.world.github.requests();
    assert!(!asked.iter().any(|request| request.path.contains("acme/other")), "{asked:#?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_is_exploited_is_urgent_however_mild() {
    let (house, osv) = house("cooldown: 30d\n", &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    osv.exploit("CVE-2026-2", "2026-11-20");
    osv.score("CVE-2026-2", "0.94430");
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("[security]"), "{}", pull.title);
    assert!(pull.body.contains("| low | in KEV since 2026-11-20; EPSS 94.4 % |"), "{}", pull.body);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn the_rules_say_what_is_urgent() {
    for (rule, urgent) in [("security: never", false), ("security: low", true)] {
        let config = format!("cooldown: 30d\n{rule}\n");
        let (house, osv) = house(&config, &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
        osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
        house.push("Dockerfile", DOCKERFILE);
        house.settle().await;
        assert_eq!(house.open().len(), usize::from(urgent), "{rule}");
        house.world.github.assert_clean();
    }
}

#[tokio::test]
async fn what_no_tag_mends_is_one_line_of_the_dashboard() {
    let (house, osv) = house("dashboard: true\n", &[("openssl", "3.0.1-1")], &[("openssl", "3.0.1-1")]).await;
    house.push("Dockerfile", "FROM REGISTRY/acme/base:1.1.0\n");
    house.settle().await;
    let text = |house: &House| house.plain(&house.repo.issues()[0].1);
    assert!(!text(&house).contains("No upstream fix"), "{}", text(&house));
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    house.later(2).await;
    let told = text(&house);
    let line = told.lines().find(|line| line.contains("acme/base:1.1.0")).expect("its line");
    insta::assert_snapshot!("no_upstream_fix", line);
    let edits = house.repo.issues()[0].2;
    house.later(2).await;
    assert_eq!(house.repo.issues()[0].2, edits, "nothing new, nothing edited");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_is_mirrored_is_asked_of_nobody() {
    let osv = Osv::start().await.expect("a source of advisories");
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        settings.advisories = Some(sources(&osv, &["Debian"]));
    })
    .await;
    for (tag, version) in [("1.0.0", "3.0.1-1"), ("1.1.0", "3.0.9-1")] {
        house.world.registry.push_layers("acme/base", tag, &[debian(&[("openssl", version)])], None);
    }
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("[security]"), "{}", pull.title);
    assert!(pull.body.contains("OSV's exports (Debian)"), "{}", pull.body);
    assert_eq!(osv.take_count("/v1/"), 0);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_the_rules_leave_alone_is_not_looked_at() {
    for rules in ["enabled: false\n", "ignore: {images: [\"**/acme/base\"]}\n"] {
        let (house, osv) = house(rules, &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
        osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), None, CRITICAL);
        house.push("Dockerfile", DOCKERFILE);
        house.settle().await;
        assert_eq!(house.world.registry.count("", "/v2/"), 0, "{rules}");
        assert_eq!(osv.take_count("/v1/"), 0, "{rules}");
        house.world.github.assert_clean();
    }
}

#[tokio::test]
async fn images_of_which_nothing_can_be_told_do_not_keep_others_from_being_looked_at() {
    let (house, osv) = house("dashboard: true\n", &[("openssl", "3.0.1-1")], &[("openssl", "3.0.1-1")]).await;
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), None, CRITICAL);
    let bare: Vec<String> = (10..32).map(|number| format!("acme/a{number}")).collect();
    for name in &bare {
        house.world.registry.push_layers(name, "1.0.0", &[layer(&[("app", name)])], None);
    }
    let stages = bare.iter().map(|name| format!("FROM REGISTRY/{name}:1.0.0\n")).collect::<String>();
    house.push("Dockerfile", &format!("{stages}FROM REGISTRY/acme/base:1.1.0\n"));
    house.settle().await;
    let text = |house: &House| house.plain(&house.repo.issues()[0].1);
    assert!(!text(&house).contains("No upstream fix"), "there are more new images than one look examines");
    house.later(25).await;
    house.later(25).await;
    assert!(text(&house).contains("No upstream fix: 1"), "{}", text(&house));
}

/// The house's one image at another tag.
fn tag(house: &House, tag: &str, packages: &[(&str, &str)]) {
    house.world.registry.push_layers("acme/base", tag, &[debian(packages)], None);
}

#[tokio::test]
async fn an_open_pull_request_tells_what_is_known_by_now() {
    let (house, osv) = house("", &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let before = house.only_pull();
    assert!(!before.title.contains("[security]") && before.body.contains("CVE-2026-2"), "{}", before.body);
    osv.publish(("DEBIAN-CVE-2026-9", "CVE-2026-9"), ("Debian:12", "zlib"), Some("1.3-1"), CRITICAL);
    house.later(2).await;
    let after = house.only_pull();
    assert!(after.title.ends_with("[security]") && after.labels.contains(&"security".to_owned()), "{after:#?}");
    assert!(after.body.contains("CVE-2026-9") && after.body.contains("for linux/amd64"), "{}", after.body);
    assert_eq!(after.head, before.head, "its branch holds what it held");
    house.world.github.clear_requests();
    house.later(2).await;
    let written = house.world.github.requests().into_iter().filter(|request| request.method != "GET");
    let written: Vec<_> = written.filter(|request| request.path.contains("/pulls")).collect();
    assert!(written.is_empty(), "nothing new, nothing written: {written:#?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_source_that_is_away_takes_back_nothing() {
    let (house, osv) = house("", &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
    osv.publish(("DEBIAN-CVE-2026-9", "CVE-2026-9"), ("Debian:12", "zlib"), Some("1.3-1"), CRITICAL);
    // Without the mark the schedule would close what it had not opened.
    house.push(".github/restow.yml", "schedule: every weekend\ncooldown: 30d\n");
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let before = house.only_pull();
    assert!(before.title.ends_with("[security]"), "{}", before.title);
    osv.behave(|osv| osv.refusals = vec![503; 1000]);
    house.push("README.md", "again");
    house.settle().await;
    let after = house.only_pull();
    assert_eq!((after.state, &after.title), ("open", &before.title));
    assert!(after.body.contains("CVE-2026-9"), "what was known stands there: {}", after.body);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_becomes_worse_while_it_is_open_gives_way() {
    let (house, osv) = house("", &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
    tag(&house, "1.2.0", &[("zlib", "1.3-1"), ("curl", "8.0-1")]);
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    assert!(house.only_pull().title.contains("to 1.2.0"));
    osv.publish(("DEBIAN-CVE-2026-5", "CVE-2026-5"), ("Debian:12", "curl"), None, CRITICAL);
    house.later(2).await;
    let pull = house.only_pull();
    assert!(pull.title.contains("to 1.1.0"), "{}", pull.title);
    assert!(pull.body.contains("not the newest: minor to 1.2.0 adds known vulnerabilities"), "{}", pull.body);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn where_the_newest_is_worse_the_best_below_it_is_taken() {
    let (house, osv) =
        house("dashboard: true\n", &[("openssl", "3.0.1-1"), ("zlib", "1.2-1")], &[("zlib", "1.2-1")]).await;
    // 1.4.0 is worse than what stands there; 1.3.0 is not, and 1.2.0 is better still; 1.1.0 is not.
    tag(&house, "1.4.0", &[("curl", "8.0-1")]);
    tag(&house, "1.3.0", &[("zlib", "1.2-1"), ("expat", "2-1")]);
    tag(&house, "1.2.0", &[("zlib", "1.3-1")]);
    let publish = |id: &str, package: &str, fixed: Option<&str>, vector: &str| {
        osv.publish((&format!("DEBIAN-{id}"), id), ("Debian:12", package), fixed, vector);
    };
    publish("CVE-2026-1", "openssl", None, LOW);
    publish("CVE-2026-2", "zlib", Some("1.3-1"), LOW);
    publish("CVE-2026-3", "expat", None, LOW);
    publish("CVE-2026-5", "curl", None, CRITICAL);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.contains("to 1.2.0"), "{}", pull.title);
    assert!(pull.body.contains("not the newest: minor to 1.4.0 adds"), "{}", pull.body);
    let dashboard = house.plain(&house.repo.issues()[0].1);
    let held = dashboard.split_once("### Held").expect("what is held").1;
    assert!(
        held.contains("CVE-2026-5") && held.contains("<details>") && held.contains("| critical | 0 | 1 | 0 | 1 |"),
        "{held}"
    );
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_is_worse_all_the_way_down_is_never_proposed() {
    let (house, osv) = house("", &[("zlib", "1.2-1")], &[("curl", "8.0-1")]).await;
    for minor in 2..12 {
        tag(&house, &format!("1.{minor}.0"), &[("curl", "8.0-1"), (&format!("p{minor}"), "1-1")]);
    }
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), None, LOW);
    osv.publish(("DEBIAN-CVE-2026-5", "CVE-2026-5"), ("Debian:12", "curl"), None, CRITICAL);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let titles: Vec<String> = house.repo.pulls().into_iter().map(|pull| pull.title).collect();
    assert!(titles.is_empty(), "{titles:#?}");
    let everything = AuditFilter { limit: 100, ..AuditFilter::default() };
    let audit = house.app.services().store.audit(&everything).await.expect("the audit");
    assert!(audit.iter().any(|entry| entry.result == "worse-version"), "{audit:#?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn urgent_pull_requests_have_a_limit_of_their_own_and_what_is_exploited_goes_first() {
    let rules = "cooldown: 0d\nlimits: {open: 1, per_hour: 1, security: 1}\n";
    let (house, osv) = house(rules, &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
    for name in ["acme/other", "acme/third"] {
        for (tag, version) in [("1.0.0", "1-1"), ("1.1.0", "2-1")] {
            let package = name.trim_start_matches("acme/");
            house.world.registry.push_layers(name, tag, &[debian(&[(package, version)])], None);
        }
    }
    for (id, package) in [("CVE-2026-1", "zlib"), ("CVE-2026-2", "other"), ("CVE-2026-3", "third")] {
        osv.publish(
            (&format!("DEBIAN-{id}"), id),
            ("Debian:12", package),
            Some(if package == "zlib" { "1.3-1" } else { "2-1" }),
            CRITICAL,
        );
    }
    osv.exploit("CVE-2026-3", "2026-11-20");
    house.push("Dockerfile", &format!("{DOCKERFILE}FROM REGISTRY/acme/other:1.0.0\nFROM REGISTRY/acme/third:1.0.0\n"));
    house.settle().await;
    let titles: Vec<String> = house.open().into_iter().map(|pull| pull.title).collect();
    assert_eq!(titles.len(), 2, "one beyond the limits, one within: {titles:#?}");
    assert!(titles[0].contains("acme/third"), "{titles:#?}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_debian_calls_minor_is_not_urgent_whatever_its_score() {
    let (house, osv) = house("cooldown: 30d\n", &[("zlib", "1.2-1")], &[("zlib", "1.3-1")]).await;
    osv.publish(("DEBIAN-CVE-2026-9", "CVE-2026-9"), ("Debian:12", "zlib"), Some("1.3-1"), CRITICAL);
    osv.triage("zlib", "CVE-2026-9", ("bookworm", ""));
    house.later(2).await;
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    assert_eq!(house.open().len(), 0, "no-dsa: it waits like any other");
    // The decision is taken back.
    osv.triage("zlib", "CVE-2026-9", ("sid", ""));
    house.later(25).await;
    house.later(2).await;
    assert!(house.only_pull().title.ends_with("[security]"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn each_platform_that_the_rules_name_is_looked_at() {
    let (house, osv) = house("platforms: [linux/amd64, linux/arm64]\n", &[], &[]).await;
    let zlib = |version: &str| debian(&[("zlib", version)]);
    let images = [("amd64", zlib("1.3-1")), ("arm64", zlib("1.2-1"))];
    house.world.registry.push_architectures("acme/base", "1.0.0", &images);
    let images = [("amd64", zlib("1.3-1")), ("arm64", zlib("1.3-1"))];
    house.world.registry.push_architectures("acme/base", "1.1.0", &images);
    osv.publish(("DEBIAN-CVE-2026-9", "CVE-2026-9"), ("Debian:12", "zlib"), Some("1.3-1"), CRITICAL);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let pull = house.only_pull();
    assert!(pull.title.ends_with("[security]"), "one platform has it: {}", pull.title);
    let section = pull.body.split_once("**Known vulnerabilities**").expect("the section").1;
    let section = section.split_once("as of").expect("its end").0;
    insta::assert_snapshot!("platforms", house.plain(section));
    // An advisory about the other platform alone leads back here.
    osv.publish(("DEBIAN-CVE-2026-8", "CVE-2026-8"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    house.later(2).await;
    assert!(house.only_pull().body.contains("CVE-2026-8"), "{}", house.only_pull().body);
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_platform_that_an_image_lacks_is_a_gap() {
    let (house, osv) = house("platforms: [linux/amd64, linux/arm64]\n", &[], &[]).await;
    let zlib = |version: &str| debian(&[("zlib", version)]);
    house.world.registry.push_architectures("acme/base", "1.0.0", &[("amd64", zlib("1.2-1"))]);
    let images = [("amd64", zlib("1.3-1")), ("arm64", zlib("1.3-1"))];
    house.world.registry.push_architectures("acme/base", "1.1.0", &images);
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    let body = house.only_pull().body;
    assert!(body.contains("what linux/arm64 holds: its index has no image for linux/arm64"), "{body}");
    assert!(body.contains("Compare with care"), "{body}");
    house.world.github.assert_clean();
}

#[tokio::test]
async fn what_nobody_is_asked_about_does_not_hide_what_is_mirrored() {
    let osv = Osv::start().await.expect("a source of advisories");
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        settings.advisories = Some(sources(&osv, &["Debian"]));
        settings.plan_interval = Duration::from_secs(20 * 86_400);
    })
    .await;
    for (tag, version) in [("1.0.0", "1.2-1"), ("1.1.0", "1.3-1")] {
        let deb = format!("pkg:deb/debian/libzlib@{version}?distro=debian-12&upstream=zlib");
        let sbom = crate::vulnerabilities::spdx(&[&deb, "pkg:npm/left-pad@1.0.0"]);
        house.world.registry.push_layers("acme/base", tag, &[layer(&[("app", tag)])], Some((sbom, None)));
    }
    osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.3-1"), LOW);
    house.push(".github/restow.yml", "cooldown: 30d\n");
    house.push("Dockerfile", DOCKERFILE);
    house.settle().await;
    house.later(2).await;
    assert_eq!(house.open().len(), 0, "it is too young, and nothing is urgent");
    osv.publish(("DEBIAN-CVE-2026-9", "CVE-2026-9"), ("Debian:12", "zlib"), Some("1.3-1"), CRITICAL);
    house.later(8).await;
    assert!(house.only_pull().title.ends_with("[security]"));
    house.world.github.assert_clean();
}

#[tokio::test]
async fn a_pull_request_of_many_images_stays_within_what_github_takes() {
    let osv = Osv::start().await.expect("a source of advisories");
    let house = House::with_settings(&[("README.md", "x")], |settings| {
        settings.advisories = Some(sources(&osv, &["Debian"]));
    })
    .await;
    let names: Vec<String> = (0..70).map(|number| format!("a-package-with-a-long-name-{number}")).collect();
    let root = |version: &str| debian(&names.iter().map(|name| (name.as_str(), version)).collect::<Vec<_>>());
    for (number, name) in names.iter().enumerate() {
        let vector = if number % 2 == 0 { CRITICAL } else { LOW };
        let fixed = (number < 35).then_some("1:2.34.5-6+deb12u7");
        let (id, cve) = (format!("DEBIAN-CVE-2026-{number}"), format!("CVE-2026-{number}"));
        osv.publish((&id, &cve), ("Debian:12", name), fixed, vector);
    }
    let images: Vec<String> = (0..7).map(|number| format!("acme/image-{number}")).collect();
    for (number, image) in images.iter().enumerate() {
        for (tag, version) in [("1.0.0", "1:2.34.5-6+deb12u1"), ("1.1.0", "1:2.34.5-6+deb12u8")] {
            let marked = [root(version), layer(&[("name", &number.to_string())])];
            house.world.registry.push_layers(image, tag, &marked, None);
        }
    }
    house.push(".github/restow.yml", "group: everything\nsecurity: never\n");
    let dockerfile: String = images.iter().map(|image| format!("FROM REGISTRY/{image}:1.0.0\n")).collect();
    house.push("Dockerfile", &dockerfile);
    house.settle().await;
    let body = house.only_pull().body;
    assert!(body.chars().count() < 65_536, "{}", body.chars().count());
    assert!(body.contains("Stay: 35"), "the first is told whole: {body}");
    assert_eq!(body.matches("| critical | 35 | 17 | 18 | 0 |").count(), 5, "each is counted: {body}");
    house.world.github.assert_clean();
}
