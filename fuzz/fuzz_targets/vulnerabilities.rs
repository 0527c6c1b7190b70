//! Any bytes as everything that `vulnerability` reads: the first byte says as what.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use restow::image::{Digest, ImageName};
use restow::repo::Moment;
use restow::vulnerability::{
    Advisory, Assessment, LayerBlob, LayerSearch, ScannerKind, ScannerOutput, Severity, Tied, VersionOrder, VexDocument, VexImage, VexOrigin, affects,
    apk_packages, apply_vex, attached_vex, compare, dpkg_packages, packages_of_sbom, read_ends, read_epss, read_kev, read_triage,
    read_vex, rpm_package, scanner_report, statements, statements_about,
};

/// All orders of versions.
const ORDERS: [VersionOrder; 9] = [
    VersionOrder::Dpkg,
    VersionOrder::Rpm,
    VersionOrder::Apk,
    VersionOrder::Semver,
    VersionOrder::Pep440,
    VersionOrder::Maven,
    VersionOrder::Gem,
    VersionOrder::NuGet,
    VersionOrder::Composer,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match kind % 14 {
        0 => {
            let list = packages_of_sbom(rest, "referrer");
            assert!(list.is_err() || list.is_ok_and(|list| !list.packages.is_empty()), "an empty list is no list");
        }
        1 => statements(rest).iter().for_each(|statement| drop(statement.packages("referrer"))),
        2 => drop(dpkg_packages(&text)),
        3 => drop(apk_packages(&text)),
        4 => drop(rpm_package(rest)),
        5 => {
            let Ok(advisory) = Advisory::read(rest) else { return };
            assert!(!advisory.vulnerabilities().is_empty(), "an advisory tells of something");
            for affected in &advisory.affected {
                for order in ORDERS {
                    let _ = affects(affected, "1:2.3-4", order);
                }
            }
        }
        6 => drop(Severity::of_vector(&text)),
        7 => drop((read_kev(rest), read_epss(rest))),
        8 => {
            let Some((one, other)) = text.split_once(' ') else { return };
            for order in ORDERS {
                let there = compare(order, one, other);
                assert_eq!(there, compare(order, other, one).map(std::cmp::Ordering::reverse), "{one} {other}");
            }
        }
        10 => {
            let digest = Digest::sha256_of(b"image");
            let _ = attached_vex(rest, &digest, Tied::ByManifest);
            let Ok(statements) = read_vex(rest) else { return };
            let report = br#"{"matches":[{"vulnerability":{"id":"CVE-2026-1"},"artifact":{"name":"a","version":"1",
                "purl":"pkg:deb/debian/a@1"}}],"descriptor":{},"source":{"type":"image"},"distro":{"name":"debian"}}"#;
            let mut assessment = scanner_report(ScannerKind::Grype, &ScannerOutput::of_report(report), Moment(0)).expect("a report");
            let ids = |one: &Assessment| -> BTreeSet<String> {
                let taken = one.suppressed.iter().map(|one| &one.finding);
                one.findings.iter().chain(taken).map(|finding| finding.id.clone()).collect()
            };
            let before = ids(&assessment);
            let image = VexImage { name: ImageName::parse("acme/app").expect("a name"), digests: [digest].into() };
            let document = VexDocument { origin: VexOrigin::Attached, statements };
            let documents = [document];
            let _ = statements_about(&assessment, &image, &documents);
            apply_vex(&mut assessment, &image, &documents, &|_, _| true);
            assert_eq!(ids(&assessment), before, "what is taken away is kept");
        }
        11 => drop(scanner_report(ScannerKind::Trivy, &ScannerOutput { report: rest.to_vec(), version: rest.to_vec() }, Moment(0))),
        12 => drop((scanner_report(ScannerKind::Grype, &ScannerOutput::of_report(rest), Moment(0)), read_ends(rest))),
        13 => drop(read_triage(rest)),
        _ => {
            let mut search = LayerSearch::default();
            for media_type in ["x.tar", "x.tar+gzip", "x.tar+zstd"] {
                let blob = LayerBlob { bytes: rest, size: rest.len() as u64, media_type };
                let _ = search.add(blob, &|| false);
            }
            let _ = search.packages(&[]);
        }
    }
});
