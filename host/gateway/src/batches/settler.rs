//! The task that settles the holds of batches and writes their receipts.
//!
//! It is told of batches whose results a client has read, and polls the open ones: one batch at a time for each upstream, with
//! longer breaks while an upstream fails. It stops after the last client, so that it settles everything that clients have
//! read.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use witgate_ledger::{Ledger, Settled};
use witgate_messages::meter::{Reading, Source};
use witgate_messages::price::PriceBook;
use witgate_upstream::Upstream;

use super::look::{Found, Trouble, look};
use super::{Batches, Ended, Ending, Record};
use crate::budgets::warning;
use crate::clock::now;
use crate::gateway::snapshot::Snapshot;
use crate::listen::stopped;
use crate::receipts::batch_note::BatchNote;
use crate::receipts::charged::Charged;
use crate::receipts::receipt::{Outcome, Receipt};

/// The endpoint on receipts of settlements.
const ENDPOINT: &str = "batch-settlement";

/// Longest break between two polls of an upstream that fails.
const MAX_BREAK: Duration = Duration::from_secs(60 * 60);

/// Timeout of one poll. A trickling response must not keep the other batches from being polled.
const POLL_TIMEOUT: Duration = Duration::from_hours(1);

/// The settling task.
pub(crate) struct Settler {
    batches: Arc<Batches>,
    ledger: Arc<Ledger>,
    /// Returns the current configuration.
    snapshot: Box<dyn Fn() -> Arc<Snapshot> + Send + Sync>,
    /// Submits the receipt of a settlement.
    submit: Box<dyn Fn(Receipt) + Send + Sync>,
    ended: mpsc::UnboundedReceiver<Ended>,
    /// Rounds that are running.
    rounds: JoinSet<Round>,
    upstreams: HashMap<String, Watched>,
    /// The time of the next round.
    next: Instant,
}

/// A finished round of polls of one upstream.
struct Round {
    upstream: String,
    result: Polled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Polled {
    Succeeded,
    Failed,
}

/// The polling schedule of an upstream.
#[derive(Clone, Copy)]
struct Watched {
    running: bool,
    failures: u32,
    next: Instant,
}

// === impl Settler ===

impl Settler {
    /// Returns the settler of `batches`, or `None` if they have one already.
    pub(crate) fn new(
        batches: &Arc<Batches>,
        ledger: &Arc<Ledger>,
        snapshot: impl Fn() -> Arc<Snapshot> + Send + Sync + 'static,
        submit: impl Fn(Receipt) + Send + Sync + 'static,
    ) -> Option<Self> {
        let ended = batches.take_news()?;
        // Batches of an earlier process may have ended long ago.
        let wait = if batches.records().is_empty() {
            snapshot().config.batches.poll
        } else {
            Duration::ZERO
        };
        Some(Self {
            next: Instant::now() + wait,
            batches: Arc::clone(batches),
            ledger: Arc::clone(ledger),
            snapshot: Box::new(snapshot),
            submit: Box::new(submit),
            ended,
            rounds: JoinSet::new(),
            upstreams: HashMap::new(),
        })
    }

    /// Settles batches until the gateway stops.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.ended.recv() => self.settle(ended).await,
                () = stopped(&mut stop) => break,
                Some(round) = self.rounds.join_next() => {
                    // A round that panicked was logged; its upstream is polled again after a restart.
                    if let Ok(round) = round {
                        self.finish(&round);
                    }
                }
                () = sleep_until(self.next) => {
                    self.poll_all().await;
                    self.next = Instant::now() + (self.snapshot)().config.batches.poll;
                }
            }
        }
        self.rounds.shutdown().await;
        while let Ok(ended) = self.ended.try_recv() {
            self.settle(ended).await;
        }
    }

    /// Starts a round at every upstream that has open batches.
    async fn poll_all(&mut self) {
        if let Err(error) = self.batches.catch_up(&self.ledger, now()).await {
            tracing::error!(%error, "open batches can't be read from the state database");
        }
        let snapshot = (self.snapshot)();
        let mut by_upstream = HashMap::<String, Vec<Arc<Record>>>::new();
        for record in self.batches.records() {
            if record.is_over(now()) {
                self.batches.announce(&record.id, Ending::Expired, None);
            } else {
                let of = by_upstream.entry(record.upstream.clone()).or_default();
                of.push(record);
            }
        }
        let current = Instant::now();
        for (name, records) in by_upstream {
            let Some(upstream) = snapshot.upstreams.get(&name) else {
                tracing::warn!(upstream = %name, batches = records.len(), "open batches are at an upstream that is no longer configured, and can't be settled: add it again");
                continue;
            };
            let watched = self.upstreams.entry(name).or_insert(Watched {
                running: false,
                failures: 0,
                next: current,
            });
            if !watched.running && watched.next <= current {
                watched.running = true;
                let (batches, upstream) = (Arc::clone(&self.batches), Arc::clone(upstream));
                let prices = Arc::clone(snapshot.prices.of(Some(&upstream.config.name)));
                self.rounds.spawn(round(batches, upstream, records, prices));
            }
        }
    }

    fn finish(&mut self, round: &Round) {
        let poll = (self.snapshot)().config.batches.poll;
        let Some(watched) = self.upstreams.get_mut(&round.upstream) else {
            return;
        };
        watched.running = false;
        watched.failures = match round.result {
            Polled::Succeeded => 0,
            Polled::Failed => watched.failures.saturating_add(1),
        };
        let wait = match watched.failures {
            0 => Duration::ZERO,
            failures => poll.saturating_mul(1 << failures.min(16)).min(MAX_BREAK),
        };
        watched.next = Instant::now() + wait;
    }

    /// Settles a batch, unless it is settled.
    async fn settle(&self, ended: Ended) {
        let batches = &self.batches;
        if let Some(record) = batches.record(&ended.id) {
            let _settling = batches.begin_settling(&record.id);
            let amounts = ended.ending.amounts();
            match batches.record_settlement(&record.id, amounts).await {
                Ok(None) => {
                    let settled = batches.settle_hold(&record.id, amounts);
                    self.write_receipt(&record, &ended.ending, settled);
                }
                Ok(Some(_)) => batches.release_hold(&record.id),
                Err(error) => {
                    tracing::error!(batch = %record.id, %error, "a batch can't be settled in the state database; it stays open");
                    return;
                }
            }
        }
        if let Some(settled) = ended.settled {
            // The waiting request may be gone.
            let _ = settled.send(());
        }
    }

    fn write_receipt(
        &self,
        record: &Record,
        ending: &Ending,
        (settled, charged): (Settled, Vec<Charged>),
    ) {
        let id = format!("req_wg{:032x}", rand::random::<u128>());
        let mut receipt = Receipt::new(id.into(), now().0, "GET");
        receipt.request.endpoint = ENDPOINT;
        receipt.request.caller = Some(Arc::new(record.facts.maker.caller()));
        receipt.request.envelope = Some(Arc::new(record.facts.maker.envelope()));
        receipt.request.provenance = record.facts.maker.provenance();
        receipt.response.outcome = Some(Outcome::Answered);
        receipt.usage.batch = Some(Box::new(BatchNote::settled(
            &record.id,
            record.facts.requests,
            ending.code(),
            ending.totals(),
        )));
        receipt.usage.charged = charged;
        let overdrafts = settled.overdrafts.iter();
        receipt.usage.overdrawn = overdrafts
            .map(|overdraft| overdraft.account.to_string())
            .collect();
        let crossings = settled.crossings.into_iter();
        receipt.usage.crossings = crossings.filter(warning::is_announced).collect();
        match ending {
            Ending::Results(totals) => {
                let mut models = totals.models.keys();
                receipt.usage.cost = Some(totals.cost());
                receipt.usage.reading = Some(Reading {
                    usage: totals.usage(),
                    source: if totals.unread == 0 {
                        Source::Reported
                    } else {
                        Source::Partial
                    },
                    model: match (models.next(), models.next()) {
                        (Some(only), None) => Some(only.to_string()),
                        _ => None,
                    },
                    passed_over: totals.unread,
                    ended: true,
                    ..Reading::default()
                });
            }
            Ending::Gone | Ending::Expired => {
                tracing::warn!(batch = %record.id, how = ending.code(), "a batch can no longer be settled; its hold is released");
                receipt.response.outcome = Some(Outcome::Abandoned);
            }
        }
        (self.submit)(receipt);
    }
}

/// Polls the open batches of one upstream, one at a time.
async fn round(
    batches: Arc<Batches>,
    upstream: Arc<Upstream>,
    records: Vec<Arc<Record>>,
    prices: Arc<PriceBook>,
) -> Round {
    let mut result = Polled::Succeeded;
    for record in records {
        let looked = timeout(POLL_TIMEOUT, look(&upstream, &record, &prices)).await;
        match looked.unwrap_or_else(|_| Err(Trouble::Batch("its results take too long".into()))) {
            Ok(Found::Running) => {}
            Ok(Found::Ended(ending)) => batches.announce(&record.id, ending, None),
            Err(trouble @ Trouble::Batch(_)) => {
                tracing::warn!(batch = %record.id, %trouble, "an open batch can't be polled");
            }
            Err(trouble @ Trouble::Upstream(_)) => {
                tracing::warn!(upstream = %upstream.config.name, %trouble, "the open batches of an upstream can't be polled");
                result = Polled::Failed;
                break;
            }
        }
    }
    Round {
        upstream: upstream.config.name.clone(),
        result,
    }
}
