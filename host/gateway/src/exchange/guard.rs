//! Guards: plugins that read the texts of a request before it is sent, and those of its answer before the client gets them.
//!
//! A request is read after the edits of its envelope and before the route; texts that the route's targets and the edits of a
//! batch's requests add are read as they are decided. Nothing is reserved for a request that a guard refuses. An answer is read on its way: event by event, or whole. Only the strings that a guard changes differ. An answer that
//! the upstream compressed although it was asked not to is decoded to be read; it leaves decoded if it is a stream or was
//! changed.
//!
//! Bounds: large texts, what is held back and what is changed are charged as other memory of a request, with
//! [`MAX_HELD`](limits::MAX_HELD) bytes of an answer at most. Documents of more than [`BLOCKING`](limits::BLOCKING) bytes are read
//! on a blocking thread, events of a stream where they arrive.

mod bodiless;
mod decoded;
mod edits;
mod ended;
mod limits;
mod request;
mod results;
mod stream;
mod texts;
mod whole;

pub(crate) use self::edits::EditInspection;
pub(crate) use self::request::{inspect, of, try_out};

use http::StatusCode;
use witgate_messages::endpoint::Endpoint;

use self::bodiless::Bodiless;
use super::delivery::Delivered;
use super::forward::answered::{Answered, Forwarded};
use super::relay;
use super::relay::early_headers;
use super::relay::metering::is_event_stream;
use super::settle::Settlement;
use super::view::View;
use crate::answer::refused::Refused;
use crate::listen::session::HttpSession;
use crate::tenants::concurrency::FREE;

/// Lets the guards forget the body of a request whose texts they have read, unless one of them may read it at any time. A small
/// body is part of what every exchange may hold.
pub(super) fn release_body(view: &View, settlement: &mut Settlement) {
    if !settlement.answer_is_guarded() {
        settlement.note_guards();
        return;
    }
    let is_large = view.head.as_ref().map(|head| head.sent_len()) > Some(FREE);
    if let Some(guards) = settlement.guards()
        && is_large
        && !guards.read_bodies()
    {
        guards.set_request(Bodiless::of(view));
    }
}

/// The way of an answer past the guards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The answer has no texts of a model.
    Unread,
    Stream,
    Whole,
    /// The results of a batch.
    Lines,
}

/// Delivers an answer whose texts guards read.
///
/// # Errors
///
/// A guard refuses an answer of which nothing has been sent, or the answer can't be read.
pub(super) async fn relay(
    forwarded: Forwarded,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let way = way(&forwarded, settlement);
    if way == Way::Unread {
        return Ok(relay::relay(forwarded, session, settlement).await);
    }
    let Forwarded {
        answered:
            Answered {
                mut response,
                attempt,
                held_back,
                metering,
            },
        mut client,
    } = forwarded;
    relay::begin(metering, session, settlement);
    let answer = (&mut response, held_back);
    let delivered = match way {
        Way::Whole => whole::deliver(answer, &mut client, session, settlement).await,
        Way::Lines => Ok(results::deliver(answer, &mut client, session, settlement).await),
        Way::Stream | Way::Unread => {
            Ok(stream::deliver(answer, &mut client, session, settlement).await)
        }
    };
    let concluded = match delivered {
        Ok(delivered) => {
            Ok(relay::conclude(delivered, &mut response, &client, session, settlement).await)
        }
        Err(refused) => Err(refused),
    };
    relay::release(response, attempt, settlement);
    concluded
}

fn way(forwarded: &Forwarded, settlement: &mut Settlement) -> Way {
    let Some(head) = forwarded.answered.response.head() else {
        return Way::Unread;
    };
    // An error has no texts of a model, and is reported in another way after an early head.
    let early = forwarded.client.has_early_headers();
    if !head.status.is_success()
        || head.status == StatusCode::NO_CONTENT
        || early && !early_headers::fits(head)
    {
        return Way::Unread;
    }
    if settlement.request().endpoint == Endpoint::BatchResults.code() {
        Way::Lines
    } else if is_event_stream(&head.headers) {
        Way::Stream
    } else {
        Way::Whole
    }
}
