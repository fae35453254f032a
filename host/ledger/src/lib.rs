//! Accounts, windows and holds: reserve, extend, settle.
//!
//! A request reserves what it is expected to use on every account that it is charged to, all of them or none. The
//! [`Hold`] that it gets is raised while the answer streams and settled with the true amounts when the exchange ends.
//! However it ends, the hold is gone: dropping one settles it.
//!
//! The ledger is in memory and reads no clock: time is an argument. Arithmetic on balances is in 128 bits, which no
//! sequence of 64-bit charges can overflow, so nothing on the way to a verdict wraps or saturates. Memory is bounded
//! by numbers of balances, in all and for each owner ([`Bounds`]), and a length of account names ([`MAX_ACCOUNT_BYTES`]).
//! An owner is whoever a request is made for: account names may be made up by callers, so each has room of its own.
//!
//! Every change of a balance passes through one function, `Books::post`. A [`Journal`] is told of them there, from the
//! moment that a ledger is exported to the process that takes over ([`Ledger::export`]); there, [`Ledger::apply`]
//! repeats them.

mod amount;
mod books;
mod bounds;
mod charge;
mod hold;
mod journal;
mod ledger;
mod statement;
mod time;
mod window;

pub use amount::{Amounts, Unit};
pub use bounds::Bounds;
pub use charge::{Bound, Charge, MAX_ACCOUNT_BYTES, NoRoom, OnShortfall, Reason, Refused};
pub use hold::Hold;
pub use journal::{BalanceKey, Carried, Change, Export, Journal, Step};
pub use ledger::Ledger;
pub use statement::{Overdraft, Page, Settlement, Snapshot, Statement, Totals};
pub use time::UnixMillis;
pub use window::{UnknownCode, Window};
