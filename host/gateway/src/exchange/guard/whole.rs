//! The texts of an answer that is one JSON document.
//!
//! It is read whole before anything is sent, so that a guard can still refuse it. An answer that nobody changes leaves as it came,
//! in its own coding too.

use bytes::Bytes;
use http::{HeaderValue, header};
use witgate_http::ResponseHead;
use witgate_messages::content;
use witgate_messages::head::Head;
use witgate_messages::splice::{Edit, splice};
use witgate_runtime::Guards;
use witgate_upstream::Response;

use super::decoded::Decoding;
use super::ended::{Ended, Unfit};
use super::limits::{BLOCKING, MAX_HELD};
use super::stream::cover;
use super::texts::Document;
use crate::answer::refused::Refused;
use crate::exchange::downstream::Downstream;
use crate::exchange::forward::answered::HeldBack;
use crate::exchange::forward::attempt::stopped;
use crate::exchange::headers::{self, Framing};
use crate::exchange::relay;
use crate::exchange::relay::stopped::Stopped;
use crate::exchange::settle::Settlement;
use crate::listen::session::HttpSession;
use crate::tenants::concurrency::{Charge, Permit};

/// An answer that leaves.
enum Leaving {
    AsItCame(Bytes),
    /// Decoded, because it was changed.
    Changed(Bytes),
}

/// An answer that was read, and what read it.
struct Read {
    guards: Box<Guards>,
    document: Document,
    read: Result<Option<Vec<u8>>, Unfit>,
}

/// Delivers an answer whose texts guards read.
///
/// # Errors
///
/// A guard refuses the answer, or it can't be read. Nothing has been sent.
pub(super) async fn deliver(
    (response, held_back): (&mut Response, HeldBack),
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<Result<(), Stopped>, Refused> {
    let mut charge = settlement.permit.as_ref().map(Permit::charge);
    let mut came = Vec::new();
    for chunk in held_back {
        take(&mut came, &chunk, charge.as_mut())?;
    }
    while !response.is_done() {
        let read = client.during(session, response.read()).await;
        let read = read.map_err(|interrupted| stopped(interrupted, settlement))?;
        let read = read.map_err(|error| match Stopped::of(&error) {
            Stopped::TimedOut(reason) => Refused::upstream(504, reason),
            _ => Refused::upstream(502, "the upstream broke off in the middle of its response"),
        })?;
        let Some(chunk) = read else {
            continue;
        };
        settlement.read(&chunk);
        take(&mut came, &chunk, charge.as_mut())?;
    }
    let came = Bytes::from(came);
    let Some(head) = response.head().cloned() else {
        return Err(Refused::upstream(502, "the upstream gave no head"));
    };
    let inspected = if client.is_there() {
        inspect(&head, came, &mut charge, settlement).await
    } else {
        Ok(Leaving::AsItCame(came))
    };
    settlement.set_status(head.status.as_u16());
    if let Err(error) = settlement.keep().await {
        return Ok(Err(error.into()));
    }
    match inspected {
        Ok(leaving) => Ok(send(&head, leaving, response, client, session, settlement).await),
        Err((ended, came)) => {
            let quiet = ended
                .quietly
                .as_deref()
                .and_then(|explanation| refusal(came, explanation));
            let Some(quiet) = quiet else {
                return Err(*ended.refused);
            };
            let leaving = Leaving::Changed(quiet);
            let sent = send(&head, leaving, response, client, session, settlement).await;
            settlement.end_by_guard(*ended.refused);
            Ok(sent.and(Err(Stopped::Guard)))
        }
    }
}

/// Adds a chunk to what is kept.
fn take(came: &mut Vec<u8>, chunk: &[u8], charge: Option<&mut Charge>) -> Result<(), Refused> {
    cover(None, came.len() + chunk.len())?;
    if let Some(charge) = charge {
        charge.grow(came, came.len() + chunk.len(), MAX_HELD)?;
    }
    came.extend_from_slice(chunk);
    Ok(())
}

/// Lets the guards read an answer. An error comes with the decoded answer.
async fn inspect(
    head: &ResponseHead,
    came: Bytes,
    charge: &mut Option<Charge>,
    settlement: &mut Settlement,
) -> Result<Leaving, (Ended, Bytes)> {
    let fail = |refused| (Ended::from(refused), Bytes::new());
    let mut decoding = Decoding::of(&head.headers).map_err(fail)?;
    let plain = if decoding.is_coded() {
        let mut plain = Vec::new();
        let decoded = decoding.feed(&came, |piece| {
            cover(charge.as_mut(), came.len() + plain.len() + piece.len())?;
            plain.extend_from_slice(piece);
            Ok::<_, Refused>(())
        });
        decoded.map_err(fail)?;
        Bytes::from(plain)
    } else {
        came.clone()
    };
    let Some(guards) = settlement.take_guards() else {
        return Ok(Leaving::AsItCame(came));
    };
    let body = plain.clone();
    let document = Document::new(charge.take(), came.len() + plain.len());
    let read = if plain.len() < BLOCKING {
        read(guards, document, &body)
    } else {
        let read = tokio::task::spawn_blocking(move || read(guards, document, &body)).await;
        let broken = "the response could not be inspected: try again";
        read.map_err(|_| fail(Refused::gateway(503, broken)))?
    };
    let Read {
        guards,
        document,
        read,
    } = read;
    *charge = document.into_charge();
    settlement.put_guards(guards);
    match read {
        Ok(None) => Ok(Leaving::AsItCame(came)),
        Ok(Some(new)) => Ok(Leaving::Changed(Bytes::from(new))),
        Err(Unfit::Stopped(stopped)) => Err((Ended::from(stopped), plain)),
        Err(Unfit::Refused(refused)) => Err(fail(*refused)),
        Err(Unfit::Malformed(_) | Unfit::TooLong) => Err(fail(Refused::upstream(
            502,
            "the upstream's response is no JSON that the gateway's guards can read",
        ))),
    }
}

/// Lets the guards read the texts of an answer. The result is `None` if they change nothing.
fn read(mut guards: Box<Guards>, mut document: Document, body: &[u8]) -> Read {
    let read = content::answer(body, |text| document.read(&mut guards, &text))
        .and_then(|()| document.end(&mut guards))
        .and_then(|()| document.rewritten(body));
    Read {
        guards,
        document,
        read,
    }
}

/// Returns the message that a model would have given if it had refused, or `None` if this is no message.
fn refusal(message: Bytes, explanation: &str) -> Option<Bytes> {
    let head = Head::scan(message).ok()?;
    let explanation = serde_json::Value::from(explanation);
    let details = format!(r#"{{"type":"refusal","category":null,"explanation":{explanation}}}"#);
    let edits = [
        ("content", "[]"),
        ("stop_reason", "\"refusal\""),
        ("stop_sequence", "null"),
        ("stop_details", &details),
    ]
    .map(|(name, json)| Edit::Set(name.to_owned(), json.to_owned()));
    splice(&head, &edits)
        .ok()
        .map(|spliced| spliced.into_bytes())
}

async fn send(
    head: &ResponseHead,
    leaving: Leaving,
    response: &mut Response,
    client: &mut Downstream,
    session: &mut HttpSession,
    settlement: &mut Settlement,
) -> Result<(), Stopped> {
    let mut head = head.clone();
    let body = match leaving {
        Leaving::AsItCame(body) => body,
        Leaving::Changed(body) => {
            head.headers.remove("content-encoding");
            body
        }
    };
    let mut extra = settlement.answer_headers();
    let length = HeaderValue::from(body.len());
    extra.headers.push(&header::CONTENT_LENGTH, &length);
    let own = headers::response_head(&head, Framing::AsGiven, &extra);
    client.head(session, &own).await?;
    settlement.count(&body);
    client.body(session, body, false).await?;
    relay::end(response, client, session).await
}
