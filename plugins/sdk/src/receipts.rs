//! The receipts of an audit call, and the edits of them.

use crate::request::Facts;
use crate::tables::Lookup;
use crate::types::{Field, Value};

/// The receipts of an audit call.
#[derive(Debug)]
pub struct Receipts<'a> {
    pub(crate) facts: Facts<'a>,
    pub(crate) count: u32,
}

// === impl Receipts ===

impl Receipts<'_> {
    /// Returns the number of receipts. Their indices are counted from 0.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the value of a field of a receipt, or `None` if the receipt does not have it.
    #[must_use]
    pub fn field(&self, receipt: u32, name: &str) -> Option<Value> {
        self.facts.receipt_field(receipt, name)
    }

    /// Returns a table that the sidecar declares.
    #[must_use]
    pub fn table<'t>(&'t self, name: &'t str) -> Lookup<'t> {
        Lookup {
            facts: &self.facts,
            name,
        }
    }

    /// Returns all fields of a receipt, in the host's order.
    #[must_use]
    pub fn fields(&self, receipt: u32) -> Vec<Field> {
        self.facts.receipt_fields(receipt)
    }
}
