//! The metrics page: counters kept on the way, and states read when somebody asks.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use witgate_messages::price::Pricing;

use crate::receipts::receipt::Receipt;
use crate::text::{escaped, is_unsafe};

/// Upper bounds of the exchange times in seconds: from an answer out of a cache to a long agent turn.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 180.0, 600.0,
];

/// Counters of the request path.
pub(crate) struct Metrics {
    registry: Registry,
    open: Gauge<i64, AtomicI64>,
    exchanges: Family<Ended, Counter>,
    seconds: Family<Endpoint, Histogram>,
    tokens: Family<Kind, Counter<u64, AtomicU64>>,
    picousd: Counter<u64, AtomicU64>,
    unpriced: Counter,
    usage_unread: Counter,
    overdrafts: Counter,
    skipped: Counter,
    unknown_targets: Family<Plugin, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Plugin {
    plugin: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    endpoint: &'static str,
    outcome: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Endpoint {
    endpoint: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// A state that is read when somebody asks: name, what it is, and its samples with their labels.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: i128,
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("witgate");
        let open = Gauge::default();
        let exchanges = Family::default();
        let seconds =
            Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        let tokens = Family::default();
        let unknown_targets = Family::default();
        let (picousd, unpriced, usage_unread, overdrafts, skipped) = (
            Counter::default(),
            Counter::default(),
            Counter::default(),
            Counter::default(),
            Counter::default(),
        );
        registry.register(
            "exchanges_open",
            "Exchanges that have not ended",
            open.clone(),
        );
        registry.register(
            "exchanges",
            "Exchanges that ended, by how",
            exchanges.clone(),
        );
        registry.register_with_unit(
            "exchange",
            "Time from request head to end",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register("tokens", "Tokens metered, by kind", tokens.clone());
        registry.register(
            "cost_picousd",
            "Cost of metered answers in 10^-12 USD",
            picousd.clone(),
        );
        registry.register(
            "unpriced",
            "Answers of models without a price",
            unpriced.clone(),
        );
        registry.register(
            "usage_unread",
            "Values in the usage of answers that could not be read",
            usage_unread.clone(),
        );
        registry.register(
            "overdrafts",
            "Settlements that went over a limit",
            overdrafts.clone(),
        );
        registry.register(
            "plugin_skips",
            "Faults that an open fail policy let pass",
            skipped.clone(),
        );
        registry.register(
            "unknown_targets",
            "Targets of plans that name no configured upstream and were passed over, by plugin",
            unknown_targets.clone(),
        );
        Self {
            registry,
            open,
            exchanges,
            seconds,
            tokens,
            picousd,
            unpriced,
            usage_unread,
            overdrafts,
            skipped,
            unknown_targets,
        }
    }

    /// A target of this plugin's plan names no upstream.
    pub(crate) fn unknown_target(&self, plugin: &str) {
        let plugin = Plugin {
            plugin: plugin.to_owned(),
        };
        self.unknown_targets.get_or_create(&plugin).inc();
    }

    /// An exchange began.
    pub(crate) fn opened(&self) {
        self.open.inc();
    }

    /// An exchange ended.
    pub(crate) fn closed(&self, receipt: &Receipt) {
        self.open.dec();
        let outcome = receipt
            .outcome
            .map_or("abandoned", crate::receipts::receipt::Outcome::code);
        let ended = Ended {
            endpoint: receipt.endpoint,
            outcome,
            status: receipt.status.unwrap_or(0),
        };
        self.exchanges.get_or_create(&ended).inc();
        self.seconds
            .get_or_create(&Endpoint {
                endpoint: receipt.endpoint,
            })
            .observe(receipt.duration.as_secs_f64());
        if let Some(reading) = &receipt.reading {
            let usage = &reading.usage;
            self.usage_unread.inc_by(usage.unread);
            for (kind, count) in [
                ("input", usage.tokens.input),
                ("output", usage.tokens.output),
                ("cache_read", usage.tokens.cache_read),
                ("cache_creation", usage.tokens.cache_write),
            ] {
                if count > 0 {
                    self.tokens.get_or_create(&Kind { kind }).inc_by(count);
                }
            }
        }
        if let Some(cost) = receipt.cost {
            self.picousd.inc_by(cost.picousd);
            if cost.pricing == Pricing::Unpriced {
                self.unpriced.inc();
            }
        }
        if !receipt.overdrawn.is_empty() {
            self.overdrafts.inc();
        }
        if !receipt.skipped.is_empty() {
            self.skipped.inc();
        }
    }

    /// The page, in OpenMetrics text: the counters, then the states.
    pub(crate) fn page(&self, states: &[Sample]) -> String {
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_client::encoding::text::encode_registry(&mut page, &self.registry);
        let mut last = "";
        for sample in states {
            if sample.name != last {
                let _ = writeln!(page, "# TYPE witgate_{} gauge", sample.name);
                last = sample.name;
            }
            let labels: Vec<_> = sample
                .labels
                .iter()
                .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
                .collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            let _ = writeln!(page, "witgate_{}{labels} {}", sample.name, sample.value);
        }
        page.push_str("# EOF\n");
        page
    }
}

/// A label value as the format wants it.
fn escape(value: &str) -> String {
    // A plugin's names are read on terminals too.
    escaped(value, |c| is_unsafe(c) && c != '\n')
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_the_page() {
        let sample = Sample {
            name: "x",
            labels: vec![("plugin", "a\"b\\\n".into())],
            value: 1,
        };
        let page = Metrics::new().page(&[sample]);
        assert!(
            page.contains("witgate_x{plugin=\"a\\\"b\\\\\\n\"} 1\n# EOF\n"),
            "{page}"
        );
    }
}
