//! The ledger: when Restow itself first and last saw a digest under a tag. What a registry or a publisher says of dates
//! is a claim; this is not.

use super::database::{Sql, values};
use super::{ImageKey, Store, StoreError};
use crate::image::{Digest, Tag};
use crate::repo::Moment;

/// A digest under a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What the tag pointed at.
    pub digest: Digest,
    /// When it was first seen there.
    pub first_seen: Moment,
    /// When it was last seen there.
    pub last_seen: Moment,
    /// The version that the registry gave of its last answer.
    pub etag: Option<String>,
}

/// The first moment never changes. Two replicas may write in any order.
const OBSERVE: Sql = Sql::new(
    "write into the ledger",
    "INSERT INTO ledger (image, tag, digest, first_seen, last_seen, etag) VALUES ($1, $2, $3, $4, $4, $5)
     ON CONFLICT (image, tag, digest) DO UPDATE SET last_seen = excluded.last_seen, etag = excluded.etag
     WHERE excluded.last_seen > ledger.last_seen",
);

const SIGHTINGS: Sql = Sql::new(
    "read the ledger",
    "SELECT digest, first_seen, last_seen, etag FROM ledger WHERE image = $1 AND tag = $2
     ORDER BY last_seen DESC, first_seen DESC, digest",
);

impl Store {
    /// Remembers that `tag` points at `digest` now, and the registry's version of that answer.
    ///
    /// # Errors
    /// The database fails.
    pub async fn observe(
        &self,
        image: &ImageKey,
        tag: &Tag,
        (digest, etag): (&Digest, Option<&str>),
        now: Moment,
    ) -> Result<(), StoreError> {
        let digest = digest.to_string();
        self.database.write(OBSERVE, values![image.as_str(), tag.as_str(), &digest, now.0, etag]).await.map(|_| ())
    }

    /// What `tag` ever pointed at, the one that was seen last first.
    ///
    /// # Errors
    /// The database fails, or a row is unreadable.
    pub async fn sightings(&self, image: &ImageKey, tag: &Tag) -> Result<Vec<Sighting>, StoreError> {
        let rows = self.database.read(SIGHTINGS, values![image.as_str(), tag.as_str()]).await?;
        rows.iter()
            .map(|row| {
                let digest = row.text("digest")?;
                Ok(Sighting {
                    digest: Digest::parse(&digest)
                        .map_err(|error| StoreError::Row { column: "digest", problem: error.to_string() })?,
                    first_seen: Moment(row.int("first_seen")?),
                    last_seen: Moment(row.int("last_seen")?),
                    etag: row.maybe_text("etag")?,
                })
            })
            .collect()
    }
}
