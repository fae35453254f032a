//! The memory for requests, and the origin of its size.
//!
//! By default it is a third of the memory that the process may use: the limit of its cgroup or of a parent cgroup, or else
//! the machine's memory. The other two thirds are for connections, plugins, keys, receipts, and the kernel's socket
//! buffers.

mod machine;

use std::fmt;
use std::path::Path;

/// Divisor of the available memory that gives the default for requests.
const PART: u64 = 3;

/// Bytes that the default for requests may have.
const DERIVED: std::ops::RangeInclusive<u64> = (32 * MIB)..=(16 * 1024 * MIB);

/// Minimum bytes for one key by default, unless half of the memory for requests is less: room for a request of the API's
/// maximum of 32 MB.
const MIN_SHARE: u64 = 64 * MIB;

/// Bytes of an idle connection with TLS. One in cleartext takes two thirds of that.
const CONNECTION: u64 = 33 * 1024;

const MIB: u64 = 1024 * 1024;

/// The memory for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Maximum bytes of all requests together.
    pub bytes: u64,
    /// Maximum bytes of the requests of one key.
    pub per_key: u64,
    /// Origin of the size.
    pub origin: Origin,
}

/// The origin of a memory limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration.
    Configuration,
    /// A part of the bytes that a cgroup allows.
    Cgroup(u64),
    /// A part of the bytes that the machine has.
    Machine(u64),
    /// A part of one gibibyte, because the available memory is unknown.
    Unknown,
}

// === impl Memory ===

impl Memory {
    /// Returns the default for this process on this machine.
    #[must_use]
    pub fn of_machine() -> Self {
        Self::of(machine::size(Path::new("/")))
    }

    fn of(origin: Origin) -> Self {
        let bytes = (origin.bytes() / PART).clamp(*DERIVED.start(), *DERIVED.end());
        Self {
            bytes,
            per_key: Self::share(bytes),
            origin,
        }
    }

    /// Returns the default share of one key: a quarter, or more if that is too little for one large request.
    #[must_use]
    pub fn share(bytes: u64) -> u64 {
        (bytes / 4).max(MIN_SHARE.min(bytes / 2))
    }
}

impl Default for Memory {
    /// Returns the default on a machine whose memory is unknown.
    fn default() -> Self {
        Self::of(Origin::Unknown)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes / MIB;
        write!(
            f,
            "requests may use {} MiB of memory, and those of one key {} MiB",
            mib(self.bytes),
            mib(self.per_key)
        )?;
        match self.origin {
            Origin::Configuration => f.write_str(" (configuration)"),
            Origin::Cgroup(bytes) => write!(f, " (cgroup: a third of {} MiB)", mib(bytes)),
            Origin::Machine(bytes) => write!(f, " (machine: a third of {} MiB)", mib(bytes)),
            Origin::Unknown => {
                f.write_str(" (a third of 1024 MiB, because the available memory is unknown)")
            }
        }
    }
}

// === impl Origin ===

impl Origin {
    /// Returns the available bytes.
    fn bytes(self) -> u64 {
        match self {
            Self::Cgroup(bytes) | Self::Machine(bytes) => bytes,
            Self::Configuration | Self::Unknown => 1024 * MIB,
        }
    }

    /// Returns the default number of connections: as many as fit into an eighth of the available memory.
    #[must_use]
    pub fn for_connections(self) -> usize {
        let room = (self.bytes() / 8 / CONNECTION).clamp(1000, 20_000);
        usize::try_from(room).unwrap_or(1000)
    }

    /// Returns the default bytes for all plugins: an eighth of the available memory.
    #[must_use]
    pub fn for_plugins(self) -> u64 {
        (self.bytes() / 8).clamp(64 * MIB, 4 * 1024 * MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_away_by_default_fits_into_what_there_is() {
        // The program, waiting receipts, the plugins' key-value stores and the accounts of budgets, each at its maximum. The
        // rest is for keys and for the kernel's socket buffers.
        let own = (60 + 20 + 16 + 80) * MIB;
        for machine in [512, 1024, 4096, 65536] {
            let origin = Origin::Machine(machine * MIB);
            let connections = u64::try_from(origin.for_connections()).unwrap() * CONNECTION;
            let sum = Memory::of(origin).bytes + origin.for_plugins() + connections + own;
            let most = machine * MIB / 16 * 15;
            assert!(sum <= most, "{} of {machine} MiB", sum / MIB);
        }
    }

    #[test]
    fn a_key_gets_a_quarter_and_on_small_machines_enough_for_a_large_request() {
        for (machine, all, key) in [(256, 85, 42), (1024, 341, 85), (8192, 2730, 682)] {
            let memory = Memory::of(Origin::Machine(machine * MIB));
            assert_eq!(
                (memory.bytes / MIB, memory.per_key / MIB),
                (all, key),
                "of {machine} MiB"
            );
        }
    }
}
