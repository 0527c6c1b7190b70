//! The package database of rpm, which is a file of SQLite out of an image: hostile until shown otherwise.
//!
//! Source: rpm, `lib/backend/sqlite.cc`: `CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB)`.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Connection, Row};

/// Headers that are read; the largest images have some thousands.
const MOST_HEADERS: usize = 50_000;
/// Bytes of one header: a kernel's names each of its files, in some hundreds of KiB.
const LARGEST_HEADER: i64 = 16 << 20;
/// Bytes of all headers together. A broken tree may show the same bytes many times.
const MOST_BYTES: usize = 512 << 20;
/// How long it may take.
const TIME: Duration = Duration::from_secs(30);
/// Steps of SQLite between two looks at the clock.
const STEPS: i32 = 10_000;

/// Why there are no headers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RpmDatabaseError {
    /// It is no database that is read: that stays so.
    #[error("its rpm database cannot be read: {0}")]
    Malformed(String),
    /// This machine could not do it; it may another time.
    #[error("its rpm database could not be read here: {0}")]
    Passing(String),
}

/// The headers of a database.
///
/// It is opened for reading only, and only bytes that are stored in a plain table are read: nothing that its schema
/// computes.
///
/// # Errors
/// It is no such database, or it is beyond the bounds.
pub async fn rpm_headers(database: &[u8]) -> Result<Vec<Vec<u8>>, RpmDatabaseError> {
    let passing = |error: std::io::Error| RpmDatabaseError::Passing(error.to_string());
    let file = tempfile::NamedTempFile::new().map_err(passing)?;
    tokio::fs::write(file.path(), database).await.map_err(passing)?;
    let options = SqliteConnectOptions::new()
        .filename(file.path())
        .read_only(true)
        .immutable(true)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON");
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(|error| malformed(&error))?;
    let headers = read(&mut connection).await;
    // A file that was only read has nothing to lose.
    drop(connection.close().await);
    headers
}

async fn read(connection: &mut SqliteConnection) -> Result<Vec<Vec<u8>>, RpmDatabaseError> {
    let begun = Instant::now();
    let mut handle = connection.lock_handle().await.map_err(|error| malformed(&error))?;
    handle.set_progress_handler(STEPS, move || begun.elapsed() < TIME);
    drop(handle);
    if !is_plain_table(connection).await? {
        return Err(RpmDatabaseError::Malformed("it has no plain table of packages".to_owned()));
    }
    let query = "SELECT CASE WHEN length(blob) <= ?1 THEN blob END AS header FROM Packages";
    let mut rows = sqlx::query(query).bind(LARGEST_HEADER).fetch(connection);
    let (mut headers, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await.map_err(|error| malformed(&error))? {
        let header: Option<Vec<u8>> = row.try_get("header").map_err(|error| malformed(&error))?;
        let header = header.unwrap_or_default();
        bytes += header.len();
        if header.is_empty() || bytes > MOST_BYTES || headers.len() >= MOST_HEADERS {
            return Err(RpmDatabaseError::Malformed("it holds more than any image has".to_owned()));
        }
        headers.push(header);
    }
    Ok(headers)
}

/// Whether `Packages` is a table whose bytes are stored: no view, no virtual table, no computed column.
async fn is_plain_table(connection: &mut SqliteConnection) -> Result<bool, RpmDatabaseError> {
    let query = "SELECT type, sql FROM sqlite_schema WHERE name = 'Packages'";
    let found: Vec<SqliteRow> =
        sqlx::query(query).fetch_all(&mut *connection).await.map_err(|error| malformed(&error))?;
    let text = |row: &SqliteRow, name: &str| row.try_get::<String, _>(name).unwrap_or_default().to_ascii_uppercase();
    let is_table = |row: &SqliteRow| text(row, "type") == "TABLE" && !text(row, "sql").contains("VIRTUAL");
    if !matches!(found.as_slice(), [row] if is_table(row)) {
        return Ok(false);
    }
    let query = "SELECT name, hidden FROM pragma_table_xinfo('Packages') WHERE name = 'blob'";
    let columns = sqlx::query(query).fetch_all(connection).await.map_err(|error| malformed(&error))?;
    Ok(columns.len() == 1 && columns.iter().all(|row| row.try_get::<i64, _>("hidden").is_ok_and(|hidden| hidden == 0)))
}

fn malformed(error: &sqlx::Error) -> RpmDatabaseError {
    RpmDatabaseError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database that these statements make.
    async fn database(statements: &str) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let options = SqliteConnectOptions::new().filename(file.path());
        let mut connection = SqliteConnection::connect_with(&options).await.expect("a database");
        for statement in statements.split(';') {
            sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.expect("a statement");
        }
        connection.close().await.expect("closed");
        std::fs::read(file.path()).expect("bytes")
    }

    #[track_caller]
    fn check(found: Result<Vec<Vec<u8>>, RpmDatabaseError>, expected: Result<usize, &str>) {
        let shown = found.map(|headers| headers.len()).map_err(|error| error.to_string());
        let expected = expected.map_err(|reason| format!("its rpm database cannot be read: {reason}"));
        assert_eq!(shown, expected);
    }

    #[tokio::test]
    async fn only_stored_bytes_of_a_plain_table_are_read() {
        let of = async |statements: &str| rpm_headers(&database(statements).await).await;
        let table = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)";
        check(of(table).await, Ok(0));
        check(of(&format!("{table};INSERT INTO Packages (blob) VALUES (x'01'), (x'02')")).await, Ok(2));
        let none = Err("it has no plain table of packages");
        check(of("CREATE TABLE Other (x)").await, none);
        let view = "CREATE VIEW Packages(blob) AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
            SELECT zeroblob(10000000) FROM n";
        check(of(view).await, none);
        let computed = "CREATE TABLE Packages (hnum INTEGER, blob AS (zeroblob(100000000)))";
        check(of(&format!("{computed};INSERT INTO Packages (hnum) VALUES (1)")).await, none);
        let large = format!("{table};INSERT INTO Packages (blob) VALUES (zeroblob({}))", LARGEST_HEADER + 1);
        check(of(&large).await, Err("it holds more than any image has"));
        assert!(matches!(rpm_headers(b"no database").await, Err(RpmDatabaseError::Malformed(_))));
    }
}
