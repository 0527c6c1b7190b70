//! The house in which the stories play: a world, a repository, and Restow's server.

use std::sync::Arc;
use std::time::Duration;

use restow::app::{App, SteppedApp};
use restow::clock::Clock;
use restow::notification::{Host, Kind, Sender};
use restow::settings::{LogFormat, RegistryHook, Role, Settings};
use restow::store::JobFilter;
use secrecy::SecretString;
use world::World;
use world::github::{PullView, Repository};

/// The secret of the hook `main`, to which the simulated registry sends its notifications.
pub(super) const HOOK_SECRET: &str = "the registry's hook secret";

pub(super) const SECRET: &str = "the world's webhook secret";

/// A world with one repository on which the App is installed, and a server that works when it is told to.
pub(super) struct House {
    pub(super) world: World,
    pub(super) repo: Repository,
    pub(super) app: SteppedApp,
    pub(super) installation: u64,
    _folder: tempfile::TempDir,
}

/// Everything at once, one pull request for each image: for the stories that are not about time and number.
pub(super) const EAGER: &str = "onboarding: false\ncooldown: 0d\nlimits: {open: 1000, per_hour: 1000}\nrules:\n  \
                                - match: {kinds: [digest, pin]}\n    group: false\n    schedule: at any time\n  \
                                - match: {classes: [test, example]}\n    group: false\n";

/// Settings for a server in this world.
pub(super) fn settings(world: &World, folder: &std::path::Path) -> Settings {
    Settings {
        app_id: world.github.app_id(),
        private_key: SecretString::from(world.github.app_private_key_pem()),
        webhook_secrets: vec![SecretString::from(SECRET)],
        github_url: world.github.url().parse().expect("a URL"),
        github_api_url: Some(world.github.url().parse().expect("a URL")),
        listen: "127.0.0.1:0".parse().expect("an address"),
        database_url: SecretString::from(format!("sqlite:{}", folder.join("restow.db").display())),
        workers: 2,
        role: Role::All,
        default_rules: EAGER.to_owned(),
        advisories: None,
        docker_config: None,
        insecure_registries: vec![world.registry.address()],
        allowed_private_addresses: vec!["127.0.0.1".parse().expect("an address")],
        registry_aliases: Vec::new(),
        registry_hosts: Default::default(),
        registry_realms: Vec::new(),
        docker_hub_url: "https://hub.docker.com".parse().expect("a URL"),
        registry_authorities: Vec::new(),
        registry_client_certificates: Vec::new(),
        proxy: Default::default(),
        registry_credentials: Vec::new(),
        registry_hooks: vec![RegistryHook {
            name: "main".to_owned(),
            secret: SecretString::from(HOOK_SECRET),
            sender: Sender::new(Kind::Distribution, Host::parse(&world.registry.address()).ok()).expect("a sender"),
        }],
        log_format: LogFormat::Human,
        tag_list_interval: Duration::from_secs(1800),
        plan_interval: Duration::from_secs(21600),
        reconcile_interval: Duration::from_secs(86400),
        lease: Duration::from_secs(60),
        write_spacing: Duration::ZERO,
    }
}

impl House {
    /// A house whose repository holds these files; `REGISTRY` in them is the simulated registry.
    pub(super) async fn with(files: &[(&str, &str)]) -> Self {
        Self::with_settings(files, |_| ()).await
    }

    /// A house whose repository holds this Dockerfile, with the pull request opened for it and mona, who may push.
    pub(super) async fn opened(dockerfile: &str) -> (Self, PullView) {
        let house = Self::with(&[("Dockerfile", dockerfile)]).await;
        house.repo.collaborator("mona", "write");
        house.settle().await;
        let pull = house.only_pull();
        (house, pull)
    }

    /// The same with other settings.
    pub(super) async fn with_settings(files: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Self {
        let world = World::start().await;
        world.registry.push_all("library/nginx", &["1.25-alpine", "1.26-alpine", "1.27-alpine", "1.27", "latest"]);
        let builder = files.iter().fold(world.repository("acme/shop"), |builder, (path, content)| {
            builder.file(path, &content.replace("REGISTRY", &world.registry.address()))
        });
        let repo = builder.create();
        repo.ci_on();
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::Settable(Arc::clone(&world.clock().hand()));
        let mut settings = settings(&world, folder.path());
        change(&mut settings);
        let app = App::start(settings, clock).await.expect("a server");
        let app = SteppedApp::serve(app).expect("a server");
        world.github.connect_webhook(&format!("http://{}/webhook", app.address()), SECRET);
        let installation = world.github.install("acme", &["acme/shop"]);
        Self { world, repo, app, installation, _folder: folder }
    }

    /// The server dies and another one starts upon what it stored; with the settings of [`House::with`].
    pub(super) async fn restart(&mut self) {
        let clock = Clock::Settable(Arc::clone(&self.world.clock().hand()));
        let app = App::start(settings(&self.world, self._folder.path()), clock).await.expect("a server");
        self.app = SteppedApp::serve(app).expect("a server");
        self.world.github.connect_webhook(&format!("http://{}/webhook", self.app.address()), SECRET);
    }

    /// Delivers and works until both sides are quiet.
    pub(super) async fn settle(&self) {
        for _ in 0..20 {
            let delivered = self.world.github.deliver_all().await;
            assert!(delivered.iter().all(|(_, status)| *status == 202), "{delivered:?}");
            let drained = self.app.drain().await.expect("a queue");
            if delivered.is_empty() && drained.jobs == 0 {
                return self.assert_queue_clean().await;
            }
        }
        panic!("the world does not come to rest");
    }

    /// No job is dead, and none that is due is left.
    async fn assert_queue_clean(&self) {
        let now = self.world.clock().now_ms();
        let jobs = self.app.services().store.jobs(&JobFilter::default()).await.expect("jobs");
        let left: Vec<_> = jobs.iter().filter(|job| job.run_at.0 <= now || job.error.is_some()).collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// A person pushes a file; `REGISTRY` is the simulated registry.
    pub(super) fn push(&self, path: &str, content: &str) {
        let content = content.replace("REGISTRY", &self.world.registry.address());
        self.repo.commit_as_person("main", &[(path, &content)], "work");
    }

    /// The open pull requests.
    pub(super) fn open(&self) -> Vec<PullView> {
        self.repo.pulls().into_iter().filter(|pull| pull.state == "open").collect()
    }

    /// The only pull request there ever was.
    #[track_caller]
    pub(super) fn only_pull(&self) -> PullView {
        let pulls = self.repo.pulls();
        assert_eq!(pulls.len(), 1, "{pulls:#?}");
        pulls.into_iter().next().expect("one")
    }

    /// Minutes pass, and what is then due is done.
    pub(super) async fn minutes(&self, minutes: u64) {
        self.world.clock().advance(Duration::from_secs(minutes * 60));
        self.settle().await;
    }

    /// Time passes, and what is then due is done.
    pub(super) async fn later(&self, hours: u64) {
        self.world.clock().advance(Duration::from_secs(hours * 3600));
        self.settle().await;
    }

    /// The text without what differs from run to run.
    pub(super) fn plain(&self, text: &str) -> String {
        let address = self.world.registry.address();
        let text = text.replace(&address, "registry.example").replace(&address.replace(':', "="), "registry.example");
        let text = text.replace(self.world.github.url().trim_end_matches('/'), "https://github.example");
        let head = self.repo.head("main").unwrap_or_default();
        let text = text.replace(&head, "HEAD");
        // The fingerprint is made of references that hold the port.
        match text.split_once("\"fingerprint\":\"") {
            Some((before, after)) => format!("{before}\"fingerprint\":\"F{}", &after[32..]),
            None => text,
        }
    }
}
