//! Delivers responses: in one piece, or as a stream at the pace that the scenario asks for.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora_core::Result;
use pingora_core::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use serde_json::Value;

use super::StandIn;
use super::clock::Moment;
use super::endpoints::{Answer, answer};
use super::error::ApiError;
use super::events::{Events, Kind};
use super::receive::{Request, Unread};
use super::scenario::Scenario;

/// Time during which the rest of an unread body is read and discarded, so that the client receives the response instead of a
/// connection reset.
const LINGER: Duration = Duration::from_secs(5);

const ORGANIZATION: &str = "00000000-0000-4000-8000-000000000000";
/// The limits of the rate-limit headers, for each minute.
const LIMITS: [(&str, u64); 4] = [
    ("requests", 4_000),
    ("tokens", 2_400_000),
    ("input-tokens", 2_000_000),
    ("output-tokens", 400_000),
];

/// The end of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Complete,
    /// The scenario cuts the connection here.
    Cut,
}

/// A response on its way to the client.
struct Response<'a> {
    session: &'a mut ServerSession,
    scenario: &'a Scenario,
    /// The request id.
    id: &'a str,
}

/// Answers the request whose head has been read. Returns the connection if it can serve another request.
pub(super) async fn exchange(
    app: &StandIn,
    mut session: ServerSession,
) -> Option<ReusedHttpStream> {
    let read = Request::read(&mut session).await;
    if session.req_header().version < Version::HTTP_11 {
        session.set_keepalive(None);
    }
    let id = app.ids.request();
    let plain = Scenario::default();
    let delivered = match &read {
        Ok(request) => {
            let scenario = &request.scenario;
            let answer = answer(app, request);
            pause(scenario.delay).await;
            Response::new(&mut session, scenario, &id)
                .answer(answer)
                .await
        }
        Err(Unread::Refused(error)) => Response::new(&mut session, &plain, &id).error(error).await,
        Err(Unread::TooLarge) => {
            session.set_keepalive(None);
            session.set_close_on_response_before_downstream_finish(false);
            session.set_total_drain_timeout(Some(LINGER));
            let error = ApiError::of_status(413);
            Response::new(&mut session, &plain, &id).error(&error).await
        }
        Err(Unread::Gone) => return None,
    };
    match delivered {
        Ok(Delivery::Complete) => {
            let settings = HttpPersistentSettings::for_session(&session);
            let (stream, _) = session.finish().await.ok().flatten()?.into_parts();
            Some(ReusedHttpStream::new(stream, Some(settings)))
        }
        Ok(Delivery::Cut) => {
            session.shutdown().await;
            None
        }
        // The client has disconnected.
        Err(_) => None,
    }
}

// === impl Response ===

impl<'a> Response<'a> {
    fn new(session: &'a mut ServerSession, scenario: &'a Scenario, id: &'a str) -> Self {
        Self {
            session,
            scenario,
            id,
        }
    }

    async fn answer(&mut self, answer: std::result::Result<Answer, ApiError>) -> Result<Delivery> {
        match answer {
            Ok(Answer::Json(body)) => self.json(200, &body).await,
            Ok(Answer::Lines(body)) => self.whole(200, "application/x-jsonl", body).await,
            Ok(Answer::Stream(events)) => self.stream(&events).await,
            Err(error) => self.error(&error).await,
        }
    }

    async fn error(&mut self, error: &ApiError) -> Result<Delivery> {
        let body = error.body(Some(self.id));
        self.json(error.status, &body).await
    }

    async fn json(&mut self, status: u16, body: &Value) -> Result<Delivery> {
        let body = body.to_string();
        self.whole(status, "application/json", body).await
    }

    async fn whole(
        &mut self,
        status: u16,
        content_type: &str,
        mut body: String,
    ) -> Result<Delivery> {
        let mut head = self.head(status, content_type)?;
        head.append_header(CONTENT_LENGTH, body.len().to_string())?;
        self.session.write_response_header(Box::new(head)).await?;
        let cut = self.scenario.cut_after.unwrap_or(usize::MAX);
        if cut < body.len() {
            body.truncate(body.floor_char_boundary(cut));
            self.session.write_response_body(body.into(), false).await?;
            return Ok(Delivery::Cut);
        }
        self.session.write_response_body(body.into(), true).await?;
        Ok(Delivery::Complete)
    }

    async fn stream(&mut self, events: &Events) -> Result<Delivery> {
        let mut head = self.head(200, "text/event-stream; charset=utf-8")?;
        // HTTP/1.0 has no chunks: there the end of the connection ends the body.
        if self.session.req_header().version >= Version::HTTP_11 {
            head.append_header(TRANSFER_ENCODING, "chunked")?;
        }
        head.append_header(CACHE_CONTROL, "no-cache")?;
        self.session.write_response_header(Box::new(head)).await?;

        let scenario = self.scenario;
        let burst = scenario.burst.map_or(1, NonZeroUsize::get);
        let mut joined = Vec::new();
        let mut waiting = 0;
        for (index, (frame, kind)) in events.iter().enumerate() {
            if scenario.cut_after == Some(index) {
                self.chunk(&mut joined).await?;
                return Ok(Delivery::Cut);
            }
            if scenario.error_after == Some(index) {
                Events::error(&ApiError::of_status(529))
                    .iter()
                    .for_each(|(frame, _)| joined.extend_from_slice(frame));
                return self.finish(&mut joined).await;
            }
            let mut paused = match kind {
                Kind::Delta => scenario.pace,
                Kind::Other => Duration::ZERO,
            };
            if index == 1 {
                paused += scenario.silence;
            }
            if !paused.is_zero() {
                self.chunk(&mut joined).await?;
                waiting = 0;
                pause(paused).await;
            }
            joined.extend_from_slice(frame);
            waiting += 1;
            if waiting >= burst || !scenario.pace.is_zero() {
                self.chunk(&mut joined).await?;
                waiting = 0;
            }
        }
        if scenario.cut_after == Some(events.len()) {
            self.chunk(&mut joined).await?;
            return Ok(Delivery::Cut);
        }
        self.finish(&mut joined).await
    }

    /// Builds the head without its framing.
    fn head(&self, status: u16, content_type: &str) -> Result<ResponseHeader> {
        let mut head = ResponseHeader::build(status, Some(20))?;
        if status == 529 {
            head.set_reason_phrase(Some("Overloaded"))?;
        }
        head.append_header(CONTENT_TYPE, content_type)?;
        let reset = Moment::now().next_minute().rfc3339();
        for (name, limit) in LIMITS {
            let name = |part: &str| format!("anthropic-ratelimit-{name}-{part}");
            head.append_header(name("limit"), limit.to_string())?;
            head.append_header(name("remaining"), (limit - 1).to_string())?;
            head.append_header(name("reset"), reset.clone())?;
        }
        if let Some(seconds) = self.scenario.retry_after {
            head.append_header("retry-after", seconds.to_string())?;
        }
        head.append_header("request-id", self.id)?;
        head.append_header("anthropic-organization-id", ORGANIZATION)?;
        Ok(head)
    }

    /// Sends the joined frames as one chunk.
    async fn chunk(&mut self, joined: &mut Vec<u8>) -> Result<()> {
        let chunk = Bytes::from(std::mem::take(joined));
        self.session.write_response_body(chunk, false).await
    }

    async fn finish(&mut self, joined: &mut Vec<u8>) -> Result<Delivery> {
        let chunk = Bytes::from(std::mem::take(joined));
        self.session.write_response_body(chunk, true).await?;
        Ok(Delivery::Complete)
    }
}

async fn pause(duration: Duration) {
    // Even an elapsed timer costs a turn through the timer wheel.
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
