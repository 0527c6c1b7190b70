//! What is found in Dockerfiles, and what is not.

use super::*;
use crate::formats::site::Part;

/// Each reference with the text of its spans.
fn found(text: &str) -> Vec<(String, Vec<(Part, String)>)> {
    let sites = Dockerfile.extract(text).sites.into_iter();
    sites
        .map(|site| match site.value {
            FoundValue::Resolved { reference, spans } => {
                let spans = spans.iter().map(|span| (span.part, text[span.start..span.end].to_owned())).collect();
                (reference.to_string(), spans)
            }
            FoundValue::Open(_) => (site.written, Vec::new()),
        })
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    for variant in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
        let references: Vec<String> = found(&variant).into_iter().map(|(reference, _)| reference).collect();
        assert_eq!(references, expected, "{variant:?}");
    }
}

#[test]
fn from_in_every_form() {
    check("FROM nginx:1.25", &["nginx:1.25"]);
    check("from --platform=$BUILDPLATFORM nginx:1 as x\nFROM X\n", &["nginx:1"]);
    check("FROM \"nginx:1\"\nFROM \\\n# a comment\n  busybox:1.36 \\\n AS b\n", &["nginx:1", "busybox:1.36"]);
    check("FROM scratch\nFROM a AS Base\nFROM base\nFROM a:2 AS base\n", &["a", "a:2"]);
    check("FROM localhost:5000/x:1\nFROM 0\n", &["localhost:5000/x:1", "0"]);
    check("FROM\nFROM x:1\n", &["x:1"]);
}

#[test]
fn copies_mounts_and_onbuild() {
    check(
        "FROM a:1 AS b\nCOPY --chown=$U:$G --chmod=u+x --from=c:2 --link /x /y\nCOPY --from=b / /\nCOPY --from=0 / /\n\
         COPY [\"a\", \"b\"]\nADD --from=d:3 / /\n",
        &["a:1", "c:2", "d:3"],
    );
    check(
        "FROM a:1\nRUN --mount=type=bind,from=b:2,target=/x --mount=type=cache,target=/c --mount=\"type=bind,from=c:3\" \
         --mount=from=0,target=/z --mount=\"from=d:4\",type=bind echo --mount=from=e:5\n",
        &["a:1", "b:2", "c:3", "d:4"],
    );
    check(
        "FROM a:1\nONBUILD COPY --from=later / /\nONBUILD COPY --from=b:2 / /\nONBUILD RUN --mount=from=c:3 x\n",
        &["a:1", "b:2", "c:3"],
    );
    check("FROM a:1\nCOPY --from=later / /\nFROM b:2 AS later\n", &["a:1", "b:2"]);
}

#[test]
fn heredocs_and_directives() {
    check(
        "# syntax=docker/dockerfile:1.7\nFROM a:1\nRUN <<EOF\nFROM x:1\nCOPY --from=y:1 a b\nEOF\nRUN <<A cat <<B\nFROM q:1\nA\nFROM r:1\nB\nFROM b:2\n",
        &["docker/dockerfile:1.7", "a:1", "b:2"],
    );
    check(
        "#!/usr/bin/env docker\n# escape=`\n# syntax=docker/dockerfile:1\nFROM `\n a:1\n",
        &["docker/dockerfile:1", "a:1"],
    );
    check("# restow: ignore\nFROM a:1\nFROM b:1\n", &["b:1"]);
}

#[test]
fn variables_have_docker_s_scopes() {
    check("ARG A=1 B=2\nFROM x:${B}\nFROM x:$A\n", &["x:2", "x:1"]);
    check("ARG V=1\nFROM a:1\nARG V=9\nFROM b:$V\n", &["a:1", "b:1"]);
    check("ARG V=3\nARG IMG=x:${V}\nFROM ${IMG}\nARG IMG\nCOPY --from=$IMG / /\n", &["x:3", "x:3"]);
    check("FROM ${REG:-docker.io}/library/x:${T:-4}\n", &["docker.io/library/x:4"]);
    check("ARG V=3.11.4\nFROM p:${V%.*}-slim\nFROM ${EMPTY:-}scratch\n", &["p:3.11-slim"]);
    check("ARG V=1\nFROM 'x:$V'\n", &[]);
}

#[test]
fn what_cannot_be_told_is_a_problem() {
    let problems = |text: &str| -> Vec<(u32, ProblemCode)> {
        Dockerfile.extract(text).problems.iter().map(|problem| (problem.line, problem.code)).collect()
    };
    assert_eq!(problems("FROM a:1\nFROM b:$V\n"), [(2, ProblemCode::UnresolvedVariable)]);
    assert_eq!(problems("FROM a-$TARGETARCH:1\n"), [(1, ProblemCode::UnresolvedVariable)]);
    assert_eq!(problems("FROM Bad:1\n"), [(1, ProblemCode::InvalidReference)]);
    assert_eq!(problems("HELLO x\nFROM a:1\n"), [(1, ProblemCode::DockerfileSyntax)]);
    assert_eq!(problems("{% if x %}\nFROM a:1\n{% endif %}\nFROM {{ b }}:1"), [], "a template");
    assert_eq!(problems("FROM a:1 AS bin-linux\nFROM bin-$TARGETOS AS x\n"), []);
    assert_eq!(problems("FROM a:1\nFROM --platform=$TARGETPLATFORM b:1\n"), []);
}

#[test]
fn spans_are_the_bytes_to_rewrite() {
    let spans = |text: &str| found(text).into_iter().flat_map(|(_, spans)| spans).collect::<Vec<_>>();
    let part = |part, text: &str| (part, text.to_owned());
    assert_eq!(spans("\u{feff}FROM \"a:1\" AS x"), [part(Part::Reference, "a:1")]);
    assert_eq!(spans("ARG V=1.2\nFROM a:${V}"), [part(Part::Repository, "a"), part(Part::Tag, "1.2")]);
    assert_eq!(spans("ARG I=\"a:1\"\nFROM $I"), [part(Part::Reference, "a:1")]);
    assert_eq!(
        spans("ARG V=3\nFROM p:${V}-slim"),
        [part(Part::Repository, "p"), part(Part::Tag, "3"), part(Part::Tag, "-slim")]
    );
    assert_eq!(spans("ARG V=3.1\nFROM p:${V%.*}"), [part(Part::Repository, "p")]);
}

#[test]
fn paths() {
    let claims = |path: &str| Dockerfile.claims(&FilePath::parse(path).expect("a path")) == Claim::ByPath;
    for path in ["Dockerfile", "a/Containerfile", "Dockerfile.dev", "app.Dockerfile", "dockerfile-prod", "x.dockerfile"]
    {
        assert!(claims(path), "{path}");
    }
    for path in ["Dockerfile.dockerignore", "dockerfile.go", "Dockerfile.md", "Dockerfiles/readme", "mydockerfile"] {
        assert!(!claims(path), "{path}");
    }
}
