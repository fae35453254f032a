//! Charges for memory beyond what a permit covers.

use std::sync::Arc;

use bytes::Bytes;

use super::{Bounds, FREE, Load};
use crate::answer::refused::Refused;

/// Step in which bytes are charged, so that a body in small pieces is not counted piece by piece.
const STEP: u64 = 64 * 1024;

/// A charge for bytes. Dropping it releases them.
#[derive(Debug)]
pub(crate) struct Charge {
    load: Arc<Load>,
    bounds: Bounds,
    bytes: u64,
}

/// Bytes and their charge.
struct Tied {
    bytes: Bytes,
    _charge: Charge,
}

// === impl Charge ===

impl Charge {
    pub(crate) fn none(load: Arc<Load>, bounds: Bounds) -> Self {
        Self {
            load,
            bounds,
            bytes: 0,
        }
    }

    /// Raises the charge to at least this many bytes.
    ///
    /// # Errors
    ///
    /// 429 if the key is at its limit, 413 if this request alone exceeds it, 503 if the gateway is at its limit.
    pub(crate) fn cover(&mut self, bytes: usize) -> Result<(), Refused> {
        let wanted = wide(bytes);
        if wanted <= self.bytes {
            return Ok(());
        }
        let more = wanted.next_multiple_of(STEP) - self.bytes;
        self.load.take(0, more, &self.bounds)?;
        self.bytes += more;
        Ok(())
    }

    /// Grows a buffer to hold `len` bytes, or to twice its capacity, up to `max`. Capacity above [`FREE`] is charged before it
    /// is allocated.
    ///
    /// # Errors
    ///
    /// As [`Charge::cover`].
    pub(crate) fn grow(
        &mut self,
        buffer: &mut Vec<u8>,
        len: usize,
        max: usize,
    ) -> Result<(), Refused> {
        if len > buffer.capacity() {
            let room = len.max(buffer.capacity() * 2).min(max);
            if room > FREE {
                self.cover(room)?;
            }
            buffer.reserve_exact(room - buffer.len());
        }
        Ok(())
    }

    /// Lowers the charge to at most this many bytes.
    pub(crate) fn lower(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(wide(bytes));
        if less > 0 {
            self.load.release(0, less);
            self.bytes -= less;
        }
    }

    /// Ties the charge to bytes: it is released when the last slice of them is dropped.
    pub(crate) fn tie(mut self, bytes: Bytes) -> Bytes {
        self.lower(bytes.len());
        if self.bytes == 0 {
            return bytes;
        }
        Bytes::from_owner(Tied {
            bytes,
            _charge: self,
        })
    }
}

fn wide(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX >> 1)
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.load.release(0, self.bytes);
        }
    }
}

// === impl Tied ===

impl AsRef<[u8]> for Tied {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
