//! VEX statements, scanners and ends of support on the command line.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::vulnerabilities::{CRITICAL, LOW, Scene, debian, layer};

/// A statement of an author that a vulnerability does not affect an image, or a package where one is named.
pub(crate) fn openvex(author: &str, cve: &str, product: &str, part: Option<&str>) -> Value {
    let parts: Vec<Value> = part.into_iter().map(|part| json!({ "@id": part })).collect();
    json!({ "@context": "https://openvex.dev/ns/v0.2.0", "author": author, "timestamp": "2026-01-02T00:00:00Z",
        "statements": [{ "vulnerability": { "name": cve }, "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
            "products": [{ "@id": product, "subcomponents": parts }] }] })
}

async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.registry.push_layers("acme/base", "1.0", &[debian(&[("openssl", "3.0.1-1"), ("zlib", "1.2-1")])], None);
    scene.osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), None, LOW);
    scene
}

fn written(scene: &Scene, name: &str, text: &str) -> String {
    let path = scene.folder.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// A program of this name that prints a file.
fn program(scene: &Scene, name: &str, script: &str) {
    let path = written(scene, &format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(Path::new(&path), std::fs::Permissions::from_mode(0o755)).expect("its mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_a_person_names_takes_findings_away_and_they_are_shown() {
    let scene = scene().await;
    let vex = openvex("Acme Security", "CVE-2026-1", "pkg:deb/debian/libopenssl", None);
    let file = written(&scene, "vex.json", &vex.to_string());
    let (code, text) = scene.explain("acme/base:1.0", &["--vulnerabilities", "--vex", &file]);
    assert_eq!(code, Some(0), "{text}");
    let told = text.split_once("Image:").expect("the list").0.replace(&file, "FILE");
    insta::assert_snapshot!("explained", told);
    let (code, text) = scene.explain("acme/base:1.0", &["--vulnerabilities", "--vex", "/nowhere.json"]);
    assert!(code == Some(3) && text.contains("/nowhere.json"), "{text}");
    let broken = written(&scene, "broken.json", "{}");
    let (code, text) = scene.explain("acme/base:1.0", &["--vulnerabilities", "--vex", &broken]);
    assert!(code == Some(3) && text.contains("neither OpenVEX nor CSAF"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_shows_what_is_suppressed_in_every_format() {
    let scene = scene().await;
    let host = scene.registry.address();
    let digest = scene.registry.push_layers("acme/other", "1.0", &[debian(&[("openssl", "3.0.1-1")])], None);
    let product = format!("pkg:oci/other?repository_url={host}/acme/other");
    let vex = openvex("Acme Security", "CVE-2026-1", &product, None);
    scene.registry.attach_document("acme/other", &digest, "application/vnd.openvex+json", &vex);
    written(&scene, "site/Dockerfile", &format!("FROM {host}/acme/other:1.0\n"));
    written(&scene, "site/.github/restow.yml", "vex:\n  - image: \"**/acme/other\"\n    author: Acme*\n");
    let path = scene.folder.path().join("site").display().to_string();
    let asked = ["scan", &path, "--vulnerabilities", "--advisories", scene.osv.address()];
    let asked = [&asked[..], &["--insecure-registry", &host, "--allow-private", "127.0.0.1"]].concat();
    let scan = |more: &[&str]| scene.run(&[&asked[..], more].concat());
    let (code, said) = scan(&["--exit-code"]);
    assert_eq!(code, Some(0), "what is suppressed is no finding: {said}");
    let told = said.split_once("\n\n").expect("the overview").1;
    insta::assert_snapshot!(
        "scanned",
        told.split_once("Advisories:").expect("the source").0.replace(&host, "registry.test")
    );
    let (_, said) = scan(&["--format", "json"]);
    let json: Value = serde_json::from_str(&said).expect("JSON");
    let known = &json["sites"][0]["vulnerabilities"];
    assert_eq!((&known["findings"], &known["suppressed"][0]["id"]), (&json!([]), &json!("CVE-2026-1")));
    assert_eq!(known["suppressed"][0]["vex"]["author"], "Acme Security");
    let (_, said) = scan(&["--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&said).expect("JSON");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["suppressions"][0]["kind"]), (&json!("CVE-2026-1"), &json!("external")));
    let why = result["suppressions"][0]["justification"].as_str().expect("a text");
    assert!(why.starts_with("Acme Security says not affected (vulnerable_code_not_in_execute_path)"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_at_cosigns_tag_counts_for_the_image_that_it_names() {
    let scene = Scene::new().await;
    let other = format!("sha256:{}", "ab".repeat(32));
    let openvex = "https://openvex.dev/ns/v0.2.0";
    for (name, about) in [("own", None), ("foreign", Some(other.as_str()))] {
        let repository = format!("acme/{name}");
        let digest = scene.registry.push_layers(&repository, "1.0", &[debian(&[("openssl", "3.0.1-1")])], None);
        let vex = json!({ "@context": "https://openvex.dev/ns", "author": "Acme", "statements": [
            { "vulnerability": "CVE-2026-1", "status": "not_affected", "justification": "component_not_present" }] });
        scene.registry.attach_by_cosign(&repository, (&digest, about.unwrap_or(&digest)), openvex, &vex);
    }
    scene.osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), None, CRITICAL);
    // Nobody says here whom to trust: what would count is said.
    let (_, own) = scene.explain("acme/own:1.0", &["--vulnerabilities"]);
    assert!(own.contains("1 VEX statement by Acme is not applied"), "{own}");
    let (_, foreign) = scene.explain("acme/foreign:1.0", &["--vulnerabilities"]);
    assert!(foreign.contains("CVE-2026-1") && !foreign.contains("VEX"), "{foreign}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_takes_the_place_of_the_own_look_on_both_sides() {
    let scene = scene().await;
    scene.registry.push_layers("acme/base", "1.1", &[debian(&[("openssl", "3.0.9-1")])], None);
    let fixture = |file: &str| format!("{}/fixtures/vulnerabilities/{file}", env!("CARGO_MANIFEST_DIR"));
    let report = fixture("trivy/debian-buster.json");
    let seen = scene.folder.path().join("asked").display().to_string();
    let version = r#"{"Version":"0.74.0","VulnerabilityDB":{"Version":2,"UpdatedAt":"2026-11-29T06:11:37.69Z"}}"#;
    let answers = format!("if [ $1 = version ]; then echo '{version}'; else cat {report}; fi");
    program(&scene, "trivy", &format!("echo \"$@\" >> {seen}; {answers}"));
    let (code, text) = scene.explain("acme/base:1.0", &["--to", "1.1", "--scanner", "trivy"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Present image: scanned by Trivy dev of debian 10.1, for linux/amd64."), "{text}");
    assert!(text.contains("New image: scanned by Trivy dev"), "{text}");
    assert!(text.contains("Advisories: Trivy's database, as of 2026-11-29."), "{text}");
    assert!(!text.contains("Compare with care"), "{text}");
    assert_eq!((scene.osv.take_count("/v1/"), scene.registry.count("GET", "/blobs/")), (0, 0));
    let asked = std::fs::read_to_string(&seen).expect("it was asked");
    let host = scene.registry.address();
    let (versions, images): (Vec<&str>, Vec<&str>) = asked.lines().partition(|line| line.starts_with("version"));
    assert_eq!((versions, images.len()), (vec!["version --format json"; 2], 2), "{asked}");
    let expected = format!("image --format json --quiet {host}/acme/base@sha256:");
    assert!(images.iter().all(|line| line.starts_with(&expected)), "{asked}");
    // What it found is good for a while.
    assert_eq!(scene.explain("acme/base:1.0", &["--to", "1.1", "--scanner", "trivy"]).0, Some(0));
    assert_eq!(std::fs::read_to_string(&seen).expect("it was asked").lines().count(), 4);
    program(&scene, "grype", &format!("cat {}", fixture("grype/chainguard-ruby.json")));
    let (_, text) = scene.explain("acme/base:1.0", &["--vulnerabilities", "--scanner", "grype"]);
    assert!(text.contains("scanned by Grype 0.61.1 of wolfi 20221118, for linux/arm64."), "{text}");
    assert!(text.contains("Grype's database, as of 2023-05-17."), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_that_fails_is_not_determined() {
    let scene = scene().await;
    let check = |script: &str, expected: &str| {
        program(&scene, "trivy", script);
        let (code, text) = scene.explain("acme/base:1.0", &["--vulnerabilities", "--scanner", "trivy"]);
        assert_eq!(code, Some(3), "{text}");
        assert!(text.contains("not determined") && text.contains(expected), "{text}");
        assert!(!text.contains("secret"), "{text}");
    };
    check("echo secret >&2; exit 1", "Trivy failed with exit status: 1");
    check("echo secret", "what Trivy printed is not JSON");
    check("echo '{\"SchemaVersion\":2,\"ArtifactType\":\"container_image\"}'", "Trivy found no packages");
    let (code, text) =
        scene.explain("acme/base:1.0", &["--vulnerabilities", "--scanner", "grype", "--scanner-server", "http://x"]);
    assert!(code != Some(0) && text.contains("grype has no server"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_support_is_told() {
    let scene = Scene::new().await;
    let buster = "ID=debian\nVERSION_ID=\"10\"\n";
    let status = "Package: zlib\nStatus: install ok installed\nVersion: 1.2-1\n";
    let root = [layer(&[("usr/lib/os-release", buster), ("var/lib/dpkg/status", status)])];
    scene.registry.push_layers("hub/library/python", "3.8-slim", &root, None);
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:10", "zlib"), None, LOW);
    let image = "hub/library/python:3.8-slim";
    let (_, text) = scene.explain(image, &["--vulnerabilities"]);
    assert!(text.contains("\ndebian 10 is past its end (2024-06-30): no fixes will come.\n"), "{text}");
    assert!(!text.contains("python 3.8"), "{text}");
    scene.osv.publish_ends(json!({ "result": [{ "name": "python", "releases": [
        { "name": "3.8", "isEol": true, "eolFrom": null }, { "name": "3.9", "isEol": false, "eolFrom": "2999-01-01" }] }] }));
    let ends = format!("{}ends.json", scene.osv.address());
    let (code, text) = scene.sync(&["--endoflife", &ends]);
    assert_eq!(code, Some(0), "{text}");
    let (_, text) = scene.explain(image, &["--vulnerabilities"]);
    assert!(text.contains("\npython 3.8 is past its end: no fixes will come.\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vex_repository_that_breaks_leaves_what_was_known() {
    let scene = scene().await;
    let address = format!("{}vex", scene.osv.address());
    let sync = |expected: Option<i32>| {
        let (code, text) = scene.sync(&["--vex-repository", &address]);
        assert_eq!(code, expected, "{text}");
        text
    };
    scene.osv.publish_vex("pkg/a.json", openvex("Acme", "CVE-2026-1", "pkg:deb/debian/libopenssl", None));
    assert!(sync(Some(0)).contains("VEX http"), "it is listed");
    // Known once, it is brought again without being named.
    scene.osv.publish_vex("pkg/b.json", openvex("Acme", "CVE-2026-2", "pkg:deb/debian/libzlib", None));
    let (code, text) = scene.sync(&[]);
    assert!(code == Some(0) && text.contains("vex  2 "), "{text}");
    scene.osv.publish_vex("../outside.json", json!({}));
    assert!(sync(Some(3)).contains("its index of VEX documents is malformed"), "it is refused");
    let (_, text) = scene.run(&["advisories", "list"]);
    assert!(text.contains("VEX http"), "{text}");
}
