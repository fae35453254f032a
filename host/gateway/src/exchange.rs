//! One exchange: six steps, each in a file of its own, values only go forward.
//!
//! ```text
//! receive -> decide -> admit -> forward -> relay          settle
//! Received   Decision  Admitted Forwarded  the client's   on every path, however it ended: a drop guard
//!                                          bytes
//! ```
//!
//! A step takes the value of the one before it and gives its own, or a [`Refused`](crate::refused::Refused) that stays
//! a value until [`answer`](crate::answer) writes it out. What the steps learn for the receipt they note on the
//! settlement, which is the only thing that outlives them.

mod admit;
mod decide;
mod forward;
mod metering;
mod receive;
mod relay;
pub(crate) mod settle;

pub(crate) use self::admit::now;

use std::sync::Arc;

use pingora_core::protocols::http::ServerSession;

use self::relay::Delivered;
use self::settle::Settlement;
use crate::answer::{self, Answer};
use crate::gateway::Gateway;
use crate::receipt::Outcome;
use crate::refused::Refused;

/// Whether the client's connection may carry another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Downstream {
    /// The answer is complete.
    Complete,
    /// The answer broke off, or could not be written: the connection has to be closed.
    Broken,
}

/// Serves the request whose head was just read from `session`.
pub(crate) async fn serve(gateway: &Arc<Gateway>, session: &mut ServerSession) -> Downstream {
    let mut settlement = Settlement::open(gateway, session);
    match steps(gateway, session, &mut settlement).await {
        Ok(delivered) => {
            settlement.end(delivered.outcome);
            delivered.downstream
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
                Ok(()) => Downstream::Complete,
                Err(_) => {
                    settlement.end(Outcome::ClientGone);
                    Downstream::Broken
                }
            }
        }
    }
}

async fn steps(
    gateway: &Arc<Gateway>,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let received = match receive::receive(session, settlement).await? {
        receive::Arrived::Request(received) => received,
        receive::Arrived::Probe => return relay::probe(session, settlement).await,
    };
    let decision = decide::decide(received, settlement)?;
    let admitted = admit::admit(decision, &gateway.ledger, settlement)?;
    let forwarded = forward::forward(admitted, session, settlement).await?;
    Ok(relay::relay(forwarded, session, settlement).await)
}
