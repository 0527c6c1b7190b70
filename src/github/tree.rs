//! Reading: trees, the list of all files of a commit, the bytes of one file.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::Deserialize;

use super::app::Repo;
use super::error::GitHubError;
use super::transport::Call;
use crate::repo::{BlobSha, CommitSha, FileMode, FilePath, ObjectSha, TreeSha};

/// GitHub's own limit is 7 MB; the bound leaves room for a GitHub Enterprise Server's.
const TREE_LIMIT: usize = 48 * 1024 * 1024;
/// How many requests the walk of a tree over GitHub's limit may cost.
const MAX_WALK: usize = 400;
/// How many files a list holds at most.
const MAX_FILES: usize = 1_000_000;

/// One tree, with all below it where it was read recursively.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Its sha as GitHub gives it.
    pub sha: ObjectSha,
    /// What it holds, in git's order; entries whose path or mode git itself would refuse are left out.
    pub entries: Vec<TreeEntry>,
    /// Whether GitHub left entries out because there are too many.
    pub truncated: bool,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The path, relative to the tree that was read.
    pub path: FilePath,
    /// What it is.
    pub kind: EntryKind,
    /// The sha of the blob, the tree or the submodule's commit.
    pub sha: ObjectSha,
    /// The size in bytes, of files.
    pub size: Option<u64>,
}

/// What a tree's entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A file, or a symbolic link.
    File(FileMode),
    /// A folder.
    Folder,
    /// Another repository's commit.
    Submodule,
}

/// All files of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileList {
    /// The files, by path.
    pub files: Vec<ListedFile>,
    /// Why files are missing, where some are.
    pub cut: Option<String>,
}

/// One file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Where it lies.
    pub path: FilePath,
    /// Its mode; an edit keeps it.
    pub mode: FileMode,
    /// The sha of its content.
    pub sha: BlobSha,
    /// Its size in bytes, where GitHub says so.
    pub size: Option<u64>,
}

#[derive(Deserialize)]
struct TreeBody {
    sha: ObjectSha,
    tree: Vec<EntryBody>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct EntryBody {
    path: String,
    mode: String,
    sha: ObjectSha,
    #[serde(default)]
    size: Option<u64>,
}

impl EntryBody {
    fn entry(self) -> Option<TreeEntry> {
        let kind = match self.mode.as_str() {
            "040000" => EntryKind::Folder,
            "160000" => EntryKind::Submodule,
            mode => EntryKind::File(FileMode::from_git(mode)?),
        };
        Some(TreeEntry { path: FilePath::parse(&self.path).ok()?, kind, sha: self.sha, size: self.size })
    }
}

/// How far down a tree is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    One,
    All,
}

impl Repo {
    /// A tree with everything below it, by one request; `sha` may be a commit's.
    ///
    /// # Errors
    /// [`GitHubError::Conflict`] where the repository is empty.
    pub async fn tree(&self, sha: &ObjectSha) -> Result<Tree, GitHubError> {
        self.read_tree(sha, Depth::All).await
    }

    async fn read_tree(&self, sha: &ObjectSha, depth: Depth) -> Result<Tree, GitHubError> {
        let query = match depth {
            Depth::One => "",
            Depth::All => "?recursive=1",
        };
        let path = format!("{}{query}", self.path(&["git", "trees", sha.as_str()]));
        let body: TreeBody = self.json(&Call::get(path).at_most(TREE_LIMIT)).await?;
        let entries = body.tree.into_iter().filter_map(EntryBody::entry).collect();
        Ok(Tree { sha: body.sha, entries, truncated: body.truncated })
    }

    /// All files of a commit: one request, or a walk through the folders where GitHub's limit cuts the tree.
    pub async fn list_files(&self, commit: &CommitSha) -> Result<FileList, GitHubError> {
        let whole = self.tree(commit).await?;
        let mut list = FileList { files: Vec::new(), cut: None };
        if whole.truncated {
            self.walk(commit, &mut list).await?;
        } else {
            list.take("", whole);
        }
        list.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(list)
    }

    /// Reads each folder whole; where that is too much, its own entries, and its folders in turn.
    async fn walk(&self, root: &TreeSha, list: &mut FileList) -> Result<(), GitHubError> {
        let mut left = VecDeque::from([(String::new(), root.clone(), Depth::One)]);
        for _ in 0..MAX_WALK {
            let Some((folder, sha, depth)) = left.pop_front() else { return Ok(()) };
            let tree = self.read_tree(&sha, depth).await?;
            match (depth, tree.truncated) {
                (Depth::All, true) => left.push_back((folder, sha, Depth::One)),
                (Depth::All, false) => list.take(&folder, tree),
                (Depth::One, truncated) => {
                    let folders = tree.entries.iter().filter(|entry| entry.kind == EntryKind::Folder);
                    left.extend(folders.map(|entry| (below(&folder, &entry.path), entry.sha.clone(), Depth::All)));
                    if truncated {
                        list.cut = Some(format!("GitHub lists only a part of the folder {folder:?}"));
                    }
                    list.take(&folder, tree);
                }
            }
            if list.files.len() > MAX_FILES {
                break;
            }
        }
        if !left.is_empty() {
            list.cut = Some(format!("the repository has too many files; {} were listed", list.files.len()));
        }
        Ok(())
    }

    /// The bytes of a file, at most `limit` of them; its content is proven by its sha.
    ///
    /// # Errors
    /// [`GitHubError::TooLarge`] where it is larger.
    pub async fn blob(&self, sha: &BlobSha, limit: usize) -> Result<Bytes, GitHubError> {
        let call = Call::get(self.path(&["git", "blobs", sha.as_str()])).raw().at_most(limit);
        let answer = self.github().call(&self.identity(), &call).await?;
        if is_content_of(sha, &answer.body) {
            Ok(answer.body)
        } else {
            Err(GitHubError::retry(&call, "the content is not the one that the sha names"))
        }
    }
}

impl FileList {
    fn take(&mut self, folder: &str, tree: Tree) {
        self.files.extend(tree.entries.into_iter().filter_map(|entry| {
            let EntryKind::File(mode) = entry.kind else { return None };
            let path = FilePath::parse(&below(folder, &entry.path)).ok()?;
            Some(ListedFile { path, mode, sha: entry.sha, size: entry.size })
        }));
    }
}

fn below(folder: &str, path: &FilePath) -> String {
    if folder.is_empty() { path.to_string() } else { format!("{folder}/{path}") }
}

/// Whether git names this content so: what is kept by sha for ever must not come from a cut answer.
pub(super) fn is_content_of(sha: &BlobSha, content: &[u8]) -> bool {
    let algorithm = match sha.as_str().len() {
        40 => &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        _ => &aws_lc_rs::digest::SHA256,
    };
    let mut hash = aws_lc_rs::digest::Context::new(algorithm);
    hash.update(format!("blob {}\0", content.len()).as_bytes());
    hash.update(content);
    hex::encode(hash.finish()) == sha.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_checked_as_git_hashes_it() {
        // `printf 'hello\n' | git hash-object --stdin`
        let sha = BlobSha::parse("ce013625030ba8dba906f756967f9e9ca394464a").expect("a sha");
        assert!(is_content_of(&sha, b"hello\n"));
        assert!(!is_content_of(&sha, b"hello"));
    }

    #[test]
    fn entries_that_no_edit_may_touch_are_told_apart() {
        let entry = |path: &str, mode: &str| {
            let sha = ObjectSha::parse(&"0".repeat(40)).expect("a sha");
            EntryBody { path: path.to_owned(), mode: mode.to_owned(), sha, size: None }.entry().map(|entry| entry.kind)
        };
        assert_eq!(entry("a", "100755"), Some(EntryKind::File(FileMode::Executable)));
        assert_eq!(entry("a", "120000"), Some(EntryKind::File(FileMode::Symlink)));
        assert_eq!(entry("a", "160000"), Some(EntryKind::Submodule));
        assert_eq!(entry("a", "040000"), Some(EntryKind::Folder));
        assert_eq!(entry("a", "100000"), None);
        assert_eq!(entry("../a", "100644"), None);
    }
}
