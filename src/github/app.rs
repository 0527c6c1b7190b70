//! The App, its installations and their repositories.

use secrecy::SecretString;
use serde::Deserialize;

use super::client::{GitHub, Identity};
use super::error::GitHubError;
use super::token::{Reach, Scope, WorkflowsPermission};
use super::transport::{Call, path};
use crate::repo::{BranchName, InstallationId, RepoId, RepoName};

/// The App as GitHub knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    /// Its id.
    pub id: u64,
    /// The last part of its page's address; its commits and pull requests are by `SLUG[bot]`.
    pub slug: Option<String>,
    /// Its name.
    pub name: String,
    /// The webhook events it receives.
    #[serde(default)]
    pub events: Vec<String>,
    /// Its permissions, such as `contents` → `write`.
    #[serde(default)]
    pub permissions: std::collections::BTreeMap<String, String>,
}

/// What kind of account it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum AccountKind {
    /// A person.
    User,
    /// An organisation.
    Organization,
    /// An App.
    Bot,
    /// A kind that Restow does not know.
    Other(String),
}

impl From<String> for AccountKind {
    fn from(text: String) -> Self {
        match text.as_str() {
            "User" => Self::User,
            "Organization" => Self::Organization,
            "Bot" => Self::Bot,
            _ => Self::Other(text),
        }
    }
}

/// A person, an organisation or an App.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// GitHub's id; it survives a change of the name.
    pub id: u64,
    /// The name.
    pub login: String,
    /// What it is.
    #[serde(rename = "type", default = "unknown_kind")]
    pub kind: AccountKind,
}

/// Reads an account that may be none: GitHub writes `null` for one that is gone, `{}` for the unknown author of a
/// commit, and an enterprise where it is installed in one.
pub(super) fn known_account<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Account>, D::Error> {
    let value = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(value.and_then(|value| serde_json::from_value(value).ok()))
}

fn unknown_kind() -> AccountKind {
    AccountKind::Other(String::new())
}

/// One installation of the App.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstallationDetails {
    /// Its id.
    pub id: InstallationId,
    /// Where it is installed; `None` for an enterprise.
    #[serde(default, deserialize_with = "known_account")]
    pub account: Option<Account>,
    /// What its owner granted, such as `contents` → `write`.
    #[serde(default)]
    pub permissions: std::collections::BTreeMap<String, String>,
    /// Since when it is suspended, where it is.
    #[serde(default)]
    pub suspended_at: Option<String>,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RepoDetails {
    /// Its id, which survives renames and transfers.
    pub id: RepoId,
    /// Its id in GraphQL.
    #[serde(default, rename = "node_id")]
    pub node: String,
    /// Its present name.
    #[serde(rename = "full_name")]
    pub name: RepoName,
    /// The branch that is read and that pull requests go to.
    pub default_branch: BranchName,
    /// Whether it is read-only.
    #[serde(default)]
    pub archived: bool,
    /// Whether GitHub has blocked it.
    #[serde(default)]
    pub disabled: bool,
    /// Whether only members see it.
    #[serde(default)]
    pub private: bool,
    /// Whether it is somebody's fork.
    #[serde(default)]
    pub fork: bool,
    /// Whether pull requests may be merged by a merge commit.
    #[serde(default)]
    pub allow_merge_commit: bool,
    /// Whether pull requests may be merged as one commit.
    #[serde(default)]
    pub allow_squash_merge: bool,
    /// Whether pull requests may be merged as their commits.
    #[serde(default)]
    pub allow_rebase_merge: bool,
    /// Whether GitHub merges pull requests by itself when asked.
    #[serde(default)]
    pub allow_auto_merge: bool,
}

#[derive(Deserialize)]
struct RepositoriesPage {
    repositories: Vec<RepoDetails>,
}

impl GitHub {
    /// The App itself.
    pub async fn app(&self) -> Result<App, GitHubError> {
        self.json(&Identity::App, &Call::get("/app".to_owned())).await
    }

    /// All installations of the App.
    pub async fn installations(&self) -> Result<Vec<InstallationDetails>, GitHubError> {
        self.pages(&Identity::App, Call::get("/app/installations?per_page=100".to_owned()), |page| page).await
    }

    /// One installation; asks nothing yet.
    pub fn installation(&self, id: InstallationId) -> Installation {
        Installation { github: self.clone(), id }
    }
}

/// No configuration is longer.
const LONGEST_FILE: usize = 1024 * 1024;

/// One installation of the App.
#[derive(Debug, Clone)]
pub struct Installation {
    github: GitHub,
    id: InstallationId,
}

impl Installation {
    /// Its id.
    pub fn id(&self) -> InstallationId {
        self.id
    }

    /// All repositories that its owner gave it.
    pub async fn repositories(&self) -> Result<Vec<RepoDetails>, GitHubError> {
        let identity = Identity::Installation(Scope { installation: self.id, reach: Reach::Metadata });
        let call = Call::get("/installation/repositories?per_page=100".to_owned());
        self.github.pages(&identity, call, |page: RepositoriesPage| page.repositories).await
    }

    /// Reads something that needs no permission beyond that to look around.
    pub(super) async fn looking_around<T: serde::de::DeserializeOwned>(&self, call: &Call) -> Result<T, GitHubError> {
        let identity = Identity::Installation(Scope { installation: self.id, reach: Reach::Metadata });
        self.github.json(&identity, call).await
    }

    /// A token that reads the owner's packages; `None` where the installation does not grant that, or GitHub does not
    /// answer now.
    pub async fn packages_token(&self) -> Option<SecretString> {
        let scope = Scope { installation: self.id, reach: Reach::Packages };
        match self.github.token(&scope).await {
            Ok(token) => Some(token.secret),
            Err(error) => {
                tracing::debug!(installation = self.id.0, %error, "no token for packages");
                None
            }
        }
    }

    /// A file of another repository, on its default branch; `None` where it is not there or the installation does not
    /// reach it.
    pub async fn file(&self, repo: &RepoName, at: &str) -> Result<Option<Vec<u8>>, GitHubError> {
        let parts: Vec<&str> =
            ["repos", repo.owner(), repo.name(), "contents"].into_iter().chain(at.split('/')).collect();
        let call = Call::get(path(&parts)).raw().at_most(LONGEST_FILE);
        let identity = Identity::Installation(Scope { installation: self.id, reach: Reach::Contents });
        match self.github.call(&identity, &call).await {
            Ok(answer) => Ok(Some(answer.body.to_vec())),
            Err(GitHubError::NotFound { .. } | GitHubError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One of its repositories, by a token that reaches no other; asks nothing yet.
    pub fn repository(&self, id: RepoId, name: &RepoName) -> Repo {
        let scope = Scope { installation: self.id, reach: Reach::Repository(id) };
        Repo { github: self.github.clone(), id, name: name.clone(), scope }
    }
}

/// One repository, seen by a token that reaches no other.
#[derive(Debug, Clone)]
pub struct Repo {
    github: GitHub,
    id: RepoId,
    name: RepoName,
    scope: Scope,
}

impl Repo {
    /// Its id.
    pub fn id(&self) -> RepoId {
        self.id
    }

    /// Its name, as the handle was made; GitHub redirects from an old one.
    pub fn name(&self) -> &RepoName {
        &self.name
    }

    /// Its present name, default branch and state.
    pub async fn details(&self) -> Result<RepoDetails, GitHubError> {
        self.json(&Call::get(self.path(&[]))).await
    }

    /// A file at a commit; `None` where it is not there.
    pub async fn file_at(&self, at: &str, commit: &crate::repo::CommitSha) -> Result<Option<Vec<u8>>, GitHubError> {
        let parts: Vec<&str> = std::iter::once("contents").chain(at.split('/')).collect();
        let call = Call::get(format!("{}?ref={commit}", self.path(&parts))).raw().at_most(LONGEST_FILE);
        match self.github().call(&self.identity(), &call).await {
            Ok(answer) => Ok(Some(answer.body.to_vec())),
            Err(GitHubError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether files below `.github/workflows/` may be changed.
    pub async fn workflows_permission(&self) -> Result<WorkflowsPermission, GitHubError> {
        Ok(self.github.token(&self.scope).await?.workflows)
    }

    pub(super) fn github(&self) -> &GitHub {
        &self.github
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::Installation(self.scope.clone())
    }

    /// The same repository by a token for something else.
    pub(super) fn identity_for(&self, reach: Reach) -> Identity {
        Identity::Installation(Scope { reach, ..self.scope.clone() })
    }

    /// A path below `/repos/OWNER/NAME`.
    pub(super) fn path(&self, parts: &[&str]) -> String {
        format!("{}{}", path(&["repos", self.name.owner(), self.name.name()]), path(parts))
    }

    pub(super) async fn json<T: serde::de::DeserializeOwned>(&self, call: &Call) -> Result<T, GitHubError> {
        self.github.json(&self.identity(), call).await
    }
}
