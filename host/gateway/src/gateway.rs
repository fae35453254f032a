//! The state that all exchanges of a gateway share.

pub(crate) mod snapshot;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;
use witgate_audit::{Health, Lines};
use witgate_handover::{Books, SuccessorSink};
use witgate_ledger::{Ledger, UnixMillis};
use witgate_runtime::{Lineup, Policies};
use witgate_upstream::Upstreams;

use crate::admin::metrics::Metrics;
use crate::batches::Batches;
use crate::budgets::Budgets;
use crate::budgets::live::LiveLimits;
use crate::clock::now;
use crate::gateway::snapshot::Snapshot;
use crate::journal::Journal;
use crate::listen::stopped;
use crate::receipts::Receipts;
use crate::receipts::finished::Finished;
use crate::receipts::receipt::Receipt;
use crate::store::Store;
use crate::tenants::owners::Owners;
use crate::tenants::signers::Signers;
use crate::usage::Usage;
use crate::usage::ended::EndedSessions;

/// Time that an idle connection has for another request once another process serves. The answer closes it.
const SUPERSEDED_IDLE: Duration = Duration::from_secs(3);

/// The state that all exchanges share. Any number of them may use it at once.
pub(crate) struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    /// The upstreams of the snapshot, for the tasks that keep them.
    upstreams: watch::Sender<Upstreams>,
    pub(crate) policies: Policies,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) budgets: Budgets,
    /// The ledger's journal in the state directory.
    pub(crate) journal: Journal,
    pub(crate) batches: Arc<Batches>,
    pub(crate) audit: Receipts,
    pub(crate) metrics: Metrics,
    /// Set once another process has taken over.
    superseded: AtomicBool,
    /// The database of owners and batches.
    pub(crate) store: Store,
    /// The tenants that own files, batches and containers.
    pub(crate) owners: Owners,
    /// The providers that signed the thinking of sessions.
    pub(crate) signers: Signers,
    /// The roll-ups of the receipts.
    pub(crate) usage: Arc<Usage>,
    /// The sessions whose requests are refused.
    pub(crate) ended_sessions: EndedSessions,
}

// === impl Gateway ===

impl Gateway {
    pub(crate) fn new(
        snapshot: Snapshot,
        policies: Policies,
        audit: Receipts,
        store: Store,
        ended_sessions: EndedSessions,
        live: LiveLimits,
    ) -> Self {
        Self {
            ledger: ledger(&snapshot),
            budgets: Budgets::new(live),
            journal: Journal::new(snapshot.config.state.clone()),
            usage: Arc::new(Usage::new(snapshot.config.usage.clone(), audit.news())),
            ended_sessions,
            upstreams: watch::Sender::new(snapshot.upstreams.clone()),
            snapshot: ArcSwap::from_pointee(snapshot),
            policies,
            batches: Arc::new(Batches::new(store.clone())),
            audit,
            metrics: Metrics::new(),
            superseded: AtomicBool::new(false),
            owners: Owners::new(store.clone()),
            signers: Signers::new(),
            store,
        }
    }

    /// Returns the configuration that a new exchange pins.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Replaces the configuration for new exchanges.
    pub(crate) fn replace(&self, snapshot: Snapshot) {
        self.ledger.set_bounds(snapshot.config.ledger);
        self.ledger.set_marks(&snapshot.config.budgets.warn_at);
        self.upstreams.send_replace(snapshot.upstreams.clone());
        self.snapshot.store(Arc::new(snapshot));
    }

    /// Returns the upstreams in use, now and after each replacement.
    pub(crate) fn upstreams(&self) -> watch::Receiver<Upstreams> {
        self.upstreams.subscribe()
    }

    /// Notes that another process serves from here on, and goes on with the ledger's journal.
    pub(crate) fn supersede(&self) {
        self.superseded.store(true, Relaxed);
        self.journal.release();
    }

    /// Returns the time that an unfinished page of the admin listener has at the end. While another process serves, that
    /// one answers the next request for a page.
    pub(crate) fn admin_drain(&self) -> Duration {
        if self.superseded.load(Relaxed) {
            Duration::from_secs(1)
        } else {
            Duration::ZERO
        }
    }

    /// Completes when a connection without a request has to be closed. While another process serves, a request that is on
    /// its way has time to arrive; its answer closes the connection.
    pub(crate) async fn graceful_close(&self, stop: &mut watch::Receiver<bool>) {
        stopped(stop).await;
        if self.superseded.load(Relaxed) {
            sleep(SUPERSEDED_IDLE).await;
        }
    }

    /// Submits the receipt of something that happened without a request.
    pub(crate) fn submit(&self, receipt: Receipt) {
        self.metrics.opened();
        self.metrics.closed(&receipt);
        self.budgets
            .announce(&receipt, &self.snapshot().config.budgets);
        self.audit.submit(Finished {
            receipt,
            lineup: self.lineup(),
        });
    }

    /// Returns the lineup that a new exchange pins.
    pub(crate) fn lineup(&self) -> Arc<Lineup> {
        self.policies.current()
    }
}

/// Returns an empty ledger with the bounds and marks of a configuration.
fn ledger(snapshot: &Snapshot) -> Arc<Ledger> {
    let ledger = Ledger::with_bounds(snapshot.config.ledger);
    ledger.set_marks(&snapshot.config.budgets.warn_at);
    ledger
}

impl Books for Gateway {
    fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    fn receipts_file(&self) -> Option<PathBuf> {
        self.snapshot().config.receipts.file.clone()
    }

    fn write(&self, lines: Lines) -> Health {
        self.audit.write(lines)
    }

    fn keep(&self) -> Result<(), String> {
        let written = self.journal.write();
        match self.journal.refusal() {
            Some(_) => written.map_err(|failing| failing.to_string()),
            None => Ok(()),
        }
    }

    fn mark(&self) -> std::io::Result<()> {
        self.journal.mark()
    }

    fn unmark(&self) {
        self.journal.unmark();
    }

    fn counted(&self) {
        self.journal.counted();
    }

    fn abandon(&self) {
        self.journal.abandon(self);
    }

    fn switch(&self, sink: SuccessorSink) {
        self.audit.switch(sink);
    }

    fn notes(&self) -> Value {
        self.snapshot().capacities.to_carry(now().0)
    }

    fn take_notes(&self, notes: &Value) {
        self.snapshot().capacities.carry_on(notes, now().0);
    }

    fn now(&self) -> UnixMillis {
        now()
    }
}
