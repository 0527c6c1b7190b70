//! What people refused or put off in a repository: by closing a pull request, or by a command.

use serde_json::{Value as Json, json};

use super::database::{Row, Sql, over_rows, values, wrong};
use super::{Store, StoreError};
use crate::image::{Digest, ImageName, Tag};
use crate::plan::PassedOver;
use crate::repo::{BranchName, Moment, PullNumber, RepoId};

/// One thing that is not wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignore {
    /// The branch that it was proposed for, where that is not the default branch.
    pub base: Option<BranchName>,
    /// The image.
    pub image: ImageName,
    /// Its line; `None` for every line.
    pub line: Option<String>,
    /// The group whose moves alone it is about; `None` for all.
    pub group: Option<String>,
    /// What of it.
    pub what: PassedOver,
    /// Until when; `None` for good.
    pub until: Option<Moment>,
    /// The login of who asked for it; empty where GitHub did not tell.
    pub author: String,
    /// Why: `closed`, or the command.
    pub reason: String,
    /// The pull request at which it was asked for.
    pub pull: Option<PullNumber>,
    /// When it was asked for.
    pub at: Moment,
}

const SAVE: Sql = over_rows!(
    "save what is ignored",
    "INSERT INTO ignores (repo_id, base, image, line, group_name, what, value, until, author, reason, pull, created_at)
     SELECT $2, given.value ->> 'base', given.value ->> 'image', given.value ->> 'line', given.value ->> 'group', given.value ->> 'what',
        given.value ->> 'value',
        CAST(given.value ->> 'until' AS BIGINT), given.value ->> 'author', given.value ->> 'reason',
        CAST(given.value ->> 'pull' AS BIGINT), CAST(given.value ->> 'at' AS BIGINT)
     FROM",
    "WHERE true
     ON CONFLICT (repo_id, base, image, line, group_name, what, value) DO UPDATE SET until = excluded.until, author = excluded.author,
        reason = excluded.reason, pull = excluded.pull, created_at = excluded.created_at"
);

const LIST: Sql = Sql::new(
    "list what is ignored",
    "SELECT base, image, line, group_name, what, value, until, author, reason, pull, created_at FROM ignores
     WHERE repo_id = $1 AND (until IS NULL OR until > $2) ORDER BY image, line, base, created_at, id",
);

const FORGET: Sql = Sql::new("forget what is ignored", "DELETE FROM ignores WHERE repo_id = $1 AND image = $2");

const FORGET_OF: Sql = Sql::new("forget what is ignored", "DELETE FROM ignores WHERE repo_id = $1 AND pull = $2");

impl Store {
    /// Saves what is not wanted; what was saved before gets the new end, author and reason.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_ignores(&self, repo: RepoId, ignores: &[Ignore]) -> Result<(), StoreError> {
        if ignores.is_empty() {
            return Ok(());
        }
        let mut rows: Vec<Json> = Vec::new();
        for row in ignores.iter().map(as_json) {
            // One statement cannot touch a row twice.
            let same = |other: &&mut Json| {
                ["base", "image", "line", "group", "what", "value"].iter().all(|key| other[*key] == row[*key])
            };
            match rows.iter_mut().find(same) {
                Some(earlier) => *earlier = row,
                None => rows.push(row),
            }
        }
        let rows = Json::from(rows).to_string();
        self.database.write(SAVE, values![&rows, repo.0.cast_signed()]).await.map(|_| ())
    }

    /// What is not wanted at this moment, by image, line and age.
    ///
    /// # Errors
    /// The database fails, or a row is unreadable.
    pub async fn ignores(&self, repo: RepoId, now: Moment) -> Result<Vec<Ignore>, StoreError> {
        let rows = self.database.read(LIST, values![repo.0.cast_signed(), now.0]).await?;
        rows.iter().map(ignore).collect()
    }

    /// Forgets what was asked for at a pull request; how much that was.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_ignores_of(&self, repo: RepoId, pull: PullNumber) -> Result<u64, StoreError> {
        self.database.write(FORGET_OF, values![repo.0.cast_signed(), pull.0.cast_signed()]).await
    }

    /// Forgets what is not wanted of an image; how much that was.
    ///
    /// # Errors
    /// The database fails.
    pub async fn forget_ignores(&self, repo: RepoId, image: &ImageName) -> Result<u64, StoreError> {
        let image = image.to_string();
        self.database.write(FORGET, values![repo.0.cast_signed(), &image]).await
    }
}

fn as_json(ignore: &Ignore) -> Json {
    let (what, value) = match &ignore.what {
        PassedOver::All => ("all", String::new()),
        PassedOver::Tag(tag) => ("tag", tag.to_string()),
        PassedOver::Content(tag, digest) => ("content", format!("{tag}@{digest}")),
        PassedOver::Versions(numbers) => ("versions", numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(".")),
    };
    json!({
        "base": ignore.base.as_ref().map(BranchName::as_str).unwrap_or_default(),
        "image": ignore.image.to_string(),
        "line": ignore.line.as_deref().unwrap_or_default(),
        "group": ignore.group.as_deref().unwrap_or_default(),
        "what": what,
        "value": value,
        "until": ignore.until.map(|until| until.0),
        "author": ignore.author,
        "reason": ignore.reason,
        "pull": ignore.pull.map(|pull| pull.0),
        "at": ignore.at.0,
    })
}

fn ignore(row: &Row) -> Result<Ignore, StoreError> {
    let (what, value) = (row.text("what")?, row.text("value")?);
    let base = row.text("base")?;
    Ok(Ignore {
        base: if base.is_empty() { None } else { Some(row.parsed("base")?) },
        image: row.parsed("image")?,
        line: Some(row.text("line")?).filter(|line| !line.is_empty()),
        group: Some(row.text("group_name")?).filter(|group| !group.is_empty()),
        what: passed_over(&what, &value).ok_or_else(|| wrong("value", &"it names nothing to ignore"))?,
        until: row.maybe_int("until")?.map(Moment),
        author: row.text("author")?,
        reason: row.text("reason")?,
        pull: row.maybe_int("pull")?.map(|pull| PullNumber(pull.cast_unsigned())),
        at: Moment(row.int("created_at")?),
    })
}

fn passed_over(what: &str, value: &str) -> Option<PassedOver> {
    Some(match what {
        "all" => PassedOver::All,
        "tag" => PassedOver::Tag(Tag::parse(value).ok()?),
        "content" => {
            let (tag, digest) = value.split_once('@')?;
            PassedOver::Content(Tag::parse(tag).ok()?, Digest::parse(digest).ok()?)
        }
        "versions" => PassedOver::Versions(value.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?),
        _ => return None,
    })
}
