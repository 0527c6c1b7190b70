//! The real process, killed with `kill -9` at every step of the way: nothing is lost, nothing is doubled.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use world::World;
use world::github::Repository;

use super::house::SECRET;

/// Servers that were found dead, over all stories.
static KILLED: AtomicU32 = AtomicU32::new(0);

/// A server that has not done its work by then never will.
const PATIENCE: Duration = Duration::from_secs(120);

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(world: &World, folder: &Path, port: u16) -> Self {
        let key = folder.join("key.pem");
        if !key.exists() {
            std::fs::write(&key, world.github.app_private_key_pem()).expect("a key file");
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        }
        let rules = folder.join("rules.yml");
        std::fs::write(&rules, super::house::EAGER).expect("a rules file");
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(env!("CARGO_BIN_EXE_restow"))
            .arg("serve")
            .env("RESTOW_APP_ID", world.github.app_id().to_string())
            .env("RESTOW_PRIVATE_KEY_FILE", &key)
            .env("RESTOW_WEBHOOK_SECRETS", SECRET)
            .env("RESTOW_GITHUB_URL", world.github.url())
            .env("RESTOW_GITHUB_API_URL", world.github.url())
            .env("RESTOW_LISTEN", &address)
            .env("RESTOW_DATABASE_URL", format!("sqlite:{}", folder.join("restow.db").display()))
            .env("RESTOW_INSECURE_REGISTRIES", world.registry.address())
            .env("RESTOW_ALLOWED_PRIVATE_ADDRESSES", "127.0.0.1")
            .env("RESTOW_ADVISORIES_URL", "none")
            .env("RESTOW_DEFAULT_RULES_FILE", &rules)
            .env("RESTOW_LEASE", "5")
            .env("RESTOW_WRITE_SPACING", "0")
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        Self { child, address }
    }

    /// Starts a server until one has its port: another process may take the free one first.
    async fn ready(world: &World, folder: &Path) -> Self {
        let mut server = Self::start(world, folder, free_port());
        let begun = Instant::now();
        let answers = async |server: &Self| {
            let answer = reqwest::get(format!("http://{}/readyz", server.address)).await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        while !answers(&server).await {
            assert!(begun.elapsed() < PATIENCE, "the server is never ready");
            if server.child.try_wait().expect("a process").is_some() {
                server = Self::start(world, folder, free_port());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn stop(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A server that has read the installation and is at rest.
async fn installed(world: &World, folder: &Path) -> Server {
    let server = Server::ready(world, folder).await;
    world.github.connect_webhook(&format!("http://{}/webhook", server.address), SECRET);
    world.github.install("acme", &["acme/shop"]);
    world.github.deliver_all().await;
    let begun = Instant::now();
    while !quiet(folder).await {
        assert!(begun.elapsed() < PATIENCE, "the installation is never read");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server
}

/// Kills the server at step `deadly` (each request to GitHub is two: arrived, and carried out but not answered), starts
/// it again, and returns whether there was such a step.
async fn killed_at(deadly: i64) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    let world = World::start_at(i64::try_from(now).expect("a moment"), 0).await;
    world.registry.push_all("library/nginx", &["1.25", "1.26", "1.27"]);
    let repo = world.repository("acme/shop").file("README.md", "x").create();
    let folder = tempfile::tempdir().expect("a folder");
    let server = installed(&world, folder.path()).await;
    let steps = Arc::new(AtomicI64::new(0));
    let (counted, pid) = (Arc::clone(&steps), server.child.id().to_string());
    world.github.watch(move || {
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == deadly {
            let _ = Command::new("kill").args(["-9", &pid]).status();
        }
    });
    let dockerfile = format!("FROM {}/library/nginx:1.25\n", world.registry.address());
    repo.commit_as_person("main", &[("Dockerfile", &dockerfile)], "work");
    // No answer where the server is killed by then: what it works on, it has stored.
    let delivered = world.github.deliver_all().await;
    let first = delivered.first().map(|(event, status)| (event.as_str(), *status));
    assert!(matches!(first, Some(("push", 202 | 0))), "{delivered:?}");
    let mut server = server;
    let begun = Instant::now();
    while !settled(&repo, folder.path()).await {
        assert!(begun.elapsed() < PATIENCE, "no rest after step {deadly}: {:?}", repo.pulls());
        if server.child.try_wait().expect("a process").is_some() {
            KILLED.fetch_add(1, Ordering::SeqCst);
            server = Server::start(&world, folder.path(), free_port());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop();
    let pulls = repo.pulls();
    assert_eq!(pulls.len(), 1, "killed at step {deadly}: {pulls:#?}");
    assert_eq!(repo.branches().len(), 2, "killed at step {deadly}");
    let changed = repo.read_file(&pulls[0].head_sha, "Dockerfile").expect("the file");
    assert!(changed.ends_with("nginx:1.27\n"), "killed at step {deadly}: {changed}");
    assert_eq!(repo.messages(&pulls[0].head).len(), repo.messages("main").len() + 1, "one commit");
    assert!(repo.comments(pulls[0].number).is_empty());
    world.github.assert_clean();
    steps.load(Ordering::SeqCst) >= deadly
}

/// There is a pull request, and nothing more to do.
async fn settled(repo: &Repository, folder: &Path) -> bool {
    !repo.pulls().is_empty() && quiet(folder).await
}

/// The queue holds nothing but the next plan and the next look.
async fn quiet(folder: &Path) -> bool {
    let database = secrecy::SecretString::from(format!("sqlite:{}", folder.join("restow.db").display()));
    let clock = restow::clock::Clock::System;
    let Ok(store) = restow::store::Store::open_existing(&database, clock.clone()).await else { return false };
    let jobs = store.jobs(&restow::store::JobFilter::default()).await.unwrap_or_default();
    store.close().await;
    let now = clock.now();
    // Open pull requests and lost webhooks are looked at again after ten minutes.
    let wait = |kind: &str| if matches!(kind, "watch" | "redeliver") { 300_000 } else { 3_600_000 };
    jobs.iter().any(|job| job.kind == "plan") && jobs.iter().all(|job| job.run_at > now.plus_ms(wait(&job.kind)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_killed_at_any_step_loses_and_doubles_nothing() {
    // Several worlds at once, each with its own process: what is waited for is leases, not the processor.
    let mut first = 1;
    loop {
        let reached = futures::future::join_all((first..first + 12).map(killed_at)).await;
        let reached = reached.into_iter().all(|reached| reached);
        if !reached {
            break;
        }
        first += 12;
    }
    let killed = KILLED.load(Ordering::SeqCst);
    assert!(killed >= 20, "the servers were killed indeed, not {killed} of them");
}
