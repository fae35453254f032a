//! The common parts of the dialects of clouds that serve Anthropic's models, as values and pure functions.
//!
//! Each of those clouds takes the API's requests in another form, and refuses betas and members that it doesn't know: what is refused goes
//! as a pair, by a table of the dialect's own ([`pairs`]). Parts of members are removed without changing any other byte ([`json`]).
//! Questions for credentials are values that the caller sends ([`Question`]), and what they bring has an end ([`Lease`]).
//! The walk of a request through all of that is a [`request::Draft`]. Errors get the API's shape ([`Fault`]), with a reason for another attempt and a cure.
//!
//! The crate does no I/O and reads no clock.

pub mod betas;
mod body;
pub mod fault;
pub mod json;
pub mod lease;
pub mod pairs;
pub mod question;
pub mod request;
mod secret;
mod skew;

pub use fault::{Fault, Reason};
pub use lease::{Lease, State};
pub use pairs::{OnRefused, Policy};
pub use question::{Answer, Bearer, Question, Reach};
pub use request::{Asked, Untranslatable};
pub use secret::Secret;
pub use skew::Skew;
