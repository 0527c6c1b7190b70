//! A simulated GitHub on the wire, whose repositories are real git repositories.

mod auth;
mod change;
mod delivery;
mod examples;
mod fault;
mod git;
pub mod graphql;
mod json;
mod merge;
mod model;
pub mod openapi;
mod people;
mod reply;
mod repository;
mod routes;
mod server;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Value, json as object};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use delivery::{Order, signature};
pub use examples::webhook_examples;
pub use fault::{Failure as Fault, Matcher};
pub use model::Request;
pub use people::OwnRun;
pub use repository::{PullView, Repository, RepositoryBuilder};

use crate::clock::Clock;
use delivery::{Hook, Queue};
use model::{APP_ID, APP_LOGIN, APP_SLUG, Installation, State, WEB_FLOW};
use server::{Held, lock};

/// A simulated GitHub; clones talk to the same one.
#[derive(Debug, Clone)]
pub struct GitHub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Held,
    base: String,
    client: reqwest::Client,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
    news: Arc<Notify>,
    _dir: TempDir,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut();
        for task in tasks.into_iter().flat_map(|tasks| tasks.drain(..)) {
            task.abort();
        }
    }
}

impl GitHub {
    /// Starts on a free port of this machine.
    ///
    /// # Errors
    /// Where no port or no folder can be had.
    pub async fn start(clock: Clock) -> anyhow::Result<Self> {
        Self::start_on(clock, 0).await
    }

    /// Starts on a port of this machine; 0 takes a free one.
    ///
    /// # Errors
    /// Where the port or a folder cannot be had.
    pub async fn start_on(clock: Clock, port: u16) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let api = TcpListener::bind(("127.0.0.1", port)).await?;
        let files = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base = format!("http://{}", api.local_addr()?);
        let news = Arc::new(Notify::new());
        let mut state = State {
            clock,
            dir: dir.path().to_owned(),
            base: base.clone(),
            files: format!("http://{}", files.local_addr()?),
            repos: BTreeMap::new(),
            installations: BTreeMap::new(),
            tokens: HashMap::new(),
            users: BTreeMap::new(),
            organizations: BTreeSet::new(),
            next_id: 1000,
            requests_made: 0,
            watcher: model::Watcher::default(),
            queue: Queue::new(Arc::clone(&news)),
            faults: Vec::new(),
            log: Vec::new(),
            findings: Vec::new(),
            archives: HashMap::new(),
        };
        for login in [APP_LOGIN, WEB_FLOW, "octocat", "github", "restow-maker"] {
            state.user_id(login);
        }
        let state = Arc::new(std::sync::Mutex::new(state));
        let tasks = server::serve(&state, api, files);
        let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build()?;
        let tasks = std::sync::Mutex::new(tasks);
        Ok(Self { inner: Arc::new(Inner { state, base, client, tasks, news, _dir: dir }) })
    }

    /// The address of the REST API, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.inner.base
    }

    /// The App's id.
    pub fn app_id(&self) -> u64 {
        APP_ID
    }

    /// The App's slug; its bot is called `<slug>[bot]`.
    pub fn app_slug(&self) -> &'static str {
        APP_SLUG
    }

    /// The App's private key.
    pub fn app_private_key_pem(&self) -> &'static str {
        auth::private_key_pem()
    }

    /// Begins a repository, `owner/name`.
    ///
    /// # Panics
    /// Where the name has no slash.
    pub fn new_repository(&self, full_name: &str) -> RepositoryBuilder {
        RepositoryBuilder::new(Arc::clone(&self.inner.state), full_name)
    }

    /// A repository that is already there.
    ///
    /// # Panics
    /// Where there is none of this name.
    pub fn repository(&self, full_name: &str) -> Repository {
        let id = lock(&self.inner.state).find_repo(full_name).map(|repo| repo.id);
        Repository::new(Arc::clone(&self.inner.state), id.expect("a repository of this name is there"))
    }

    /// Turns an account into an organisation.
    pub fn organization(&self, login: &str) {
        let mut state = lock(&self.inner.state);
        state.user_id(login);
        state.organizations.insert(login.to_owned());
    }

    /// Sets whether deliveries leave in the order of what happened.
    pub fn deliver_in(&self, order: Order) {
        lock(&self.inner.state).queue.order = order;
    }

    /// Loses the next `n` events.
    pub fn lose_next(&self, n: usize) {
        lock(&self.inner.state).queue.lose = n;
    }

    /// Delivers the next `n` events twice, with the same delivery id.
    pub fn double_next(&self, n: usize) {
        lock(&self.inner.state).queue.double = n;
    }

    /// Makes the next requests that match go wrong.
    pub fn fail_next(&self, matcher: Matcher, failure: Fault, times: usize) {
        lock(&self.inner.state).faults.push(fault::Fault { matcher, failure, times });
    }

    /// Calls `watcher` twice for each request: when it has arrived, and when it is carried out and not yet answered.
    pub fn watch(&self, watcher: impl FnMut() + Send + 'static) {
        lock(&self.inner.state).watcher = model::Watcher(Some(Box::new(watcher)));
    }

    /// Every exchange since the start or the last [`GitHub::clear_requests`].
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.inner.state).log.clone()
    }

    /// How many exchanges match; an empty text means any.
    pub fn count(&self, method: &str, path_contains: &str) -> usize {
        let matcher = Matcher::new(method, path_contains);
        lock(&self.inner.state).log.iter().filter(|it| matcher.meets(&it.method, &it.path)).count()
    }

    /// Forgets the exchanges.
    pub fn clear_requests(&self) {
        lock(&self.inner.state).log.clear();
    }

    /// What is wrong so far: unexpected requests, exchanges that break GitHub's description, unread comments.
    pub fn findings(&self) -> Vec<String> {
        let state = lock(&self.inner.state);
        let unread = state.repos.values().flat_map(|repo| {
            let own = repo.comments.iter().filter(|comment| comment.author == APP_LOGIN && !comment.read);
            own.map(|it| format!("unread comment on {}#{}: {}", repo.full_name(), it.number, it.body))
        });
        state.findings.iter().cloned().chain(unread).collect()
    }

    /// Forgets the findings of the exchanges, for a test that provoked them.
    pub fn clear_findings(&self) {
        lock(&self.inner.state).findings.clear();
    }

    /// Fails the test unless everything went as GitHub's description wants and every comment was read.
    ///
    /// # Panics
    /// Where something is wrong, with the list of it.
    pub fn assert_clean(&self) {
        let findings = self.findings();
        assert!(findings.is_empty(), "the simulated GitHub found:\n  {}", findings.join("\n  "));
    }
}

/// Installations of the App.
impl GitHub {
    /// Installs the App on repositories of an account; the installation's id.
    ///
    /// # Panics
    /// Where a repository is not there.
    pub fn install(&self, account: &str, repos: &[&str]) -> u64 {
        let mut state = lock(&self.inner.state);
        state.user_id(account);
        let ids = repo_ids(&state, repos);
        let (id, created_at) = (state.id(), state.clock.rfc3339());
        let account = account.to_owned();
        let permissions = json::permissions();
        let it = Installation { id, account, repos: ids, permissions, created_at, suspended_at: None };
        state.installations.insert(id, it);
        emit_installation(&mut state, id, "created");
        id
    }

    /// Adds a repository to an installation.
    ///
    /// # Panics
    /// Where the installation or the repository is not there.
    pub fn add_repository(&self, installation: u64, repo: &str) {
        let mut state = lock(&self.inner.state);
        let ids = repo_ids(&state, &[repo]);
        installed(&mut state, installation).repos.extend(&ids);
        emit_repositories(&mut state, installation, "added", &ids);
    }

    /// Takes a repository away from an installation.
    ///
    /// # Panics
    /// Where the installation or the repository is not there.
    pub fn remove_repository(&self, installation: u64, repo: &str) {
        let mut state = lock(&self.inner.state);
        let ids = repo_ids(&state, &[repo]);
        installed(&mut state, installation).repos.retain(|id| !ids.contains(id));
        emit_repositories(&mut state, installation, "removed", &ids);
    }

    /// Sets or, with an empty level, takes away a permission of an installation; its tokens lose force.
    ///
    /// # Panics
    /// Where the installation is not there.
    pub fn set_permission(&self, installation: u64, name: &str, level: &str) {
        let mut state = lock(&self.inner.state);
        let permissions = &mut installed(&mut state, installation).permissions;
        if level.is_empty() {
            permissions.remove(name);
        } else {
            permissions.insert(name.to_owned(), level.to_owned());
        }
        state.tokens.retain(|_, token| token.installation != installation);
        emit_installation(&mut state, installation, "new_permissions_accepted");
    }

    /// Removes the App from an account.
    pub fn uninstall(&self, installation: u64) {
        let mut state = lock(&self.inner.state);
        emit_installation(&mut state, installation, "deleted");
        state.installations.remove(&installation);
        state.tokens.retain(|_, token| token.installation != installation);
    }

    /// Suspends an installation.
    ///
    /// # Panics
    /// Where the installation is not there.
    pub fn suspend(&self, installation: u64) {
        let mut state = lock(&self.inner.state);
        let now = state.clock.rfc3339();
        installed(&mut state, installation).suspended_at = Some(now);
        emit_installation(&mut state, installation, "suspend");
    }

    /// Lifts the suspension of an installation.
    ///
    /// # Panics
    /// Where the installation is not there.
    pub fn unsuspend(&self, installation: u64) {
        let mut state = lock(&self.inner.state);
        installed(&mut state, installation).suspended_at = None;
        emit_installation(&mut state, installation, "unsuspend");
    }

    /// Makes every installation token unknown, as a revocation does.
    pub fn revoke_tokens(&self) {
        lock(&self.inner.state).tokens.clear();
    }
}

fn installed(state: &mut State, id: u64) -> &mut Installation {
    state.installations.get_mut(&id).expect("the installation is there")
}

fn repo_ids(state: &State, names: &[&str]) -> BTreeSet<u64> {
    let id = |name: &&str| state.find_repo(name).map(|repo| repo.id).expect("a repository of this name is there");
    names.iter().map(id).collect()
}

fn emit_installation(state: &mut State, id: u64, action: &str) {
    let Some(it) = state.installations.get(&id) else { return };
    let repos: Vec<Value> = it.repos.iter().map(|id| json::named_repo(state.repo(*id))).collect();
    let payload = object!({
        "action": action, "installation": json::installation(state, it), "repositories": repos,
        "requester": null, "sender": json::user(state, "octocat"),
    });
    let now = state.clock.rfc3339();
    state.queue.add("installation", &payload, &now);
}

fn emit_repositories(state: &mut State, id: u64, action: &str, repos: &BTreeSet<u64>) {
    let Some(it) = state.installations.get(&id) else { return };
    let named: Vec<Value> = repos.iter().map(|id| json::named_repo(state.repo(*id))).collect();
    let (added, removed) = if action == "added" { (named, Vec::new()) } else { (Vec::new(), named) };
    let payload = object!({
        "action": action, "installation": json::installation(state, it), "repository_selection": "selected",
        "repositories_added": added, "repositories_removed": removed, "requester": null,
        "sender": json::user(state, "octocat"),
    });
    let now = state.clock.rfc3339();
    state.queue.add("installation_repositories", &payload, &now);
}

/// Webhooks.
impl GitHub {
    /// Connects the App's webhook; what happened before is not told.
    pub fn connect_webhook(&self, url: &str, secret: &str) {
        let hook = Hook { url: url.to_owned(), secret: secret.to_owned() };
        lock(&self.inner.state).queue.hook = Some(hook);
    }

    /// Queues a `ping`.
    pub fn ping(&self) {
        let mut state = lock(&self.inner.state);
        let url = state.queue.hook.as_ref().map(|hook| hook.url.clone());
        let payload = object!({
            "zen": "Keep it logically awesome.", "hook_id": 1,
            "hook": { "type": "App", "id": 1, "name": "web", "active": true, "app_id": APP_ID, "events": ["push"],
                "config": { "content_type": "json", "insecure_ssl": "0", "url": url },
                "created_at": state.clock.rfc3339(), "updated_at": state.clock.rfc3339() },
        });
        let now = state.clock.rfc3339();
        state.queue.add("ping", &payload, &now);
    }

    /// What waits for its delivery: event and payload.
    pub fn waiting(&self) -> Vec<(String, Value)> {
        lock(&self.inner.state).queue.waiting()
    }

    /// Drops what waits for its delivery.
    pub fn drop_waiting(&self) {
        lock(&self.inner.state).queue.clear();
    }

    /// Delivers what waits, one after the other, until nothing is left: event and status (0: no answer).
    pub async fn deliver_all(&self) -> Vec<(String, u16)> {
        let mut done = Vec::new();
        while let Some(outcome) = deliver_next(&self.inner.state, &self.inner.client).await {
            done.push(outcome);
        }
        done
    }

    /// Delivers the next that waits; `None` where nothing does.
    pub async fn deliver_one(&self) -> Option<(String, u16)> {
        deliver_next(&self.inner.state, &self.inner.client).await
    }

    /// Delivers from now on without being asked.
    pub fn deliver_automatically(&self) {
        let (state, client) = (Arc::downgrade(&self.inner.state), self.inner.client.clone());
        let news = Arc::clone(&self.inner.news);
        let task = tokio::spawn(async move {
            while let Some(state) = state.upgrade() {
                while deliver_next(&state, &client).await.is_some() {}
                drop(state);
                news.notified().await;
            }
        });
        if let Ok(mut tasks) = self.inner.tasks.lock() {
            tasks.push(task);
        }
    }
}

async fn deliver_next(state: &Held, client: &reqwest::Client) -> Option<(String, u16)> {
    let (hook, delivery) = lock(state).queue.take()?;
    let status = delivery::post(client, &hook, &delivery).await;
    Some((delivery.event, status))
}
