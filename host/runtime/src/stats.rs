//! Numbers of one plugin, kept without locks on the path of a request.

mod histogram;

use parking_lot::RwLock;

use crate::fault::FaultKind;
use crate::hook::{Hook, PerHook};
use histogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a plugin has done since it was admitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Calls and their times, for each hook that the plugin has.
    pub hooks: BTreeMap<Hook, HookFigures>,
    /// Faults by kind, as codes.
    pub faults: BTreeMap<&'static str, u64>,
    /// Instances that were made.
    pub instances_created: u64,
    /// Times that `lifecycle.configure` ran.
    pub configured: u64,
    /// Instances replaced after serving their number of calls.
    pub recycled: u64,
    /// Log lines over the limit.
    pub log_lines_dropped: u64,
    /// Custom metrics over the limit of names.
    pub metrics_dropped: u64,
    /// The plugin's own numbers.
    pub custom: BTreeMap<String, CustomMetric>,
}

/// What one hook has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HookFigures {
    /// Calls that reached the guest, faults included.
    pub calls: u64,
    /// Requests that went on without the plugin, because it fails open.
    pub skipped: u64,
    /// Half of the calls took at most this long; within 25 %.
    pub p50_ns: u64,
    /// 99 of 100 calls took at most this long; within 25 %.
    pub p99_ns: u64,
}

/// A number that the plugin keeps through `metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CustomMetric {
    /// It only grows.
    Counter(u64),
    /// It goes up and down.
    Gauge(i64),
}

#[derive(Debug)]
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
}

#[derive(Debug)]
enum Custom {
    Counter(AtomicU64),
    Gauge(AtomicI64),
}

/// Lines of the current second. Two threads at the turn of a second may let a line too many pass; the limit is
/// against floods.
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

/// Longest name of a custom metric, in bytes; one that is longer is dropped and counted.
const LONGEST_METRIC: usize = 128;

// === impl Stats ===

impl Default for Stats {
    fn default() -> Self {
        Self {
            hooks: PerHook::default(),
            faults: FaultCounts::default(),
            instances_created: AtomicU64::new(0),
            configured: AtomicU64::new(0),
            recycled: AtomicU64::new(0),
            log_lines_dropped: AtomicU64::new(0),
            metrics_dropped: AtomicU64::new(0),
            log: LogBudget::default(),
            custom: RwLock::default(),
        }
    }
}

impl Stats {
    pub(crate) fn called(&self, hook: Hook, took: Duration) {
        self.hooks.of(hook).times.record(took);
    }

    pub(crate) fn skipped(&self, hook: Hook) {
        self.hooks.of(hook).skipped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn faulted(&self, kind: FaultKind) {
        self.faults.add(kind.code());
    }

    /// Whether one more line may be logged now; one that may not is counted.
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

    /// Applies `set` to a metric, which is made first if there is room for its name. A metric that stays what it is
    /// under another kind of call, or has no room, is counted as dropped.
    fn custom(
        &self,
        name: &str,
        names: usize,
        make: impl FnOnce() -> Custom,
        set: impl Fn(&Custom) -> bool,
    ) {
        if name.len() > LONGEST_METRIC {
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

    pub(crate) fn figures(&self, hooks: impl IntoIterator<Item = Hook>) -> Figures {
        Figures {
            hooks: hooks
                .into_iter()
                .map(|hook| (hook, self.hooks.of(hook).figures()))
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
    fn figures(&self) -> HookFigures {
        HookFigures {
            calls: self.times.total(),
            skipped: self.skipped.load(Ordering::Relaxed),
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
        let figures = stats.figures([]);
        assert_eq!(
            figures.custom.get("hits"),
            Some(&CustomMetric::Counter(5)),
            "a gauge call leaves the counter alone"
        );
        assert_eq!(figures.custom.len(), 1, "one name is the limit");
        assert_eq!(figures.metrics_dropped, 2, "what is dropped is counted");
    }
}
