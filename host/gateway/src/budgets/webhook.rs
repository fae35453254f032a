//! Delivery of announcements to the operator's webhook.
//!
//! Each is a POST, signed with HMAC-SHA-256 over its time and its body. They are delivered one after the other by a task of their own,
//! so no exchange waits for one. A failed delivery is repeated with growing waits; what can't be delivered is appended to a file, and
//! as long as that lasts, later ones are tried once.
//!
//! Bounds: [`QUEUE`] letters wait at most, and more are counted as lost; the file of dead letters has [`MAX_DEAD_BYTES`] at most.

mod dead_letters;
mod signature;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use witgate_http::Headers;
use witgate_upstream::{
    Admission, Departure, Framing, HeadersOf, Limit, Request, Upstreams, system_resolver,
};

use self::dead_letters::bury;
use crate::clock::now;
use crate::config::Webhook;
use crate::gateway::snapshot::Snapshot;
use crate::outgoing::{Place, describe};

/// Number of letters that wait for their delivery.
const QUEUE: usize = 1024;

/// Number of deliveries that are tried.
const TRIES: u32 = 8;

/// Wait before the second delivery. Each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// Largest wait between two deliveries.
const LAST_WAIT: Duration = Duration::from_secs(60);

const SIGNATURE: HeaderName = HeaderName::from_static("witgate-signature");
const EVENT_ID: HeaderName = HeaderName::from_static("witgate-event-id");

/// A message to the webhook.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(super) id: String,
    pub(super) body: Bytes,
}

/// The way of letters to the task that delivers them.
#[derive(Debug)]
pub(crate) struct Post {
    letters: mpsc::Sender<Letter>,
    /// The task's end, until the task takes it.
    arriving: Mutex<Option<mpsc::Receiver<Letter>>>,
    pub(crate) counts: Arc<Counts>,
}

/// What became of letters.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) delivered: AtomicU64,
    /// Letters in the file of those that could not be delivered.
    pub(crate) dead: AtomicU64,
    /// Letters of which nothing is left but the line in the log.
    pub(crate) lost: AtomicU64,
}

/// The task that delivers letters.
struct Carrier {
    counts: Arc<Counts>,
    /// Set while deliveries fail.
    is_failing: bool,
}

/// The result of a delivery.
#[derive(Debug)]
enum Failed {
    /// Another one may succeed.
    ForNow(String),
    /// The receiver does not want it.
    ForGood(String),
}

// === impl Post ===

impl Post {
    pub(crate) fn new() -> Self {
        let (letters, arriving) = mpsc::channel(QUEUE);
        Self {
            letters,
            arriving: Mutex::new(Some(arriving)),
            counts: Arc::default(),
        }
    }

    /// Sends a letter. Never waits.
    pub(super) fn send(&self, letter: Letter) {
        if let Err(refused) = self.letters.try_send(letter) {
            self.counts.lost.fetch_add(1, Relaxed);
            let letter = refused.into_inner();
            tracing::error!(
                id = letter.id,
                "a budget warning is lost to the webhook, because {QUEUE} others wait for it"
            );
        }
    }

    /// Returns the task that delivers letters until `stopped`, or `None` if there is one already. What waits then goes to the file of
    /// dead letters.
    pub(crate) fn carrier(
        &self,
        snapshot: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static,
        mut stopped: watch::Receiver<bool>,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let mut arriving = self.arriving.lock().take()?;
        let mut carrier = Carrier {
            counts: Arc::clone(&self.counts),
            is_failing: false,
        };
        Some(async move {
            loop {
                let letter = tokio::select! {
                    letter = arriving.recv() => letter,
                    _ = stopped.wait_for(|stopped| *stopped) => break,
                };
                let Some(letter) = letter else {
                    return;
                };
                carrier.carry(letter, &snapshot, &mut stopped).await;
            }
            while let Ok(letter) = arriving.try_recv() {
                let stopping = "the gateway stopped before it was delivered";
                carrier.bury(letter, &snapshot, stopping.to_owned()).await;
            }
        })
    }
}

// === impl Carrier ===

impl Carrier {
    /// Delivers a letter, or puts it to those that can't be delivered.
    async fn carry(
        &mut self,
        letter: Letter,
        snapshot: &(impl Fn() -> Arc<Snapshot> + Sync),
        stopped: &mut watch::Receiver<bool>,
    ) {
        let tries = if self.is_failing { 1 } else { TRIES };
        let mut wait = FIRST_WAIT;
        let mut why = String::new();
        for tried in 1..=tries {
            // Read each time, because the operator may mend it meanwhile.
            let Some(webhook) = snapshot().config.budgets.webhook.clone() else {
                return;
            };
            match deliver(&webhook, &letter).await {
                Ok(()) => {
                    self.is_failing = false;
                    self.counts.delivered.fetch_add(1, Relaxed);
                    return;
                }
                Err(Failed::ForGood(reason)) => {
                    why = reason;
                    break;
                }
                Err(Failed::ForNow(reason)) => {
                    why = reason;
                    self.is_failing = true;
                }
            }
            if tried < tries {
                let stop = stopped.wait_for(|stopped| *stopped);
                if timeout(wait, stop).await.is_ok() {
                    break;
                }
                wait = (wait * 2).min(LAST_WAIT);
            }
        }
        self.bury(letter, snapshot, why).await;
    }

    async fn bury(
        &mut self,
        letter: Letter,
        snapshot: &(impl Fn() -> Arc<Snapshot> + Sync),
        why: String,
    ) {
        let Some(webhook) = snapshot().config.budgets.webhook.clone() else {
            return;
        };
        tracing::error!(
            id = letter.id,
            reason = why,
            file = %webhook.dead_letters.display(),
            "a budget warning could not be delivered to the webhook"
        );
        let written =
            tokio::task::spawn_blocking(move || bury(&webhook.dead_letters, &letter, &why));
        match written.await {
            Ok(Ok(())) => self.counts.dead.fetch_add(1, Relaxed),
            Ok(Err(error)) => {
                tracing::error!(%error, "the file of undelivered budget warnings can't be written");
                self.counts.lost.fetch_add(1, Relaxed)
            }
            Err(_) => self.counts.lost.fetch_add(1, Relaxed),
        };
    }
}

/// Delivers a letter once.
///
/// # Errors
///
/// There was no answer, or the receiver refused it. The text has no secret.
async fn deliver(webhook: &Webhook, letter: &Letter) -> Result<(), Failed> {
    let prepared = prepare(webhook, letter).map_err(Failed::ForNow)?;
    let sent = timeout(webhook.timeout, Box::pin(post(webhook, prepared))).await;
    let late = || {
        Failed::ForNow(format!(
            "no answer within {} ms",
            webhook.timeout.as_millis()
        ))
    };
    match sent.map_err(|_| late())?? {
        200..=299 => Ok(()),
        status @ (408 | 429 | 500..) => Err(Failed::ForNow(format!("it answered {status}"))),
        status => Err(Failed::ForGood(format!("it answered {status}"))),
    }
}

/// Returns the place of a webhook, and the headers and body of a delivery.
fn prepare(webhook: &Webhook, letter: &Letter) -> Result<(Place, Headers, Bytes), String> {
    let place = Place::parse(&webhook.url)?;
    let secret = webhook.secret.read()?;
    let signed = signature::sign(secret.as_bytes(), now().0 / 1000, &letter.body);
    let mut headers = Headers::with_capacity(4);
    for (name, value) in [
        (SIGNATURE, signed.as_str()),
        (EVENT_ID, letter.id.as_str()),
        (CONTENT_TYPE, "application/json"),
        (USER_AGENT, "witgate-webhook"),
    ] {
        let value = HeaderValue::from_str(value).map_err(|error| error.to_string())?;
        headers.push(&name, &value);
    }
    Ok((place, headers, letter.body.clone()))
}

/// Sends a delivery, and returns the status of the answer.
async fn post(
    webhook: &Webhook,
    (place, headers, body): (Place, Headers, Bytes),
) -> Result<u16, Failed> {
    let config = place.server(webhook.timeout, webhook.ca_file.as_deref());
    let name = config.name.clone();
    let servers = Upstreams::try_new(&[config], &[], &name, &system_resolver(), None);
    let servers = servers.map_err(Failed::ForNow)?;
    let Some(server) = servers.get(&name) else {
        return Err(Failed::ForNow("it has no server".to_owned()));
    };
    let message = Request {
        method: &Method::POST,
        path: &place.path,
        headers,
        headers_of: HeadersOf::Gateway,
        framing: Framing::Length(body.len() as u64),
        body: &[body],
    };
    // As for health checks, no breaker or statistics learn from it.
    let attempt = server.attempt(Admission::HealthCheck);
    let mut attempt = attempt.map_err(|closed| Failed::ForNow(closed.to_string()))?;
    let limit = Limit::of_upstream(webhook.timeout);
    let sent = attempt.send(&message, limit, &Departure::default()).await;
    let response = sent.map_err(|error| Failed::ForNow(describe(&error, webhook.timeout)))?;
    Ok(response.status())
}
