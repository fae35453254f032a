//! The dialect in which Microsoft Foundry serves Anthropic's models, as values and pure functions.
//!
//! It is nearly the API's own: a resource has its own host ([`Resource`]), models are named by deployments ([`Models`]), and what
//! Foundry refuses is removed or reported ([`pairs`]). A request carries a key or a token of Microsoft Entra ([`credentials`]). Answers and
//! streams are the API's own; errors of Azure become the API's ([`fault`]).
//!
//! The crate does no I/O and reads no clock, no environment and no file: times and texts are arguments, and a question for a
//! token is a value that the caller sends. It knows nothing of a gateway.

pub mod credentials;
pub mod fault;
pub mod model;
pub mod pairs;
pub mod request;
pub mod resource;

pub use credentials::{Access, Entra};
pub use model::{Deployment, Models};
pub use request::{Operation, Request};
pub use resource::Resource;
pub use witgate_dialect::{Bearer, Fault, OnRefused, Policy, Question, Reach, Secret, Skew};
