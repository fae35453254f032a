//! The cost of message batches, held from their creation and settled once from their results.
//!
//! A batch outlives the exchange that created it by up to a day. Its expected cost stays held, in the ledger and in the store,
//! so that a restart holds it again. It is settled when its results were read completely, by a client or by the gateway,
//! which polls open batches. The store decides which of several readers, also in several processes, was first: that one counts it and
//! writes the receipt. A batch that ends without a result is released.
//!
//! Memory: one record for each open batch.

mod look;
mod record;
mod settler;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use witgate_ledger::{Amounts, Hold, Ledger, Settled, UnixMillis};
use witgate_messages::batch::Totals;

use crate::amounts::amounts;
use crate::clock::WholeUnits as _;
use crate::receipts::charged::Charged;
use crate::store::{Store, StoreError};

pub(crate) use self::look::{Found, look};
pub(crate) use self::record::{Facts, KINDS_OF_TOKENS, MIGRATION, Maker, Record, UNITS};
pub(crate) use self::settler::Settler;

/// Longest life of a batch: the API ends it after a day.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Time after its life in which a batch can be settled; then its hold is released.
const MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Time that a settled batch is remembered, for a second process that holds it too.
const MEMORY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The open batches: those that are not settled.
pub(crate) struct Batches {
    store: Store,
    open: Mutex<HashMap<Arc<str>, Open>>,
    /// The batch that the settler is settling, up to its receipt.
    settling: Mutex<Option<Arc<str>>>,
    news: mpsc::UnboundedSender<Ended>,
    /// The settler's end, or `None` once it has begun.
    settler_news: Mutex<Option<mpsc::UnboundedReceiver<Ended>>>,
}

/// A batch that is not settled.
struct Open {
    record: Arc<Record>,
    /// The hold that its results are charged to, or `None` if no plugin charges for it.
    hold: Option<Hold>,
}

/// A settlement that is under way, up to its receipt.
struct Settling<'a>(&'a Batches);

/// The end of a batch, for the settler.
pub(crate) struct Ended {
    id: Arc<str>,
    ending: Ending,
    /// Signalled when the batch is settled.
    settled: Option<oneshot::Sender<()>>,
}

/// The end of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All results were read.
    Results(Box<Totals>),
    /// The upstream no longer knows the batch.
    Gone,
    /// The batch was not settled in time.
    Expired,
}

// === impl Ending ===

impl Ending {
    /// Returns the amounts that are charged.
    fn amounts(&self) -> Amounts {
        match self {
            Self::Results(totals) => amounts(&totals.tokens, totals.picousd, 0),
            Self::Gone | Self::Expired => Amounts::default(),
        }
    }

    /// Returns the totals of the results, or `None` if they were not read.
    fn totals(&self) -> Option<Box<Totals>> {
        match self {
            Self::Results(totals) => Some(totals.clone()),
            Self::Gone | Self::Expired => None,
        }
    }

    /// Returns the code on receipts.
    fn code(&self) -> &'static str {
        match self {
            Self::Results(_) => "results",
            Self::Gone => "gone",
            Self::Expired => "expired",
        }
    }
}

// === impl Settling ===

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        *self.0.settling.lock() = None;
    }
}

// === impl Batches ===

impl Batches {
    pub(crate) fn new(store: Store) -> Self {
        let (news, settler_news) = mpsc::unbounded_channel();
        Self {
            store,
            open: Mutex::default(),
            settling: Mutex::default(),
            news,
            settler_news: Mutex::new(Some(settler_news)),
        }
    }

    /// Records a batch that was just created, with its hold. The record is durable when this returns.
    ///
    /// # Errors
    ///
    /// The store can't be written. The hold is released.
    pub(crate) async fn open(&self, record: Record, hold: Option<Hold>) -> Result<(), StoreError> {
        let record = Arc::new(record);
        // In memory first: `catch_up` would hold it a second time if it ran in between.
        let open = Open {
            record: Arc::clone(&record),
            hold,
        };
        self.open.lock().insert(Arc::clone(&record.id), open);
        let id = Arc::clone(&record.id);
        let written = self.store.call(move |db| record::insert(db, &record)).await;
        if written.is_err() {
            self.open.lock().remove(&id);
        }
        written
    }

    /// Returns the record of an open batch, or `None`.
    pub(crate) fn record(&self, id: &str) -> Option<Arc<Record>> {
        self.open
            .lock()
            .get(id)
            .map(|open| Arc::clone(&open.record))
    }

    /// Returns the amounts that a batch was settled with, or `None` if it was not.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) async fn settled(&self, id: &str) -> Result<Option<Amounts>, StoreError> {
        let id = id.to_owned();
        self.store.read(move |db| record::settled(db, &id)).await
    }

    /// Notes that a batch is being settled, until the value is dropped.
    fn begin_settling(&self, id: &Arc<str>) -> Settling<'_> {
        *self.settling.lock() = Some(Arc::clone(id));
        Settling(self)
    }

    /// Returns whether this process is settling a batch, and may not have counted it yet.
    pub(crate) fn is_settling(&self, id: &str) -> bool {
        self.settling.lock().as_deref() == Some(id)
    }

    /// Returns the upstream that holds a batch, settled or not, or `None` if it was not created here.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) async fn upstream(&self, id: &str) -> Result<Option<String>, StoreError> {
        if let Some(record) = self.record(id) {
            return Ok(Some(record.upstream.clone()));
        }
        let id = id.to_owned();
        self.store.read(move |db| record::upstream(db, &id)).await
    }

    /// Notes that a client has read results to their end. Incomplete results are ignored.
    pub(crate) fn results_read(&self, id: &str, totals: Box<Totals>) {
        let Some(record) = self.record(id) else {
            return;
        };
        if totals.unread == 0 && totals.requests() == record.facts.requests {
            self.announce(&record.id, Ending::Results(totals), None);
        }
    }

    /// Settles a batch, and returns whether it is settled.
    pub(crate) async fn settle_now(&self, id: &Arc<str>, ending: Ending) -> bool {
        let (settled, done) = oneshot::channel();
        self.announce(id, ending, Some(settled));
        done.await.is_ok()
    }

    fn announce(&self, id: &Arc<str>, ending: Ending, settled: Option<oneshot::Sender<()>>) {
        let ended = Ended {
            id: Arc::clone(id),
            ending,
            settled,
        };
        // Without a settler the gateway has stopped, and the batch is open in the store.
        let _ = self.news.send(ended);
    }

    /// Holds the batches that other or earlier processes opened, and releases those that others settled: they have counted them, and
    /// a process that hands over has all of it counted by the other.
    ///
    /// # Errors
    ///
    /// The store can't be read.
    pub(crate) async fn catch_up(
        &self,
        ledger: &Arc<Ledger>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        // Read before the store: a batch that is opened in between is in neither list, and stays.
        let mut held: Vec<Arc<str>> = self.open.lock().keys().cloned().collect();
        let forget = now.0.saturating_sub(MEMORY.whole_millis());
        let open = self
            .store
            .call(move |db| {
                record::forget(db, forget)?;
                record::open(db)
            })
            .await?;
        held.retain(|id| !open.iter().any(|record| record.id == *id));
        for record in open {
            if self.record(&record.id).is_none() {
                let hold = record.hold_again(ledger, now);
                let id = Arc::clone(&record.id);
                let record = Arc::new(record);
                self.open.lock().entry(id).or_insert(Open { record, hold });
            }
        }
        for id in held {
            if self.settled(&id).await?.is_some() {
                self.release_hold(&id);
            }
        }
        Ok(())
    }

    /// Records the settlement of a batch in the store. Returns `None`, or the amounts of an earlier settlement.
    async fn record_settlement(
        &self,
        id: &str,
        amounts: Amounts,
    ) -> Result<Option<Amounts>, StoreError> {
        let id = id.to_owned();
        self.store
            .call(move |db| record::settle(db, &id, amounts))
            .await
    }

    /// Settles the hold of a batch. Returns the balances that were charged as well.
    fn settle_hold(&self, id: &str, amounts: Amounts) -> (Settled, Vec<Charged>) {
        let hold = self.open.lock().remove(id).and_then(|open| open.hold);
        let settled = hold.map(|hold| {
            let charged = Charged::by(&hold, amounts);
            (hold.settle(amounts), charged)
        });
        settled.unwrap_or_default()
    }

    /// Releases the hold of a batch that another process has settled.
    fn release_hold(&self, id: &str) {
        let open = self.open.lock().remove(id);
        if let Some(hold) = open.and_then(|open| open.hold) {
            hold.release();
        }
    }

    /// Returns the records of all open batches.
    fn records(&self) -> Vec<Arc<Record>> {
        let open = self.open.lock();
        open.values().map(|open| Arc::clone(&open.record)).collect()
    }

    /// Returns the settler's end of the news, or `None` if there is a settler already.
    fn take_news(&self) -> Option<mpsc::UnboundedReceiver<Ended>> {
        self.settler_news.lock().take()
    }
}

#[cfg(test)]
mod tests;
