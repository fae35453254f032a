//! A reverse proxy for Anthropic Messages traffic whose policies are WebAssembly plugins.
//!
//! The binary `witgate` is the product; this library is what it is made of, for tests and for gateways that embed it.
//! The tree is the request path: [`exchange`] has one file for each of a request's six steps.

mod admin;
mod answer;
mod batches;
mod capture;
pub mod config;
mod exchange;
mod gateway;
mod headers;
mod listen;
mod log;
mod receipts;
mod server;
pub mod standin;
mod store;
mod tenants;
mod text;
mod upgrade;
mod upstream;
mod view;

pub mod cli;

pub use listen::Drained;
pub use server::Running;
pub use tenants::keys;
pub use upstream::dns::resolver::{Resolved, Resolver};
