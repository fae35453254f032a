//! An embeddable host for gateway plugins: admission, instances, limits, faults, hot reload.

mod admission;
mod breaker;
mod contract;
mod engine;
mod fault;
mod guest;
mod hook;
mod instance;
mod limits;
mod lineup;
mod plugin;
mod policies;
mod pool;
pub mod problem;
mod request;
mod sidecar;
mod stats;

pub use admission::{AdmissionCause, AdmissionError, SidecarText, Source};
pub use contract::{
    Attribute, CONTRACT_VERSION, Caller, Charge, Edit, Envelope, Estimate, Field, Head, Plan,
    Receipt, Refusal, Remedy, SettingsProblem, Target, UpstreamStats, Value,
};
pub use engine::{Allocation, Runtime, RuntimeError, RuntimeOptions};
pub use fault::{Fault, FaultKind, TrapCode};
pub use hook::{Hook, PerHook};
pub use limits::Limits;
pub use lineup::{Audited, Lineup, Mark, PluginCharge, Stop, Trail};
pub use plugin::{Identity, Plugin};
pub use policies::{PluginState, PluginStatus, Policies, PoliciesError, PoliciesOptions, Progress};
pub use request::Request;
pub use sidecar::{FailPolicy, InstancePolicy, Sidecar};
pub use stats::{CustomMetric, Figures, HookFigures};
