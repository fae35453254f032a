//! The records that hooks exchange with the host, as in `wit/`, with constructors for those that plugins make.

mod codes;
mod edits;
mod envelope;
mod guard;
mod interest;
mod plan;
mod receipt_edits;
mod refusal;
mod translate;

pub use crate::bindings::audit::exports::witgate::plugin::audit::{
    Edits as ReceiptEdits, Hashing, ReceiptEdit,
};
pub use crate::bindings::guard::exports::witgate::plugin::guard::{
    Piece, Replacement, Stop, Verdict,
};
pub use crate::bindings::lifecycle::exports::witgate::plugin::lifecycle::{
    Claim, Dialect, Hook, Interest,
};
pub use crate::bindings::translate::exports::witgate::plugin::translate::{Asked, Response};
pub use crate::bindings::witgate::plugin::types::{
    Attribute, Charge, ContentKind, Disconnect, Edit, EndpointCode as Endpoint, Envelope, Estimate,
    Field, Insertion, Overrun, Plan, Refusal, Remedy, Reserve, RetryReason, Target, Unit, Value,
    Window,
};

/// The rest of a limit that a charge does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// The amount left, in the unit of the charge.
    pub remaining: u64,
    /// The time until the charge fits if nothing else is reserved, in milliseconds, or `None` if that is not known.
    pub resets_in_ms: Option<u64>,
}

/// Returns the value of the first attribute named `name`, or `None` if there is none.
#[must_use]
pub fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find_map(|(named, value)| (named == name).then_some(value.as_str()))
}

#[cfg(test)]
mod tests;
