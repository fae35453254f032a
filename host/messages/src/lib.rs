//! The Anthropic Messages protocol as pure functions over bytes.
//!
//! What a gateway has to know of the protocol and nothing more: which operation a path asks for ([`Endpoint`]), what
//! the top level of a request says ([`Head`]), how to change one member of it and leave every other byte alone
//! ([`splice()`]), where the events of a stream end ([`sse`]), what an answer used ([`Meter`], [`Usage`]), what that
//! costs ([`PriceBook`]), what a batch asks for and comes to ([`Batch`]), which things at the upstream a request names
//! ([`References`]), how lists are paged ([`Page`], [`Query`]), what an error looks like ([`ErrorType`]) and whether to ask
//! again after one ([`Advice`]).
//!
//! Promises: no I/O, no clock, no async, no float in any amount of money. Nothing builds a tree of a whole body and
//! nothing is re-serialised. Every limit is a constant of its module.

pub mod batch;
pub mod endpoint;
pub mod error;
pub mod head;
mod json;
pub mod meter;
pub mod page;
pub mod price;
pub mod query;
pub mod references;
pub mod retry;
pub mod signed;
pub mod splice;
pub mod sse;
pub mod usage;

pub use batch::Batch;
pub use endpoint::{Endpoint, PathPattern, Scope};
pub use error::{ErrorReport, ErrorType};
pub use head::Head;
pub use json::{Malformed, MalformedKind, Scanner};
pub use meter::{Meter, Reading, Source};
pub use page::{Item, Page};
pub use price::{Cost, PriceBook, PriceError, Pricing};
pub use query::Query;
pub use references::References;
pub use retry::{Advice, Verdict};
pub use splice::{Edit, EditError, Spliced, splice};
pub use usage::{CacheSplit, Iteration, Tokens, Usage};
