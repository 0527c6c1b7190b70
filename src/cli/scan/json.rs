//! The JSON and SARIF of a scan. The JSON is a contract: keys are added, never renamed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Scan;
use crate::formats::Site;
use crate::plan::{Plan, Update};

/// `restow scan --format json`.
pub(super) fn scan(scan: &Scan) -> Value {
    let inventory = &scan.walked.inventory;
    let images: BTreeSet<_> = inventory.sites.iter().map(|site| site.reference.image()).collect();
    json!({
        "version": 1,
        "root": scan.root,
        "sites": inventory.sites.iter().map(|one| site(one, scan.plan.as_ref())).collect::<Vec<_>>(),
        "problems": inventory.problems,
        "stats": {
            "files_listed": scan.walked.files_listed,
            "files_read": scan.walked.files_read,
            "bytes_read": scan.walked.bytes_read,
            "images": images.len(),
            "elapsed_ms": u64::try_from(scan.elapsed_ms).unwrap_or(u64::MAX),
        },
    })
}

fn site(site: &Site, plan: Option<&Plan>) -> Value {
    let found = plan.and_then(|plan| plan.updates.iter().find(|update| update.site == *site));
    let holds: Vec<Value> = plan
        .into_iter()
        .flat_map(|plan| &plan.holds)
        .filter(|hold| hold.site == *site)
        .map(|hold| json!({ "code": hold.code, "reason": hold.reason }))
        .collect();
    let image = site.reference.image();
    json!({
        "path": site.path,
        "line": site.line,
        "column": site.column,
        "format": site.format,
        "class": site.class,
        "spans": site.spans,
        "written": site.written,
        "image": image,
        "registry": image.registry(),
        "repository": image.repository(),
        "tag": site.reference.tag(),
        "digest": site.reference.digest(),
        "update": found.map(update),
        "alternatives": found.map(|update| &update.alternatives),
        "holds": holds,
    })
}

fn update(update: &Update) -> Value {
    json!({
        "kind": update.kind,
        "to_tag": update.to.tag(),
        "to_digest": update.to.digest(),
        "reason": update.reason,
        "security": false,
    })
}

/// SARIF 2.1.0: each update and each problem as a result at its place.
pub(super) fn sarif(scan: &Scan) -> Value {
    let updates = scan.plan.iter().flat_map(|plan| &plan.updates).map(|update| {
        let text = format!("{} can move to {}: {}", update.site.reference, update.to, update.reason);
        result("outdated-image", "note", &text, update.site.path.as_str(), update.site.line)
    });
    let problems = scan.walked.inventory.problems.iter().map(|problem| {
        result("unreadable-reference", "warning", &problem.message, problem.path.as_str(), problem.line)
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "restow",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": [
                    { "id": "outdated-image", "shortDescription": { "text": "A newer image is there" } },
                    { "id": "unreadable-reference", "shortDescription": { "text": "A reference could not be read" } },
                ],
            }},
            "results": updates.chain(problems).collect::<Vec<_>>(),
        }],
    })
}

fn result(rule: &str, level: &str, text: &str, path: &str, line: u32) -> Value {
    json!({
        "ruleId": rule,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": path },
            "region": { "startLine": line },
        }}],
    })
}
