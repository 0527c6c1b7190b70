//! What other updaters miss or spoil, each with the right answer.

use std::collections::BTreeMap;

use restow::formats::{self, Inventory};
use restow::image::Tag;
use restow::repo::FilePath;

fn read(path: &str, text: &str) -> Inventory {
    let file = FilePath::parse(path).expect("a path");
    let extraction = formats::extract(&formats::path_key(&file).expect("a candidate"), text.as_bytes());
    formats::link([(&file, &extraction)])
}

/// The references of a file, in its order.
#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    let found: Vec<String> = read(path, text).sites.iter().map(|site| site.reference.to_string()).collect();
    assert_eq!(found, expected, "{path}:\n{text}");
}

/// What the file says once its only site has moved to `tag`.
#[track_caller]
fn check_move(path: &str, text: &str, tag: &str, expected: &str) {
    let inventory = read(path, text);
    let [site] = inventory.sites.as_slice() else { panic!("{path}: {:?}", inventory.sites) };
    let file = FilePath::parse(path).expect("a path");
    let files = BTreeMap::from([(file.clone(), text.as_bytes().to_vec())]);
    let to = site.reference.with(Some(Tag::parse(tag).expect("a tag")), site.reference.digest().cloned());
    let changed = formats::rewrite(&files, &[(site.clone(), to)]).expect("it can be written");
    assert_eq!(String::from_utf8_lossy(&changed[&file]), expected, "{path}");
}

const DIGEST: &str = "sha256:c5b1261d6d3e43071626931fc004f70149baeba2c8ec672bd4f27761f8e1ad6b";

#[test]
fn dockerfiles() {
    let check = |text: &str, expected: &[&str]| check("Dockerfile", text, expected);
    check("FROM a:1\nRUN <<EOF\nFROM x:1\nEOF\n", &["a:1"]);
    check("FROM a:1\nCOPY --chown=$U:$G --from=b:1 /x /y\n", &["a:1", "b:1"]);
    check("FROM a:1\nCOPY --chmod=u+x --exclude=*.x --from=b:1 /x /y\n", &["a:1", "b:1"]);
    check(
        "FROM a:1\nRUN --mount=type=cache,target=/c --mount=type=bind,from=b:1,target=/b --mount=from=c:1,target=/c x\n",
        &["a:1", "b:1", "c:1"],
    );
    check("FROM a:1\nRUN --mount=from=0,target=/x y\n", &["a:1"]);
    check("FROM a:1 AS Base\nFROM base\nCOPY --from=BASE /x /y\n", &["a:1"]);
    check("ARG A=1 B=2\nFROM x:${B}\n", &["x:2"]);
    check("ARG TAG=1\nFROM ${REG:-docker.io}/library/x:${TAG}\n", &["docker.io/library/x:1"]);
    check("# escape=`\n# syntax=docker/dockerfile:1.7\nFROM a:1\n", &["docker/dockerfile:1.7", "a:1"]);
    check("FROM a:1\nONBUILD COPY --from=b:1 /x /y\n", &["a:1", "b:1"]);
    check("FROM a:1\nARG TAG=9\nFROM b:${TAG:-2}\n", &["a:1", "b:2"]);
    check("ARG IMG=b:1\nFROM a:1\nCOPY --from=$IMG /x /y\n", &["a:1", "b:1"]);
    check("  FROM localhost:5000/x:1\n", &["localhost:5000/x:1"]);
    check("FROM a\n", &["a"]);
    check_move("Dockerfile", "FROM \"x:1\"\n", "2", "FROM \"x:2\"\n");
}

#[test]
fn compose_files() {
    let check = |text: &str, expected: &[&str]| check("compose.yaml", text, expected);
    check("services: {web: {image: nginx:1.25}}\n", &["nginx:1.25"]);
    check("services:\n  web:\n    \"image\": nginx:1.25\n", &["nginx:1.25"]);
    check("services:\n  web:\n    image: >-\n      nginx:1.25\n", &["nginx:1.25"]);
    check("x-a: &a {image: nginx:1.25}\nservices:\n  web: *a\n  two: {<<: *a}\n", &["nginx:1.25"]);
    check("services:\n  web:\n    image: nginx:${V-1.25}\n", &["nginx:1.25"]);
    check("services:\n  a: {image: a:1}\n---\nservices:\n  b: {image: b:1}\n", &["a:1", "b:1"]);
    check("services:\n  web:\n    build:\n      dockerfile_inline: |\n        FROM nginx:1.25\n", &["nginx:1.25"]);
    check_move(
        "compose.yaml",
        "services:\n  w:\n    image: \"x:1\" # x:1\n",
        "2",
        "services:\n  w:\n    image: \"x:2\" # x:1\n",
    );
}

#[test]
fn kubernetes_objects() {
    let pod = |spec: &str| format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{spec}");
    let check = |spec: &str, expected: &[&str]| check("a.yaml", &pod(spec), expected);
    check("  - {name: a, image: a:1}\n", &["a:1"]);
    check("  - name: a\n    \"image\": a:1\n", &["a:1"]);
    check("  - name: a\n    image: &i a:1\n  - name: b\n    image: *i\n", &["a:1"]);
    check("  - name: a\n    image: !!str a:1\n", &["a:1"]);
    check(
        "  - name: a\n    image: a:1\n    env:\n    - {name: RELATED_IMAGE_B, value: q.io/b:1}\n",
        &["a:1", "q.io/b:1"],
    );
    check("  - name: a\n    image: a:1\n    args: [--image=q.io/b:1]\n", &["a:1", "q.io/b:1"]);
}

#[test]
fn helm_values() {
    let digested = format!("image:\n  repository: q.io/a\n  tag: \"1\"\n  digest: {DIGEST}\n");
    check("values-prod.yaml", &digested, &[&format!("q.io/a:1@{DIGEST}")]);
    let check = |text: &str, expected: &[&str]| check("values.yaml", text, expected);
    check(&format!("image: {{repository: q.io/a, digest: \"{DIGEST}\"}}\n"), &[&format!("q.io/a@{DIGEST}")]);
    check("image: {name: q.io/a, tag: v1}\n", &["q.io/a:v1"]);
    check("imageRepository: q.io/a\nimageTag: v1\n", &["q.io/a:v1"]);
    check("images:\n  main: {repository: q.io/a, tag: v1}\n", &["q.io/a:v1"]);
    check("jobs:\n- image: {repository: q.io/a, tag: v1}\n", &["q.io/a:v1"]);
    check("image: {repository: q.io/a, tag: ~}\n", &[]);
    check("image: {repository: q.io/a, tag: 1.10}\n", &["q.io/a:1.10"]);
}

/// Two images with one old tag: only the one that moves is rewritten.
#[test]
fn equal_tags_of_other_images_stay() {
    let text = "a:\n  image: {repository: q.io/a, tag: v1}\nb:\n  image: {repository: q.io/b, tag: v1}\n";
    let inventory = read("values.yaml", text);
    let file = FilePath::parse("values.yaml").expect("a path");
    let files = BTreeMap::from([(file.clone(), text.as_bytes().to_vec())]);
    let to = inventory.sites[1].reference.with(Some(Tag::parse("v2").expect("a tag")), None);
    let changed = formats::rewrite(&files, &[(inventory.sites[1].clone(), to)]).expect("it can be written");
    let expected = "a:\n  image: {repository: q.io/a, tag: v1}\nb:\n  image: {repository: q.io/b, tag: v2}\n";
    assert_eq!(String::from_utf8_lossy(&changed[&file]), expected);
}

#[test]
fn kustomizations() {
    let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages:\n";
    let text = format!("{head}- {{name: a, newName: q.io/a, newTag: v1, digest: \"{DIGEST}\"}}\n");
    check("kustomization.yaml", &text, &[&format!("q.io/a:v1@{DIGEST}")]);
}

#[test]
fn continuous_integration() {
    let workflow = ".github/workflows/a.yml";
    check("action.yml", "name: a\nruns: {using: docker, image: docker://alpine:3.18}\n", &["alpine:3.18"]);
    check(workflow, "on: push\njobs: {a: {runs-on: x, container: {image: node:20}, steps: []}}\n", &["node:20"]);
    let matrix = "on: push\njobs:\n  a:\n    runs-on: x\n    strategy: {matrix: {image: [node:20, node:22]}}\n    \
                  container: ${{ matrix.image }}\n    steps: []\n";
    check(workflow, matrix, &["node:20", "node:22"]);
    let run = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n    - run: docker run --rm alpine:3.18 true\n";
    check(workflow, run, &["alpine:3.18"]);
    check("azure-pipelines.yml", "jobs:\n- job: a\n  container: node:20\n  steps: []\n", &["node:20"]);
}

#[test]
fn infrastructure() {
    let task = "resource \"aws_ecs_task_definition\" \"a\" {\n  container_definitions = jsonencode([{ image = \"a:1\" }])\n}\n";
    check("main.tf", task, &["a:1"]);
    let run = "resource \"google_cloud_run_service\" \"a\" {\n  template {\n    spec {\n      containers { image = \"gcr.io/a/b:1\" }\n    }\n  }\n}\n";
    check("main.tf", run, &["gcr.io/a/b:1"]);
    let variable =
        "variable \"v\" { default = \"1.25\" }\nresource \"docker_image\" \"a\" { name = \"nginx:${var.v}\" }\n";
    check("main.tf", variable, &["nginx:1.25"]);
    check_move("main.tf", variable, "1.26", &variable.replace("1.25", "1.26"));
    check("docker-bake.hcl", "target \"a\" { contexts = { b = \"docker-image://c:1\" } }\n", &["c:1"]);
    check("Earthfile", "VERSION 0.8\na:\n    FROM alpine:3.18\n", &["alpine:3.18"]);
    check("web.nomad", "job \"a\" {\n  task \"b\" {\n    config { image = \"c:1\" }\n  }\n}\n", &["c:1"]);
    check("Jenkinsfile", "pipeline { agent { docker { image 'maven:3.9' } } }\n", &["maven:3.9"]);
    check("run.sh", "#!/bin/sh\ndocker run --rm -v \"$PWD:/x\" alpine:3.18 true\n", &["alpine:3.18"]);
    check("a.container", "[Container]\nImage=q.io/a:1\n", &["q.io/a:1"]);
}
