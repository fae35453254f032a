//! An embeddable host for gateway plugins: admission, instances, limits, faults and hot reload.
//!
//! Plugins are WebAssembly components that implement the contract in `wit/`. The embedder brings requests and carries out
//! what the plugins decide; this crate knows nothing of HTTP, model APIs or money. Its parts:
//!
//! - [`Runtime`] is the engine, one per process. [`Runtime::admit`] checks a plugin's files and returns a [`Plugin`].
//! - [`Policies`] keeps a directory of plugins loaded and has the current [`Lineup`].
//! - A [`Lineup`] is an immutable list of plugins. A request takes one and keeps it.
//! - A [`HookSession`] makes the hook calls of one request: [`Lineup::begin`] starts it, and [`HookSession::finish`] returns
//!   the record of the plugins that took part.
//! - A [`Request`] is the part of a request that plugins may read, and a [`PlainRequest`] is one made of plain values.
//! - A [`Vocabulary`] rejects values that plugins return and the embedder can't use.
//! - [`Fetch`] is the embedder's way to fetch tables of plugins from URLs.
//! - A [`Charge`] names an account and an amount. `witgate-ledger` reserves charges and settles them.
//! - A [`Rejection`] is the reason that a request must not go on: a plugin's refusal, or a [`Fault`], which is a failed call.
//!
//! ```
//! use std::sync::Arc;
//! use witgate_runtime::{
//!     Body, Caller, Estimate, Head, PlainRequest, Plan, Policies, PoliciesOptions, Rejection, Runtime, RuntimeOptions,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let policies_dir = tempfile::tempdir()?;
//! # let policies_dir = policies_dir.path();
//! let runtime = Runtime::try_new(RuntimeOptions::default())?;
//! let policies = Policies::open(runtime, policies_dir, PoliciesOptions::default())?;
//! policies.watch()?; // From here on, a plugin that is dropped into the directory serves.
//!
//! // For each request:
//! let request = PlainRequest::new("messages", "POST", "/v1/messages")
//!     .with_caller(Caller { key_id: "key-1".into(), ..Caller::default() })
//!     .with_head(Head { model: Some("small".into()), ..Head::default() })
//!     .with_body(Body::try_json(r#"{"model": "small"}"#.into())?);
//! let lineup = policies.current();
//! let mut hooks = lineup.begin(Arc::new(request));
//! let decided = (|| {
//!     let envelope = Arc::new(hooks.envelope()?);
//!     let plan = Arc::new(hooks.route(&envelope, None)?.unwrap_or_else(|| Plan::to("default")));
//!     let estimate = Estimate { prompt_tokens: 10, output_tokens: 100, cost_picousd: None };
//!     let charges = hooks.charges(&envelope, &plan, &estimate)?;
//!     Ok::<_, Rejection>((plan, charges))
//! })();
//! let trace = hooks.finish();
//! match decided {
//!     Ok((plan, charges)) => println!("to {}, {} charges", plan.targets[0].upstream, charges.len()),
//!     Err(rejection) => println!("{}: {rejection}", rejection.status()),
//! }
//! println!("{} plugins took part", trace.answered.len());
//! # assert!(trace.answered.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! The directory `examples/` of this crate has a complete program, `embed`. The repository's `examples/` embed the host in an
//! axum server and in a pingora proxy.
//!
//! # Threads and blocking
//!
//! Hook calls are synchronous: a guest runs on the calling thread. The host needs no async runtime, and calls may come from
//! any number of threads at once. A call never waits for another one: if all instances of a plugin are busy, the call faults
//! with [`FaultKind::Exhausted`].
//!
//! A call of a small plugin takes microseconds, so call hooks directly in async code. A misbehaving plugin holds its thread for
//! longer. Its deadline (`deadline_ms`, 5 ms by default for all hooks but audit) counts processor time, and a
//! call also ends after ten times as much wall-clock time, which only matters on a machine with more runnable threads than cores.
//! A call may first have to start an instance, with a deadline of its own (`configure_ms`, 50 ms by default). So with defaults,
//! one call holds a worker for at most 55 ms of processor time, and 550 ms of wall-clock time in the worst case; a request's
//! maximum is that times the number of its hook calls. Three faults suspend a plugin, so this doesn't last. If even that is too
//! much for your workers, use `tokio::task::spawn_blocking`: a [`HookSession`] is `Send`.
//!
//! [`Lineup::audit`] passes many receipts through plugins with longer deadlines, and belongs on a thread of its own.
//! [`Runtime::admit`], [`Policies::open`] and [`Policies::reload_now`] compile, which takes from milliseconds to many seconds.
//! [`Policies::watch`] does that on its own thread.
//!
//! A runtime has one thread for its clock, which ticks each millisecond while a guest runs and sleeps while none does. After a
//! pause, it may notice a call up to 10 ms late, and end it that much later. A watched [`Policies`] has one more thread, which
//! sleeps until the system tells of a change, and looks by itself where it does not. Each table of a plugin has a thread, which
//! reads its source and sleeps otherwise; a look-up takes no lock.
//!
//! # Memory and address space
//!
//! An instance has its own linear memory, limited by its sidecar (16 MiB by default) and by
//! [`RuntimeOptions::memory_total`] for all instances together. Idle instances stay alive for the next call; each plugin has at
//! most `live_instances` of them.
//!
//! A pooled engine reserves 4 GiB of address space or more for each of [`RuntimeOptions::instances`] memories: some 4 TiB with
//! the defaults. That is not memory in use, but it exceeds a limit like `ulimit -v`. If the machine refuses, the engine logs a
//! warning and allocates on demand, which makes fresh instances slower. [`Allocation::OnDemand`] does so from the start.
//!
//! # Panics
//!
//! A guest's trap or panic is a [`Fault`] and costs only its own call. The host's code does not panic on purpose, and admission
//! catches panics of the parsers that it hands untrusted bytes. A panic in your [`Request`] or [`Vocabulary`] unwinds through
//! the hook call; the instance is dropped, and later calls are not affected. Build with `panic = "unwind"` to keep that.
//!
//! # Features and platforms
//!
//! The crate has no optional features. It runs on Unix, since it checks owners and permissions of files; tests run on Linux
//! (x86-64 and aarch64).
//!
//! # Stability
//!
//! Before 1.0, minor versions may change the API; the changelog lists the changes. Enums and structs that may grow are
//! `#[non_exhaustive]`. No type of wasmtime or of another dependency is in the API, so updating them is not a breaking change.
//! The records of the contract, such as [`Envelope`] and [`Plan`], are plain structs that grow with the contract: a new version of
//! the contract is a new minor version of this crate, while plugins of the older versions keep working. Items hidden from
//! this documentation are for the gateway of this repository and may change at any time.

#![deny(missing_docs)]
#![deny(clippy::missing_errors_doc)]

/// The examples of the README, checked as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// Builder methods of a struct with options: `with_FIELD(value)` sets the field.
macro_rules! setters {
    ($options:ident { $($with:ident($field:ident: $ty:ty);)* }) => {
        impl $options {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub fn $with(mut self, $field: $ty) -> Self {
                    self.$field = $field.into();
                    self
                }
            )*
        }
    };
}

mod admission;
mod breaker;
mod cache;
mod call_facts;
mod compiler;
mod content;
mod contract;
mod deadline;
mod engine;
mod epoch;
mod fault;
pub mod file;
mod grants;
mod guest;
mod hook;
mod instance;
mod interests;
mod kv;
mod limits;
mod lineup;
mod link;
mod notice;
mod options;
mod pattern;
mod plugin;
mod policies;
mod pool;
mod request;
mod sidecar;
mod signature;
mod spec;
mod stats;
mod tables;
mod vocabulary;
mod wasi;

use std::fmt::Write as _;

pub use admission::{
    AdmissionCause, AdmissionError, Difference, Manifest, Needs, SidecarText, Source,
};
pub use breaker::Suspension;
pub use cache::CacheError;
pub use compiler::Compiler;
pub use content::{ContentKind, ContentSide};
#[doc(hidden)]
pub use contract::CONTRACT_TEXT;
pub use contract::{
    Attribute, CONTRACT_VERSION, CONTRACT_VERSIONS, Caller, Charge, Disconnect, Edit, Endpoint,
    Envelope, Estimate, Field, Head, Insertion, Overrun, Plan, Receipt, Refusal, Remedy, Reserve,
    RetryReason, SettingsProblem, Target, TranslatedAnswer, TranslatedRequest, Unit, UpstreamStats,
    Upstreams, Value, Window,
};
pub use engine::{Runtime, RuntimeError};
pub use fault::{Fault, FaultKind, TrapCode};
pub use grants::{BodyGrant, Grants, HeaderGrant};
pub use hook::{Hook, PerHook};
pub use interests::ExchangeFacts;
pub use kv::KvLimits;
pub use limits::{CallLimits, Limits};
pub use lineup::{
    AuditNote, Audited, CallTrace, FinishedExchange, GuardCalls, GuardTrace, Guards, HookSession,
    Lineup, Passage, PassedText, PluginCharge, Rejection, Stopped, Translation,
};
pub use options::{Allocation, RuntimeOptions};
pub use plugin::{Configured, Identity, Plugin};
pub use policies::{PluginState, PluginStatus, Policies, PoliciesError, PoliciesOptions, Progress};
pub use request::{Body, BodyError, PlainRequest, Request};
pub use sidecar::{FailPolicy, InstancePolicy, Sidecar};
pub use signature::{TrustedKeys, TrustedKeysError};
pub use stats::{CustomMetric, HookMetrics, PluginMetrics};
pub use tables::{Fetch, FetchRequest, Fetched, TableStatus};
pub use vocabulary::Vocabulary;
pub use witgate_config_file::{Problem, Problems};

/// Formats bytes as lowercase hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
