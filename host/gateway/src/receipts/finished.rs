//! A finished exchange, on its way to the audit hook and a receipts file.

use std::sync::Arc;

use witgate_runtime::Lineup;

use crate::receipts::receipt::Receipt;

/// A receipt with the lineup whose audit hook reads it.
pub(crate) struct Finished {
    pub(crate) receipt: Receipt,
    pub(crate) lineup: Arc<Lineup>,
}
