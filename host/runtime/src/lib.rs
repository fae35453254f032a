//! An embeddable host for gateway plugins: admission, instances, limits, faults, hot reload.
//!
//! Plugins are WebAssembly components of the contract in `wit/`. The embedder brings requests, and does what the
//! plugins decide; this crate knows no HTTP, no model API and no money. The moving parts:
//!
//! - [`Runtime`] is the engine, one per process. [`Runtime::admit`] checks one plugin's bytes and makes a [`Plugin`].
//! - [`Policies`] keeps a directory of plugins loaded and gives the current [`Lineup`].
//! - A [`Request`] is what a plugin may ask about. It says whose it is, too: faults are counted by its tenant. A
//!   [`PlainRequest`] is one of plain values. It reads no body: its `head` and `tools` are the embedder's to fill, for
//!   example from the scan of `witgate-messages`.
//! - A [`Vocabulary`] says which of the values that plugins return the embedder can use.
//! - A [`Lineup`] is immutable and has a function for each hook. A request takes one and keeps it.
//! - A [`Charge`] names an account and an amount, and holds nothing. `witgate-ledger` reserves charges and settles them
//!   with what was used; the example `budgeted` shows how.
//! - A [`Fault`] is what went wrong in a plugin; a [`Stop`] is why a request doesn't go on.
//!
//! ```
//! use std::sync::Arc;
//! use witgate_runtime::{
//!     Body, Caller, Head, PlainRequest, Policies, PoliciesOptions, Request, Runtime, RuntimeOptions, Trail,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let policies_dir = tempfile::tempdir()?;
//! # let policies_dir = policies_dir.path();
//! let runtime = Runtime::try_new(RuntimeOptions::default())?;
//! let policies = Policies::open(runtime, policies_dir, PoliciesOptions::default())?;
//! policies.watch()?; // From here on, a plugin that is dropped into the directory serves.
//!
//! // Each request pins the lineup that it starts with.
//! let lineup = policies.current();
//! let request: Arc<dyn Request> = Arc::new(PlainRequest {
//!     caller: Caller { key_id: "key-1".into(), ..Caller::default() },
//!     head: Head { model: Some("small".into()), ..Head::default() },
//!     body: Body::try_json(r#"{"model": "small"}"#.into())?,
//!     ..PlainRequest::new("messages", "POST", "/v1/messages")
//! });
//! let mut trail = Trail::default();
//! let decided = lineup
//!     .read_envelope(&request, &mut trail)
//!     .and_then(|envelope| lineup.decide_route(&request, &envelope, &[], &mut trail));
//! match decided {
//!     Ok(Some(plan)) => println!("first target: {}", plan.targets[0].upstream),
//!     Ok(None) => println!("no plugin has a plan: the default upstream"),
//!     Err(stop) => println!("{}: {stop}", stop.status()),
//! }
//! # assert!(trail.answered.is_empty());
//! # Ok(())
//! # }
//! ```

mod admission;
mod breaker;
mod cache;
mod compiler;
mod contract;
mod deadline;
mod engine;
mod fault;
pub mod file;
mod grants;
mod guest;
mod hook;
mod instance;
mod kv;
mod limits;
mod lineup;
mod link;
mod notice;
mod plugin;
mod policies;
mod pool;
mod request;
mod sidecar;
mod signature;
mod stats;
mod vocabulary;
mod wasi;

use std::fmt::Write as _;

pub use admission::{
    AdmissionCause, AdmissionError, Anatomy, Difference, Needs, SidecarText, Source,
};
pub use breaker::Bench;
pub use cache::CacheError;
pub use compiler::Compiler;
pub use contract::{
    Attribute, CONTRACT_TEXT, CONTRACT_VERSION, CONTRACT_VERSIONS, Caller, Charge, Edit, Envelope,
    Estimate, Field, Head, Plan, Receipt, Refusal, Remedy, SettingsProblem, Target, UpstreamStats,
    Value,
};
pub use engine::{Allocation, Runtime, RuntimeError, RuntimeOptions};
pub use fault::{Fault, FaultKind, TrapCode};
pub use grants::{BodyGrant, Grants, HeaderGrant};
pub use hook::{Hook, PerHook};
pub use kv::KvLimits;
pub use limits::{CallLimits, Limits};
pub use lineup::{Audited, Lineup, Mark, PluginCharge, Stop, Trail};
pub use plugin::{Configured, Identity, Plugin};
pub use policies::{PluginState, PluginStatus, Policies, PoliciesError, PoliciesOptions, Progress};
pub use request::{Body, BodyError, PlainRequest, Request};
pub use sidecar::{FailPolicy, InstancePolicy, Sidecar};
pub use signature::{TrustedKeys, TrustedKeysError};
pub use stats::{CustomMetric, Figures, HookFigures};
pub use vocabulary::{Vocabulary, Words};
pub use witgate_config_file::{Problem, Problems};

/// Bytes as lower-case hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
