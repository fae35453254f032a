//! The numbers of a sidecar: their ranges, and what holds where it says nothing.

use super::{CallKeys, Check, File, LimitsTable};
use crate::hook::{Hook, PerHook};
use crate::kv::KvLimits;
use crate::limits::{CallLimits, Limits};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A minute: no hook has a reason to hold a request for longer.
const MILLIS: RangeInclusive<i64> = 1..=60_000;

/// What a table says about a call, checked.
struct Words {
    deadline_ms: Option<usize>,
    copy_bytes: Option<usize>,
    body_bytes: Option<usize>,
    host_calls: Option<usize>,
    list_items: Option<usize>,
    return_bytes: Option<usize>,
}

// === impl Words ===

impl Words {
    /// What holds where these words stand above others.
    fn over(&self, below: CallLimits) -> CallLimits {
        let millis = |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX));
        CallLimits {
            deadline: self.deadline_ms.map_or(below.deadline, millis),
            copy_bytes: self.copy_bytes.unwrap_or(below.copy_bytes),
            body_bytes: self.body_bytes.unwrap_or(below.body_bytes),
            host_calls: self
                .host_calls
                .and_then(|calls| u32::try_from(calls).ok())
                .unwrap_or(below.host_calls),
            list_items: self.list_items.unwrap_or(below.list_items),
            return_bytes: self.return_bytes.unwrap_or(below.return_bytes),
        }
    }
}

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
        }
    }
}

// === impl CallLimits ===

impl CallLimits {
    /// What holds for a call of a hook by default.
    fn of(hook: Hook) -> Self {
        let deadline = match hook {
            Hook::Envelope | Hook::Route | Hook::Budget => Duration::from_millis(5),
            Hook::Audit => Duration::from_millis(50),
        };
        Self {
            deadline,
            copy_bytes: 1 << 20,
            body_bytes: 256 << 10,
            host_calls: 1_000,
            list_items: 1_024,
            return_bytes: 1 << 20,
        }
    }
}

// === impl Check ===

impl Check<'_> {
    pub(super) fn limits(&mut self, raw: &File) -> Limits {
        let table = &raw.limits;
        let default = Limits::default();
        let general = self.words("limits", &table.call());
        let start = CallLimits {
            deadline: self
                .number("limits.configure_ms", table.configure_ms, MILLIS)
                .map_or(default.start.deadline, Duration::from_millis),
            ..general.over(default.start)
        };
        Limits {
            calls: self.calls(raw, &general, &default),
            start,
            memory_bytes: self.memory(table).unwrap_or(default.memory_bytes),
            table_elements: self.size(
                "limits.table_elements",
                table.table_elements,
                1..=1_000_000,
                default.table_elements,
            ),
            core_instances: self.size(
                "limits.core_instances",
                table.core_instances,
                1..=100,
                default.core_instances,
            ),
            log_lines: self.count(
                "limits.log_lines",
                table.log_lines,
                1..=1_000_000,
                default.log_lines,
            ),
            metric_names: self.size(
                "limits.metric_names",
                table.metric_names,
                1..=10_000,
                default.metric_names,
            ),
            kv: self.kv(table, default.kv),
            live_instances: self.size(
                "limits.live_instances",
                table.live_instances,
                1..=10_000,
                default.live_instances,
            ),
            recycle_after: self
                .number("limits.recycle_after", table.recycle_after, 1..=i64::MAX)
                .unwrap_or(default.recycle_after),
        }
    }

    /// A hook's own word, else that of `[limits]`, else the hook's default.
    fn calls(&mut self, raw: &File, general: &Words, default: &Limits) -> PerHook<CallLimits> {
        PerHook::from_fn(|hook| {
            let own = self.words(&format!("hooks.{hook}"), &raw.hooks.of(hook).call());
            own.over(general.over(*default.calls.of(hook)))
        })
    }

    fn words(&mut self, table: &str, keys: &CallKeys) -> Words {
        let mut number = |key: &str, value, range| {
            let number = self.number(&format!("{table}.{key}"), value, range)?;
            usize::try_from(number).ok()
        };
        Words {
            deadline_ms: number("deadline_ms", keys.deadline_ms, MILLIS),
            copy_bytes: number("copy_bytes", keys.copy_bytes, 1_024..=1 << 30),
            body_bytes: number("body_bytes", keys.body_bytes, 1..=1 << 30),
            host_calls: number("host_calls", keys.host_calls, 1..=1_000_000),
            list_items: number("list_items", keys.list_items, 1..=1_000_000),
            return_bytes: number("return_bytes", keys.return_bytes, 1..=1 << 30),
        }
    }

    fn memory(&mut self, table: &LimitsTable) -> Option<usize> {
        if table.memory_mib.is_some() && table.memory_bytes.is_some() {
            self.reject(
                "limits.memory_bytes",
                "said twice, here and as `memory_mib`; keep one",
            );
        }
        let mib = self.number("limits.memory_mib", table.memory_mib, 1..=4_096);
        let bytes = self.number("limits.memory_bytes", table.memory_bytes, 65_536..=4 << 30);
        let bytes = bytes.or(mib.map(|mib| mib << 20))?;
        usize::try_from(bytes).ok()
    }

    fn kv(&mut self, table: &LimitsTable, default: KvLimits) -> KvLimits {
        KvLimits {
            entries: self.size(
                "limits.kv_entries",
                table.kv_entries,
                1..=1_000_000,
                default.entries,
            ),
            bytes: self.size(
                "limits.kv_bytes",
                table.kv_bytes,
                1..=1 << 30,
                default.bytes,
            ),
            entry_bytes: self.size(
                "limits.kv_entry_bytes",
                table.kv_entry_bytes,
                1..=1 << 30,
                default.entry_bytes,
            ),
        }
    }

    fn size(
        &mut self,
        path: &str,
        value: Option<i64>,
        range: RangeInclusive<i64>,
        default: usize,
    ) -> usize {
        self.number(path, value, range)
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default)
    }

    fn count(
        &mut self,
        path: &str,
        value: Option<i64>,
        range: RangeInclusive<i64>,
        default: u32,
    ) -> u32 {
        self.number(path, value, range)
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(default)
    }

    fn number(
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
            &format!("{value} is out of range; {low} to {high} is possible"),
        );
        None
    }
}
