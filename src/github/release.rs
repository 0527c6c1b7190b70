//! Releases of public repositories.

use serde::Deserialize;

use super::app::Installation;
use super::error::GitHubError;
use super::transport::Call;
use crate::repo::{Moment, RepoName};

/// A release that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its tag.
    pub tag: String,
    /// Its text, in Markdown.
    pub body: String,
    /// Its page.
    pub url: String,
    /// When it was published.
    pub published: Option<Moment>,
}

#[derive(Deserialize)]
struct ReleaseBody {
    tag_name: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    html_url: String,
    #[serde(default)]
    published_at: Option<String>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    prerelease: bool,
}

impl Installation {
    /// The newest hundred releases of a public repository, without drafts and pre-releases; none of one that is not
    /// there, or not to be read.
    pub async fn releases(&self, repo: &RepoName) -> Result<Vec<Release>, GitHubError> {
        let path = super::transport::path(&["repos", repo.owner(), repo.name(), "releases"]);
        let call = Call::get(format!("{path}?per_page=100")).at_most(16 * 1024 * 1024);
        let found: Vec<ReleaseBody> = match self.looking_around(&call).await {
            Ok(found) => found,
            Err(GitHubError::NotFound { .. } | GitHubError::Forbidden { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let published = found.into_iter().filter(|release| !release.draft && !release.prerelease);
        Ok(published
            .map(|release| Release {
                tag: release.tag_name,
                body: release.body.unwrap_or_default(),
                url: release.html_url,
                published: release.published_at.and_then(|at| Moment::parse_rfc3339(&at)),
            })
            .collect())
    }
}
