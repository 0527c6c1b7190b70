//! What is found in Kubernetes objects, and what is not.

use super::*;
use crate::formats::extraction::FoundValue;
use crate::formats::site::ProblemCode;

fn found(text: &str) -> Vec<(String, Vec<String>)> {
    let sites = Kubernetes.extract(text).sites.into_iter();
    sites
        .map(|site| match site.value {
            FoundValue::Resolved { reference, spans } => {
                (reference.to_string(), spans.iter().map(|span| text[span.start..span.end].to_owned()).collect())
            }
            FoundValue::Open(_) => (site.written, Vec::new()),
        })
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let text = format!("apiVersion: v1\nkind: Pod\n{text}");
    for variant in [text.clone(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        let references: Vec<String> = found(&variant).into_iter().map(|(reference, _)| reference).collect();
        assert_eq!(references, expected, "{variant:?}");
    }
}

#[test]
fn pod_specs_at_any_depth() {
    check(
        "spec:\n  containers:\n  - name: a\n    image: nginx\n  initContainers: [{\"image\": 'b:2'}]\n",
        &["nginx", "b:2"],
    );
    check("spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: &i a:1}, {image: *i}]}}}}}\n", &["a:1"]);
    check("items:\n- apiVersion: v1\n  kind: Pod\n  spec: {containers: [{image: a:1}]}\n", &["a:1"]);
    check(
        "spec: {containers: [{image: a:1}]}\n---\napiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: b:2",
        &["a:1", "b:2"],
    );
}

#[test]
fn other_places_that_name_images() {
    check(
        "spec: {containers: [{image: a:1, env: [{name: RELATED_IMAGE_X, value: 'x/y:2'}, {name: Z, value: 'z:1'}]}]}\n",
        &["a:1", "x/y:2"],
    );
    check(
        "spec: {containers: [{image: a:1, args: [--sidecar-image=b:2, --image=c, \"--level=d:3\"]}]}\n",
        &["a:1", "b:2"],
    );
    check("spec: {volumes: [{name: v, image: {reference: 'a/b:1', pullPolicy: Always}}]}\n", &["a/b:1"]);
    check(
        "metadata: {annotations: {containerImage: 'q.io/a/b:1'}}\nspec: {relatedImages: [{name: x, image: 'q.io/a/c:2'}]}\n",
        &["q.io/a/b:1", "q.io/a/c:2"],
    );
    check(
        "spec: {image: 'a/b:1', logo: {image: logo.png}, url: {image: 'https://x/y:1'}, on: {image: true}}\n",
        &["a/b:1"],
    );
    check("status: {image: 'a/b:1'}\n", &[]);
}

#[test]
fn parts_stand_apart_and_keep_their_text() {
    let text =
        "apiVersion: x/v1\nkind: Custom\nspec:\n  image:\n    registry: ghcr.io\n    repository: a/b\n    tag: 1.10\n";
    assert_eq!(
        found(text),
        [("ghcr.io/a/b:1.10".to_owned(), vec!["ghcr.io".to_owned(), "a/b".to_owned(), "1.10".to_owned()])]
    );
}

#[test]
fn what_is_not_of_kubernetes_is_left_alone() {
    for text in [
        "image: nginx:1",
        "apiVersion: v1\nkind: CustomResourceDefinition\nspec: {image: 'a/b:1'}",
        "apiVersion: v1\nkind: ConfigMap\ndata: {image: 'a/b:1'}",
        "jobs: {a: {container: {image: 'x:1'}}} # apiVersion kind",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn templates_and_broken_documents() {
    let template = "apiVersion: v1\nkind: Pod\nspec:\n{{- if .x }}\n  containers:\n  - image: a:1\n  - image: {{ .y }}\n{{- end }}\n";
    assert_eq!(found(template), [("a:1".to_owned(), vec!["a:1".to_owned()])]);
    assert_eq!(Kubernetes.extract(template).problems, []);
    let broken = "apiVersion: v1\nkind: Pod\nspec: [image\n";
    let problems = Kubernetes.extract(broken).problems;
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [ProblemCode::YamlSyntax]);
    let invalid =
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: Not/An:image\n  - image: \"\"\n  - image: null\n";
    let read = Kubernetes.extract(invalid);
    let problems: Vec<_> = read.problems.iter().map(|one| (one.line, one.code)).collect();
    assert_eq!((problems, read.sites), (vec![(5, ProblemCode::InvalidReference)], vec![]));
}

#[test]
fn a_comment_that_repeats_the_version_is_seen() {
    let text = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: a:v1.2 # 1.2 is fine\n";
    let comment = Kubernetes.extract(text).sites[0].comment.clone().expect("a comment");
    assert_eq!(&text[comment.start..comment.end], "1.2");
}
