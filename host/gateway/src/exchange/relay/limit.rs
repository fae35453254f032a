//! The end of a stream at its limit: an error event behind the last whole event that the client gets.

use bytes::Bytes;
use witgate_messages::error;
use witgate_messages::sse::Place;
use witgate_upstream::Response;

use super::next_chunk;
use super::stopped::Stopped;
use crate::answer::refused::Refused;
use crate::exchange::downstream::Downstream;
use crate::exchange::settle::Settlement;
use crate::listen::session::HttpSession;

/// A stream that has reached its limit.
pub(super) struct Cut {
    pub(super) refused: Box<Refused>,
    /// The place of the client in the stream.
    pub(super) place: Option<Place>,
}

/// Bytes of a stream that are weighed at once if a limit may cut it: those of an extension, so that no more is counted.
const STEP: usize = 4096;

/// Returns the number of bytes of an answer that are weighed at once.
pub(in crate::exchange) fn step(settlement: &Settlement) -> usize {
    if settlement.may_be_cut() {
        STEP
    } else {
        usize::MAX
    }
}

// === impl Cut ===

impl Cut {
    /// Ends the stream behind the event that the client has the beginning of. `part` comes next and is metered, and then `rest`.
    pub(super) async fn after(
        mut self,
        [mut part, mut rest]: [Bytes; 2],
        response: &mut Response,
        client: &mut Downstream,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<(), Stopped> {
        loop {
            let end = self.place.and_then(|place| place.boundary_in(&part));
            let open = end.is_none();
            let last = part.slice(..end.unwrap_or(part.len()));
            if !last.is_empty() {
                settlement.count(&last);
                client.body(session, last, false).await?;
            }
            if !open || !client.is_there() {
                return end_with(self.refused, client, session, settlement).await;
            }
            self.place = settlement.place();
            part = std::mem::take(&mut rest);
            if part.is_empty() {
                let Some(next) = next_chunk(response, client, session).await? else {
                    return Ok(());
                };
                part = next;
            }
            settlement.read(&part);
        }
    }
}

/// Ends an answer of which the client has nothing but the head.
pub(super) async fn end(
    stopped: Stopped,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    match stopped {
        Stopped::Spent(refused) => end_with(refused, client, session, settlement).await,
        stopped => Err(stopped),
    }
}

/// Ends an answer with an error event.
pub(in crate::exchange) async fn end_with(
    refused: Box<Refused>,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let event = error::sse_event(&refused.kind, &refused.message, Some(settlement.id()));
    settlement.count(&event);
    client.body(session, event, true).await?;
    Err(Stopped::Spent(refused))
}
