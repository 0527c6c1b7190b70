//! The audit: what was decided and done, when, by whom, by which rule, on what evidence. Rows are only added.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::database::{Row, Sql, over_rows, values};
use super::{Store, StoreError};
use crate::repo::{Moment, PullNumber, RepoId};

/// One decision or act.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// When.
    pub at: Moment,
    /// Who: `restow`, or a login.
    pub actor: String,
    /// What: `open`, `update`, `merge`, `close`, `hold`, `command` …
    pub act: String,
    /// Where.
    pub repo: RepoId,
    /// The repository's name then.
    pub repository: String,
    /// The image; empty where it is about none.
    pub image: String,
    /// What stood there.
    pub from: String,
    /// What it moves to.
    pub to: String,
    /// The pull request.
    pub pull: Option<PullNumber>,
    /// Where the rule stands that decided, or what it says.
    pub rule: String,
    /// Upon what: digests, dates, checks.
    pub evidence: Json,
    /// What came of it.
    pub result: String,
}

/// Which entries to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of this repository, by its name.
    pub repository: Option<String>,
    /// Only of this image, by its full name.
    pub image: Option<String>,
    /// Only since then.
    pub since: Option<Moment>,
    /// The newest so many.
    pub limit: u32,
}

const RECORD: Sql = over_rows!(
    "record in the audit",
    "INSERT INTO audit (at, actor, act, repo_id, repository, image, from_ref, to_ref, pull, rule, evidence, result)
     SELECT CAST(given.value ->> 'at' AS BIGINT), given.value ->> 'actor', given.value ->> 'act',
        CAST(given.value ->> 'repo' AS BIGINT), given.value ->> 'repository', given.value ->> 'image',
        given.value ->> 'from', given.value ->> 'to', CAST(given.value ->> 'pull' AS BIGINT), given.value ->> 'rule',
        given.value ->> 'evidence', given.value ->> 'result'
     FROM",
    "WHERE true"
);

const LIST: Sql = Sql::new(
    "read the audit",
    "SELECT at, actor, act, repo_id, repository, image, from_ref, to_ref, pull, rule, evidence, result FROM (
        SELECT * FROM audit
        WHERE ($1 IS NULL OR repository = $1) AND ($2 IS NULL OR image = $2) AND at >= $3
        ORDER BY id DESC LIMIT $4
     ) AS newest ORDER BY id",
);

const OPENED: Sql = Sql::new(
    "read what was opened",
    "SELECT pull, MIN(at) AS at FROM audit WHERE repo_id = $1 AND act = 'open' AND at >= $2 AND pull IS NOT NULL
     GROUP BY pull",
);

/// What was last published at a pull request.
const MOVES: Sql = Sql::new(
    "read what a pull request moves",
    "SELECT at, actor, act, repo_id, repository, image, from_ref, to_ref, pull, rule, evidence, result FROM audit
     WHERE repo_id = $1 AND pull = $2 AND act IN ('open', 'update') ORDER BY id DESC LIMIT 100",
);

impl Store {
    /// What the newest publishing at a pull request moved, as it was recorded then.
    ///
    /// # Errors
    /// The database fails, or a row is unreadable.
    pub async fn published(&self, repo: RepoId, pull: PullNumber) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = self.database.read(MOVES, values![repo.0.cast_signed(), pull.0.cast_signed()]).await?;
        let mut all = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let newest = all.first().map(|entry| entry.at);
        all.retain(|entry| Some(entry.at) == newest);
        Ok(all)
    }

    /// The pull requests that were opened since a moment, and when.
    ///
    /// # Errors
    /// The database fails.
    pub async fn opened_since(&self, repo: RepoId, since: Moment) -> Result<BTreeMap<PullNumber, Moment>, StoreError> {
        let rows = self.database.read(OPENED, values![repo.0.cast_signed(), since.0]).await?;
        let opened = |row: &Row| Ok((PullNumber(row.int("pull")?.cast_unsigned()), Moment(row.int("at")?)));
        rows.iter().map(opened).collect()
    }

    /// Records what was decided or done.
    ///
    /// # Errors
    /// The database fails.
    pub async fn record(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let rows = Json::from(entries.iter().map(as_json).collect::<Vec<_>>()).to_string();
        self.database.write(RECORD, values![&rows]).await.map(|_| ())
    }

    /// The newest entries that the filter lets through, the oldest of them first.
    ///
    /// # Errors
    /// The database fails, or a row is unreadable.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let since = filter.since.map_or(0, |since| since.0);
        let wanted =
            values![filter.repository.as_deref(), filter.image.as_deref(), since, i64::from(filter.limit.max(1))];
        self.database.read(LIST, wanted).await?.iter().map(entry).collect()
    }
}

/// The evidence goes as text inside the text: it is stored as it was written.
fn as_json(entry: &AuditEntry) -> Json {
    json!({
        "at": entry.at.0,
        "actor": entry.actor,
        "act": entry.act,
        "repo": entry.repo.0.cast_signed(),
        "repository": entry.repository,
        "image": entry.image,
        "from": entry.from,
        "to": entry.to,
        "pull": entry.pull.map(|pull| pull.0),
        "rule": entry.rule,
        "evidence": entry.evidence.to_string(),
        "result": entry.result,
    })
}

fn entry(row: &Row) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        at: Moment(row.int("at")?),
        actor: row.text("actor")?,
        act: row.text("act")?,
        repo: RepoId(row.int("repo_id")?.cast_unsigned()),
        repository: row.text("repository")?,
        image: row.text("image")?,
        from: row.text("from_ref")?,
        to: row.text("to_ref")?,
        pull: row.maybe_int("pull")?.map(|pull| PullNumber(pull.cast_unsigned())),
        rule: row.text("rule")?,
        evidence: row.parsed("evidence")?,
        result: row.text("result")?,
    })
}
