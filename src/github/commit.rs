//! Writing: blobs, trees, commits and branches; and what stands between two commits.
//!
//! A commit is a tree, a commit and a ref: three writes for any number of files. It names neither author nor
//! committer, so that GitHub signs it for the App and shows it as Verified.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::app::{Account, Repo, known_account};
use super::error::{GitHubError, optional};
use super::graphql::UPDATE_REF;
use super::transport::{Call, encode_ref, percent_encode};
use crate::repo::{BlobSha, BranchName, CommitSha, FileMode, FilePath, ObjectSha, TreeSha};

/// The bytes of a list of branches.
const REFS_LIMIT: usize = 16 * 1024 * 1024;

/// One file of a new tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Where it lies.
    pub path: FilePath,
    /// Its mode: the one it has.
    pub mode: FileMode,
    /// What becomes of it.
    pub content: NewContent,
}

/// What becomes of a file in a new tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewContent {
    /// This text; needs no write of its own.
    Text(String),
    /// A blob that is there, from [`Repo::create_blob`].
    Blob(BlobSha),
    /// The file goes.
    Delete,
}

/// How a branch may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only forward: what is there stays.
    FastForward,
    /// To any commit.
    Force,
}

/// What became of a branch's creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BranchCreation {
    /// It is new.
    Created,
    /// A branch of this name is there, wherever it points.
    AlreadyThere,
}

/// What became of a branch that was to be moved or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BranchMove {
    /// It is where it should be.
    Done,
    /// Somebody else moved it meanwhile: it was left alone.
    Elsewhere,
}

/// How git writes that there is no object.
const NOTHING: &str = "0000000000000000000000000000000000000000";

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitDetails {
    /// Its sha.
    pub sha: CommitSha,
    /// The tree it holds.
    pub tree: TreeSha,
    /// What it follows.
    pub parents: Vec<CommitSha>,
    /// Its message.
    pub message: String,
}

/// What one commit has that another has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// How many commits `head` has beyond the common ancestor.
    pub ahead_by: u64,
    /// How many commits `base` has beyond the common ancestor.
    pub behind_by: u64,
    /// The common ancestor.
    pub merge_base: CommitSha,
    /// The commits that `head` is ahead by, oldest first; at most the first hundred.
    pub commits: Vec<AheadCommit>,
}

/// One commit that a branch is ahead by, and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AheadCommit {
    /// Its sha.
    pub sha: CommitSha,
    /// The author's account; `None` where the address belongs to none.
    pub author: Option<Account>,
    /// The committer's account; GitHub itself (`web-flow`) for commits made by the API.
    pub committer: Option<Account>,
    /// Whether GitHub verified its signature.
    pub verified: bool,
    /// Its message.
    pub message: String,
}

#[derive(Deserialize)]
struct ShaBody {
    sha: ObjectSha,
}

#[derive(Deserialize)]
struct RefBody {
    object: ShaBody,
}

#[derive(Deserialize)]
struct FoundCommit {
    sha: CommitSha,
}

#[derive(Deserialize)]
struct NamedRefBody {
    #[serde(rename = "ref")]
    name: String,
    object: ShaBody,
}

#[derive(Deserialize)]
struct CommitBody {
    sha: CommitSha,
    tree: ShaBody,
    parents: Vec<ShaBody>,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct ComparisonBody {
    ahead_by: u64,
    behind_by: u64,
    merge_base_commit: ShaBody,
    commits: Vec<AheadBody>,
}

#[derive(Deserialize)]
struct AheadBody {
    sha: CommitSha,
    #[serde(default, deserialize_with = "known_account")]
    author: Option<Account>,
    #[serde(default, deserialize_with = "known_account")]
    committer: Option<Account>,
    commit: AheadInner,
}

#[derive(Deserialize)]
struct ListedCommit {
    commit: AheadInner,
}

#[derive(Deserialize)]
struct AheadInner {
    #[serde(default)]
    message: String,
    #[serde(default)]
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Verification {
    verified: bool,
}

impl From<CommitBody> for CommitDetails {
    fn from(body: CommitBody) -> Self {
        let parents = body.parents.into_iter().map(|parent| parent.sha).collect();
        Self { sha: body.sha, tree: body.tree.sha, parents, message: body.message }
    }
}

impl From<AheadBody> for AheadCommit {
    fn from(body: AheadBody) -> Self {
        let AheadBody { sha, author, committer, commit } = body;
        let verified = commit.verification.is_some_and(|verification| verification.verified);
        Self { sha, author, committer, verified, message: commit.message }
    }
}

impl NewEntry {
    fn body(&self) -> Value {
        let (path, mode) = (self.path.as_str(), self.mode.as_str());
        match &self.content {
            NewContent::Text(text) => json!({ "path": path, "mode": mode, "type": "blob", "content": text }),
            NewContent::Blob(sha) => json!({ "path": path, "mode": mode, "type": "blob", "sha": sha }),
            NewContent::Delete => json!({ "path": path, "mode": mode, "type": "blob", "sha": null }),
        }
    }
}

impl Repo {
    /// Where a branch points; `None` where there is no such branch.
    pub async fn branch_head(&self, branch: &BranchName) -> Result<Option<CommitSha>, GitHubError> {
        let path = format!("{}/{}", self.path(&["git", "ref", "heads"]), encode_ref(branch.as_str()));
        match optional(self.json::<RefBody>(&Call::get(path)).await) {
            Ok(body) => Ok(body.map(|body| body.object.sha)),
            // A repository without commits: "Git Repository is empty."
            Err(GitHubError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The branches whose names begin so, and where they point: one request for all.
    pub async fn branches_beginning_with(&self, text: &str) -> Result<Vec<(BranchName, CommitSha)>, GitHubError> {
        let path = format!("{}/{}", self.path(&["git", "matching-refs", "heads"]), encode_ref(text));
        let refs: Vec<NamedRefBody> = match self.json(&Call::get(path).at_most(REFS_LIMIT)).await {
            // A repository without commits: "Git Repository is empty."
            Err(GitHubError::Conflict { .. }) => Vec::new(),
            refs => refs?,
        };
        let named = refs.into_iter().filter_map(|one| {
            let name = one.name.strip_prefix("refs/heads/")?;
            Some((BranchName::parse(name).ok()?, one.object.sha))
        });
        Ok(named.collect())
    }

    /// Makes a branch.
    pub async fn create_branch(&self, branch: &BranchName, at: &CommitSha) -> Result<BranchCreation, GitHubError> {
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": at });
        let call = Call::post(self.path(&["git", "refs"]), body);
        match self.github().call(&self.identity(), &call).await {
            Ok(_) => Ok(BranchCreation::Created),
            Err(error) if error.says("Reference already exists") => Ok(BranchCreation::AlreadyThere),
            Err(error) => Err(error),
        }
    }

    /// Moves a branch.
    ///
    /// # Errors
    /// [`GitHubError::Unprocessable`] where it is no fast-forward, or there is no such branch.
    pub async fn update_branch(
        &self,
        branch: &BranchName,
        to: &CommitSha,
        mode: UpdateMode,
    ) -> Result<(), GitHubError> {
        let body = json!({ "sha": to, "force": mode == UpdateMode::Force });
        self.github().call(&self.identity(), &Call::patch(self.branch_path(branch), body)).await?;
        Ok(())
    }

    /// Moves a branch from where it was seen to any commit, or (`None`) removes it. Whoever pushed meanwhile wins: in
    /// one step where GitHub's GraphQL can do it, else it is looked at once more just before.
    pub async fn move_branch(
        &self,
        branch: &BranchName,
        from: &CommitSha,
        to: Option<&CommitSha>,
    ) -> Result<BranchMove, GitHubError> {
        if self.move_ref(branch, from, to).await? == BranchMove::Done {
            return Ok(BranchMove::Done);
        }
        let head = self.branch_head(branch).await?;
        if head.as_ref() == to {
            return Ok(BranchMove::Done);
        }
        if head.as_ref() != Some(from) {
            return Ok(BranchMove::Elsewhere);
        }
        match to {
            Some(to) => self.update_branch(branch, to, UpdateMode::Force).await?,
            None => self.delete_branch(branch).await?,
        }
        Ok(BranchMove::Done)
    }

    async fn move_ref(
        &self,
        branch: &BranchName,
        from: &CommitSha,
        to: Option<&CommitSha>,
    ) -> Result<BranchMove, GitHubError> {
        let node = self.details().await?.node;
        let after = to.map_or(NOTHING, CommitSha::as_str);
        let variables = json!({ "id": node, "name": format!("refs/heads/{branch}"), "before": from, "after": after });
        match self.graphql::<Value>(UPDATE_REF, &variables).await {
            Ok(_) => Ok(BranchMove::Done),
            // It moved, or this GitHub does not know the mutation.
            Err(GitHubError::Unprocessable { .. } | GitHubError::NotFound { .. } | GitHubError::Forbidden { .. }) => {
                Ok(BranchMove::Elsewhere)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a branch, wherever it is; one that is not there is no error.
    pub async fn delete_branch(&self, branch: &BranchName) -> Result<(), GitHubError> {
        match self.github().call(&self.identity(), &Call::delete(self.branch_path(branch))).await {
            Ok(_) | Err(GitHubError::NotFound { .. }) => Ok(()),
            Err(error) if error.says("Reference does not exist") => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn branch_path(&self, branch: &BranchName) -> String {
        format!("{}/{}", self.path(&["git", "refs", "heads"]), encode_ref(branch.as_str()))
    }

    /// Reads a commit.
    pub async fn commit(&self, sha: &CommitSha) -> Result<CommitDetails, GitHubError> {
        let body: CommitBody = self.json(&Call::get(self.path(&["git", "commits", sha.as_str()]))).await?;
        Ok(body.into())
    }

    /// The newest commit, as seen from another, that changed a file; `None` where none did.
    pub async fn newest_change_of(&self, file: &str, from: &CommitSha) -> Result<Option<CommitSha>, GitHubError> {
        let path = percent_encode(file);
        let call = Call::get(format!("{}?path={path}&sha={from}&per_page=1", self.path(&["commits"])));
        let found: Vec<FoundCommit> = self.json(&call).await?;
        Ok(found.into_iter().next().map(|commit| commit.sha))
    }

    /// Stores bytes that are no UTF-8 text; text goes into [`Repo::create_tree`] as it is.
    pub async fn create_blob(&self, content: &[u8]) -> Result<BlobSha, GitHubError> {
        let body = json!({ "content": STANDARD.encode(content), "encoding": "base64" });
        let stored: ShaBody = self.json(&Call::post(self.path(&["git", "blobs"]), body)).await?;
        Ok(stored.sha)
    }

    /// Makes the tree that `base` becomes by `entries`.
    pub async fn create_tree(&self, base: &TreeSha, entries: &[NewEntry]) -> Result<TreeSha, GitHubError> {
        let tree: Vec<Value> = entries.iter().map(NewEntry::body).collect();
        let call = Call::post(self.path(&["git", "trees"]), json!({ "base_tree": base, "tree": tree }));
        // The answer lists the new root folder, which may be long.
        let made: ShaBody = self.json(&call.at_most(48 * 1024 * 1024)).await?;
        Ok(made.sha)
    }

    /// Makes a commit; GitHub signs it for the App.
    pub async fn create_commit(
        &self,
        message: &str,
        tree: &TreeSha,
        parents: &[CommitSha],
    ) -> Result<CommitSha, GitHubError> {
        let body = json!({ "message": message, "tree": tree, "parents": parents });
        let made: ShaBody = self.json(&Call::post(self.path(&["git", "commits"]), body)).await?;
        Ok(made.sha)
    }

    /// The messages of the newest commits of the default branch, the newest first; at most a hundred.
    pub async fn newest_messages(&self, count: u8) -> Result<Vec<String>, GitHubError> {
        let call = Call::get(format!("{}?per_page={}", self.path(&["commits"]), count.min(100)));
        let commits: Vec<ListedCommit> = self.json(&call.at_most(16 * 1024 * 1024)).await?;
        Ok(commits.into_iter().map(|listed| listed.commit.message).collect())
    }

    /// What `head` has that `base` has not: who else wrote to a branch.
    pub async fn compare(&self, base: &CommitSha, head: &CommitSha) -> Result<Comparison, GitHubError> {
        let path = self.path(&["compare", &format!("{base}...{head}")]);
        // Without `page` GitHub adds a diff of every file; the bound leaves room for it.
        let call = Call::get(format!("{path}?per_page=100&page=1")).at_most(32 * 1024 * 1024);
        let body: ComparisonBody = self.json(&call).await?;
        Ok(Comparison {
            ahead_by: body.ahead_by,
            behind_by: body.behind_by,
            merge_base: body.merge_base_commit.sha,
            commits: body.commits.into_iter().map(AheadCommit::from).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_as_github_wants_them() {
        let entry = |content| NewEntry {
            path: FilePath::parse("run.sh").expect("a path"),
            mode: FileMode::Executable,
            content,
        };
        let text = entry(NewContent::Text("#!".to_owned())).body();
        assert_eq!(text, json!({ "path": "run.sh", "mode": "100755", "type": "blob", "content": "#!" }));
        let gone = entry(NewContent::Delete).body();
        assert_eq!(gone, json!({ "path": "run.sh", "mode": "100755", "type": "blob", "sha": null }));
    }

    #[test]
    fn an_address_without_account_is_nobody() {
        let sha = "0".repeat(40);
        let body = |author: &str| format!(r#"{{"sha":"{sha}","author":{author},"commit":{{"message":"m"}}}}"#);
        for author in ["null", "{}"] {
            let commit: AheadBody = serde_json::from_str(&body(author)).expect("a commit");
            assert_eq!(AheadCommit::from(commit).author, None);
        }
        let commit: AheadBody =
            serde_json::from_str(&body(r#"{"id":1,"login":"mona","type":"User"}"#)).expect("a commit");
        assert_eq!(AheadCommit::from(commit).author.map(|author| author.login), Some("mona".to_owned()));
    }
}
