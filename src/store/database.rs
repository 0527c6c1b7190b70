//! The two databases behind one face: pools, transactions, statements, values and rows.
//!
//! Both know `$1`, `ON CONFLICT`, `RETURNING` and `->>`, so nearly every statement is one text; the tables hold only
//! 64-bit integers and text, so that a row reads the same from either.

use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Connection, Postgres, Row as _, Sqlite};

use super::StoreError;

/// One statement in the words of each database, and what it does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sql {
    pub(super) doing: &'static str,
    pub(super) sqlite: &'static str,
    pub(super) postgres: &'static str,
}

impl Sql {
    /// A statement that reads the same on both; `doing` completes "cannot … in the database".
    pub(super) const fn new(doing: &'static str, text: &'static str) -> Self {
        Self { doing, sqlite: text, postgres: text }
    }
}

/// A statement over the objects of the JSON array in `$1`: between the two texts stands the table `given(value)`.
macro_rules! over_rows {
    ($doing:literal, $before:literal, $after:literal) => {
        $crate::store::database::Sql {
            doing: $doing,
            sqlite: concat!($before, " json_each($1) AS given ", $after),
            postgres: concat!($before, " jsonb_array_elements($1::jsonb) AS given(value) ", $after),
        }
    };
}

/// The values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::database::Value::from($value)),*] };
}

pub(super) use {over_rows, values};

/// A value of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<&'a str>),
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(value))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Some(value))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value)
    }
}

/// A row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| wrong(column, &error))
    }

    pub(super) fn maybe_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| wrong(column, &error))
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| wrong(column, &error))
    }

    pub(super) fn maybe_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| wrong(column, &error))
    }

    /// The column's integer as a smaller or unsigned one.
    pub(super) fn number<T: TryFrom<i64, Error: std::fmt::Display>>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        T::try_from(self.int(column)?).map_err(|error| wrong(column, &error))
    }

    /// The column's text, parsed.
    pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(|error| wrong(column, &error))
    }

    /// The column's text, parsed where there is one.
    pub(super) fn maybe_parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        self.maybe_text(column)?.map(|text| text.parse().map_err(|error| wrong(column, &error))).transpose()
    }
}

pub(super) fn wrong(column: &'static str, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Row { column, problem: problem.to_string() }
}

/// Binds the values of a statement; a macro because the two drivers share no type to be generic over.
macro_rules! bound {
    ($sql:expr, $values:expr) => {
        $values.iter().fold(sqlx::query($sql), |query, value| match value {
            Value::Int(value) => query.bind(*value),
            Value::Text(value) => query.bind(value.map(str::to_owned)),
        })
    };
}

/// The pools of one database; clones share them.
#[derive(Debug, Clone)]
pub(super) enum Database {
    /// SQLite has one writer: one connection writes, others read beside it.
    Sqlite {
        writer: SqlitePool,
        reader: SqlitePool,
    },
    Postgres(PgPool),
}

impl Database {
    /// Starts a transaction that may write.
    pub(super) async fn begin(&self, doing: &'static str) -> Result<Transaction<'static>, StoreError> {
        match self {
            // IMMEDIATE: a transaction that reads first and writes later could not wait for the lock.
            Self::Sqlite { writer, .. } => writer.begin_with("BEGIN IMMEDIATE").await.map(Transaction::Sqlite),
            Self::Postgres(pool) => pool.begin().await.map(Transaction::Postgres),
        }
        .map_err(|source| StoreError::Statement { doing, source })
    }

    /// Asks, outside any transaction.
    pub(super) async fn read(&self, sql: Sql, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite { reader, .. } => bound!(sql.sqlite, values)
                .fetch_all(reader)
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Self::Postgres(pool) => bound!(sql.postgres, values)
                .fetch_all(pool)
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
        }
        .map_err(|source| StoreError::Statement { doing: sql.doing, source })
    }

    /// Asks for the one row that a key can have.
    pub(super) async fn read_one(&self, sql: Sql, values: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.read(sql, values).await?.into_iter().next())
    }

    /// Writes with one statement; returns how many rows it touched.
    pub(super) async fn write(&self, sql: Sql, values: &[Value<'_>]) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite { writer, .. } => {
                bound!(sql.sqlite, values).execute(writer).await.map(|done| done.rows_affected())
            }
            Self::Postgres(pool) => bound!(sql.postgres, values).execute(pool).await.map(|done| done.rows_affected()),
        }
        .map_err(|source| StoreError::Statement { doing: sql.doing, source })
    }

    /// Waits for the connections at work and closes them all.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// A transaction; dropped without [`Transaction::commit`] it changes nothing.
pub(super) enum Transaction<'c> {
    Sqlite(sqlx::Transaction<'c, Sqlite>),
    Postgres(sqlx::Transaction<'c, Postgres>),
}

impl<'c> Transaction<'c> {
    /// Starts one on a connection of SQLite that the caller holds.
    pub(super) async fn on(
        connection: &'c mut sqlx::SqliteConnection,
        doing: &'static str,
    ) -> Result<Self, StoreError> {
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        begun.map(Self::Sqlite).map_err(|source| StoreError::Statement { doing, source })
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn rows(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(open) => bound!(sql.sqlite, values)
                .fetch_all(&mut **open)
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Self::Postgres(open) => bound!(sql.postgres, values)
                .fetch_all(&mut **open)
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
        }
        .map_err(|source| StoreError::Statement { doing: sql.doing, source })
    }

    /// Runs a statement and returns its first row.
    pub(super) async fn row(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs a statement and returns how many rows it touched.
    pub(super) async fn execute(&mut self, sql: Sql, values: &[Value<'_>]) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(open) => {
                bound!(sql.sqlite, values).execute(&mut **open).await.map(|done| done.rows_affected())
            }
            Self::Postgres(open) => {
                bound!(sql.postgres, values).execute(&mut **open).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|source| StoreError::Statement { doing: sql.doing, source })
    }

    /// Makes it so.
    pub(super) async fn commit(self, doing: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(open) => open.commit().await,
            Self::Postgres(open) => open.commit().await,
        }
        .map_err(|source| StoreError::Statement { doing, source })
    }
}

/// Runs a transaction again while others are faster, a few times at most.
pub(super) async fn retry_conflicts<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    const MORE_TRIES: u32 = 4;
    for _ in 0..MORE_TRIES {
        match attempt().await {
            Err(error) if error.is_conflict() => {}
            done => return done,
        }
    }
    attempt().await
}
