//! The beginning of an answer, held back until its first content.
//!
//! An overloaded upstream may answer 200 and report the overload in the first event of the stream. While another target
//! could be tried, and only then, the head and what follows it are held back until the first content, within limits of
//! bytes and time. Held bytes go to the client as they came, or to nobody.

use tokio::time::{Instant, timeout_at};
use witgate_messages::error::ErrorReport;
use witgate_upstream::Response;

use super::answered::HeldBack;
use crate::config::Streams;
use crate::exchange::downstream::{Downstream, Interrupted};
use crate::exchange::relay::metering::Metering;
use crate::listen::session::HttpSession;

/// The beginning of an answer.
pub(crate) enum Beginning {
    /// Content, or as much as may be held back, or all of it.
    Content,
    /// An error, before any content.
    Error(ErrorReport),
    /// The end: the upstream broke off or exceeded its idle timeout.
    Broken(String),
}

/// Reads the beginning of an answer into `held_back`.
///
/// # Errors
///
/// The client disconnected, or the time of the exchange is over.
pub(crate) async fn read(
    response: &mut Response,
    metering: &mut Metering,
    held_back: &mut HeldBack,
    client: &mut Downstream,
    session: &mut HttpSession,
    streams: &Streams,
) -> Result<Beginning, Interrupted> {
    let until = Instant::now() + streams.hold;
    let mut bytes = 0;
    loop {
        // One read may bring both: an error behind content is the client's to see.
        if metering.content_started() {
            return Ok(Beginning::Content);
        }
        if let Some(error) = metering.error() {
            return Ok(Beginning::Error(error.clone()));
        }
        if bytes >= streams.hold_bytes || response.is_done() {
            return Ok(Beginning::Content);
        }
        let read = client
            .during(session, timeout_at(until, response.read()))
            .await?;
        match read {
            Ok(Ok(Some(chunk))) => {
                metering.feed(&chunk);
                bytes += chunk.len();
                held_back.push(chunk);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => return Ok(Beginning::Broken(error.etype().as_str().to_owned())),
            Err(_) => return Ok(Beginning::Content),
        }
        if !client.may_choose() {
            return Ok(Beginning::Content);
        }
    }
}
