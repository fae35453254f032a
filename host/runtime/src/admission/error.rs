//! The reasons for which a plugin is refused.

use std::fmt;
use std::io;
use std::path::PathBuf;

use witgate_config_file::Problems;

use super::Difference;
use crate::compiler::CompileError;
use crate::contract::CONTRACT_VERSION;
use crate::fault::Fault;

/// A refused plugin.
#[derive(Debug)]
#[non_exhaustive]
pub struct AdmissionError {
    /// The name of the plugin.
    pub plugin: Box<str>,
    /// The plugin's file.
    pub file: PathBuf,
    /// The reason for the refusal.
    pub cause: AdmissionCause,
}

/// The reason for which a plugin is refused. Each text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionCause {
    /// A file can't be read. The operator has to fix it.
    #[error("{} can't be read: {_1}", _0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file is too large. The operator has to check that it is the right one.
    #[error("{} is larger than the limit of {limit} bytes; check that it is the right file", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The maximum size in bytes.
        limit: u64,
    },
    /// The plugin has several problems.
    #[error("{}", listed(_0))]
    Several(Vec<AdmissionCause>),
    /// The sidecar has problems. The operator has to fix it.
    #[error("the sidecar has problems:\n{0}")]
    Sidecar(Problems),
    /// The file is empty, as in the middle of a copy.
    #[error(
        "the file is empty because its build failed or a copy is not finished; build it again, or copy it under another name and rename it"
    )]
    Empty,
    /// The file ends in the middle of a section, as in the middle of a copy.
    #[error(
        "the file ends in the middle of a section, after {0} bytes; copy all of it under another name and rename it"
    )]
    CutOff(usize),
    /// The file is not WebAssembly.
    #[error(
        "the file is not WebAssembly; use the `.wasm` file that the plugin's build writes, not a compiled or compressed form of it"
    )]
    NotWasm,
    /// The core module can't be converted to a component.
    #[error(
        "the core module can't be converted to a component: {0}; build the plugin for wasm32-unknown-unknown with the contract's bindings"
    )]
    Encode(String),
    /// The core module is for WASI 0.1.
    #[error(
        "it is built for wasm32-wasip1 (it imports `wasi_snapshot_preview1`), which is not supported; build it for wasm32-unknown-unknown or wasm32-wasip2"
    )]
    OldWasi,
    /// The plugin starts with more memory than its sidecar allows. The operator may raise the limit.
    #[error(
        "it starts with {} of memory, and its limit is {}; raise `memory_bytes` in [limits] of the sidecar, or build it with a smaller initial memory",
        bytes(*wanted), bytes(size(*limit))
    )]
    OverLimit {
        /// The initial memory in bytes.
        wanted: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// The plugin starts with more memory than this host allows any plugin.
    #[error(
        "it starts with {} of memory, and this host allows a plugin at most {}; build it with a smaller initial memory",
        bytes(*wanted), bytes(size(*ceiling))
    )]
    OverCeiling {
        /// The initial memory in bytes.
        wanted: u64,
        /// The host's limit in bytes.
        ceiling: usize,
    },
    /// The plugin needs more of a resource than this host gives any plugin.
    #[error("it needs more than this host allows any plugin: {0}; make the plugin smaller")]
    OverHost(String),
    /// The engine refused the code. A file that is still being written looks like this, too.
    #[error(
        "it doesn't compile: {0}; if the file was still being written, rename it into place instead, otherwise build it again"
    )]
    Compile(String),
    /// The plugin imports something that this host does not have.
    #[error(
        "it imports `{import}`, which this host doesn't provide (it provides {provided}); remove the code that needs this import"
    )]
    ForeignImport {
        /// The import.
        import: String,
        /// The imports that this host provides.
        provided: String,
    },
    /// The plugin imports an interface that its sidecar does not grant. The operator may grant it.
    #[error(
        "it imports `{0}`, which is not granted; set `{0} = true` in [grants] of the sidecar to grant it"
    )]
    NotGranted(String),
    /// The plugin's file is not the one that its sidecar pins. The operator has to decide.
    #[error(
        "its file has the SHA-256 {found}, and the sidecar pins {pinned}; restore the pinned file, or change `sha256` in the sidecar if the new file is intended"
    )]
    Pin {
        /// The SHA-256 in the sidecar.
        pinned: String,
        /// The SHA-256 of the file.
        found: String,
    },
    /// The plugin was built against another version of the contract.
    #[error(
        "it {direction} `{interface}` at version {wanted}, and this host serves {served}{}; build the plugin against one of these, or use a host that serves {wanted}",
        difference.as_ref().map_or_else(String::new, |it| format!(" ({it})"))
    )]
    VersionMismatch {
        /// `imports` or `exports`.
        direction: &'static str,
        /// The interface, without its version.
        interface: Box<str>,
        /// The version that the plugin was built against.
        wanted: Box<str>,
        /// The versions that this host serves.
        served: Box<str>,
        /// The first item of the interface that differs from the newest of these.
        difference: Option<Box<Difference>>,
    },
    /// The plugin exports an interface of the contract's package that this host does not know.
    #[error(
        "it exports `{0}`, which version {CONTRACT_VERSION} of the contract doesn't have; build the plugin against that version"
    )]
    UnknownExport(String),
    /// The plugin has no hook.
    #[error(
        "it exports none of the hooks translate, envelope, guard, route, budget and audit; export at least one, at version {CONTRACT_VERSION}"
    )]
    NoHook,
    /// The plugin has the right version of the contract with different types: its copy of the contract was edited.
    #[error(
        "its contract has a version of this host but different types: {}; build the plugin against the original files of that version",
        difference.as_ref().map_or_else(|| detail.clone(), |it| it.to_string())
    )]
    TypeMismatch {
        /// The first item that differs.
        difference: Option<Box<Difference>>,
        /// The engine's description.
        detail: String,
    },
    /// The plugin is not signed by a trusted key. The operator has to decide.
    #[error(
        "{0}; put the author's signature beside it as NAME.wasm.minisig, or add the author's key to the trusted keys"
    )]
    Signature(String),
    /// The compiler failed or exceeded its limits. The operator may raise them.
    #[error("{0}; give the compiler more, or make the plugin smaller")]
    Compiler(String),
    /// A panic while reading the plugin: a bug in this host.
    #[error("internal error while reading the plugin; please report it and attach the file")]
    Crashed,
    /// The plugin rejected its settings. The operator has to fix them.
    #[error("the plugin rejected its settings:\n{0}")]
    Settings(Problems),
    /// Another plugin serves a path that the plugin claims. The operator has to decide.
    #[error(
        "it claims `{claim}`, which the plugin `{other}` has claimed; remove one of the two, or give one of them other paths in its settings"
    )]
    Claimed {
        /// The method and path.
        claim: String,
        /// The name of the other plugin.
        other: Box<str>,
    },
    /// The plugin faulted while it started.
    #[error(
        "it can't start: {0}; if it exceeded a limit, raise that limit in the sidecar, otherwise fix the plugin"
    )]
    Start(Box<Fault>),
    /// The plugin faulted in the smoke test.
    #[error("it failed the smoke test: {0}; a hook must answer a plain request without a fault")]
    SmokeTest(Box<Fault>),
}

// === impl AdmissionCause ===

impl AdmissionCause {
    /// Combines several causes into one.
    pub(super) fn all(mut causes: Vec<Self>) -> Self {
        match causes.len() {
            1 => causes.swap_remove(0),
            _ => Self::Several(causes),
        }
    }
}

impl AdmissionCause {
    /// Returns whether the plugin is refused because of a table of its sidecar.
    pub(super) fn is_about_tables(&self) -> bool {
        match self {
            Self::Sidecar(problems) => problems.is_about("tables"),
            Self::Several(causes) => causes.iter().any(Self::is_about_tables),
            _ => false,
        }
    }

    /// Returns whether the plugin is refused because of another one, which may go.
    pub(super) fn is_about_another(&self) -> bool {
        matches!(self, Self::Claimed { .. })
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
        "it has {} problems:{}",
        causes.len(),
        lines.collect::<String>()
    )
}

/// Formats a size in the largest unit that it is a whole multiple of.
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
