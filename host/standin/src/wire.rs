//! Writes an answer: its head, then its body in one piece or as chunks at the pace asked for.
//!
//! The answer is written to the connection itself and not through pingora's session, so that a small answer is one
//! write and a cut falls exactly where the scenario puts it.

use std::io::{self, Write};
use std::time::Duration;

use http::{Method, Version};
use pingora_core::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::StandIn;
use super::clock::Moment;
use super::endpoints::{Answer, answer};
use super::error::ApiError;
use super::events::{Events, Kind};
use super::receive::{BODY_LIMIT, Request, Unread};
use super::scenario::Scenario;

/// After an answer that leaves a body unread, so much of it is still taken in, so that the client gets to read the
/// answer instead of a reset. It has this long.
const LINGER_BYTES: usize = 2 * BODY_LIMIT;
const LINGER: Duration = Duration::from_secs(5);

const ORGANIZATION: &str = "00000000-0000-4000-8000-000000000000";
/// The limits of the rate-limit headers, a minute.
const LIMITS: [(&str, u64); 4] = [
    ("requests", 4_000),
    ("tokens", 2_400_000),
    ("input-tokens", 2_000_000),
    ("output-tokens", 400_000),
];

/// Where and how one answer goes out.
struct Wire {
    stream: Stream,
    out: Vec<u8>,
    framing: Framing,
    reuse: Reuse,
}

/// How the end of a stream's body is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// A HEAD request: there is no body.
    HeadOnly,
    Chunked,
    /// HTTP/1.0 knows no chunks.
    UntilClose,
}

/// Whether the connection can serve another request after this one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reuse {
    KeepAlive,
    Close,
}

/// Answers the request whose head has been read. Gives the connection back if it can serve another.
pub(super) async fn exchange(
    app: &StandIn,
    mut session: ServerSession,
) -> Option<ReusedHttpStream> {
    let read = Request::read(&mut session).await;
    let settings = HttpPersistentSettings::for_session(&session);
    let head_only = session.req_header().method == Method::HEAD;
    let old = session.req_header().version < Version::HTTP_11;
    let ServerSession::H1(session) = session else {
        return None;
    };

    let framing = match (head_only, old) {
        (true, _) => Framing::HeadOnly,
        (false, false) => Framing::Chunked,
        (false, true) => Framing::UntilClose,
    };
    let reuse = if session.will_keepalive() && !old {
        Reuse::KeepAlive
    } else {
        Reuse::Close
    };
    let mut wire = Wire {
        stream: session.into_inner(),
        out: Vec::with_capacity(2_048),
        framing,
        reuse,
    };
    let id = app.ids.request();
    let written = match read {
        Ok(request) => wire.answer(app, &request, &id).await,
        Err(Unread::Refused(error)) => wire.error(&error, &Scenario::default(), &id).await,
        Err(Unread::TooLarge) => wire.too_large(&id).await,
        Err(Unread::Gone) => return None,
    };
    match written {
        Ok(Reuse::KeepAlive) => Some(ReusedHttpStream::new(wire.stream, Some(settings))),
        Ok(Reuse::Close) => {
            wire.close().await;
            None
        }
        // The client left. There is nobody to tell.
        Err(_) => None,
    }
}

// === impl Wire ===

impl Wire {
    async fn answer(&mut self, app: &StandIn, request: &Request, id: &str) -> io::Result<Reuse> {
        let scenario = &request.scenario;
        let answer = answer(app, request);
        pause(scenario.delay).await;
        match answer {
            Ok(Answer::Json(body)) => self.json(200, &body, scenario, id).await,
            Ok(Answer::Lines(body)) => {
                let kind = "application/x-jsonl";
                self.whole((200, kind), &body, scenario, id).await
            }
            Ok(Answer::Stream(events)) => {
                let pace = scenario.pace.unwrap_or(app.options.pace);
                let burst = scenario.burst.unwrap_or(app.options.burst).get();
                self.stream(&events, scenario, (pace, burst), id).await
            }
            Err(error) => self.error(&error, scenario, id).await,
        }
    }

    async fn error(
        &mut self,
        error: &ApiError,
        scenario: &Scenario,
        id: &str,
    ) -> io::Result<Reuse> {
        self.json(error.status, &error.body(Some(id)), scenario, id)
            .await
    }

    async fn too_large(&mut self, id: &str) -> io::Result<Reuse> {
        self.reuse = Reuse::Close;
        self.error(&ApiError::of_status(413), &Scenario::default(), id)
            .await?;
        let _ = self.stream.shutdown().await;
        let mut rest = (&mut self.stream).take(u64::try_from(LINGER_BYTES).unwrap_or(u64::MAX));
        // However it ends, the connection is closed: the client had its chance to read.
        let _ =
            tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        Ok(Reuse::Close)
    }

    async fn json(
        &mut self,
        status: u16,
        body: &str,
        scenario: &Scenario,
        id: &str,
    ) -> io::Result<Reuse> {
        self.whole((status, "application/json"), body, scenario, id)
            .await
    }

    async fn whole(
        &mut self,
        (status, content_type): (u16, &str),
        body: &str,
        scenario: &Scenario,
        id: &str,
    ) -> io::Result<Reuse> {
        self.head(status, content_type, scenario, id)?;
        write!(self.out, "content-length: {}\r\n\r\n", body.len())?;
        if self.framing != Framing::HeadOnly {
            let kept = scenario.cut_after.map_or(body, |cut| {
                body.get(..body.floor_char_boundary(cut)).unwrap_or(body)
            });
            self.out.extend_from_slice(kept.as_bytes());
            if kept.len() < body.len() {
                self.reuse = Reuse::Close;
            }
        }
        self.flush().await?;
        Ok(self.reuse)
    }

    async fn stream(
        &mut self,
        events: &Events,
        scenario: &Scenario,
        (pace, burst): (Duration, usize),
        id: &str,
    ) -> io::Result<Reuse> {
        self.head(200, "text/event-stream; charset=utf-8", scenario, id)?;
        if self.framing == Framing::Chunked {
            self.out
                .extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        self.out
            .extend_from_slice(b"cache-control: no-cache\r\n\r\n");
        let mut joined = Vec::new();
        let mut waiting = 0;
        for (index, (frame, kind)) in events.iter().enumerate() {
            if scenario.cut_after == Some(index) {
                self.chunk(&mut joined).await?;
                return Ok(Reuse::Close);
            }
            if scenario.error_after == Some(index) {
                Events::error(&ApiError::of_status(529))
                    .iter()
                    .for_each(|(frame, _)| joined.extend_from_slice(frame));
                return self.finish(&mut joined).await;
            }
            let paused = if kind == Kind::Delta {
                pace
            } else {
                Duration::ZERO
            };
            let paused = if index == 1 {
                paused + scenario.silence
            } else {
                paused
            };
            if !paused.is_zero() {
                self.chunk(&mut joined).await?;
                waiting = 0;
                pause(paused).await;
            }
            joined.extend_from_slice(frame);
            waiting += 1;
            if waiting >= burst || !pace.is_zero() {
                // The last frame waits for the end of the body, which goes out in the same write.
                if index + 1 < events.len() {
                    self.chunk(&mut joined).await?;
                }
                waiting = 0;
            }
        }
        if scenario.cut_after == Some(events.len()) {
            self.chunk(&mut joined).await?;
            return Ok(Reuse::Close);
        }
        self.finish(&mut joined).await
    }

    /// Everything of the head but its framing and the empty line.
    fn head(
        &mut self,
        status: u16,
        content_type: &str,
        scenario: &Scenario,
        id: &str,
    ) -> io::Result<()> {
        let now = Moment::now();
        let reset = now.next_minute().rfc3339();
        let connection = match self.reuse {
            Reuse::KeepAlive if self.framing != Framing::UntilClose => "keep-alive",
            Reuse::KeepAlive | Reuse::Close => "close",
        };
        write!(
            self.out,
            "HTTP/1.1 {status} {}\r\ndate: {}\r\n",
            reason(status),
            now.http_date()
        )?;
        write!(
            self.out,
            "content-type: {content_type}\r\nconnection: {connection}\r\n"
        )?;
        for (name, limit) in LIMITS {
            write!(self.out, "anthropic-ratelimit-{name}-limit: {limit}\r\n")?;
            write!(
                self.out,
                "anthropic-ratelimit-{name}-remaining: {}\r\n",
                limit - 1
            )?;
            write!(self.out, "anthropic-ratelimit-{name}-reset: {reset}\r\n")?;
        }
        if let Some(seconds) = scenario.retry_after {
            write!(self.out, "retry-after: {seconds}\r\n")?;
        }
        write!(
            self.out,
            "request-id: {id}\r\nanthropic-organization-id: {ORGANIZATION}\r\n"
        )
    }

    /// Sends the joined frames, as one chunk.
    async fn chunk(&mut self, joined: &mut Vec<u8>) -> io::Result<()> {
        self.add_chunk(joined)?;
        self.flush().await
    }

    async fn finish(&mut self, joined: &mut Vec<u8>) -> io::Result<Reuse> {
        self.add_chunk(joined)?;
        if self.framing == Framing::Chunked {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        self.flush().await?;
        Ok(self.reuse)
    }

    fn add_chunk(&mut self, joined: &mut Vec<u8>) -> io::Result<()> {
        // A chunk of size 0 would end the body.
        if !joined.is_empty() {
            match self.framing {
                Framing::HeadOnly => {}
                Framing::UntilClose => self.out.extend_from_slice(joined),
                Framing::Chunked => {
                    write!(self.out, "{:x}\r\n", joined.len())?;
                    self.out.extend_from_slice(joined);
                    self.out.extend_from_slice(b"\r\n");
                }
            }
            joined.clear();
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        self.stream.flush().await
    }

    async fn close(&mut self) {
        // A connection that is gone already is closed well enough.
        let _ = AsyncWriteExt::shutdown(&mut self.stream).await;
    }
}

async fn pause(duration: Duration) {
    // Even an elapsed timer costs a turn through the timer wheel.
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// The reason phrase; 529 is not in the registry, and clients don't read it.
fn reason(status: u16) -> &'static str {
    match http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
    {
        Some(reason) => reason,
        None if status == 529 => "Overloaded",
        None => "Unknown",
    }
}
