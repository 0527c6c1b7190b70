//! VEX repositories: an index that names a document for each package, below one address. Source: the VEX Repository
//! Specification 0.1, `index.json`.

use serde_json::Value;
use url::Url;

use super::http::{AdvisoryError, Server};

/// Bytes of the index.
const INDEX_LIMIT: usize = 16 << 20;
/// Bytes of one document.
const DOCUMENT_LIMIT: usize = 32 << 20;
/// Documents of one repository.
const MOST_DOCUMENTS: usize = 5_000;

/// A VEX repository.
#[derive(Debug, Clone)]
pub struct VexRepository {
    server: Server,
    address: String,
}

impl VexRepository {
    /// A repository whose `index.json` lies right below an address; asks nothing yet.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(base: Url) -> Result<Self, AdvisoryError> {
        let address = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { server: Server::new(base)?, address })
    }

    /// Its address, as rules name it: without a slash at its end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where its documents are, each once.
    ///
    /// # Errors
    /// It is not told, names more than Restow reads, or places outside of the repository.
    pub async fn locations(&self) -> Result<Vec<String>, AdvisoryError> {
        let url = self.server.address(&["index.json"])?;
        let body = self.server.ask(|| self.server.http.get(url.clone()), INDEX_LIMIT).await?;
        let malformed = || self.server.failed("its index of VEX documents is malformed");
        let index: Value = serde_json::from_slice(&body).map_err(|_| malformed())?;
        let packages = index.get("packages").and_then(Value::as_array).ok_or_else(malformed)?;
        let location = |one: &Value| {
            let named = one.get("location").or_else(|| one.get("Location"))?.as_str()?;
            is_inside(named).then(|| named.to_owned())
        };
        let mut locations: Vec<String> = packages.iter().map(location).collect::<Option<_>>().ok_or_else(malformed)?;
        locations.sort();
        locations.dedup();
        match locations.len() > MOST_DOCUMENTS {
            true => Err(self.server.failed("its index names more VEX documents than Restow reads")),
            false => Ok(locations),
        }
    }

    /// One document.
    ///
    /// # Errors
    /// It is not told.
    pub async fn document(&self, location: &str) -> Result<Vec<u8>, AdvisoryError> {
        let url = self.server.address(&location.split('/').collect::<Vec<_>>())?;
        self.server.ask(|| self.server.http.get(url.clone()), DOCUMENT_LIMIT).await
    }
}

/// Whether a path stays below the repository.
fn is_inside(path: &str) -> bool {
    let fits = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\');
    path.len() <= 1000 && path.split('/').all(fits) && !path.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_repository() {
        for inside in ["pkg/golang/github.com/acme/app/vex.json", "vex.json"] {
            assert!(is_inside(inside), "{inside}");
        }
        for outside in ["", "/vex.json", "../vex.json", "a/../../b", "https://example.com/x", "a//b", "a\\b"] {
            assert!(!is_inside(outside), "{outside}");
        }
    }
}
