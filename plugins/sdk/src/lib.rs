//! Write plugins for Witgate.
//!
//! A plugin is a type with settings, one or more hooks, and one line that exports them:
//!
//! ```
//! use witgate_plugin::types::{self, Plan, Refusal, UpstreamStats};
//! use witgate_plugin::{Plugin, Problems, Request, Route};
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     cheap: String,
//! }
//!
//! /// Sends small requests to a cheap model.
//! struct Thrift(Settings);
//!
//! witgate_plugin::export!(Thrift: Route);
//!
//! impl Plugin for Thrift {
//!     type Settings = Settings;
//!
//!     fn configure(settings: Settings) -> Result<Self, Problems> {
//!         Ok(Self(settings))
//!     }
//! }
//!
//! impl Route for Thrift {
//!     fn decide(
//!         &self,
//!         request: &Request<'_>,
//!         _: &types::Envelope,
//!         _: &[UpstreamStats],
//!     ) -> Result<Option<Plan>, Refusal> {
//!         let small = request.head().prompt_tokens < 2_000;
//!         Ok(small.then(|| Plan::to("default").model(&self.0.cheap).rule("small")))
//!     }
//! }
//!
//! // The same hook in a plain unit test, without wasm.
//! use witgate_plugin::testing::{self, RequestBuilder};
//!
//! let thrift: Thrift = testing::configure(r#"{"cheap": "claude-haiku-5-5"}"#).unwrap();
//! let request = RequestBuilder::messages().prompt_tokens(12).build();
//! let plan = thrift.decide(&request, &types::Envelope::default(), &[]).unwrap().unwrap();
//! assert_eq!(plan.targets[0].model.as_deref(), Some("claude-haiku-5-5"));
//! ```
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
//! - Instances come and go, and several serve at once: state that is kept between calls is a cache, nothing more.

#![deny(missing_docs)]

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod export;

mod plugin;
mod request;
mod settings;

pub mod clock;
pub mod glob;
pub mod log;
pub mod metrics;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod types;

pub use glob::Glob;
pub use plugin::{Audit, Budget, Envelope, Plugin, Route};
pub use request::Request;
pub use settings::{NoSettings, Problem, Problems, typed};
