//! Extraction: megabytes a second, one core; and the plan of a thousand sites.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restow::formats;
use restow::image::Tag;
use restow::plan::{self, Candidates, Completeness, Lookup, TagList};
use restow::policy::Rules;
use restow::repo::{FilePath, Moment};
use restow::tag::ListedTag;

fn dockerfile() -> String {
    let stage = "FROM --platform=linux/amd64 golang:1.22-alpine AS build\nRUN --mount=type=cache,target=/root/.cache go build ./... && \\\n    echo done\nCOPY --from=busybox:1.36 /bin/sh /bin/sh\nENV A=1 B=2\nLABEL x=y\n";
    stage.repeat(100)
}

fn manifest() -> String {
    let object = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: {app: web, tier: front}\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers:\n      - name: web\n        image: nginx:1.25-alpine\n        ports:\n        - containerPort: 80\n---\n";
    object.repeat(50)
}

fn extraction(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("extraction");
    for (name, key, text) in [("dockerfile", "dockerfile", dockerfile()), ("kubernetes", "?kubernetes", manifest())] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bench| bench.iter(|| formats::extract(black_box(key), text.as_bytes())));
    }
    group.finish();
}

fn planning(criterion: &mut Criterion) {
    let extraction = formats::extract("dockerfile", b"FROM nginx:1.25-alpine\n");
    let paths: Vec<FilePath> =
        (0..1000).map(|n| FilePath::parse(&format!("{n}/Dockerfile")).expect("a path")).collect();
    let inventory = formats::link(paths.iter().map(|path| (path, &extraction)));
    let tags = (0..200)
        .map(|n| Tag::parse(&format!("1.{n}-alpine")).expect("a tag"))
        .map(|name| ListedTag { name, digest: None, created: None })
        .collect();
    let list = Lookup::Known(TagList { tags, completeness: Completeness::Whole });
    let image = inventory.sites[0].reference.image().clone();
    let candidates = Candidates { tags: BTreeMap::from([(image, list)]), digests: BTreeMap::new() };
    let rules = Rules::default();
    criterion.bench_function("plan of 1,000 sites", |bench| {
        bench.iter(|| plan::change_sets(&plan::plan(black_box(&inventory), &candidates, &rules, Moment(0))));
    });
}

criterion_group!(benches, extraction, planning);
criterion_main!(benches);
