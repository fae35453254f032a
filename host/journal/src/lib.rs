//! Keeps a ledger on disk, so that its balances survive the process and the machine.
//!
//! A [`Log`] hears of every step of a ledger and appends it to the last of its segments. A step is encoded into a buffer under
//! the ledger's lock and written outside of it: a request that needs a step on disk asks for it ([`Log::written`]), and one write
//! takes all that is buffered. What is written survives the process. A thread syncs it for the machine's loss of power, writes
//! what no request waits for, and begins a new segment when one is full; then the older ones become a snapshot.
//!
//! [`recover`] reads a journal back: balances, and the holds that the process did not live to end. The files of a journal
//! belong to one process at a time ([`Directory::lock`]). During an upgrade that is first the old one, and from the commit on
//! the new one, which begins an epoch of its own and repeats the steps of the old one in it; the place of each such step
//! ([`witgate_ledger::Position`]) is kept with it, so that none is counted twice. The old one goes on in its own epoch until it has
//! drained ([`Mark`]).
//!
//! Steps that are written and not synced are bounded by what they have spent ([`Lease`]), and so is what a loss of power can
//! forget.
//!
//! If the disk refuses, steps stay in memory, up to a bound, and are written once it is well again. Whether requests are
//! served meanwhile is for the caller to decide ([`Health`]).

mod codec;
mod disk;
mod draining;
mod file;
mod image;
mod log;
mod record;
mod recover;
mod snapshot;

pub use disk::{Directory, Disk, Tape};
pub use draining::{Draining, Heard, Mark, draining, newest_epoch, read_epoch};
pub use image::{Ended, Orphan};
pub use log::{Failing, Health, Lease, Log, Options, Stats};
pub use recover::{Cut, Damage, OnDamage, RecoverError, Recovered, last_epoch, recover};
