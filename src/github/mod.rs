//! GitHub: the App's tokens, the REST calls that Restow makes, and the webhooks it receives.
//!
//! octocrab carries the bytes; tokens, paging, redirects, rate limits and models are Restow's own, because each of
//! octocrab's breaks on something that Restow meets (`docs/dependencies.md`). Nothing here retries a write: a failure
//! says by its [`Disposition`] what the caller may do, and a rate limit met once is obeyed without asking again.
//!
//! ```no_run
//! # async fn example(github: restow::github::GitHub) -> Result<(), restow::github::GitHubError> {
//! use restow::repo::{BranchName, InstallationId, RepoId, RepoName};
//! let name = RepoName::parse("acme/shop").expect("a repository name");
//! let repo = github.installation(InstallationId(7)).repository(RepoId(42), &name);
//! let main = BranchName::parse("main").expect("a branch name");
//! if let Some(head) = repo.branch_head(&main).await? {
//!     let files = repo.list_files(&head).await?;
//! }
//! # Ok(()) }
//! ```

mod app;
mod check;
mod client;
mod commit;
mod deliveries;
mod error;
mod graphql;
mod issue;
mod limits;
pub mod manifest;
mod merge;
mod paging;
mod people;
mod pull;
mod release;
mod tarball;
mod token;
mod transport;
mod tree;
pub mod webhook;

pub use app::{Account, AccountKind, App, Installation, InstallationDetails, Repo, RepoDetails};
pub use check::{Annotation, CheckApp, CheckRun, CheckSuite, CombinedStatus, CommitStatus, Listed, NewCheckRun};
pub use client::{GitHub, GitHubSettings, Timeouts};
pub use commit::{
    AheadCommit, BranchCreation, BranchMove, CommitDetails, Comparison, NewContent, NewEntry, UpdateMode,
};
pub use deliveries::HookDelivery;
pub use error::{Disposition, GitHubError};
pub use graphql::DOCUMENTS;
pub use issue::Issue;
pub use limits::{WriteLedger, WritesInMemory, Written};
pub use merge::{BranchRules, MergeMethod, MergeOutcome};
pub use people::{Access, Reaction, Review};
pub use pull::{Comment, MergeState, NewPull, OpenOrClosed, Pull, PullChange, PullCreation, PullState};
pub use release::Release;
pub use tarball::TarballLimits;
pub use token::WorkflowsPermission;
pub use tree::{EntryKind, FileList, ListedFile, Tree, TreeEntry};
