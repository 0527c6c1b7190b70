//! The whole way in one process: a simulated GitHub and registry, Restow's real server on an SQLite file, a signed
//! push over TCP, and the pull request that comes of it. `--once` ends when it is shown; otherwise all stays up.

#![expect(clippy::print_stdout, reason = "the demo talks to the person who runs it")]

use std::time::Duration;

use anyhow::Context;
use restow::app::App;
use restow::clock::Clock;
use restow::settings::{LogFormat, Role, Settings};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use world::World;
use world::github::{PullView, Repository};

const SECRET: &str = "the demo's webhook secret";
const COMPOSE: &str = "services:\n  web:\n    image: 'REGISTRY/library/nginx:1.25-alpine' # 1.25-alpine\n";
const DOCKERFILE: &str = "# the shop\nFROM REGISTRY/library/nginx:1.25-alpine\nCOPY site /usr/share/nginx/html\n";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let once = std::env::args().any(|argument| argument == "--once");
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())?;
    let world = World::start_at(now, 0).await;
    world.registry.push_all("library/nginx", &["1.25-alpine", "1.26-alpine", "1.27-alpine", "1.27", "latest"]);
    let repo = world.repository("acme/shop").file("README.md", "The shop\n").create();
    repo.ci_on();
    say("A simulated GitHub", world.github.url());
    say("A simulated registry", &world.registry.address());

    let folder = tempfile::tempdir().context("making a folder")?;
    let app = App::start(settings(&world, folder.path())?, Clock::System).await?;
    let address = app.address();
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(app.run(shutdown.clone()));
    say("Restow's server", &format!("http://{address} (webhooks at /webhook, also /healthz, /readyz, /metrics)"));

    world.github.connect_webhook(&format!("http://{address}/webhook"), SECRET);
    world.github.install("acme", &["acme/shop"]);
    let registry = world.registry.address();
    let files = [("Dockerfile", DOCKERFILE), ("deploy/compose.yaml", COMPOSE)]
        .map(|(p, t)| (p, t.replace("REGISTRY", &registry)));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    repo.commit_as_person("main", &files, "The shop runs on nginx");
    for (event, status) in world.github.deliver_all().await {
        say("A signed delivery", &format!("{event}: answered {status}"));
    }
    let pull = first_pull(&repo).await?;
    show(&repo, &pull);
    world.github.assert_clean();
    if !once {
        println!("\nAll stays up; press Ctrl-C to end.");
        world.github.deliver_automatically();
        tokio::signal::ctrl_c().await?;
    }
    shutdown.cancel();
    server.await??;
    Ok(())
}

fn say(what: &str, how: &str) {
    println!("{what}: {how}");
}

fn settings(world: &World, folder: &std::path::Path) -> anyhow::Result<Settings> {
    Ok(Settings {
        advisories: None,
        app_id: world.github.app_id(),
        private_key: SecretString::from(world.github.app_private_key_pem()),
        webhook_secrets: vec![SecretString::from(SECRET)],
        github_url: world.github.url().parse()?,
        github_api_url: Some(world.github.url().parse()?),
        listen: "127.0.0.1:0".parse()?,
        database_url: SecretString::from(format!("sqlite:{}", folder.join("restow.db").display())),
        workers: 2,
        role: Role::All,
        default_rules: "onboarding: false\ncooldown: 0d\n".to_owned(),
        docker_config: None,
        insecure_registries: vec![world.registry.address()],
        allowed_private_addresses: vec!["127.0.0.1".parse()?],
        registry_aliases: Vec::new(),
        registry_hosts: Default::default(),
        registry_realms: Vec::new(),
        docker_hub_url: "https://hub.docker.com".parse().expect("a URL"),
        registry_authorities: Vec::new(),
        registry_client_certificates: Vec::new(),
        proxy: Default::default(),
        registry_credentials: Vec::new(),
        registry_hooks: Vec::new(),
        log_format: LogFormat::Human,
        tag_list_interval: Duration::from_secs(1800),
        plan_interval: Duration::from_secs(21600),
        reconcile_interval: Duration::from_secs(86400),
        lease: Duration::from_secs(60),
        write_spacing: Duration::ZERO,
    })
}

/// Waits for the pull request, which another task opens.
async fn first_pull(repo: &Repository) -> anyhow::Result<PullView> {
    for _ in 0..600 {
        if let Some(pull) = repo.pulls().into_iter().next() {
            return Ok(pull);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("no pull request came within 30 s")
}

fn show(repo: &Repository, pull: &PullView) {
    println!("\n== Pull request #{}: {}", pull.number, pull.title);
    println!(
        "   {} into {}, by {}, commit {}",
        pull.head,
        pull.base,
        pull.author,
        if pull.verified { "Verified" } else { "unverified" }
    );
    println!("\n{}", pull.body);
    println!("== Its diff\n{}", repo.diff(pull.number));
    let checks = repo.conclude_checks(&pull.head_sha, "success");
    println!("== Its checks: {checks} started by the repository's own CI");
}
