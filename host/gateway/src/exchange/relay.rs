//! Step 5: the answer, as it comes. The bytes pass untouched; the meter reads beside them.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Version, header};
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use witgate_messages::endpoint::Endpoint;

use super::Downstream;
use super::forward::Forwarded;
use super::metering::Metering;
use super::settle::Settlement;
use crate::answer::{self, Answer};
use crate::headers::{self, Framing};
use crate::receipt::Outcome;
use crate::refused::Refused;
use crate::upstream::connection::Answering;
use crate::upstream::stats::Ended;

/// Most bytes that are joined into one write.
const JOIN: usize = 64 * 1024;

/// How the delivery of an answer ended.
pub(super) struct Delivered {
    pub(super) outcome: Outcome,
    pub(super) downstream: Downstream,
}

/// Answers a client's check whether anybody is there.
pub(super) async fn probe(
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<Delivered, Refused> {
    settlement.receipt.status = Some(200);
    let downstream = match answer::write(session, Answer::Probe).await {
        Ok(()) => Downstream::Complete,
        Err(_) => Downstream::Broken,
    };
    Ok(Delivered {
        outcome: Outcome::Answered,
        downstream,
    })
}

/// Delivers the answer.
pub(super) async fn relay(
    forwarded: Forwarded,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Delivered {
    let Forwarded {
        mut answering,
        upstream,
        mut in_flight,
    } = forwarded;
    let broken = |outcome| Delivered {
        outcome,
        downstream: Downstream::Broken,
    };

    let Some(head) = answering.head() else {
        return broken(Outcome::Cut);
    };
    let status = head.status.as_u16();
    settlement.receipt.status = Some(status);
    if let Some(metering) = metering(head, settlement) {
        settlement.meter(metering);
    }
    let mut extra = settlement.headers().to_vec();
    extra.extend(HeaderValue::from_str(settlement.id()).map(|id| (REQUEST_ID, id)));
    let Ok(own) = headers::response_head(head, framing(session, head), &extra) else {
        return broken(Outcome::Cut);
    };
    session.set_write_timeout(Some(settlement.live().config.limits.write_timeout));
    if session.write_response_header(Box::new(own)).await.is_err() {
        return broken(Outcome::ClientGone);
    }

    match body(&mut answering, session, settlement).await {
        Ok(()) => {}
        Err(outcome) => {
            if outcome == Outcome::Cut {
                in_flight.end(Ended::Badly);
            }
            return broken(outcome);
        }
    }
    answering.release(&upstream).await;
    let outcome = if status >= 400 {
        Outcome::UpstreamError
    } else if settlement.stream_failed() {
        in_flight.end(Ended::Badly);
        Outcome::StreamError
    } else {
        Outcome::Answered
    };
    Delivered {
        outcome,
        downstream: Downstream::Complete,
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("witgate-request-id");

/// The meter for an answer; none for those that cost nothing.
fn metering(head: &ResponseHeader, settlement: &Settlement) -> Option<Metering> {
    let costs =
        settlement.receipt.endpoint == Endpoint::Messages.code() && head.status.is_success();
    costs.then(|| Metering::of(&head.headers))
}

fn framing(session: &ServerSession, head: &ResponseHeader) -> Framing {
    let bodiless = matches!(head.status.as_u16(), 204 | 304);
    if bodiless || head.headers.contains_key(header::CONTENT_LENGTH) || session.is_http2() {
        Framing::AsGiven
    } else if session.req_header().version == Version::HTTP_10 {
        Framing::UntilClose
    } else {
        Framing::Chunked
    }
}

/// Passes the body on, chunk by chunk, until its end.
async fn body(
    answering: &mut Answering,
    session: &mut ServerSession,
    settlement: &mut Settlement,
) -> Result<(), Outcome> {
    loop {
        if answering.is_done() {
            return session
                .write_response_body(Bytes::new(), true)
                .await
                .map_err(|_| Outcome::ClientGone);
        }
        let read = {
            let mut client = pin!(session.read_body_or_idle(true));
            tokio::select! {
                biased;
                read = answering.read() => read,
                _ = &mut client => return Err(Outcome::ClientGone),
            }
        };
        let Some(first) = read.map_err(|_| Outcome::Cut)? else {
            continue;
        };
        let chunk = join(first, answering).await?;
        settlement.delivered(&chunk);
        session
            .write_response_body(chunk, false)
            .await
            .map_err(|_| Outcome::ClientGone)?;
    }
}

/// Adds the chunks that are there already: what one read brought leaves in one write. It never waits for more.
async fn join(first: Bytes, answering: &mut Answering) -> Result<Bytes, Outcome> {
    let mut joined = BytesMut::new();
    while first.len() + joined.len() < JOIN && !answering.is_done() {
        match ready(answering.read()).await {
            Some(Ok(Some(more))) => {
                if joined.is_empty() {
                    joined.extend_from_slice(&first);
                }
                joined.extend_from_slice(&more);
            }
            // A broken connection is found again by the next read, after these bytes have gone out.
            Some(Ok(None) | Err(_)) | None => break,
        }
    }
    Ok(if joined.is_empty() {
        first
    } else {
        joined.freeze()
    })
}

/// The future's value, if it has one at once.
async fn ready<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
