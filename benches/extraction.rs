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

/// As the program has it: extraction is many small strings.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Two images in every six lines.
fn dense_dockerfile() -> String {
    let stage = "FROM --platform=linux/amd64 golang:1.22-alpine AS build\nRUN --mount=type=cache,target=/root/.cache go build ./... && \\\n    echo done\nCOPY --from=busybox:1.36 /bin/sh /bin/sh\nENV A=1 B=2\nLABEL x=y\n";
    stage.repeat(100)
}

/// Two stages, packages, a few scripts: two images in 60 lines, as most files have.
fn usual_dockerfile() -> String {
    let packages: String = (0..25).map(|n| format!("        package-{n}=1.{n}.* \\\n")).collect();
    let variables: String = (0..12).map(|n| format!("ENV VARIABLE_{n}=/usr/local/share/value-{n}\n")).collect();
    format!(
        "# syntax=docker/dockerfile:1\n\n# What builds the program.\nFROM golang:1.22-alpine AS build\nWORKDIR /src\n\
         COPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/app ./cmd/app\n\n\
         # What runs it.\nFROM debian:bookworm-slim\nRUN apt-get update \\\n    && apt-get install -y --no-install-recommends \\\n{packages}    \
         && rm -rf /var/lib/apt/lists/*\n{variables}COPY --from=build /out/app /usr/local/bin/app\n\
         HEALTHCHECK --interval=30s CMD [\"app\", \"health\"]\nUSER 65532\nEXPOSE 8080\nENTRYPOINT [\"app\"]\n"
    )
}

/// An image in every fifteen lines.
fn dense_manifest() -> String {
    let object = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: {app: web, tier: front}\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers:\n      - name: web\n        image: nginx:1.25-alpine\n        ports:\n        - containerPort: 80\n---\n";
    object.repeat(50)
}

/// A deployment among services, settings and permissions, as an application's manifests are.
fn usual_manifest() -> String {
    let settings: String = (0..40).map(|n| format!("  KEY_{n}: \"value of the setting {n}\"\n")).collect();
    let others = format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  selector: {{app: web}}\n  ports:\n  - port: 80\n    targetPort: http\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n{settings}---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: web\nrules:\n- apiGroups: [\"\"]\n  resources: [pods, secrets]\n  verbs: [get, list, watch]\n---\n"
    );
    (0..10).map(|_| format!("{others}{}", dense_manifest_object())).collect()
}

fn dense_manifest_object() -> String {
    dense_manifest().split_inclusive("---\n").next().unwrap_or_default().to_owned()
}

fn extraction(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("extraction");
    let files = [
        ("dockerfile, usual", "dockerfile", usual_dockerfile()),
        ("dockerfile, dense", "dockerfile", dense_dockerfile()),
        ("kubernetes, usual", "?kubernetes", usual_manifest()),
        ("kubernetes, dense", "?kubernetes", dense_manifest()),
    ];
    for (name, key, text) in files {
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
    let list = Lookup::Known(TagList::of(tags, Completeness::Whole));
    let image = inventory.sites[0].reference.image().clone();
    let candidates = Candidates { tags: BTreeMap::from([(image, list)]), digests: BTreeMap::new() };
    let rules = Rules::default();
    criterion.bench_function("plan of 1,000 sites", |bench| {
        bench.iter(|| {
            plan::change_sets(
                &plan::plan(black_box(&inventory), &candidates, &rules, &plan::Constraints::default(), Moment(0)),
                &rules,
            )
        });
    });
}

criterion_group!(benches, extraction, planning);
criterion_main!(benches);
