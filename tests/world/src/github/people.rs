//! What people around a repository think and want: reviews, reactions, issues, who may write; and how it merges.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::json;
use super::merge::{Mergeable, Method, mergeable};
use super::model::{Actor, State};

/// The part of a repository that is about people and merging.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// The level of each, besides the owner's.
    pub(crate) collaborators: BTreeMap<String, String>,
    pub(crate) reviews: Vec<Review>,
    pub(crate) required_reviews: u64,
    pub(crate) requested: BTreeMap<u64, Vec<String>>,
    pub(crate) assigned: BTreeMap<u64, Vec<String>>,
    /// Comment, and what was answered.
    pub(crate) reactions: Vec<(u64, String)>,
    pub(crate) issues: BTreeMap<u64, Issue>,
    /// Checks of the App's own.
    pub(crate) own_runs: Vec<OwnRun>,
    /// Runs that were asked for again.
    pub(crate) rerun: Vec<u64>,
    /// Tag and text, the newest first.
    pub(crate) releases: Vec<(String, String)>,
    /// Whether a head must hold its base.
    pub(crate) strict: bool,
    /// Names that GitHub does not take as reviewers.
    pub(crate) unknown_reviewers: Vec<String>,
    /// Jobs of Actions that were asked for again.
    pub(crate) rerun_jobs: Vec<u64>,
    pub(crate) merge_queue: bool,
    pub(crate) queued: Vec<u64>,
    pub(crate) offers_auto_merge: bool,
    pub(crate) auto_merge: BTreeMap<u64, Method>,
}

#[derive(Debug, Clone)]
pub(crate) struct Review {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) login: String,
    pub(crate) state: String,
    pub(crate) at: String,
    pub(crate) commit: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) open: bool,
    pub(crate) author: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) edits: usize,
}

/// A check of the App's own, as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRun {
    /// Its id.
    pub id: u64,
    /// The commit.
    pub sha: String,
    /// Its name.
    pub name: String,
    /// How it ended.
    pub conclusion: String,
    /// Its title.
    pub title: String,
    /// Its text.
    pub summary: String,
    /// Path, line and message of what it says at files.
    pub annotations: Vec<(String, u64, String)>,
    /// The columns of these.
    pub columns: Vec<u64>,
}

impl State {
    pub(crate) fn review(&mut self, repo: u64, number: u64, login: &str, state: &str) {
        self.user_id(login);
        let (id, at) = (self.id(), self.clock.rfc3339());
        let held = self.repo(repo);
        let Some(pull) = held.pulls.get(&number) else { return };
        let commit = held.head_of(pull);
        let review = Review { id, number, login: login.to_owned(), state: state.to_owned(), at, commit };
        let shown = self.review_json(repo, &review);
        let action = if state == "DISMISSED" { "dismissed" } else { "submitted" };
        let payload = json!({
            "action": action, "review": shown, "pull_request": json::pull(self, self.repo(repo), &self.repo(repo).pulls[&number]),
        });
        self.repo_mut(repo).people.reviews.push(review);
        self.emit_repo("pull_request_review", repo, payload, &Actor::Person(login.to_owned()));
        self.run_auto_merge(repo);
    }

    pub(crate) fn review_json(&self, repo: u64, it: &Review) -> Value {
        let held = self.repo(repo);
        let pull = format!("{}/repos/{}/pulls/{}", self.base, held.full_name(), it.number);
        let html = format!("https://github.com/{}/pull/{}#pullrequestreview-{}", held.full_name(), it.number, it.id);
        json!({
            "id": it.id, "node_id": json::node("PullRequestReview", it.id), "user": json::user(self, &it.login),
            "body": "", "state": it.state, "html_url": html, "pull_request_url": pull, "submitted_at": it.at,
            "commit_id": it.commit, "author_association": "MEMBER",
            "_links": { "html": { "href": html }, "pull_request": { "href": pull } },
        })
    }

    pub(crate) fn issue_json(&self, repo: u64, it: &Issue) -> Value {
        let name = self.repo(repo).full_name();
        let url = format!("{}/repos/{name}/issues/{}", self.base, it.number);
        json!({
            "id": it.id, "node_id": json::node("Issue", it.id), "number": it.number, "title": it.title, "body": it.body,
            "url": url, "html_url": format!("https://github.com/{name}/issues/{}", it.number),
            "repository_url": format!("{}/repos/{name}", self.base), "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"), "events_url": format!("{url}/events"),
            "timeline_url": format!("{url}/timeline"), "state": if it.open { "open" } else { "closed" },
            "state_reason": null, "locked": false, "active_lock_reason": null, "user": json::user(self, &it.author),
            "labels": [], "assignee": null, "assignees": [], "milestone": null, "comments": 0,
            "created_at": it.created_at, "updated_at": it.updated_at, "closed_at": null,
            "author_association": "NONE", "performed_via_github_app": null,
        })
    }

    /// Changes an issue's text, with the event.
    pub(crate) fn edit_issue(&mut self, repo: u64, number: u64, body: &str, by: &Actor) {
        let now = self.clock.rfc3339();
        let Some(issue) = self.repo_mut(repo).people.issues.get_mut(&number) else { return };
        let before = std::mem::replace(&mut issue.body, body.to_owned());
        issue.updated_at = now;
        issue.edits += 1;
        let issue = issue.clone();
        let payload = json!({
            "action": "edited", "issue": self.issue_json(repo, &issue), "changes": { "body": { "from": before } },
        });
        self.emit_repo("issues", repo, payload, by);
    }

    /// Merges what GitHub was asked to merge as soon as it can.
    pub(crate) fn run_auto_merge(&mut self, repo: u64) {
        let asked: Vec<(u64, Method)> = self.repo(repo).people.auto_merge.iter().map(|(n, how)| (*n, *how)).collect();
        for (number, how) in asked {
            let held = self.repo(repo);
            let clean = held.pulls.get(&number).is_some_and(|pull| matches!(mergeable(held, pull), Mergeable::Clean));
            if clean {
                self.repo_mut(repo).people.auto_merge.remove(&number);
                self.merge(repo, number, (how, format!("Merge #{number}")), &Actor::App);
            }
        }
    }
}
