//! The way of steps to the successor, as the exchanges of a process that drains see it.

use std::sync::Arc;

use tokio::time::timeout;

use super::frame::TIMEOUT;
use super::outbox::Outbox;

/// The log that a process sends to its successor.
#[derive(Debug)]
pub struct Relay(pub(crate) Arc<Outbox>);

// === impl Relay ===

impl Relay {
    /// Waits until every step of the ledger so far survives this process: it is on its way to the successor, or in the spool.
    /// Gives up after the time in which the successor has to answer.
    pub async fn relayed(&self) {
        let _ = timeout(TIMEOUT, self.0.all_left()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use witgate_audit::Sink as _;

    use super::*;
    use crate::outbox::SuccessorSink;

    #[tokio::test]
    async fn a_record_survives_once_it_is_with_the_system_or_on_disk() {
        let outbox = Outbox::new();
        let relay = Relay(Arc::clone(&outbox));
        relay.relayed().await;
        SuccessorSink(Arc::clone(&outbox)).append(b"{}\n").unwrap();
        let mut relayed = pin!(relay.relayed());
        tokio::select! {
            biased;
            () = &mut relayed => panic!("it is in memory only"),
            () = std::future::ready(()) => {}
        }
        let (mut one, _other) = tokio::io::duplex(1 << 16);
        let sending = tokio::spawn(async move { outbox.send(&mut one).await });
        relayed.await;
        sending.abort();
    }
}
