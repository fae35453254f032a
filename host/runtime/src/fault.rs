//! What went wrong inside a plugin call. A fault is never a decision.

use crate::hook::Hook;
use std::fmt;
use std::sync::Arc;

pub use wasmtime::Trap as TrapCode;

/// One failed call of one plugin.
///
/// The instance that it happened in is gone by the time that this value is seen. `Display` is one line; the backtrace
/// is for logs.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Name of the plugin.
    pub plugin: Arc<str>,
    /// SHA-256 of the plugin's file in hex; empty for a plugin that is absent.
    pub sha256: Arc<str>,
    /// The hook that was called; none while an instance got ready.
    pub hook: Option<Hook>,
    /// What went wrong.
    pub kind: FaultKind,
    /// What is known beyond the kind: the guest's panic text, the number that was exceeded.
    pub message: Option<String>,
    /// Function names of the guest, innermost first.
    pub backtrace: Vec<String>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The guest trapped.
    Trap(TrapCode),
    /// The call took longer than `deadline_ms`.
    Deadline,
    /// The guest wanted more than `memory_mib`, `table_elements` or `core_instances`, and then failed.
    Memory,
    /// The guest's stack is used up.
    StackOverflow,
    /// More than `copy_bytes` were copied between host and guest, or more than `body_bytes` of the body.
    CopyLimit,
    /// One value of the request is larger than `copy_bytes` or `body_bytes`: the caller's choice, and not the plugin's fault.
    RequestTooLarge,
    /// The guest called the host more often than `host_calls`.
    HostCalls,
    /// A returned list is longer than `list_items`, or what is returned has more than `return_bytes`.
    ReturnLimit,
    /// The guest broke the contract: a value that can't be, a borrowed handle kept.
    Contract,
    /// The guest asked for what its sidecar does not grant.
    NotGranted,
    /// `lifecycle.configure` found problems in settings that it took at admission.
    Configure,
    /// All instances are busy: load to shed, not the plugin's fault.
    Exhausted,
    /// The plugin sits out after repeated faults.
    Benched,
    /// The plugin sits out for this caller's tenant, after repeated faults at its requests.
    BenchedForCaller,
    /// A required plugin is not there.
    Absent,
}

/// The part of a fault that does not depend on the plugin and the hook.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FaultKind,
    pub(crate) message: Option<String>,
    pub(crate) backtrace: Vec<String>,
}

// === impl Failure ===

impl Failure {
    /// A failure that the host found, without a backtrace.
    pub(crate) fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: Some(message.into()),
            backtrace: Vec::new(),
        }
    }
}

// === impl FaultKind ===

impl FaultKind {
    /// A short code for metrics and error bodies.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::StackOverflow => "stack-overflow",
            Self::CopyLimit => "copy-limit",
            Self::RequestTooLarge => "request-too-large",
            Self::HostCalls => "host-calls",
            Self::ReturnLimit => "return-limit",
            Self::Contract => "contract",
            Self::NotGranted => "not-granted",
            Self::Configure => "configure",
            Self::Exhausted => "exhausted",
            Self::Benched => "benched",
            Self::BenchedForCaller => "benched-for-caller",
            Self::Absent => "absent",
        }
    }

    /// Whether the plugin is to blame, so that the breaker counts it.
    pub const fn is_plugins(self) -> bool {
        !matches!(
            self,
            Self::RequestTooLarge
                | Self::Exhausted
                | Self::Benched
                | Self::BenchedForCaller
                | Self::Absent
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What a language's runtime does when it gives up.
            Self::Trap(TrapCode::UnreachableCodeReached) => f.write_str("it panicked"),
            Self::Trap(code) => {
                let text = code.to_string();
                let text = text.strip_prefix("wasm trap: ").unwrap_or(&text);
                write!(f, "trap ({text})")
            }
            Self::Benched => f.write_str("is paused after repeated faults"),
            Self::BenchedForCaller => {
                f.write_str("is paused after repeated faults at requests of this caller")
            }
            Self::Deadline
            | Self::Memory
            | Self::StackOverflow
            | Self::CopyLimit
            | Self::RequestTooLarge
            | Self::HostCalls
            | Self::ReturnLimit
            | Self::Contract
            | Self::NotGranted
            | Self::Configure
            | Self::Exhausted
            | Self::Absent => f.write_str(self.code()),
        }
    }
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin `{}`", self.plugin)?;
        if let Some(prefix) = self.sha256.get(..12) {
            write!(f, " ({prefix})")?;
        }
        match self.hook {
            Some(hook) => write!(f, ", hook `{hook}`: {}", self.kind)?,
            None => write!(f, ", getting ready: {}", self.kind)?,
        }
        if let Some(message) = &self.message {
            // One line: a panic text may have many.
            write!(f, ": {}", message.replace('\n', " "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
