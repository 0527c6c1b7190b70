//! Package databases that dpkg, apk and rpm wrote themselves, in images that other programs packed and pushed to Debian's
//! `docker-registry`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{CRITICAL, Scene, layer, layer_of};
use crate::registry::real::Real;

/// Runs a program that is installed.
fn done(program: &str, args: &[&str]) {
    let run = Command::new(program).args(args).output().expect("it is installed");
    assert!(run.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&run.stderr));
}

/// Where an image is packed: a folder of the OCI image layout.
struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// An image that umoci makes of these files, each a layer of its own, the last on top.
    fn of_files(scene: &Scene, files: &[(&Path, &str)]) -> Self {
        let folder = scene.folder.path().join("layout");
        let image = format!("{}:1", folder.display());
        done("umoci", &["init", "--layout", &folder.display().to_string()]);
        done("umoci", &["new", "--image", &image]);
        for (file, path) in files {
            done("umoci", &["insert", "--image", &image, &file.display().to_string(), path]);
        }
        Self { folder }
    }

    /// An index as BuildKit makes it: an image that holds no package database, and an SPDX document about it.
    fn of_buildkit(scene: &Scene, shape: &str, spdx: &Value) -> Self {
        let it = Self { folder: scene.folder.path().join(shape) };
        std::fs::create_dir_all(it.folder.join("blobs/sha256")).expect("a folder");
        let platform = json!({ "os": "linux", "architecture": "amd64" });
        let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": [] } });
        let config = it.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&layer(&[("app", "x")])).expect("packed");
        let root = it.blob("application/vnd.oci.image.layer.v1.tar+gzip", &packed.finish().expect("packed"));
        let image = it.manifest(&json!({ "config": config, "layers": [root] }));
        let digest = image["digest"].as_str().expect("a digest").trim_start_matches("sha256:");
        let statement = json!({ "_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",
            "subject": [{ "name": "_", "digest": { "sha256": digest } }], "predicate": spdx });
        let mut body = it.blob("application/vnd.in-toto+json", statement.to_string().as_bytes());
        body["annotations"] = json!({ "in-toto.io/predicate-type": "https://spdx.dev/Document" });
        let attestation = it.manifest(&match shape {
            "artifact" => {
                json!({ "artifactType": "application/vnd.docker.attestation.manifest.v1+json", "subject": image,
                "config": it.blob("application/vnd.oci.empty.v1+json", b"{}"), "layers": [body] })
            }
            _ => json!({ "config": config, "layers": [body] }),
        });
        let (mut entry, mut attached) = (image.clone(), attestation);
        entry["platform"] = platform;
        attached["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
        attached["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image["digest"] });
        let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry, attached] });
        let mut top = it.blob("application/vnd.oci.image.index.v1+json", index.to_string().as_bytes());
        top["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
        let top = json!({ "schemaVersion": 2, "manifests": [top] });
        std::fs::write(it.folder.join("index.json"), top.to_string()).expect("written");
        std::fs::write(it.folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
        it
    }

    fn manifest(&self, members: &Value) -> Value {
        let mut manifest = members.clone();
        manifest["schemaVersion"] = json!(2);
        manifest["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
        self.blob("application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes())
    }

    /// Keeps a blob; its descriptor.
    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = restow::image::Digest::sha256_of(bytes).to_string();
        let file = self.folder.join("blobs").join(digest.replace(':', "/"));
        std::fs::write(file, bytes).expect("written");
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Pushes all of it by skopeo; the image's name.
    fn push(&self, real: &Real, repository: &str) -> String {
        let name = format!("{}/{repository}:1", real.host);
        let (from, to) = (format!("oci:{}:1", self.folder.display()), format!("docker://{name}"));
        done("skopeo", &["copy", "--all", "--preserve-digests", "-q", "--dest-tls-verify=false", &from, &to]);
        name
    }
}

/// What `restow explain` says of an image on a real registry.
fn explain(scene: &Scene, real: &Real, image: &str) -> String {
    let host = real.host.as_str();
    let asked = ["explain", image, "--insecure-registry", host, "--allow-private", "127.0.0.1", "--vulnerabilities"];
    let (code, said) = scene.run(&[&asked[..], &["--advisories", scene.osv.address()]].concat());
    assert_eq!(code, Some(0), "{said}");
    said
}

/// A folder with the files of a distribution's name: below `usr/lib`, and a link to it below `etc`.
fn release(scene: &Scene, text: &str) -> (PathBuf, PathBuf) {
    let (lib, etc) = (scene.folder.path().join("lib"), scene.folder.path().join("etc"));
    std::fs::create_dir_all(&lib).expect("a folder");
    std::fs::create_dir_all(&etc).expect("a folder");
    std::fs::write(lib.join("os-release"), text).expect("written");
    std::os::unix::fs::symlink("../usr/lib/os-release", etc.join("os-release")).expect("a link");
    (lib, etc)
}

/// This machine's own package database: every package of it is read, from the layer below those that hide nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn dpkgs_database_is_read_whole() {
    let (real, scene) = (Real::open().await, Scene::new().await);
    let (lib, etc) = release(&scene, "ID=debian\nVERSION_ID=\"12\"\n");
    let status = scene.folder.path().join("dpkg");
    std::fs::create_dir_all(&status).expect("a folder");
    std::fs::copy("/var/lib/dpkg/status", status.join("status")).expect("a copy");
    let files = [(status.as_path(), "/var/lib/dpkg"), (&lib, "/usr/lib"), (&etc, "/etc")];
    let image = Layout::of_files(&scene, &files).push(&real, "team/debian");
    let query = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status} ${source:Package}\n"]).output();
    let told = String::from_utf8_lossy(&query.expect("dpkg is there").stdout).into_owned();
    let installed = told.lines().filter(|line| line.starts_with("installed ")).count();
    scene.osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "bash"), Some("99-1"), CRITICAL);
    let said = explain(&scene, &real, &image);
    assert!(said.contains(&format!("{installed} packages of debian 12")), "{installed} {said}");
    assert!(said.contains("read from the layers (var/lib/dpkg/status)"), "{said}");
    assert!(said.contains("CVE-2026-1  critical  bash"), "{said}");
}

/// Databases that apk 2.14 and apk 3.0 wrote (`fixtures/vulnerabilities/README.md`), where each keeps its own and where
/// a merged `/usr` has it. What `apk add --virtual` wrote is no package.
#[tokio::test(flavor = "multi_thread")]
async fn apks_database_is_read_whole() {
    for (by, place) in [("apk-2.14", "lib/apk/db"), ("apk-3.0", "lib/apk/db"), ("apk-3.0", "usr/lib/apk/db")] {
        let (real, scene) = (Real::open().await, Scene::new().await);
        let (lib, etc) = release(&scene, "ID=alpine\nVERSION_ID=3.17.2\n");
        let written = format!("{}/fixtures/vulnerabilities/apk/{by}.txt", env!("CARGO_MANIFEST_DIR"));
        let database = format!("/{place}/installed");
        let files = [(lib.as_path(), "/usr/lib"), (&etc, "/etc"), (Path::new(&written), database.as_str())];
        let image = Layout::of_files(&scene, &files).push(&real, "team/alpine");
        scene.osv.publish(("ALPINE-CVE-2026-1", "CVE-2026-1"), ("Alpine:v3.17", "openssl"), Some("3.0.9-r0"), CRITICAL);
        scene.osv.publish(
            ("ALPINE-CVE-2026-2", "CVE-2026-2"),
            ("Alpine:v3.17", "busybox"),
            Some("1.35.0-r29"),
            CRITICAL,
        );
        let said = explain(&scene, &real, &image);
        assert!(said.contains("6 packages of alpine 3.17.2, for linux/amd64"), "{by} {said}");
        assert!(said.contains(&format!("read from the layers ({place}/installed)")), "{by} {said}");
        // Both that are built of it, by the name of the source.
        assert!(said.contains("CVE-2026-1  critical  libcrypto3, libssl3  3.0.8-r0   3.0.9-r0"), "{by} {said}");
        assert!(!said.contains("CVE-2026-2"), "it is fixed in what is installed: {said}");
    }
}

/// Both shapes of BuildKit's attestations, through a registry that knows nothing of them.
#[tokio::test(flavor = "multi_thread")]
async fn what_buildkit_attests_is_read_in_the_place_of_layers() {
    let spdx = json!({ "spdxVersion": "SPDX-2.3", "creationInfo": { "creators": ["Tool: syft-v1.18.1"] }, "packages": [{
        "name": "libssl3", "versionInfo": "3.0.8-r0", "externalRefs": [{ "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": "pkg:apk/alpine/libssl3@3.0.8-r0?arch=x86_64&upstream=openssl&distro=alpine-3.17.2" }] }] });
    for shape in ["artifact", "image"] {
        let (real, scene) = (Real::open().await, Scene::new().await);
        let image = Layout::of_buildkit(&scene, shape, &spdx).push(&real, "team/built");
        scene.osv.publish(("ALPINE-CVE-2026-1", "CVE-2026-1"), ("Alpine:v3.17", "openssl"), Some("3.0.9-r0"), CRITICAL);
        let said = explain(&scene, &real, &image);
        assert!(said.contains("1 package of alpine 3.17.2, for linux/amd64"), "{shape} {said}");
        assert!(said.contains("(SPDX 2.3 by syft-v1.18.1, BuildKit attestation; unsigned: a claim)"), "{shape} {said}");
        assert!(said.contains("CVE-2026-1  critical  libssl3  3.0.8-r0   3.0.9-r0"), "{shape} {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rpms_database_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = "Name: openssl\nEpoch: 1\nVersion: 3.0.7\nRelease: 27.el9\nSummary: x\nLicense: x\nBuildArch: noarch\n\
                %description\nx\n%package libs\nSummary: x\n%description libs\nx\n%files\n%files libs\n";
    std::fs::write(folder.path().join("a.spec"), spec).expect("written");
    let script = "rpmbuild -bb --quiet --define \"_topdir $PWD\" --define \"_rpmdir $PWD/out\" a.spec && \
                  set -- --root $PWD/root --define '_dbpath /var/lib/rpm' \
                  --define '_db_backend sqlite' && rpm \"$@\" --initdb && \
                  rpm \"$@\" -i --justdb --nodeps --force-debian out/noarch/*.rpm";
    let made = Command::new("bash").args(["-c", script]).current_dir(folder.path()).output().expect("bash runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let database = std::fs::read(folder.path().join("root/var/lib/rpm/rpmdb.sqlite")).expect("the database");
    let scene = Scene::new().await;
    let root = layer_of(&[
        ("etc/os-release", b"ID=rocky\nVERSION_ID=9.4\n"),
        ("var/lib/rpm/rpmdb.sqlite", &database),
        ("var/lib/rpm/rpmdb.sqlite-wal", b""),
    ]);
    scene.registry.push_layers("acme/rocky", "1", &[root], None);
    // Rocky's advisories name the source of what is installed as openssl-libs.
    scene.osv.publish(("RLSA-2026:1", "CVE-2026-1"), ("Rocky Linux:9", "openssl"), Some("1:3.0.7-28.el9"), CRITICAL);
    let (code, said) = scene.explain("acme/rocky:1", &["--vulnerabilities"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("CVE-2026-1  critical  openssl, openssl-libs  1:3.0.7-27.el9"), "{said}");
    assert!(said.contains("2 packages of rocky 9.4"), "{said}");
    assert!(said.contains("Not determined: what rocky 9.4 has not fixed"), "{said}");
}
