//! OSV's API. Source: <https://google.github.io/osv.dev/api/>: `POST /v1/querybatch` tells which records there are, at
//! most 1,000 questions at once and page by page; `GET /v1/vulns/ID` tells a record.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::http::{AdvisoryError, Server};
use crate::vulnerability::PackageQuery;

/// Questions of one request; the API's own bound.
const BATCH: usize = 1000;
/// Pages of one question; the largest that is known has three.
const MOST_PAGES: usize = 20;
/// Bytes of one answer; the API's own bound.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// Bytes of one record.
const RECORD_LIMIT: usize = 8 * 1024 * 1024;
/// Records asked for at once.
const AT_ONCE: usize = 16;

/// A record that there is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// Its name.
    pub id: String,
    /// When it last changed.
    pub modified: String,
}

/// OSV's API, or one that answers as it does.
#[derive(Debug, Clone)]
pub struct Osv {
    server: Server,
}

#[derive(Deserialize)]
struct RawBatch {
    #[serde(default)]
    results: Vec<RawResult>,
}

#[derive(Deserialize, Default)]
struct RawResult {
    #[serde(default)]
    vulns: Option<Vec<RawNamed>>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct RawNamed {
    id: String,
    #[serde(default)]
    modified: String,
}

impl Osv {
    /// The public API.
    pub const PUBLIC: &'static str = "https://api.osv.dev/";

    /// An API at an address; asks nothing yet. Proxies are those of the environment.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn new(base: Url) -> Result<Self, AdvisoryError> {
        Ok(Self { server: Server::new(base)? })
    }

    /// Who is asked, for people.
    pub fn host(&self) -> String {
        self.server.place()
    }

    /// Which records there are for each question.
    ///
    /// # Errors
    /// The API does not answer, or its answer is cut or malformed: half an answer would say that there is less.
    pub async fn query(
        &self,
        questions: &BTreeSet<PackageQuery>,
    ) -> Result<BTreeMap<PackageQuery, BTreeSet<Named>>, AdvisoryError> {
        let mut found: BTreeMap<PackageQuery, BTreeSet<Named>> = BTreeMap::new();
        let mut open: Vec<(PackageQuery, Option<String>)> = questions.iter().map(|one| (one.clone(), None)).collect();
        for _ in 0..MOST_PAGES {
            if open.is_empty() {
                return Ok(found);
            }
            let mut next = Vec::new();
            for batch in open.chunks(BATCH) {
                for ((question, _), result) in batch.iter().zip(self.batch(batch).await?) {
                    let named = result.vulns.into_iter().flatten();
                    let named = named.map(|one| Named { id: one.id, modified: one.modified });
                    found.entry(question.clone()).or_default().extend(named);
                    next.extend(
                        result
                            .next_page_token
                            .filter(|token| !token.is_empty())
                            .map(|token| (question.clone(), Some(token))),
                    );
                }
            }
            open = next;
        }
        if open.is_empty() { Ok(found) } else { Err(self.server.failed("it has more pages than Restow reads")) }
    }

    async fn batch(&self, batch: &[(PackageQuery, Option<String>)]) -> Result<Vec<RawResult>, AdvisoryError> {
        let body = json!({ "queries": batch.iter().map(question).collect::<Vec<_>>() });
        let url = self.server.address(&["v1", "querybatch"])?;
        let answer = self.server.ask(|| self.server.http.post(url.clone()).json(&body), ANSWER_LIMIT).await?;
        results(&answer, batch.len()).map_err(|reason| self.server.failed(reason))
    }

    /// The records of these names, as JSON.
    ///
    /// # Errors
    /// One of them is not told.
    pub async fn records(&self, ids: &[&str]) -> Result<BTreeMap<String, Vec<u8>>, AdvisoryError> {
        let ask = |id: String| async move { self.record(&id).await.map(|record| (id, record)) };
        let owned: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let answers: Vec<Result<_, AdvisoryError>> =
            stream::iter(owned).map(ask).buffer_unordered(AT_ONCE).collect().await;
        answers.into_iter().collect()
    }

    async fn record(&self, id: &str) -> Result<Vec<u8>, AdvisoryError> {
        let url = self.server.address(&["v1", "vulns", id])?;
        self.server.ask(|| self.server.http.get(url.clone()), RECORD_LIMIT).await
    }
}

/// A question, as the API takes it; `token` asks for the next page of its answer.
fn question((query, token): &(PackageQuery, Option<String>)) -> Value {
    let mut question = json!({ "package": { "ecosystem": query.ecosystem, "name": query.name } });
    if !query.version.is_empty() {
        question["version"] = Value::from(query.version.as_str());
    }
    if let Some(token) = token {
        question["page_token"] = Value::from(token.as_str());
    }
    question
}

/// The answers to so many questions.
fn results(answer: &[u8], asked: usize) -> Result<Vec<RawResult>, &'static str> {
    let answer: RawBatch =
        serde_json::from_slice(answer).map_err(|_| "its answer is not what its documentation says")?;
    match answer.results.len() == asked {
        true => Ok(answer.results),
        false => Err("it answered another number of questions than it was asked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_genuine_exchange_is_written_and_read() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/vulnerabilities/osv/querybatch.json");
        let recorded: Value = serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON");
        let asked = recorded["request"]["queries"].as_array().expect("questions");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let query = |one: &Value| PackageQuery {
            ecosystem: text(&one["package"]["ecosystem"]),
            name: text(&one["package"]["name"]),
            version: text(&one["version"]),
        };
        let written: Vec<Value> = asked.iter().map(|one| question(&(query(one), None))).collect();
        assert_eq!(&written, asked);
        let answer = recorded["response"].to_string();
        let told = results(answer.as_bytes(), asked.len()).unwrap_or_else(|reason| panic!("{reason}"));
        let named = |(query, result): (&Value, RawResult)| {
            let name = text(&query["package"]["name"]);
            result.vulns.into_iter().flatten().map(move |one| format!("{name} {}", one.id)).collect::<Vec<_>>()
        };
        let named: BTreeSet<String> = asked.iter().zip(told).flat_map(named).collect();
        let expected = ["musl ALPINE-CVE-2025-26519", "openssl ALPINE-CVE-2024-13176", "openssl ALPINE-CVE-2024-9143"];
        assert_eq!(named.into_iter().collect::<Vec<_>>(), expected);
        assert!(results(answer.as_bytes(), asked.len() - 1).is_err(), "an answer to other questions");
    }
}
