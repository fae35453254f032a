//! The ledger's journal in the state directory: what budgets have spent outlives the process.
//!
//! A reservation is in the journal before its request is sent, and so is what an answer uses before its bytes leave. While
//! the disk refuses, requests with charges are refused, unless the operator wants them served.

mod abandoned;
mod orphans;
mod predecessors;
pub mod rebuild;
mod recovery;
mod written;

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::task::yield_now;
use witgate_journal::{Failing, Health, Log, Mark, Options, Stats, newest_epoch};
use witgate_ledger::Position;

use crate::clock::now;
use crate::config::{OnJournalFailure, State};

pub(crate) use self::recovery::{Found, begin_after_takeover, recover};

/// The patience with another process that keeps the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// For a while: it may be about to end.
    Wait,
    /// Not at all: it is to hand over.
    None,
}

/// The journal of a gateway's ledger, or none without a state directory.
pub(crate) struct Journal {
    kept: Option<Kept>,
}

/// A journal in a state directory.
struct Kept {
    state: State,
    /// The log once it is open. It stays when it is closed.
    log: OnceLock<Log>,
    /// The reason why it is not open.
    closed: Mutex<Failing>,
    /// The mark on this process's epoch, once another process takes over.
    mark: Mutex<Option<Mark>>,
}

// === impl Journal ===

impl Journal {
    /// Returns the journal of a gateway with this state. It is not open yet.
    pub(crate) fn new(state: Option<State>) -> Self {
        let kept = |state| Kept {
            state,
            log: OnceLock::new(),
            closed: Mutex::new(Failing("the ledger's journal is not open yet".into())),
            mark: Mutex::new(None),
        };
        Self {
            kept: state.map(kept),
        }
    }

    /// Returns whether there is a journal.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Waits until a step of the ledger, and all before it, survive the process. Without a journal it leaves a turn to the other
    /// requests of its thread, as with one: requests that go through the same code together find it in the processor's cache.
    ///
    /// # Errors
    ///
    /// The disk refuses. The step is written once it is well again.
    pub(crate) async fn written(&self, through: Position) -> Result<(), Failing> {
        match &self.kept {
            Some(kept) => kept.log()?.written(through).await,
            None => {
                yield_now().await;
                Ok(())
            }
        }
    }

    /// Writes every step so far. Blocks.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub(crate) fn write(&self) -> Result<(), Failing> {
        match &self.kept {
            Some(kept) => kept.log()?.write(),
            None => Ok(()),
        }
    }

    /// Returns whether steps are written in time.
    pub(crate) fn health(&self) -> Health {
        match self.kept.as_ref().map(Kept::log) {
            Some(Ok(log)) => log.health(),
            Some(Err(failing)) => Health::Failing(failing),
            None => Health::Well,
        }
    }

    /// Returns the reason to refuse a request with charges, or `None`.
    pub(crate) fn refusal(&self) -> Option<Failing> {
        let kept = self.kept.as_ref()?;
        match (kept.state.on_journal_failure, self.health()) {
            (OnJournalFailure::Refuse, Health::Failing(failing)) => Some(failing),
            (OnJournalFailure::Serve, _) | (_, Health::Well) => None,
        }
    }

    /// Returns the counts of the log, or `None` if there is none.
    pub(crate) fn stats(&self) -> Option<Stats> {
        Some(self.kept.as_ref()?.log.get()?.stats())
    }

    /// Goes on from the ledger as it is, after it has inherited balances that another process did not keep. Blocks.
    pub(crate) fn renew(&self) {
        if let Some(log) = self.kept.as_ref().and_then(|kept| kept.log.get()) {
            log.renew();
        }
    }

    /// Prepares for another process that goes on with the journal: marks what this one writes as its own, so that nobody takes it
    /// for what a crash has left. Blocks.
    ///
    /// # Errors
    ///
    /// The disk refuses.
    pub(crate) fn mark(&self) -> std::io::Result<()> {
        let Some(kept) = &self.kept else {
            return Ok(());
        };
        let Some(log) = kept.log.get() else {
            // Nothing is written.
            return Ok(());
        };
        let mark = Mark::set(&kept.state.journal(), log.pin()).inspect_err(|_| log.unpin())?;
        *kept.mark.lock() = Some(mark);
        Ok(())
    }

    /// Goes on alone after [`Journal::mark`]. Blocks.
    pub(crate) fn unmark(&self) {
        let Some(kept) = &self.kept else {
            return;
        };
        if let Some(mark) = kept.mark.lock().take()
            && let Err(error) = mark.remove()
        {
            tracing::warn!(%error, "a mark in the directory of the ledger's journal can't be removed");
        }
        if let Some(log) = kept.log.get() {
            log.unpin();
        }
    }

    /// Lets another process go on with the journal. This one writes what it still does beside it.
    pub(crate) fn release(&self) {
        if let Some(log) = self.kept.as_ref().and_then(|kept| kept.log.get())
            && let Err(error) = log.release()
        {
            tracing::error!(%error, "the lock of the ledger's journal can't be released before this process ends");
        }
    }

    /// Notes that the process that has taken over has counted all of this one, unless it keeps no journal of its own. Blocks.
    pub(crate) fn counted(&self) {
        let Some(kept) = &self.kept else {
            return;
        };
        let mark = kept.mark.lock().take();
        let Some(mark) = mark else {
            return;
        };
        let newest = newest_epoch(&kept.state.journal());
        if newest.is_ok_and(|newest| newest > mark.epoch())
            && let Err(error) = mark.remove()
        {
            tracing::warn!(%error, "a mark in the directory of the ledger's journal can't be removed");
        }
    }

    /// Writes and syncs what there is, and lets another process have the files. Blocks.
    pub(crate) fn close(&self) {
        if let Some(log) = self.kept.as_ref().and_then(|kept| kept.log.get()) {
            log.close();
        }
    }
}

// === impl Kept ===

impl Kept {
    fn log(&self) -> Result<&Log, Failing> {
        self.log.get().ok_or_else(|| self.closed.lock().clone())
    }

    /// Notes why the log is not open.
    fn note(&self, reason: &str) {
        *self.closed.lock() = Failing(Arc::from(reason));
    }
}

fn options(state: &State) -> Options {
    Options {
        lease: state.lease,
        ..Options::with_clock(now)
    }
}
