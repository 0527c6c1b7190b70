//! The rules of a repository: what the server, the organisation and the repository say, composed.

use std::sync::Arc;

use super::scan::StoredScan;
use super::{JobError, Services};
use crate::config::{self, Place, RemoteFile, RemoteFiles, Unresolved};
use crate::policy::Rules;
use crate::repo::RepoName;
use crate::store::RepositoryRow;

/// Files that name files that name files: no configuration needs more rounds.
const MOST_ROUNDS: usize = 6;

/// The rules in force for the repository.
///
/// # Errors
/// A file that the configuration builds upon is not there, or has mistakes.
pub(super) async fn rules_of(
    services: &Services,
    row: &RepositoryRow,
    scan: &StoredScan,
) -> Result<Result<Rules, Wrong>, JobError> {
    compose(services, row, scan.rules.as_deref()).await
}

/// A place whose text is wrong.
pub(super) struct Wrong {
    pub(super) place: Arc<str>,
    pub(super) mistakes: Vec<config::Mistake>,
}

/// The rules that would be in force, were this the repository's file.
///
/// # Errors
/// A file upon which it builds could not be read: without it, other rules would hold than are meant.
pub(super) async fn compose(
    services: &Services,
    row: &RepositoryRow,
    file: Option<&str>,
) -> Result<Result<Rules, Wrong>, JobError> {
    let mut places = Vec::new();
    let mut add = |name: &str, text: &str| places.push(Place { name: Arc::from(name), text: text.to_owned() });
    add("the server's defaults", &services.default_rules);
    let organisation = organisation_file(row.name.owner());
    if let Some(file) = &organisation
        && let Some(text) = services.remote_file(row.installation, file).await?
    {
        add(&file.to_string(), &text);
    }
    if let Some(text) = file {
        add(config::PATHS[0], text);
    }
    let mut files = RemoteFiles::new();
    for _ in 0..MOST_ROUNDS {
        match config::resolve(&places, &files) {
            Ok(rules) => return Ok(Ok(rules)),
            Err(Unresolved::Needs(needs)) => {
                for file in needs {
                    let text = services.remote_file(row.installation, &file).await?;
                    files.insert(file, text);
                }
            }
            // The organisation's mistake is not the repository's: without it the others still hold.
            Err(Unresolved::Wrong(place, mistakes)) if places.len() > 1 && *place != *config::PATHS[0] => {
                for mistake in &mistakes {
                    tracing::warn!(%place, %mistake, "this configuration is wrong and left out");
                }
                let before = places.len();
                places.retain(|one| one.name != place);
                if places.len() == before {
                    return Ok(Err(told(place, mistakes)));
                }
            }
            Err(Unresolved::Wrong(place, mistakes)) => return Ok(Err(told(place, mistakes))),
        }
    }
    Ok(Err(Wrong { place: Arc::from(config::PATHS[0]), mistakes: Vec::new() }))
}

/// What the repository may be told: of a file elsewhere, which its readers may not be allowed to read, only the line.
fn told(place: Arc<str>, mistakes: Vec<config::Mistake>) -> Wrong {
    if *place == *config::PATHS[0] {
        return Wrong { place, mistakes };
    }
    let line = mistakes.first().map_or(1, |mistake| mistake.line);
    let message = format!("{place}, upon which this configuration builds, has a mistake in line {line}");
    Wrong { place, mistakes: vec![config::Mistake { line: 1, column: 1, message, help: None }] }
}

/// `acme/.github:restow.yml`.
fn organisation_file(owner: &str) -> Option<RemoteFile> {
    let repo = RepoName::parse(&format!("{owner}/.github")).ok()?;
    Some(RemoteFile { repo, path: config::ORGANISATION_PATH.to_owned() })
}
