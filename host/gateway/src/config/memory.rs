//! How much memory requests may take, and where that number comes from.
//!
//! Without a word of the operator it is a third of what the process may use: the limit of its cgroup or of one around it,
//! else the machine's memory. The other two thirds are for connections, plugins, keys, receipts, and what the kernel keeps
//! for the sockets.

mod machine;

use std::fmt;
use std::path::Path;

/// The part of the memory that requests may take.
const PART: u64 = 3;

/// The least and the most that a part may come to; an operator can say otherwise.
const DERIVED: std::ops::RangeInclusive<u64> = (32 * MIB)..=(16 * 1024 * MIB);

/// What one key may take is a quarter, but so much at least where half of the whole is enough for it: a request as large as
/// the API takes has 32 MB.
const SHARE: u64 = 64 * MIB;

/// What a connection takes that waits, with TLS; in the clear it is two thirds of that.
const CONNECTION: u64 = 33 * 1024;

const MIB: u64 = 1024 * 1024;

/// How much memory requests may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of all requests together.
    pub bytes: u64,
    /// Bytes of the requests of one key.
    pub per_key: u64,
    /// Where the number comes from.
    pub origin: Origin,
}

/// Where a limit of memory comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The operator said it.
    Configuration,
    /// A cgroup allows so many bytes.
    Cgroup(u64),
    /// The machine has so many bytes.
    Machine(u64),
    /// Nothing says how much there is: a gibibyte is taken for it.
    Unknown,
}

// === impl Memory ===

impl Memory {
    /// What this machine has room for.
    #[must_use]
    pub fn of_machine() -> Self {
        Self::of(machine::size(Path::new("/")))
    }

    /// The part of what there is.
    fn of(origin: Origin) -> Self {
        let bytes = (origin.bytes() / PART).clamp(*DERIVED.start(), *DERIVED.end());
        Self {
            bytes,
            per_key: Self::share(bytes),
            origin,
        }
    }

    /// What one key may take of so much.
    #[must_use]
    pub fn share(bytes: u64) -> u64 {
        (bytes / 4).max(SHARE.min(bytes / 2))
    }
}

impl Default for Memory {
    /// As on a machine that does not say how much memory it has.
    fn default() -> Self {
        Self::of(Origin::Unknown)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes / MIB;
        write!(
            f,
            "requests may take {} MiB of memory, those of one key {} MiB",
            mib(self.bytes),
            mib(self.per_key)
        )?;
        match self.origin {
            Origin::Configuration => f.write_str(" (configuration)"),
            Origin::Cgroup(bytes) => write!(f, " (cgroup: a third of {} MiB)", mib(bytes)),
            Origin::Machine(bytes) => write!(f, " (machine: a third of {} MiB)", mib(bytes)),
            Origin::Unknown => f.write_str(" (this machine does not say how much it has)"),
        }
    }
}

// === impl Origin ===

impl Origin {
    /// Bytes that there are.
    fn bytes(self) -> u64 {
        match self {
            Self::Cgroup(bytes) | Self::Machine(bytes) => bytes,
            Self::Configuration | Self::Unknown => 1024 * MIB,
        }
    }

    /// How many connections there may be: as many as an eighth of it has room for.
    #[must_use]
    pub fn for_connections(self) -> usize {
        let room = (self.bytes() / 8 / CONNECTION).clamp(1000, 20_000);
        usize::try_from(room).unwrap_or(1000)
    }

    /// What plugins may take of it altogether: an eighth.
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
        // The program, receipts that wait, what plugins remember, and the accounts of budgets, all at their most. The rest
        // is for keys and for what the kernel keeps for the sockets.
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
