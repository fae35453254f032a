//! Settles batches: the one task that ends their holds and writes their receipts.
//!
//! It hears of clients that have read results, and looks by itself at what is open: every upstream by turns, one batch at
//! a time, with longer breaks while an upstream can't be asked. It stops after the last client, so that nothing that a
//! client has read is left behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use witgate_messages::meter::{Reading, Source};
use witgate_messages::price::PriceBook;

use super::look::{Found, Trouble, look};
use super::{Ended, Ending, Record};
use crate::clock::now;
use crate::gateway::Gateway;
use crate::listen::stopped;
use crate::receipts::batch_note::BatchNote;
use crate::receipts::finished::Finished;
use crate::receipts::receipt::{Outcome, Receipt};
use crate::upstream::Upstream;

/// The endpoint on receipts of settlements.
const ENDPOINT: &str = "batch-settlement";

/// The longest break between two looks at an upstream that can't be asked.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Longest time to read one batch's results, so that an upstream that sends a byte now and then does not keep the others
/// from being looked at.
const LONGEST_LOOK: Duration = Duration::from_hours(1);

/// The task.
pub(crate) struct Settler {
    gateway: Arc<Gateway>,
    ended: mpsc::UnboundedReceiver<Ended>,
    /// Looks that are under way.
    rounds: JoinSet<Round>,
    upstreams: HashMap<String, Watched>,
    /// When to look around.
    next: Instant,
}

/// A look at the open batches of one upstream.
struct Round {
    upstream: String,
    went: Went,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Went {
    Well,
    Badly,
}

/// When an upstream is looked at.
#[derive(Clone, Copy)]
struct Watched {
    under_way: bool,
    failures: u32,
    next: Instant,
}

// === impl Settler ===

impl Settler {
    /// The settler of a gateway; none when it has one already.
    pub(crate) fn of(gateway: Arc<Gateway>) -> Option<Self> {
        let ended = gateway.batches.take_told()?;
        // What an earlier process left may have ended long ago; what is to come has time.
        let wait = if gateway.batches.records().is_empty() {
            gateway.snapshot().config.batches.poll
        } else {
            Duration::ZERO
        };
        Some(Self {
            next: Instant::now() + wait,
            gateway,
            ended,
            rounds: JoinSet::new(),
            upstreams: HashMap::new(),
        })
    }

    /// Settles until the gateway stops.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.ended.recv() => self.settle(ended).await,
                () = stopped(&mut stop) => break,
                Some(round) = self.rounds.join_next() => {
                    // A round that panicked has been logged; its upstream is looked at again when the gateway restarts.
                    if let Ok(round) = round {
                        self.finish(&round);
                    }
                }
                () = sleep_until(self.next) => {
                    self.look_around().await;
                    self.next = Instant::now() + self.gateway.snapshot().config.batches.poll;
                }
            }
        }
        self.rounds.shutdown().await;
        while let Ok(ended) = self.ended.try_recv() {
            self.settle(ended).await;
        }
    }

    /// Starts a look at every upstream that has open batches.
    async fn look_around(&mut self) {
        let gateway = Arc::clone(&self.gateway);
        if let Err(error) = gateway.batches.catch_up(&gateway.ledger, now()).await {
            tracing::error!(%error, "open batches can't be looked up");
        }
        let snapshot = gateway.snapshot();
        let mut by_upstream = HashMap::<String, Vec<Arc<Record>>>::new();
        for record in gateway.batches.records() {
            if record.is_over(now()) {
                gateway.batches.tell(&record.id, Ending::Expired, None);
            } else {
                let of = by_upstream.entry(record.upstream.clone()).or_default();
                of.push(record);
            }
        }
        let current = Instant::now();
        for (name, records) in by_upstream {
            let Some(upstream) = snapshot.upstreams.get(&name) else {
                tracing::warn!(upstream = %name, batches = records.len(), "open batches are at an upstream that is not configured any more");
                continue;
            };
            let watched = self.upstreams.entry(name).or_insert(Watched {
                under_way: false,
                failures: 0,
                next: current,
            });
            if !watched.under_way && watched.next <= current {
                watched.under_way = true;
                let (gateway, upstream) = (Arc::clone(&gateway), Arc::clone(upstream));
                let prices = Arc::clone(&snapshot.prices);
                self.rounds.spawn(round(gateway, upstream, records, prices));
            }
        }
    }

    fn finish(&mut self, round: &Round) {
        let poll = self.gateway.snapshot().config.batches.poll;
        let Some(watched) = self.upstreams.get_mut(&round.upstream) else {
            return;
        };
        watched.under_way = false;
        watched.failures = match round.went {
            Went::Well => 0,
            Went::Badly => watched.failures.saturating_add(1),
        };
        let wait = match watched.failures {
            0 => Duration::ZERO,
            failures => poll.saturating_mul(1 << failures.min(16)).min(LONGEST),
        };
        watched.next = Instant::now() + wait;
    }

    /// Settles a batch, if nobody did before.
    async fn settle(&self, ended: Ended) {
        let batches = &self.gateway.batches;
        if let Some(record) = batches.record(&ended.id) {
            let amounts = ended.ending.amounts();
            match batches.settle(&record.id, amounts).await {
                Ok(None) => {
                    let overdrawn = batches.close(&record.id, amounts);
                    self.write_receipt(&record, &ended.ending, overdrawn);
                }
                Ok(Some(before)) => {
                    batches.close(&record.id, before);
                }
                Err(error) => {
                    tracing::error!(batch = %record.id, %error, "a batch can't be settled now; it stays open");
                    return;
                }
            }
        }
        if let Some(settled) = ended.settled {
            // Whoever waited may have gone away.
            let _ = settled.send(());
        }
    }

    fn write_receipt(&self, record: &Record, ending: &Ending, overdrawn: Vec<String>) {
        let gateway = &self.gateway;
        let id = format!("req_wg{:032x}", rand::random::<u128>());
        let mut receipt = Receipt::new(id.into(), now().0, "GET");
        receipt.endpoint = ENDPOINT;
        receipt.caller = Some(Arc::new(record.facts.maker.caller()));
        receipt.envelope = Some(record.facts.maker.envelope());
        receipt.provenance = record.facts.maker.provenance();
        receipt.outcome = Some(Outcome::Answered);
        receipt.batch = Some(Box::new(BatchNote::settled(
            &record.id,
            record.facts.requests,
            ending.code(),
            ending.totals().cloned().map(Box::new),
        )));
        receipt.overdrawn = overdrawn;
        match ending {
            Ending::Results(totals) => {
                let mut models = totals.models.keys();
                receipt.cost = Some(totals.cost());
                receipt.reading = Some(Reading {
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
                tracing::warn!(batch = %record.id, how = ending.code(), "a batch can't be settled any more; what was held for it is released");
                receipt.outcome = Some(Outcome::Abandoned);
            }
        }
        gateway.metrics.opened();
        gateway.metrics.closed(&receipt);
        gateway.audit.submit(Finished {
            receipt,
            lineup: gateway.lineup(),
        });
    }
}

/// Looks at the open batches of one upstream, one at a time.
async fn round(
    gateway: Arc<Gateway>,
    upstream: Arc<Upstream>,
    records: Vec<Arc<Record>>,
    prices: Arc<PriceBook>,
) -> Round {
    let mut went = Went::Well;
    for record in records {
        let looked = timeout(LONGEST_LOOK, look(&upstream, &record, &prices)).await;
        match looked.unwrap_or_else(|_| Err(Trouble::Batch("its results take too long".into()))) {
            Ok(Found::Running) => {}
            Ok(Found::Ended(ending)) => gateway.batches.tell(&record.id, ending, None),
            Err(trouble @ Trouble::Batch(_)) => {
                tracing::warn!(batch = %record.id, %trouble, "an open batch can't be looked at");
            }
            Err(trouble @ Trouble::Upstream(_)) => {
                tracing::warn!(upstream = %upstream.config.name, %trouble, "open batches can't be looked at");
                went = Went::Badly;
                break;
            }
        }
    }
    Round {
        upstream: upstream.config.name.clone(),
        went,
    }
}
