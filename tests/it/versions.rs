//! Version orders held against the lists of pairs by which others test theirs; every difference has its reason.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use restow::vulnerability::{VersionOrder, compare};

/// Each pair of a list that Restow sees otherwise than the list says, as `a OP b`.
fn differences(file: &str, order: VersionOrder) -> (usize, BTreeMap<String, Option<Ordering>>) {
    let text = std::fs::read_to_string(format!("fixtures/vulnerabilities/versions/{file}")).expect("a list");
    let (mut all, mut differences) = (0, BTreeMap::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let [a, sign, b] = words.as_slice() else { panic!("{line} is no pair") };
        let expected = match *sign {
            "<" => Ordering::Less,
            ">" => Ordering::Greater,
            "=" => Ordering::Equal,
            other => panic!("{other} is no sign"),
        };
        all += 1;
        let found = compare(order, a, b);
        if found != Some(expected) {
            differences.insert(line.to_owned(), found);
        }
    }
    (all, differences)
}

/// No package has such a version: apk refuses to build it. They are told to be incomparable, not guessed at.
fn is_invalid(version: &str) -> bool {
    let plain = version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    !plain || compare(VersionOrder::Apk, version, version).is_none()
}

#[test]
fn apk_versions_are_ordered_as_apk_orders_them() {
    let (all, differences) = differences("alpine.txt", VersionOrder::Apk);
    assert!(all > 700, "{all}");
    let other: Vec<_> = differences
        .iter()
        .filter(|(line, found)| {
            let incomparable = found.is_none() && line.split(' ').any(is_invalid);
            !incomparable
        })
        .collect();
    // apk-tools 2 compared components after the first as decimals, version 3 as numbers: the list is of version 3 here.
    assert!(other.is_empty(), "{other:#?}");
    assert!(differences.len() < 60, "{differences:#?}");
}

#[test]
fn rpm_versions_are_ordered_as_red_hat_orders_them() {
    let (all, differences) = differences("redhat.txt", VersionOrder::Rpm);
    assert!(all > 140, "{all}");
    // An empty release: no package can be built with one.
    assert_eq!(differences.keys().collect::<Vec<_>>(), ["1 < 1-"]);
}
