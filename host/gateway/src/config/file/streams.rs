//! `[streams]`

use serde::Deserialize;

/// `[streams]`
#[derive(Debug, Default, Deserialize)]
pub struct StreamsFile {
    /// Milliseconds of silence before a ping; 0 sends none.
    pub ping_ms: Option<u64>,
    /// Milliseconds after which a head is sent before an upstream has answered; 0 never does.
    pub early_head_after_ms: Option<u64>,
    /// Most bytes held back until the first content.
    pub hold_bytes: Option<u64>,
    /// Milliseconds that they are held back.
    pub hold_ms: Option<u64>,
    /// Milliseconds for a whole exchange; 0 sets no limit.
    pub total_timeout_ms: Option<u64>,
    /// `stop` or `drain`.
    pub on_client_gone: Option<String>,
    /// Milliseconds that an answer without a client is read on.
    pub drain_ms: Option<u64>,
    /// Most bytes of it that are read.
    pub drain_bytes: Option<u64>,
}
