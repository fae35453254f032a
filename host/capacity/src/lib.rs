//! The capacity of an upstream, shared out between resources by priority.
//!
//! An upstream takes so many requests and tokens a minute, hour or day ([`Limit`]). Each resource has [`Terms`]: a priority, and
//! if the operator wants a floor and a ceiling. What a resource needs is estimated from what it used lately, and kept free
//! from those of lower priority, which may borrow the rest. A request is admitted with an estimate ([`Capacity::admit`]); its
//! [`Lease`] is settled with what it used, and gives everything back if it ends before anything was sent. A refusal says who
//! was given way to, and when to come again ([`Refused`]).
//!
//! In no period of a window's length, wherever it begins, more is admitted than the capacity. So an upstream that counts
//! by the clock and one that fills a bucket are both satisfied.
//!
//! The crate does no I/O and reads no clock: time is an argument. Whole numbers only, so the same calls give the same answers. Memory is
//! bounded by the configuration: a name that it doesn't have counts for one resource that all such names share.

mod amounts;
mod capacity;
mod clock;
mod config;
mod gauge;
mod lease;
mod need;
mod recent;
mod refused;
mod state;
mod status;
mod window;

pub use amounts::{Amounts, Unit};
pub use capacity::{Capacity, Resource};
pub use config::{Config, Limit, MAX_AMOUNT, MAX_RESOURCES, Percent, Problem, Share, Terms};
pub use lease::Lease;
pub use refused::{Cause, Refused};
pub use state::{LimitState, ShareState, State};
pub use status::{LimitStatus, ShareStatus, Status, Tally};
pub use window::Window;
