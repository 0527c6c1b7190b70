//! The command line: one file per subcommand.

mod advisories;
mod audit;
mod check;
mod describe;
mod explain;
mod healthcheck;
mod jobs;
mod lookup;
mod output;
mod registry;
mod rules;
mod scan;
mod serve;
mod tag;
mod update;
mod walk;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Nothing to say: done, or nothing found.
pub const DONE: u8 = 0;
/// Findings, where `--exit-code` asked for them.
pub const FINDINGS: u8 = 1;
/// The command line or a configuration is wrong.
pub const USAGE: u8 = 2;
/// It could not be done.
pub const FAILED: u8 = 3;

/// Keeps container images up to date, safe and explained.
#[derive(Debug, Parser)]
#[command(name = "restow", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the GitHub App: receive webhooks, open pull requests
    Serve(serve::Args),
    /// List the images that a folder names, and what they could move to
    Scan(scan::Args),
    /// Move images in the files of a folder, in place
    Update(update::Args),
    /// Ask what a tag means
    #[command(subcommand)]
    Tag(tag::TagCommand),
    /// Say how an image's tag is read, what it could move to, and why not elsewhere
    Explain(explain::Args),
    /// Ask what works with a registry
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    /// Mirror advisories, so that images are held against them without asking anybody
    #[command(subcommand)]
    Advisories(advisories::AdvisoriesCommand),
    /// Validate a repository's configuration file
    Check(check::Args),
    /// Shows what was decided and done: who, when, where, by which rule
    Audit(audit::Args),
    /// List the jobs of a server's queue, and retry dead ones
    Jobs(jobs::Args),
    /// Ask the server on this machine whether it lives
    #[command(hide = true)]
    Healthcheck(healthcheck::Args),
    /// Print the completion script of a shell
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
}

/// What a subcommand returns: an exit code, or an error that says what to do.
pub type Outcome = anyhow::Result<u8>;

/// The command line or a configuration is wrong: the exit code is [`USAGE`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ConfigurationError(String);

/// Reads the command line, runs the subcommand, and returns the process's exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(args),
        Command::Scan(args) => scan::run(&args),
        Command::Update(args) => update::run(&args),
        Command::Tag(command) => tag::run(&command),
        Command::Explain(args) => explain::run(&args),
        Command::Registry(command) => registry::run(&command),
        Command::Advisories(command) => advisories::run(&command),
        Command::Check(args) => check::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Jobs(args) => jobs::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "restow", &mut std::io::stdout());
            Ok(DONE)
        }
    };
    outcome.map_or_else(
        |error| {
            eprintln!("restow: {error:#}");
            ExitCode::from(if error.is::<ConfigurationError>() { USAGE } else { FAILED })
        },
        ExitCode::from,
    )
}
