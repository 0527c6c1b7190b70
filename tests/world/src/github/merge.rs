//! Whether a pull request can be merged, and the merge itself.

use super::git::Commit;
use super::model::{Pull, Repo, State, WEB_FLOW};

/// What GitHub says of a pull request's merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mergeable {
    Clean,
    /// Checks run or failed, and none of them is required.
    Unstable,
    /// A required check has not succeeded.
    Blocked,
    /// It must be up to date with its base branch, and is not.
    Behind,
    Dirty,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Merge,
    Squash,
    Rebase,
}

pub(crate) fn mergeable(repo: &Repo, pull: &Pull) -> Mergeable {
    if !pull.is_open() {
        return Mergeable::Unknown;
    }
    let (base, head) = (repo.base_of(pull), repo.head_of(pull));
    if repo.git.merge(&base, &head).is_none() {
        return Mergeable::Dirty;
    }
    let here: Vec<_> = repo.suites.iter().filter(|suite| suite.sha == head).collect();
    let green = |conclusion: Option<&str>| matches!(conclusion, Some("success" | "neutral" | "skipped"));
    let passed = |name: &str| {
        let runs = here.iter().flat_map(|suite| &suite.runs).filter(|run| green(run.conclusion.as_deref()));
        let statuses = repo.statuses.iter().filter(|status| status.sha == head && status.state == "success");
        runs.into_iter().any(|run| run.name == name) || statuses.into_iter().any(|status| status.context == name)
    };
    let mut latest = std::collections::BTreeMap::new();
    for review in repo.people.reviews.iter().filter(|review| review.number == pull.number) {
        latest.insert(review.login.as_str(), review.state.as_str());
    }
    let approvals = latest.values().filter(|state| **state == "APPROVED").count() as u64;
    let refused = latest.values().any(|state| *state == "CHANGES_REQUESTED");
    let reviewed = approvals >= repo.people.required_reviews && (repo.people.required_reviews == 0 || !refused);
    let checked = repo.required_checks.iter().all(|name| passed(name));
    if pull.base == repo.default_branch && !(checked && reviewed) {
        Mergeable::Blocked
    } else if pull.base == repo.default_branch && repo.people.strict && !repo.git.is_ancestor(&base, &head) {
        Mergeable::Behind
    } else if here.iter().all(|suite| suite.runs.is_empty() || green(suite.conclusion.as_deref())) {
        Mergeable::Clean
    } else {
        Mergeable::Unstable
    }
}

impl State {
    /// Makes the merge's commit; nothing where it conflicts.
    pub(crate) fn merge_commit(
        &mut self,
        repo: u64,
        pull: &Pull,
        by: &str,
        (method, message): (Method, String),
    ) -> Option<String> {
        let held = self.repo(repo);
        let (base, head) = (held.base_of(pull), held.head_of(pull));
        let tree = held.git.merge(&base, &head)?;
        match method {
            Method::Merge => Some(self.commit_by_github(repo, by, tree, vec![base, head], message)),
            Method::Squash => Some(self.commit_by_github(repo, &pull.author, tree, vec![base], message)),
            Method::Rebase => self.rebased(repo, base, &head),
        }
    }

    fn rebased(&mut self, repo: u64, base: String, head: &str) -> Option<String> {
        let committer = self.person(WEB_FLOW);
        let git = &self.repo(repo).git;
        let mut tip = base;
        for sha in git.log(&format!("{tip}..{head}")).into_iter().rev() {
            let old = git.commit(&sha)?;
            let tree = git.replay(&tip, &sha, old.parents.first()?)?;
            let parents = vec![tip];
            tip = git.store_commit(&Commit { tree, parents, committer: committer.clone(), ..old });
        }
        Some(tip)
    }
}
