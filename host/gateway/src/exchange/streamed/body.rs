//! The body of a client on its way to the upstream, piece by piece.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};
use witgate_upstream::{Taken, Upload};

use super::ahead::Ahead;
use super::{MIN_RATE, Progress, Stopped, while_connected};
use crate::answer::refused::Refused;
use crate::exchange::receive::body::{announced, body_error, body_timeout, body_too_large, window};
use crate::exchange::settle::Settlement;
use crate::listen::session::HttpSession;
use crate::tenants::concurrency::{Charge, Permit};

/// A body that is being passed on.
pub(super) struct Body {
    started: Instant,
    ahead: Ahead,
    _window: Option<Charge>,
}

/// The next event while a body is being passed on.
enum Next {
    /// A piece of the body, or `None` for its end.
    Part(Option<Bytes>),
    Answer,
}

// === impl Body ===

impl Body {
    /// Begins to pass a body on.
    ///
    /// # Errors
    ///
    /// There is no memory for its window now.
    pub(super) fn new(session: &mut HttpSession, settlement: &Settlement) -> Result<Self, Refused> {
        let permit = settlement.permit.as_ref();
        let window = match permit {
            Some(permit) => window(session, announced(session), permit)?,
            None => None,
        };
        Ok(Self {
            started: Instant::now(),
            ahead: Ahead::new(permit.map(Permit::charge)),
            _window: window,
        })
    }

    /// Passes pieces on until the end of the body, or until the upstream answers. May be called again for a request that
    /// is repeated.
    ///
    /// # Errors
    ///
    /// The client disconnected, its body is refused, or the upstream failed.
    pub(super) async fn pass(
        &mut self,
        upload: &mut Upload,
        session: &mut HttpSession,
        settlement: &mut Settlement,
    ) -> Result<Progress, Stopped> {
        let limits = settlement.snapshot().config.limits.clone();
        loop {
            let received = settlement.request().bytes;
            let time = limits.body_timeout + Duration::from_secs(received / MIN_RATE);
            let next = match self.ahead.take() {
                Some(part) => Next::Part(part),
                None => tokio::select! {
                    biased;
                    () = upload.answered() => Next::Answer,
                    read = timeout_at(self.started + time, session.read_body()) => match read {
                        Ok(Ok(part)) => Next::Part(part),
                        Ok(Err(error)) => return Err(body_error(error).into()),
                        Err(_) => return Err(body_timeout(time).into()),
                    },
                },
            };
            let part = match next {
                Next::Answer => return Ok(Progress::Part),
                Next::Part(None) => {
                    // The upstream may have answered a body whose end it did not take.
                    while_connected(session, upload.end()).await?;
                    return Ok(Progress::Whole);
                }
                Next::Part(Some(part)) => part,
            };
            let received = received + part.len() as u64;
            settlement.request().bytes = received;
            if received > limits.upload_bytes {
                return Err(body_too_large(limits.upload_bytes).into());
            }
            if self.ahead.write(part, upload, session).await? == Taken::Answered {
                return Ok(Progress::Part);
            }
        }
    }
}
