//! The Anthropic Messages protocol as pure functions over bytes.
//!
//! The crate covers what a gateway needs of the protocol: the operation of a path ([`Endpoint`]), the top level of a request
//! ([`Head`]), edits of single members that leave every other byte alone ([`splice()`]), framing of event streams ([`sse`]),
//! usage of an answer ([`Meter`], [`Usage`]) and its cost ([`PriceBook`]), batches ([`Batch`]), upstream objects that a request
//! refers to ([`References`]), texts for guards ([`content`]), paging of lists ([`Page`], [`Query`]), errors ([`ErrorType`]) and retries ([`Advice`]).
//!
//! It does no I/O, reads no clock, is not async and uses no floats for money. It never builds a tree of a whole body and never
//! re-serialises one. Every limit is a constant of its module.

pub mod batch;
pub mod content;
pub mod endpoint;
pub mod error;
pub mod head;
mod json;
pub mod meter;
pub mod page;
pub mod pattern;
pub mod price;
pub mod query;
pub mod references;
pub mod retry;
pub mod signed;
pub mod splice;
pub mod sse;
pub mod thinking;
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
