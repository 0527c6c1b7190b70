//! How a publisher's list of packages is found: by every carrier, past those that hide it, and within bounds.

use world::registry::{Shape, Way, Wrapped};

use super::*;

const SPDX: &str = "https://spdx.dev/Document";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// A scene in which the list of packages knows of CVE-2026-1, and the layers of CVE-2026-2.
async fn scene() -> Scene {
    let scene = Scene::new().await;
    scene.osv.publish(("DEBIAN-CVE-2026-1", "CVE-2026-1"), ("Debian:12", "openssl"), Some("3.0.5-1"), CRITICAL);
    scene.osv.publish(("DEBIAN-CVE-2026-2", "CVE-2026-2"), ("Debian:12", "zlib"), None, LOW);
    scene
}

fn sbom() -> Value {
    spdx(&["pkg:deb/debian/libssl3@3.0.1-1?distro=debian-12&upstream=openssl"])
}

fn root() -> Vec<Vec<u8>> {
    vec![debian(&[("zlib", "1.2-1")])]
}

impl Scene {
    /// Publishes `acme/NAME:1`; returns the digest of its only image.
    fn image(&self, name: &str) -> (String, String) {
        let repository = format!("acme/{name}");
        // What refers to an image does so by its digest: each is another one.
        self.registry.push_layers(&repository, "1", &[root(), vec![layer(&[("name", name)])]].concat(), None);
        let image = self.registry.image_of(&repository, "1");
        (repository, image)
    }

    #[track_caller]
    fn check(&self, name: &str, read: &str) {
        let (code, text) = self.explain(&format!("acme/{name}:1"), &["--vulnerabilities"]);
        assert_eq!(code, Some(0), "{name}: {text}");
        assert!(text.contains(read), "{name}: {text}");
        let expected =
            if read.contains("layers") { ["CVE-2026-2", "CVE-2026-1"] } else { ["CVE-2026-1", "CVE-2026-2"] };
        assert!(text.contains(expected[0]) && !text.contains(expected[1]), "{name}: {text}");
    }
}

const BY_REFERRER: &str = "SPDX 2.3 by scanner-1, referrer; unsigned";
const BY_TAG: &str = "SPDX 2.3 by scanner-1, cosign tag; unsigned";
const BY_LAYERS: &str = "read from the layers (var/lib/dpkg/status)";

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_found_by_every_carrier() {
    let scene = scene().await;
    for (name, shape) in [("image", Shape::Image), ("artifact", Shape::Artifact)] {
        scene.registry.push_attested(&format!("acme/{name}"), "1", &root(), Some((sbom(), None, shape)));
        scene.check(name, "SPDX 2.3 by scanner-1, BuildKit attestation; unsigned");
    }
    for api in [true, false] {
        scene.registry.behave(|registry| registry.referrers_api = api);
        for wrapped in [Wrapped::Envelope, Wrapped::Bundle, Wrapped::Bare] {
            let name = format!("referrer-{api}-{wrapped:?}").to_lowercase();
            let (repository, image) = scene.image(&name);
            scene.registry.attach((&repository, &image), (Way::Referrer, wrapped), (SPDX, &sbom()), None);
            scene.check(&name, BY_REFERRER);
        }
    }
    let (repository, image) = scene.image("tagged");
    scene.registry.attach((&repository, &image), (Way::Tag, Wrapped::Envelope), (SPDX, &sbom()), None);
    scene.check("tagged", BY_TAG);
    // Anybody who may push moves a tag: what names no image counts nowhere there.
    let (repository, image) = scene.image("bare");
    scene.registry.attach((&repository, &image), (Way::Tag, Wrapped::Bare), (SPDX, &sbom()), None);
    scene.check("bare", BY_LAYERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_carrier_hides_the_next() {
    let scene = scene().await;
    let foreign = format!("sha256:{}", "ab".repeat(32));
    // A signature of cosign 3 beside an SBOM of cosign 2.
    let (repository, image) = scene.image("signed");
    let at = (repository.as_str(), image.as_str());
    scene.registry.attach(at, (Way::Referrer, Wrapped::Bundle), (SIGNATURE, &json!({})), None);
    scene.registry.attach(at, (Way::Tag, Wrapped::Envelope), (SPDX, &sbom()), None);
    scene.check("signed", BY_TAG);
    // A list of BuildKit's that is about another image, before one that counts; and a foreign referrer before a tag.
    scene.registry.push_attested("acme/foreign", "1", &root(), Some((sbom(), Some(&foreign), Shape::Image)));
    let image = scene.registry.image_of("acme/foreign", "1");
    let at = ("acme/foreign", image.as_str());
    scene.registry.attach(at, (Way::Referrer, Wrapped::Bundle), (SPDX, &sbom()), Some(&foreign));
    scene.check("foreign", BY_LAYERS);
    let scene = self::scene().await;
    scene.registry.push_attested("acme/foreign", "1", &root(), Some((sbom(), Some(&foreign), Shape::Image)));
    let image = scene.registry.image_of("acme/foreign", "1");
    let at = ("acme/foreign", image.as_str());
    scene.registry.attach(at, (Way::Referrer, Wrapped::Bundle), (SPDX, &sbom()), Some(&foreign));
    scene.registry.attach(at, (Way::Referrer, Wrapped::Envelope), (SPDX, &sbom()), None);
    scene.check("foreign", BY_REFERRER);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fall_back_tag_may_hold_the_image_itself_or_what_belongs_elsewhere() {
    let scene = scene().await;
    let (repository, image) = scene.image("itself");
    scene.registry.fall_back_to(&repository, &image, &image);
    scene.check("itself", BY_LAYERS);
    // What is listed must say itself that it belongs to the image.
    let (other, theirs) = scene.image("other");
    scene.registry.attach((&other, &theirs), (Way::Tag, Wrapped::Bare), (SPDX, &sbom()), None);
    let attached = scene.registry.tagged(&other, &format!("{}.att", theirs.replacen(':', "-", 1)));
    let (repository, image) = scene.image("listed");
    scene.registry.refer(&repository, &image, &attached);
    scene.registry.refer(&repository, &image, "rubbish");
    scene.check("listed", BY_LAYERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_is_read_within_bounds_and_once() {
    let scene = scene().await;
    let (repository, image) = scene.image("swamped");
    let at = (repository.as_str(), image.as_str());
    // Eight attestations of 15 MiB, each listed by two manifests, none of which says anything.
    for number in 0..8_u8 {
        let body = vec![number; 15 << 20];
        for kind in [SPDX, "https://spdx.dev/Document/v2.3"] {
            scene.registry.attach_blob(at, Way::Referrer, ("application/vnd.in-toto+json", kind), &body);
        }
    }
    scene.registry.clear_requests();
    scene.check("swamped", BY_LAYERS);
    // Four attestations, the configuration and two layers.
    assert_eq!(scene.registry.count("GET", "/blobs/"), 7);
    // Claims of a size cost nothing either.
    scene.registry.clear_requests();
    scene.check("swamped", BY_LAYERS);
    assert_eq!(scene.registry.count("GET", ""), 0, "what was examined is not examined again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_used_is_said_where_there_is_no_other() {
    let scene = scene().await;
    let two = spdx(&["pkg:deb/debian/a@1?distro=debian-12", "pkg:deb/debian/b@1?distro=debian-11"]);
    scene.registry.push_layers("acme/two", "1", &[layer(&[("app", "x")])], Some((two.clone(), None)));
    let (code, text) = scene.explain("acme/two:1", &["--vulnerabilities"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("the SBOM names packages of debian 11 and of debian 12"), "{text}");
    assert!(text.contains("no package database was found in its layers"), "{text}");
    // The layers stand in for it.
    scene.registry.push_layers("acme/both", "1", &root(), Some((two, None)));
    scene.check("both", BY_LAYERS);
}
