//! The check of `[streams]`.

use std::time::Duration;

use super::super::file::streams::StreamsFile;
use super::super::{ClientGone, Streams};
use super::Check;

impl Check<'_> {
    pub(super) fn streams(&mut self, file: &StreamsFile) -> Streams {
        let default = Streams::default();
        let client_gone = match file.on_client_gone.as_deref() {
            None => default.client_gone,
            Some(code) => ClientGone::parse(code).unwrap_or_else(|| {
                self.problem("streams.on_client_gone", "stop or drain");
                default.client_gone
            }),
        };
        let hold_bytes = match file.hold_bytes.map(usize::try_from) {
            None => default.hold_bytes,
            Some(Ok(bytes)) if bytes <= 16 << 20 => bytes,
            Some(_) => {
                self.problem("streams.hold_bytes", "at most 16777216");
                default.hold_bytes
            }
        };
        Streams {
            ping: self.optional_millis("streams.ping_ms", file.ping_ms, default.ping),
            early_head_after: self.optional_millis(
                "streams.early_head_after_ms",
                file.early_head_after_ms,
                default.early_head_after,
            ),
            hold_bytes,
            hold: self.millis("streams.hold_ms", file.hold_ms, default.hold),
            total: self.optional_millis(
                "streams.total_timeout_ms",
                file.total_timeout_ms,
                default.total,
            ),
            client_gone,
            drain: self.millis("streams.drain_ms", file.drain_ms, default.drain),
            drain_bytes: file.drain_bytes.unwrap_or(default.drain_bytes),
        }
    }

    /// As [`Check::millis`], where zero switches off.
    fn optional_millis(
        &mut self,
        at: &str,
        value: Option<u64>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        match value {
            None => default,
            Some(0) => None,
            some => Some(self.millis(at, some, Duration::ZERO)),
        }
    }
}
