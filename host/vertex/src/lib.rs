//! The dialect in which Google's Vertex AI serves Anthropic's models, as values and pure functions.
//!
//! A request for the Messages API becomes a request for Vertex AI ([`request::translate`]): its model moves into the path
//! ([`Models`]), under a project and a location ([`Place`]), its version moves from a header into the body, and what Vertex AI refuses is
//! removed or reported ([`pairs`]). It carries a token of Google's, which comes from a file of credentials or from the machine
//! ([`credentials`]). Answers and streams are the API's own; errors of Google's become the API's ([`fault`]).
//!
//! The crate does no I/O and reads no clock, no environment and no file: times and texts are arguments, and a question for a
//! token is a value that the caller sends. It knows nothing of a gateway.

pub mod credentials;
pub mod fault;
pub mod model;
pub mod pairs;
pub mod place;
pub mod request;

pub use credentials::Credentials;
pub use model::{ModelId, Models};
pub use place::Place;
pub use request::{Operation, Request};
pub use witgate_dialect::{Bearer, Fault, OnRefused, Policy, Question, Reach, Secret, Skew};
