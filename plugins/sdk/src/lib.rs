//! Write plugins for Witgate.
//!
//! The shortest one is a function and a line that exports it:
//!
//! ```
//! use witgate_plugin::prelude::*;
//!
//! witgate_plugin::plugin!(Route: decide);
//!
//! /// Sends small requests to a cheap model.
//! fn decide(request: &Request, _: &Envelope, _: &[UpstreamStats]) -> Result<Option<Plan>, Refusal> {
//!     let small = request.head().prompt_tokens < 2_000;
//!     Ok(small.then(|| Plan::to("default").model("claude-haiku-5-5").rule("small")))
//! }
//!
//! // The same hook in a plain unit test, without wasm.
//! use witgate_plugin::testing::RequestBuilder;
//!
//! let request = RequestBuilder::messages().prompt_tokens(12).build();
//! let plan = decide(&request, &Envelope::default(), &[]).unwrap().unwrap();
//! assert_eq!(plan.targets[0].model.as_deref(), Some("claude-haiku-5-5"));
//! ```
//!
//! [`plugin!`] takes typed settings too. A plugin with checks of its own, or that makes something of its settings once, is
//! a type that implements [`Plugin`] and a trait for each hook, and [`export!`]s them; [`testing::configure`] makes one
//! from settings as the host does.
//!
//! With `crate-type = ["cdylib", "rlib"]`, `cargo build --target wasm32-unknown-unknown --release` makes a file that is
//! copied to `policies/NAME.wasm` as it is; its settings are the `[settings]` table of `policies/NAME.toml`.
//!
//! What a plugin may rely on:
//!
//! - An instance is configured before its first hook runs, and its settings never change.
//! - Settings are checked whole: all unknown keys are reported at once, and the first value of a wrong type with its
//!   path. See [`Plugin::configure`] for checks of your own.
//! - A panic ends the call only. Its text and place reach the operator through [`log`]'s failure line.
//! - It may ask for what its sidecar's `[grants]` name. Asking for more ends the call as a fault.
//! - Instances come and go, and several serve at once: state that is kept between calls is a cache,
//!   nothing more. What all instances share is in [`kv`].
//!
//! There is no `unsafe` to write, and none in this crate but what is generated from the contract. The exports of a component
//! are generated into the plugin's own crate, for wasm32 only: a plugin may `deny(unsafe_code)`, while `forbid` would forbid
//! those too.

#![deny(missing_docs)]

/// The examples of the README, checked as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod export;

mod functions;
mod plugin;
mod request;
mod settings;

pub mod clock;
pub mod glob;
pub mod kv;
pub mod log;
pub mod metrics;
pub mod prelude;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod types;

pub use glob::Glob;
pub use plugin::{Audit, Budget, Envelope, Plugin, Route};
pub use request::Request;
pub use settings::{NoSettings, Problem, Problems, typed};
