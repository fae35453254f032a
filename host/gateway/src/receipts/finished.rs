//! The records that the receipts are written from.

use std::sync::Arc;

use witgate_runtime::Lineup;

use crate::receipts::receipt::Receipt;

/// A finished exchange, on its way to the audit hook and the receipts file.
pub(crate) struct Finished {
    pub(crate) receipt: Receipt,
    pub(crate) lineup: Arc<Lineup>,
}
