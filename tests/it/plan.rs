//! What the plan of a small repository says.

use std::collections::BTreeMap;

use restow::config;
use restow::formats::{self, Inventory};
use restow::image::{Digest, ImageName, Tag};
use restow::plan::Constraints;
use restow::plan::{self, Candidates, Completeness, Lookup, Plan, TagList};
use restow::policy::Rules;
use restow::repo::{FilePath, Moment};
use restow::tag::ListedTag;

fn path(text: &str) -> FilePath {
    FilePath::parse(text).expect("a path")
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).expect("a tag")
}

fn inventory(files: &[(&str, &str)]) -> Inventory {
    let read = |(name, text): &(&str, &str)| {
        let file = path(name);
        let extraction = formats::extract(&formats::path_key(&file).expect("a candidate"), text.as_bytes());
        (file, extraction)
    };
    let extractions: BTreeMap<FilePath, formats::Extraction> = files.iter().map(read).collect();
    formats::link(extractions.iter())
}

/// The plan where every image has these tags, each with a digest of its own.
fn planned(files: &[(&str, &str)], tags: &[&str], rules: &Rules) -> Plan {
    let inventory = inventory(files);
    let now = Moment::parse_rfc3339("2026-11-23T00:00:00Z").expect("a moment");
    let listed = tags.iter().map(|name| ListedTag { name: tag(name), digest: None, created: None });
    let list = TagList::of(listed.collect(), Completeness::Whole);
    let images: Vec<ImageName> = plan::wanted_images(&inventory, rules).into_iter().collect();
    let tags = images.iter().map(|image| (image.clone(), Lookup::Known(list.clone()))).collect();
    let mut candidates = Candidates { tags, ..Candidates::default() };
    let digest = |number: usize| Digest::parse(&format!("sha256:{number:064x}")).expect("a digest");
    let wanted = plan::wanted_digests(&inventory, &candidates, rules, &Constraints::default(), now);
    candidates.digests =
        wanted.into_iter().enumerate().map(|(number, key)| (key, Lookup::Known(digest(number)))).collect();
    plan::plan(&inventory, &candidates, rules, &Constraints::default(), now)
}

fn targets(plan: &Plan) -> Vec<String> {
    plan.updates.iter().map(|update| update.to.to_string()).collect()
}

#[test]
fn a_place_that_takes_no_digest_is_moved_without_one() {
    let rules = config::parse("pin: true\n").expect("rules");
    let chart = "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies:\n\
                 - {name: redis, version: 19.1.0, repository: \"oci://ghcr.io/acme/charts\"}\n";
    let plan =
        planned(&[("Chart.yaml", chart), ("Dockerfile", "FROM acme/web:19.1.0\n")], &["19.1.0", "19.2.0"], &rules);
    let pinned = format!("acme/web:19.2.0@sha256:{:064x}", 0);
    assert_eq!(targets(&plan), ["ghcr.io/acme/charts/redis:19.2.0".to_owned(), pinned]);
    assert!(plan.holds.is_empty(), "{:?}", plan.holds);
}

#[test]
fn the_version_of_a_chart_moves_with_its_own_image() {
    let files = [
        ("deploy/Chart.yaml", "apiVersion: v2\nname: a\nversion: 1.0.0\nappVersion: 1.4.2\n"),
        ("deploy/values.yaml", "image:\n  repository: ghcr.io/acme/web\n  tag: \"\"\n"),
    ];
    let plan = planned(&files, &["1.4.2", "1.4.3"], &Rules::default());
    let [update] = plan.updates.as_slice() else { panic!("{plan:?}") };
    let bytes = files.iter().map(|(name, text)| (path(name), text.as_bytes().to_vec())).collect();
    let changed = formats::rewrite(&bytes, &[(update.site.clone(), update.to.clone())]).expect("it can be written");
    let text = String::from_utf8(changed[&path("deploy/Chart.yaml")].clone()).expect("text");
    assert_eq!(text, "apiVersion: v2\nname: a\nversion: 1.0.0\nappVersion: 1.4.3\n");
    assert_eq!(changed.len(), 1);
}
