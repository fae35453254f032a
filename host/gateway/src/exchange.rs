//! One exchange: six steps, each in a file of its own, values only go forward.
//!
//! ```text
//! receive -> decide -> admit -> forward -> relay          settle
//! Received   Decision  Admitted Forwarded  the client's   on every path, however it ended: a drop guard
//!                                          bytes
//! ```
//!
//! Deciding asks the plugins (`panel`), for a new batch about each of its requests (`each`).
//! Between deciding and admitting, `permit` looks at whose the things are that the request names. What [`Manner`] sets
//! apart ends otherwise than with forward and relay: `absorb` reads an answer whole before the client gets it, `upload`
//! passes a body on that is never held as a whole.
//!
//! A step takes the value of the one before it and gives its own, or a [`Refused`](crate::answer::refused::Refused) that stays
//! a value until [`answer`](crate::answer) writes it out. What the steps learn for the receipt they note on the
//! settlement, which is the only thing that outlives them.

mod admit;
mod authorize;
mod buffered;
pub(crate) mod decide;
pub(crate) mod delivery;
mod downstream;
mod forward;
mod mode;
mod receive;
mod relay;
pub(crate) mod settle;
mod streamed;

pub(crate) use self::decide::resource;

use std::sync::Arc;

use pingora_core::protocols::http::ServerSession;

use self::delivery::{ConnectionFate, Delivered};
use self::mode::Manner;
use self::settle::Settlement;
use crate::answer::refused::Refused;
use crate::answer::{self, Answer};
use crate::gateway::Gateway;
use crate::receipts::receipt::Outcome;

/// Serves the request whose head was just read from `session`.
pub(crate) async fn serve(gateway: &Arc<Gateway>, session: &mut ServerSession) -> ConnectionFate {
    let mut settlement = Settlement::open(gateway, session);
    match steps(gateway, session, &mut settlement).await {
        Ok(delivered) => {
            settlement.end(delivered.outcome);
            delivered.connection
        }
        Err(refused) if is_under_way(session) => {
            // The head is out and says 200; what is left is to tell it in the stream.
            let told = answer::end_stream(session, &refused, settlement.id()).await;
            settlement.refuse(refused);
            match told {
                Ok(event) => {
                    settlement.count(&event);
                    ConnectionFate::KeepAlive
                }
                Err(_) => ConnectionFate::Close,
            }
        }
        Err(refused) => {
            let answer = Answer::Error {
                refused: &refused,
                id: settlement.id(),
                headers: settlement.headers(),
            };
            let written = answer::write(session, answer).await;
            settlement.refuse(refused);
            match written {
                Ok(body) => {
                    settlement.count(&body);
                    ConnectionFate::KeepAlive
                }
                Err(_) => {
                    settlement.end(Outcome::ClientGone);
                    ConnectionFate::Close
                }
            }
        }
    }
}

/// Whether the head of an answer has gone out.
fn is_under_way(session: &ServerSession) -> bool {
    session
        .response_written()
        .is_some_and(|head| !head.status.is_informational())
}

async fn steps(
    gateway: &Arc<Gateway>,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let received = match receive::receive(session, settlement).await? {
        receive::Arrived::Request(received) => received,
        receive::Arrived::Probe => return relay::answer_health_probe(session, settlement).await,
        receive::Arrived::Preflight(granted) => {
            return relay::answer_preflight(granted, session, settlement).await;
        }
    };
    authorize::served(gateway, &received.view)?;
    let decision = decide::decide(received, gateway, settlement).await?;
    authorize::permit(gateway, &decision).await?;
    let manner = Manner::of(&decision, session);
    let admitted = admit::admit(decision, &gateway.ledger, settlement).await?;
    // What is rare is kept on the heap while it lasts, so that it does not weigh on every Messages request.
    match manner {
        Manner::Relay => {
            let forwarded = forward::forward(admitted, session, settlement).await?;
            Ok(relay::relay(forwarded, session, settlement).await)
        }
        Manner::Bare => {
            let forwarded = forward::forward(admitted, session, settlement).await?;
            Ok(Box::pin(buffered::fetch::head_only(forwarded, session, settlement)).await)
        }
        Manner::Absorb => Box::pin(buffered::absorb(admitted, gateway, session, settlement)).await,
        Manner::Upload => Box::pin(streamed::upload(admitted, gateway, session, settlement)).await,
        Manner::Stream => Box::pin(streamed::stream(admitted, session, settlement)).await,
    }
}
