//! What is known beside advisories: VEX statements (attached to images, for a while; of VEX repositories, whole), what
//! scanners found, and when the support of products ends.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::database::{Sql, over_rows, retry_conflicts, values};
use super::{ImageKey, Store, StoreError};
use crate::image::Digest;
use crate::repo::Moment;
use crate::vulnerability::{ProductEnd, VexStatement};

/// Rows that go into the database at once.
const AT_ONCE: usize = 5_000;

const ATTACHED: Sql = Sql::new(
    "read attached VEX statements",
    "SELECT body FROM attached_vex WHERE image = $1 AND digest = $2 AND read_at > $3",
);

const SAVE_ATTACHED: Sql = Sql::new(
    "save attached VEX statements",
    "INSERT INTO attached_vex (image, digest, body, read_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (image, digest) DO UPDATE SET body = excluded.body, read_at = excluded.read_at",
);

const SCAN: Sql = Sql::new(
    "read what a scanner found",
    "SELECT body FROM scans
     WHERE audience = $1 AND digest = $2 AND platform = $3 AND scanner = $4 AND scanned_at > $5",
);

const SAVE_SCAN: Sql = Sql::new(
    "save what a scanner found",
    "INSERT INTO scans (audience, digest, platform, scanner, body, scanned_at) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (audience, digest, platform, scanner) DO UPDATE SET body = excluded.body, scanned_at = excluded.scanned_at",
);

const DROP: Sql = Sql::new("save VEX statements", "DELETE FROM vex_statements WHERE repository = $1");

const ADD: Sql = over_rows!(
    "save VEX statements",
    "INSERT INTO vex_statements (repository, vulnerability, number, body)
     SELECT $2, given.value ->> 'vulnerability', CAST(given.value ->> 'number' AS BIGINT), given.value ->> 'body' FROM",
    "WHERE true ON CONFLICT (repository, vulnerability, number) DO NOTHING"
);

const ABOUT: Sql = over_rows!(
    "read VEX statements",
    "SELECT DISTINCT number, body FROM",
    "CROSS JOIN vex_statements
     WHERE vulnerability = given.value ->> 'vulnerability' AND repository = $2 ORDER BY number"
);

const DROP_ENDS: Sql = Sql::new("save ends of support", "DELETE FROM support_ends");

const ADD_ENDS: Sql = over_rows!(
    "save ends of support",
    "INSERT INTO support_ends (product, cycle, ends_at, ended)
     SELECT given.value ->> 'product', given.value ->> 'cycle', CAST(given.value ->> 'ends_at' AS BIGINT),
        CAST(given.value ->> 'ended' AS BIGINT) FROM",
    "WHERE true ON CONFLICT (product, cycle) DO NOTHING"
);

const END: Sql = Sql::new("read ends of support", "SELECT cycle, ends_at, ended FROM support_ends WHERE product = $1");

impl Store {
    /// The statements that were found attached to an image since `since`, as JSON; `None` where nobody looked.
    ///
    /// # Errors
    /// The database fails.
    pub async fn attached_vex(
        &self,
        image: &ImageKey,
        digest: &Digest,
        since: Moment,
    ) -> Result<Option<String>, StoreError> {
        let row = self.database.read_one(ATTACHED, values![image.as_str(), digest.as_str(), since.0]).await?;
        row.map(|row| row.text("body")).transpose()
    }

    /// Keeps what was found attached.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_attached_vex(&self, image: &ImageKey, digest: &Digest, body: &str) -> Result<(), StoreError> {
        let row = values![image.as_str(), digest.as_str(), body, self.now().0];
        self.database.write(SAVE_ATTACHED, row).await.map(|_| ())
    }

    /// What a scanner found on a platform (empty: the one that stands for all) since `since`, as JSON.
    ///
    /// # Errors
    /// The database fails.
    pub async fn scan(
        &self,
        audience: &str,
        (digest, platform): (&Digest, &str),
        scanner: &str,
        since: Moment,
    ) -> Result<Option<String>, StoreError> {
        let row = self.database.read_one(SCAN, values![audience, digest.as_str(), platform, scanner, since.0]).await?;
        row.map(|row| row.text("body")).transpose()
    }

    /// Keeps what a scanner found.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_scan(
        &self,
        audience: &str,
        (digest, platform): (&Digest, &str),
        scanner: &str,
        body: &str,
    ) -> Result<(), StoreError> {
        let row = values![audience, digest.as_str(), platform, scanner, body, self.now().0];
        self.database.write(SAVE_SCAN, row).await.map(|_| ())
    }

    /// Keeps the statements of a VEX repository in the place of what it had.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_vex(&self, repository: &str, statements: &[VexStatement]) -> Result<(), StoreError> {
        let row = |(number, statement): (usize, &VexStatement)| {
            let body = serde_json::to_string(statement).unwrap_or_default();
            let names = statement.vulnerabilities.iter();
            names.map(|name| json!({ "vulnerability": name, "number": number, "body": body })).collect::<Vec<_>>()
        };
        let rows: Vec<Json> = statements.iter().enumerate().flat_map(row).collect();
        let chunks: Vec<String> = rows.chunks(AT_ONCE).map(|some| Json::from(some.to_vec()).to_string()).collect();
        retry_conflicts(|| async {
            let mut open = self.database.begin(ADD.doing).await?;
            open.execute(DROP, values![repository]).await?;
            for some in &chunks {
                open.execute(ADD, values![some, repository]).await?;
            }
            open.commit(ADD.doing).await
        })
        .await
    }

    /// What a VEX repository says of these vulnerabilities.
    ///
    /// # Errors
    /// The database fails.
    pub async fn vex_about(
        &self,
        repository: &str,
        vulnerabilities: &BTreeSet<&str>,
    ) -> Result<Vec<VexStatement>, StoreError> {
        let wanted: Vec<Json> = vulnerabilities.iter().map(|name| json!({ "vulnerability": name })).collect();
        let rows = self.database.read(ABOUT, values![&Json::from(wanted).to_string(), repository]).await?;
        let bodies: Vec<String> = rows.iter().map(|row| row.text("body")).collect::<Result<_, _>>()?;
        Ok(bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).collect())
    }

    /// Keeps when the support of products ends, in the place of what was known.
    ///
    /// # Errors
    /// The database fails.
    pub async fn save_ends(&self, ends: &[ProductEnd]) -> Result<(), StoreError> {
        let row = |one: &ProductEnd| json!({ "product": one.product, "cycle": one.cycle, "ends_at": one.day.map(|day| day.0), "ended": u8::from(one.ended) });
        let chunks: Vec<String> =
            ends.chunks(AT_ONCE).map(|some| Json::from(some.iter().map(row).collect::<Vec<_>>()).to_string()).collect();
        retry_conflicts(|| async {
            let mut open = self.database.begin(ADD_ENDS.doing).await?;
            open.execute(DROP_ENDS, values![]).await?;
            for some in &chunks {
                open.execute(ADD_ENDS, values![some]).await?;
            }
            open.commit(ADD_ENDS.doing).await
        })
        .await
    }

    /// When the support of a product's release lines ends, by line.
    ///
    /// # Errors
    /// The database fails.
    pub async fn ends_of(&self, product: &str) -> Result<BTreeMap<String, ProductEnd>, StoreError> {
        let rows = self.database.read(END, values![product]).await?;
        let read = rows.iter().map(|row| {
            let cycle = row.text("cycle")?;
            let (day, ended) = (row.maybe_int("ends_at")?.map(Moment), row.int("ended")? != 0);
            Ok((cycle.clone(), ProductEnd { product: product.to_owned(), cycle, day, ended }))
        });
        read.collect()
    }
}
