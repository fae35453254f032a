//! The items that most plugins need: `use witgate_plugin::prelude::*;`
//!
//! [`Envelope`] here is the record; the hook's trait of the same name is [`witgate_plugin::Envelope`](crate::Envelope).

pub use crate::types::{
    Charge, ContentKind, Edit, Endpoint, Envelope, Estimate, Interest, Overrun, Piece, Plan,
    ReceiptEdit, ReceiptEdits, Refusal, Remedy, Reserve, Rest, RetryReason, Target, Unit, Value,
    Verdict, Window,
};
pub use crate::{Glob, Receipts, Request, clock, kv, log, metrics};
