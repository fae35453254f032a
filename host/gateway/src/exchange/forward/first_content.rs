//! The opening of an answer, held back until it is clear that it is one.
//!
//! An upstream that is overloaded may answer 200 and say so in the first event of the stream. As long as another target
//! could be tried, and only then, the head and what follows it are held until the first content, within limits of
//! bytes and time. What was held goes to the client as it came, or to nobody.

use bytes::Bytes;
use pingora_core::protocols::http::ServerSession;
use smallvec::SmallVec;
use tokio::time::{Instant, timeout_at};
use witgate_messages::error::ErrorReport;

use crate::config::Streams;
use crate::exchange::downstream::{Client, Interrupted};
use crate::exchange::relay::metering::Metering;
use crate::upstream::connection::Answering;

/// Bytes that were read and are still to be delivered. They have been metered.
pub(crate) type Held = SmallVec<[Bytes; 2]>;

/// What an answer began with.
pub(crate) enum Opening {
    /// Content, or as much as may be held, or all of it.
    Content,
    /// An error, before any content.
    Error(ErrorReport),
    /// Nothing more: the upstream broke off, or stood still.
    Broken(String),
}

/// Reads the opening of an answer into `held`.
///
/// # Errors
///
/// The client left, or the exchange's time is over.
pub(crate) async fn read(
    answering: &mut Answering,
    metering: &mut Metering,
    held: &mut Held,
    client: &mut Client,
    session: &mut ServerSession,
    streams: &Streams,
) -> Result<Opening, Interrupted> {
    let until = Instant::now() + streams.hold;
    let mut bytes = 0;
    loop {
        if let Some(error) = metering.error() {
            return Ok(Opening::Error(error.clone()));
        }
        if metering.content_started() || bytes >= streams.hold_bytes || answering.is_done() {
            return Ok(Opening::Content);
        }
        let read = client
            .during(session, timeout_at(until, answering.read()))
            .await?;
        match read {
            Ok(Ok(Some(chunk))) => {
                metering.feed(&chunk);
                bytes += chunk.len();
                held.push(chunk);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => return Ok(Opening::Broken(error.etype().as_str().to_owned())),
            Err(_) => return Ok(Opening::Content),
        }
        if !client.may_choose() {
            return Ok(Opening::Content);
        }
    }
}
