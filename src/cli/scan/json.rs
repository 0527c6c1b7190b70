//! The JSON and SARIF of a scan. The JSON is a contract: keys are added, never renamed.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Value, json};

use super::{Scan, findings};
use crate::formats::Site;
use crate::plan::{Hold, Plan, Subject, Update};
use crate::repo::FilePath;
use crate::vulnerability::Determination;

/// What a plan says of each site, by where the site stands.
#[derive(Default)]
struct Decisions<'a> {
    updates: HashMap<Place<'a>, &'a Update>,
    holds: HashMap<Place<'a>, Vec<&'a Hold>>,
}

type Place<'a> = (&'a FilePath, u32, u32);

fn place(site: &Site) -> Place<'_> {
    (&site.path, site.line, site.column)
}

impl<'a> Decisions<'a> {
    fn of(plan: &'a Plan) -> Self {
        let mut holds: HashMap<Place<'a>, Vec<&Hold>> = HashMap::new();
        for hold in &plan.holds {
            holds.entry(place(&hold.site)).or_default().push(hold);
        }
        Self { updates: plan.updates.iter().map(|update| (place(&update.site), update)).collect(), holds }
    }
}

/// `restow scan --format json`.
pub(super) fn scan(scan: &Scan) -> Value {
    let inventory = &scan.walked.inventory;
    let decisions = scan.plan.as_ref().map(Decisions::of).unwrap_or_default();
    let images: BTreeSet<_> = inventory.sites.iter().map(|site| site.reference.image()).collect();
    json!({
        "version": 1,
        "root": scan.root,
        "sites": inventory.sites.iter().map(|one| site(one, &decisions, scan)).collect::<Vec<_>>(),
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

fn site(site: &Site, decisions: &Decisions<'_>, scan: &Scan) -> Value {
    let found = decisions.updates.get(&place(site)).copied();
    let holds = decisions.holds.get(&place(site)).into_iter().flatten();
    let holds: Vec<Value> = holds.map(|hold| json!({ "code": hold.code, "reason": hold.reason })).collect();
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
        "vulnerabilities": scan.vulnerabilities.as_ref().map(|all| findings::known(all.get(&Subject::of(&site.reference)))),
    })
}

fn update(update: &Update) -> Value {
    json!({
        "kind": update.kind,
        "to_tag": update.to.tag(),
        "to_digest": update.to.digest(),
        "reason": update.reason,
        "security": update.is_security(),
        "vulnerabilities": update.vulnerabilities.as_ref().map(|change| findings::change(change)),
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
    let (found, all, rules) = findings::sarif(scan);
    let cut = (all > found.len()).then(|| {
        let text = format!("{all} vulnerabilities were found; the {} most urgent are here", found.len());
        json!({ "level": "warning", "message": { "text": text } })
    });
    let unknown = scan.vulnerabilities.iter().flatten().filter_map(|(subject, known)| match known {
        Determination::Not(reason) => {
            let text = format!("the vulnerabilities of {} are not determined: {reason}", subject.familiar());
            Some(json!({ "level": "warning", "message": { "text": text } }))
        }
        Determination::Known(one) if one.is_whole => None,
        Determination::Known(one) => {
            let gaps = one.gaps.join("; ");
            let text =
                format!("the vulnerabilities of {} are known in part; not determined: {gaps}", subject.familiar());
            Some(json!({ "level": "warning", "message": { "text": text } }))
        }
    });
    let unanswered = super::render::not_determined(scan).into_iter().map(|(reason, sites)| {
        let text = format!("whether {sites} references are up to date is not determined: {reason}");
        json!({ "level": "warning", "message": { "text": text } })
    });
    let own = [
        json!({ "id": "outdated-image", "shortDescription": { "text": "A newer image is there" } }),
        json!({ "id": "unreadable-reference", "shortDescription": { "text": "A reference could not be read" } }),
    ];
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "restow",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": own.into_iter().chain(rules).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": scan.unanswered() == 0,
                "toolExecutionNotifications": cut.into_iter().chain(unanswered).chain(unknown).collect::<Vec<_>>(),
            }],
            "results": updates.chain(problems).chain(found).collect::<Vec<_>>(),
        }],
    })
}

pub(super) fn result(rule: &str, level: &str, text: &str, path: &str, line: u32) -> Value {
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
