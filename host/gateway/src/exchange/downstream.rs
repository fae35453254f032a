//! The client while it waits: noticed when it leaves, kept company when nothing comes.
//!
//! Whatever the exchange waits for, it waits in [`Client::during`]. There, and nowhere else, a client that has left is
//! noticed, the head of a stream is sent early, pings are sent, and the time of the whole exchange runs out. What is
//! waited for is never cut in two by any of that: it goes on, or it is given up as a whole. Where a body is still under
//! way, only a client that leaves matters: that is [`while_there`].

mod departure;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use bytes::Bytes;
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::ClientGone;
use crate::gateway::snapshot::Snapshot;

/// An event that says nothing but that the connection is alive, as the API sends it.
const PING: &[u8] = b"event: ping\ndata: {\"type\": \"ping\"}\n\n";

/// The client's side of an exchange that waits for its upstream.
pub(super) struct Client {
    snapshot: Arc<Snapshot>,
    policy: ClientGone,
    presence: Presence,
    told: Told,
    /// When the whole exchange has to be over.
    deadline: Option<Instant>,
    early: Option<EarlyHeaders>,
    /// When the next ping is due; none while none may be sent.
    ping_at: Option<Instant>,
    /// Whether an event may be put in here.
    between_events: bool,
    /// One timer for everything that comes due, made when something is first waited for.
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Whether somebody reads what is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    /// The client has left, and the answer is read on.
    Left {
        until: Instant,
        bytes: u64,
    },
}

/// What the client has got so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    /// A head that no upstream gave.
    EarlyHeaders,
    Head,
}

/// The head that is sent when no upstream answers for long.
pub(super) struct EarlyHeaders {
    pub(super) at: Instant,
    pub(super) head: Box<ResponseHeader>,
}

/// Why an exchange stops before its upstream is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// Nobody waits for it any more.
    ClientGone,
    /// It has taken too long.
    Deadline,
}

/// What ended a wait before its time.
enum Woken {
    ClientLeft,
    Due,
}

// === impl Client ===

impl Client {
    /// A client that waits for the head of an answer.
    pub(super) fn waiting(
        snapshot: &Arc<Snapshot>,
        started: Instant,
        policy: Option<ClientGone>,
        early: Option<EarlyHeaders>,
    ) -> Self {
        let streams = &snapshot.config.streams;
        Self {
            policy: policy.unwrap_or(streams.client_gone),
            presence: Presence::There,
            told: Told::Nothing,
            deadline: streams.total.map(|total| started + total),
            early,
            ping_at: None,
            between_events: true,
            sleep: None,
            snapshot: Arc::clone(snapshot),
        }
    }

    /// Whether the client is still there.
    pub(super) fn is_there(&self) -> bool {
        self.presence == Presence::There
    }

    /// Whether another answer than the one at hand may still be given.
    pub(super) fn may_choose(&self) -> bool {
        self.told == Told::Nothing
    }

    /// Whether the client has got a head that no upstream gave.
    pub(super) fn has_early_headers(&self) -> bool {
        self.told == Told::EarlyHeaders
    }

    /// Sends the head of an answer.
    ///
    /// # Errors
    ///
    /// The client has left, and its answer is not to be read on.
    pub(super) async fn head(
        &mut self,
        session: &mut ServerSession,
        head: Box<ResponseHeader>,
    ) -> Result<(), Interrupted> {
        self.told = Told::Head;
        if self.is_there() && session.write_response_header(head).await.is_err() {
            self.leave()?;
        }
        Ok(())
    }

    /// From here on pings may be sent, whenever [`Client::set_between_events`] says so.
    pub(super) fn allow_pings(&mut self) {
        self.ping_at = self.next_ping();
    }

    /// Says whether the stream stands between two events.
    pub(super) fn set_between_events(&mut self, between_events: bool) {
        self.between_events = between_events;
    }

    /// Sends bytes of the body.
    ///
    /// # Errors
    ///
    /// The client has left, and its answer is not to be read on, or not any further; or the exchange has taken too long.
    pub(super) async fn body(
        &mut self,
        session: &mut ServerSession,
        bytes: Bytes,
        end: bool,
    ) -> Result<(), Interrupted> {
        match &mut self.presence {
            Presence::Left { bytes: left, .. } => {
                let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                *left = left.checked_sub(len).ok_or(Interrupted::ClientGone)?;
            }
            Presence::There => {
                if session.write_response_body(bytes, end).await.is_err() {
                    self.leave()?;
                } else if self.ping_at.is_some() {
                    self.ping_at = self.next_ping();
                }
            }
        }
        // An upstream that always has more to say never lets the timer be looked at.
        match self.deadline {
            Some(deadline) if !end && deadline <= Instant::now() => Err(Interrupted::Deadline),
            _ => Ok(()),
        }
    }

    /// Waits for `work`. Work that is large is lent pinned, so that it is not moved.
    ///
    /// # Errors
    ///
    /// [`Interrupted`]: the work is to be given up.
    pub(super) async fn during<F: Future>(
        &mut self,
        session: &mut ServerSession,
        work: F,
    ) -> Result<F::Output, Interrupted> {
        let mut work = pin!(work);
        loop {
            let due = self.due();
            let there = self.is_there();
            let woken = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = left(session), if there => Woken::ClientLeft,
                () = tick(&mut self.sleep, due), if due.is_some() => Woken::Due,
            };
            match woken {
                Woken::ClientLeft => self.leave()?,
                Woken::Due => self.act(session).await?,
            }
        }
    }

    /// When something is to be done next.
    fn due(&self) -> Option<Instant> {
        let drained = match self.presence {
            Presence::There => None,
            Presence::Left { until, .. } => Some(until),
        };
        let early = self.early.as_ref().map(|early| early.at);
        [self.deadline, drained, early, self.ping_at]
            .into_iter()
            .flatten()
            .min()
    }

    async fn act(&mut self, session: &mut ServerSession) -> Result<(), Interrupted> {
        let now = Instant::now();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Interrupted::Deadline);
        }
        if let Presence::Left { until, .. } = self.presence {
            return if until <= now {
                Err(Interrupted::ClientGone)
            } else {
                Ok(())
            };
        }
        if let Some(early) = self.early.take_if(|early| early.at <= now) {
            self.told = Told::EarlyHeaders;
            self.allow_pings();
            if session.write_response_header(early.head).await.is_err() {
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

    async fn ping(&mut self, session: &mut ServerSession) -> Result<(), Interrupted> {
        let written = session.write_response_body(Bytes::from_static(PING), false);
        if written.await.is_err() {
            self.leave()?;
        }
        Ok(())
    }

    fn next_ping(&self) -> Option<Instant> {
        let interval = self.snapshot.config.streams.ping?;
        self.is_there().then(|| Instant::now() + interval)
    }

    /// The client is gone: what now is the policy's word.
    fn leave(&mut self) -> Result<(), Interrupted> {
        let streams = &self.snapshot.config.streams;
        match self.policy {
            ClientGone::Stop => Err(Interrupted::ClientGone),
            ClientGone::Drain => {
                self.presence = Presence::Left {
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

/// The client went away.
pub(super) struct ClientLeft;

/// Waits for `work`, unless the client leaves first: then it is given up.
///
/// # Errors
///
/// The client left.
pub(super) async fn while_there<F: Future>(
    session: &mut ServerSession,
    work: F,
) -> Result<F::Output, ClientLeft> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = left(session) => Err(ClientLeft),
    }
}

/// Ends when the client closes its connection or resets its stream, whether its body has been read or not.
pub(super) async fn left(session: &mut ServerSession) {
    if session.is_http2() || session.is_body_done() {
        // What comes after the body can only be the end, or the next request, which stays where it is.
        while session.read_body_or_idle(true).await.is_ok() {}
    } else {
        departure::hung_up(session).await;
    }
}

/// Ends when `due` is reached, or earlier: a timer that is set already is not set anew for every event.
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
