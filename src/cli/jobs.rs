//! `restow jobs`: what the queue of a server holds, and a second chance for what died.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use secrecy::SecretString;
use serde_json::{Value as Json, json};

use super::{DONE, FAILED, Outcome, USAGE};
use crate::clock::Clock;
use crate::repo::Moment;
use crate::store::{JobFilter, JobRow, JobState, Store, StoreError};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(flatten)]
    database: Database,
    /// Only jobs in this state
    #[arg(long, value_enum)]
    state: Option<StateArg>,
    /// At most so many jobs
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u32,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Database {
    /// The server's database: sqlite:FILE or postgres://…
    #[arg(
        long = "database",
        value_name = "URL",
        env = "RESTOW_DATABASE_URL",
        hide_env_values = true,
        default_value = "sqlite:restow.db",
        global = true
    )]
    url: String,
}

impl Database {
    /// Opens it; where it is not there, says how to name it.
    pub(super) async fn open(&self) -> anyhow::Result<Option<Store>> {
        open_existing(&self.url).await
    }
}

/// Opens a server's database; where it is not there, says how to name it.
pub(super) async fn open_existing(url: &str) -> anyhow::Result<Option<Store>> {
    match Store::open_existing(&SecretString::from(url), Clock::System).await {
        Ok(store) => Ok(Some(store)),
        Err(error @ (StoreError::Url { .. } | StoreError::Missing { .. })) => {
            writeln!(io::stderr(), "restow: {error}; name the server's database with --database")?;
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a dead job ready again, with all its tries
    Retry {
        /// Its number, as listed
        id: i64,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateArg {
    Ready,
    Running,
    Dead,
}

impl From<StateArg> for JobState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Ready => Self::Ready,
            StateArg::Running => Self::Running,
            StateArg::Dead => Self::Dead,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Human,
    Json,
}

pub(super) fn run(args: &Args) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(with_store(args))
}

async fn with_store(args: &Args) -> Outcome {
    let Some(store) = args.database.open().await? else { return Ok(USAGE) };
    let outcome = match &args.action {
        None => list(&store, args, &mut io::stdout().lock()).await,
        Some(Action::Retry { id }) => retry(&store, *id, &mut io::stdout().lock()).await,
    };
    store.close().await;
    outcome
}

/// Lists the jobs of a queue.
async fn list(store: &Store, args: &Args, out: &mut impl Write) -> Outcome {
    let filter = JobFilter { state: args.state.map(JobState::from), limit: args.limit, ..JobFilter::default() };
    let jobs = store.jobs(&filter).await?;
    match args.format {
        Format::Json => writeln!(out, "{:#}", as_json(&jobs))?,
        Format::Human if jobs.is_empty() => writeln!(out, "{}", nothing(filter.state))?,
        Format::Human => writeln!(out, "{}", table(&jobs))?,
    }
    Ok(DONE)
}

/// Retries a dead job.
async fn retry(store: &Store, id: i64, out: &mut impl Write) -> Outcome {
    if store.retry_dead(id).await? {
        writeln!(out, "job {id} is ready again")?;
        return Ok(DONE);
    }
    let known = store.jobs(&JobFilter { limit: u32::MAX, ..JobFilter::default() }).await?;
    match known.iter().find(|job| job.id == id) {
        Some(job) => writeln!(io::stderr(), "restow: job {id} is {}, not dead: nothing to retry", job.state)?,
        None => writeln!(
            io::stderr(),
            "restow: there is no job {id}: it may have finished; `restow jobs --state dead` lists the dead"
        )?,
    }
    Ok(FAILED)
}

fn nothing(state: Option<JobState>) -> String {
    state.map_or_else(|| "no jobs: the queue is empty".to_owned(), |state| format!("no {state} jobs"))
}

fn table(jobs: &[JobRow]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["ID", "STATE", "KIND", "KEY", "TRIES", "WHEN", "ERROR"]);
    for job in jobs {
        table.add_row([
            job.id.to_string(),
            job.state.to_string(),
            job.kind.clone(),
            job.dedupe_key.clone(),
            format!("{}/{}", job.attempts, job.max_attempts),
            when(job),
            job.error.as_deref().map(one_line).unwrap_or_default(),
        ]);
    }
    table
}

/// What the moment means depends on the state.
fn when(job: &JobRow) -> String {
    match job.state {
        JobState::Ready => format!("due {}", job.run_at),
        JobState::Running => format!("held until {}", job.lease_until.unwrap_or(job.changed_at)),
        JobState::Dead => format!("died {}", job.changed_at),
    }
}

/// An error may quote what others wrote: no line breaks and no escape sequences reach the terminal.
fn one_line(error: &str) -> String {
    const LONGEST: usize = 200;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = error.chars().take(LONGEST).map(plain).collect();
    if error.chars().count() > LONGEST {
        line.push('…');
    }
    line
}

/// A contract: keys are added, never renamed.
fn as_json(jobs: &[JobRow]) -> Json {
    let text = |moment: Moment| moment.to_string();
    let jobs = jobs.iter().map(|job| {
        json!({
            "id": job.id,
            "state": job.state,
            "kind": job.kind,
            "key": job.dedupe_key,
            "serial_key": job.serial_key,
            "payload": job.payload,
            "priority": job.priority,
            "attempts": job.attempts,
            "max_attempts": job.max_attempts,
            "run_at": text(job.run_at),
            "lease_until": job.lease_until.map(text),
            "worker": job.worker,
            "error": job.error,
            "created_at": text(job.created_at),
            "changed_at": text(job.changed_at),
        })
    });
    json!({ "version": 1, "jobs": jobs.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: JobState, error: Option<&str>) -> JobRow {
        JobRow {
            id: 7,
            kind: "scan".to_owned(),
            serial_key: "repo 1".to_owned(),
            dedupe_key: "repo 1".to_owned(),
            payload: json!({ "repo": 1 }),
            priority: 5,
            state,
            run_at: Moment(1_800_000_000_000),
            attempts: 2,
            max_attempts: 5,
            worker: (state == JobState::Running).then(|| "w1".to_owned()),
            lease_until: (state == JobState::Running).then_some(Moment(1_800_000_060_000)),
            error: error.map(str::to_owned),
            created_at: Moment(1_799_999_000_000),
            changed_at: Moment(1_800_000_030_000),
        }
    }

    #[track_caller]
    fn check(job: &JobRow, expected: &str) {
        let table = table(std::slice::from_ref(job)).to_string();
        let row = table.lines().nth(1).unwrap_or_default();
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(words.join(" "), expected);
    }

    #[test]
    fn a_row_tells_what_its_moment_means() {
        check(&job(JobState::Ready, None), "7 ready scan repo 1 2/5 due 2027-01-15T08:00:00Z");
        check(&job(JobState::Running, None), "7 running scan repo 1 2/5 held until 2027-01-15T08:01:00Z");
        check(&job(JobState::Dead, Some("gone")), "7 dead scan repo 1 2/5 died 2027-01-15T08:00:30Z gone");
    }

    #[test]
    fn an_error_cannot_paint_on_the_terminal() {
        assert_eq!(one_line("a\n\u{1b}[31mred\u{7}"), "a  [31mred ");
        assert_eq!(one_line(&"x".repeat(300)).chars().count(), 201);
    }

    #[test]
    fn an_empty_queue_is_said_so() {
        assert_eq!(nothing(None), "no jobs: the queue is empty");
        assert_eq!(nothing(Some(JobState::Dead)), "no dead jobs");
    }

    #[test]
    fn json_holds_what_scripts_rely_on() {
        let json = as_json(&[job(JobState::Dead, Some("gone"))]);
        assert_eq!(json["version"], 1);
        let first = &json["jobs"][0];
        assert_eq!((&first["id"], &first["state"], &first["error"]), (&json!(7), &json!("dead"), &json!("gone")));
        assert_eq!((&first["run_at"], &first["worker"]), (&json!("2027-01-15T08:00:00Z"), &Json::Null));
    }
}
