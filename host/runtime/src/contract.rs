//! The plugin contract as Rust types, generated from `wit/`, in each version that the host serves.
//!
//! Records are plain owned structs, and a record that two versions share is one type. The request is the exception: guests hold
//! a handle, and the embedder holds the [`Request`](crate::Request).

pub(crate) mod exports;
mod merge;
mod plain;

#[allow(
    missing_docs,
    dead_code,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::redundant_clone,
    clippy::clone_on_ref_ptr,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_arguments,
    unused_qualifications,
    unreachable_pub,
    reason = "generated code"
)]
mod generated {
    pub mod v0_2 {
        wasmtime::component::bindgen!({
            path: "wit",
            world: "plugin",
            with: { "witgate:plugin/types.request": crate::contract::RequestHandle },
            additional_derives: [PartialEq, serde::Serialize],
        });
    }

    pub mod v0_1 {
        wasmtime::component::bindgen!({
            path: "wit/frozen/0.1.0",
            world: "plugin",
            with: { "witgate:plugin/types": super::v0_2::witgate::plugin::types },
            additional_derives: [PartialEq],
        });
    }
}

pub(crate) use generated::v0_2::witgate::plugin::{kv, log};

pub use generated::v0_2::exports::witgate::plugin::lifecycle::Problem as SettingsProblem;
pub use generated::v0_2::witgate::plugin::types::{
    Attribute, Caller, Charge, Edit, Envelope, Estimate, Field, Head, Plan, Receipt, Refusal,
    Remedy, Target, UpstreamStats, Value,
};

/// The handle to the request that a guest holds. A store has one request at a time, so the handle needs no number.
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "the generated bindings name it in public signatures"
)]
pub struct RequestHandle;

/// The name of the WIT package, without its version.
pub(crate) const PACKAGE: &str = "witgate:plugin";

pub(crate) const V0_1: &str = "0.1.0";
pub(crate) const V0_2: &str = "0.2.0";

/// The version of the contract that plugins should be built against.
pub const CONTRACT_VERSION: &str = V0_2;

/// The versions of the contract that this host serves, oldest first. Patch releases of these are the same contract.
pub const CONTRACT_VERSIONS: [&str; 2] = [V0_1, V0_2];

/// The files of the contract that plugins should be built against: name and content.
///
/// For `witgate plugin`, which writes them into new projects. An embedder takes the contract from the SDK instead.
#[doc(hidden)]
pub const CONTRACT_TEXT: [(&str, &str); 12] = [
    ("audit.wit", include_str!("../wit/audit.wit")),
    ("budget.wit", include_str!("../wit/budget.wit")),
    ("clock.wit", include_str!("../wit/clock.wit")),
    ("envelope.wit", include_str!("../wit/envelope.wit")),
    ("kv.wit", include_str!("../wit/kv.wit")),
    ("lifecycle.wit", include_str!("../wit/lifecycle.wit")),
    ("log.wit", include_str!("../wit/log.wit")),
    ("metrics.wit", include_str!("../wit/metrics.wit")),
    ("route.wit", include_str!("../wit/route.wit")),
    ("settings.wit", include_str!("../wit/settings.wit")),
    ("types.wit", include_str!("../wit/types.wit")),
    ("worlds.wit", include_str!("../wit/worlds.wit")),
];

const TEXT_0_1: [(&str, &str); 11] = [
    ("audit.wit", include_str!("../wit/frozen/0.1.0/audit.wit")),
    ("budget.wit", include_str!("../wit/frozen/0.1.0/budget.wit")),
    ("clock.wit", include_str!("../wit/frozen/0.1.0/clock.wit")),
    (
        "envelope.wit",
        include_str!("../wit/frozen/0.1.0/envelope.wit"),
    ),
    (
        "lifecycle.wit",
        include_str!("../wit/frozen/0.1.0/lifecycle.wit"),
    ),
    ("log.wit", include_str!("../wit/frozen/0.1.0/log.wit")),
    (
        "metrics.wit",
        include_str!("../wit/frozen/0.1.0/metrics.wit"),
    ),
    ("route.wit", include_str!("../wit/frozen/0.1.0/route.wit")),
    (
        "settings.wit",
        include_str!("../wit/frozen/0.1.0/settings.wit"),
    ),
    ("types.wit", include_str!("../wit/frozen/0.1.0/types.wit")),
    ("worlds.wit", include_str!("../wit/frozen/0.1.0/worlds.wit")),
];

/// Returns the files of a served version, or of the newest version for any other.
pub(crate) fn text_of(version: &str) -> &'static [(&'static str, &'static str)] {
    match version {
        V0_1 => &TEXT_0_1,
        _ => &CONTRACT_TEXT,
    }
}

/// An interface that plugins may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) interface: &'static str,
    /// The first version that has the interface.
    since: &'static str,
}

/// The interfaces of the newest version.
pub(crate) const IMPORTS: [Import; 6] = [
    Import::new("types", V0_1),
    Import::new("log", V0_1),
    Import::new("metrics", V0_1),
    Import::new("settings", V0_1),
    Import::new("clock", V0_1),
    Import::new("kv", V0_2),
];

// === impl Import ===

impl Import {
    const fn new(interface: &'static str, since: &'static str) -> Self {
        Self { interface, since }
    }

    /// Returns whether a version of the contract has the interface.
    pub(crate) fn is_in(self, version: &str) -> bool {
        let place = |version| CONTRACT_VERSIONS.iter().position(|known| *known == version);
        place(self.since) <= place(version)
    }
}

/// Returns the served version that only differs from `version` in its patch number, or `None` if there is none.
pub(crate) fn served(version: &str) -> Option<&'static str> {
    CONTRACT_VERSIONS
        .into_iter()
        .find(|known| minor(known) == minor(version))
}

/// Returns `0.1` for `0.1.7`. A pre-release is a version of its own.
fn minor(version: &str) -> &str {
    match version.rsplit_once('.') {
        Some((minor, patch)) if patch.bytes().all(|byte| byte.is_ascii_digit()) => minor,
        Some(_) | None => version,
    }
}
