//! A reverse proxy for Anthropic Messages traffic whose policies are WebAssembly plugins.
//!
//! The binary `witgate` is the product; this library is what it is made of, for tests and for gateways that embed it.
//! The tree is the request path: [`exchange`] has one file for each of a request's six steps.

mod admin;
mod answer;
mod batches;
mod budget_pages;
mod capture;
pub mod config;
mod cors;
mod exchange;
mod gateway;
mod headers;
mod hex;
pub mod keys;
mod live;
mod log;
mod metrics;
mod owners;
mod plugin_metrics;
mod pressure;
mod provenance;
mod receipt;
mod receipts;
mod refused;
mod reload;
mod render;
mod running;
mod serve;
pub mod standin;
mod state;
mod stream;
mod text;
mod tls;
mod upgrade;
mod upstream;
mod upstream_pages;
mod view;
mod vocabulary;
mod wire;

pub mod cli;

pub use running::Running;
pub use serve::Drained;
pub use upstream::dns::resolver::{Resolved, Resolver};
