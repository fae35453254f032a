//! What one client may ask of the gateway.

use std::time::Duration;

/// Limits of the client side. Each has an answer of its own when it is passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body in bytes; past it the answer is 413. The API's own limit for Messages is 32 MB.
    pub body_bytes: usize,
    /// Longest time from a connection's start, or from the end of its last answer, to the end of the next request head;
    /// past it the connection is closed.
    pub head_timeout: Duration,
    /// Longest time for a request body to arrive; past it the answer is 408.
    pub body_timeout: Duration,
    /// Longest standstill of a write to the client; past it the exchange is cut.
    pub write_timeout: Duration,
    /// Most client connections at a time; one more is closed at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 * 1024 * 1024,
            head_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(120),
            connections: 20_000,
        }
    }
}
