//! A ledger of accounts, windows and holds: reserve, extend, settle.
//!
//! A request reserves its expected usage on every account that it is charged to: on all of them or on none. The resulting
//! [`Hold`] is raised while the answer streams, and settled with the actual amounts when the exchange ends. Dropping a hold
//! settles it, so no hold outlives its exchange.
//!
//! The ledger is in memory and reads no clock: time is an argument. Balances are 128-bit, which no sequence of 64-bit charges
//! can overflow, so no decision depends on a value that wrapped or saturated. Memory is bounded by the number of balances, in
//! total and per owner ([`Bounds`]), and by the length of account names ([`MAX_ACCOUNT_BYTES`]). The owner is the party that
//! a request is made for. Callers can make up account names, so each owner has a share of the room.
//!
//! One function, `Books::post`, makes every change to a balance. It numbers the steps, and reports each to the ledger's own
//! [`Journal`] ([`Ledger::attach`]), which may outlast the process, and to that of a successor ([`Ledger::export`]), which
//! repeats it with [`Ledger::apply`].

mod amount;
mod books;
mod bounds;
mod charge;
mod hold;
mod journal;
mod ledger;
mod resets;
mod shared_text;
mod statement;
mod time;
mod window;

pub use amount::{Amounts, Unit};
pub use bounds::Bounds;
pub use charge::{Bound, Charge, MAX_ACCOUNT_BYTES, NoRoom, OnShortfall, Reason, Refused, seat};
pub use hold::Hold;
pub use journal::{
    BalanceKey, Carried, Change, Entry, Export, Journal, Position, Shift, Split, Step,
};
pub use ledger::Ledger;
pub use resets::{Reset, Resets, Taken};
pub use statement::{
    Abandoned, Cleared, Crossing, Overdraft, Page, Settled, Snapshot, Standing, Statement, Totals,
};
pub use time::UnixMillis;
pub use window::{Calendar, Local, Span, UnknownCode, Window, Zone};
