//! How answers are waited for and delivered: pings, patience, and what happens when a client leaves.

use std::time::Duration;

/// What the gateway does while an answer is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streams {
    /// Silence after which the client of an event stream gets a ping; none sends no pings. Claude Code and Node's own HTTP
    /// client give up on streams without a byte after 300 s, balancers on the way after 60 s or 30 s, and applications
    /// that set a read timeout in their SDK often after less.
    pub ping: Option<Duration>,
    /// Time after which a client that asked for a stream gets the head of its answer, although no upstream has
    /// answered yet; none waits for the upstream. Past it, the status can't tell of an error any more, and no other
    /// target is tried.
    pub early_head_after: Option<Duration>,
    /// Most bytes of an answer that are held back until its first content, while another target could be tried.
    pub hold_bytes: usize,
    /// Longest time that they are held back.
    pub hold: Duration,
    /// Longest time for a whole exchange, from its first byte; none leaves it to the other limits, which an upstream that
    /// sends a byte now and then never passes.
    pub total: Option<Duration>,
    /// What happens to an answer whose client has left, unless the plan says otherwise.
    pub client_gone: ClientGone,
    /// Longest time that an answer without a client is read on.
    pub drain: Duration,
    /// Most bytes of it that are read.
    pub drain_bytes: u64,
}

/// What happens to an answer whose client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientGone {
    /// The upstream is stopped at once. What the answer used is known up to there.
    Stop,
    /// The answer is read to its end, within limits, to learn what it really used.
    Drain,
}

// === impl ClientGone ===

impl ClientGone {
    /// The policy of this open code: `stop` or `drain`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "stop" => Some(Self::Stop),
            "drain" => Some(Self::Drain),
            _ => None,
        }
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            ping: Some(Duration::from_secs(10)),
            early_head_after: None,
            hold_bytes: 64 * 1024,
            hold: Duration::from_secs(5),
            total: Some(Duration::from_hours(4)),
            client_gone: ClientGone::Stop,
            drain: Duration::from_secs(60),
            drain_bytes: 16 << 20,
        }
    }
}
