//! The ledger's journal in the state directory: what budgets have spent outlives the process.
//!
//! A reservation is in the journal before its request is sent, and so is what an answer uses before its bytes leave. While
//! the disk refuses, requests with charges are refused, unless the operator wants them served.

mod abandoned;
mod orphans;
pub mod rebuild;
mod recovery;
mod written;

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use witgate_handover::Relay;
use witgate_journal::{Failing, Health, Log, Options, Stats};
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
    /// The way of steps to the process that has taken over.
    relay: OnceLock<Relay>,
}

/// A journal in a state directory.
struct Kept {
    state: State,
    /// The log once it is open. It stays when it is closed.
    log: OnceLock<Log>,
    /// The reason why it is not open.
    closed: Mutex<Failing>,
}

// === impl Journal ===

impl Journal {
    /// Returns the journal of a gateway with this state. It is not open yet.
    pub(crate) fn new(state: Option<State>) -> Self {
        let kept = |state| Kept {
            state,
            log: OnceLock::new(),
            closed: Mutex::new(Failing("the ledger's journal is not open yet".into())),
        };
        Self {
            kept: state.map(kept),
            relay: OnceLock::new(),
        }
    }

    /// Returns whether there is a journal.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Waits until a step of the ledger, and all before it, survive the process.
    ///
    /// # Errors
    ///
    /// The disk refuses. The step is written once it is well again.
    pub(crate) async fn written(&self, through: Position) -> Result<(), Failing> {
        match &self.kept {
            Some(kept) => match self.relay.get() {
                Some(relay) => {
                    relay.relayed().await;
                    Ok(())
                }
                None => kept.log()?.written(through).await,
            },
            None => Ok(()),
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

    /// Has exchanges wait for the process that has taken over instead of the disk.
    pub(crate) fn relay(&self, relay: Relay) {
        // A process hands over once.
        let _ = self.relay.set(relay);
    }

    /// Lets another process have the journal, which repeats the steps that this one still makes. Blocks.
    pub(crate) fn leave(&self) {
        if let Some(log) = self.kept.as_ref().and_then(|kept| kept.log.get()) {
            log.leave();
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
