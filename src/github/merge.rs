//! Merging: what the base branch demands, and the ways to merge.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::app::Repo;
use super::error::{GitHubError, optional};
use super::graphql::{ENABLE_AUTO_MERGE, ENQUEUE_PULL};
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
}

#[derive(Deserialize)]
struct ContextBody {
    context: String,
}

#[derive(Deserialize)]
struct BranchBody {
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
        let told: Vec<RuleBody> = self.github().pages(&self.identity(), call, |page| page).await?;
        for rule in told {
            match rule.kind.as_str() {
                "required_status_checks" => {
                    let names = rule.parameters.required_status_checks.into_iter().map(|check| check.context);
                    rules.required_checks.extend(names);
                }
                "pull_request" => {
                    rules.reviews = rules.reviews.max(rule.parameters.required_approving_review_count);
                }
                "merge_queue" => rules.queue = true,
                _ => {}
            }
        }
        let path = format!("{}/{}", self.path(&["branches"]), encode_ref(branch.as_str()));
        let branch: Option<BranchBody> = optional(self.json(&Call::get(path)).await)?;
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
}
