//! A repository at one commit, as far as it matters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::repo::{BlobSha, CommitSha, FileMode, FilePath};

/// The candidate files of a repository at one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The commit.
    pub commit: CommitSha,
    /// The files that a format could read.
    pub files: BTreeMap<FilePath, SnapshotFile>,
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFile {
    /// Its mode, which an edit keeps.
    pub mode: FileMode,
    /// Its content.
    pub blob: BlobSha,
}
