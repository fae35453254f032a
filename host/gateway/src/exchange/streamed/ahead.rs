//! The part of a body that is read while its upstream takes nothing.
//!
//! The end of an HTTP/1.1 client that leaves comes behind everything that it had sent. So its body is read on, slowly and
//! up to a bound; the upstream gets those bytes once it takes some again. Over HTTP/2 a client that leaves resets its
//! stream, which can be seen without reading.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use pingora_core::protocols::http::ServerSession;
use tokio::time::timeout;

use super::{Stopped, there};
use crate::answer::refused::Refused;
use crate::exchange::receive::broken;
use crate::exchange::relay::ready;
use crate::tenants::concurrency::Charge;
use crate::upstream::connection::upload::{Sending, Taken};

/// Most bytes that are read ahead. More than the sockets of a client usually hold when it leaves.
const MOST: usize = 16 << 20;

/// How long the upstream may take nothing before the client is looked at, and between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Most bytes of a piece: what the HTTP layer reads at a time.
const PIECE: usize = 64 * 1024;

/// Pieces that are read at a look: 512 KiB a second, so that the bound is reached only after half a minute.
const PIECES: usize = 2;

/// Bytes that were read and have not been sent.
pub(crate) struct Ahead {
    parts: VecDeque<Bytes>,
    len: usize,
    end: End,
    charge: Option<Charge>,
}

/// Whether the end of the body has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    ToCome,
    Read,
}

// === impl Ahead ===

impl Ahead {
    /// Nothing was read yet; what will be is paid for by this charge.
    pub(crate) fn new(charge: Option<Charge>) -> Self {
        Self {
            parts: VecDeque::new(),
            len: 0,
            end: End::ToCome,
            charge,
        }
    }

    /// Returns what was read ahead: a piece of the body, or none for its end. Nothing where nothing was.
    pub(crate) fn take(&mut self) -> Option<Option<Bytes>> {
        match self.parts.pop_front() {
            Some(part) => {
                self.len = self.len.saturating_sub(part.len());
                if let Some(charge) = &mut self.charge {
                    charge.lower(self.len);
                }
                Some(Some(part))
            }
            None => (self.end == End::Read).then_some(None),
        }
    }

    /// Sends a piece of the body. While the upstream takes nothing, looks at the client.
    ///
    /// # Errors
    ///
    /// The client left or its body can't be read, or the upstream took nothing for too long.
    pub(crate) async fn write(
        &mut self,
        part: Bytes,
        sending: &mut Sending,
        session: &mut ServerSession,
    ) -> Result<Taken, Stopped> {
        let mut write = pin!(sending.write(part));
        loop {
            match timeout(LOOK, there(session, &mut write)).await {
                Ok(done) => return done,
                Err(_) => self.read_on(session).await?,
            }
        }
    }

    /// Reads what has come, as far as there is room. Without memory for it the client is not looked at: it is noticed once
    /// the upstream takes something, or has stood still for too long.
    async fn read_on(&mut self, session: &mut ServerSession) -> Result<(), Refused> {
        if session.is_http2() {
            return Ok(());
        }
        for _ in 0..PIECES {
            if self.len >= MOST || self.end == End::Read {
                break;
            }
            let paid = self
                .charge
                .as_mut()
                .map(|charge| charge.cover(self.len + PIECE));
            if paid.is_some_and(|paid| paid.is_err()) {
                break;
            }
            match ready(session.read_request_body()).await {
                None => break,
                Some(Ok(Some(part))) => {
                    self.len += part.len();
                    self.parts.push_back(part);
                }
                Some(Ok(None)) => self.end = End::Read,
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
        Ok(())
    }
}
