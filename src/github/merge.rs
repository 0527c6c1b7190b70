//! Merging: what the base branch demands, and the ways to merge.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::app::Repo;
use super::error::{GitHubError, optional};
use super::graphql::{DEQUEUE_PULL, DISABLE_AUTO_MERGE, ENABLE_AUTO_MERGE, ENQUEUE_PULL, IN_QUEUE};
use super::transport::{Call, encode_ref};
use crate::repo::{BranchName, CommitSha, PullNumber};

/// How a pull request gets into its base branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeMethod {
    /// A merge commit.
    Merge,
    /// One commit.
    Squash,
    /// The commits as they are.
    Rebase,
}

/// What became of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeOutcome {
    /// It is merged, as this commit.
    Merged(CommitSha),
    /// GitHub does not let it be merged, and why.
    Blocked(String),
    /// The branch is no longer at the commit that was to be merged.
    HeadMoved,
}

/// What a branch demands of a pull request, by rulesets and by its protection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BranchRules {
    /// The names of the checks that must pass.
    pub required_checks: BTreeSet<String>,
    /// Approving reviews that it must have.
    pub reviews: u64,
    /// Whether it is merged by a queue.
    pub queue: bool,
    /// The ways to merge that its rules allow; `None` where they say nothing.
    pub methods: Option<BTreeSet<String>>,
    /// The commit that it is at.
    pub head: Option<CommitSha>,
}

#[derive(Deserialize)]
struct RuleBody {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    required_status_checks: Vec<ContextBody>,
    required_approving_review_count: u64,
    allowed_merge_methods: Option<BTreeSet<String>>,
}

#[derive(Deserialize)]
struct ContextBody {
    context: String,
}

#[derive(Deserialize)]
struct BranchBody {
    #[serde(default)]
    commit: Option<CommitBody>,
    #[serde(default)]
    protection: ProtectionBody,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ProtectionBody {
    enabled: bool,
    required_status_checks: Option<ProtectedChecks>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ProtectedChecks {
    contexts: Vec<String>,
}

#[derive(Deserialize)]
struct CommitBody {
    sha: CommitSha,
}

#[derive(Deserialize)]
struct QueuedBody {
    node: Option<QueuedNode>,
}

#[derive(Deserialize)]
struct QueuedNode {
    #[serde(default, rename = "isInMergeQueue")]
    queued: bool,
}

#[derive(Deserialize)]
struct MergedBody {
    sha: CommitSha,
}

impl MergeMethod {
    fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

impl Repo {
    /// What a branch demands: its rulesets, and what the branch itself tells of its protection.
    pub async fn branch_rules(&self, branch: &BranchName) -> Result<BranchRules, GitHubError> {
        let mut rules = BranchRules::default();
        let path = format!("{}/{}", self.path(&["rules", "branches"]), encode_ref(branch.as_str()));
        let call = Call::get(format!("{path}?per_page=100"));
        let told: Vec<RuleBody> = match self.github().pages(&self.identity(), call, |page| page).await {
            Ok(told) => told,
            // A private repository on GitHub's free plan has none, and GitHub forbids to ask.
            Err(GitHubError::Forbidden { .. } | GitHubError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        for rule in told {
            match rule.kind.as_str() {
                "required_status_checks" => {
                    let names = rule.parameters.required_status_checks.into_iter().map(|check| check.context);
                    rules.required_checks.extend(names);
                }
                "pull_request" => {
                    rules.reviews = rules.reviews.max(rule.parameters.required_approving_review_count);
                    if let Some(allowed) = rule.parameters.allowed_merge_methods {
                        rules.methods = Some(match rules.methods.take() {
                            Some(before) => before.intersection(&allowed).cloned().collect(),
                            None => allowed,
                        });
                    }
                }
                "merge_queue" => rules.queue = true,
                _ => {}
            }
        }
        let path = format!("{}/{}", self.path(&["branches"]), encode_ref(branch.as_str()));
        let branch: Option<BranchBody> = optional(self.json(&Call::get(path)).await)?;
        rules.head = branch.as_ref().and_then(|branch| branch.commit.as_ref()).map(|commit| commit.sha.clone());
        let protection = branch.map(|branch| branch.protection).filter(|protection| protection.enabled);
        let checks = protection.and_then(|protection| protection.required_status_checks);
        rules.required_checks.extend(checks.map(|checks| checks.contexts).unwrap_or_default());
        Ok(rules)
    }

    /// Merges, if the branch still is at `head`.
    pub async fn merge_pull(
        &self,
        number: PullNumber,
        head: &CommitSha,
        method: MergeMethod,
    ) -> Result<MergeOutcome, GitHubError> {
        let body = json!({ "sha": head, "merge_method": method.as_str() });
        let call = Call::put(self.path(&["pulls", &number.0.to_string(), "merge"]), body);
        match self.json::<MergedBody>(&call).await {
            Ok(merged) => Ok(MergeOutcome::Merged(merged.sha)),
            Err(GitHubError::Conflict { .. }) => Ok(MergeOutcome::HeadMoved),
            Err(GitHubError::NotAllowed { message, .. }) => Ok(MergeOutcome::Blocked(message)),
            Err(error) => Err(error),
        }
    }

    /// Has GitHub merge a pull request (named by its node id) as soon as it can, if it then still is at `head`.
    pub async fn enable_auto_merge(
        &self,
        node: &str,
        head: &CommitSha,
        method: MergeMethod,
    ) -> Result<(), GitHubError> {
        let method = method.as_str().to_uppercase();
        let _: Value = self.graphql(ENABLE_AUTO_MERGE, &json!({ "id": node, "head": head, "method": method })).await?;
        Ok(())
    }

    /// Puts a pull request (named by its node id) into the merge queue, if it still is at `head`.
    pub async fn enqueue_pull(&self, node: &str, head: &CommitSha) -> Result<(), GitHubError> {
        let _: Value = self.graphql(ENQUEUE_PULL, &json!({ "id": node, "head": head })).await?;
        Ok(())
    }

    /// Whether a pull request (named by its node id) is in the merge queue.
    pub async fn is_queued(&self, node: &str) -> Result<bool, GitHubError> {
        let body: QueuedBody = self.graphql(IN_QUEUE, &json!({ "id": node })).await?;
        Ok(body.node.is_some_and(|node| node.queued))
    }

    /// Takes a pull request (named by its node id) out of the merge queue; one that is not in it is no error.
    pub async fn dequeue_pull(&self, node: &str) -> Result<(), GitHubError> {
        self.take_back(DEQUEUE_PULL, node).await
    }

    /// Takes back that GitHub merges a pull request (named by its node id) as soon as it can; one of which nobody asked
    /// that is no error.
    pub async fn disable_auto_merge(&self, node: &str) -> Result<(), GitHubError> {
        self.take_back(DISABLE_AUTO_MERGE, node).await
    }

    async fn take_back(&self, document: &str, node: &str) -> Result<(), GitHubError> {
        match self.graphql::<Value>(document, &json!({ "id": node })).await {
            Ok(_) | Err(GitHubError::Unprocessable { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
