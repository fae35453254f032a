//! A sink that tells when lines were written to it.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;
use witgate_audit::{Sink, sink::Stopped};

/// A sink, and who is told of its lines.
pub(super) struct Told {
    pub(super) sink: Box<dyn Sink>,
    pub(super) news: Arc<Notify>,
}

// === impl Told ===

impl Sink for Told {
    fn append(&mut self, lines: &[u8]) -> Result<(), Stopped> {
        let appended = self.sink.append(lines);
        // Of a part, too. Nobody has to wait for this: it costs a system call only if somebody waits, and once for many batches.
        self.news.notify_one();
        appended
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.sink.reopen()
    }
}
