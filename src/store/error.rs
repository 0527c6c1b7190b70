//! What can go wrong with the database.

/// The database could not be opened, asked or understood.
///
/// No variant carries the URL's password or a stored payload.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database URL is of no form that Restow knows.
    #[error("the database URL {problem}; write sqlite:FILE, sqlite::memory: or postgres://USER:PASSWORD@HOST/NAME")]
    Url {
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such SQLite file, and none was to be made.
    #[error("there is no database at {location}")]
    Missing {
        /// Where it was looked for.
        location: String,
    },
    /// The database cannot be opened or reached.
    #[error("cannot open the database {location}")]
    Open {
        /// Which database, without its password.
        location: String,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// The tables could not be brought up to date.
    #[error("cannot bring the tables of {location} up to date")]
    Migrate {
        /// Which database, without its password.
        location: String,
        /// What the driver says.
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed.
    #[error("cannot {doing} in the database")]
    Statement {
        /// What was being done.
        doing: &'static str,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// A row holds what Restow never writes.
    #[error("the database holds a wrong {column}: {problem}")]
    Row {
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A value could not be written as JSON.
    #[error("cannot write {what} as JSON")]
    Json {
        /// What was being written.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The store was closed.
    #[error("the database is closed")]
    Closed,
}

/// PostgreSQL's codes for a transaction that lost against another and may simply be run again.
const TRY_AGAIN: [&str; 2] = ["40001", "40P01"];

impl StoreError {
    /// Whether another transaction was faster, so that running this one again can succeed.
    pub(super) fn is_conflict(&self) -> bool {
        let Self::Statement { source: sqlx::Error::Database(error), .. } = self else { return false };
        error.is_unique_violation() || error.code().is_some_and(|code| TRY_AGAIN.contains(&code.as_ref()))
    }
}
