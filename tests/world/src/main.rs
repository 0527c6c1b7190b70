//! The simulated outside world as a process of its own, for running `restow serve` against it by hand:
//!
//! ```text
//! cargo run -p world -- FOLDER
//! ```
//!
//! writes the App's key, settings for `restow serve` and a push that waits to be sent into FOLDER, says which commands
//! come next, and shows each pull request as it changes.

#![expect(clippy::print_stdout, reason = "it talks to the person who runs it")]

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use world::World;
use world::github::{PullView, Repository, signature};

const SECRET: &str = "the world's webhook secret";
const SERVER: &str = "127.0.0.1:8080";
const DOCKERFILE: &str = "# the shop\nFROM REGISTRY/library/nginx:1.25-alpine\nCOPY site /usr/share/nginx/html\n";
/// How often the pull requests are looked at.
const LOOK: Duration = Duration::from_millis(200);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).map(PathBuf::from).context("name the folder to write into: world FOLDER")?;
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let world = World::start_at(now, 0).await;
    world.registry.push_all("library/nginx", &["1.25-alpine", "1.26-alpine", "1.27-alpine", "latest"]);
    let dockerfile = DOCKERFILE.replace("REGISTRY", &world.registry.address());
    let repo = world.repository("acme/shop").file("README.md", "The shop\n").create();
    repo.ci_on();
    world.github.connect_webhook(&format!("http://{SERVER}/webhook"), SECRET);
    world.github.install("acme", &["acme/shop"]);
    world.github.drop_waiting();
    repo.commit_as_person("main", &[("Dockerfile", &dockerfile)], "The shop runs on nginx");
    write(&world, &folder)?;
    world.github.deliver_automatically();
    watch(&repo).await
}

/// The key, the settings and the push; and what to do with them.
fn write(world: &World, folder: &Path) -> anyhow::Result<()> {
    let github = world.github.url();
    let (app, registry, database) = (world.github.app_id(), world.registry.address(), folder.join("restow.db"));
    let key = folder.join("app.pem");
    let settings = format!(
        "app_id = {app}\nprivate_key_file = {key:?}\nwebhook_secrets = [{SECRET:?}]\ngithub_url = {github:?}\n\
         github_api_url = {github:?}\nlisten = {SERVER:?}\ndatabase_url = \"sqlite:{}\"\n\
         insecure_registries = [{registry:?}]\nallowed_private_addresses = [\"127.0.0.1\"]\n",
        database.display()
    );
    let (_, push) = world.github.waiting().pop().context("impossible: a push waits")?;
    world.github.drop_waiting();
    let push = serde_json::to_vec(&push)?;
    write_private(&key, world.github.app_private_key_pem().as_bytes())?;
    write_private(&folder.join("restow.toml"), settings.as_bytes())?;
    write_private(&folder.join("push.json"), &push)?;
    let shown = folder.display();
    println!("A simulated GitHub at {github}, a registry at {registry}. In other terminals:\n");
    println!("  restow serve --settings {shown}/restow.toml\n");
    println!(
        "  curl -i http://{SERVER}/webhook -H 'content-type: application/json' -H 'x-github-event: push' \\\n    \
         -H 'x-github-delivery: 00000000-0000-4000-a000-000000000001' \\\n    \
         -H 'x-hub-signature-256: {}' --data-binary @{shown}/push.json\n",
        signature(SECRET, &push)
    );
    Ok(())
}

/// Writes what only this user may read: Restow takes no key that others can.
fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let context = || format!("writing {}", path.display());
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).with_context(context)?;
    file.write_all(content).with_context(context)
}

/// Shows each pull request whenever it has changed, for ever.
async fn watch(repo: &Repository) -> anyhow::Result<()> {
    let mut seen: Vec<(u64, String, &str)> = Vec::new();
    loop {
        let pulls = repo.pulls();
        let now: Vec<_> = pulls.iter().map(|pull| (pull.number, pull.head_sha.clone(), pull.state)).collect();
        for (pull, state) in pulls.iter().zip(&now).filter(|(_, state)| !seen.contains(state)) {
            show(repo, pull, state.2);
        }
        seen = now;
        tokio::time::sleep(LOOK).await;
    }
}

fn show(repo: &Repository, pull: &PullView, state: &str) {
    let verified = if pull.verified { "Verified" } else { "unverified" };
    println!(
        "== #{} ({state}) {}\n   {} <- {}, {verified}\n\n{}",
        pull.number, pull.title, pull.base, pull.head, pull.body
    );
    println!("{}", repo.diff(pull.number));
    println!("   {} checks were started by the repository's own CI", repo.conclude_checks(&pull.head_sha, "success"));
}
