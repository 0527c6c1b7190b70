//! OSV's exports: for each ecosystem one archive of all records, and a list of when each last changed. Source:
//! <https://google.github.io/osv.dev/data/>: `ECOSYSTEM/all.zip`, `ECOSYSTEM/modified_id.csv`, `ECOSYSTEM/ID.json`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use url::Url;
use zip::ZipArchive;

use super::http::{AdvisoryError, Server};
use super::osv::Named;
use crate::repo::Moment;

/// Bytes of a list; 600,000 records have 40 MB.
const LIST_LIMIT: usize = 256 << 20;
/// Bytes of one record.
const RECORD_LIMIT: usize = 8 << 20;
/// Bytes of one archive.
const ARCHIVE_LIMIT: u64 = 4 << 30;

/// The exports, or a copy of them.
#[derive(Debug, Clone)]
pub struct Exports {
    server: Server,
}

impl Exports {
    /// The public exports.
    pub const PUBLIC: &'static str = "https://storage.googleapis.com/osv-vulnerabilities/";

    /// Exports below an address; asks nothing yet.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(base: Url) -> Result<Self, AdvisoryError> {
        Ok(Self { server: Server::new(base)? })
    }

    /// All records of an ecosystem (`Debian`), and when each last changed.
    ///
    /// # Errors
    /// It is not there, or a line of it is none: half a list would say that there is less.
    pub async fn list(&self, ecosystem: &str) -> Result<Vec<Named>, AdvisoryError> {
        let url = self.server.address(&[ecosystem, "modified_id.csv"])?;
        let body = self.server.ask(|| self.server.http.get(url.clone()), LIST_LIMIT).await?;
        let text = String::from_utf8(body).map_err(|_| self.server.failed("its list of records is no text"))?;
        read_list(&text).ok_or_else(|| self.server.failed("its list of records is malformed"))
    }

    /// One record, as JSON.
    ///
    /// # Errors
    /// It is not told.
    pub async fn record(&self, ecosystem: &str, id: &str) -> Result<Vec<u8>, AdvisoryError> {
        let url = self.server.address(&[ecosystem, &format!("{id}.json")])?;
        self.server.ask(|| self.server.http.get(url.clone()), RECORD_LIMIT).await
    }

    /// Brings the archive of an ecosystem into `file`, which is made; a broken download goes on where it broke.
    /// `progress` is told of the bytes that are there and, where it is known, of all.
    ///
    /// # Errors
    /// It is not there, is larger than 4 GiB, or is not what the server's checksum says.
    pub async fn archive(
        &self,
        ecosystem: &str,
        file: &Path,
        progress: impl Fn(u64, Option<u64>),
    ) -> Result<(), AdvisoryError> {
        let url = self.server.address(&[ecosystem, "all.zip"])?;
        self.server.download(&url, (file, ARCHIVE_LIMIT), progress).await
    }
}

/// When each record changed, and which; `None` where a line tells neither, or there is none.
fn read_list(text: &str) -> Option<Vec<Named>> {
    let line = |line: &str| {
        let (modified, id) = line.split_once(',')?;
        // The list of all ecosystems names the ecosystem first.
        let id = id.rsplit('/').next().unwrap_or(id).trim();
        // A page that says something else is no list.
        let is_line = !id.is_empty() && Moment::parse_rfc3339(modified).is_some();
        is_line.then(|| Named { id: id.to_owned(), modified: modified.to_owned() })
    };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let named: Option<Vec<Named>> = lines.map(line).collect();
    named.filter(|named| !named.is_empty())
}

/// An archive of records.
#[derive(Debug)]
pub struct Archive {
    zip: ZipArchive<File>,
}

impl Archive {
    /// Opens one.
    ///
    /// # Errors
    /// It is no archive; the text is for a person.
    pub fn open(file: &Path) -> Result<Self, String> {
        let broken = |error: &dyn std::fmt::Display| format!("the archive of advisories cannot be read: {error}");
        let file = File::open(file).map_err(|error| broken(&error))?;
        Ok(Self { zip: ZipArchive::new(file).map_err(|error| broken(&error))? })
    }

    /// How many files it holds.
    pub fn len(&self) -> usize {
        self.zip.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.zip.is_empty()
    }

    /// The names of its files, without their ending.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let names = self.zip.file_names().filter_map(Result::ok);
        names.map(|name| name.strip_suffix(".json").unwrap_or(&name).to_owned())
    }

    /// A file's name without its ending, and its bytes, whose checksum was right.
    ///
    /// # Errors
    /// It is damaged, or no record has so many bytes; the text is for a person.
    pub fn record(&mut self, number: usize) -> Result<(String, Vec<u8>), String> {
        let broken = |error: &dyn std::fmt::Display| format!("the archive of advisories is damaged: {error}");
        let mut entry = self.zip.by_index(number).map_err(|error| broken(&error))?;
        let name = entry.name().map_err(|error| broken(&error))?.into_owned();
        let mut body = Vec::new();
        entry.by_ref().take(RECORD_LIMIT as u64 + 1).read_to_end(&mut body).map_err(|error| broken(&error))?;
        if body.len() > RECORD_LIMIT {
            return Err(format!("the archive of advisories is damaged: {name} is larger than a record"));
        }
        Ok((name.strip_suffix(".json").unwrap_or(&name).to_owned(), body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let found = read_list(text).map(|all| all.into_iter().map(|one| one.id).collect::<Vec<_>>());
        assert_eq!(found, expected.map(|all| all.iter().map(|one| (*one).to_owned()).collect()), "{text}");
    }

    #[test]
    fn a_list_is_read_whole_or_not() {
        check("2026-11-01T00:00:00Z,GO-1\n\n2026-11-01T00:00:00.5Z,Go/GO-2\n", Some(&["GO-1", "GO-2"]));
        check("", None);
        check("2026-11-01T00:00:00Z,GO-1\n2026-11", None);
        check("2026-11-01T00:00:00Z,\n", None);
        check("{\"id\":1,\"error\":\"no such page\"}", None);
        check("<html>,</html>", None);
    }
}
