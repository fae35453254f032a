//! What one client may ask of the gateway.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::memory::Memory;

/// Limits of the client side. Each has an answer of its own when it is passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body in bytes; past it the answer is 413. The API's own limit for Messages is 32 MB.
    pub body_bytes: usize,
    /// Largest request head in bytes; past it the answer is 431.
    pub head_bytes: usize,
    /// Most header lines of a request; past it the answer is 431.
    pub headers: usize,
    /// Most requests at a time on one HTTP/2 connection; more wait at the client.
    pub streams: usize,
    /// Largest body that creates a batch, in bytes; past it the answer is 413. The API's own limit is 256 MB.
    pub batch_bytes: usize,
    /// Largest upload in bytes; past it the answer is 413. The API's own limit for files is 500 MB.
    pub upload_bytes: u64,
    /// Longest time from a connection's start, or from the end of its last answer, to the end of the next request head;
    /// past it the connection is closed.
    pub head_timeout: Duration,
    /// Longest time for a request body to arrive; past it the answer is 408.
    pub body_timeout: Duration,
    /// Longest standstill of a write to the client; past it the exchange is cut.
    pub write_timeout: Duration,
    /// Most client connections at a time; one more is closed at once.
    pub connections: usize,
    /// Most bytes that a compressed request body may decode to; past it the answer is 413.
    pub decoded_bytes: usize,
    /// How much memory exchanges may take; one that needs more is answered 503, or 429 where its key has its share.
    pub memory: Memory,
    /// Most exchanges at a time; one more is answered 503. None has no limit.
    pub in_flight: Option<NonZeroUsize>,
    /// Most exchanges of one key at a time; one more is answered 429. None has no limit.
    pub in_flight_per_key: Option<NonZeroUsize>,
}

/// Exchanges at a time, where the operator says nothing.
const IN_FLIGHT: usize = 2048;

/// Those of one key: a quarter, which is room for a team that shares one.
const IN_FLIGHT_PER_KEY: usize = 512;

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 * 1024 * 1024,
            head_bytes: 64 * 1024,
            headers: 100,
            streams: 100,
            batch_bytes: 256 * 1024 * 1024,
            upload_bytes: 500 * 1024 * 1024,
            head_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(120),
            connections: 20_000,
            decoded_bytes: 32 * 1024 * 1024,
            memory: Memory::default(),
            in_flight: NonZeroUsize::new(IN_FLIGHT),
            in_flight_per_key: NonZeroUsize::new(IN_FLIGHT_PER_KEY),
        }
    }
}
