//! The part of a body that is read while its upstream takes nothing.
//!
//! The end of an HTTP/1.1 connection comes behind all the bytes that its client has sent, so a body is read on, slowly
//! and up to a bound, to notice a disconnect; the upstream gets those bytes once it takes some again. Over HTTP/2 a
//! client that disconnects resets its stream, which is noticed without reading.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use witgate_upstream::{Taken, Upload};

use super::{Stopped, while_connected};
use crate::answer::refused::Refused;
use crate::exchange::downstream::ready;
use crate::exchange::receive::body::body_error;
use crate::listen::session::HttpSession;
use crate::tenants::concurrency::Charge;

/// Largest number of bytes that are read ahead. More than the sockets of a client usually hold when it disconnects.
const MOST: usize = 16 << 20;

/// The time for which the upstream may take nothing before the client is checked, and the interval of checks.
const LOOK: Duration = Duration::from_millis(250);

/// Largest piece that the HTTP layer reads at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// Pieces that are read at a check: 512 KiB a second, so that the bound is reached only after half a minute.
const PIECES: usize = 2;

/// Bytes that were read and have not been sent.
pub(crate) struct Ahead {
    parts: VecDeque<Bytes>,
    len: usize,
    end: End,
    charge: Option<Charge>,
}

/// The progress of reading a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    ToCome,
    Read,
}

// === impl Ahead ===

impl Ahead {
    /// Creates an empty buffer whose bytes this charge pays for.
    pub(crate) fn new(charge: Option<Charge>) -> Self {
        Self {
            parts: VecDeque::new(),
            len: 0,
            end: End::ToCome,
            charge,
        }
    }

    /// Returns the next piece that was read ahead, `Some(None)` for the end of the body, or `None` if nothing was read
    /// ahead.
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

    /// Sends a piece of the body. While the upstream takes nothing, checks the client.
    ///
    /// # Errors
    ///
    /// The client disconnected, its body cannot be read, or the upstream took nothing for too long.
    pub(crate) async fn write(
        &mut self,
        part: Bytes,
        upload: &mut Upload,
        session: &mut HttpSession,
    ) -> Result<Taken, Stopped> {
        let mut write = pin!(upload.write(part));
        loop {
            match timeout(LOOK, while_connected(session, &mut write)).await {
                Ok(done) => return done,
                Err(_) => self.read_on(session).await?,
            }
        }
    }

    /// Reads the bytes that have come, as far as there is room. Without memory for them the client is not checked: its
    /// disconnect is noticed once the upstream takes something or reaches its idle timeout.
    async fn read_on(&mut self, session: &mut HttpSession) -> Result<(), Refused> {
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
            match ready(session.read_body()).await {
                None => break,
                Some(Ok(Some(part))) => {
                    self.len += part.len();
                    self.parts.push_back(part);
                }
                Some(Ok(None)) => self.end = End::Read,
                Some(Err(error)) => return Err(body_error(error)),
            }
        }
        Ok(())
    }
}
