//! `breaker`: the circuit breaker of an upstream.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use witgate_config_file::Check;

/// A circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Percentage of failures in the window from which the upstream gets only requests that no other target can take.
    pub error_percent: u32,
    /// Percentage of failures in the window from which the upstream gets trial requests only.
    pub panic_percent: u32,
    /// Number of requests in the window below which the percentages mean nothing.
    pub min_requests: NonZeroU32,
    /// Time over which requests are counted.
    pub window: Duration,
    /// Time for which the breaker stays open at first. It doubles with each failed trial.
    pub open: Duration,
    /// Maximum time for which the breaker stays open.
    pub max_open: Duration,
}

/// `false`, or a table. `true` is an empty table.
#[derive(Debug)]
pub(super) enum BreakerFile {
    Off,
    On(BreakerTable),
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct BreakerTable {
    error_percent: Option<u32>,
    panic_percent: Option<u32>,
    min_requests: Option<NonZeroU32>,
    window_ms: Option<u64>,
    open_ms: Option<u64>,
    max_open_ms: Option<u64>,
}

// === impl BreakerFile ===

impl BreakerFile {
    /// Returns the policy, or `None` if the breaker is off.
    pub(super) fn check(&self, check: &mut Check<'_>) -> Option<BreakerPolicy> {
        match self {
            Self::Off => None,
            Self::On(table) => Some(table.check(check)),
        }
    }
}

// Written by hand because an untagged enum would ignore unknown keys, which must be reported.
impl<'de> Deserialize<'de> for BreakerFile {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct WordOrTable;

        impl<'de> Visitor<'de> for WordOrTable {
            type Value = BreakerFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("false or a table")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(if on {
                    BreakerFile::On(BreakerTable::default())
                } else {
                    BreakerFile::Off
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                BreakerTable::deserialize(MapAccessDeserializer::new(map)).map(BreakerFile::On)
            }
        }

        source.deserialize_any(WordOrTable)
    }
}

// === impl BreakerTable ===

impl BreakerTable {
    fn check(&self, check: &mut Check<'_>) -> BreakerPolicy {
        let default = BreakerPolicy::default();
        let error_percent = check.number(
            "error_percent",
            self.error_percent,
            default.error_percent,
            1..=100,
        );
        let panic_percent = self
            .panic_percent
            .unwrap_or(default.panic_percent.max(error_percent));
        if !(error_percent..=100).contains(&panic_percent) {
            check.problem("panic_percent", "must be between `error_percent` and 100");
        }
        let open = check.millis("open_ms", self.open_ms, default.open);
        let max_open = check.millis("max_open_ms", self.max_open_ms, default.max_open.max(open));
        if max_open < open {
            check.problem("max_open_ms", "must be at least `open_ms`");
        }
        BreakerPolicy {
            error_percent,
            panic_percent,
            min_requests: self.min_requests.unwrap_or(default.min_requests),
            window: check.millis("window_ms", self.window_ms, default.window),
            open,
            max_open,
        }
    }
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            error_percent: 50,
            panic_percent: 95,
            min_requests: NonZeroU32::MIN.saturating_add(19),
            window: Duration::from_secs(10),
            open: Duration::from_secs(1),
            max_open: Duration::from_secs(60),
        }
    }
}
