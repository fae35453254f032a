//! The results of a successful attempt and of the forward step.

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_upstream::{Attempt, Response};

use crate::exchange::downstream::Downstream;
use crate::exchange::relay::metering::Metering;

/// Bytes that were read and are still to be delivered. They have been metered.
pub(crate) type HeldBack = SmallVec<[Bytes; 2]>;

/// An upstream's answer to a request: its head, and perhaps the beginning of its body, has been read.
pub(crate) struct Answered {
    pub(crate) response: Response,
    pub(crate) attempt: Attempt,
    /// The part of the body that was read.
    pub(crate) held_back: HeldBack,
    /// The meter that has read what is held back; `None` for an answer that is not metered.
    pub(crate) metering: Option<Metering>,
}

/// An answer that is to be delivered, and the client that waits for it.
pub(crate) struct Forwarded {
    pub(crate) answered: Answered,
    pub(crate) client: Downstream,
}

// === impl Answered ===

impl Answered {
    pub(crate) fn new(response: Response, attempt: Attempt) -> Self {
        Self {
            response,
            attempt,
            held_back: HeldBack::new(),
            metering: None,
        }
    }
}
