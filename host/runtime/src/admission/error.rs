//! Why a plugin was not admitted, and what to do.

use super::Difference;
use crate::compiler::CompileError;
use crate::contract::CONTRACT_VERSION;
use crate::fault::Fault;
use std::fmt;
use std::io;
use std::path::PathBuf;
use witgate_config_file::Problems;

/// A plugin that may not serve.
#[derive(Debug)]
pub struct AdmissionError {
    /// Name of the plugin.
    pub plugin: Box<str>,
    /// Its file.
    pub file: PathBuf,
    /// Why it may not.
    pub cause: AdmissionCause,
}

/// Why a plugin may not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionCause {
    /// A file can't be read: the operator's to mend.
    #[error("{} can't be read: {_1}", _0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file is larger than it may be; that it is the right one is the operator's to check.
    #[error("{} is larger than {most} bytes, the most that it may have; check that it is the right file", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// Bytes that it may have.
        most: u64,
    },
    /// Several things are wrong.
    #[error("{}", listed(_0))]
    Several(Vec<AdmissionCause>),
    /// The sidecar is wrong: the operator's to mend.
    #[error("its sidecar has problems:\n{0}")]
    Sidecar(Problems),
    /// The file is empty, as it is in the middle of a copy.
    #[error(
        "the file is empty: its build failed, or a copy isn't finished; build it again, or copy it under another name and rename it"
    )]
    Empty,
    /// The file ends in the middle of a section, as it does in the middle of a copy.
    #[error(
        "the file ends in the middle of a section, after {0} bytes; copy it whole under another name and rename it"
    )]
    CutOff(usize),
    /// The file is no WebAssembly.
    #[error(
        "the file is not WebAssembly; give the `.wasm` file that the plugin's build made, not a compiled or packed form of it"
    )]
    NotWasm,
    /// A core module that can't be made into a component.
    #[error(
        "the core module can't be made into a component: {0}; build the guest for wasm32-unknown-unknown with the contract's bindings"
    )]
    Encode(String),
    /// A core module for a system that this host isn't.
    #[error(
        "it is built for wasm32-wasip1 (it imports `wasi_snapshot_preview1`), which isn't supported; build it for wasm32-unknown-unknown or wasm32-wasip2"
    )]
    OldWasi,
    /// It starts with more memory than its sidecar allows: the operator's to decide.
    #[error(
        "it asks for {} of memory at its start, and the limit is {}; raise `memory_bytes` in [limits] of its sidecar, or build it with a smaller initial memory",
        bytes(*wanted), bytes(size(*limit))
    )]
    OverLimit {
        /// Bytes that it asks for.
        wanted: u64,
        /// Bytes that it may have.
        limit: usize,
    },
    /// It starts with more memory than this host gives to any plugin.
    #[error(
        "it asks for {} of memory at its start, and this host gives a plugin {} at most; build it with a smaller initial memory",
        bytes(*wanted), bytes(size(*ceiling))
    )]
    OverCeiling {
        /// Bytes that it asks for.
        wanted: u64,
        /// Bytes that any plugin may have.
        ceiling: usize,
    },
    /// It needs more of something than this host gives to any plugin.
    #[error("it needs more than this host gives to any plugin: {0}; build it smaller")]
    OverHost(String),
    /// The engine refused the code. A file that is still being written looks like this too.
    #[error(
        "it doesn't compile: {0}; if the file was being written, rename it into place instead, else build it again"
    )]
    Compile(String),
    /// It imports something that this host doesn't grant.
    #[error(
        "it imports `{import}`, which this host doesn't have (it has {has}); remove from the plugin what needs that import"
    )]
    ForeignImport {
        /// The import.
        import: String,
        /// What may be imported.
        has: String,
    },
    /// It imports an interface that its sidecar does not grant: the operator's to decide.
    #[error(
        "it imports `{0}`, which is not granted; `{0} = true` in [grants] of its sidecar grants it"
    )]
    NotGranted(String),
    /// Its bytes are not those that the sidecar pins: the operator's to decide.
    #[error(
        "its bytes have the SHA-256 {found}, and its sidecar pins {pinned}; put the pinned file back, or change `sha256` in the sidecar if the new file is meant"
    )]
    Pin {
        /// What the sidecar says.
        pinned: String,
        /// What the file has.
        found: String,
    },
    /// It was built against another version of the contract.
    #[error(
        "it {direction} `{interface}` at version {wanted}; this host serves {served}{}. Build the plugin against one of these, or run a host that serves {wanted}",
        difference.as_ref().map_or_else(String::new, |it| format!("; {it}"))
    )]
    VersionSkew {
        /// `imports` or `exports`.
        direction: &'static str,
        /// The interface, without its version.
        interface: Box<str>,
        /// The version that the plugin was built against.
        wanted: Box<str>,
        /// The versions that this host serves.
        served: Box<str>,
        /// The first item of the interface that differs from the newest of them.
        difference: Option<Box<Difference>>,
    },
    /// It exports an interface of the contract's package that this host doesn't know.
    #[error(
        "it exports `{0}`, which version {CONTRACT_VERSION} of the contract doesn't have; build the plugin against that version"
    )]
    UnknownExport(String),
    /// It has no hook.
    #[error(
        "it exports none of the hooks envelope, route, budget and audit; export at least one, at version {CONTRACT_VERSION}"
    )]
    NoHook,
    /// The versions are the same and the types differ: the contract's text was changed in place.
    #[error(
        "its contract has a version of this host and other types: {}; build the plugin against the unchanged files of that version",
        difference.as_ref().map_or_else(|| detail.clone(), |it| it.to_string())
    )]
    TypeSkew {
        /// The first item that differs.
        difference: Option<Box<Difference>>,
        /// What the engine says to it.
        detail: String,
    },
    /// It is not signed by a key that the operator trusts: the operator's to decide.
    #[error(
        "{0}; put the signature that its maker gives beside it, as NAME.wasm.minisig, or add the maker's key to the trusted keys"
    )]
    Signature(String),
    /// Compiling it took more than it may: the operator's to decide.
    #[error("{0}; give the compiler more, or make the plugin smaller")]
    Compiler(String),
    /// A reader of its bytes gave up in a way that it should not: a fault of this host, brought about by the file.
    #[error(
        "the host failed to read it, which it should not, whatever the file; tell the makers of the host, and build the plugin again"
    )]
    Crashed,
    /// The plugin found its settings wrong: the operator's to mend.
    #[error("the plugin refused its settings:\n{0}")]
    Settings(Problems),
    /// It faulted while it got ready.
    #[error(
        "it can't start: {0}; raise the limit in the sidecar if it is one, else mend the plugin"
    )]
    Start(Box<Fault>),
    /// It faulted in a benign call.
    #[error("it failed its rehearsal: {0}; a hook has to answer a plain request without a fault")]
    Rehearsal(Box<Fault>),
}

// === impl AdmissionCause ===

impl AdmissionCause {
    /// Several causes as one.
    pub(super) fn all(mut causes: Vec<Self>) -> Self {
        match causes.len() {
            1 => causes.swap_remove(0),
            _ => Self::Several(causes),
        }
    }
}

impl From<CompileError> for AdmissionCause {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Component(text) if text.contains("exceeds the limit") => {
                Self::OverHost(text)
            }
            CompileError::Component(text) => Self::Compile(text),
            CompileError::Compiler(text) => Self::Compiler(text),
        }
    }
}

fn listed(causes: &[AdmissionCause]) -> String {
    let lines = causes.iter().map(|cause| format!("\n- {cause}"));
    format!(
        "{} things are wrong:{}",
        causes.len(),
        lines.collect::<String>()
    )
}

/// A size in the largest unit that it is a whole number of.
fn bytes(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = units
        .into_iter()
        .find(|(shift, _)| bytes >> shift > 0 && bytes.trailing_zeros() >= *shift);
    match whole {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

// === impl AdmissionError ===

impl fmt::Display for AdmissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "plugin `{}` ({}) is not admitted: {}",
            self.plugin,
            self.file.display(),
            self.cause
        )
    }
}

impl std::error::Error for AdmissionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
