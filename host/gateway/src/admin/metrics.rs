//! The metrics of the request path, which are counted as requests pass.
//!
//! `/metrics` has these first, then what is read at the scrape: [`families`] writes it.

pub(crate) mod families;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};
use witgate_messages::price::Pricing;

use crate::receipts::receipt::{Outcome, Receipt};

/// Upper bounds of the histogram of exchange times in seconds: from a cached response to a long agent turn.
const DURATION_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0,
];

/// The kinds of tokens.
const KINDS: [&str; 4] = ["input", "output", "cache_read", "cache_creation"];

/// The counters of the request path.
pub(crate) struct Metrics {
    registry: Registry,
    open: Gauge<i64, AtomicI64>,
    exchanges: Family<Ended, Counter>,
    seconds: Family<Label<&'static str>, Histogram>,
    tokens: Family<Label<&'static str>, Counter<u64, AtomicU64>>,
    /// The counters of `tokens` by the places of their kinds in [`KINDS`], each from its first use on.
    by_kind: [OnceLock<Counter<u64, AtomicU64>>; KINDS.len()],
    picousd: Counter<u64, AtomicU64>,
    unpriced: Counter,
    usage_unread: Counter,
    overdrafts: Counter,
    budget_warnings: Family<Label<String>, Counter>,
    skipped: Counter,
    guard_changes: Family<Label<String>, Counter>,
    guard_stops: Family<Label<String>, Counter>,
    unknown_targets: Family<Label<String>, Counter>,
}

/// A label with its value.
type Label<V> = [(&'static str, V); 1];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    endpoint: &'static str,
    outcome: &'static str,
    status: u16,
}

/// Returns a metric that is registered under a name.
fn registered<M: Metric + Clone + Default>(to: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    to.register(name, help, metric.clone());
    metric
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("witgate");
        let to = &mut registry;
        let seconds = Family::new_with_constructor(
            (|| Histogram::new(DURATION_BUCKETS)) as fn() -> Histogram,
        );
        to.register_with_unit(
            "exchange",
            "Time from the request head to the end of the response",
            Unit::Seconds,
            seconds.clone(),
        );
        Self {
            seconds,
            open: registered(to, "exchanges_open", "Number of exchanges in progress"),
            exchanges: registered(
                to,
                "exchanges",
                "Number of completed exchanges by endpoint, outcome and status",
            ),
            tokens: registered(to, "tokens", "Number of tokens metered, by kind"),
            picousd: registered(
                to,
                "cost_picousd",
                "Cost of metered responses in 10^-12 USD",
            ),
            unpriced: registered(
                to,
                "unpriced",
                "Number of responses from models without a price",
            ),
            usage_unread: registered(
                to,
                "usage_unread",
                "Number of usage values in responses that could not be read",
            ),
            overdrafts: registered(
                to,
                "overdrafts",
                "Number of settlements that exceeded a limit",
            ),
            budget_warnings: registered(
                to,
                "budget_warnings",
                "Number of announcements that a limit has reached a mark, by the mark in percent",
            ),
            skipped: registered(
                to,
                "plugin_skips",
                "Number of exchanges that went on without a faulted plugin because it fails open",
            ),
            guard_changes: registered(
                to,
                "guard_changes",
                "Number of pieces of text that guards changed, by plugin",
            ),
            guard_stops: registered(
                to,
                "guard_stops",
                "Number of exchanges in which a guard stopped the request or the response, by plugin",
            ),
            unknown_targets: registered(
                to,
                "unknown_targets",
                "Number of plan targets that were skipped because they name no configured upstream, by plugin",
            ),
            by_kind: Default::default(),
            registry,
        }
    }

    /// Counts a target of this plugin's plan that names no upstream.
    pub(crate) fn unknown_target(&self, plugin: &str) {
        let plugin = [("plugin", plugin.to_owned())];
        self.unknown_targets.get_or_create(&plugin).inc();
    }

    /// Counts the start of an exchange.
    pub(crate) fn opened(&self) {
        self.open.inc();
    }

    /// Counts the end of an exchange.
    pub(crate) fn closed(&self, receipt: &Receipt) {
        self.open.dec();
        let outcome = receipt.response.outcome.map_or("abandoned", Outcome::code);
        let ended = Ended {
            endpoint: receipt.request.endpoint,
            outcome,
            status: receipt.response.status.unwrap_or(0),
        };
        self.exchanges.get_or_create(&ended).inc();
        let seconds = receipt.timing.total.as_secs_f64();
        let endpoint = [("endpoint", receipt.request.endpoint)];
        self.seconds.get_or_create(&endpoint).observe(seconds);
        if let Some(reading) = &receipt.usage.reading {
            let usage = &reading.usage;
            self.usage_unread.inc_by(usage.unread);
            let tokens = &usage.tokens;
            let counts = [
                tokens.input,
                tokens.output,
                tokens.cache_read,
                tokens.cache_write,
            ];
            let kinds = KINDS.iter().zip(&self.by_kind).zip(counts);
            for ((kind, counter), count) in kinds.filter(|(_, count)| *count > 0) {
                let made = || self.tokens.get_or_create(&[("kind", *kind)]).clone();
                counter.get_or_init(made).inc_by(count);
            }
        }
        if let Some(cost) = receipt.usage.cost {
            self.picousd.inc_by(cost.picousd);
            if cost.pricing == Pricing::Unpriced {
                self.unpriced.inc();
            }
        }
        if !receipt.usage.overdrawn.is_empty() {
            self.overdrafts.inc();
        }
        for crossing in &receipt.usage.crossings {
            let percent = [("percent", crossing.percent.to_string())];
            self.budget_warnings.get_or_create(&percent).inc();
        }
        if !receipt.route.skipped.is_empty() {
            self.skipped.inc();
        }
        for calls in &receipt.guards {
            let plugin = || [("plugin", calls.plugin.to_string())];
            if calls.changed > 0 {
                let changes = self.guard_changes.get_or_create(&plugin());
                changes.inc_by(calls.changed);
            }
            if calls.stopped.is_some() {
                self.guard_stops.get_or_create(&plugin()).inc();
            }
        }
    }

    /// Writes the counters in OpenMetrics text.
    pub(crate) fn encode(&self, page: &mut String) -> std::fmt::Result {
        prometheus_client::encoding::text::encode_registry(page, &self.registry)
    }
}
