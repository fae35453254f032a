//! The items that most plugins need: `use witgate_plugin::prelude::*;`
//!
//! [`Envelope`] here is the record; the hook's trait of the same name is [`witgate_plugin::Envelope`](crate::Envelope).

pub use crate::types::{
    Caller, Charge, Envelope, Estimate, Head, Plan, Receipt, Refusal, Remedy, Target,
    UpstreamStats, Value,
};
pub use crate::{Glob, Request, clock, kv, log, metrics};
