//! The branches that are brought up to date: the default branch, and what else the rules name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::scan::{self, Configuration, StoredScan};
use super::{JobError, Services};
use crate::formats::Inventory;
use crate::github::Repo;
use crate::plan::{Constraints, Snapshot};
use crate::policy::{Base, BranchPattern, Rules};
use crate::repo::{BranchName, CommitSha};
use crate::store::RepositoryRow;

/// Branches beside the default one: each is a whole repository to read and to plan.
const MOST: usize = 10;

/// A branch that is planned.
pub(super) struct Tree {
    pub(super) base: Base,
    pub(super) snapshot: Snapshot,
    pub(super) inventory: Inventory,
    /// As they hold for this branch.
    pub(super) rules: Rules,
    pub(super) constraints: Constraints,
}

/// What a scan found on the branches beside the default one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Others {
    /// The names and globs by which they were chosen.
    pub(super) wanted: Vec<String>,
    /// By name.
    pub(super) branches: Vec<OtherBranch>,
    /// What matches too and is left out, since there are so many.
    pub(super) left_out: Vec<BranchName>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct OtherBranch {
    pub(super) name: BranchName,
    pub(super) snapshot: Snapshot,
    pub(super) inventory: Inventory,
}

/// Whether a push to this branch may change anything, as far as the last scan knows.
pub(super) fn concerns(before: Option<&StoredScan>, branch: &BranchName) -> bool {
    // What was never scanned is scanned anyway.
    let Some(before) = before else { return false };
    let base = Base::Other(branch.clone());
    before.others.wanted.iter().filter_map(|text| BranchPattern::parse(text).ok()).any(|one| one.matches(&base))
}

/// The names and globs of the rules, but for the default branch's.
pub(super) fn wanted(rules: &Rules) -> Vec<String> {
    let mut wanted: Vec<String> = match rules.enabled.value {
        true => rules.branches().filter(|one| !one.is_default()).map(|one| one.as_str().to_owned()).collect(),
        false => Vec::new(),
    };
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Reads the other branches that the rules name, but those that have not moved.
pub(super) async fn bring(
    services: &Services,
    repo: &Repo,
    row: &RepositoryRow,
    rules: &Rules,
    before: Others,
) -> Result<Others, JobError> {
    let wanted = wanted(rules);
    let mut heads: Vec<(BranchName, CommitSha)> = heads(repo, row, &wanted).await?.into_iter().collect();
    heads.sort_by_key(|(name, _)| std::cmp::Reverse(natural(name.as_str())));
    let left_out = heads.split_off(heads.len().min(MOST)).into_iter().map(|(name, _)| name).collect();
    let mut branches = Vec::new();
    for (name, head) in heads {
        let known = before.branches.iter().find(|known| known.name == name && known.snapshot.commit == head);
        branches.push(match known {
            Some(known) => known.clone(),
            None => read(services, repo, name, head).await?,
        });
    }
    branches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Others { wanted, branches, left_out })
}

async fn read(services: &Services, repo: &Repo, name: BranchName, head: CommitSha) -> Result<OtherBranch, JobError> {
    let gathered = scan::gather(services, repo, head, Configuration::Leave).await?;
    let (snapshot, inventory) = tokio::task::spawn_blocking(move || scan::link(gathered))
        .await
        .map_err(|error| JobError::Permanent(format!("the scan was stopped: {error}")))?;
    tracing::info!(branch = %name, commit = %snapshot.commit, sites = inventory.sites.len(), "scanned");
    Ok(OtherBranch { name, snapshot, inventory })
}

/// Where the branches that are wanted stand: one request for each name, and for each glob.
async fn heads(
    repo: &Repo,
    row: &RepositoryRow,
    wanted: &[String],
) -> Result<BTreeMap<BranchName, CommitSha>, JobError> {
    let mut heads = BTreeMap::new();
    for pattern in wanted.iter().filter_map(|text| BranchPattern::parse(text).ok()) {
        match pattern.plain() {
            Some(name) if name == row.default_branch => {}
            Some(name) => heads.extend(repo.branch_head(&name).await?.map(|head| (name, head))),
            None => heads.extend(repo.branches_beginning_with(pattern.beginning()).await?),
        }
    }
    let patterns: Vec<BranchPattern> = wanted.iter().filter_map(|text| BranchPattern::parse(text).ok()).collect();
    heads.retain(|name, _| {
        let base = Base::Other(name.clone());
        *name != row.default_branch && patterns.iter().any(|pattern| pattern.matches(&base))
    });
    Ok(heads)
}

/// `release/1.10` comes behind `release/1.9`: numbers count as numbers.
fn natural(name: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for c in name.chars() {
        match (c.to_digit(10).map(u128::from), parts.last_mut()) {
            (Some(digit), Some(Part::Number(number))) => *number = number.saturating_mul(10).saturating_add(digit),
            (Some(digit), _) => parts.push(Part::Number(digit)),
            (None, Some(Part::Text(text))) => text.push(c),
            (None, _) => parts.push(Part::Text(c.to_string())),
        }
    }
    parts
}

/// A piece of a branch's name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Text(String),
    Number(u128),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_branches_are_kept() {
        let mut names = ["release/1.9", "release/1.10", "release/2", "next", "release/1"];
        names.sort_by_key(|name| std::cmp::Reverse(natural(name)));
        assert_eq!(names, ["release/2", "release/1.10", "release/1.9", "release/1", "next"]);
    }
}
