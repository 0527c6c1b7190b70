//! From a database URL to pools with their tables up to date.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::StoreError;
use super::database::Database;

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/postgres");

const READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// How long one process waits for another's write to the same SQLite file.
const BUSY: Duration = Duration::from_secs(5);
const ACQUIRE: Duration = Duration::from_secs(10);

/// What to do where there is no SQLite file yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfMissing {
    Create,
    Refuse,
}

/// Opens the database and brings its tables up to date.
pub(super) async fn open(url: &SecretString, if_missing: IfMissing) -> Result<Database, StoreError> {
    match Location::parse(url.expose_secret())? {
        Location::Memory => open_memory().await,
        Location::File(path) => open_file(&path, if_missing).await,
        Location::Postgres { options, shown } => open_postgres(*options, shown).await,
    }
}

/// Where a URL points, read without ever putting the URL into an error.
enum Location {
    Memory,
    File(PathBuf),
    Postgres { options: Box<PgConnectOptions>, shown: String },
}

impl Location {
    fn parse(url: &str) -> Result<Self, StoreError> {
        let wrong = |problem: String| StoreError::Url { problem };
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(wrong("has no scheme".to_owned()));
        };
        match scheme {
            "sqlite" if rest == ":memory:" => Ok(Self::Memory),
            "sqlite" => sqlite_path(rest).map(Self::File).ok_or_else(|| wrong("names no SQLite file".to_owned())),
            "postgres" | "postgresql" => postgres(url).ok_or_else(|| wrong("is not a valid PostgreSQL URL".to_owned())),
            // A scheme of another form may be a part of a password that was pasted without its head.
            other if known_database(other) => Err(wrong(format!("has the unsupported scheme {other}:"))),
            _ => Err(wrong("has an unknown scheme".to_owned())),
        }
    }
}

fn known_database(scheme: &str) -> bool {
    matches!(
        scheme,
        "mysql" | "mariadb" | "mssql" | "sqlserver" | "oracle" | "redis" | "mongodb" | "http" | "https" | "file"
    )
}

/// `sqlite:restow.db`, `sqlite:/var/lib/restow.db` and `sqlite:///var/lib/restow.db` are all in use.
fn sqlite_path(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    (!path.is_empty() && !path.contains(['?', '\0'])).then(|| PathBuf::from(path))
}

fn postgres(url: &str) -> Option<Location> {
    let parsed = url::Url::parse(url).ok()?;
    let options = PgConnectOptions::from_str(url).ok()?;
    let host = parsed.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    let shown = format!("postgres://{host}{port}{}", parsed.path());
    Some(Location::Postgres { options: Box::new(options.application_name("restow")), shown })
}

/// A database in memory is one connection, which must never be closed: closing it forgets everything.
async fn open_memory() -> Result<Database, StoreError> {
    let location = "sqlite::memory:";
    let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
        .map_err(|source| StoreError::Open { location: location.to_owned(), source })?;
    migrate_sqlite(&pool, location).await?;
    Ok(Database::Sqlite { writer: pool.clone(), reader: pool })
}

async fn open_file(path: &Path, if_missing: IfMissing) -> Result<Database, StoreError> {
    let location = format!("sqlite:{}", path.display());
    if if_missing == IfMissing::Refuse && !path.exists() {
        return Err(StoreError::Missing { location });
    }
    let failed = |source| StoreError::Open { location: location.clone(), source };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(if_missing == IfMissing::Create)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
        .foreign_keys(true);
    let pool = |connections| {
        SqlitePoolOptions::new().max_connections(connections).acquire_timeout(ACQUIRE).test_before_acquire(false)
    };
    let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
    migrate_sqlite(&writer, &location).await?;
    let reader = pool(READERS).connect_lazy_with(options.create_if_missing(false).read_only(true));
    Ok(Database::Sqlite { writer, reader })
}

async fn migrate_sqlite(pool: &SqlitePool, location: &str) -> Result<(), StoreError> {
    let migrated = SQLITE_MIGRATIONS.run(pool).await;
    migrated.map_err(|source| StoreError::Migrate { location: location.to_owned(), source })
}

async fn open_postgres(options: PgConnectOptions, location: String) -> Result<Database, StoreError> {
    let connected =
        PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE).connect_with(options).await;
    let pool = match connected {
        Ok(pool) => pool,
        Err(source) => return Err(StoreError::Open { location, source }),
    };
    // The migrator holds an advisory lock, so that replicas may start together.
    match POSTGRES_MIGRATIONS.run(&pool).await {
        Ok(()) => Ok(Database::Postgres(pool)),
        Err(source) => Err(StoreError::Migrate { location, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(url: &str, expected: &str) {
        let message = Location::parse(url).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{url:?}: {message:?}");
        assert!(!message.contains("hunter2"), "{message:?} shows the password");
    }

    #[test]
    fn wrong_urls_say_what_is_wrong_and_never_the_password() {
        check_refused("restow.db", "has no scheme");
        check_refused("sqlite:", "names no SQLite file");
        check_refused("sqlite://", "names no SQLite file");
        check_refused("mysql://root:hunter2@db/x", "unsupported scheme mysql:");
        check_refused("hunter2:x", "unknown scheme");
        check_refused("postgres://restow:hunter2@db:port/x", "not a valid PostgreSQL URL");
    }

    #[test]
    fn sqlite_files_are_named_with_and_without_slashes() {
        for (url, expected) in [
            ("sqlite:restow.db", "restow.db"),
            ("sqlite://restow.db", "restow.db"),
            ("sqlite:/var/lib/restow.db", "/var/lib/restow.db"),
            ("sqlite:///var/lib/restow.db", "/var/lib/restow.db"),
        ] {
            let path = match Location::parse(url) {
                Ok(Location::File(path)) => path,
                _ => PathBuf::new(),
            };
            assert_eq!(path, Path::new(expected), "{url}");
        }
    }

    #[test]
    fn a_postgres_location_is_shown_without_user_and_password() {
        let shown = match Location::parse("postgres://restow:hunter2@db.internal:6432/restow?sslmode=require") {
            Ok(Location::Postgres { shown, .. }) => shown,
            _ => String::new(),
        };
        assert_eq!(shown, "postgres://db.internal:6432/restow");
    }
}
