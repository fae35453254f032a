//! The status of the gateway as the admin pages report it: readiness, and what `/metrics` reads at each scrape.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::watch;
use witgate_audit::Health;
use witgate_journal::Health as Ledger;

use super::metrics::families::{Families, label};
use super::{plugins, sinks, upstreams};
use crate::clock::WholeUnits as _;
use crate::gateway::Gateway;
use crate::gateway::snapshot::Snapshot;
use crate::server::reload::Reloader;

/// The gateway as the admin pages see it.
pub(crate) struct Status {
    pub(super) gateway: Arc<Gateway>,
    pub(super) reloader: Arc<Reloader>,
    /// Becomes true when the gateway stops.
    pub(super) stopping: watch::Receiver<bool>,
    /// Returns the number of log lines that the program dropped.
    pub(super) dropped_log_lines: fn() -> u64,
}

// === impl Status ===

impl Status {
    /// Returns the reasons why the gateway is not ready for traffic; empty if it is ready.
    pub(super) fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if *self.stopping.borrow() {
            reasons.push("the gateway is stopping".to_owned());
        }
        for name in self.gateway.lineup().missing() {
            reasons.push(format!("the required plugin `{name}` is missing"));
        }
        if let Health::Failing { error, .. } = self.gateway.audit.health() {
            reasons.push(format!("cannot write receipts: {error}"));
        }
        if let Ledger::Failing(failing) = self.gateway.journal.health() {
            reasons.push(failing.to_string());
        }
        if let Some(error) = self.gateway.store.last_error() {
            reasons.push(error.to_string());
        }
        reasons
    }

    fn collect_receipts(&self, to: &mut Families<'_>) -> fmt::Result {
        let (audit, refusals) = self.gateway.audit.stats();
        to.counter(
            "receipts_written",
            "Number of receipts written.",
            audit.written,
        )?;
        to.gauge(
            "receipts_queued",
            "Number of receipts waiting to be written.",
            audit.queued,
        )?;
        to.gauge(
            "receipts_queued_bytes",
            "Size of the receipts waiting to be written.",
            audit.queued_bytes,
        )?;
        to.counter(
            "receipts_inline",
            "Number of receipts written on the thread of their request because the queue was full.",
            audit.inline_writes,
        )?;
        to.gauge(
            "receipts_backlog_bytes",
            "Size of the lines that are not on disk yet.",
            audit.backlog_bytes,
        )?;
        to.counter("receipts_lost", "Number of receipts lost.", audit.lost)?;
        to.counter(
            "receipts_refused_written",
            "Number of receipts written to the file of refused requests.",
            refusals.written,
        )?;
        to.counter(
            "receipts_refused_lost",
            "Number of receipts lost that belong in the file of refused requests.",
            refusals.lost,
        )?;
        to.counter(
            "receipts_left_out",
            "Number of receipts of refused requests left out because of `refused_per_second`.",
            self.gateway.audit.left_out(),
        )?;
        to.gauge(
            "usage_failing",
            "1 if receipts can't be added up for `/usage`; they are later.",
            u32::from(self.gateway.usage.failing().is_some()),
        )?;
        to.gauge(
            "usage_damaged_files",
            "Number of closed receipts files that can't be read, and so are missing in `/usage`.",
            self.gateway.usage.damaged(),
        )?;
        sinks::collect(&self.gateway.audit.sinks(), to)
    }

    fn collect_ledger(&self, to: &mut Families<'_>) -> fmt::Result {
        let totals = self.gateway.ledger.totals();
        to.gauge(
            "holds_open",
            "Number of holds that are neither settled nor released.",
            totals.open_holds,
        )?;
        to.gauge(
            "ledger_balances",
            "Number of accounts with a balance.",
            totals.balances,
        )?;
        to.gauge(
            "ledger_accounts",
            "Maximum number of accounts (`ledger.accounts`).",
            totals.bounds.accounts,
        )?;
        to.counter(
            "ledger_turned_away",
            "Number of requests refused because there was no room for another account.",
            totals.turned_away,
        )?;
        self.collect_webhook(to)?;
        self.collect_journal(to)
    }

    fn collect_webhook(&self, to: &mut Families<'_>) -> fmt::Result {
        let counts = &self.gateway.budgets.post.counts;
        to.counter(
            "budget_webhook_delivered",
            "Number of budget warnings that the webhook has taken.",
            counts.delivered.load(Relaxed),
        )?;
        to.counter(
            "budget_webhook_dead",
            "Number of budget warnings written to the file of those that could not be delivered.",
            counts.dead.load(Relaxed),
        )?;
        to.counter(
            "budget_webhook_lost",
            "Number of budget warnings of which only the log tells.",
            counts.lost.load(Relaxed),
        )
    }

    fn collect_journal(&self, to: &mut Families<'_>) -> fmt::Result {
        let Some(stats) = self.gateway.journal.stats() else {
            return Ok(());
        };
        to.gauge(
            "ledger_journal_failing",
            "1 if the ledger's journal can't be written or synced in time.",
            u32::from(self.gateway.journal.health() != Ledger::Well),
        )?;
        to.counter(
            "ledger_journal_failures",
            "Number of times that the disk of the ledger's journal refused.",
            stats.failures,
        )?;
        to.counter(
            "ledger_journal_written_bytes",
            "Size of what was appended to the ledger's journal.",
            stats.bytes,
        )?;
        to.counter(
            "ledger_journal_writes",
            "Number of writes to the ledger's journal.",
            stats.writes,
        )?;
        to.counter(
            "ledger_journal_syncs",
            "Number of syncs of the ledger's journal.",
            stats.syncs,
        )?;
        to.counter(
            "ledger_journal_sync_microseconds",
            "Time that all syncs of the ledger's journal took.",
            stats.sync_time.whole_micros(),
        )?;
        to.gauge(
            "ledger_journal_unsynced_steps",
            "Number of steps of holds that a loss of power would forget.",
            stats.written.saturating_sub(stats.synced),
        )?;
        to.gauge(
            "ledger_journal_unsynced_picousd",
            "Spending that a loss of power would forget, in 10^-12 USD.",
            stats.unsynced_picousd,
        )?;
        to.counter(
            "ledger_journal_snapshots",
            "Number of snapshots of the ledger.",
            stats.snapshots,
        )?;
        to.gauge(
            "ledger_journal_snapshot_bytes",
            "Size of the last snapshot of the ledger.",
            stats.snapshot_bytes,
        )
    }
}

impl Collector for Status {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let to = &mut families;
        let lineup = self.gateway.lineup();
        to.gauge(
            "ready",
            "1 if the gateway is ready for traffic.",
            u32::from(self.not_ready().is_empty()),
        )?;
        to.gauge(
            "config_reload_failed",
            "1 if the last reload failed; the previous configuration is in use.",
            u32::from(self.reloader.status().last_error.is_some()),
        )?;
        to.gauge(
            "lineup_generation",
            "Generation of the lineup, which changes with every change of a plugin.",
            lineup.generation(),
        )?;
        to.gauge(
            "required_plugins_missing",
            "Number of required plugins that are missing.",
            lineup.missing().len(),
        )?;
        self.collect_receipts(to)?;
        self.collect_ledger(to)?;
        to.counter(
            "log_lines_dropped",
            "Number of log lines dropped because standard error was not writable in time.",
            (self.dropped_log_lines)(),
        )?;
        let (taken, limit) = self.gateway.policies.runtime().memory();
        to.gauge(
            "plugin_memory_bytes",
            "Linear memory of all plugin instances.",
            taken,
        )?;
        to.gauge(
            "plugin_memory_limit_bytes",
            "Maximum linear memory of all plugin instances.",
            limit,
        )?;
        let snapshot = self.gateway.snapshot();
        collect_load(&snapshot, to)?;
        collect_capture(&snapshot, to)?;
        upstreams::collect(
            &snapshot.upstreams,
            &snapshot.capacities,
            Instant::now(),
            to,
        )?;
        plugins::collect(&self.gateway.policies.status(), to)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status").finish_non_exhaustive()
    }
}

fn collect_load(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let sum = snapshot.concurrency.sum();
    let memory = snapshot.config.limits.memory;
    to.gauge(
        "request_memory_bytes",
        "Memory charged to requests in progress.",
        sum.bytes,
    )?;
    to.gauge(
        "request_memory_limit_bytes",
        "Maximum memory of all requests (`limits.memory_bytes`).",
        memory.bytes,
    )?;
    to.gauge(
        "request_memory_limit_bytes_per_key",
        "Maximum memory of the requests of one key (`limits.memory_bytes_per_key`).",
        memory.per_key,
    )?;
    to.gauge(
        "in_flight",
        "Number of requests in progress.",
        sum.exchanges,
    )?;
    to.counters(
        "shed",
        "Number of requests refused because a limit was reached, by kind.",
        snapshot
            .concurrency
            .refusals()
            .map(|(kind, count)| ([label("kind", kind)], count)),
    )
}

fn collect_capture(snapshot: &Snapshot, to: &mut Families<'_>) -> fmt::Result {
    let Some(capture) = &snapshot.capture else {
        return Ok(());
    };
    let counts = capture.counts();
    to.counter(
        "captured",
        "Number of requests recorded.",
        counts.written.load(Relaxed),
    )?;
    to.counter(
        "capture_full",
        "Number of requests not recorded because `capture.max_bytes` was reached.",
        counts.full.load(Relaxed),
    )?;
    to.counter(
        "capture_passed_over",
        "Number of requests not recorded because their body was too long or the disk was slow or failed.",
        counts.passed_over.load(Relaxed),
    )
}
