//! An exchange: one request and its response, in seven steps. Each step has a file of its own, and values only go forward.
//!
//! ```text
//! receive -> decide -> authorize -> admit -> forward -> relay          settle
//! Received   Decision              Admitted  Forwarded  the client's   a drop guard, on every path
//!                                                       bytes
//! ```
//!
//! [`ResponseMode`] selects the last steps: most requests are forwarded and relayed, some responses are `buffered`, and some
//! request bodies are `streamed`, never held whole.
//!
//! A step consumes the value of the one before it and returns its own, or a [`Refused`](crate::answer::refused::Refused), which
//! stays a value until [`answer`](crate::answer) writes it. What the steps learn for the receipt they note on the settlement,
//! which outlives them all.

mod admit;
mod authorize;
mod buffered;
mod coding;
pub(crate) mod decide;
pub(crate) mod delivery;
mod downstream;
mod forward;
pub(crate) mod guard;
pub(crate) mod headers;
mod mode;
mod own;
mod receive;
mod relay;
pub(crate) mod settle;
mod streamed;
pub(crate) mod view;

pub(crate) use self::decide::resource;

use std::sync::Arc;

use self::delivery::{ConnectionFate, Delivered};
use self::mode::ResponseMode;
use self::settle::Settlement;
use crate::answer::refused::Refused;
use crate::answer::{self, Answer};
use crate::gateway::Gateway;
use crate::listen::session::HttpSession;
use crate::receipts::receipt::Outcome;

/// Serves the request whose head was just read from `session`.
pub(crate) async fn serve(gateway: &Arc<Gateway>, session: &mut HttpSession) -> ConnectionFate {
    let mut settlement = Settlement::open(gateway, session);
    match steps(gateway, session, &mut settlement).await {
        Ok(delivered) => {
            settlement.end(delivered.outcome);
            if session.dialect().is_some() {
                return Box::pin(translated(delivered, session, &mut settlement)).await;
            }
            delivered.connection
        }
        Err(refused) if is_responding(session) => {
            // The client has the head of a 200, so the error becomes an event of the stream.
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

/// Ends an exchange whose response was translated. A response that broke off before the client got any of it becomes an error.
async fn translated(
    delivered: Delivered,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> ConnectionFate {
    let Some(dialect) = session.dialect() else {
        return delivered.connection;
    };
    let failure = dialect.failure().map(str::to_owned);
    let is_waiting = dialect.is_waiting();
    if let Some(failure) = failure {
        settlement.note_untranslated(failure);
    }
    if !is_waiting {
        return delivered.connection;
    }
    let broken = "the upstream broke off in the middle of its response: try again";
    let refused = Refused::upstream(502, broken);
    let answer = Answer::Error {
        refused: &refused,
        id: settlement.id(),
        headers: settlement.headers(),
    };
    match answer::write(session, answer).await {
        Ok(_) => ConnectionFate::KeepAlive,
        Err(_) => ConnectionFate::Close,
    }
}

/// Returns whether the head of a response has been sent.
fn is_responding(session: &HttpSession) -> bool {
    session.status_sent().is_some()
}

async fn steps(
    gateway: &Arc<Gateway>,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    let received = match receive::receive(session, settlement).await? {
        receive::Arrived::Request(received) => received,
        receive::Arrived::Probe => return relay::answer_health_probe(session, settlement).await,
        receive::Arrived::Preflight(granted) => {
            return relay::answer_preflight(granted, session, settlement).await;
        }
        receive::Arrived::OwnPage(page, caller) => {
            return Box::pin(page.answer(caller, gateway, session, settlement)).await;
        }
    };
    authorize::require_ownership_records(gateway, &received.view)?;
    let decision = decide::decide(received, gateway, settlement).await?;
    let named = authorize::authorize(gateway, &decision).await?;
    let mode = ResponseMode::of(&decision, session);
    let mut admitted = admit::admit(decision, gateway, settlement).await?;
    forward::wish::prepare(&mut admitted.decision, named);
    guard::release_body(&admitted.decision.view, settlement);
    // Rare modes live on the heap, so that they don't enlarge the future of every Messages request.
    match mode {
        ResponseMode::Relay => {
            let forwarded = forward::forward(admitted, session, settlement).await?;
            if settlement.answer_is_guarded() {
                return Box::pin(guard::relay(forwarded, session, settlement)).await;
            }
            Ok(relay::relay(forwarded, session, settlement).await)
        }
        ResponseMode::HeadOnly => {
            let forwarded = forward::forward(admitted, session, settlement).await?;
            Ok(Box::pin(buffered::fetch::head_only(forwarded, session, settlement)).await)
        }
        ResponseMode::Buffered => {
            Box::pin(buffered::absorb(admitted, gateway, session, settlement)).await
        }
        ResponseMode::BufferedUpload => {
            Box::pin(streamed::upload(admitted, gateway, session, settlement)).await
        }
        ResponseMode::Streamed => Box::pin(streamed::stream(admitted, session, settlement)).await,
    }
}
