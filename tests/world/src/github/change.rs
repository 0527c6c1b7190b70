//! What changes a repository, whoever does it, with the events that follow from it.

use serde_json::{Value, json};

use super::git::ZERO;
use super::json;
use super::merge::Method;
use super::model::{Actor, Comment, Merged, Pull, Run, State, Status, Suite};

/// What a pull request is opened with.
pub(crate) struct Opening {
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) head: String,
    pub(crate) base: String,
    pub(crate) draft: bool,
}

impl State {
    /// Moves, creates or (with `None`) deletes a ref and tells everybody.
    pub(crate) fn move_ref(&mut self, repo: u64, full: &str, to: Option<&str>, by: &Actor) {
        let git = &self.repo(repo).git;
        let before = git.reference(full);
        match to {
            Some(sha) => git.set_ref(full, sha),
            None => git.drop_ref(full),
        }
        if before.as_deref() == to {
            return;
        }
        self.emit_push(repo, full, (before.as_deref(), to), by);
        if let Some(branch) = full.strip_prefix("refs/heads/") {
            match to {
                Some(sha) => self.follow_branch(repo, branch, (before.as_deref(), sha), by),
                None => self.lose_branch(repo, branch, before.as_deref().unwrap_or(ZERO), by),
            }
        }
    }

    fn emit_push(&mut self, repo: u64, full: &str, (before, after): (Option<&str>, Option<&str>), by: &Actor) {
        let held = self.repo(repo);
        let (old, new) = (before.unwrap_or(ZERO), after.unwrap_or(ZERO));
        let forced = before.zip(after).is_some_and(|(a, b)| !held.git.is_ancestor(a, b));
        let name = held.full_name();
        let range = match (before, after) {
            (Some(a), Some(b)) => held.git.log(&format!("{a}..{b}")),
            (None, Some(b)) => vec![b.to_owned()],
            _ => Vec::new(),
        };
        let commits: Vec<Value> = range.iter().rev().map(|sha| pushed_commit(self, repo, sha)).collect();
        let head = after.map_or(Value::Null, |sha| pushed_commit(self, repo, sha));
        let payload = json!({
            "ref": full, "before": old, "after": new, "created": before.is_none(), "deleted": after.is_none(),
            "forced": forced, "base_ref": null, "head_commit": head, "commits": commits,
            "compare": format!("https://github.com/{name}/compare/{old}...{new}"),
            "pusher": { "name": by.login(), "email": self.email(by.login()) },
        });
        self.emit_repo("push", repo, payload, by);
    }

    fn follow_branch(&mut self, repo: u64, branch: &str, (before, sha): (Option<&str>, &str), by: &Actor) {
        let now = self.clock.rfc3339();
        let open = |pull: &&mut Pull| pull.is_open() && pull.head == branch;
        let mut numbers = Vec::new();
        for pull in self.repo_mut(repo).pulls.values_mut().filter(open) {
            sha.clone_into(&mut pull.head_sha);
            pull.updated_at.clone_from(&now);
            numbers.push(pull.number);
        }
        for number in &numbers {
            self.emit_pull(repo, *number, "synchronize", json!({ "before": before, "after": sha }), by);
        }
        if !numbers.is_empty() {
            self.start_checks(repo, branch, sha, before.unwrap_or(ZERO));
        }
    }

    fn lose_branch(&mut self, repo: u64, branch: &str, last: &str, by: &Actor) {
        let open = |pull: &&mut Pull| pull.is_open() && pull.head == branch;
        let pulls = self.repo_mut(repo).pulls.values_mut().filter(open);
        let numbers: Vec<u64> = pulls
            .map(|pull| {
                last.clone_into(&mut pull.head_sha);
                pull.number
            })
            .collect();
        for number in numbers {
            self.close(repo, number, by);
        }
    }

    pub(crate) fn start_checks(&mut self, repo: u64, branch: &str, sha: &str, before: &str) {
        let held = self.repo(repo);
        if !held.ci || held.suites.iter().any(|suite| suite.sha == sha) {
            return;
        }
        self.start_suite(repo, (branch, sha, before), "github-actions", &["ci"]);
    }

    /// Starts the checks of an App on a commit.
    pub(crate) fn start_suite(
        &mut self,
        repo: u64,
        (branch, sha, before): (&str, &str, &str),
        app: &str,
        runs: &[&str],
    ) {
        let (id, now) = (self.id(), self.clock.rfc3339());
        let runs = runs.iter().map(|name| Run { id: self.id(), name: (*name).to_owned(), conclusion: None }).collect();
        let suite = Suite {
            id,
            app: app.to_owned(),
            branch: branch.to_owned(),
            sha: sha.to_owned(),
            before: before.to_owned(),
            conclusion: None,
            created_at: now.clone(),
            updated_at: now,
            runs,
        };
        self.repo_mut(repo).suites.push(suite);
    }

    /// Ends one run of a commit; with the last of its suite the suite ends, and only that is told.
    pub(crate) fn conclude_run(&mut self, repo: u64, sha: &str, name: &str, conclusion: &str) {
        let now = self.clock.rfc3339();
        let mut ended = Vec::new();
        for suite in self.repo_mut(repo).suites.iter_mut().filter(|suite| suite.sha == sha) {
            let Some(run) = suite.runs.iter_mut().find(|run| run.name == name) else { continue };
            run.conclusion = Some(conclusion.to_owned());
            suite.updated_at.clone_from(&now);
            if suite.runs.iter().all(|run| run.conclusion.is_some()) {
                let failed = suite.runs.iter().any(|run| run.conclusion.as_deref() == Some("failure"));
                suite.conclusion = Some(if failed { "failure" } else { "success" }.to_owned());
                ended.push(suite.clone());
            }
        }
        self.tell_ended(repo, &ended);
    }

    fn tell_ended(&mut self, repo: u64, ended: &[Suite]) {
        for suite in ended {
            let payload = json!({ "action": "completed", "check_suite": json::suite(self, self.repo(repo), suite) });
            self.emit_repo("check_suite", repo, payload, &Actor::Person("octocat".to_owned()));
        }
        self.run_auto_merge(repo);
    }

    /// Ends every check suite of a commit; an App that may only read checks hears of this, not of their start.
    pub(crate) fn conclude(&mut self, repo: u64, sha: &str, conclusion: &str) -> usize {
        let now = self.clock.rfc3339();
        let mut ended = Vec::new();
        for suite in self.repo_mut(repo).suites.iter_mut().filter(|suite| suite.sha == sha) {
            suite.conclusion = Some(conclusion.to_owned());
            for run in &mut suite.runs {
                run.conclusion = Some(conclusion.to_owned());
            }
            suite.updated_at.clone_from(&now);
            ended.push(suite.clone());
        }
        self.tell_ended(repo, &ended);
        ended.len()
    }

    pub(crate) fn add_status(&mut self, repo: u64, sha: &str, context: &str, state: &str) {
        let (id, at) = (self.id(), self.clock.rfc3339());
        let status = Status { id, sha: sha.to_owned(), context: context.to_owned(), state: state.to_owned(), at };
        let held = self.repo(repo);
        let branches: Vec<Value> = held.git.branches().into_iter().filter(|(_, head)| head == sha)
            .map(|(name, head)| json!({ "name": name, "commit": { "sha": head, "url": format!("{}/repos/{}/commits/{head}", self.base, held.full_name()) }, "protected": false }))
            .collect();
        let payload = json!({
            "id": id, "sha": sha, "name": held.full_name(), "context": context, "state": state,
            "description": null, "target_url": null, "avatar_url": null, "branches": branches,
            "commit": json::commit(self, held, sha), "created_at": status.at, "updated_at": status.at,
        });
        self.repo_mut(repo).statuses.push(status);
        self.emit_repo("status", repo, payload, &Actor::Person("octocat".to_owned()));
    }

    pub(crate) fn open_pull(&mut self, repo: u64, opening: Opening, by: &Actor) -> u64 {
        let (id, now) = (self.id(), self.clock.rfc3339());
        let author = by.login().to_owned();
        let held = self.repo_mut(repo);
        let number = held.next_number;
        held.next_number += 1;
        let sha = |branch: &str| held.git.branch(branch).unwrap_or_default();
        let (head_sha, base_sha) = (sha(&opening.head), sha(&opening.base));
        let Opening { title, body, head, base, draft } = opening;
        let pull = Pull {
            id,
            number,
            title,
            body,
            author,
            head: head.clone(),
            head_sha: head_sha.clone(),
            base,
            base_sha,
            draft,
            labels: Vec::new(),
            created_at: now.clone(),
            updated_at: now,
            closed_at: None,
            closed_by: None,
            merged: None,
        };
        held.pulls.insert(number, pull);
        self.emit_pull(repo, number, "opened", json!({}), by);
        self.start_checks(repo, &head, &head_sha, ZERO);
        number
    }

    fn freeze(&mut self, repo: u64, number: u64) {
        let held = self.repo(repo);
        let Some(pull) = held.pulls.get(&number) else { return };
        let (head, base, now) = (held.head_of(pull), held.base_of(pull), self.clock.rfc3339());
        if let Some(pull) = self.repo_mut(repo).pulls.get_mut(&number) {
            pull.head_sha = head;
            pull.base_sha = base;
            pull.closed_at = Some(now.clone());
            pull.updated_at = now;
        }
    }

    pub(crate) fn close(&mut self, repo: u64, number: u64, by: &Actor) {
        self.freeze(repo, number);
        self.user_id(by.login());
        if let Some(pull) = self.repo_mut(repo).pulls.get_mut(&number) {
            pull.closed_by = Some(by.login().to_owned());
        }
        self.emit_pull(repo, number, "closed", json!({}), by);
    }

    /// Opens it again, unless its branch is gone, it is merged, or another one from the branch is open.
    pub(crate) fn reopen(&mut self, repo: u64, number: u64, by: &Actor) {
        let held = self.repo(repo);
        let Some(pull) = held.pulls.get(&number) else { return };
        let doubled = held.pulls.values().any(|other| other.is_open() && other.head == pull.head);
        if pull.merged.is_some() || doubled || held.git.branch(&pull.head).is_none() {
            return;
        }
        if let Some(pull) = self.repo_mut(repo).pulls.get_mut(&number) {
            pull.closed_at = None;
        }
        self.emit_pull(repo, number, "reopened", json!({}), by);
    }

    /// Merges; the merge commit's sha, or nothing where it conflicts.
    pub(crate) fn merge(&mut self, repo: u64, number: u64, how: (Method, String), by: &Actor) -> Option<String> {
        let pull = self.repo(repo).pulls.get(&number)?.clone();
        let sha = self.merge_commit(repo, &pull, by.login(), how)?;
        self.freeze(repo, number);
        let (at, who) = (self.clock.rfc3339(), by.login().to_owned());
        if let Some(pull) = self.repo_mut(repo).pulls.get_mut(&number) {
            pull.merged = Some(Merged { at, by: who, sha: sha.clone() });
        }
        self.emit_pull(repo, number, "closed", json!({}), by);
        self.move_ref(repo, &format!("refs/heads/{}", pull.base), Some(&sha), by);
        Some(sha)
    }

    pub(crate) fn comment(&mut self, repo: u64, number: u64, by: &Actor, body: &str) -> Comment {
        self.user_id(by.login());
        let (id, now) = (self.id(), self.clock.rfc3339());
        let comment = Comment {
            id,
            number,
            author: by.login().to_owned(),
            body: body.to_owned(),
            created_at: now.clone(),
            updated_at: now,
            read: false,
        };
        self.repo_mut(repo).comments.push(comment.clone());
        self.emit_comment(repo, &comment, "created", by);
        comment
    }

    pub(crate) fn emit_comment(&mut self, repo: u64, comment: &Comment, action: &str, by: &Actor) {
        let held = self.repo(repo);
        let Some(pull) = held.pulls.get(&comment.number) else { return };
        let payload = json!({
            "action": action, "issue": json::issue(self, held, pull), "comment": json::comment(self, held, comment),
        });
        self.emit_repo("issue_comment", repo, payload, by);
    }

    pub(crate) fn emit_pull(&mut self, repo: u64, number: u64, action: &str, more: Value, by: &Actor) {
        let held = self.repo(repo);
        let Some(pull) = held.pulls.get(&number) else { return };
        let mut payload = json!({ "action": action, "number": number, "pull_request": json::pull(self, held, pull) });
        if let (Value::Object(payload), Value::Object(more)) = (&mut payload, more) {
            payload.extend(more);
        }
        self.emit_repo("pull_request", repo, payload, by);
    }

    /// Queues an event of a repository for the App, where it is installed.
    pub(crate) fn emit_repo(&mut self, event: &str, repo: u64, mut payload: Value, by: &Actor) {
        let Some(installation) = self.installation_of(repo).map(|installation| installation.id) else { return };
        let held = self.repo(repo);
        payload["repository"] = json::repository(self, held);
        if self.organizations.contains(&held.owner) {
            payload["organization"] = organization(self, &held.owner);
        }
        payload["sender"] = json::user(self, by.login());
        payload["installation"] = json!({ "id": installation, "node_id": json::node("Installation", installation) });
        let now = self.clock.rfc3339();
        self.queue.add(event, &payload, &now);
    }
}

fn organization(state: &State, login: &str) -> Value {
    let url = format!("{}/orgs/{login}", state.base);
    let id = state.known_user(login);
    json!({
        "login": login, "id": id, "node_id": json::node("Organization", id), "url": url, "description": null,
        "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events"),
        "hooks_url": format!("{url}/hooks"), "issues_url": format!("{url}/issues"),
        "members_url": format!("{url}/members{{/member}}"),
        "public_members_url": format!("{url}/public_members{{/member}}"),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
    })
}

fn pushed_commit(state: &State, repo: u64, sha: &str) -> Value {
    let repo = state.repo(repo);
    let mut out = json::simple_commit(repo, sha);
    let Some(commit) = repo.git.commit(sha) else { return out };
    let changed = commit.parents.first().map(|parent| repo.git.changed(parent, sha)).unwrap_or_default();
    let of = |status: &str| {
        changed.iter().filter(|file| file.status == status).map(|file| file.path.clone()).collect::<Vec<_>>()
    };
    out["url"] = json!(format!("https://github.com/{}/commit/{sha}", repo.full_name()));
    out["distinct"] = json!(true);
    out["added"] = json!(of("added"));
    out["removed"] = json!(of("removed"));
    out["modified"] = json!(of("modified"));
    out
}
