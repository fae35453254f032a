//! The records that hooks exchange with the host, as in `wit/types.wit`, with constructors for those that plugins make.

mod envelope;
mod plan;
mod refusal;

pub use crate::bindings::witgate::plugin::types::{
    Attribute, Caller, Charge, Edit, Envelope, Estimate, Field, Head, Plan, Receipt, Refusal,
    Remedy, Target, UpstreamStats, Value,
};

/// Returns the value of the first attribute named `name`, or `None` if there is none.
#[must_use]
pub fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find_map(|(named, value)| (named == name).then_some(value.as_str()))
}
