//! The metrics of a plugin, kept without locks on the path of a request.

mod histogram;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use serde::Serialize;

use crate::fault::FaultKind;
use crate::hook::{Hook, PerHook};
use histogram::Histogram;

/// The metrics of a plugin since its admission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PluginMetrics {
    /// The calls of each hook that the plugin exports.
    pub hooks: BTreeMap<Hook, HookMetrics>,
    /// The number of faults by the code of their kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// The number of instances created.
    pub instances_created: u64,
    /// The number of times that `lifecycle.configure` ran.
    pub configured: u64,
    /// The number of instances replaced after `recycle_after` calls.
    pub recycled: u64,
    /// The number of log lines dropped over the limit.
    pub log_lines_dropped: u64,
    /// The number of updates of custom metrics dropped: over the limit of names, too long a name, or another kind.
    pub metrics_dropped: u64,
    /// The plugin's custom metrics by name.
    pub custom: BTreeMap<String, CustomMetric>,
}

/// The metrics of one hook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HookMetrics {
    /// The number of calls that reached the guest, including those that faulted.
    pub calls: u64,
    /// The number of requests that went on without the plugin because it fails open.
    pub skipped: u64,
    /// The number of requests for which the hook was not called, because the plugin is not interested in them.
    pub left_out: u64,
    /// The median duration of a call in nanoseconds, at most 25 % too high.
    pub p50_ns: u64,
    /// The 99th percentile of the duration of a call in nanoseconds, at most 25 % too high.
    pub p99_ns: u64,
}

/// A custom metric, which a plugin updates through the `metrics` interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CustomMetric {
    /// A number that only grows.
    Counter(u64),
    /// A number that goes up and down.
    Gauge(i64),
}

#[derive(Debug, Default)]
pub(crate) struct Stats {
    hooks: PerHook<HookStats>,
    faults: FaultCounts,
    pub(crate) instances_created: AtomicU64,
    pub(crate) configured: AtomicU64,
    pub(crate) recycled: AtomicU64,
    pub(crate) log_lines_dropped: AtomicU64,
    metrics_dropped: AtomicU64,
    log: LogBudget,
    custom: RwLock<BTreeMap<String, Custom>>,
}

#[derive(Debug, Default)]
struct HookStats {
    times: Histogram,
    skipped: AtomicU64,
    left_out: AtomicU64,
}

#[derive(Debug)]
enum Custom {
    Counter(AtomicU64),
    Gauge(AtomicI64),
}

/// The number of log lines in the current second. Two threads at the turn of a second may let one line too many pass, which
/// is good enough against floods.
#[derive(Debug)]
struct LogBudget {
    start: Instant,
    second: AtomicU64,
    lines: AtomicU64,
}

#[derive(Debug, Default)]
struct FaultCounts {
    codes: RwLock<BTreeMap<&'static str, AtomicU64>>,
}

/// The maximum length of a custom metric's name.
const MAX_METRIC_NAME_BYTES: usize = 128;

// === impl Stats ===

impl Stats {
    pub(crate) fn called(&self, hook: Hook, took: Duration) {
        self.hooks.of(hook).times.record(took);
    }

    pub(crate) fn skipped(&self, hook: Hook) {
        self.hooks.of(hook).skipped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn left_out(&self, hook: Hook, count: u64) {
        let left_out = &self.hooks.of(hook).left_out;
        left_out.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn faulted(&self, kind: FaultKind) {
        self.faults.add(kind.code());
    }

    /// Returns whether one more line may be logged now, and counts it as dropped otherwise.
    pub(crate) fn may_log(&self, limit: u32) -> bool {
        let may = self.log.take(limit);
        if !may {
            self.log_lines_dropped.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    pub(crate) fn count(&self, name: &str, by: u64, names: usize) {
        self.custom(
            name,
            names,
            || Custom::Counter(AtomicU64::new(0)),
            |metric| match metric {
                Custom::Counter(value) => {
                    value.fetch_add(by, Ordering::Relaxed);
                    true
                }
                Custom::Gauge(_) => false,
            },
        );
    }

    pub(crate) fn gauge(&self, name: &str, to: i64, names: usize) {
        self.custom(
            name,
            names,
            || Custom::Gauge(AtomicI64::new(0)),
            |metric| match metric {
                Custom::Gauge(value) => {
                    value.store(to, Ordering::Relaxed);
                    true
                }
                Custom::Counter(_) => false,
            },
        );
    }

    /// Applies `set` to a metric, which is created if the limit of names allows. An update of the other kind of metric, or over
    /// the limit, is counted as dropped.
    fn custom(
        &self,
        name: &str,
        names: usize,
        make: impl FnOnce() -> Custom,
        set: impl Fn(&Custom) -> bool,
    ) {
        if name.len() > MAX_METRIC_NAME_BYTES {
            self.metrics_dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let known = self.custom.read().get(name).map(&set);
        let done = known.unwrap_or_else(|| {
            let mut custom = self.custom.write();
            if !custom.contains_key(name) && custom.len() >= names {
                return false;
            }
            set(custom.entry(name.to_owned()).or_insert_with(make))
        });
        if !done {
            self.metrics_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn metrics(&self, hooks: impl IntoIterator<Item = Hook>) -> PluginMetrics {
        PluginMetrics {
            hooks: hooks
                .into_iter()
                .map(|hook| (hook, self.hooks.of(hook).metrics()))
                .collect(),
            faults: self.faults.snapshot(),
            instances_created: self.instances_created.load(Ordering::Relaxed),
            configured: self.configured.load(Ordering::Relaxed),
            recycled: self.recycled.load(Ordering::Relaxed),
            log_lines_dropped: self.log_lines_dropped.load(Ordering::Relaxed),
            metrics_dropped: self.metrics_dropped.load(Ordering::Relaxed),
            custom: self
                .custom
                .read()
                .iter()
                .map(|(name, value)| (name.clone(), value.snapshot()))
                .collect(),
        }
    }
}

// === impl HookStats ===

impl HookStats {
    fn metrics(&self) -> HookMetrics {
        HookMetrics {
            calls: self.times.total(),
            skipped: self.skipped.load(Ordering::Relaxed),
            left_out: self.left_out.load(Ordering::Relaxed),
            p50_ns: self.times.percentile(50),
            p99_ns: self.times.percentile(99),
        }
    }
}

// === impl Custom ===

impl Custom {
    fn snapshot(&self) -> CustomMetric {
        match self {
            Self::Counter(value) => CustomMetric::Counter(value.load(Ordering::Relaxed)),
            Self::Gauge(value) => CustomMetric::Gauge(value.load(Ordering::Relaxed)),
        }
    }
}

// === impl LogBudget ===

impl Default for LogBudget {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            second: AtomicU64::new(0),
            lines: AtomicU64::new(0),
        }
    }
}

impl LogBudget {
    fn take(&self, limit: u32) -> bool {
        let now = self.start.elapsed().as_secs();
        if self.second.swap(now, Ordering::Relaxed) != now {
            self.lines.store(0, Ordering::Relaxed);
        }
        self.lines.fetch_add(1, Ordering::Relaxed) < u64::from(limit)
    }
}

// === impl FaultCounts ===

impl FaultCounts {
    fn add(&self, code: &'static str) {
        if let Some(count) = self.codes.read().get(code) {
            count.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.codes
            .write()
            .entry(code)
            .or_default()
            .fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        self.codes
            .read()
            .iter()
            .map(|(code, count)| (*code, count.load(Ordering::Relaxed)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_keeps_its_kind_and_names_are_bounded() {
        let stats = Stats::default();
        stats.count("hits", 2, 1);
        stats.count("hits", 3, 1);
        stats.gauge("hits", 9, 1);
        stats.gauge("other", 9, 1);
        let metrics = stats.metrics([]);
        assert_eq!(
            metrics.custom.get("hits"),
            Some(&CustomMetric::Counter(5)),
            "a gauge call leaves the counter alone"
        );
        assert_eq!(metrics.custom.len(), 1, "one name is the limit");
        assert_eq!(metrics.metrics_dropped, 2, "what is dropped is counted");
    }
}
