//! What the simulated GitHub knows: accounts, repositories, pull requests, checks, installations, tokens.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use super::delivery::Queue;
use super::fault::Fault;
use super::git::{Commit, Git, Person};
use super::people::People;
use crate::clock::Clock;

pub(crate) const APP_ID: u64 = 4242;
pub(crate) const APP_SLUG: &str = "restow-test";
pub(crate) const APP_LOGIN: &str = "restow-test[bot]";
pub(crate) const WEB_FLOW: &str = "web-flow";

/// Permission names and levels.
pub(crate) type Permissions = BTreeMap<String, String>;

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Actor {
    App,
    Person(String),
}

impl Actor {
    pub(crate) fn login(&self) -> &str {
        match self {
            Self::App => APP_LOGIN,
            Self::Person(login) => login,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) default_branch: String,
    pub(crate) private: bool,
    pub(crate) archived: bool,
    pub(crate) git: Git,
    pub(crate) created_at: String,
    pub(crate) next_number: u64,
    pub(crate) pulls: BTreeMap<u64, Pull>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) suites: Vec<Suite>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) labels: BTreeMap<String, u64>,
    /// Commits that GitHub signed.
    pub(crate) verified: BTreeSet<String>,
    pub(crate) ci: bool,
    pub(crate) truncated_trees: bool,
    pub(crate) required_checks: Vec<String>,
    pub(crate) people: People,
}

impl Repo {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The present head of a pull request: its branch's while open, the last one known after that.
    pub(crate) fn head_of(&self, pull: &Pull) -> String {
        let live = self.git.branch(&pull.head).filter(|_| pull.is_open());
        live.unwrap_or_else(|| pull.head_sha.clone())
    }

    pub(crate) fn base_of(&self, pull: &Pull) -> String {
        let live = self.git.branch(&pull.base).filter(|_| pull.is_open());
        live.unwrap_or_else(|| pull.base_sha.clone())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) author: String,
    pub(crate) head: String,
    pub(crate) head_sha: String,
    pub(crate) base: String,
    pub(crate) base_sha: String,
    pub(crate) draft: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) closed_at: Option<String>,
    pub(crate) closed_by: Option<String>,
    pub(crate) merged: Option<Merged>,
}

#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) at: String,
    pub(crate) by: String,
    pub(crate) sha: String,
}

impl Pull {
    pub(crate) fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) author: String,
    pub(crate) body: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    /// Whether the test has looked at it.
    pub(crate) read: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Suite {
    pub(crate) id: u64,
    /// The App whose checks they are.
    pub(crate) app: String,
    pub(crate) branch: String,
    pub(crate) sha: String,
    pub(crate) before: String,
    pub(crate) conclusion: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) runs: Vec<Run>,
}

#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) conclusion: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Status {
    pub(crate) id: u64,
    pub(crate) sha: String,
    pub(crate) context: String,
    pub(crate) state: String,
    pub(crate) at: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) account: String,
    pub(crate) repos: BTreeSet<u64>,
    pub(crate) permissions: Permissions,
    pub(crate) created_at: String,
    pub(crate) suspended_at: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) installation: u64,
    /// The repositories it was narrowed to.
    pub(crate) repos: Option<BTreeSet<u64>>,
    pub(crate) permissions: Permissions,
    pub(crate) expires: i64,
}

/// One exchange, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// Is told of each request when it has arrived, and again when it is carried out and not yet answered.
#[derive(Default)]
pub(crate) struct Watcher(pub(crate) Option<Box<dyn FnMut() + Send>>);

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watcher({})", self.0.is_some())
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) dir: PathBuf,
    pub(crate) base: String,
    pub(crate) files: String,
    pub(crate) repos: BTreeMap<u64, Repo>,
    pub(crate) installations: BTreeMap<u64, Installation>,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) users: BTreeMap<String, u64>,
    pub(crate) organizations: BTreeSet<String>,
    pub(crate) next_id: u64,
    pub(crate) requests_made: u64,
    pub(crate) watcher: Watcher,
    pub(crate) queue: Queue,
    pub(crate) faults: Vec<Fault>,
    pub(crate) log: Vec<Request>,
    pub(crate) findings: Vec<String>,
    /// Archives that may be fetched without authorization, by their secret path.
    pub(crate) archives: HashMap<String, Vec<u8>>,
}

impl State {
    pub(crate) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn user_id(&mut self, login: &str) -> u64 {
        if let Some(id) = self.users.get(login) {
            return *id;
        }
        let id = self.id();
        self.users.insert(login.to_owned(), id);
        id
    }

    pub(crate) fn known_user(&self, login: &str) -> u64 {
        self.users.get(login).copied().unwrap_or(1)
    }

    pub(crate) fn find_repo(&self, full_name: &str) -> Option<&Repo> {
        self.repos.values().find(|repo| repo.full_name().eq_ignore_ascii_case(full_name))
    }

    pub(crate) fn repo(&self, id: u64) -> &Repo {
        self.repos.get(&id).expect("the repository is there")
    }

    pub(crate) fn repo_mut(&mut self, id: u64) -> &mut Repo {
        self.repos.get_mut(&id).expect("the repository is there")
    }

    /// The installation that covers a repository, unless it is suspended.
    pub(crate) fn installation_of(&self, repo: u64) -> Option<&Installation> {
        self.installations.values().find(|i| i.repos.contains(&repo) && i.suspended_at.is_none())
    }

    pub(crate) fn email(&self, login: &str) -> String {
        if login == WEB_FLOW {
            return "noreply@github.com".to_owned();
        }
        format!("{}+{login}@users.noreply.github.com", self.known_user(login))
    }

    pub(crate) fn person(&self, login: &str) -> Person {
        let name = if login == WEB_FLOW { "GitHub" } else { login };
        Person { name: name.to_owned(), email: self.email(login), at: self.clock.now_seconds() }
    }

    /// The login whose e-mail address a commit carries.
    pub(crate) fn login_of(&self, email: &str) -> Option<&str> {
        let mut logins = self.users.keys().map(String::as_str);
        logins.find(|login| self.email(login) == email)
    }

    /// Commits in GitHub's own name for somebody: signed, shown as Verified.
    pub(crate) fn commit_by_github(
        &mut self,
        repo: u64,
        author: &str,
        tree: String,
        parents: Vec<String>,
        message: String,
    ) -> String {
        let (author, committer) = (self.person(author), self.person(WEB_FLOW));
        let repo = self.repo_mut(repo);
        let sha = repo.git.store_commit(&Commit { tree, parents, author, committer, message });
        repo.verified.insert(sha.clone());
        sha
    }
}
