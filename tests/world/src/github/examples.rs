//! The webhook payloads that GitHub publishes.

use std::io::Read;

use serde_json::Value;

const FILE: &[u8] =
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/github/webhook-examples.json.gz"));

/// All payloads of npm `@octokit/webhooks-examples`: event and payload.
///
/// # Panics
/// Where the fixture is damaged.
pub fn webhook_examples() -> Vec<(String, Value)> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(FILE).read_to_string(&mut text).expect("the fixture is whole");
    serde_json::from_str(&text).expect("the fixture is JSON")
}
