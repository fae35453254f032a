//! Roll-ups of receipts: reads the receipts files, keeps sums by time and dimension in a database of their own, and answers
//! questions about them.
//!
//! A receipts file is the queue: how far it was read is committed in the same transaction as the sums, so a receipt counts
//! exactly once, whenever a process is killed and however many processes read. The form of the files is that of
//! `witgate-audit`. Nothing here knows HTTP, Messages or the
//! gateway; time is an argument.

mod damage;
mod database;
mod follow;
mod grain;
mod histogram;
mod names;
mod numbers;
pub mod query;
mod record;
mod retention;
mod search;
mod series;
mod sessions;
mod source;
mod sums;
mod tally;
mod uses;

pub use self::damage::{Damage, damaged};
pub use self::database::{UsageError, open_reader, open_writer};
pub use self::follow::{Followed, Follower};
pub use self::grain::Grain;
pub use self::histogram::Histogram;
pub use self::retention::{Keep, clean};
pub use self::search::{Found, Wanted, for_each_line, search};
pub use self::series::{Dimension, Metadata, Room};
pub use self::sessions::{Session, session, session_named, sessions};
pub use self::source::{Kind, Source};
pub use self::sums::Sums;
pub use self::uses::last_use;
pub use rusqlite::Connection;
pub use witgate_ledger::Zone;
