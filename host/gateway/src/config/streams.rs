//! `[streams]`: the delivery of responses.

use std::time::Duration;

use serde::Deserialize;
use witgate_config_file::Check;
use witgate_runtime::Disconnect;

/// Maximum of `hold_bytes`.
const MAX_HOLD_BYTES: usize = 16 << 20;

/// The delivery of responses: pings, early heads, held-back starts and client disconnects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streams {
    /// Silence after which the client of an event stream gets a ping, or `None` for no pings. Claude Code and Node's own HTTP
    /// client give up on streams without a byte after 300 s, load balancers after 60 s or 30 s, and applications that set a
    /// read timeout in their SDK often sooner.
    pub ping: Option<Duration>,
    /// Time after which a client that asked for a stream gets a response head although no upstream has answered, or `None`
    /// to wait for the upstream. After it, the status can't report an error and no other target is tried.
    pub early_head_after: Option<Duration>,
    /// Maximum bytes of a response that are held back until its first content, while another target could be tried.
    pub hold_bytes: usize,
    /// Maximum time for which they are held back.
    pub hold: Duration,
    /// Maximum time for a whole exchange, from its first byte, or `None` to leave it to the other limits, which an upstream
    /// that sends a byte now and then never exceeds.
    pub total: Option<Duration>,
    /// Treatment of a response whose client has disconnected, unless the plan says otherwise.
    pub client_gone: ClientGone,
    /// Maximum time for reading a response on after its client has disconnected.
    pub drain: Duration,
    /// Maximum bytes of such a response that are read.
    pub drain_bytes: u64,
}

/// The treatment of a response whose client has disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientGone {
    /// Close the upstream connection at once. Usage is known up to there.
    Stop,
    /// Read the response to its end, within limits, to learn the actual usage.
    Drain,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct StreamsFile {
    ping_ms: Option<u64>,
    early_head_after_ms: Option<u64>,
    hold_bytes: Option<usize>,
    hold_ms: Option<u64>,
    total_timeout_ms: Option<u64>,
    on_client_gone: Option<ClientGone>,
    drain_ms: Option<u64>,
    drain_bytes: Option<u64>,
}

// === impl ClientGone ===

impl From<Disconnect> for ClientGone {
    fn from(treatment: Disconnect) -> Self {
        match treatment {
            Disconnect::Stop => Self::Stop,
            Disconnect::Drain => Self::Drain,
        }
    }
}

// === impl StreamsFile ===

impl StreamsFile {
    pub(super) fn check(&self, check: &mut Check<'_>) -> Streams {
        let default = Streams::default();
        let early_head_after = default.early_head_after;
        Streams {
            ping: check.optional_millis("ping_ms", self.ping_ms, default.ping),
            early_head_after: check.optional_millis(
                "early_head_after_ms",
                self.early_head_after_ms,
                early_head_after,
            ),
            hold_bytes: check.number(
                "hold_bytes",
                self.hold_bytes,
                default.hold_bytes,
                0..=MAX_HOLD_BYTES,
            ),
            hold: check.millis("hold_ms", self.hold_ms, default.hold),
            total: check.optional_millis("total_timeout_ms", self.total_timeout_ms, default.total),
            client_gone: self.on_client_gone.unwrap_or(default.client_gone),
            drain: check.millis("drain_ms", self.drain_ms, default.drain),
            drain_bytes: self.drain_bytes.unwrap_or(default.drain_bytes),
        }
    }
}

// === impl Streams ===

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
