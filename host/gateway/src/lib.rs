//! A reverse proxy for Anthropic Messages traffic whose policies are WebAssembly plugins, as a library.
//!
//! The binary `witgate` is built from it; tests and programs that embed the gateway use [`Server`]. The tree is the
//! request path: [`exchange`] has one folder for each of a request's six steps.

mod admin;
mod answer;
mod batches;
pub mod capture;
mod clock;
mod coding;
pub mod config;
mod exchange;
mod gateway;
mod headers;
mod listen;
mod receipts;
mod server;
mod store;
mod tenants;
pub mod text;
mod upstream;
mod view;

pub use listen::{CannotListen, Drained, Listener, bind};
pub use server::inspect;
pub use server::{Options, Server, open_policies, runtime_options};
pub use tenants::keys;
pub use upstream::dns::resolver::{Resolved, Resolver};
