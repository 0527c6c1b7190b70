//! What a test does with a repository, and what it looks at.

use std::sync::MutexGuard;

use serde_json::json as object;

use super::change::Opening;
use super::git::{Change, Commit, Git};

use super::merge::Method;
use super::model::{APP_LOGIN, Actor, Pull, Repo, State};
use super::server::{Held, lock};

/// A repository about to be made.
#[derive(Debug)]
pub struct RepositoryBuilder {
    state: Held,
    owner: String,
    name: String,
    branch: String,
    private: bool,
    files: Vec<(String, Vec<u8>, &'static str)>,
}

impl RepositoryBuilder {
    pub(super) fn new(state: Held, full_name: &str) -> Self {
        let (owner, name) = full_name.split_once('/').expect("a repository's name is owner/name");
        let (owner, name) = (owner.to_owned(), name.to_owned());
        Self { state, owner, name, branch: "main".to_owned(), private: true, files: Vec::new() }
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.as_bytes().to_vec(), "100644"));
        self
    }

    /// Adds a file of any bytes.
    #[must_use]
    pub fn bytes(mut self, path: &str, content: &[u8]) -> Self {
        self.files.push((path.to_owned(), content.to_vec(), "100644"));
        self
    }

    /// Adds an executable file.
    #[must_use]
    pub fn script(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.as_bytes().to_vec(), "100755"));
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.files.push((path.to_owned(), target.as_bytes().to_vec(), "120000"));
        self
    }

    /// Names the default branch, `main` otherwise.
    #[must_use]
    pub fn default_branch(mut self, name: &str) -> Self {
        name.clone_into(&mut self.branch);
        self
    }

    /// Makes it readable for everybody.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.private = false;
        self
    }

    /// Makes it, with one commit of a person on the default branch; no event is sent.
    pub fn create(self) -> Repository {
        let mut state = lock(&self.state);
        state.user_id(&self.owner);
        let id = state.id();
        let git = Git::init(&state.dir.join(format!("{id}.git")));
        let blob = |(path, bytes, mode): &(String, Vec<u8>, &str)| Change {
            path: path.clone(),
            mode: (*mode).to_owned(),
            sha: Some(git.store_blob(bytes)),
        };
        let changes: Vec<Change> = self.files.iter().map(blob).collect();
        let tree = git.tree(None, &changes).expect("the files make a tree");
        let author = state.person("octocat");
        let message = "First commit".to_owned();
        let first = Commit { tree, parents: Vec::new(), committer: author.clone(), author, message };
        let sha = git.store_commit(&first);
        git.set_ref(&format!("refs/heads/{}", self.branch), &sha);
        let created_at = state.clock.rfc3339();
        let repo = Repo {
            id,
            owner: self.owner,
            name: self.name,
            default_branch: self.branch,
            private: self.private,
            archived: false,
            git,
            created_at,
            next_number: 1,
            pulls: Default::default(),
            comments: Vec::new(),
            suites: Vec::new(),
            statuses: Vec::new(),
            labels: Default::default(),
            verified: Default::default(),
            ci: false,
            truncated_trees: false,
            required_checks: Vec::new(),
            people: Default::default(),
        };
        state.repos.insert(id, repo);
        drop(state);
        Repository { state: self.state, id }
    }
}

/// A pull request as a test looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullView {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its body, empty where there is none.
    pub body: String,
    /// `open`, `closed` or `merged`.
    pub state: &'static str,
    /// The branch that it brings.
    pub head: String,
    /// The head's commit.
    pub head_sha: String,
    /// The branch that it goes to.
    pub base: String,
    /// Who opened it.
    pub author: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whether the head's commit is signed.
    pub verified: bool,
    /// Whether it is a draft.
    pub draft: bool,
}

/// A repository in a test's hand.
#[derive(Debug, Clone)]
pub struct Repository {
    state: Held,
    id: u64,
}

/// What people do.
impl Repository {
    pub(super) fn new(state: Held, id: u64) -> Self {
        Self { state, id }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Commits files of a person to a branch (made off the default branch where it is missing); the commit's sha.
    ///
    /// # Panics
    /// Where the files make no tree.
    pub fn commit_as_person(&self, branch: &str, files: &[(&str, &str)], message: &str) -> String {
        let files: Vec<_> = files.iter().map(|(path, content)| (*path, Some(*content))).collect();
        self.commit_as("octocat", branch, &files, message)
    }

    /// Commits as somebody; `None` deletes a file.
    ///
    /// # Panics
    /// Where the files make no tree.
    pub fn commit_as(&self, login: &str, branch: &str, files: &[(&str, Option<&str>)], message: &str) -> String {
        let mut state = self.state();
        state.user_id(login);
        let author = state.person(login);
        let repo = state.repo(self.id);
        let tip = repo.git.branch(branch).or_else(|| repo.git.branch(&repo.default_branch));
        let parent = tip.expect("the default branch is there");
        let old = repo.git.list(&parent, &["-r"]);
        let change = |(path, content): &(&str, Option<&str>)| Change {
            path: (*path).to_owned(),
            mode: old.iter().find(|it| it.path == *path).map_or("100644", |it| it.mode.as_str()).to_owned(),
            sha: content.map(|content| repo.git.store_blob(content.as_bytes())),
        };
        let changes: Vec<Change> = files.iter().map(change).collect();
        let tree = repo.git.tree(Some(&parent), &changes).expect("the files make a tree");
        let message = message.to_owned();
        let commit = Commit { tree, parents: vec![parent], committer: author.clone(), author, message };
        let sha = repo.git.store_commit(&commit);
        state.move_ref(self.id, &format!("refs/heads/{branch}"), Some(&sha), &Actor::Person(login.to_owned()));
        sha
    }

    /// A person amends the newest commit of a branch: its author, message and parents stay, its committer is theirs.
    ///
    /// # Panics
    /// Where the branch is not there, or the files make no tree.
    pub fn amend_as_person(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let mut state = self.state();
        let committer = state.person("octocat");
        let repo = state.repo(self.id);
        let old = repo.git.commit(&repo.git.branch(branch).expect("a branch")).expect("a commit");
        let change = |(path, content): &(&str, &str)| Change {
            path: (*path).to_owned(),
            mode: "100644".to_owned(),
            sha: Some(repo.git.store_blob(content.as_bytes())),
        };
        let changes: Vec<Change> = files.iter().map(change).collect();
        let tree = repo.git.tree(old.parents.first().map(String::as_str), &changes).expect("the files make a tree");
        let sha = repo.git.store_commit(&Commit { tree, committer, ..old });
        state.move_ref(self.id, &format!("refs/heads/{branch}"), Some(&sha), &person("octocat"));
        sha
    }

    /// Moves a branch to any commit.
    pub fn force_push(&self, branch: &str, sha: &str) {
        self.state().move_ref(self.id, &format!("refs/heads/{branch}"), Some(sha), &person("octocat"));
    }

    /// Deletes a branch; pull requests from it close.
    pub fn delete_branch(&self, branch: &str) {
        self.state().move_ref(self.id, &format!("refs/heads/{branch}"), None, &person("octocat"));
    }

    /// Opens a pull request as a person; its number.
    pub fn open_pull(&self, head: &str, base: &str, title: &str) -> u64 {
        let (head, base, title) = (head.to_owned(), base.to_owned(), title.to_owned());
        let opening = Opening { title, body: None, head, base, draft: false };
        self.state().open_pull(self.id, opening, &person("octocat"))
    }

    /// Closes a pull request as a person.
    pub fn close_pull(&self, number: u64) {
        self.state().close(self.id, number, &person("octocat"));
    }

    /// Opens a closed pull request again, as a person.
    pub fn reopen_pull(&self, number: u64) {
        self.state().reopen(self.id, number, &person("octocat"));
    }

    /// Edits title and body of a pull request as a person.
    pub fn edit_pull(&self, number: u64, title: &str, body: &str) {
        let mut state = self.state();
        let Some(pull) = state.repo_mut(self.id).pulls.get_mut(&number) else { return };
        let changes = object!({ "title": { "from": pull.title }, "body": { "from": pull.body } });
        title.clone_into(&mut pull.title);
        pull.body = Some(body.to_owned());
        state.emit_pull(self.id, number, "edited", object!({ "changes": changes }), &person("octocat"));
    }

    /// Merges a pull request as a person; the merge commit's sha.
    ///
    /// # Panics
    /// Where it conflicts.
    pub fn merge_pull(&self, number: u64) -> String {
        let how = (Method::Merge, format!("Merge pull request #{number}"));
        self.state().merge(self.id, number, how, &person("octocat")).expect("the pull request has no conflict")
    }

    /// Merges a pull request as a person, as one commit.
    ///
    /// # Panics
    /// Where it conflicts.
    pub fn squash_pull(&self, number: u64) {
        let how = (Method::Squash, format!("Squashed #{number}"));
        self.state().merge(self.id, number, how, &person("octocat")).expect("the pull request has no conflict");
    }

    /// Comments on a pull request.
    pub fn comment_as(&self, number: u64, login: &str, text: &str) {
        self.state().comment(self.id, number, &person(login), text);
    }

    /// Merges a pull request as a person, unless it conflicts.
    pub fn merge_pull_if_clean(&self, number: u64) {
        let how = (Method::Merge, format!("Merge pull request #{number}"));
        self.state().merge(self.id, number, how, &person("octocat"));
    }

    /// Publishes a release, newer than those before.
    pub fn release(&self, tag: &str, body: &str) {
        self.state().repo_mut(self.id).people.releases.insert(0, (tag.to_owned(), body.to_owned()));
    }

    /// Comments on a pull request; the comment's id.
    pub fn comment(&self, number: u64, login: &str, text: &str) -> u64 {
        self.state().comment(self.id, number, &person(login), text).id
    }

    /// Edits a comment as a person.
    pub fn edit_comment(&self, comment: u64, text: &str) {
        let mut state = self.state();
        let held = state.repo_mut(self.id).comments.iter_mut().find(|it| it.id == comment);
        let Some(held) = held else { return };
        text.clone_into(&mut held.body);
        let after = held.clone();
        let by = person(&after.author);
        state.emit_comment(self.id, &after, "edited", &by);
    }

    /// Lets somebody do things: `read`, `write` or `admin`.
    pub fn collaborator(&self, login: &str, level: &str) {
        let mut state = self.state();
        state.user_id(login);
        state.repo_mut(self.id).people.collaborators.insert(login.to_owned(), level.to_owned());
    }

    /// Reviews a pull request: `APPROVED`, `CHANGES_REQUESTED`, `DISMISSED`.
    pub fn review(&self, number: u64, login: &str, state: &str) {
        self.state().review(self.id, number, login, state);
    }

    /// Edits an issue's text as a person.
    pub fn edit_issue(&self, number: u64, login: &str, body: &str) {
        self.state().edit_issue(self.id, number, body, &person(login));
    }

    /// Deletes an issue.
    pub fn delete_issue(&self, number: u64) {
        self.state().repo_mut(self.id).people.issues.remove(&number);
    }

    /// Closes a pull request as somebody.
    pub fn close_pull_as(&self, number: u64, login: &str) {
        self.state().close(self.id, number, &person(login));
    }

    /// Archives the repository.
    pub fn archive(&self) {
        self.state().repo_mut(self.id).archived = true;
        self.emit_repository("archived", object!({}));
    }

    /// Takes the repository out of the archive.
    pub fn unarchive(&self) {
        self.state().repo_mut(self.id).archived = false;
        self.emit_repository("unarchived", object!({}));
    }

    /// Gives the repository another name under the same owner.
    pub fn rename(&self, name: &str) {
        let old = std::mem::replace(&mut self.state().repo_mut(self.id).name, name.to_owned());
        self.emit_repository("renamed", object!({ "changes": { "repository": { "name": { "from": old } } } }));
    }

    /// Makes another branch the default one.
    pub fn switch_default_branch(&self, name: &str) {
        let old = std::mem::replace(&mut self.state().repo_mut(self.id).default_branch, name.to_owned());
        self.emit_repository("edited", object!({ "changes": { "default_branch": { "from": old } } }));
    }

    /// Gives the repository to another owner, who has the App too.
    pub fn transfer(&self, owner: &str) {
        let mut state = self.state();
        let id = state.user_id(owner);
        let old = std::mem::replace(&mut state.repo_mut(self.id).owner, owner.to_owned());
        let user = super::json::user(&state, &old);
        drop(state);
        assert!(id > 0, "the new owner is somebody");
        self.emit_repository("transferred", object!({ "changes": { "owner": { "from": { "user": user } } } }));
    }

    /// Lets a pull request go to another branch, as a person.
    pub fn retarget(&self, number: u64, base: &str) {
        let mut state = self.state();
        let Some(pull) = state.repo_mut(self.id).pulls.get_mut(&number) else { return };
        let old = std::mem::replace(&mut pull.base, base.to_owned());
        let changes = object!({ "base": { "ref": { "from": old }, "sha": { "from": pull.base_sha } } });
        state.emit_pull(self.id, number, "edited", object!({ "changes": changes }), &person("octocat"));
    }

    fn emit_repository(&self, action: &str, more: serde_json::Value) {
        let mut payload = more;
        payload["action"] = object!(action);
        self.state().emit_repo("repository", self.id, payload, &person("octocat"));
    }
}

/// The repository's own CI.
impl Repository {
    /// Starts one check suite with one run, `ci`, for every head of a pull request from now on.
    pub fn ci_on(&self) {
        self.state().repo_mut(self.id).ci = true;
    }

    /// Starts no check suites any more.
    pub fn ci_off(&self) {
        self.state().repo_mut(self.id).ci = false;
    }

    /// Starts the checks of an App on a commit; without runs it only says that it may check.
    pub fn start_suite(&self, branch: &str, sha: &str, app: &str, runs: &[&str]) {
        self.state().start_suite(self.id, (branch, sha, super::git::ZERO), app, runs);
    }

    /// Ends one run of a commit; its suite ends with the last one.
    pub fn conclude_run(&self, sha: &str, name: &str, conclusion: &str) {
        self.state().conclude_run(self.id, sha, name, conclusion);
    }

    /// Lets nothing be merged that does not hold its base branch.
    pub fn require_up_to_date(&self) {
        self.state().repo_mut(self.id).people.strict = true;
    }

    /// Names that GitHub takes for no reviewers of this repository.
    pub fn unknown_reviewers(&self, names: &[&str]) {
        self.state().repo_mut(self.id).people.unknown_reviewers = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// The merge queue gives back what waits in it: its checks failed there.
    pub fn fail_merge_queue(&self) {
        let mut state = self.state();
        for number in std::mem::take(&mut state.repo_mut(self.id).people.queued) {
            let why = object!({ "reason": "CI_FAILURE" });
            state.emit_pull(self.id, number, "dequeued", why, &person("github-merge-queue[bot]"));
        }
    }

    /// Ends the checks of a commit, such as `success` or `failure`; how many suites ended.
    pub fn conclude_checks(&self, sha: &str, conclusion: &str) -> usize {
        self.state().conclude(self.id, sha, conclusion)
    }

    /// Sets a status of a commit: `pending`, `success`, `failure` or `error`.
    pub fn set_status(&self, sha: &str, context: &str, state: &str) {
        self.state().add_status(self.id, sha, context, state);
    }

    /// Whether a branch holds a commit.
    pub fn holds(&self, branch: &str, sha: &str) -> bool {
        let state = self.state();
        let git = &state.repo(self.id).git;
        git.branch(branch).is_some_and(|head| git.is_ancestor(sha, &head))
    }

    /// Requires checks of these names on the default branch before a merge.
    pub fn require_checks(&self, names: &[&str]) {
        self.state().repo_mut(self.id).required_checks = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// Requires approving reviews on the default branch before a merge.
    pub fn require_reviews(&self, count: u64) {
        self.state().repo_mut(self.id).people.required_reviews = count;
    }

    /// Gives the default branch a merge queue.
    pub fn merge_queue_on(&self) {
        self.state().repo_mut(self.id).people.merge_queue = true;
    }

    /// What waits in the merge queue.
    pub fn queued(&self) -> Vec<u64> {
        self.state().repo(self.id).people.queued.clone()
    }

    /// Merges what waits in the merge queue.
    pub fn run_merge_queue(&self) {
        let mut state = self.state();
        for number in std::mem::take(&mut state.repo_mut(self.id).people.queued) {
            state.merge(self.id, number, (Method::Merge, format!("Merge #{number}")), &person("github-merge-queue"));
        }
    }

    /// Lets GitHub merge as soon as it can, where it is asked to.
    pub fn auto_merge_on(&self) {
        self.state().repo_mut(self.id).people.offers_auto_merge = true;
    }

    /// What GitHub was asked to merge as soon as it can.
    pub fn auto_merges(&self) -> Vec<u64> {
        self.state().repo(self.id).people.auto_merge.keys().copied().collect()
    }

    /// Jobs of Actions that were asked for again.
    pub fn reruns(&self) -> Vec<u64> {
        self.state().repo(self.id).people.rerun_jobs.clone()
    }

    /// Cuts recursive trees short from now on, as GitHub does with large ones.
    pub fn truncate_trees(&self) {
        self.state().repo_mut(self.id).truncated_trees = true;
    }
}

/// What a test looks at.
impl Repository {
    /// How the App answered a comment: `+1`, `confused` …
    pub fn reactions(&self, comment: u64) -> Vec<String> {
        let state = self.state();
        let all = state.repo(self.id).people.reactions.iter();
        all.filter(|(on, _)| *on == comment).map(|(_, content)| content.clone()).collect()
    }

    /// Number, text and count of edits of each open issue.
    pub fn issues(&self) -> Vec<(u64, String, usize)> {
        let state = self.state();
        let open = state.repo(self.id).people.issues.values().filter(|issue| issue.open);
        open.map(|issue| (issue.number, issue.body.clone(), issue.edits)).collect()
    }

    /// The App's own checks, the oldest first.
    pub fn own_runs(&self) -> Vec<super::people::OwnRun> {
        self.state().repo(self.id).people.own_runs.clone()
    }

    /// Who was asked for a review of a pull request; a team as `team:name`.
    pub fn requested(&self, number: u64) -> Vec<String> {
        self.state().repo(self.id).people.requested.get(&number).cloned().unwrap_or_default()
    }

    /// Who was assigned to a pull request.
    pub fn assigned(&self, number: u64) -> Vec<String> {
        self.state().repo(self.id).people.assigned.get(&number).cloned().unwrap_or_default()
    }

    /// GitHub's id of the repository.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// `owner/name`.
    pub fn full_name(&self) -> String {
        self.state().repo(self.id).full_name()
    }

    /// The commit that a branch points to.
    pub fn head(&self, branch: &str) -> Option<String> {
        self.state().repo(self.id).git.branch(branch)
    }

    /// The names of all branches.
    pub fn branches(&self) -> Vec<String> {
        self.state().repo(self.id).git.branches().into_iter().map(|(name, _)| name).collect()
    }

    /// A file of a branch or commit, as text.
    pub fn read_file(&self, at: &str, path: &str) -> Option<String> {
        self.entry(at, path).map(|(_, text)| text)
    }

    /// A file's mode, such as `100755`.
    pub fn file_mode(&self, at: &str, path: &str) -> Option<String> {
        self.entry(at, path).map(|(mode, _)| mode)
    }

    fn entry(&self, at: &str, path: &str) -> Option<(String, String)> {
        let state = self.state();
        let git = &state.repo(self.id).git;
        let entry = git.list(&git.tree_of(at)?, &["-r"]).into_iter().find(|entry| entry.path == path)?;
        Some((entry.mode, String::from_utf8_lossy(&git.blob(&entry.sha)?).into_owned()))
    }

    /// The messages of a branch's commits, newest first.
    pub fn messages(&self, branch: &str) -> Vec<String> {
        let state = self.state();
        let git = &state.repo(self.id).git;
        let all = git.branch(branch).map(|sha| git.log(&sha)).unwrap_or_default();
        all.iter().filter_map(|sha| git.commit(sha)).map(|commit| commit.message).collect()
    }

    /// All pull requests, by number.
    pub fn pulls(&self) -> Vec<PullView> {
        let state = self.state();
        let repo = state.repo(self.id);
        repo.pulls.values().map(|pull| view(repo, pull)).collect()
    }

    /// One pull request.
    ///
    /// # Panics
    /// Where there is none of this number.
    pub fn pull(&self, number: u64) -> PullView {
        let found = self.pulls().into_iter().find(|pull| pull.number == number);
        found.expect("a pull request of this number is there")
    }

    /// What a pull request changes, as `git diff` writes it.
    ///
    /// # Panics
    /// Where there is none of this number.
    pub fn diff(&self, number: u64) -> String {
        let state = self.state();
        let repo = state.repo(self.id);
        let pull = repo.pulls.get(&number).expect("a pull request of this number is there");
        let head = repo.head_of(pull);
        let base = repo.git.merge_base(&repo.base_of(pull), &head).unwrap_or_else(|| pull.base_sha.clone());
        repo.git.diff(&base, &head)
    }

    /// The comments on a pull request, author and text; the App's are not marked as read.
    pub fn comments(&self, number: u64) -> Vec<(String, String)> {
        let state = self.state();
        let here = state.repo(self.id).comments.iter().filter(|comment| comment.number == number);
        here.map(|comment| (comment.author.clone(), comment.body.clone())).collect()
    }

    /// Reads the App's comments on a pull request that the test has not read yet.
    pub fn read_comments(&self, number: u64) -> Vec<String> {
        let mut state = self.state();
        let all = state.repo_mut(self.id).comments.iter_mut();
        let new = all.filter(|comment| comment.number == number && comment.author == APP_LOGIN && !comment.read);
        new.map(|comment| {
            comment.read = true;
            comment.body.clone()
        })
        .collect()
    }
}

fn person(login: &str) -> Actor {
    Actor::Person(login.to_owned())
}

fn view(repo: &Repo, pull: &Pull) -> PullView {
    let head_sha = repo.head_of(pull);
    let state = match (pull.is_open(), &pull.merged) {
        (true, _) => "open",
        (false, Some(_)) => "merged",
        (false, None) => "closed",
    };
    PullView {
        number: pull.number,
        title: pull.title.clone(),
        body: pull.body.clone().unwrap_or_default(),
        state,
        head: pull.head.clone(),
        draft: pull.draft,
        verified: repo.verified.contains(&head_sha),
        head_sha,
        base: pull.base.clone(),
        author: pull.author.clone(),
        labels: pull.labels.clone(),
    }
}
