//! The dialect in which Amazon Bedrock serves Anthropic's models, as values and pure functions.
//!
//! A request for the Messages API becomes a request for Bedrock ([`request::translate`]): its model moves into the path
//! ([`Models`]), its betas move from a header into the body, and what Bedrock refuses is removed or reported ([`pairs`]). It is
//! signed with the keys of an account or carries an API key ([`sign`]), which come from where AWS's own tools find them
//! ([`credentials`]). A binary event stream becomes the API's SSE text ([`stream::Decoder`]), and an error the API's error ([`Fault`]).
//!
//! The crate does no I/O, reads no clock, no environment and no file: times, variables and texts are arguments, and a request
//! for credentials is a value that the caller sends. It knows nothing of a gateway.

pub mod credentials;
pub mod fault;
pub mod frame;
pub mod model;
pub mod pairs;
pub mod request;
pub mod sign;
pub mod skew;
pub mod stream;

pub use credentials::{Access, Keys};
pub use fault::Fault;
pub use model::{ModelId, Models};
pub use pairs::{OnRefused, Policy};
pub use request::{Operation, Request};
pub use skew::Skew;
pub use stream::Decoder;
pub use witgate_dialect::{Question, Reach, Secret, json};
