//! GraphQL, for the few questions that REST does not answer.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::app::Repo;
use super::client::read_json;
use super::error::GitHubError;
use super::transport::Call;

/// The wait after GraphQL's own rate limit, which comes with status 200.
const LIMITED_FOR: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Body<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<QueryError>,
}

#[derive(Deserialize)]
struct QueryError {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    message: String,
}

/// Has GitHub merge a pull request as soon as it can.
pub(super) const ENABLE_AUTO_MERGE: &str =
    "mutation AutoMerge($id: ID!, $head: GitObjectID!, $method: PullRequestMergeMethod!) {
  enablePullRequestAutoMerge(input: { pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method }) {
    pullRequest { number }
  }
}";

/// Puts a pull request into the merge queue.
pub(super) const ENQUEUE_PULL: &str = "mutation Enqueue($id: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: { pullRequestId: $id, expectedHeadOid: $head }) {
    mergeQueueEntry { position }
  }
}";

/// Takes back that GitHub merges a pull request as soon as it can.
pub(super) const DISABLE_AUTO_MERGE: &str = "mutation NoAutoMerge($id: ID!) {
  disablePullRequestAutoMerge(input: { pullRequestId: $id }) {
    pullRequest { number }
  }
}";

/// Takes a pull request out of the merge queue.
pub(super) const DEQUEUE_PULL: &str = "mutation Dequeue($id: ID!) {
  dequeuePullRequest(input: { id: $id }) {
    mergeQueueEntry { position }
  }
}";

/// Asks whether a pull request is in the merge queue.
pub(super) const IN_QUEUE: &str = "query InQueue($id: ID!) {
  node(id: $id) {
    ... on PullRequest { isInMergeQueue }
  }
}";

/// Moves a ref, or with zeros deletes it, if it still is where it was seen.
pub(super) const UPDATE_REF: &str =
    "mutation MoveRef($id: ID!, $name: GitRefname!, $before: GitObjectID!, $after: GitObjectID!) {
  updateRefs(input: {
    repositoryId: $id, refUpdates: [{ name: $name, beforeOid: $before, afterOid: $after, force: true }]
  }) {
    clientMutationId
  }
}";

/// Every document that Restow sends, for the test that holds them against GitHub's schema.
pub const DOCUMENTS: [&str; 6] =
    [ENABLE_AUTO_MERGE, ENQUEUE_PULL, DISABLE_AUTO_MERGE, DEQUEUE_PULL, IN_QUEUE, UPDATE_REF];

impl Repo {
    /// Asks a GraphQL query or mutation; `data` is read as `T`.
    ///
    /// # Errors
    /// As a REST call of the same outcome; an answer with any error in it is an error.
    pub async fn graphql<T: DeserializeOwned>(&self, query: &str, variables: &Value) -> Result<T, GitHubError> {
        let call = Call::graphql(json!({ "query": query, "variables": variables }));
        let answer = self.github().call(&self.identity(), &call).await?;
        read(&call, read_json(&call, &answer)?)
    }
}

fn read<T>(call: &Call, body: Body<T>) -> Result<T, GitHubError> {
    let Some(first) = body.errors.first() else {
        return body.data.ok_or_else(|| GitHubError::permanent(call, "the answer holds no data"));
    };
    let texts = body.errors.iter().take(10).map(|error| error.message.chars().take(500).collect::<String>());
    let message = texts.collect::<Vec<_>>().join("; ");
    let call = call.name();
    Err(match first.kind.as_str() {
        "RATE_LIMITED" => {
            GitHubError::Retry { call, after: Some(LIMITED_FOR), reason: format!("rate limit: {message}") }
        }
        "NOT_FOUND" => GitHubError::NotFound { call },
        "FORBIDDEN" | "INSUFFICIENT_SCOPES" => GitHubError::Forbidden { call, message },
        _ => GitHubError::Unprocessable { call, message, errors: Vec::new() },
    })
}

#[cfg(test)]
mod tests {
    use super::super::error::Disposition;
    use super::*;

    fn outcome(body: &str) -> Result<Value, GitHubError> {
        read(&Call::graphql(Value::Null), serde_json::from_str(body).expect("an answer"))
    }

    #[test]
    fn errors_come_with_status_200() {
        assert_eq!(outcome(r#"{"data":{"a":1}}"#), Ok(json!({ "a": 1 })));
        let limited =
            outcome(r#"{"data":null,"errors":[{"type":"RATE_LIMITED","message":"m"}]}"#).expect_err("limited");
        assert_eq!(limited.disposition(), Disposition::Retry(Some(LIMITED_FOR)));
        let partly = outcome(r#"{"data":{"a":1},"errors":[{"message":"Pull request is in clean status"}]}"#);
        assert_eq!(
            partly.expect_err("an error").to_string(),
            "POST /graphql: refused: Pull request is in clean status"
        );
        assert!(outcome(r#"{"data":null}"#).is_err());
    }
}
