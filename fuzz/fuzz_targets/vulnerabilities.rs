//! Any bytes as everything that `vulnerability` reads: the first byte says as what.

#![no_main]

use libfuzzer_sys::fuzz_target;
use restow::vulnerability::{
    Advisory, LayerSearch, Severity, VersionOrder, affects, apk_packages, compare, dpkg_packages, packages_of_sbom,
    read_epss, read_kev, rpm_package, statements,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match kind % 10 {
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
                for order in [VersionOrder::Dpkg, VersionOrder::Rpm, VersionOrder::Apk, VersionOrder::Semver] {
                    let _ = affects(affected, "1:2.3-4", Some(order));
                }
            }
        }
        6 => drop(Severity::of_vector(&text)),
        7 => drop((read_kev(rest), read_epss(rest))),
        8 => {
            let Some((one, other)) = text.split_once(' ') else { return };
            for order in [VersionOrder::Dpkg, VersionOrder::Rpm, VersionOrder::Apk, VersionOrder::Semver] {
                let there = compare(order, one, other);
                assert_eq!(there, compare(order, other, one).map(std::cmp::Ordering::reverse), "{one} {other}");
            }
        }
        _ => {
            let mut search = LayerSearch::default();
            for media_type in ["x.tar", "x.tar+gzip", "x.tar+zstd"] {
                let _ = search.add(rest, media_type);
            }
            let _ = search.packages(&[]);
        }
    }
});
