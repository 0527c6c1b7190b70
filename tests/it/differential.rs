//! A genuine report of a scanner with its own list of packages, held against what Restow says of the same packages by
//! genuine advisories; every difference has its reason. The table in docs/vulnerabilities.md is written from here.

use std::collections::{BTreeMap, BTreeSet};

use restow::repo::Moment;
use restow::vulnerability::{Advisory, DataSource, Determination, ListSource, Package, PackageList, Told, assess};
use serde_json::Value;

use crate::docs::generated_part;

/// Why a vulnerability is told by one of the two only, or a severity differs.
const REASONS: [(&str, &str); 2] = [
    (
        "only Restow",
        "Trivy's golden is made with a database of two entries for Werkzeug and none for Flask; PyPA's names it",
    ),
    ("severity", "both find it; PyPA's record has no severity, Trivy takes that of GitHub's advisories"),
];

fn fixture(file: &str) -> Value {
    let path = format!("fixtures/vulnerabilities/differential/{file}");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&text).expect("JSON")
}

/// Vulnerability and package → severity, as Trivy says.
fn of_trivy(report: &Value) -> BTreeMap<(String, String), String> {
    let found = report["Results"][0]["Vulnerabilities"].as_array().expect("vulnerabilities");
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_lowercase();
    found
        .iter()
        .map(|one| {
            let id = one["VulnerabilityID"].as_str().expect("an id").to_owned();
            ((id, text(one, "PkgName")), text(one, "Severity"))
        })
        .collect()
}

/// The same as Restow says of the packages that Trivy lists.
fn of_restow(report: &Value, records: &Value) -> BTreeMap<(String, String), String> {
    let packages = report["Results"][0]["Packages"].as_array().expect("packages");
    let package = |one: &Value| Package::of_purl(one["Identifier"]["PURL"].as_str()?).map(|(package, _)| package);
    let list = PackageList {
        distribution: None,
        packages: packages.iter().filter_map(package).collect::<BTreeSet<_>>(),
        source: ListSource::Layers { databases: Vec::new() },
        gaps: Vec::new(),
        is_cut: false,
    };
    assert_eq!(list.packages.len(), packages.len(), "every package is read");
    let mut told = Told::nothing(DataSource { name: "PyPA".to_owned(), as_of: Moment(0) });
    for record in records.as_array().expect("records") {
        let advisory = Advisory::read(record.to_string().as_bytes()).expect("an advisory");
        for affected in &advisory.affected {
            let key = (affected.ecosystem.clone(), affected.name.clone());
            told.known.entry(key).or_default().push(advisory.clone());
        }
    }
    let Determination::Known(found) = assess(&list, "", &told) else { panic!("it is determined") };
    let of = |finding: &restow::vulnerability::Finding| {
        let (id, severity) = (finding.id.clone(), finding.severity.to_string());
        finding
            .packages
            .iter()
            .map(|package| ((id.clone(), package.name.clone()), severity.clone()))
            .collect::<Vec<_>>()
    };
    found.findings.iter().flat_map(of).collect()
}

#[test]
fn every_difference_from_a_genuine_report_is_explained() {
    let report = fixture("pip.json");
    let (trivy, restow) = (of_trivy(&report), of_restow(&report, &fixture("pypa.json")));
    let all: BTreeSet<_> = trivy.keys().chain(restow.keys()).collect();
    let mut table = "| vulnerability | package | Trivy | Restow | why |\n|---|---|---|---|---|\n".to_owned();
    let reason = |kind: &str| REASONS.iter().find(|(known, _)| *known == kind).expect("a reason").1;
    for key in all {
        let (theirs, ours) = (trivy.get(key).map(String::as_str), restow.get(key).map(String::as_str));
        let why = match (theirs, ours) {
            (Some(theirs), Some(ours)) if theirs == ours => "",
            (Some(_), Some("unknown")) => reason("severity"),
            (None, Some(_)) => reason("only Restow"),
            other => panic!("{key:?} is not explained: {other:?}"),
        };
        let cell = |said: Option<&str>| said.unwrap_or("—").to_owned();
        table.push_str(&format!("| {} | {} | {} | {} | {why} |\n", key.0, key.1, cell(theirs), cell(ours)));
    }
    assert_eq!(restow.len(), 8, "{restow:#?}");
    generated_part("docs/vulnerabilities.md", "differential", &table);
}
