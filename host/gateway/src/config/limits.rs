//! `[limits]`: what clients may ask of the gateway.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;

use super::keys::Keys;
use super::memory::{Memory, Origin};

/// Maximum of `body_bytes`, `decoded_bytes` and `batch_bytes`.
const MAX_BODY_BYTES: usize = 1 << 30;

/// Maximum of `upload_bytes`.
const MAX_UPLOAD_BYTES: u64 = 1 << 40;

/// Minimum of `memory_bytes`.
const MIN_MEMORY_BYTES: u64 = 1 << 20;

/// Minimum of `memory_bytes_per_key`: the memory that every exchange takes.
const MIN_MEMORY_BYTES_PER_KEY: u64 = 256 * 1024;

/// Maximum of `memory_bytes` and `memory_bytes_per_key`.
const MAX_MEMORY_BYTES: u64 = 1 << 39;

/// Maximum of `in_flight` and `in_flight_per_key`.
const MAX_IN_FLIGHT: usize = 10_000_000;

/// Concurrent exchanges, by default.
const IN_FLIGHT: usize = 2048;

/// Concurrent exchanges of one key, by default: a quarter of all, which is enough for a team that shares a key.
const IN_FLIGHT_PER_KEY: usize = 512;

/// The limits of the client side. The response to a request that exceeds one is different for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Maximum bytes of a request body. Larger ones get 413. The API's own limit for Messages is 32 MB.
    pub body_bytes: usize,
    /// Maximum bytes that a compressed request body may decode to. Larger ones get 413.
    pub decoded_bytes: usize,
    /// Maximum bytes of a request head. Larger ones get 431.
    pub head_bytes: usize,
    /// Maximum number of header lines of a request. More get 431.
    pub headers: usize,
    /// Maximum number of concurrent requests on one HTTP/2 connection. Further ones wait at the client.
    pub streams: usize,
    /// Maximum bytes of a body that creates a batch. Larger ones get 413. The API's own limit is 256 MB.
    pub batch_bytes: usize,
    /// Maximum bytes of an upload. Larger ones get 413. The API's own limit for files is 500 MB.
    pub upload_bytes: u64,
    /// Maximum time from the start of a connection, or from the end of its last response, to the end of the next request
    /// head. The connection is closed after it.
    pub head_timeout: Duration,
    /// Maximum time for a request body to arrive. Slower ones get 408.
    pub body_timeout: Duration,
    /// Maximum time without progress of a write to the client. The exchange is aborted after it.
    pub write_timeout: Duration,
    /// Maximum number of client connections. A further one is closed at once.
    pub connections: usize,
    /// Memory for exchanges. An exchange that needs more gets 503, or 429 if its key has used its share.
    pub memory: Memory,
    /// Maximum number of concurrent exchanges, or `None` for no limit. A further one gets 503.
    pub in_flight: Option<NonZeroUsize>,
    /// Maximum number of concurrent exchanges of one key, or `None` for no limit. A further one gets 429.
    pub in_flight_per_key: Option<NonZeroUsize>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct LimitsFile {
    body_bytes: Option<usize>,
    decoded_bytes: Option<usize>,
    head_bytes: Option<usize>,
    headers: Option<usize>,
    streams: Option<usize>,
    batch_bytes: Option<usize>,
    upload_bytes: Option<u64>,
    head_timeout_ms: Option<u64>,
    body_timeout_ms: Option<u64>,
    write_timeout_ms: Option<u64>,
    connections: Option<NonZeroUsize>,
    memory_bytes: Option<u64>,
    memory_bytes_per_key: Option<u64>,
    in_flight: Option<usize>,
    in_flight_per_key: Option<usize>,
}

// === impl LimitsFile ===

impl LimitsFile {
    /// Checks the table. With [`Keys::Open`] all callers are one key, which by default has no share but everything.
    /// `machine` is the default memory, which depends on the machine.
    pub(super) fn check(&self, keys: &Keys, machine: Memory, check: &mut Check<'_>) -> Limits {
        let default = Limits::default();
        let mut bytes =
            |key, written, default| check.number(key, written, default, 1..=MAX_BODY_BYTES);
        let body_bytes = bytes("body_bytes", self.body_bytes, default.body_bytes);
        let decoded_bytes = bytes("decoded_bytes", self.decoded_bytes, body_bytes);
        let batch_bytes = bytes("batch_bytes", self.batch_bytes, default.batch_bytes);
        let connections = self.connections.map(NonZeroUsize::get);
        let per_key = default.in_flight_per_key.filter(|_| *keys != Keys::Open);
        Limits {
            body_bytes,
            decoded_bytes,
            head_bytes: check.number(
                "head_bytes",
                self.head_bytes,
                default.head_bytes,
                1024..=1024 * 1024,
            ),
            headers: check.number("headers", self.headers, default.headers, 16..=256),
            streams: check.number("streams", self.streams, default.streams, 1..=10_000),
            batch_bytes,
            upload_bytes: check.number(
                "upload_bytes",
                self.upload_bytes,
                default.upload_bytes,
                1..=MAX_UPLOAD_BYTES,
            ),
            head_timeout: check.millis(
                "head_timeout_ms",
                self.head_timeout_ms,
                default.head_timeout,
            ),
            body_timeout: check.millis(
                "body_timeout_ms",
                self.body_timeout_ms,
                default.body_timeout,
            ),
            write_timeout: check.millis(
                "write_timeout_ms",
                self.write_timeout_ms,
                default.write_timeout,
            ),
            connections: connections.unwrap_or_else(|| machine.origin.for_connections()),
            memory: self.memory(keys, machine, check),
            in_flight: optional(check, "in_flight", self.in_flight, default.in_flight),
            in_flight_per_key: optional(
                check,
                "in_flight_per_key",
                self.in_flight_per_key,
                per_key,
            ),
        }
    }

    fn memory(&self, keys: &Keys, mut memory: Memory, check: &mut Check<'_>) -> Memory {
        if self.memory_bytes.is_some() {
            let bytes = check.number(
                "memory_bytes",
                self.memory_bytes,
                memory.bytes,
                MIN_MEMORY_BYTES..=MAX_MEMORY_BYTES,
            );
            memory = Memory {
                bytes,
                per_key: Memory::share(bytes),
                origin: Origin::Configuration,
            };
        }
        if *keys == Keys::Open {
            memory.per_key = memory.bytes;
        }
        let key = "memory_bytes_per_key";
        let per_key = check.number(
            key,
            self.memory_bytes_per_key,
            memory.per_key,
            MIN_MEMORY_BYTES_PER_KEY..=MAX_MEMORY_BYTES,
        );
        memory.per_key = per_key.min(memory.bytes);
        memory
    }
}

/// Checks a limit that 0 switches off.
fn optional(
    check: &mut Check<'_>,
    key: &str,
    value: Option<usize>,
    default: Option<NonZeroUsize>,
) -> Option<NonZeroUsize> {
    let default = default.map_or(0, NonZeroUsize::get);
    NonZeroUsize::new(check.number(key, value, default, 0..=MAX_IN_FLIGHT))
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 * 1024 * 1024,
            decoded_bytes: 32 * 1024 * 1024,
            head_bytes: 64 * 1024,
            headers: 100,
            streams: 100,
            batch_bytes: 256 * 1024 * 1024,
            upload_bytes: 500 * 1024 * 1024,
            head_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(120),
            connections: 20_000,
            memory: Memory::default(),
            in_flight: NonZeroUsize::new(IN_FLIGHT),
            in_flight_per_key: NonZeroUsize::new(IN_FLIGHT_PER_KEY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MIN_MEMORY_BYTES_PER_KEY;
    use crate::tenants::concurrency::BASE;

    #[test]
    fn a_key_has_memory_for_at_least_one_exchange() {
        assert_eq!(MIN_MEMORY_BYTES_PER_KEY, BASE, "the memory of an exchange");
    }
}
