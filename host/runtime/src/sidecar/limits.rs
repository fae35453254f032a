//! The limits in a sidecar: their ranges and defaults.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Check, File, LimitsTable};
use crate::hook::{Hook, PerHook};
use crate::kv::KvLimits;
use crate::limits::{CallLimits, Limits};
use crate::options::RuntimeOptions;

/// The range of times in milliseconds. No hook has a reason to hold a request for more than a minute.
const MILLIS: RangeInclusive<i64> = 1..=60_000;

/// The keys of the call limits and their ranges.
pub(super) const CALL_LIMITS: [(&str, RangeInclusive<i64>); 6] = [
    ("deadline_ms", MILLIS),
    ("copy_bytes", 1_024..=1 << 30),
    ("body_bytes", 1..=1 << 30),
    ("host_calls", 1..=1_000_000),
    ("list_items", 1..=1_000_000),
    ("return_bytes", 1..=1 << 30),
];

/// The checked values of a table's call limits.
type CallValues = [Option<u64>; CALL_LIMITS.len()];

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: PerHook::from_fn(CallLimits::of),
            start: CallLimits {
                deadline: Duration::from_millis(50),
                ..CallLimits::of(Hook::Route)
            },
            memory_bytes: 16 << 20,
            table_elements: 10_000,
            core_instances: 16,
            log_lines: 100,
            metric_names: 64,
            kv: KvLimits {
                entries: 10_000,
                bytes: 4 << 20,
                entry_bytes: 64 << 10,
            },
            live_instances: 64,
            recycle_after: 1_000_000,
            held_bytes: 4 << 10,
            piece_bytes: 64 << 10,
        }
    }
}

// === impl CallLimits ===

impl CallLimits {
    /// Returns the default limits of a hook.
    fn of(hook: Hook) -> Self {
        let (deadline, bytes) = match hook {
            // It reads and writes whole bodies, with images in them.
            Hook::Translate => (500, 96 << 20),
            Hook::Envelope | Hook::Guard | Hook::Route | Hook::Budget => (5, 1 << 20),
            Hook::Audit => (50, 1 << 20),
        };
        Self {
            deadline: Duration::from_millis(deadline),
            copy_bytes: bytes,
            body_bytes: 256 << 10,
            host_calls: 1_000,
            list_items: 1_024,
            return_bytes: bytes,
        }
    }
}

// === impl Check ===

impl Check<'_> {
    pub(super) fn limits(&mut self, raw: &File) -> Limits {
        let table = &raw.limits;
        let default = Limits::default();
        /// Returns the value of a key, or its default.
        macro_rules! limit {
            ($key:ident, $range:expr, $default:expr) => {
                self.number(concat!("limits.", stringify!($key)), table.$key, $range)
                    .and_then(|number| number.try_into().ok())
                    .unwrap_or($default)
            };
        }
        let general = self.call_limits("limits", table.call_limits());
        let configure = self.number("limits.configure_ms", table.configure_ms, MILLIS);
        let held_bytes = limit!(held_bytes, 0..=64 << 10, default.held_bytes);
        let piece_bytes = limit!(piece_bytes, 1_024..=1 << 20, default.piece_bytes);
        // Each piece has new text besides what was held back before.
        if piece_bytes < held_bytes * 2 {
            let message = format!(
                "a guard may hold back {held_bytes} bytes of a text, and a piece has to be twice as large; use {} or more, or lower `held_bytes`",
                held_bytes * 2
            );
            self.reject("limits.piece_bytes", &message);
        }
        Limits {
            // A hook's own value comes first, then that of `[limits]`, then the default.
            calls: PerHook::from_fn(|hook| {
                let table = raw.hooks.of(hook).call_limits();
                let own = self.call_limits(&format!("hooks.{hook}"), table);
                overlay(own, overlay(general, *default.calls.of(hook)))
            }),
            start: CallLimits {
                deadline: configure.map_or(default.start.deadline, Duration::from_millis),
                ..overlay(general, default.start)
            },
            memory_bytes: self.memory(table).unwrap_or(default.memory_bytes),
            table_elements: limit!(table_elements, 1..=1_000_000, default.table_elements),
            core_instances: limit!(core_instances, 1..=100, default.core_instances),
            log_lines: limit!(log_lines, 1..=1_000_000, default.log_lines),
            metric_names: limit!(metric_names, 1..=10_000, default.metric_names),
            kv: KvLimits {
                entries: limit!(kv_entries, 1..=1_000_000, default.kv.entries),
                bytes: limit!(kv_bytes, 1..=1 << 30, default.kv.bytes),
                entry_bytes: limit!(kv_entry_bytes, 1..=1 << 30, default.kv.entry_bytes),
            },
            live_instances: limit!(live_instances, 1..=10_000, default.live_instances),
            recycle_after: limit!(recycle_after, 1..=i64::MAX, default.recycle_after),
            held_bytes,
            piece_bytes,
        }
    }

    /// Rejects limits above the host's ceilings.
    pub(super) fn limits_on(
        &mut self,
        host: &RuntimeOptions,
        table: &LimitsTable,
        limits: &Limits,
    ) {
        let memory = match table.memory_mib {
            Some(_) => "limits.memory_mib",
            None => "limits.memory_bytes",
        };
        for (path, wanted, most) in [
            (memory, limits.memory_bytes, host.memory_ceiling),
            (
                "limits.table_elements",
                limits.table_elements,
                host.table_ceiling,
            ),
        ] {
            if wanted > most {
                let message =
                    format!("this host allows a plugin at most {most}; use {most} or less");
                self.reject(path, &message);
            }
        }
    }

    fn call_limits(&mut self, table: &str, values: [Option<i64>; CALL_LIMITS.len()]) -> CallValues {
        let mut values = values.into_iter();
        CALL_LIMITS.map(|(key, range)| {
            self.number(&format!("{table}.{key}"), values.next().flatten(), range)
        })
    }

    fn memory(&mut self, table: &LimitsTable) -> Option<usize> {
        if table.memory_mib.is_some() && table.memory_bytes.is_some() {
            self.reject(
                "limits.memory_bytes",
                "`memory_mib` sets this, too; keep one of the two",
            );
        }
        let mib = self.number("limits.memory_mib", table.memory_mib, 1..=4_096);
        let bytes = self.number("limits.memory_bytes", table.memory_bytes, 65_536..=4 << 30);
        let bytes = bytes.or(mib.map(|mib| mib << 20))?;
        usize::try_from(bytes).ok()
    }

    /// Checks a number against its range. Returns `None` if there is none, or a wrong one.
    pub(super) fn number(
        &mut self,
        path: &str,
        value: Option<i64>,
        range: RangeInclusive<i64>,
    ) -> Option<u64> {
        let value = value?;
        if range.contains(&value) {
            return u64::try_from(value).ok();
        }
        let (low, high) = (range.start(), range.end());
        self.reject(
            path,
            &format!("{value} is out of range; use {low} to {high}"),
        );
        None
    }
}

/// Returns the limits of a table, with those of `below` for the keys that it does not have.
fn overlay(values: CallValues, below: CallLimits) -> CallLimits {
    let [deadline, copy, body, calls, items, returned] = values;
    let size =
        |value: Option<u64>, below| value.map_or(below, |value| value.try_into().unwrap_or(below));
    CallLimits {
        deadline: deadline.map_or(below.deadline, Duration::from_millis),
        copy_bytes: size(copy, below.copy_bytes),
        body_bytes: size(body, below.body_bytes),
        host_calls: calls
            .and_then(|calls| calls.try_into().ok())
            .unwrap_or(below.host_calls),
        list_items: size(items, below.list_items),
        return_bytes: size(returned, below.return_bytes),
    }
}
