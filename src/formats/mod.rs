//! Where images are named: one file per file format, and `edit.rs`, which rewrites bytes.
//!
//! A format reads one file's bytes into an [`Extraction`], which knows nothing of the file's path and is therefore
//! kept by blob sha for ever. Linking joins the extractions of a repository into its [`Inventory`]: there, variables
//! that another file defines (`.env`) are resolved.

mod annotation;
mod ansible;
mod app_manifest;
mod azure_pipelines;
mod bazel;
mod bitbucket_pipelines;
mod buildkite;
mod buildpacks;
mod circleci;
mod class;
mod cloud_build;
mod cloudformation;
mod collector;
mod compose;
mod dagger;
mod devcontainer;
mod direction;
mod dockerfile;
mod dotenv;
mod dotnet;
mod edit;
mod embedded;
mod extraction;
mod fleet;
mod github_actions;
mod gitlab_ci;
mod gitops;
mod gradle;
mod hcl;
mod helm;
mod helm_chart;
mod helmfile;
mod jenkinsfile;
mod kubernetes;
mod kustomize;
mod link;
mod literals;
mod maven;
mod position;
mod pulumi;
mod quadlet;
mod shell;
mod site;
mod skaffold;
mod step_runners;
mod substitution;
mod table;
mod template;
mod testcontainers;
mod tilt;
mod value;
mod vendir;
mod xml;
mod yaml;
mod yaml_sites;

use std::collections::BTreeSet;

use crate::repo::FilePath;

pub use edit::{Edit, EditRefusal, Rewritten, apply, move_site, rewrite, rewrite_possible};
pub use extraction::{
    Confidence, Definition, EXTRACTOR_VERSION, Extraction, FoundProblem, FoundSite, FoundSpan, FoundValue, Holds,
    Operator, Piece, TextSpan,
};
pub use link::link;
pub use site::{Inventory, Part, PathClass, Problem, ProblemCode, Site, SitePlace, Span};
pub use table::table;

/// No file that names images is larger.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Whether a format reads files of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Never.
    No,
    /// Always: the path alone says that the file is of this format.
    ByPath,
    /// Perhaps: the content decides.
    ByContent,
}

/// One file format.
pub trait Format: Sync {
    /// Its name, in lower case, as in [`Site::format`].
    fn name(&self) -> &'static str;
    /// Whether it reads files of this path.
    fn claims(&self, path: &FilePath) -> Claim;
    /// What the file says. `text` is the file as it lies on disk (UTF-8, perhaps with a byte order mark, any line
    /// ends); every offset counts from its first byte. Never fails: what cannot be read is a problem.
    fn extract(&self, text: &str) -> Extraction;
    /// Whether it reads a file only where no other format finds anything: its constructs look like those of others.
    fn is_last_resort(&self) -> bool {
        false
    }
}

/// The formats, in the order in which they are asked: the first [`Claim::ByPath`] reads the file alone; else each
/// [`Claim::ByContent`] reads it and what they find is joined.
pub const FORMATS: &[&dyn Format] = &[
    &dockerfile::Dockerfile,
    &compose::Compose,
    &dotenv::DotEnv,
    &azure_pipelines::AzurePipelines,
    &bitbucket_pipelines::BitbucketPipelines,
    &buildkite::Buildkite,
    &circleci::CircleCi,
    &cloud_build::CloudBuild,
    &github_actions::GitHubActions,
    &gitlab_ci::GitLabCi,
    &step_runners::DRONE,
    &step_runners::WOODPECKER,
    &step_runners::CROW,
    &step_runners::VELA,
    &jenkinsfile::Jenkinsfile,
    &cloudformation::CloudFormation,
    &pulumi::Pulumi,
    &hcl::terraform::Terraform,
    &hcl::terraform::LoadedValues,
    &hcl::terraform::OtherValues,
    &hcl::bake::Bake,
    &hcl::packer::Packer,
    &hcl::nomad::Nomad,
    &kubernetes::Kubernetes,
    &shell::Shell,
    &quadlet::Quadlet,
    &devcontainer::DevContainer,
    &dockerfile::earthfile::Earthfile,
    &skaffold::Skaffold,
    &tilt::Tilt,
    &maven::Maven,
    &gradle::Gradle,
    &dotnet::DotNet,
    &buildpacks::Buildpacks,
    &bazel::Bazel,
    &ansible::Ansible,
    &app_manifest::AppManifest,
    &testcontainers::Testcontainers,
    &dagger::Dagger,
    &gitops::GitOps,
    &fleet::Fleet,
    &helmfile::Helmfile,
    &vendir::Vendir,
    &helm_chart::HelmChart,
    &kustomize::Kustomize,
    &kustomize::Patches,
    &helm::Helm,
    &helm::Unnamed,
];

/// Which formats would read files of this path, as a short text that is the same for ever: with the blob's sha it is
/// the key of what was found. `None` where no format reads such files.
pub fn path_key(path: &FilePath) -> Option<String> {
    let claims = |wanted: Claim| FORMATS.iter().filter(move |format| format.claims(path) == wanted);
    if let Some(format) = claims(Claim::ByPath).next() {
        return Some(format.name().to_owned());
    }
    let names: Vec<&str> = claims(Claim::ByContent).map(|format| format.name()).collect();
    (!names.is_empty()).then(|| format!("?{}", names.join("+")))
}

/// What a file says to the formats of its [`path_key`]. Never fails: what cannot be read is a problem.
pub fn extract(path_key: &str, bytes: &[u8]) -> Extraction {
    let problem = |code, message: String| Extraction {
        problems: vec![FoundProblem { line: 1, code, message }],
        ..Extraction::default()
    };
    if bytes.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; Restow reads at most {MAX_BYTES}", bytes.len());
        return problem(ProblemCode::TooLarge, message);
    }
    let (names, certain) = path_key.strip_prefix('?').map_or((path_key, true), |names| (names, false));
    let Ok(text) = std::str::from_utf8(bytes) else {
        // A file that only might name images is none of ours when it is no text.
        return match certain {
            true => problem(ProblemCode::NotUtf8, "the file is not UTF-8".to_owned()),
            false => Extraction::default(),
        };
    };
    let mut found = Extraction::default();
    for format in FORMATS.iter().filter(|format| names.split('+').any(|name| name == format.name())) {
        if found.sites.is_empty() || !format.is_last_resort() {
            join(&mut found, format.extract(text));
        }
    }
    found.problems.extend(direction::mistakes(text).into_iter().map(|(line, message)| FoundProblem {
        line,
        code: ProblemCode::UnknownDirection,
        message,
    }));
    join(&mut found, annotation::extract(text));
    found
}

/// Adds what another format found, without what is already known: of two formats that report the same bytes, the
/// first has read more of their meaning.
fn join(found: &mut Extraction, mut other: Extraction) {
    if !other.sites.is_empty() {
        let taken = Taken::of(&found.sites);
        other.sites.retain(|site| !ranges(site).any(|range| taken.meets(range)));
    }
    let told: BTreeSet<(u32, String)> =
        found.problems.iter().map(|problem| (problem.line, problem.message.clone())).collect();
    other.problems.retain(|problem| !told.contains(&(problem.line, problem.message.clone())));
    found.sites.extend(other.sites);
    found.definitions.extend(other.definitions);
    found.problems.extend(other.problems);
}

/// The bytes of a site in its own file.
fn ranges(site: &FoundSite) -> impl Iterator<Item = (usize, usize)> {
    let spans = match &site.value {
        FoundValue::Resolved { spans, .. } => spans.as_slice(),
        FoundValue::Open(_) => &[],
    };
    spans.iter().map(|span| (span.start, span.end))
}

/// Ranges of bytes in order, each with the furthest end of those up to it.
struct Taken(Vec<(usize, usize)>);

impl Taken {
    fn of(sites: &[FoundSite]) -> Self {
        let mut all: Vec<(usize, usize)> = sites.iter().flat_map(ranges).collect();
        all.sort_unstable();
        let mut furthest = 0;
        for (_, end) in &mut all {
            furthest = furthest.max(*end);
            *end = furthest;
        }
        Self(all)
    }

    fn meets(&self, (start, end): (usize, usize)) -> bool {
        let before = self.0.partition_point(|(begin, _)| *begin < end);
        before.checked_sub(1).and_then(|last| self.0.get(last)).is_some_and(|(_, furthest)| start < *furthest)
    }
}
