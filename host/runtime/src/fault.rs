//! Failed plugin calls. A fault is never a decision.

use std::fmt;
use std::sync::Arc;

use crate::hook::Hook;

/// A failed call of a plugin.
///
/// The instance that it happened in is already dropped. `Display` writes one line; the backtrace is for logs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fault {
    /// The name of the plugin.
    pub plugin: Arc<str>,
    /// The SHA-256 of the plugin's file in hex, or an empty text if the plugin is absent.
    pub sha256: Arc<str>,
    /// The hook that was called, or `None` if an instance failed to start.
    pub hook: Option<Hook>,
    /// The kind of the fault.
    pub kind: FaultKind,
    /// Details beyond the kind, such as the guest's panic message or the limit that was exceeded.
    pub message: Option<String>,
    /// The guest's function names, innermost first.
    pub backtrace: Vec<String>,
}

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The guest trapped.
    Trap(TrapCode),
    /// The call took longer than `deadline_ms`.
    Deadline,
    /// The guest needed more than `memory_mib`, `table_elements` or `core_instances` and then failed.
    Memory,
    /// The guest used up its stack.
    StackOverflow,
    /// The call copied more than `copy_bytes` between host and guest, or more than `body_bytes` of the body.
    CopyLimit,
    /// A single value of the request is larger than `copy_bytes` or `body_bytes`. The caller determines its size, so the
    /// plugin is not to blame.
    RequestTooLarge,
    /// The guest called the host more often than `host_calls`.
    HostCalls,
    /// The guest returned a list longer than `list_items`, or more than `return_bytes` in total.
    ReturnLimit,
    /// The guest broke the contract, for example by an invalid value or by keeping a borrowed handle.
    Contract,
    /// The guest used something that its sidecar does not grant.
    NotGranted,
    /// `lifecycle.configure` rejected settings that it had accepted at admission.
    Configure,
    /// A table is older than `max_age_ms`. Its source is to blame, not the plugin.
    StaleTable,
    /// All instances are busy, or all memory for plugins is in use. The call is shed; the plugin is not to blame.
    Exhausted,
    /// The plugin is suspended after repeated faults.
    Suspended,
    /// The plugin is suspended for this caller's tenant after repeated faults at its requests.
    SuspendedForCaller,
    /// A required plugin is not loaded.
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

/// A WebAssembly trap. `Display` writes the engine's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrapCode(pub(crate) wasmtime::Trap);

// === impl TrapCode ===

impl TrapCode {
    /// Returns whether the guest executed an `unreachable` instruction, as the runtimes of most languages do in a panic.
    pub fn is_panic(self) -> bool {
        self.0 == wasmtime::Trap::UnreachableCodeReached
    }
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(text.strip_prefix("wasm trap: ").unwrap_or(&text))
    }
}

// === impl FaultKind ===

impl FaultKind {
    /// Returns a short code for metrics and error bodies.
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
            Self::StaleTable => "stale-table",
            Self::Exhausted => "exhausted",
            Self::Suspended => "suspended",
            Self::SuspendedForCaller => "suspended-for-caller",
            Self::Absent => "absent",
        }
    }

    /// Returns whether the plugin is to blame, so that the breaker counts the fault.
    pub const fn is_plugins(self) -> bool {
        !matches!(
            self,
            Self::RequestTooLarge
                | Self::StaleTable
                | Self::Exhausted
                | Self::Suspended
                | Self::SuspendedForCaller
                | Self::Absent
        )
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(code) if code.is_panic() => f.write_str("it panicked"),
            Self::Trap(code) => {
                write!(f, "trap ({code})")
            }
            Self::Suspended => f.write_str("is suspended after repeated faults"),
            Self::SuspendedForCaller => {
                f.write_str("is suspended for this caller after repeated faults at its requests")
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
            | Self::StaleTable
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
            None => write!(f, ", starting: {}", self.kind)?,
        }
        if let Some(message) = &self.message {
            // A panic message may have many lines.
            write!(f, ": {}", message.replace('\n', " "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
