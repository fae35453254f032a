//! Checks of the limits on what is under way, on the memory that it holds, and on what is packed small.

use std::num::NonZeroUsize;

use super::Check;
use crate::config::Keys;
use crate::config::file::LimitsFile;
use crate::config::memory::{Memory, Origin};
use crate::tenants::concurrency::BASE;

/// Most bytes of memory that can be counted.
const MOST: u64 = 1 << 39;

/// The part that one caller may have, where the operator says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// A key's part.
    OfAKey,
    /// All of it: everybody comes as the same caller.
    OfEverybody,
}

// === impl Share ===

impl Share {
    pub(super) fn of(keys: &Keys) -> Self {
        match keys {
            Keys::File(_) => Self::OfAKey,
            Keys::Open => Self::OfEverybody,
        }
    }
}

// === impl Check ===

impl Check<'_> {
    /// A limit with a default; 0 is no limit.
    pub(super) fn at_most(
        &mut self,
        at: &str,
        value: Option<usize>,
        default: Option<NonZeroUsize>,
    ) -> Option<NonZeroUsize> {
        let Some(value) = value else {
            return default;
        };
        if value > 10_000_000 {
            self.problem(at, "between 1 and 10000000, or 0 for no limit");
        }
        NonZeroUsize::new(value)
    }

    /// The memory that exchanges may take: the operator's word, or a part of what there is.
    pub(super) fn memory(&mut self, file: &LimitsFile, share: Share) -> Memory {
        let mut memory = Memory::of_machine();
        if let Some(bytes) = file.memory_bytes {
            if !((1 << 20)..=MOST).contains(&bytes) {
                self.problem("limits.memory_bytes", "between 1048576 and 549755813888");
            }
            memory = Memory {
                bytes,
                per_key: Memory::share(bytes),
                origin: Origin::Configuration,
            };
        }
        if share == Share::OfEverybody {
            memory.per_key = memory.bytes;
        }
        if let Some(bytes) = file.memory_bytes_per_key {
            if !(BASE..=MOST).contains(&bytes) {
                self.problem(
                    "limits.memory_bytes_per_key",
                    "between 262144 and 549755813888",
                );
            }
            memory.per_key = bytes.min(memory.bytes);
        }
        memory
    }

    /// The size that a compressed body may decode to.
    pub(super) fn decoded_bytes(&mut self, value: Option<u64>, body_bytes: usize) -> usize {
        match value.map(usize::try_from) {
            None => body_bytes,
            Some(Ok(bytes)) if (1..=1 << 30).contains(&bytes) => bytes,
            Some(_) => {
                self.problem("limits.decoded_bytes", "between 1 and 1073741824");
                body_bytes
            }
        }
    }
}
