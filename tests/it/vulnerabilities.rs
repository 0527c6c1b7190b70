//! Known vulnerabilities, from registries and a source of advisories on the wire to what a person reads.

use std::process::Command;

use serde_json::{Value, json};
use world::osv::Osv;
use world::registry::Registry;

pub(crate) const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
pub(crate) const LOW: &str = "CVSS:3.1/AV:L/AC:H/PR:H/UI:N/S:U/C:L/I:N/A:N";

pub(crate) struct Scene {
    pub(crate) registry: Registry,
    pub(crate) osv: Osv,
    pub(crate) folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let registry = Registry::start().await.expect("a registry");
        let osv = Osv::start().await.expect("a source of advisories");
        Self { registry, osv, folder: tempfile::tempdir().expect("a folder") }
    }

    /// What `restow explain` prints, and its exit code.
    pub(crate) fn explain(&self, image: &str, more: &[&str]) -> (Option<i32>, String) {
        self.explain_by(self.osv.address(), image, more)
    }

    /// Programs that a test puts there come before all others.
    fn path(&self) -> String {
        format!("{}:{}", self.folder.path().join("bin").display(), std::env::var("PATH").unwrap_or_default())
    }

    fn explain_by(&self, advisories: &str, image: &str, more: &[&str]) -> (Option<i32>, String) {
        let host = self.registry.address();
        let image = format!("{host}/{image}");
        let asked = ["explain", &image, "--insecure-registry", &host, "--allow-private", "127.0.0.1"];
        self.run(&[&asked[..], &["--advisories", advisories], more].concat())
    }

    /// What `restow advisories sync` prints, and its exit code.
    pub(crate) fn sync(&self, more: &[&str]) -> (Option<i32>, String) {
        let [exports, kev, epss, tracker] =
            ["exports/", "kev.json", "epss.csv.gz", "tracker.json"].map(|path| self.osv.address().to_owned() + path);
        let from = ["advisories", "sync", "--exports", &exports, "--kev", &kev, "--epss", &epss];
        self.run(&[&from[..], &["--debian-tracker", &tracker], more].concat())
    }

    pub(crate) fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let host = self.registry.address();
        let run = Command::new(env!("CARGO_BIN_EXE_restow"))
            .args(args)
            .env("HOME", self.folder.path())
            .env("PATH", self.path())
            .env_remove("XDG_CACHE_HOME")
            .output()
            .expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&host, "registry.test");
        (run.status.code(), format!("{}{}", text(&run.stdout), text(&run.stderr)))
    }
}

pub(crate) fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    layer_of(&files.iter().map(|(path, text)| (*path, text.as_bytes())).collect::<Vec<_>>())
}

fn layer_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, *bytes).expect("a file");
    }
    builder.into_inner().expect("an archive")
}

/// A root of Debian 12 with these source packages and versions.
pub(crate) fn debian(packages: &[(&str, &str)]) -> Vec<u8> {
    let paragraph = |(name, version): &(&str, &str)| {
        format!("Package: lib{name}\nStatus: install ok installed\nSource: {name}\nVersion: {version}\n")
    };
    let status = packages.iter().map(paragraph).collect::<Vec<_>>().join("\n");
    layer(&[("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n"), ("var/lib/dpkg/status", &status)])
}

pub(crate) fn spdx(purls: &[&str]) -> Value {
    let package = |purl: &&str| json!({ "externalRefs": [{ "referenceType": "purl", "referenceLocator": purl }] });
    json!({ "spdxVersion": "SPDX-2.3", "creationInfo": { "creators": ["Tool: scanner-1"] },
        "packages": purls.iter().map(package).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_update_removes_and_adds_is_told() {
    let scene = Scene::new().await;
    scene.registry.push_layers(
        "acme/base",
        "1.0",
        &[debian(&[("openssl", "3.0.1-1"), ("zlib", "1.2-1"), ("curl", "8.0-1")])],
        None,
    );
    scene.registry.push_layers(
        "acme/base",
        "1.1",
        &[debian(&[("openssl", "3.0.9-1"), ("zlib", "1.2-1"), ("curl", "8.5-1")])],
        None,
    );
    scene.osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), None, LOW);
    scene.osv.publish(("DEBIAN-CVE-2026-3", "CVE-2026-3"), ("Debian:12", "openssl"), Some("3.0.10-1"), LOW);
    // The same vulnerability, told of twice; and one of another release.
    scene.osv.publish(("DSA-9-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), "");
    scene.osv.publish(("DEBIAN-CVE-2026-4", "CVE-2026-4"), ("Debian:11", "openssl"), None, CRITICAL);
    scene.osv.behave(|osv| osv.page_size = Some(1));
    let (code, text) = scene.explain("acme/base:1.0", &["--to", "1.1"]);
    assert_eq!(code, Some(0), "{text}");
    let today = text.rsplit_once("as of ").expect("the day of the advisories").1.trim().to_owned();
    let osv = scene.osv.address().trim_start_matches("http://").trim_end_matches('/').to_owned();
    insta::assert_snapshot!("compared", text.replace(&today, "DAY.").replace(&osv, "osv.test"));
    // Every record was read once; a second look reads none, and no layer.
    assert_eq!(scene.osv.take_count("/v1/vulns/"), 4);
    scene.registry.clear_requests();
    assert_eq!(scene.explain("acme/base:1.0", &["--to", "1.1"]).0, Some(0));
    assert_eq!((scene.osv.take_count("/v1/vulns/"), scene.registry.count("GET", "/blobs/")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_sbom_counts_for_its_own_image_and_spares_the_layers() {
    let scene = Scene::new().await;
    let sbom = spdx(&["pkg:deb/debian/libssl3@3.0.1-1?distro=debian-12&upstream=openssl", "pkg:npm/left-pad@1.0.0"]);
    let root = || vec![debian(&[("zlib", "1.2-1")])];
    scene.registry.push_layers("acme/own", "1", &root(), Some((sbom.clone(), None)));
    let other = format!("sha256:{}", "ab".repeat(32));
    scene.registry.push_layers("acme/other", "1", &root(), Some((sbom, Some(&other))));
    scene.osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), None, LOW);
    let (code, own) = scene.explain("acme/own:1", &["--vulnerabilities"]);
    assert_eq!(code, Some(0), "{own}");
    assert!(own.contains("CVE-2026-1") && !own.contains("CVE-2026-2"), "{own}");
    assert!(own.contains("SPDX 2.3 by scanner-1, BuildKit attestation; unsigned: a claim"), "{own}");
    let (_, other) = scene.explain("acme/other:1", &["--vulnerabilities"]);
    assert!(other.contains("CVE-2026-2") && !other.contains("CVE-2026-1"), "{other}");
    assert!(other.contains("read from the layers (var/lib/dpkg/status)"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_is_never_shown_as_clean() {
    let scene = Scene::new().await;
    let check = |image: &str, expected: &str| {
        let (code, text) = scene.explain(image, &["--vulnerabilities"]);
        assert_eq!(code, Some(3), "{text}");
        assert!(text.contains("not determined") && text.contains(expected), "{image}: {text}");
        assert!(!text.contains("No known vulnerabilities"), "{text}");
    };
    scene.registry.push_layers("acme/empty", "1", &[layer(&[("app", "x")])], None);
    check("acme/empty:1", "no package database was found in its layers");
    scene.registry.push_layers(
        "acme/amazon",
        "1",
        &[layer(&[("etc/os-release", "ID=amzn\nVERSION_ID=2023\n"), ("var/lib/rpm/Packages.db", "x")])],
        None,
    );
    check("acme/amazon:1", "of a form that Restow does not read");
    // A release of which the source knows nothing at all.
    scene.registry.push_layers("acme/debian", "1", &[debian(&[("zlib", "1.2-1")])], None);
    check("acme/debian:1", "shows no advisory at all for Debian:12");
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), Some("1.1-1"), LOW);
    let (code, clean) = scene.explain("acme/debian:1", &["--vulnerabilities"]);
    assert!(code == Some(0) && clean.contains("No known vulnerabilities."), "{clean}");
    // A record that cannot be read might be about the image.
    scene.osv.behave(|osv| osv.garbles_records = true);
    scene.osv.publish(("DEBIAN-CVE-2026-9", "CVE-2026-9"), ("Debian:12", "zlib"), None, LOW);
    let (code, garbled) = scene.explain("acme/debian:1", &["--vulnerabilities"]);
    assert_eq!(code, Some(3), "{garbled}");
    assert!(garbled.contains("Not determined: what stands in 1 record, which cannot be read"), "{garbled}");
    assert!(garbled.contains("None found in what could be looked at") && !garbled.contains("No known"), "{garbled}");
    // A source that fails, for a moment and for longer, and one that leaves answers out.
    scene.osv.remove("DEBIAN-CVE-2026-9");
    scene.osv.behave(|osv| (osv.garbles_records, osv.refusals) = (false, vec![503]));
    assert_eq!(scene.explain("acme/debian:1", &["--vulnerabilities"]).0, Some(0));
    scene.osv.behave(|osv| osv.refusals = vec![503, 503]);
    check("acme/debian:1", "it answered 503");
    scene.osv.behave(|osv| osv.drops_answers = true);
    check("acme/debian:1", "another number of questions than it was asked");
}

/// Enough records that the archive is taken, each of the package `filler`, and one of openssl.
fn fill(osv: &Osv) {
    for number in 0..600 {
        let name = format!("DEBIAN-CVE-2025-{number:04}");
        osv.publish((&name, &name[7..]), ("Debian:12", "filler"), Some("2.0-1"), LOW);
    }
    osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_mirrored_is_matched_without_asking() {
    let scene = Scene::new().await;
    scene.registry.push_layers("acme/base", "1.0", &[debian(&[("openssl", "3.0.1-1")])], None);
    let (code, said) = scene.explain_by("mirror", "acme/base:1.0", &["--vulnerabilities"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("not determined: nobody is asked for advisories of Debian"), "{said}");
    let (code, said) = scene.sync(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--ecosystem Debian"), "{said}");
    fill(&scene.osv);
    scene.osv.exploit("CVE-2026-1", "2026-11-20");
    let (code, said) = scene.sync(&["--ecosystem", "Debian"]);
    assert_eq!(code, Some(0), "{said}");
    insta::assert_snapshot!("sync", said);
    let asked = ["all.zip", "kev", "DEBIAN-CVE"].map(|part| scene.osv.take_count(part));
    assert_eq!(asked, [1, 1, 0], "one archive, the catalogue, and no record alone");
    let (code, said) = scene.explain_by("mirror", "acme/base:1.0", &["--vulnerabilities"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("CVE-2026-1  critical  in KEV since 2026-11-20"), "{said}");
    assert_eq!(scene.osv.take_count("/v1/"), 0);
    // Little changed: it is asked for alone, and what is gone is forgotten.
    scene.osv.remove("DEBIAN-CVE-2026-1");
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "openssl"), None, LOW);
    let (code, said) = scene.sync(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Debian          601      1               1     0"), "{said}");
    assert_eq!((scene.osv.take_count("all.zip"), scene.osv.take_count("DEBIAN-CVE")), (0, 1));
    let (_, said) = scene.explain_by("mirror", "acme/base:1.0", &["--vulnerabilities"]);
    assert!(said.contains("CVE-2026-2") && !said.contains("CVE-2026-1"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_download_goes_on_and_a_false_one_is_refused() {
    let scene = Scene::new().await;
    scene.registry.push_layers("acme/base", "1.0", &[debian(&[("openssl", "3.0.1-1")])], None);
    fill(&scene.osv);
    scene.osv.behave(|osv| osv.breaks = vec![1000, 2000, 3000]);
    let (code, said) = scene.sync(&["--ecosystem", "Debian"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(scene.osv.take_count("all.zip"), 4);
    let scene = Scene::new().await;
    fill(&scene.osv);
    scene.osv.behave(|osv| osv.lies_about_archives = true);
    let (code, said) = scene.sync(&["--ecosystem", "Debian"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("its file is not what its checksum says"), "{said}");
    scene.osv.behave(|osv| (osv.lies_about_archives, osv.archives_lack) = (false, 550));
    let (code, said) = scene.sync(&["--ecosystem", "Debian"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("lacks 550 records that its list names"), "{said}");
    // A half mirror is none.
    scene.registry.push_layers("acme/base", "1.0", &[debian(&[("openssl", "3.0.1-1")])], None);
    let (code, said) = scene.explain_by("mirror", "acme/base:1.0", &["--vulnerabilities"]);
    assert_eq!(code, Some(3), "{said}");
    scene.osv.behave(|osv| osv.archives_lack = 0);
    let (code, said) = scene.sync(&["--ecosystem", "Debian"]);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_cut_takes_nothing_away() {
    let scene = Scene::new().await;
    scene.registry.push_layers("acme/base", "1.0", &[debian(&[("openssl", "3.0.1-1")])], None);
    fill(&scene.osv);
    assert_eq!(scene.sync(&["--ecosystem", "Debian"]).0, Some(0));
    scene.osv.behave(|osv| osv.lists_name = Some(200));
    let (code, said) = scene.sync(&[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the list of Debian lacks 401 records that its archive has: it is cut"), "{said}");
    let (_, said) = scene.explain_by("mirror", "acme/base:1.0", &["--vulnerabilities"]);
    assert!(said.contains("CVE-2026-1"), "what was known holds: {said}");
    // What the archive lacks, too, is gone.
    scene.osv.behave(|osv| osv.archives_lack = 450);
    let (code, said) = scene.sync(&[]);
    assert_eq!(code, Some(3), "{said}");
    scene.osv.behave(|osv| (osv.archives_lack, osv.lists_name) = (0, None));
    scene.osv.keep_only("DEBIAN-CVE-2026-1");
    let (code, said) = scene.sync(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Debian          1        0               600   0"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_holds_archives_alone_is_enough() {
    let scene = Scene::new().await;
    scene.osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    scene.osv.behave(|osv| osv.no_single_records = true);
    let (code, said) = scene.sync(&["--ecosystem", "Debian"]);
    assert_eq!(code, Some(0), "{said}");
    scene.registry.push_layers("acme/base", "1.0", &[debian(&[("openssl", "3.0.1-1")])], None);
    let (_, said) = scene.explain_by("mirror", "acme/base:1.0", &["--vulnerabilities"]);
    assert!(said.contains("CVE-2026-1"), "{said}");
    // What neither tells is missed.
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "openssl"), None, LOW);
    scene.osv.behave(|osv| osv.archives_lack = 2);
    let (code, said) = scene.sync(&[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = scene.explain_by("mirror", "acme/base:1.0", &["--vulnerabilities"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("what stands in 1 record, which cannot be read"), "{said}");
    assert!(said.contains("CVE-2026-1"), "what was known of it before stays: {said}");
    // It is asked for again the next time.
    scene.osv.behave(|osv| osv.archives_lack = 0);
    assert_eq!(scene.sync(&[]).0, Some(0));
    let (code, said) = scene.explain_by("mirror", "acme/base:1.0", &["--vulnerabilities"]);
    assert!(code == Some(0) && said.contains("CVE-2026-2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_support_has_ended_is_said_where_advisories_lack() {
    let scene = Scene::new().await;
    let status = "Package: bash\nStatus: install ok installed\nVersion: 4.3-11\n";
    let root = layer(&[("etc/os-release", "ID=debian\nVERSION_ID=\"8\"\n"), ("var/lib/dpkg/status", status)]);
    scene.registry.push_layers("acme/old", "1", &[root], None);
    let (code, said) = scene.explain("acme/old:1", &["--vulnerabilities"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("shows no advisory at all for Debian:8; support of debian 8 has ended."), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_languages_are_compared_by_their_own_rules() {
    let scene = Scene::new().await;
    let purls = [
        "pkg:pypi/torch@1.13.0%2Bcu117",
        "pkg:maven/org.apache.httpcomponents/httpclient@4.1.1.redhat-1",
        "pkg:gem/uri@0.10.1",
        "pkg:nuget/Newtonsoft.Json@12.0",
        "pkg:composer/symfony/http-kernel@v4.4.0-RC1",
        "pkg:golang/stdlib@1.22",
    ];
    let root = [layer(&[("app", "x")])];
    scene.registry.push_layers("acme/app", "1", &root, Some((spdx(&purls), None)));
    let publish = |number: u32, ecosystem: &str, name: &str, fixed: &str| {
        let (id, cve) = (format!("GHSA-{number}"), format!("CVE-2026-{number}"));
        scene.osv.publish((&id, &cve), (ecosystem, name), Some(fixed), LOW);
    };
    publish(1, "PyPI", "torch", "1.13.1");
    publish(2, "Maven", "org.apache.httpcomponents:httpclient", "4.3.5");
    publish(3, "RubyGems", "uri", "0.10.2");
    publish(4, "NuGet", "Newtonsoft.Json", "13.0.1");
    publish(5, "Packagist", "symfony/http-kernel", "4.4.0");
    publish(6, "Go", "stdlib", "1.22.4");
    publish(7, "PyPI", "torch", "1.13.0");
    let (code, text) = scene.explain("acme/app:1", &["--vulnerabilities"]);
    assert_eq!(code, Some(0), "{text}");
    let table = text.split_once("\n\n").and_then(|(_, rest)| rest.split_once("\n\n")).expect("the list").1;
    insta::assert_snapshot!("languages", table.split_once("\n\n").expect("its end").0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_tells_what_each_image_has_and_where_it_is_named() {
    let scene = Scene::new().await;
    scene.registry.push_layers("acme/old", "1.0", &[debian(&[("openssl", "3.0.1-1"), ("zlib", "1.2-1")])], None);
    scene.registry.push_layers("acme/new", "1.0", &[debian(&[("openssl", "3.0.9-1")])], None);
    scene.registry.push_layers("acme/bare", "1.0", &[layer(&[("app", "x")])], None);
    scene.osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), None, LOW);
    let host = scene.registry.address();
    let folder = tempfile::tempdir().expect("a folder");
    let dockerfile = ["old", "new", "bare"].map(|name| format!("FROM {host}/acme/{name}:1.0\n")).concat();
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).expect("written");
    let path = folder.path().display().to_string();
    let asked = ["scan", &path, "--vulnerabilities", "--advisories", scene.osv.address()];
    let asked = [&asked[..], &["--insecure-registry", &host, "--allow-private", "127.0.0.1"]].concat();
    let scan = |more: &[&str]| scene.run(&[&asked[..], more].concat());
    let (code, said) = scan(&["--exit-code"]);
    assert_eq!(code, Some(1), "{said}");
    let told = said.split_once("\n\n").expect("the overview").1;
    let told = told.split_once("Advisories:").expect("the source").0;
    insta::assert_snapshot!("scan_overview", told.replace(&host, "registry.test"));
    let (_, said) = scan(&["--format", "json"]);
    let json: Value = serde_json::from_str(&said).expect("JSON");
    let of = |number: usize| &json["sites"][number]["vulnerabilities"];
    assert_eq!(
        of(0)["findings"][0]["packages"],
        json!([{ "name": "libopenssl", "installed": "3.0.1-1", "fixed": "3.0.5-1", "kind": "deb" }])
    );
    assert_eq!((&of(1)["determined"], &of(1)["findings"]), (&json!(true), &json!([])));
    assert_eq!(of(2)["determined"], false);
    let (_, said) = scan(&["--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&said).expect("JSON");
    let results = sarif["runs"][0]["results"].as_array().expect("results");
    assert_eq!(results.len(), 2, "{results:#?}");
    assert_eq!((&results[0]["ruleId"], &results[0]["level"]), (&json!("CVE-2026-1"), &json!("error")));
    assert_eq!(results[0]["locations"][0]["physicalLocation"]["region"]["startLine"], 1);
    let told = sarif["runs"][0]["invocations"][0]["toolExecutionNotifications"].to_string();
    assert!(told.contains("acme/bare:1.0 are not determined"), "{told}");
}

/// A root of Alpine with these packages: origin and version.
fn alpine(packages: &[(&str, &str)]) -> Vec<u8> {
    let paragraph = |(origin, version): &(&str, &str)| format!("P:lib{origin}\nV:{version}\no:{origin}\n\n");
    let installed: String = packages.iter().map(paragraph).collect();
    layer(&[("etc/os-release", "ID=alpine\nVERSION_ID=3.20.3\n"), ("lib/apk/db/installed", &installed)])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_is_there_is_told_with_its_counts() {
    let scene = Scene::new().await;
    let push = |tag: &str, root: Vec<u8>| scene.registry.push_layers("acme/base", tag, &[root], None);
    push("1.0.0", alpine(&[("openssl", "3.0.1-r0"), ("zlib", "1.2-r0")]));
    push("1.0.1", alpine(&[("openssl", "3.0.1-r0")]));
    push("1.1.0", alpine(&[("openssl", "3.0.9-r0")]));
    push("2.0.0", layer(&[("app", "x")]));
    push("1.0.0-slim", alpine(&[("musl", "1.2.5-r0")]));
    scene.osv.publish(("ALPINE-CVE-2026-1", "CVE-2026-1"), ("Alpine:v3.20", "openssl"), Some("3.0.5-r0"), CRITICAL);
    scene.osv.publish(("ALPINE-CVE-2026-2", "CVE-2026-2"), ("Alpine:v3.20", "zlib"), None, LOW);
    scene.osv.publish(("ALPINE-CVE-2026-3", "CVE-2026-3"), ("Alpine:v3.20", "musl"), Some("1.0-r0"), LOW);
    let (code, said) = scene.explain("acme/base:1.0.0", &["--alternatives"]);
    insta::assert_snapshot!("alternatives", said);
    assert_eq!(code, Some(3), "one of them is not determined");
}

/// Versions as distributions write them, and odd ones; always the same.
#[cfg(feature = "real-servers")]
fn versions(parts: &[&str], count: usize, state: &mut u64) -> Vec<String> {
    let mut random = |below: usize| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*state >> 33).expect("small") % below
    };
    let version = |_| {
        let epoch = if random(4) == 0 { format!("{}:", random(3)) } else { String::new() };
        let upstream: String = (0..=random(6)).map(|_| parts[random(parts.len())]).collect();
        let release =
            if random(2) == 0 { format!("-{}{}", random(12), parts[random(parts.len())]) } else { String::new() };
        format!("{epoch}{}{upstream}{release}", random(30))
    };
    (0..count).map(version).collect()
}

#[cfg(feature = "real-servers")]
fn sign(order: std::cmp::Ordering) -> i32 {
    order as i32
}

#[cfg(feature = "real-servers")]
#[test]
fn debian_versions_are_ordered_as_dpkg_orders_them() {
    use restow::vulnerability::{VersionOrder, compare};
    let parts =
        [".", "1", "0", "~rc1", "~", "+b1", "+dfsg", "a", "Z", "09", "10", "~~", "+deb12u3", ".el", "git20240101"];
    let installed = Command::new("dpkg-query").args(["-W", "-f", "${Version}\n"]).output().expect("dpkg is there");
    let mut all: Vec<String> = String::from_utf8_lossy(&installed.stdout).lines().map(str::to_owned).collect();
    all.extend(versions(&parts, 1200, &mut 7));
    // Neighbours in an odd order, so that real versions meet made-up ones.
    let pairs: Vec<(&String, &String)> =
        (0..2200).map(|number| (&all[number * 31 % all.len()], &all[number * 57 % all.len()])).collect();
    let script = "while read -r a b; do if dpkg --compare-versions \"$a\" lt \"$b\"; then echo -1; \
                  elif dpkg --compare-versions \"$a\" eq \"$b\"; then echo 0; else echo 1; fi; done";
    let asked: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let told = fed("bash", &["-c", script], &asked);
    let told: Vec<i32> = told.lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(told.len(), pairs.len());
    for ((a, b), told) in pairs.iter().zip(told) {
        assert_eq!(compare(VersionOrder::Dpkg, a, b).map(sign), Some(told), "{a} {b}");
    }
}

#[cfg(feature = "real-servers")]
#[test]
fn rpm_versions_are_ordered_as_rpm_orders_them() {
    use restow::vulnerability::{VersionOrder, compare};
    let parts = [".", "1", "0", "~rc1", "~", "^", "^git1", "_", "a", "Z", "09", "10", "~~", ".el9_4", "fc40"];
    let all = versions(&parts, 3000, &mut 11);
    let pairs: Vec<(&String, &String)> =
        (0..2200).map(|number| (&all[number * 31 % all.len()], &all[number * 57 % all.len()])).collect();
    let mut numbers = Vec::new();
    for some in pairs.chunks(500) {
        let calls: String = some.iter().map(|(a, b)| format!("print(rpm.vercmp('{a}','{b}')..' ') ")).collect();
        let run = Command::new("rpm").args(["--eval", &format!("%{{lua: {calls}}}")]).output().expect("rpm is there");
        let told = String::from_utf8_lossy(&run.stdout).into_owned();
        numbers.extend(told.split_whitespace().map(|number| number.parse::<i32>().expect("a number")));
    }
    assert_eq!(numbers.len(), pairs.len());
    for ((a, b), told) in pairs.iter().zip(numbers) {
        assert_eq!(compare(VersionOrder::Rpm, a, b).map(sign), Some(told), "{a} {b}");
    }
}

/// What a program says to what it is given.
#[cfg(feature = "real-servers")]
fn fed(program: &str, args: &[&str], text: &str) -> String {
    use std::io::Write;
    use std::process::Stdio;
    let mut run =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut input = run.stdin.take().expect("its input");
    let text = text.to_owned();
    let writing = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let told = run.wait_with_output().expect("it ends");
    writing.join().expect("written").expect("written");
    String::from_utf8_lossy(&told.stdout).into_owned()
}

mod attested;
#[cfg(feature = "real-servers")]
mod real;
