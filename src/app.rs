//! Wiring: settings → clients, store, clock, web, workers; graceful shutdown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::advisory::{AdvisoryError, Exports, Feeds, Osv, Scanner, VexRepository};
use crate::clock::Clock;
use crate::github::{GitHub, GitHubSettings};
use crate::jobs::{
    AdvisorySources, Drained, Services, StoredWrites, Times, Worker, advisories_job, hook_intake, intake, reconcile_job,
};
use crate::notification::Sender;
use crate::registry::{Registries, RegistrySettings};
use crate::settings::{AdvisorySettings, Role, Settings};
use crate::store::{Store, StoreError};
use crate::web::{self, HookIntake, Hooks, Intake, Malformed, WebState};

/// After a signal, everything ends within this time.
const SHUTDOWN: Duration = Duration::from_secs(25);
/// How often it is looked whether a comparison with GitHub is queued.
const RECONCILE_CHECK: Duration = Duration::from_secs(3600);
/// How often metrics are tidied.
const UPKEEP: Duration = Duration::from_secs(5);

const DAY: Duration = Duration::from_secs(86_400);

/// A server that is ready to run.
#[derive(Debug)]
pub struct App {
    services: Services,
    settings: Settings,
    listener: TcpListener,
    address: SocketAddr,
}

impl App {
    /// Opens the database, makes the clients and listens; nothing is served before [`App::run`].
    ///
    /// # Errors
    /// The database or the address cannot be had.
    pub async fn start(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let store = Store::open(&settings.database_url, clock.clone()).await.context("opening the database")?;
        let github = GitHub::new(&GitHubSettings {
            base: settings.rest_url(),
            graphql: settings.graphql_url(),
            app_id: settings.app_id,
            private_key: settings.private_key.clone(),
            clock: clock.clone(),
            timeouts: crate::github::Timeouts::default(),
            writes: Arc::new(StoredWrites::new(store.clone())),
            write_spacing: settings.write_spacing,
        })
        .context("preparing the GitHub client")?;
        let registries =
            Registries::new(registry_settings(&settings, &clock)).context("preparing the registry client")?;
        let times = Times {
            tag_lists: settings.tag_list_interval,
            plans: settings.plan_interval,
            reconcile: settings.reconcile_interval,
            advisories: settings.advisories.as_ref().map_or(DAY, |advisories| advisories.interval),
            lease: settings.lease,
        };
        let services = Services::new(store, github, settings.github_url.clone(), registries, &times, clock)
            .with_advisories(settings.advisories.as_ref().map(advisory_sources).transpose()?)
            .with_default_rules(&settings.default_rules);
        if settings.role != Role::Web {
            let job = reconcile_job(services.clock.now());
            services.store.enqueue(&job).await.context("queueing the comparison with GitHub")?;
            if services.advisories.is_some() {
                let job = advisories_job(services.clock.now());
                services.store.enqueue(&job).await.context("queueing the bringing of advisories")?;
            }
        }
        let listener = TcpListener::bind(settings.listen)
            .await
            .with_context(|| format!("listening on {} (setting listen, RESTOW_LISTEN)", settings.listen))?;
        let address = listener.local_addr().context("reading the address listened on")?;
        Ok(Self { services, settings, listener, address })
    }

    /// Where webhooks are received.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the jobs work with.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Serves and works until `shutdown`; then accepts nothing more, gives running jobs back and ends within 25 s.
    ///
    /// # Errors
    /// The listener broke.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let metrics = web::install_metrics().context("preparing the metrics")?;
        let mut tasks = self.start_workers(&shutdown);
        tasks.spawn(keep_up(metrics.clone(), shutdown.clone()));
        tasks.spawn(keep_queued(self.services.clone(), shutdown.clone()));
        let state = web_state(&self, metrics);
        let stop = shutdown.clone();
        let served = tokio::spawn(web::serve(self.listener, web::router(state), stop));
        shutdown.cancelled().await;
        tracing::info!("stopping");
        let ended = tokio::time::timeout(SHUTDOWN, async {
            while tasks.join_next().await.is_some() {}
            served.await
        })
        .await;
        let Ok(served) = ended else {
            tracing::warn!("some work did not stop in time; its leases will expire");
            return Ok(());
        };
        served.context("serving")?.context("serving")?;
        self.services.store.close().await;
        Ok(())
    }

    fn start_workers(&self, shutdown: &CancellationToken) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let count = if self.settings.role == Role::Web { 0 } else { self.settings.workers };
        for number in 0..count {
            let worker = Worker::new(self.services.clone(), worker_name(number));
            let stop = shutdown.clone();
            tasks.spawn(async move { worker.run(&stop).await });
        }
        tasks
    }
}

/// The clients that advisories are asked with.
fn advisory_sources(settings: &AdvisorySettings) -> Result<AdvisorySources, AdvisoryError> {
    Ok(AdvisorySources {
        osv: settings.api.clone().map(Osv::new).transpose()?,
        exports: Exports::new(settings.exports.clone())?,
        mirrored: settings.mirrored.clone(),
        feeds: Feeds::new(settings.feeds.clone())?,
        vex: settings.vex.iter().cloned().map(VexRepository::new).collect::<Result<_, _>>()?,
        scanner: settings
            .scanner
            .as_ref()
            .map(|one| Scanner::new(one.kind, one.server.clone(), one.environment.clone(), Scanner::USUAL_LIMIT)),
    })
}

/// Sees to it that the jobs which lead to themselves are always queued, should the last of them have died; until
/// `shutdown`.
async fn keep_queued(services: Services, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(RECONCILE_CHECK)).await.is_some() {
        let after =
            |interval: Duration| services.clock.now().plus_ms(i64::try_from(interval.as_millis()).unwrap_or(i64::MAX));
        let mut jobs = vec![reconcile_job(after(services.times.reconcile))];
        jobs.extend(services.advisories.as_ref().map(|_| advisories_job(after(services.times.advisories))));
        // One that waits already stays where it is: the earlier moment counts.
        for job in jobs {
            if let Err(error) = services.store.enqueue(&job).await {
                tracing::warn!(kind = job.kind, %error, "the next one could not be queued");
            }
        }
    }
}

/// Tidies the metrics until `shutdown`.
async fn keep_up(metrics: PrometheusHandle, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        metrics.run_upkeep();
    }
}

/// Serves only, until `shutdown`, and runs the queue where the caller says: for tests and the demo, which decide
/// themselves when work is done.
#[derive(Debug)]
pub struct SteppedApp {
    services: Services,
    worker: Worker,
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl SteppedApp {
    /// Serves `app`'s web side in the background.
    ///
    /// # Errors
    /// The metrics cannot be prepared.
    pub fn serve(app: App) -> anyhow::Result<Self> {
        let metrics = web::install_metrics().context("preparing the metrics")?;
        let shutdown = CancellationToken::new();
        let state = web_state(&app, metrics);
        tokio::spawn(web::serve(app.listener, web::router(state), shutdown.clone()));
        let worker = Worker::new(app.services.clone(), worker_name(0));
        Ok(Self { services: app.services, worker, address: app.address, shutdown })
    }

    /// Where webhooks are received.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the jobs work with.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Runs every job that is due, and those that they queue.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn drain(&self) -> Result<Drained, StoreError> {
        self.worker.drain().await
    }
}

impl Drop for SteppedApp {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// How the server's settings would have registries asked.
pub(crate) fn registry_settings(settings: &Settings, clock: &Clock) -> RegistrySettings {
    let usual = RegistrySettings::default();
    RegistrySettings {
        docker_config: settings.docker_config.clone(),
        insecure: settings.insecure_registries.clone(),
        allowed: settings.allowed_private_addresses.clone(),
        credentials: settings.registry_credentials.clone(),
        aliases: settings.registry_aliases.clone(),
        served_by: usual.served_by.into_iter().chain(settings.registry_hosts.clone()).collect(),
        realms: settings.registry_realms.clone(),
        docker_hub: settings.docker_hub_url.clone(),
        proxy: settings.proxy.clone(),
        authorities: settings.registry_authorities.clone(),
        client_certificates: settings.registry_client_certificates.clone(),
        clock: clock.clone(),
        ..RegistrySettings::default()
    }
}

/// What the web side works with. A worker's process serves no webhooks: without secrets every delivery is refused.
fn web_state(app: &App, metrics: PrometheusHandle) -> WebState {
    let (store, intake) = (app.services.store.clone(), intake_at(&app.services.clock));
    match app.settings.role {
        Role::Web | Role::All => {
            let secrets = app.settings.webhook_secrets.clone();
            WebState::new(store, secrets, intake, metrics).with_hooks(hooks(&app.settings, &app.services.clock))
        }
        Role::Worker => WebState::new(store, Vec::new(), intake, metrics),
    }
}

fn hooks(settings: &Settings, clock: &Clock) -> Hooks {
    let (clock, hooks) = (clock.clone(), &settings.registry_hooks);
    let secrets = hooks.iter().map(|hook| (hook.name.clone(), hook.secret.clone())).collect();
    let senders: BTreeMap<String, Sender> = hooks.iter().map(|hook| (hook.name.clone(), hook.sender.clone())).collect();
    let intake: HookIntake = Arc::new(move |name: &str, body: &[u8]| match senders.get(name) {
        Some(sender) => hook_intake(name, sender, body, clock.now()),
        None => Err(Malformed::new("there is no such hook")),
    });
    Hooks::new(secrets, intake)
}

fn intake_at(clock: &Clock) -> Intake {
    let clock = clock.clone();
    Arc::new(move |event: &str, id: &str, body: &[u8]| intake(event, id, body, clock.now()))
}

/// A name that no other worker on this database has.
fn worker_name(number: usize) -> String {
    let mut random = [0; 8];
    // Without randomness the process's id must do.
    if aws_lc_rs::rand::fill(&mut random).is_err() {
        random = u64::from(std::process::id()).to_be_bytes();
    }
    format!("{}-{}-{number}", std::process::id(), hex::encode(random))
}
