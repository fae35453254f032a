//! Bytes that an exchange holds beyond what its place pays for.

use std::sync::Arc;

use bytes::Bytes;

use super::{Bounds, FREE, Load};
use crate::answer::refused::Refused;

/// Bytes are taken in such steps, so that a body that comes in small pieces is not counted piece by piece.
const STEP: u64 = 64 * 1024;

/// Bytes that are paid for. Dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Charge {
    load: Arc<Load>,
    bounds: Bounds,
    bytes: u64,
}

/// Bytes with their charge.
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

    /// Pays for so many bytes altogether, if it does not yet.
    ///
    /// # Errors
    ///
    /// 429 when the key holds as much as it may, 413 when it holds nothing else, 503 when the gateway does.
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

    /// Makes room in a buffer for `len` bytes in all: twice what it has if that is more, and `most` at most. What is above
    /// [`FREE`] is paid for before it is asked for.
    ///
    /// # Errors
    ///
    /// As [`Charge::cover`].
    pub(crate) fn grow(
        &mut self,
        buffer: &mut Vec<u8>,
        len: usize,
        most: usize,
    ) -> Result<(), Refused> {
        if len > buffer.capacity() {
            let room = len.max(buffer.capacity() * 2).min(most);
            if room > FREE {
                self.cover(room)?;
            }
            buffer.reserve_exact(room - buffer.len());
        }
        Ok(())
    }

    /// Pays for no more than so many bytes from here on.
    pub(crate) fn lower(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(wide(bytes));
        if less > 0 {
            self.load.give_back(0, less);
            self.bytes -= less;
        }
    }

    /// Stays with these bytes: it is given back when the last slice of them is dropped.
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
            self.load.give_back(0, self.bytes);
        }
    }
}

// === impl Tied ===

impl AsRef<[u8]> for Tied {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
