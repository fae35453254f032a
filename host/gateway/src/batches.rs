//! What batches cost: held from their creation on, settled once from their results.
//!
//! A batch outlives the exchange that made it by up to a day. What it is expected to cost stays held, in the ledger and
//! in the state, so that a restart holds it again. It is settled by whoever reads all of its results first: a client, or
//! the gateway itself, which looks at open batches from time to time. The state decides who was first, also between
//! two processes; that one writes the receipt. What ends with nothing done is released.
//!
//! Memory: one record for each open batch.

mod look;
mod record;
mod settler;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot};
use witgate_ledger::{Amounts, Hold, Ledger, UnixMillis};
use witgate_messages::batch::Totals;

use crate::store::{State, StateError};

pub(crate) use self::look::{Found, look};
pub(crate) use self::record::{Facts, MIGRATION, Maker, Record, UNITS};
pub(crate) use self::settler::Settler;

/// How long a batch may run: the API ends it after a day.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Time past a batch's end in which it can still be settled; then nothing is known of it and nothing held for it.
const MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Time for which a settled batch is remembered, for a second process that holds it too.
const MEMORY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The batches that are not settled yet.
pub(crate) struct Batches {
    state: Option<State>,
    open: Mutex<HashMap<Arc<str>, Open>>,
    tell: mpsc::UnboundedSender<Ended>,
    /// For the settler; none once it has begun.
    told: Mutex<Option<mpsc::UnboundedReceiver<Ended>>>,
}

/// A batch that is not settled yet.
struct Open {
    record: Arc<Record>,
    /// What its results are paid from; none where nobody charges for it.
    hold: Option<Hold>,
}

/// News of a batch, for the settler.
pub(crate) struct Ended {
    id: Arc<str>,
    ending: Ending,
    /// Told when the batch is settled.
    settled: Option<oneshot::Sender<()>>,
}

/// How a batch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All its results were read.
    Results(Box<Totals>),
    /// The upstream does not know it any more.
    Gone,
    /// It could not be settled in time.
    Expired,
}

// === impl Ending ===

impl Ending {
    /// What is counted as used.
    fn amounts(&self) -> Amounts {
        match self {
            Self::Results(totals) => Amounts {
                picousd: totals.picousd,
                tokens: totals.tokens.total(),
                requests: 0,
            },
            Self::Gone | Self::Expired => Amounts::default(),
        }
    }

    /// Returns the totals of the results, or `None` if they were not read.
    fn totals(&self) -> Option<&Totals> {
        match self {
            Self::Results(totals) => Some(totals),
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

// === impl Batches ===

impl Batches {
    /// No batches yet. Without a state they are forgotten with the process.
    pub(crate) fn new(state: Option<State>) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            state,
            open: Mutex::default(),
            tell,
            told: Mutex::new(Some(told)),
        }
    }

    /// Takes over what is held for a batch that was just created. It is durable when this returns.
    ///
    /// # Errors
    ///
    /// The state can't be written; the hold is released.
    pub(crate) async fn open(&self, record: Record, hold: Option<Hold>) -> Result<(), StateError> {
        let record = Arc::new(record);
        // In memory first: a look at the state in between would hold it a second time.
        let open = Open {
            record: Arc::clone(&record),
            hold,
        };
        self.lock().insert(Arc::clone(&record.id), open);
        let Some(state) = &self.state else {
            return Ok(());
        };
        let id = Arc::clone(&record.id);
        let written = state.call(move |db| record::insert(db, &record)).await;
        if written.is_err() {
            self.lock().remove(&id);
        }
        written
    }

    /// The record of a batch that is not settled yet.
    pub(crate) fn record(&self, id: &str) -> Option<Arc<Record>> {
        self.lock().get(id).map(|open| Arc::clone(&open.record))
    }

    /// The upstream that has a batch, settled or not; none where it was not created here.
    ///
    /// # Errors
    ///
    /// The state can't be read.
    pub(crate) async fn upstream(&self, id: &str) -> Result<Option<String>, StateError> {
        if let Some(record) = self.record(id) {
            return Ok(Some(record.upstream.clone()));
        }
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let id = id.to_owned();
        state.call(move |db| record::upstream(db, &id)).await
    }

    /// A client has read an answer with results to its clean end. Those that are not all of the batch's are left for
    /// another time.
    pub(crate) fn results_read(&self, id: &str, totals: Box<Totals>) {
        let Some(record) = self.record(id) else {
            return;
        };
        if totals.unread == 0 && totals.requests() == record.facts.requests {
            self.tell(&record.id, Ending::Results(totals), None);
        }
    }

    /// Settles a batch and waits until that is done. Says whether it is.
    pub(crate) async fn settle_now(&self, id: &Arc<str>, ending: Ending) -> bool {
        let (settled, done) = oneshot::channel();
        self.tell(id, ending, Some(settled));
        done.await.is_ok()
    }

    fn tell(&self, id: &Arc<str>, ending: Ending, settled: Option<oneshot::Sender<()>>) {
        let ended = Ended {
            id: Arc::clone(id),
            ending,
            settled,
        };
        // Nobody listens once the gateway has stopped: what is open then is in the state.
        let _ = self.tell.send(ended);
    }

    /// Holds what other processes, or an earlier one, have opened, and settles what others have settled.
    ///
    /// # Errors
    ///
    /// The state can't be read.
    pub(crate) async fn catch_up(
        &self,
        ledger: &Arc<Ledger>,
        now: UnixMillis,
    ) -> Result<(), StateError> {
        let Some(state) = &self.state else {
            return Ok(());
        };
        // Looked at before the state: what is opened in between is in neither list, and stays.
        let mut held: Vec<Arc<str>> = self.lock().keys().cloned().collect();
        let forget = now.0.saturating_sub(millis(MEMORY));
        let open = state
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
                self.lock().entry(id).or_insert(Open { record, hold });
            }
        }
        for id in held {
            let asked = id.to_string();
            let settled = state.call(move |db| record::settled(db, &asked)).await?;
            if let Some(amounts) = settled {
                self.close(&id, amounts);
            }
        }
        Ok(())
    }

    /// Writes down that a batch is settled with these amounts. None when it was before: then with what.
    async fn settle(&self, id: &str, amounts: Amounts) -> Result<Option<Amounts>, StateError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let id = id.to_owned();
        state.call(move |db| record::settle(db, &id, amounts)).await
    }

    /// Ends the hold of a batch. Gives the accounts that it took over their limit.
    fn close(&self, id: &str, amounts: Amounts) -> Vec<String> {
        let hold = self.lock().remove(id).and_then(|open| open.hold);
        let settled = hold.map(|hold| hold.settle(amounts)).unwrap_or_default();
        settled
            .overdrafts
            .iter()
            .map(|overdraft| overdraft.account.to_string())
            .collect()
    }

    /// The records of all that is open.
    fn records(&self) -> Vec<Arc<Record>> {
        let open = self.lock();
        open.values().map(|open| Arc::clone(&open.record)).collect()
    }

    /// What the settler is told; none when there is a settler already.
    fn take_told(&self) -> Option<mpsc::UnboundedReceiver<Ended>> {
        let mut told = self.told.lock();
        told.take()
    }

    /// Held for a look-up, never across an await.
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Open>> {
        self.open.lock()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
