//! The plugin contract as Rust types, generated from `wit/`, in each version that the host serves.
//!
//! Records that plugins return are plain owned structs of the newest version; [`v0_2`] converts those of the older one. Facts
//! that plugins read are the embedder's, and a guest asks for them one by one.

mod codes;
pub(crate) mod exports;
mod facts;
mod merge;
mod plain;
pub(crate) mod v0_2;

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
    pub mod v0_3 {
        wasmtime::component::bindgen!({
            path: "wit",
            world: "plugin",
            additional_derives: [PartialEq, serde::Serialize],
        });
    }

    pub mod v0_2 {
        wasmtime::component::bindgen!({
            path: "wit/frozen/0.2.0",
            world: "plugin",
            with: { "witgate:plugin/types.request": crate::contract::RequestHandle },
        });
    }
}

pub(crate) use generated::v0_3::exports::witgate::plugin::audit::{
    Edits as ReceiptEdits, ReceiptEdit,
};
pub(crate) use generated::v0_3::exports::witgate::plugin::{guard, lifecycle, translate};
pub(crate) use generated::v0_3::witgate::plugin::{context, kv, log, planned, request, upstreams};

pub use facts::{Caller, Head, Receipt, UpstreamStats, Upstreams};
pub use generated::v0_3::exports::witgate::plugin::lifecycle::Problem as SettingsProblem;
pub use generated::v0_3::exports::witgate::plugin::translate::{
    Asked as TranslatedRequest, Response as TranslatedAnswer,
};
pub(crate) use generated::v0_3::witgate::plugin::types::ContentKind as WitContentKind;
pub use generated::v0_3::witgate::plugin::types::{
    Attribute, Charge, Disconnect, Edit, EndpointCode as Endpoint, Envelope, Estimate, Field,
    Insertion, Overrun, Plan, Refusal, Remedy, Reserve, RetryReason, Target, Unit, Value, Window,
};

/// The handle to the request that a guest of version 0.2 holds. A store has one request at a time, so the handle needs no number.
#[derive(Debug)]
#[allow(
    unreachable_pub,
    reason = "the generated bindings name it in public signatures"
)]
pub struct RequestHandle;

/// The name of the WIT package, without its version.
pub(crate) const PACKAGE: &str = "witgate:plugin";

pub(crate) const V0_2: &str = "0.2.0";
pub(crate) const V0_3: &str = "0.3.0";

/// The version of the contract that plugins should be built against.
pub const CONTRACT_VERSION: &str = V0_3;

/// The versions of the contract that this host serves, oldest first. Patch releases of these are the same contract.
pub const CONTRACT_VERSIONS: [&str; 2] = [V0_2, V0_3];

/// Names and texts of the files of one version.
type Files = &'static [(&'static str, &'static str)];

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!($folder, $name)))),*]
    };
}

/// The files of the contract that plugins should be built against: name and content.
///
/// For `witgate plugin`, which writes them into new projects. An embedder takes the contract from the SDK instead.
#[doc(hidden)]
pub const CONTRACT_TEXT: &[(&str, &str)] = files!("../wit/":
    "audit.wit" "budget.wit" "caller.wit" "clock.wit" "context.wit"
    "envelope.wit" "guard.wit" "kv.wit" "lifecycle.wit" "log.wit"
    "metrics.wit" "notes.wit" "planned.wit" "receipts.wit" "request.wit" "route.wit"
    "settings.wit" "tables.wit" "texts.wit" "translate.wit" "types.wit" "upstreams.wit" "worlds.wit");

const TEXT_0_2: Files = files!("../wit/frozen/0.2.0/":
    "audit.wit" "budget.wit" "clock.wit" "envelope.wit" "kv.wit"
    "lifecycle.wit" "log.wit" "metrics.wit" "route.wit" "settings.wit"
    "types.wit" "worlds.wit");

/// Returns the files of a served version, or of the newest version for any other.
pub(crate) fn text_of(version: &str) -> Files {
    match version {
        V0_2 => TEXT_0_2,
        _ => CONTRACT_TEXT,
    }
}

/// An interface that plugins may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) interface: &'static str,
    /// The first version that has the interface.
    since: &'static str,
}

/// The interfaces of all versions.
pub(crate) const IMPORTS: [Import; 15] = [
    Import::new("types", V0_2),
    Import::new("request", V0_3),
    Import::new("caller", V0_3),
    Import::new("context", V0_3),
    Import::new("upstreams", V0_3),
    Import::new("planned", V0_3),
    Import::new("receipts", V0_3),
    Import::new("log", V0_2),
    Import::new("metrics", V0_2),
    Import::new("settings", V0_2),
    Import::new("clock", V0_2),
    Import::new("kv", V0_2),
    Import::new("tables", V0_3),
    Import::new("texts", V0_3),
    Import::new("notes", V0_3),
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

/// Returns `0.3` for `0.3.7`. A pre-release is a version of its own.
fn minor(version: &str) -> &str {
    match version.rsplit_once('.') {
        Some((minor, patch)) if patch.bytes().all(|byte| byte.is_ascii_digit()) => minor,
        Some(_) | None => version,
    }
}
