//! What a plugin usually needs: `use witgate_plugin::prelude::*;`
//!
//! [`Envelope`] here is the record; the hook's trait of that name is [`witgate_plugin::Envelope`](crate::Envelope).

pub use crate::types::{
    Caller, Charge, Envelope, Estimate, Head, Plan, Receipt, Refusal, Remedy, Target,
    UpstreamStats, Value,
};
pub use crate::{Glob, Request, clock, kv, log, metrics};
