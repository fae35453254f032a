//! The words that hooks share, as in `wit/types.wit`, with constructors for those that a plugin makes.

mod envelope;
mod plan;
mod refusal;

pub use crate::bindings::witgate::plugin::types::{
    Attribute, Caller, Charge, Edit, Envelope, Estimate, Field, Head, Plan, Receipt, Refusal,
    Remedy, Target, UpstreamStats, Value,
};

/// The value of the first attribute of this name.
#[must_use]
pub fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find_map(|(named, value)| (named == name).then_some(value.as_str()))
}
