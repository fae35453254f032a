//! The downstream client during an exchange: detects disconnects, and sends keep-alive pings while the upstream is silent.
//!
//! An exchange waits only in [`Downstream::during`]. There, and nowhere else, disconnects are detected, early heads and pings
//! are sent, and the deadline of the exchange is enforced. None of these interrupts the awaited work halfway: it continues,
//! or it is cancelled as a whole. While a request body is still arriving, only disconnects matter: that is [`while_there`].

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use witgate_http::ResponseHead;

use crate::config::ClientGone;
use crate::exchange::relay::early_headers;
use crate::gateway::snapshot::Snapshot;
use crate::listen::session::HttpSession;

/// A keep-alive event, as the API sends it.
const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// The client of an exchange that waits for its upstream.
pub(super) struct Downstream {
    snapshot: Arc<Snapshot>,
    policy: ClientGone,
    presence: Presence,
    sent: Sent,
    /// The deadline of the whole exchange.
    deadline: Option<Instant>,
    early: Option<EarlyHeaders>,
    /// The time of the next ping, or `None` while none may be sent.
    ping_at: Option<Instant>,
    /// Set while the stream stands between two events, where a ping fits in.
    between_events: bool,
    /// The timer for everything that comes due, created at the first wait.
    sleep: Option<Pin<Box<Sleep>>>,
}

/// The presence of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Connected,
    /// The client disconnected, and the response is drained.
    Disconnected {
        until: Instant,
        bytes: u64,
    },
}

/// The part of the response that the client has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    /// A head of the gateway's own, of an event stream that is not compressed.
    EarlyHeaders,
    /// The head of an event stream that is not compressed.
    StreamHead,
    /// The head of anything else.
    OtherHead,
}

/// A head that is sent if no upstream answers for long.
pub(super) struct EarlyHeaders {
    pub(super) at: Instant,
    pub(super) head: Box<ResponseHead>,
}

/// The reason that an exchange stops before its upstream is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// The client disconnected.
    ClientGone,
    /// The deadline of the exchange has passed.
    Deadline,
}

/// The event that interrupted a wait.
enum Woken {
    Disconnected,
    Due,
}

// === impl Downstream ===

impl Downstream {
    /// Returns a client that waits for the head of a response.
    pub(super) fn waiting(
        snapshot: &Arc<Snapshot>,
        started: Instant,
        policy: Option<ClientGone>,
        early: Option<EarlyHeaders>,
    ) -> Self {
        let streams = &snapshot.config.streams;
        Self {
            policy: policy.unwrap_or(streams.client_gone),
            presence: Presence::Connected,
            sent: Sent::Nothing,
            deadline: streams.total.map(|total| started + total),
            early,
            ping_at: None,
            between_events: true,
            sleep: None,
            snapshot: Arc::clone(snapshot),
        }
    }

    /// Returns whether the client is still connected.
    pub(super) fn is_there(&self) -> bool {
        self.presence == Presence::Connected
    }

    /// Returns whether a different response can still be given.
    pub(super) fn may_choose(&self) -> bool {
        self.sent == Sent::Nothing
    }

    /// Returns whether the client has received an early head.
    pub(super) fn has_early_headers(&self) -> bool {
        self.sent == Sent::EarlyHeaders
    }

    /// Returns whether the client has received the head of an event stream that is not compressed.
    pub(super) fn has_plain_stream(&self) -> bool {
        matches!(self.sent, Sent::EarlyHeaders | Sent::StreamHead)
    }

    /// Sends the head of a response.
    ///
    /// # Errors
    ///
    /// The client disconnected, and the policy is not to drain the response.
    pub(super) async fn head(
        &mut self,
        session: &mut HttpSession,
        head: &ResponseHead,
    ) -> Result<(), Interrupted> {
        self.sent = if early_headers::is_plain_stream(head) {
            Sent::StreamHead
        } else {
            Sent::OtherHead
        };
        if self.is_there() && session.write_head(head).await.is_err() {
            self.leave()?;
        }
        Ok(())
    }

    /// Enables pings, which are sent between two events.
    pub(super) fn allow_pings(&mut self) {
        self.ping_at = self.next_ping();
    }

    /// Notes whether the stream stands between two events.
    pub(super) fn set_between_events(&mut self, between_events: bool) {
        self.between_events = between_events;
    }

    /// Sends bytes of the body.
    ///
    /// # Errors
    ///
    /// The client disconnected and the response is not drained, or not any further; or the deadline has passed.
    pub(super) async fn body(
        &mut self,
        session: &mut HttpSession,
        bytes: Bytes,
        end: bool,
    ) -> Result<(), Interrupted> {
        match &mut self.presence {
            Presence::Disconnected { bytes: left, .. } => {
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                *left = left.checked_sub(len).ok_or(Interrupted::ClientGone)?;
            }
            Presence::Connected => {
                if session.write_body(bytes, end).await.is_err() {
                    self.leave()?;
                } else if self.ping_at.is_some() {
                    self.ping_at = self.next_ping();
                }
            }
        }
        // With an upstream that always has more bytes, the timer is never polled.
        match self.deadline {
            Some(deadline) if !end && deadline <= Instant::now() => Err(Interrupted::Deadline),
            _ => Ok(()),
        }
    }

    /// Waits for `work`. Callers pin large futures and pass a reference, so that they are not moved.
    ///
    /// # Errors
    ///
    /// [`Interrupted`]: the work has to be cancelled.
    pub(super) async fn during<F: Future>(
        &mut self,
        session: &mut HttpSession,
        work: F,
    ) -> Result<F::Output, Interrupted> {
        let mut work = pin!(work);
        if session.has_unsent() {
            if let Some(done) = ready(work.as_mut()).await {
                return Ok(done);
            }
            // The head does not wait for a body that has yet to come.
            if session.flush().await.is_err() {
                self.leave()?;
            }
        }
        loop {
            let due = self.due();
            let there = self.is_there();
            let woken = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = session.left(), if there => Woken::Disconnected,
                () = tick(&mut self.sleep, due), if due.is_some() => Woken::Due,
            };
            match woken {
                Woken::Disconnected => self.leave()?,
                Woken::Due => self.act(session).await?,
            }
        }
    }

    /// Returns the time of the next action, or `None`.
    fn due(&self) -> Option<Instant> {
        let drained = match self.presence {
            Presence::Connected => None,
            Presence::Disconnected { until, .. } => Some(until),
        };
        let early = self.early.as_ref().map(|early| early.at);
        [self.deadline, drained, early, self.ping_at]
            .into_iter()
            .flatten()
            .min()
    }

    async fn act(&mut self, session: &mut HttpSession) -> Result<(), Interrupted> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Interrupted::Deadline);
        }
        if let Presence::Disconnected { until, .. } = self.presence {
            return if until <= now {
                Err(Interrupted::ClientGone)
            } else {
                Ok(())
            };
        }
        if let Some(early) = self.early.take_if(|early| early.at <= now) {
            self.sent = Sent::EarlyHeaders;
            self.allow_pings();
            if session.write_head(&early.head).await.is_err() {
                return self.leave();
            }
            return self.ping(session).await;
        }
        if self.ping_at.is_some_and(|at| at <= now) {
            self.ping_at = self.next_ping();
            if self.between_events {
                return self.ping(session).await;
            }
        }
        Ok(())
    }

    async fn ping(&mut self, session: &mut HttpSession) -> Result<(), Interrupted> {
        let written = session.write_body(Bytes::from_static(PING), false);
        if written.await.is_err() {
            self.leave()?;
        }
        Ok(())
    }

    fn next_ping(&self) -> Option<Instant> {
        let interval = self.snapshot.config.streams.ping?;
        self.is_there().then(|| Instant::now() + interval)
    }

    /// Handles a disconnect: cancels the exchange or drains the response, as the policy says.
    fn leave(&mut self) -> Result<(), Interrupted> {
        let streams = &self.snapshot.config.streams;
        match self.policy {
            ClientGone::Stop => Err(Interrupted::ClientGone),
            ClientGone::Drain => {
                self.presence = Presence::Disconnected {
                    until: Instant::now() + streams.drain,
                    bytes: streams.drain_bytes,
                };
                self.early = None;
                self.ping_at = None;
                Ok(())
            }
        }
    }
}

/// The client disconnected.
pub(super) struct ClientLeft;

/// Waits for `work`, and cancels it if the client disconnects.
///
/// # Errors
///
/// The client disconnected.
pub(super) async fn while_there<F: Future>(
    session: &mut HttpSession,
    work: F,
) -> Result<F::Output, ClientLeft> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = session.left() => Err(ClientLeft),
    }
}

/// Returns the future's value if it is ready at once.
pub(super) async fn ready<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Completes when `due` is reached, or earlier: a timer that is set is not reset for every event.
async fn tick(slot: &mut Option<Pin<Box<Sleep>>>, due: Option<Instant>) {
    let Some(due) = due else {
        return;
    };
    let sleep = slot.get_or_insert_with(|| Box::pin(sleep_until(due)));
    if sleep.is_elapsed() || sleep.deadline() > due {
        sleep.as_mut().reset(due);
    }
    sleep.as_mut().await;
}
