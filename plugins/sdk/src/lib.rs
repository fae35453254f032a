//! Write plugins for Witgate in Rust.
//!
//! The shortest plugin is a function and a line that exports it:
//!
//! ```
//! use witgate_plugin::prelude::*;
//!
//! witgate_plugin::plugin!(Route: decide);
//!
//! /// Sends small requests to a cheap model.
//! fn decide(request: &Request) -> Result<Option<Plan>, Refusal> {
//!     let small = request.head().prompt_tokens < 2_000;
//!     Ok(small.then(|| Plan::to("default").model("claude-haiku-5-5").rule("small")))
//! }
//!
//! // The same function in a plain unit test, without WebAssembly.
//! use witgate_plugin::testing::RequestBuilder;
//!
//! let request = RequestBuilder::messages().prompt_tokens(12).build();
//! let plan = decide(&request).unwrap().unwrap();
//! assert_eq!(plan.targets[0].model.as_deref(), Some("claude-haiku-5-5"));
//! ```
//!
//! [`plugin!`] takes typed settings, too. For settings that need checks of their own, or preparation once per instance,
//! implement [`Plugin`] and a trait for each hook on a type of your own, and [`export!`] it. [`testing::configure`] builds
//! such a plugin from settings as the host does.
//!
//! With `crate-type = ["cdylib", "rlib"]`, `cargo build --target wasm32-unknown-unknown --release` builds a file that you
//! copy to `policies/NAME.wasm`. Its settings are the `[settings]` table of `policies/NAME.toml`.
//!
//! # Guarantees and limits
//!
//! - The host configures an instance before it calls the first hook, and never changes its settings.
//! - All problems of the settings are reported at once, each with its path: unknown and missing keys, values of a wrong
//!   type, and what [`Plugin::configure`] finds.
//! - A fact of a request costs nothing until the plugin asks for it. Its texts are borrowed until the call ends, so copy what
//!   you keep.
//! - A hook is not called for a request that [`Plugin::interests`] leave out.
//! - An instance serves one call at a time. The host runs several instances and drops them at will, so state between calls
//!   is only a cache. Use [`kv`] for state that all instances share.
//! - A call has a deadline (5 ms of processor time by default) and an instance has a maximum of memory (16 MiB by
//!   default). A call can't block: there are no files, sockets or sleeps.
//! - A plugin may read headers and the body as far as the `[grants]` of its sidecar allow; the summary of the body, `head`,
//!   is granted by default. Reading more ends the call as a fault.
//! - A panic ends the call. Its message and location reach the operator's log, and the next call gets a new instance.
//!
//! # Unsafe code
//!
//! A plugin needs none. This crate has the code generated from the contract, and an allocator that keeps the facts of a call in
//! memory of the call; it is the plugin's global allocator, so a plugin can't have another one. [`export!`] generates the exports
//! of a component into the plugin's own crate, for wasm32 only, so a plugin may `deny(unsafe_code)` but not `forbid` it.
//!
//! # Stability
//!
//! The crate builds plugins for version 0.3 of the contract (`wit/`), and a published version of the contract never changes.
//! Before 1.0, a minor version may change this crate's Rust API. Enums that may grow are `#[non_exhaustive]`. The records of
//! the contract in [`types`] are plain structs.

#![deny(missing_docs)]

/// The examples of the README, checked as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod export;

#[cfg(any(target_arch = "wasm32", test))]
#[allow(unsafe_code, reason = "an allocator")]
mod call_memory;
mod functions;
#[cfg(target_arch = "wasm32")]
mod host;
mod plugin;
mod receipts;
mod request;
mod tables;

pub mod clock;
pub mod glob;
pub mod json;
pub mod kv;
pub mod log;
pub mod metrics;
pub mod notes;
pub mod prelude;
pub mod settings;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod types;

pub use glob::Glob;
pub use plugin::{Audit, Budget, Envelope, Guard, Plugin, Route, Translate};
pub use receipts::Receipts;
pub use request::{
    Caller, Context, Destination, Head, Planned, Request, Routing, UpstreamStats, Upstreams,
};
pub use settings::{NoSettings, Problem, Problems, Table, typed};
pub use tables::Lookup;
