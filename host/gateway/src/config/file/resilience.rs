//! `retry`, `breaker` and `health` of an upstream, as written.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// `retry = { … }`
#[derive(Debug, Default, Deserialize)]
pub struct RetryFile {
    /// Further tries at the same target.
    pub attempts: Option<u32>,
    /// Milliseconds before the first of them, at most.
    pub base_ms: Option<u64>,
    /// Milliseconds before any of them, at most.
    pub cap_ms: Option<u64>,
    /// Further tries for each request, above a floor.
    pub budget_ratio: Option<f64>,
    /// Milliseconds of a `retry-after` that are waited here, at most.
    pub max_wait_ms: Option<u64>,
}

/// `breaker = { … }`
#[derive(Debug, Default, Deserialize)]
pub struct BreakerFile {
    /// Failures in a hundred requests, past which another target is asked.
    pub error_percent: Option<u32>,
    /// Failures in a hundred requests, past which none is sent.
    pub panic_percent: Option<u32>,
    /// Requests that are enough to judge by.
    pub min_requests: Option<u32>,
    /// Milliseconds that requests are counted over.
    pub window_ms: Option<u64>,
    /// Milliseconds that it stays open at first.
    pub open_ms: Option<u64>,
    /// Milliseconds that it stays open at most.
    pub max_open_ms: Option<u64>,
}

/// `health = { … }`
#[derive(Debug, Default, Deserialize)]
pub struct HealthFile {
    /// What is asked for.
    pub path: Option<String>,
    /// Milliseconds between two checks.
    pub interval_ms: Option<u64>,
    /// Milliseconds for an answer.
    pub timeout_ms: Option<u64>,
    /// Failed checks in a row.
    pub unhealthy_after: Option<u32>,
    /// Good checks in a row.
    pub healthy_after: Option<u32>,
}

/// `false`, or a table. `true` is the table with its defaults.
#[derive(Debug)]
pub enum Switch<T> {
    /// `false`
    Off,
    /// `{ … }`
    On(T),
}

// === impl Switch ===

// By hand: an untagged enum would swallow unknown keys, which are to be reported.
impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Switch<T> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Either<T> {
            type Value = Switch<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("false, or a table")
            }

            fn visit_bool<E: Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(if on {
                    Switch::On(T::default())
                } else {
                    Switch::Off
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Switch::On)
            }
        }

        source.deserialize_any(Either(std::marker::PhantomData))
    }
}
