//! `restow serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::{DONE, Outcome, USAGE};
use crate::app::App;
use crate::clock::Clock;
use crate::settings::{LogFormat, Overrides, Role, Settings};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The settings file, TOML; each setting may also stand in the environment
    #[arg(long, value_name = "FILE", env = "RESTOW_SETTINGS")]
    settings: Option<PathBuf>,
    /// Which part of the work to do; RESTOW_ROLE, else all
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// Where to listen: an address and a port; RESTOW_LISTEN, else 127.0.0.1:8080
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The database: sqlite:FILE or postgres://…; RESTOW_DATABASE_URL, else sqlite:restow.db
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

pub(super) fn run(args: Args) -> Outcome {
    let overrides = Overrides { role: args.role, listen: args.listen, database_url: args.database };
    let settings = match Settings::load(args.settings.as_deref(), &overrides) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("restow: {error}");
            return Ok(USAGE);
        }
    };
    log(settings.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let served = runtime.block_on(serve(settings));
    // Work that blocks a thread does not hold the process back.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served?;
    Ok(DONE)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stop.cancel();
    });
    App::start(settings, Clock::System).await?.run(shutdown).await
}

/// Log lines go to standard error; `RUST_LOG` chooses them.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let subscriber = subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    match format {
        LogFormat::Human => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}
