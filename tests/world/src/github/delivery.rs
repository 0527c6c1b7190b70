//! Webhooks: what happened waits in a queue until it is delivered, signed, by a real POST.

use std::collections::VecDeque;
use std::sync::Arc;

use aws_lc_rs::hmac;
use serde_json::Value;
use tokio::sync::Notify;

/// One event on its way.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) event: String,
    pub(crate) guid: String,
    pub(crate) body: Vec<u8>,
}

/// Where deliveries go.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub(crate) url: String,
    pub(crate) secret: String,
}

/// In which order waiting deliveries leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they happened.
    #[default]
    AsHappened,
    /// The last one first.
    Reversed,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) hook: Option<Hook>,
    waiting: VecDeque<Delivery>,
    pub(crate) lose: usize,
    pub(crate) double: usize,
    pub(crate) order: Order,
    news: Arc<Notify>,
    /// What was lost on its way, with a number and its moment, newest last.
    pub(crate) lost: Vec<(u64, String, Delivery)>,
}

impl Queue {
    /// An empty queue that calls `news` whenever something is added.
    pub(crate) fn new(news: Arc<Notify>) -> Self {
        Self { news, ..Self::default() }
    }

    /// Events that happen while no webhook is connected are dropped, as GitHub drops them.
    pub(crate) fn add(&mut self, event: &str, payload: &Value, now: &str) {
        if self.hook.is_none() {
            return;
        }
        if self.lose > 0 {
            self.lose -= 1;
            let body = serde_json::to_vec(payload).expect("impossible: JSON can be written");
            let number = self.lost.len() as u64 + 1;
            self.lost.push((number, now.to_owned(), Delivery { event: event.to_owned(), guid: guid(), body }));
            return;
        }
        let body = serde_json::to_vec(payload).expect("impossible: JSON can be written");
        let delivery = Delivery { event: event.to_owned(), guid: guid(), body };
        if self.double > 0 {
            self.double -= 1;
            self.waiting.push_back(delivery.clone());
        }
        self.waiting.push_back(delivery);
        self.news.notify_one();
    }

    /// Sends one that was lost again.
    pub(crate) fn again(&mut self, number: u64) -> bool {
        let found = self.lost.iter().position(|(id, ..)| *id == number);
        let Some(found) = found else { return false };
        let (.., delivery) = self.lost.remove(found);
        self.waiting.push_back(delivery);
        self.news.notify_one();
        true
    }

    pub(crate) fn take(&mut self) -> Option<(Hook, Delivery)> {
        let hook = self.hook.clone()?;
        let next = match self.order {
            Order::AsHappened => self.waiting.pop_front(),
            Order::Reversed => self.waiting.pop_back(),
        };
        Some((hook, next?))
    }

    pub(crate) fn waiting(&self) -> Vec<(String, Value)> {
        let read = |body: &[u8]| serde_json::from_slice(body).expect("impossible: the world wrote it");
        self.waiting.iter().map(|delivery| (delivery.event.clone(), read(&delivery.body))).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// Random bytes as hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut out = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut out).expect("the machine has randomness");
    hex::encode(out)
}

fn guid() -> String {
    let hex = random_hex(16);
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// The value of `X-Hub-Signature-256`.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body).as_ref()))
}

/// Posts one delivery; the status of the answer, 0 where there was none.
pub(crate) async fn post(client: &reqwest::Client, hook: &Hook, delivery: &Delivery) -> u16 {
    let request = client
        .post(&hook.url)
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/5d0a3f1")
        .header("x-github-event", &delivery.event)
        .header("x-github-delivery", &delivery.guid)
        .header("x-github-hook-id", "1")
        .header("x-github-hook-installation-target-type", "integration")
        .header("x-github-hook-installation-target-id", super::model::APP_ID)
        .header("x-hub-signature-256", signature(&hook.secret, &delivery.body))
        .body(delivery.body.clone());
    match request.send().await {
        Ok(answer) => answer.status().as_u16(),
        Err(_) => 0,
    }
}
