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
mod collector;
mod compose;
mod devcontainer;
mod direction;
mod dockerfile;
mod dotenv;
mod dotnet;
mod edit;
mod extraction;
mod github_actions;
mod gitlab_ci;
mod gradle;
mod jenkinsfile;
mod kubernetes;
mod link;
mod literals;
mod maven;
mod position;
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
mod xml;
mod yaml;
mod yaml_sites;

use crate::repo::FilePath;

pub use edit::{Edit, EditRefusal, Rewritten, apply, move_site, rewrite, rewrite_possible};
pub use extraction::{
    Confidence, Definition, EXTRACTOR_VERSION, Extraction, FoundProblem, FoundSite, FoundSpan, FoundValue, Operator,
    Piece, TextSpan,
};
pub use link::link;
pub use site::{Inventory, Part, PathClass, Problem, ProblemCode, Site, Span};
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
        let one = format.extract(text);
        found.sites.extend(one.sites);
        found.definitions.extend(one.definitions);
        found.problems.extend(one.problems);
    }
    found.problems.extend(direction::mistakes(text).into_iter().map(|(line, message)| FoundProblem {
        line,
        code: ProblemCode::UnknownDirection,
        message,
    }));
    let annotated = annotation::extract(text).sites;
    let new: Vec<FoundSite> = annotated.into_iter().filter(|site| !is_known(site, &found.sites)).collect();
    found.sites.extend(new);
    found
}

/// Whether one of the sites stands in the same bytes.
fn is_known(site: &FoundSite, sites: &[FoundSite]) -> bool {
    let ranges = |site: &FoundSite| match &site.value {
        FoundValue::Resolved { spans, .. } => spans.iter().map(|span| (span.start, span.end)).collect(),
        FoundValue::Open(_) => Vec::new(),
    };
    let own = ranges(site);
    sites
        .iter()
        .any(|other| ranges(other).iter().any(|(start, end)| own.iter().any(|one| one.0 < *end && *start < one.1)))
}
